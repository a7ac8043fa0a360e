"""Dialling the relay: outward, checked by TLS, through whatever proxy there is; what goes wrong becomes a sentence.

Proxies: transport/proxies.py. Redirects are never followed: a relay must not steer us elsewhere.
"""

import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.http11 import Response

from remote_assist import __version__
from remote_assist.core.api import NODE_HEADER, ApiError
from remote_assist.core.codec import decode
from remote_assist.core.spoken import HEADER, OWN, Spoken, check_version, spoken_by
from remote_assist.errors import (
    AssistError,
    ContentError,
    ElsewhereError,
    RefusedError,
    RemoteProtocolError,
    UnreachableError,
    UsageError,
)
from remote_assist.transport.causes import cause_of
from remote_assist.transport.link import Link, LinkConnection
from remote_assist.transport.proxies import proxy_context, proxy_for

WRITE_HIGH_BYTES = 1 << 20
"""What may wait in a link's socket buffer before `send_…` waits."""

PING_SECONDS = 20.0
"""How often an idle link is probed; silence for twice as long closes it."""

CLOSE_SECONDS = 2.0
"""How long a closing handshake may take."""

MAX_ERROR_BYTES = 64 << 10


async def dial(
    relay_url: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    tls_ca_file: Path | None = None,
    proxy_url: str = "",
    max_bytes: int = 1 << 20,
    deadline_seconds: float = 20.0,
    any_version: bool = False,
) -> Link:
    """Open a WebSocket at `path` of the relay. `max_bytes` is the longest message accepted, `proxy_url` a proxy to
    use whatever the environment says, `any_version`: the ends will tell each other what they speak.

    Raises UnreachableError when it does not answer, RefusedError when it answers no (the reason is the relay's) or is
    of another version of the protocol,
    UsageError for a URL that is none, ContentError for an unreadable CA file.
    """
    address = _websocket_url(relay_url, path)
    host = urlsplit(address).hostname or ""
    proxy = proxy_for(_websocket_url(relay_url, ""), proxy_url)
    proxy_tls: dict[str, Any] = {"proxy_ssl": proxy_context(tls_ca_file)} if (proxy or "").startswith("https:") else {}
    try:
        connection = await _OwnRelayOnly(
            address,
            additional_headers={**(headers or {}), HEADER: str(OWN)},
            user_agent_header=f"remote-assist/{__version__}",
            compression=None,
            proxy=proxy,
            **proxy_tls,
            ssl=_tls(tls_ca_file) if address.startswith("wss:") else None,
            open_timeout=deadline_seconds,
            close_timeout=CLOSE_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=2 * PING_SECONDS,
            max_size=max_bytes,
            write_limit=WRITE_HIGH_BYTES,
            create_connection=partial(LinkConnection, max_bytes=max_bytes),  # type: ignore[arg-type]  # a wrapper will do
        )
    except (OSError, WebSocketException) as error:
        raise _why_not(error, relay_url) from error
    assert isinstance(connection, LinkConnection)
    link = connection.link
    link.relay, link.relay_speaks = host, _speaks(connection.response)
    if not any_version:
        _check_relay(link)
    return link


def _check_relay(link: Link) -> None:
    try:
        check_version(link.relay_speaks, "relay")
    except RefusedError:
        link.abort()
        raise


class _OwnRelayOnly(connect):
    """`connect` that takes a redirect for what it is here: an attempt to send us somewhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _websocket_url(relay_url: str, path: str) -> str:
    parts = urlsplit(relay_url)
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{relay_url} is not the URL of a relay", advice="It looks like https://relay.example.com.")
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}{path}"


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ContentError(f"{ca_file} holds no certificates that can be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _why_not(error: Exception, relay_url: str) -> AssistError:
    if isinstance(error, InvalidStatus):
        try:
            check_version(_speaks(error.response), "relay")
        except RefusedError as other:
            return other
        node = error.response.headers.get(NODE_HEADER, "")
        return _refusal(error.response.status_code, bytes(error.response.body or b""), relay_url, node)
    if isinstance(error, ssl.SSLCertVerificationError):
        return UnreachableError(
            f"{relay_url} shows a TLS certificate that cannot be trusted: {error.verify_message}",
            advice="If the relay has a private CA, name its file in the settings.",
        )
    return UnreachableError(
        f"the relay {relay_url} cannot be reached: {cause_of(error)}",
        advice="Check the address, the network, and whether the relay runs.",
    )


def _speaks(response: Response | None) -> Spoken:
    return spoken_by("" if response is None else response.headers.get(HEADER, ""))


def _refusal(status: int, body: bytes, relay_url: str, node: str) -> AssistError:
    try:
        told = decode(body, ApiError, max_bytes=MAX_ERROR_BYTES)
    except RemoteProtocolError:
        return UnreachableError(f"{relay_url} answers with HTTP status {status}, not as a relay")
    if status == 503:  # it stops or has no room just now: another try may find it well, or another relay
        return UnreachableError(told.sentence, advice=told.advice)
    if told.reason == "elsewhere":
        return ElsewhereError(told.sentence, node=node)
    return RefusedError(told.sentence, reason=told.reason, advice=told.advice)
