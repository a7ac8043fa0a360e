"""A link: one WebSocket to the relay, dialled outward. Text goes to the relay, binary to the other end.

Knows nothing of sessions or SSH, nor how it was dialled (transport/dial.py).

The `websockets` library opens, probes and closes; messages pass beside it (docs/decisions/0016): its tasks, queues and
events cost a keystroke more than all that is ours.
"""

import asyncio
import contextlib
import socket
from collections import deque
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.protocol import State

from remote_assist.core.spoken import OWN
from remote_assist.core.web_frames import BINARY, TEXT
from remote_assist.errors import UnreachableError
from remote_assist.transport.frames import IncomingFrames, Message, outgoing_frame

QUEUED_MESSAGES = 8
"""Messages that may wait to be received before reading from the socket stops."""

_END_OF_HEAD = b"\r\n\r\n"


class Taker(Protocol):
    """Who hears at once what a link brings, within the call that read it. Raises nothing."""

    def arrived(self, link: "Link", message: Message) -> None:
        """The next message: `str` from the relay, `bytes` from the other end."""

    def closed(self, link: "Link", why: UnreachableError) -> None:
        """Nothing more will come."""

    def writable(self, link: "Link") -> None:
        """What was written has gone out: there is room again."""


class Link:
    """An open WebSocket: its messages are asked for by `receive`, or told to a `Taker` as they come.

    What waits raises UnreachableError once it is closed.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.relay = ""
        """The host it leads to."""
        self.relay_speaks = OWN
        self._waiting: deque[Message] = deque()
        self._taker: Taker | None = None
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_leaving = False
        self._is_over = False
        self._fault = ""

    @property
    def close_reason(self) -> str:
        """Why the other side closed, in its own (hostile) words; empty while open or without a reason."""
        return self._connection.close_reason or ""

    @property
    def is_writable(self) -> bool:
        """Whether what is written goes out soon: nothing is closed, and not too much waits."""
        return self._room.is_set() and self._connection.state is State.OPEN

    async def send_text(self, raw: bytes | str) -> None:
        """Send one message to the relay; waits while too much is unsent."""
        await self._send(TEXT, raw.encode() if isinstance(raw, str) else raw)

    async def send_binary(self, raw: bytes) -> None:
        """Send one message to the other end; waits while too much is unsent."""
        await self._send(BINARY, raw)

    def write(self, raw: bytes) -> None:
        """Send one message to the other end at once, whether or not it `is_writable`. Dropped when it is closed."""
        if self._connection.state is State.OPEN:
            self._connection.transport.write(outgoing_frame(BINARY, raw))

    async def receive(self) -> Message:
        """The next message: `str` from the relay, `bytes` from the other end. May be cancelled without loss."""
        while not self._waiting:
            if self._is_over:
                raise self._gone()
            self._something.clear()
            await self._something.wait()
        if len(self._waiting) == QUEUED_MESSAGES:
            self.resume_reading()
        return self._waiting.popleft()

    def tell(self, taker: Taker) -> None:
        """From now on `taker` hears of everything at once; first of what has come already."""
        self._taker = taker
        if len(self._waiting) >= QUEUED_MESSAGES:
            self.resume_reading()
        while self._waiting:
            taker.arrived(self, self._waiting.popleft())
        if self._is_over:
            taker.closed(self, self._gone())

    def pause_reading(self) -> None:
        """Read no further from the network. What was read already still comes."""
        self._connection.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._is_over:
            self._connection.transport.resume_reading()

    async def close(self) -> None:
        """Close within two seconds; harmless when closed already. What was not received is dropped."""
        self._is_leaving = True
        self._waiting.clear()
        self.resume_reading()  # the other side's farewell may stand behind much that nobody wants
        with contextlib.suppress(OSError, WebSocketException):
            await self._connection.close()

    def abort(self) -> None:
        """Drop the connection now, unsent bytes with it; who waits for it is told at once."""
        self._connection.transport.abort()

    # --- for the connection below -----------------------------------------------------------------

    def arrived(self, message: Message) -> None:
        """A message was read."""
        if self._is_leaving:
            return
        if self._taker is not None:
            self._taker.arrived(self, message)
            return
        self._waiting.append(message)
        if len(self._waiting) >= QUEUED_MESSAGES:
            self.pause_reading()
        self._something.set()

    def may_write(self, *, room: bool) -> None:
        """The network took what was written, or takes no more for now."""
        if not room:
            self._room.clear()
            return
        self._room.set()
        if self._taker is not None:
            self._taker.writable(self)

    def refuse(self, fault: str) -> None:
        """The relay's end broke the protocol: there is nothing to read on."""
        self._fault = f"it sent {fault}"
        self.abort()

    def lost(self) -> None:
        """The connection is gone."""
        self._is_over = True
        self._something.set()
        self._room.set()
        if self._taker is not None:
            self._taker.closed(self, self._gone())

    # --- inside -----------------------------------------------------------------------------------

    async def _send(self, opcode: int, raw: bytes) -> None:
        if self._connection.state is not State.OPEN:
            raise self._gone()
        self._connection.transport.write(outgoing_frame(opcode, raw))
        await self._room.wait()
        if self._is_over:
            raise self._gone()

    def _gone(self) -> UnreachableError:
        reason = self._fault or self.close_reason
        return UnreachableError(f"the connection to {self.relay} was closed{': ' if reason else ''}{reason}")


class LinkConnection(ClientConnection):
    """The library's connection, which hands messages to the Link and keeps what else WebSocket says."""

    def __init__(self, protocol: ClientProtocol, *, max_bytes: int, **options: Any) -> None:
        super().__init__(protocol, **options)
        self.link = Link(self)
        self._frames = IncomingFrames(max_bytes)
        self._is_opening = True
        self._seen = b""
        """The last bytes of a response whose head has not ended."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            # a keystroke must not wait for the acknowledgement of the one before
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self._is_opening:
            data = self._open(data)
        if not data:
            return
        taken = self._frames.take(data)
        for message in taken.messages:
            self.link.arrived(message)
        if taken.control:
            super().data_received(taken.control)
        if taken.fault:
            self.link.refuse(taken.fault)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.link.lost()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.link.may_write(room=False)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.link.may_write(room=True)

    def _open(self, data: bytes) -> bytes:
        """Give the library the relay's response; answers the bytes behind its head once the WebSocket is open."""
        known = len(self._seen)
        seen = self._seen + data
        end = seen.find(_END_OF_HEAD)
        behind = len(data) if end < 0 else end + len(_END_OF_HEAD) - known
        self._seen = seen[1 - len(_END_OF_HEAD) :]
        super().data_received(data[:behind])
        if self.state is State.OPEN:
            self._is_opening = False
        elif behind < len(data):
            super().data_received(data[behind:])  # a refusal, whose body is the library's too
        return b"" if self._is_opening else data[behind:]
