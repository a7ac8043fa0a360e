"""One direction of a road between two WebSockets: what an end sends, read from its transport, written to the other's.

Rule 1: what one end sent is written to the other before more of it is read, and while the other takes nothing, nothing
is read: a reader that stops slows its sender down, and the relay holds one piece beside the socket buffers (fault F13).
Rule 2: only whole frames are written, so that a close or a pong of ours may stand between any two of them.
"""

import asyncio
from dataclasses import dataclass

from relay.limits.pace import Pace
from relay.links.frames import EndFrames, pong
from relay.links.sockets import RelaySocket

BYTES_IN_A_TURN = 4 << 20
"""After so many others have their turn; a loop would read a quick sender 32 times before the next. Each turn costs a
change of what is watched: 4 MiB carry a third more than one over a hundred streams, and share as fairly."""

SMALL_READ_BYTES = 8 << 10
"""Most bytes read at once at first, and from who sends many tiny frames; doubled with each piece of few."""


@dataclass(slots=True)
class Traffic:
    """Bytes passed on by this relay."""

    bytes: int = 0


class Lane(asyncio.BufferedProtocol):
    """The protocol of an end's transport while aiohttp lends it.

    `over` is set to the lane whose end sent what is not ours, and which aiohttp now reads; to None when an end is gone.
    """

    def __init__(
        self,
        socket: RelaySocket,
        pace: Pace,
        traffic: Traffic,
        *,
        memory: memoryview,
        max_bytes: int,
        over: "asyncio.Future[Lane | None]",
    ) -> None:
        """`memory` is read into, and may be any other lane's too. Raises ConnectionError when the end is gone."""
        self.socket = socket
        self.full_since = 0.0
        """When this end took no more of what is written to it; 0 while it does."""
        self._transport, self._aiohttp, self._early = socket.lend(self._called_back)
        self._is_lent = True
        self._pace = pace
        self._traffic = traffic
        self._memory = memory
        self._room = SMALL_READ_BYTES
        self._most_room = max(SMALL_READ_BYTES, pace.portion(len(memory)))
        self._turn_bytes = 0
        self._frames = EndFrames(max_bytes)
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._is_waiting = False
        self._other = self
        self._pong = b""

    def join(self, other: "Lane") -> None:
        """What comes goes to `other`, once both have begun."""
        self._other = other
        self._transport.set_protocol(self)
        # Paused as soon as anything is left over: what it takes to see that an end reads nothing.
        self._transport.set_write_buffer_limits(high=1, low=0)

    def begin(self) -> None:
        """Pass on what came early, and read."""
        early, self._early = self._early, b""
        if early:
            self._take(memoryview(early))
        self._look()

    def give_back(self, unread: bytes | None = None) -> None:
        """aiohttp reads again, `unread` first, or from within the frame that came in part; harmless when it does."""
        if not self._is_ours:
            return
        self._is_lent = False
        self._transport.pause_reading()  # how a transport reads is fixed when it starts to
        self._transport.set_protocol(self._aiohttp)
        self._transport.set_write_buffer_limits()
        self._transport.resume_reading()  # before it is given anything: it may pause
        first = self._frames.rest() + self._early if unread is None else unread
        if first:
            self._aiohttp.data_received(first)

    # --- asyncio.BufferedProtocol -----------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._memory[: self._room]

    def buffer_updated(self, nbytes: int) -> None:
        self._take(self._memory[:nbytes])

    def pause_writing(self) -> None:
        self.full_since = self._loop.time()
        self._aiohttp.pause_writing()
        self._other._look()

    def resume_writing(self) -> None:
        self.full_since = 0.0
        self._aiohttp.resume_writing()
        owed, self._pong = self._pong, b""
        if owed:
            self._write([owed])
        self._other._look()

    def eof_received(self) -> None:
        self._aiohttp.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._aiohttp.connection_lost(exc)
        self._end(None)

    # --- ours -------------------------------------------------------------------------------------

    @property
    def _is_ours(self) -> bool:
        return self._is_lent and not self._transport.is_closing()

    def _called_back(self) -> None:
        self.give_back()
        self._end(None)

    def _take(self, data: memoryview) -> None:
        taken = self._frames.take(data)
        if taken.onward:
            self._other._write(taken.onward)
        self._traffic.bytes += taken.payload_bytes
        wait = self._pace.spend(taken.payload_bytes, self._loop.time())
        if self._frames.has_more:
            self._room = SMALL_READ_BYTES
        elif self._room < self._most_room:
            self._room = min(2 * self._room, self._most_room)
        self._turn_bytes += len(data)
        if wait > 0 or self._frames.has_more or self._turn_bytes >= BYTES_IN_A_TURN:
            self._wait(wait)
        if taken.ping is not None:
            self._answer(taken.ping)
        if taken.unread is not None:
            self.give_back(taken.unread)
            self._end(self)

    def _write(self, pieces: list[bytes]) -> None:
        if not self._is_lent:
            return  # a close of ours may stand there already
        if self._transport.is_closing():
            self._end(None)
        elif len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)

    def _answer(self, ping: bytes) -> None:
        """At once, or the newest of several when this end reads again (RFC 6455 5.5.3)."""
        if self.full_since:
            self._pong = pong(ping)
        else:
            self._write([pong(ping)])

    def _wait(self, seconds: float) -> None:
        self._is_waiting, self._turn_bytes = True, 0
        self._look()
        self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._is_waiting = False
        self._look()

    @property
    def _may_go_on(self) -> bool:
        return not self._is_waiting and not self._other.full_since

    def _look(self) -> None:
        """Go on or not, whichever is right now: with what was read and left for later, then with reading."""
        if self._is_ours and self._may_go_on and self._frames.has_more:
            self._take(memoryview(b""))
        if not self._is_ours:
            return
        if self._may_go_on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _end(self, speaker: "Lane | None") -> None:
        if not self._over.done():
            self._over.set_result(speaker)
