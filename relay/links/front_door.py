"""The listening socket: under which names the relay is reached, TLS, and strangers who connect and say nothing.

Rule 1: plain HTTP is served on loopback only.
Rule 2: a connection that has not sent a whole request head in time is closed and its address pays (reference F12).
Rule 3: a connection counts against its address from the moment it is accepted, before any TLS handshake.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path

import structlog
from aiohttp import web

from relay.limits.penalties import Penalties
from relay.limits.sources import Sources
from relay.limits.strangers import Stranger, Strangers
from relay.links.sockets import log_refusal
from relay.storage.data_folder import require_private
from remote_assist.core.codes import relay_origin
from remote_assist.errors import ContentError, RefusedError, UnreachableError, UsageError

BACKLOG = 1024
SILENCE_UNITS = 2
"""What a connection that said nothing until its deadline costs its address (OpenSSH: 10 s, a failure 5 s)."""

ACCEPT_AGAIN_SECONDS = 0.1

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


def split_listen(text: str) -> tuple[str, int]:
    """HOST:PORT in its two parts. Raises UsageError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"'{text}' is not HOST:PORT", advice="For example 127.0.0.1:8470.")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class FrontDoor:
    """Accepts connections and ends those of strangers who are too many or say nothing; the latter pay `penalties`."""

    def __init__(
        self,
        strangers: Strangers,
        penalties: Penalties,
        sources: Sources,
        *,
        deadline_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._strangers = strangers
        self._penalties = penalties
        self._sources = sources
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._waiting: dict[asyncio.BaseProtocol, Stranger] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None

    def open(
        self, listening: socket.socket, server: Callable[[], asyncio.Protocol], *, tls: ssl.SSLContext | None
    ) -> None:
        """Begin to accept. `server` makes the protocol of a connection."""
        listening.listen(BACKLOG)
        self._listening = listening
        self._spawn(self._accept_forever(listening, server, tls))

    async def close(self) -> None:
        """Accept no more; what is connected stays."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()

    @property
    def strangers(self) -> int:
        """Connections nobody knows yet."""
        return len(self._strangers)

    def arrived(self, request: web.Request) -> None:
        """A whole request head came on this connection."""
        stranger = self._waiting.get(request.protocol)
        if stranger is not None:
            stranger.heard = True

    def address_of(self, request: web.Request) -> str:
        """The address that asks, which a trusted proxy may name."""
        return self._sources.of(request)

    def known(self, request: web.Request) -> None:
        """Whoever is connected showed who it is: a token, a proof, a one-time ticket."""
        stranger = self._waiting.pop(request.protocol, None)
        if stranger is not None:
            self._strangers.known(stranger)

    def sweep(self) -> None:
        """Forget connections that are gone."""
        for protocol, stranger in list(self._waiting.items()):
            if not stranger.is_open():
                del self._waiting[protocol]
        self._strangers.sweep()

    async def _accept_forever(
        self, listening: socket.socket, server: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as error:
                # A caller who left already, or no descriptor is free: others will come, and some will leave.
                structlog.get_logger("door").warning("not-accepted", cause=error.strerror)
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)
                continue
            connection.setblocking(False)
            self._spawn(self._welcome(connection, str(address[0]), server, tls))

    async def _welcome(
        self,
        connection: socket.socket,
        address: str,
        server: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        shared = self._sources.trusts(address)
        stranger = Stranger(address, lambda: connection.fileno() != -1, connection.close)
        try:
            if not shared:
                self._penalties.check(address, self._clock())
            if not self._strangers.admit(stranger, shared=shared):
                raise RefusedError("too many connections of this address have not said who they are", reason="busy")
        except RefusedError as error:
            log_refusal(None, error.reason, address)
            connection.close()
            return
        handshake = {} if tls is None else {"ssl": tls, "ssl_handshake_timeout": self._deadline_seconds}
        try:
            transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                server,
                connection,
                **handshake,  # type: ignore[arg-type]
            )
        except (OSError, ssl.SSLError) as error:
            connection.close()
            self._strangers.known(stranger)
            if isinstance(error, ConnectionAbortedError):  # the TLS handshake was not made in time
                self._charge(address)
            return
        stranger.is_open = lambda: not transport.is_closing()
        stranger.drop = transport.abort
        self._waiting[protocol] = stranger
        asyncio.get_running_loop().call_later(self._deadline_seconds, self._close_if_silent, protocol)

    def _close_if_silent(self, protocol: asyncio.BaseProtocol) -> None:
        stranger = self._waiting.get(protocol)
        if stranger is None or stranger.heard or not stranger.is_open():
            return
        del self._waiting[protocol]
        self._strangers.known(stranger)
        stranger.drop()
        self._charge(stranger.address)

    def _charge(self, address: str) -> None:
        if not self._sources.trusts(address):
            self._penalties.failed(address, self._clock(), units=SILENCE_UNITS)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return host == ""
