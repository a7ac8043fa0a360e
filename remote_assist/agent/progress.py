"""Progress on its way to the technician: told without waiting, sent in order, dropped when it falls behind."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable

from remote_assist.agent.conversation import Caller
from remote_assist.core.requests import Progress
from remote_assist.errors import UnreachableError

MAX_WAITING = 256
"""Progress lines that may wait to be sent; the oldest go first."""


@contextlib.asynccontextmanager
async def telling(caller: Caller) -> AsyncIterator[Callable[[Progress], None]]:
    """A function that sends progress while the block runs; what waits at its end is still sent."""
    waiting: deque[Progress] = deque(maxlen=MAX_WAITING)
    arrived = asyncio.Event()

    def tell(progress: Progress) -> None:
        waiting.append(progress)
        arrived.set()

    async def send() -> None:
        while True:
            await arrived.wait()
            arrived.clear()
            while waiting:
                await caller.channel.send(waiting.popleft())

    sender = asyncio.create_task(send())
    try:
        yield tell
        while waiting:
            await caller.channel.send(waiting.popleft())
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, UnreachableError):
            await sender
