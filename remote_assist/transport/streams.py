"""A stream as asyncio knows it: the transport SSH writes to, over the frames of core/stream.py on a link.

SSH never sees a WebSocket. Writing gathers what was written in one turn of the loop into frames of 128 KiB and
cuts nothing that fits whole into a frame of its own: asyncssh copies what it has not parsed yet for every packet, so
the other end, which hands on frame by frame, is spared most of that.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from remote_assist.core.stream import AckArrived, Arrival, BytesArrived, ByteStream, PeerFinished, PeerReset
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.settings import StreamSettings
from remote_assist.transport.link import Link
from remote_assist.transport.resumable import ResumableLink, ResumeTerms

GATHER_BYTES = 128 << 10
"""Most bytes in a frame of ours. Longer ones are taken, up to what the StreamSettings say."""

SLICE_BYTES = 128 << 10
"""Most bytes handed to SSH at once."""

WRITE_HIGH_BYTES, WRITE_LOW_BYTES = 1 << 20, 256 << 10
"""When `pause_writing` and `resume_writing` are called, and what `drained` waits for."""

FAREWELL_SECONDS = 2.0
"""How long a closed stream may take to send what was written before."""

STREAM_INFO = "remote_assist_stream"
"""The name under which `get_extra_info` of transport and SSH connection answers the StreamTransport."""


class FrameLink(Protocol):
    """What carries the frames of a stream: a Link, or one that survives cuts."""

    async def receive(self) -> str | bytes: ...
    async def send_binary(self, raw: bytes, /) -> None: ...
    async def close(self) -> None: ...


class StreamTunnel:
    """What asyncssh takes as `tunnel=`: opens the one connection there is, over this link.

    With `resume` the stream goes on over new links after a cut; without, a cut is its end.
    """

    def __init__(
        self,
        link: Link,
        *,
        stream: int,
        epoch: int,
        settings: StreamSettings | None = None,
        resume: ResumeTerms | None = None,
    ) -> None:
        limits = settings or StreamSettings()
        self._bytes = ByteStream(
            stream,
            epoch,
            replay_bytes=limits.replay_bytes,
            frame_bytes=limits.frame_bytes,
            acknowledge_every_bytes=limits.acknowledge_every_bytes,
        )
        self._resumable = None if resume is None else ResumableLink(link, self._bytes, resume)
        self._link: FrameLink = self._resumable or link
        self._transport: StreamTransport | None = None

    @property
    def epoch(self) -> int:
        """That of the link the stream is on; a redial must name a higher one."""
        return self._bytes.epoch

    @property
    def is_cut(self) -> bool:
        """Whether the stream waits for a new link."""
        return self._resumable is not None and self._resumable.is_cut

    def resume_with(self, key: bytes | None) -> None:
        """From now on only who knows `key` goes on with this stream after a cut; with None a cut is its end."""
        if self._resumable is not None:
            self._resumable.resume_with(key)

    async def take(self, link: Link, epoch: int) -> None:
        """Go on over `link`, dialled for `epoch`, once its other end has proven itself. See ResumableLink."""
        if self._resumable is None:
            link.abort()
            raise RefusedError("this stream cannot be resumed", reason="epoch")
        await self._resumable.take(link, epoch)

    async def create_connection(
        self, session_factory: Callable[..., Any], remote_host: str = "", remote_port: int = 0, *_ignored: object
    ) -> tuple["StreamTransport", Any]:
        """Start the protocol made by `session_factory` on this stream. The host and port mean nothing here."""
        if self._transport is not None:
            raise OSError("a stream carries one connection")
        protocol = session_factory()
        self._transport = StreamTransport(self._link, self._bytes, protocol)
        return self._transport, protocol

    async def closed(self) -> None:
        """Wait until the stream is over and its link closed."""
        if self._transport is not None:
            await self._transport.wait_closed()


class StreamTransport(asyncio.Transport):
    """Bytes in, bytes out, flow control both ways. Made by StreamTunnel, used by asyncssh."""

    def __init__(self, link: FrameLink, state: ByteStream, protocol: asyncio.Protocol) -> None:
        super().__init__(
            {"peername": ("stream", state.stream), "sockname": ("stream", state.stream), STREAM_INFO: self}
        )
        self._link = link
        self._state = state
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes | memoryview] = deque()
        self._waiting_bytes = 0
        self._high, self._low = WRITE_HIGH_BYTES, WRITE_LOW_BYTES
        self._writing_paused = False
        self._drain_waiters: set[asyncio.Future[None]] = set()
        self._work = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._closing = False
        self._lost = False
        self._reset_reason = ""
        self._over = self._loop.create_future()
        self._deadline: asyncio.Timeout | None = None
        self._life = self._loop.create_task(self._live(), name=f"stream {state.stream}")
        protocol.connection_made(self)

    # --- asyncio.Transport ------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data` later, in order. What is written after closing is dropped, as sockets do."""
        if self._closing or not data:
            return
        self._waiting.append(data if isinstance(data, bytes) else bytes(data))
        self._waiting_bytes += len(data)
        self._work.set()
        if self._waiting_bytes > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        for data in list_of_data:
            self.write(data)

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._waiting_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = WRITE_HIGH_BYTES if high is None else high
        self._low = self._high // 4 if low is None else low

    def pause_reading(self) -> None:
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    def is_reading(self) -> bool:
        return self._may_read.is_set() and not self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """End the stream after what was written is sent."""
        self._end("")

    def abort(self) -> None:
        """Tell the peer that the stream is given up. What was written before still goes out, for two seconds:

        asyncssh aborts right after its disconnect message, which says why.
        """
        self._end("aborted")

    # --- ours -------------------------------------------------------------------------------------

    async def drained(self) -> None:
        """Wait until the peer and the network took enough for more to be written. Raises UnreachableError."""
        while self._waiting_bytes > self._high and not self._closing:
            waiter = self._loop.create_future()
            self._drain_waiters.add(waiter)
            try:
                await waiter
            finally:
                self._drain_waiters.discard(waiter)
        if self._closing:
            raise UnreachableError("the stream to the other end is closed")

    async def wait_closed(self) -> None:
        """Wait until the stream is over and its link closed."""
        await asyncio.shield(self._over)

    async def _live(self) -> None:
        """Own the reader and the writer; whatever ends first ends both."""
        reader = self._loop.create_task(self._read())
        writer = self._loop.create_task(self._write())
        fault: Exception | None = None
        try:
            async with asyncio.timeout(FAREWELL_SECONDS if self._closing else None) as self._deadline:
                fault = await self._until_over(reader, writer)
        except TimeoutError:
            fault = UnreachableError("the other end took too long to take the last bytes")
        finally:
            self._closing, self._deadline = True, None
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            self._lose(fault)
            await self._link.close()
            if not self._over.done():
                self._over.set_result(None)

    async def _until_over(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> Exception | None:
        """Wait for an end; when it came from the peer's bytes, send what is left and say so."""
        done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        fault = _fault_of(done)
        if writer in done or isinstance(fault, UnreachableError):
            return fault
        if fault is not None:
            self._lose(fault)
        self._end("" if fault is None else _reason_of(fault))
        await asyncio.wait({writer})
        return fault

    async def _read(self) -> None:
        while True:
            raw = await self._link.receive()
            if isinstance(raw, str):
                raise RemoteProtocolError("the relay sent a text message on an open stream")
            if await self._take(self._state.receive(raw)):
                return

    async def _take(self, arrival: Arrival) -> bool:
        """Act on what arrived; true when nothing can follow."""
        match arrival:
            case BytesArrived(payload):
                await self._hand_on(payload)
            case AckArrived():
                self._work.set()
            case PeerFinished():
                self._protocol.eof_received()
                return True
            case PeerReset(reason):
                raise UnreachableError(f"the other end gave the stream up: {reason}")
        return False

    async def _hand_on(self, payload: memoryview) -> None:
        for start in range(0, len(payload), SLICE_BYTES):
            if not self._may_read.is_set():
                await self._may_read.wait()
            part = payload[start : start + SLICE_BYTES]
            if not self._closing:
                self._protocol.data_received(part)  # type: ignore[arg-type]  # any buffer will do
            self._state.use(len(part))
        self._work.set()

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while (frame := self._next_frame()) is not None:
                await self._link.send_binary(frame)
            if self._closing and self._state.finished:
                return

    def _next_frame(self) -> bytes | None:
        if self._state.finished:
            return None
        if self._waiting and self._state.room > 0:
            frame = self._state.send(self._gather(min(self._state.room, self._state.max_payload, GATHER_BYTES)))
            self._announce_room()
            return frame
        if self._closing and not self._waiting:
            return self._state.reset(self._reset_reason) if self._reset_reason else self._state.finish()
        return self._state.acknowledge() if self._state.owes_acknowledgement else None

    def _gather(self, most: int) -> list[bytes | memoryview]:
        parts: list[bytes | memoryview] = []
        while self._waiting and most > 0:
            part = self._waiting[0]
            if parts and most < len(part) <= GATHER_BYTES:
                break  # an SSH packet arrives whole in the frame after this one
            self._waiting.popleft()
            if len(part) > most:
                view = memoryview(part)
                self._waiting.appendleft(view[most:])
                part = view[:most]
            parts.append(part)
            most -= len(part)
            self._waiting_bytes -= len(part)
        return parts

    def _announce_room(self) -> None:
        if self._waiting_bytes > self._low:
            return
        if self._writing_paused:
            self._writing_paused = False
            self._protocol.resume_writing()
        self._wake_drained()

    def _wake_drained(self) -> None:
        for waiter in self._drain_waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _end(self, reset_reason: str) -> None:
        """Take nothing more; the writer sends what is left and the last frame."""
        if self._closing:
            return
        self._closing = True
        self._reset_reason = reset_reason
        self._work.set()
        self._may_read.set()
        self._wake_drained()
        if self._deadline is not None:
            self._deadline.reschedule(self._loop.time() + FAREWELL_SECONDS)
        self._loop.call_soon(self._lose, None)

    def _lose(self, fault: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._wake_drained()
        self._protocol.connection_lost(fault)


def _fault_of(done: set[asyncio.Task[None]]) -> Exception | None:
    for task in done:
        fault = task.exception()
        if isinstance(fault, Exception):
            return fault
    return None


def _reason_of(fault: Exception) -> str:
    """What a RESET may tell the peer: our own sentences only."""
    return fault.message if isinstance(fault, AssistError) else "an error at the other end"
