"""The listening socket: under which names the relay is reached, TLS, and strangers who connect and say nothing.

Rule 1: plain HTTP is served on loopback only.
Rule 2: a connection that has not sent a whole request head in time is closed (reference F12).
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from relay.data_folder import require_private
from remote_assist.core.codes import relay_origin
from remote_assist.errors import ContentError, UnreachableError, UsageError

BACKLOG = 1024
MAX_SILENT = 8192
"""Connections that have not sent a request yet; beyond, new ones are closed at once."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def bind(host: str, port: int, *, tls: bool) -> socket.socket:
    """A listening socket. Raises UsageError for plain HTTP off loopback, UnreachableError when the port is taken."""
    if not tls and not is_loopback(host):
        raise UsageError(
            f"plain HTTP on {host} would show everything to the network",
            advice="Give --tls-cert and --tls-key, or listen on 127.0.0.1.",
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise UnreachableError(
            f"cannot listen on {host}:{port}: {error.strerror}", advice="Is another relay running there?"
        ) from error
    listening.setblocking(False)
    return listening


def origins_of(host: str, port: int, *, tls: bool, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Every name the relay answers to; the first is its own. Raises UsageError when none can be told."""
    scheme = "https" if tls else "http"
    found = [relay_origin(one) for one in asked]
    if is_loopback(host):
        here = host if ":" not in host or host.startswith("[") else f"[{host}]"
        found += [f"{scheme}://{name}:{port}" for name in (here, *LOOPBACK_NAMES)]
    elif not _is_wildcard(host):
        found.append(relay_origin(f"{scheme}://{host}:{port}"))
    if not found:
        raise UsageError(
            f"{host} says nothing about the relay's name", advice="Add --origin https://relay.example.com."
        )
    return tuple(dict.fromkeys(found))


def own_address(port: int, *, tls: bool, origins: tuple[str, ...]) -> str:
    """The URL under which the relay is reached from its own machine: not that of a proxy before it."""
    scheme = "https:" if tls else "http:"
    return next((one for one in origins if one.startswith(scheme) and one.endswith(f":{port}")), origins[0])


def load_tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """TLS as asked for. Raises UsageError (only one of both), ContentError (unusable, key open to others)."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise UsageError("TLS needs both a certificate and its key", advice="Give --tls-cert and --tls-key.")
    require_private(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ContentError(f"{cert} and {key} are no TLS certificate with its key: {error}") from error
    return context


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class FrontDoor:
    """Makes a protocol for each connection and closes those that stay silent."""

    def __init__(self, *, deadline_seconds: float) -> None:
        self._server: Callable[[], asyncio.Protocol] | None = None
        self._deadline_seconds = deadline_seconds
        self._silent: set[asyncio.Protocol] = set()

    def serve(self, server: Callable[[], asyncio.Protocol]) -> None:
        """Say who makes the protocols."""
        self._server = server

    def __call__(self) -> asyncio.Protocol:
        assert self._server is not None
        protocol = self._server()
        self._silent.add(protocol)
        patience = self._deadline_seconds if len(self._silent) <= MAX_SILENT else 0.0
        asyncio.get_running_loop().call_later(patience, self._close_if_silent, protocol)
        return protocol

    def arrived(self, request: web.Request) -> None:
        """A whole request head came on this connection."""
        self._silent.discard(request.protocol)

    def _close_if_silent(self, protocol: asyncio.Protocol) -> None:
        if protocol not in self._silent:
            return
        self._silent.discard(protocol)
        transport = getattr(protocol, "transport", None)
        if transport is not None:
            transport.abort()


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return host == ""
