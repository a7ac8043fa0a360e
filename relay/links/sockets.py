"""What every WebSocket of the relay has in common: the upgrade, typed text messages, refusals, a clean end."""

import asyncio
import socket as system_socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast
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

SAY_SECONDS = 10.0
"""How long an end may leave the relay's own messages unread."""

MAX_REASON_BYTES = 120
"""Longest close reason (RFC 6455 allows 123)."""

HEARTBEAT_SECONDS = 20.0
"""How often a quiet socket is asked whether it is still there; half of that later it is closed."""

WRITER_LIMIT = 256 << 10
"""Bytes written between looks at the socket's back-pressure."""


REFUSED: Counter[str] = Counter()
"""Refusals of this process by reason, for /metrics. Reasons are our own stable words, so there are few."""


class RelaySocket(web.WebSocketResponse):
    """A WebSocket that can be ended even when its other end reads no more, and lent to who reads its frames itself."""

    transport: asyncio.Transport | None = None
    _is_held = False
    _early = b""
    _call_back: Callable[[], None] | None = None

    async def prepare_held(self, request: web.Request) -> None:
        """As `prepare`, but nothing is read until it is lent or ended: what comes early waits in the network.

        What came with the request, from an end that did not wait for the answer, is kept from the parser of messages,
        for whoever borrows the transport would not hear of it.
        """
        self.transport = request.transport
        self._hold()
        protocol = request.protocol
        self._early, protocol._message_tail = protocol._message_tail, b""
        try:
            await self.prepare(request)
        except BaseException:
            self._take_back()
            raise
        self._hold()  # a parser begins by reading when much has come

    def lend(self, call_back: Callable[[], None]) -> tuple[asyncio.Transport, asyncio.Protocol, bytes]:
        """The held transport, aiohttp's protocol for it and what came early.

        To be put back when done, or when `call_back` asks for it. Raises ConnectionError when the other end is gone.
        """
        if self.transport is None or self.transport.is_closing() or self.closed:
            raise ConnectionResetError("the other end is gone")
        self._is_held, self._call_back = False, call_back
        early, self._early = self._early, b""
        return self.transport, cast(asyncio.Protocol, self.transport.get_protocol()), early

    async def end(self, code: int = WSCloseCode.OK, reason: str = "") -> None:
        """Close, or cut off an end that does not answer in time; harmless in any state."""
        self._take_back()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.close(code=code, message=reason.encode()[:MAX_REASON_BYTES])
        except (TimeoutError, ConnectionError, RuntimeError):
            if self.transport is not None:
                self.transport.abort()

    def _hold(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
            self._is_held = True

    def _take_back(self) -> None:
        if self._call_back is not None:
            self._call_back()
        elif self._is_held and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
            if self._early:
                cast(asyncio.Protocol, self.transport.get_protocol()).data_received(self._early)
        self._is_held, self._call_back, self._early = False, None, b""


class OpenSockets:
    """Every WebSocket that is open, to close them when the relay stops."""

    def __init__(self) -> None:
        self._open: WeakSet[RelaySocket] = WeakSet()

    async def upgrade(
        self,
        request: web.Request,
        *,
        max_bytes: int,
        heartbeat_seconds: float | None = HEARTBEAT_SECONDS,
        held: bool = False,
    ) -> RelaySocket:
        """Turn a request into a WebSocket: no compression, messages at most so long, no delay.

        `held`: it will be lent, and nothing is read before.
        """
        socket = RelaySocket(
            timeout=CLOSE_SECONDS,
            heartbeat=heartbeat_seconds,
            compress=False,
            max_msg_size=max_bytes + 1,
            writer_limit=WRITER_LIMIT,
        )
        if held:
            await socket.prepare_held(request)
        else:
            await socket.prepare(request)
            socket.transport = request.transport
        _send_at_once(request)
        self._open.add(socket)
        return socket

    def __len__(self) -> int:
        return sum(not socket.closed for socket in self._open)

    async def close_all(self) -> None:
        """Tell everybody that this relay goes away."""
        await asyncio.gather(
            *(socket.end(WSCloseCode.SERVICE_RESTART, "the relay stops; come back") for socket in list(self._open))
        )


async def say(socket: RelaySocket, message: msgspec.Struct) -> None:
    """Send one text message; nothing happens when the other end is gone or reads no more."""
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(SAY_SECONDS):
            await socket.send_str(encode(message).decode())


async def hear(socket: RelaySocket, kind: type[T]) -> T | None:
    """The next text message, or None when the socket closed. Raises RemoteProtocolError for anything else."""
    return understand(await socket.receive(), kind)


def understand(message: WSMessage, kind: type[T]) -> T | None:
    """A received message as text of `kind`; None for the end. Raises RemoteProtocolError."""
    if message.type is WSMsgType.TEXT:
        return decode(message.data, kind)
    if message.type is WSMsgType.BINARY:
        raise RemoteProtocolError("a binary message where the relay is spoken to")
    return None


async def refuse(socket: RelaySocket, error: AssistError, verb: Verb, source: str) -> RelaySocket:
    """Say why not, and close."""
    reason = error.reason if isinstance(error, RefusedError) else "malformed"
    log_refusal(verb, reason, source)
    await say(socket, RelayRefused(reason=reason, sentence=error.message, advice=error.advice))
    await socket.end(WSCloseCode.POLICY_VIOLATION, reason)
    return socket


def log_refusal(verb: Verb | None, reason: str, source: str, **more: object) -> None:
    """One line for every refusal; never a token, a code or content."""
    REFUSED[reason] += 1
    structlog.get_logger("refusal").warning(
        "refused", verb=None if verb is None else verb.value, reason=reason, source=source, **more
    )


def _send_at_once(request: web.Request) -> None:
    transport = request.transport
    found = None if transport is None else transport.get_extra_info("socket")
    if found is not None and found.family in (system_socket.AF_INET, system_socket.AF_INET6):
        found.setsockopt(system_socket.IPPROTO_TCP, system_socket.TCP_NODELAY, 1)
