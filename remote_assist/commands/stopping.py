"""Verbs that go on until they are told to stop: SIGTERM ends them between two steps, as a service manager asks."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


async def waited(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait; True when it is time to end."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


@contextmanager
def stopped_by_signal() -> Iterator[asyncio.Event]:
    """An event that SIGTERM sets while this lasts."""
    stopping = asyncio.Event()
    if sys.platform == "win32":
        yield stopping
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        yield stopping
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
