"""Frames of core/requests.py over one SSH channel, for both sides: typed messages and raw data, with back-pressure.

    frame = length u32 big endian (of kind and body) · kind u8 · body

Rule 1: a frame that is too long, empty or of an unknown kind ends the channel (RemoteProtocolError).
Rule 2: what was received and not read yet is bounded: SSH's window stops the sender.
"""

import asyncio
import struct
from collections import deque
from typing import Any, Protocol

from remote_assist.core.codec import decode, encode
from remote_assist.core.messages import Message
from remote_assist.core.requests import (
    KIND_DATA,
    KIND_ERROR,
    KIND_MESSAGE,
    MAX_DATA_BYTES,
    MAX_MESSAGE_BYTES,
    SUBSYSTEM,
    Answer,
    FromTechnician,
)
from remote_assist.core.spoken import OWN, check_word, explained, spoken_by
from remote_assist.errors import AssistError, LocalProtocolError, RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.transport.ssh_library import asyncssh
from remote_assist.transport.streams import STREAM_INFO, StreamTransport

WINDOW_BYTES = 4 << 20
"""SSH window of a channel: what the peer may send unread."""

PACKET_BYTES = (128 << 10) - 512
"""Longest data of an SSH packet, so that the packet fits into one frame of the stream (GATHER_BYTES of streams.py).

The dozen copies of a packet that asyncssh and websockets make stay within a processor's second-level cache; packets
twice as long need half as many calls and were slower for it.
"""

QUEUE_HIGH_BYTES, QUEUE_LOW_BYTES = 1 << 20, 256 << 10
"""When reading from the channel pauses and goes on."""

SEND_HIGH_BYTES = 1 << 20
"""What may wait for the peer's window before `send_data` waits."""

OPEN_SECONDS = 20.0

_HEADER = struct.Struct(">IB")
_LIMITS = {KIND_MESSAGE: MAX_MESSAGE_BYTES, KIND_DATA: MAX_DATA_BYTES, KIND_ERROR: MAX_DATA_BYTES}


class ErrorData(bytes):
    """Raw data of kind 2: what a program wrote to standard error."""

    __slots__ = ()


class ConversationEnded(UnreachableError):
    """The other end closed the channel in good order: nothing more will come."""


class Wire(Protocol):
    """What a MessageChannel needs of an SSH channel (asyncssh.SSHChannel has it)."""

    def write(self, data: bytes) -> None:
        """Send in order."""

    def pause_reading(self) -> None:
        """Let the window fill."""

    def resume_reading(self) -> None:
        """Take more."""

    def close(self) -> None:
        """Send what was written, then close."""

    def get_extra_info(self, name: str) -> Any:
        """Values of the connection below."""


class FrameReader:
    """Cuts bytes into frames. Data is handed on in the pieces it came in: nobody waits for a frame to be whole."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._kind = KIND_MESSAGE
        self._missing = 0
        self._parts: list[memoryview] = []

    def feed(self, raw: bytes | memoryview) -> list[tuple[int, bytes]]:
        """(kind, bytes) of what `raw` completes: whole messages, and pieces of data. Raises RemoteProtocolError."""
        found: list[tuple[int, bytes]] = []
        view = memoryview(raw)
        while view:
            if not self._missing:
                view = self._take_head(view)
                continue
            piece, view = view[: self._missing], view[self._missing :]
            self._missing -= len(piece)
            self._take_piece(piece, found)
        return found

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and is not whole."""
        return bool(self._head or self._missing)

    def _take_head(self, view: memoryview) -> memoryview:
        wanted = _HEADER.size - len(self._head)
        self._head += view[:wanted]
        if len(self._head) == _HEADER.size:
            length, self._kind = _HEADER.unpack(self._head)
            self._head.clear()
            limit = _LIMITS.get(self._kind)
            if limit is None:
                raise RemoteProtocolError(f"a frame of unknown kind {self._kind}")
            if not 1 < length <= limit + 1:
                raise RemoteProtocolError(f"a frame of {length} bytes exceeds the limit of {limit} or is empty")
            self._missing = length - 1
        return view[wanted:]

    def _take_piece(self, piece: memoryview, found: list[tuple[int, bytes]]) -> None:
        if self._kind != KIND_MESSAGE:
            found.append((self._kind, bytes(piece)))
            return
        self._parts.append(piece)
        if not self._missing:
            found.append((KIND_MESSAGE, b"".join(self._parts)))
            self._parts.clear()


class MessageChannel:
    """One conversation. `accepts` is what the peer may say (core/requests.py: FromTechnician or Answer).

    `who` the peer is, as people call it; `greeting`: where SSH keeps how its program greeted.
    """

    def __init__(self, accepts: Any, *, who: str, greeting: str) -> None:
        self._accepts = accepts
        self._who = who
        self._greeting = greeting
        self.peer = OWN
        """What the peer's program speaks."""
        self._wire: Wire | None = None
        self._reader = FrameReader()
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued_bytes = 0
        self._reading_paused = False
        self._fault: AssistError | None = None
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()

    # --- for the two sides ------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Send one message. Raises UnreachableError when the channel is gone, RefusedError when the peer is too old."""
        check_word(self.peer, type(message), self._who)
        self._write(KIND_MESSAGE, encode(message, max_bytes=MAX_MESSAGE_BYTES))
        await self._drained()

    async def send_data(self, view: bytes | bytearray | memoryview, kind: int = KIND_DATA) -> None:
        """Send raw bytes (any length, cut into frames), at the pace the peer takes them."""
        if kind not in (KIND_DATA, KIND_ERROR):
            raise LocalProtocolError(f"kind {kind} is not raw data")
        rest = memoryview(view)
        most = PACKET_BYTES - _HEADER.size  # so that a frame is one SSH packet
        while rest:
            self._write(kind, rest[:most])
            rest = rest[most:]
            await self._drained()

    async def receive(self) -> Message | bytes:
        """The next message, or a piece of data (`ErrorData` when it is standard error).

        Raises ConversationEnded when the peer closed in order, UnreachableError when it was cut off,
        RemoteProtocolError when it broke the protocol (NewerPeer: in words of a newer one, and the channel goes on).
        For a bound on the wait use `asyncio.timeout`.
        """
        while not self._queue:
            if self._fault is not None:
                raise self._fault
            self._arrived.clear()
            await self._arrived.wait()
        kind, raw = self._queue.popleft()
        self._queued_bytes -= len(raw)
        self._resume_reading()
        if kind == KIND_MESSAGE:
            return self._decode(raw)
        return raw if kind == KIND_DATA else ErrorData(raw)

    async def close(self) -> None:
        """Send what was written and close; returns when the channel is gone, after 5 s at the latest."""
        if self._wire is not None:
            self._wire.close()
            try:
                async with asyncio.timeout(5.0):
                    await self._gone.wait()
            except TimeoutError:
                return

    @property
    def is_open(self) -> bool:
        """Whether the peer may still say something."""
        return self._fault is None

    # --- for the SSH session below ----------------------------------------------------------------

    def attach(self, wire: Wire) -> None:
        """Start on this SSH channel."""
        self._wire = wire
        greeting = wire.get_extra_info(self._greeting)
        if greeting is not None:
            self.peer = spoken_by(str(greeting))

    def feed(self, raw: bytes) -> None:
        """Bytes from the peer."""
        if self._fault is not None:
            return
        try:
            found = self._reader.feed(raw)
        except RemoteProtocolError as error:
            self._end(error)
            return
        for item in found:
            self._queue.append(item)
            self._queued_bytes += len(item[1])
        if self._queued_bytes > QUEUE_HIGH_BYTES and not self._reading_paused and self._wire is not None:
            self._reading_paused = True
            self._wire.pause_reading()
        self._arrived.set()

    def feed_end(self) -> None:
        """The peer will send nothing more."""
        inside = self._reader.inside
        self._end(UnreachableError("the other end stopped in the middle") if inside else ConversationEnded("the end"))

    def lost(self, error: Exception | None) -> None:
        """The SSH channel is gone."""
        if error is None:
            self.feed_end()
        elif isinstance(error, UnreachableError):
            self._end(error)
        else:
            self._end(UnreachableError(f"the connection to the other end was lost: {error}"))
        self._wire = None
        self._writable.set()
        self._gone.set()

    def pause_writing(self) -> None:
        """The peer's window is used up."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._writable.set()

    # --- inside -----------------------------------------------------------------------------------

    def _write(self, kind: int, body: bytes | memoryview) -> None:
        if self._wire is None:
            raise self._fault or UnreachableError("the channel is not open")
        try:
            self._wire.write(b"".join((_HEADER.pack(len(body) + 1, kind), body)))
        except OSError as error:
            raise UnreachableError("the other end closed the channel") from error

    async def _drained(self) -> None:
        await self._writable.wait()
        stream = None if self._wire is None else self._wire.get_extra_info(STREAM_INFO)
        if isinstance(stream, StreamTransport):
            await stream.drained()

    def _decode(self, raw: bytes) -> Message:
        try:
            return decode(raw, self._accepts, max_bytes=MAX_MESSAGE_BYTES)  # type: ignore[no-any-return]
        except RemoteProtocolError as error:
            fault = explained(error, self.peer, self._who)
            if fault is error:
                self._end(error)
                self._queue.clear()
            raise fault from error

    def _resume_reading(self) -> None:
        if self._reading_paused and self._queued_bytes <= QUEUE_LOW_BYTES and self._wire is not None:
            self._reading_paused = False
            self._wire.resume_reading()

    def _end(self, fault: AssistError) -> None:
        if self._fault is None:
            self._fault = fault
            if isinstance(fault, RemoteProtocolError) and self._wire is not None:
                self._wire.close()
        self._arrived.set()


class ClientConversation(asyncssh.SSHClientSession[bytes]):
    """The technician's end of the subsystem channel: passes everything to its MessageChannel."""

    def __init__(self) -> None:
        self.channel = MessageChannel(Answer, who="customer's program", greeting="server_version")

    def connection_made(self, chan: Any) -> None:
        chan.set_write_buffer_limits(high=SEND_HIGH_BYTES)
        self.channel.attach(chan)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            self.channel.feed(data)

    def eof_received(self) -> bool:
        self.channel.feed_end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.channel.lost(exc)

    def pause_writing(self) -> None:
        self.channel.pause_writing()

    def resume_writing(self) -> None:
        self.channel.resume_writing()


async def open_channel(connection: asyncssh.SSHClientConnection) -> MessageChannel:
    """A new conversation with the agent. Raises RefusedError when it takes none, UnreachableError when it is gone."""
    session = ClientConversation()
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await connection.create_session(
                lambda: session,
                subsystem=SUBSYSTEM,
                encoding=None,
                window=WINDOW_BYTES,
                max_pktsize=PACKET_BYTES,
            )
    except TimeoutError as error:
        raise UnreachableError("the agent does not open a conversation") from error
    except asyncssh.ChannelOpenError as error:
        raise RefusedError(f"the agent takes no further conversation: {error.reason}", reason="channel") from error
    except (OSError, asyncssh.Error) as error:
        raise UnreachableError(f"the agent cannot be reached: {error}") from error
    return session.channel


def new_server_channel() -> MessageChannel:
    """The agent's end; the SSH server session attaches it."""
    return MessageChannel(FromTechnician, who="technician's program", greeting="client_version")
