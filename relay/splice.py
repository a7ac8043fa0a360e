"""Two WebSockets become one road for binary messages, which are passed on unread, byte for byte.

Rule: one message is in flight a direction; the next is read only when the last was taken by the socket, so a reader
that stops slows its sender down and the relay holds no more than the socket buffers (PROTOCOL 2, fault F13).
"""

import asyncio
from dataclasses import dataclass

from aiohttp import ClientConnectionResetError, WSCloseCode, WSMsgType

from relay.pace import Pace
from relay.sockets import RelaySocket

NOT_BINARY = "only binary messages pass between the ends"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a direction ended: the close code to hand on and the reason given with it."""

    code: int
    reason: str


STALLED = Ended(4003, "an end read nothing for too long")


@dataclass(slots=True)
class Traffic:
    """Bytes passed on by this relay."""

    bytes: int = 0


@dataclass(slots=True)
class Pump:
    """One direction. `since`: when the message in flight was handed to the reader; 0 while none is."""

    source: RelaySocket
    sink: RelaySocket
    pace: Pace
    traffic: Traffic
    since: float = 0.0

    async def run(self) -> Ended:
        """Pass on binary messages until `source` closes. Returns how it closed."""
        receive, send, spend = self.source.receive, self.sink.send_bytes, self.pace.spend
        now = asyncio.get_running_loop().time
        while True:
            message = await receive()
            if message.type is not WSMsgType.BINARY:
                break
            self.since = now()
            try:
                await send(message.data)
            except (ClientConnectionResetError, ConnectionError):
                return Ended(WSCloseCode.GOING_AWAY, "the other end is gone")
            self.traffic.bytes += len(message.data)
            wait, self.since = spend(len(message.data), self.since), 0.0
            if wait > 0:
                await asyncio.sleep(wait)
        if message.type is WSMsgType.TEXT:
            return Ended(WSCloseCode.UNSUPPORTED_DATA, NOT_BINARY)
        return _how(self.source)


async def splice(
    one: RelaySocket, other: RelaySocket, pace: Pace, traffic: Traffic, *, stalled_seconds: float
) -> Ended:
    """Join two sockets until either closes, or one reads nothing for so long although something waits for it.

    Then both are closed with the same code. Returns what ended it.
    """
    pumps = Pump(one, other, pace, traffic), Pump(other, one, pace, traffic)
    forth, back = (asyncio.create_task(pump.run()) for pump in pumps)
    try:
        ended = await _ended(forth, back, pumps, stalled_seconds)
    finally:
        for task in (forth, back):
            task.cancel()
        await asyncio.gather(forth, back, return_exceptions=True)
    await asyncio.gather(*(socket.end(ended.code, ended.reason) for socket in (one, other)))
    return ended


async def _ended(
    forth: "asyncio.Task[Ended]", back: "asyncio.Task[Ended]", pumps: tuple[Pump, Pump], stalled_seconds: float
) -> Ended:
    now = asyncio.get_running_loop().time
    while True:
        done, _ = await asyncio.wait((forth, back), timeout=stalled_seconds / 4, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return (forth if forth in done else back).result()
        if any(pump.since and now() - pump.since > stalled_seconds for pump in pumps):
            return STALLED


def _how(source: RelaySocket) -> Ended:
    code = source.close_code
    if code is None or code in (1005, 1006, 1015) or not 1000 <= code < 5000:
        return Ended(WSCloseCode.GOING_AWAY, "the other end is gone")
    return Ended(code, "")
