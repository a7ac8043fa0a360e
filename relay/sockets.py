"""What every WebSocket of the relay has in common: the upgrade, typed text messages, refusals, a clean end."""

import asyncio
import socket as system_socket
from contextlib import suppress
from typing import TypeVar
from weakref import WeakSet

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from relay.access import Verb
from remote_assist.core.codec import decode, encode
from remote_assist.core.messages import RelayRefused
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError

T = TypeVar("T")

CLOSE_SECONDS = 3.0
"""How long a closing handshake may take."""

HEARTBEAT_SECONDS = 20.0
"""How often a quiet socket is asked whether it is still there; half of that later it is closed."""

WRITER_LIMIT = 256 << 10
"""Bytes written between looks at the socket's back-pressure."""


class OpenSockets:
    """Every WebSocket that is open, to close them when the relay stops."""

    def __init__(self) -> None:
        self._open: WeakSet[web.WebSocketResponse] = WeakSet()

    async def upgrade(
        self, request: web.Request, *, max_bytes: int, heartbeat_seconds: float | None = HEARTBEAT_SECONDS
    ) -> web.WebSocketResponse:
        """Turn a request into a WebSocket: no compression, messages at most so long, no delay."""
        socket = web.WebSocketResponse(
            timeout=CLOSE_SECONDS,
            heartbeat=heartbeat_seconds,
            compress=False,
            max_msg_size=max_bytes + 1,
            writer_limit=WRITER_LIMIT,
        )
        await socket.prepare(request)
        _send_at_once(request)
        self._open.add(socket)
        return socket

    async def close_all(self) -> None:
        """Tell everybody that this relay goes away."""
        closing = [socket.close(code=WSCloseCode.GOING_AWAY, message=b"the relay stops") for socket in self._open]
        await asyncio.gather(*closing, return_exceptions=True)


async def say(socket: web.WebSocketResponse, message: msgspec.Struct) -> None:
    """Send one text message; nothing happens when the other end is gone."""
    with suppress(ConnectionError):
        await socket.send_str(encode(message).decode())


async def hear(socket: web.WebSocketResponse, kind: type[T]) -> T | None:
    """The next text message, or None when the socket closed. Raises RemoteProtocolError for anything else."""
    return understand(await socket.receive(), kind)


def understand(message: WSMessage, kind: type[T]) -> T | None:
    """A received message as text of `kind`; None for the end. Raises RemoteProtocolError."""
    if message.type is WSMsgType.TEXT:
        return decode(message.data, kind)
    if message.type is WSMsgType.BINARY:
        raise RemoteProtocolError("a binary message where the relay is spoken to")
    return None


async def refuse(socket: web.WebSocketResponse, error: AssistError, verb: Verb, source: str) -> web.WebSocketResponse:
    """Say why not, and close."""
    reason = error.reason if isinstance(error, RefusedError) else "malformed"
    log_refusal(verb, reason, source)
    await say(socket, RelayRefused(reason=reason, sentence=error.message, advice=error.advice))
    with suppress(ConnectionError, RuntimeError):
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=reason.encode()[:100])
    return socket


def log_refusal(verb: Verb | None, reason: str, source: str, **more: object) -> None:
    """One line for every refusal; never a token, a code or content."""
    structlog.get_logger("refusal").warning(
        "refused", verb=None if verb is None else verb.value, reason=reason, source=source, **more
    )


def _send_at_once(request: web.Request) -> None:
    transport = request.transport
    found = None if transport is None else transport.get_extra_info("socket")
    if found is not None and found.family in (system_socket.AF_INET, system_socket.AF_INET6):
        found.setsockopt(system_socket.IPPROTO_TCP, system_socket.TCP_NODELAY, 1)
