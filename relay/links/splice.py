"""Two WebSockets become one road for binary messages, which are passed on unread, byte for byte.

    aiohttp ──lends both transports──▶ Lane ◀──▶ Lane ──first frame that is not ours──▶ aiohttp, which says what it is

The way between is relay/links/lane.py; here is how a road begins and ends.
"""

import asyncio
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType

from relay.limits.pace import Pace
from relay.links.lane import Lane, Traffic
from relay.links.sockets import CLOSE_SECONDS, RelaySocket

NOT_BINARY = "only binary messages pass between the ends"

READ_BYTES = 1 << 20
"""Most bytes read at once. Half of it costs a twentieth more CPU for each, a quarter an eighth more (decision 0020)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stream ended: the close code to hand on and the reason given with it."""

    code: int
    reason: str


STALLED = Ended(4003, "an end read nothing for too long")
GONE = Ended(WSCloseCode.GOING_AWAY, "the other end is gone")
OUT_OF_ORDER = Ended(WSCloseCode.PROTOCOL_ERROR, "a frame out of order")


class Splicer:
    """Joins sockets two by two. One for the process: its streams share the memory they are read into."""

    def __init__(self, traffic: Traffic, *, max_bytes: int, stalled_seconds: float) -> None:
        """`max_bytes`: longest message. `stalled_seconds`: how long an end may leave unread what waits for it."""
        self._traffic = traffic
        self._max_bytes = max_bytes
        self._stalled_seconds = stalled_seconds
        self._memory = memoryview(bytearray(READ_BYTES))

    async def join(self, one: RelaySocket, other: RelaySocket, pace: Pace) -> Ended:
        """Join two sockets until either closes, or one reads nothing for too long although something waits for it.

        Then both are closed with the same code. Returns what ended it.
        """
        over: asyncio.Future[Lane | None] = asyncio.get_running_loop().create_future()
        try:
            forth, back = (self._lane(socket, pace, over) for socket in (one, other))
        except ConnectionError:
            ended = GONE
        else:
            ended = await self._until(over, forth, back)
        await asyncio.gather(*(socket.end(ended.code, ended.reason) for socket in (one, other)))
        return ended

    def _lane(self, socket: RelaySocket, pace: Pace, over: "asyncio.Future[Lane | None]") -> Lane:
        return Lane(socket, pace, self._traffic, memory=self._memory, max_bytes=self._max_bytes, over=over)

    async def _until(self, over: "asyncio.Future[Lane | None]", forth: Lane, back: Lane) -> Ended:
        lanes = forth, back
        forth.join(back)
        back.join(forth)
        for lane in lanes:
            lane.begin()
        try:
            while not over.done():
                await asyncio.wait([over], timeout=self._stalled_seconds / 4)
                if any(_since(lane.full_since) > self._stalled_seconds for lane in lanes if lane.full_since):
                    return STALLED
        finally:
            for lane in lanes:
                lane.give_back()
        speaker = over.result()
        return GONE if speaker is None else await _heard(speaker.socket)


async def _heard(source: RelaySocket) -> Ended:
    """What the frame was that ended the road."""
    try:
        message = await source.receive(timeout=CLOSE_SECONDS)
    except TimeoutError:
        return OUT_OF_ORDER
    if message.type is WSMsgType.TEXT:
        return Ended(WSCloseCode.UNSUPPORTED_DATA, NOT_BINARY)
    if message.type is WSMsgType.BINARY:
        return OUT_OF_ORDER
    code = source.close_code
    if code is None or code in (1005, 1006, 1015) or not 1000 <= code < 5000:
        return GONE
    return Ended(code, "")


def _since(moment: float) -> float:
    return asyncio.get_running_loop().time() - moment
