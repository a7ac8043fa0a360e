"""Two WebSockets become one road for binary messages, which are passed on unread, byte for byte.

Rule: one message is in flight a direction; the next is read only when the last was taken by the socket, so a reader
that stops slows its sender down and the relay holds no more than the socket buffers (PROTOCOL 2, fault F13).
"""

import asyncio
from dataclasses import dataclass

from aiohttp import ClientConnectionResetError, WSCloseCode, WSMsgType

from relay.sockets import RelaySocket

NOT_BINARY = "only binary messages pass between the ends"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a direction ended: the close code to hand on and the reason given with it."""

    code: int
    reason: str


async def pump(source: RelaySocket, sink: RelaySocket) -> Ended:
    """Pass on binary messages until `source` closes. Returns how it closed."""
    receive, send = source.receive, sink.send_bytes
    while True:
        message = await receive()
        if message.type is WSMsgType.BINARY:
            try:
                await send(message.data)
            except (ClientConnectionResetError, ConnectionError):
                return Ended(WSCloseCode.GOING_AWAY, "the other end is gone")
        elif message.type is WSMsgType.TEXT:
            return Ended(WSCloseCode.UNSUPPORTED_DATA, NOT_BINARY)
        else:
            return _how(source)


async def splice(one: RelaySocket, other: RelaySocket) -> Ended:
    """Join two sockets until either closes; then close both with the same code. Returns what ended it."""
    forth = asyncio.create_task(pump(one, other))
    back = asyncio.create_task(pump(other, one))
    try:
        done, _ = await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
        ended = (forth if forth in done else back).result()
    finally:
        for task in (forth, back):
            task.cancel()
        await asyncio.gather(forth, back, return_exceptions=True)
    await asyncio.gather(*(socket.end(ended.code, ended.reason) for socket in (one, other)))
    return ended


def _how(source: RelaySocket) -> Ended:
    code = source.close_code
    if code is None or code in (1005, 1006, 1015) or not 1000 <= code < 5000:
        return Ended(WSCloseCode.GOING_AWAY, "the other end is gone")
    return Ended(code, "")
