"""A stream as asyncio knows it: the transport SSH writes to, over the frames of core/stream.py on a link.

SSH never sees a WebSocket. What is first written in a turn of the loop goes out at once, since a keystroke waits for
it; the rest of the turn is gathered into frames of 128 KiB. Nothing that fits whole into a frame of its own is cut:
asyncssh copies what it has not parsed yet for every packet, so the other end, which hands on frame by frame, is spared
most of that. No task stands between the socket and SSH: each would be a turn of the loop for every keystroke.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from remote_assist.core.stream import Arrival, BytesArrived, ByteStream, PeerFinished, PeerReset
from remote_assist.errors import AssistError, RemoteProtocolError, UnreachableError
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
        self._link = ResumableLink(link, self._bytes, resume)
        self._transport: StreamTransport | None = None

    @property
    def epoch(self) -> int:
        """That of the link the stream is on; a redial must name a higher one."""
        return self._bytes.epoch

    @property
    def is_cut(self) -> bool:
        """Whether the stream waits for a new link."""
        return self._link.is_cut

    def resume_with(self, key: bytes | None) -> None:
        """From now on only who knows `key` goes on with this stream after a cut; with None a cut is its end."""
        self._link.resume_with(key)

    async def take(self, link: Link, epoch: int) -> None:
        """Go on over `link`, dialled for `epoch`, once its other end has proven itself. See ResumableLink."""
        await self._link.take(link, epoch)

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

    def __init__(self, link: ResumableLink, state: ByteStream, protocol: asyncio.Protocol) -> None:
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
        self._is_gathering = False
        """Something went out in this turn; the rest goes in the next."""
        self._is_sending = False
        self._is_reading = True
        self._unread: deque[memoryview] = deque()
        """What came while SSH took nothing, or before it took what came earlier."""
        self._is_held = False
        self._last_word: PeerFinished | PeerReset | None = None
        self._closing = False
        self._lost = False
        self._reset_reason = ""
        self._fault: Exception | None = None
        self._over = self._loop.create_future()
        self._leaving: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        protocol.connection_made(self)
        link.begin(self)

    # --- asyncio.Transport ------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, in order. What is written after closing is dropped, as sockets do."""
        if self._closing or not data:
            return
        self._waiting.append(data if isinstance(data, bytes) else bytes(data))
        self._waiting_bytes += len(data)
        self._send_soon()
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
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        if self._unread:  # in a turn of its own: SSH may be in the middle of a packet
            self._loop.call_soon(self._hand_on)

    def is_reading(self) -> bool:
        return self._is_reading and not self._closing

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

    # --- transport.resumable.Listener -----------------------------------------------------------------

    def arrived(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                raise RemoteProtocolError("the relay sent a text message on an open stream")
            self._take(self._state.receive(message))
        except Exception as fault:  # whatever a peer's bytes lead to ends this stream, and no more
            self._fail(fault)

    def closed(self, why: AssistError) -> None:
        self._finish(why)

    def writable(self) -> None:
        self._send()

    # --- in ---------------------------------------------------------------------------------------

    def _take(self, arrival: Arrival) -> None:
        match arrival:
            case BytesArrived(payload):
                self._unread.append(payload)
            case PeerFinished() | PeerReset():
                self._last_word = arrival
        self._hand_on()

    def _hand_on(self) -> None:
        """Give SSH what it takes now; while anything is left, no more is read. After closing nobody hears it."""
        while self._unread and (self._is_reading or self._closing):
            payload = self._unread.popleft()
            part = payload[:SLICE_BYTES]
            if len(part) < len(payload):
                self._unread.appendleft(payload[SLICE_BYTES:])
            if not self._closing:
                self._protocol.data_received(part)  # type: ignore[arg-type]  # any buffer will do
            self._state.use(len(part))
        self._hold(bool(self._unread))
        if not self._unread:
            self._hear_last_word()
        self._send()

    def _hold(self, held: bool) -> None:
        if held is self._is_held:
            return
        self._is_held = held
        if held:
            self._link.pause_reading()
        else:
            self._link.resume_reading()

    def _hear_last_word(self) -> None:
        word, self._last_word = self._last_word, None
        match word:
            case PeerFinished():
                if not self._closing:
                    self._protocol.eof_received()
                self._end("")
            case PeerReset(reason):
                self._finish(UnreachableError(f"the other end gave the stream up: {reason}"))

    # --- out --------------------------------------------------------------------------------------

    def _send_soon(self) -> None:
        """At once, if nothing went out in this turn of the loop yet."""
        if self._is_gathering:
            return
        self._is_gathering = True
        self._loop.call_soon(self._next_turn)
        self._send()

    def _next_turn(self) -> None:
        self._is_gathering = False
        self._send()

    def _send(self) -> None:
        """Send what may be sent, and be over when that was the last of all."""
        if self._is_sending:
            return  # SSH was told that there is room, and wrote: the loop below sees to it
        self._is_sending = True
        try:
            while self._link.is_writable and (frame := self._next_frame()) is not None:
                self._link.send(frame)
        finally:
            self._is_sending = False
        if self._closing and self._state.finished:
            self._finish(self._fault)

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

    # --- the end ----------------------------------------------------------------------------------

    def _end(self, reset_reason: str) -> None:
        """Take nothing more; what is left goes out, and the last frame, for two seconds."""
        if self._closing:
            return
        self._closing = True
        self._reset_reason = reset_reason
        self._wake_drained()
        self._deadline = self._loop.call_later(FAREWELL_SECONDS, self._give_up)
        self._loop.call_soon(self._lose, None)
        self._loop.call_soon(self._send)

    def _give_up(self) -> None:
        self._finish(UnreachableError("the other end took too long to take the last bytes"))

    def _fail(self, fault: Exception) -> None:
        """The peer's bytes make no sense: say so, and be over."""
        self._fault = self._fault or fault
        self._lose(fault)
        self._end(fault.message if isinstance(fault, AssistError) else "an error at the other end")

    def _finish(self, fault: Exception | None) -> None:
        """Nothing more goes out: the link is closed."""
        if self._leaving is not None:
            return
        self._closing = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._leaving = self._loop.create_task(self._leave(fault), name=f"end of stream {self._state.stream}")

    async def _leave(self, fault: Exception | None) -> None:
        try:
            self._lose(fault)
            await self._link.close()
        finally:
            if not self._over.done():
                self._over.set_result(None)

    def _lose(self, fault: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._wake_drained()
        self._protocol.connection_lost(fault)
