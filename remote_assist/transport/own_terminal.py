"""The technician's own terminal while a customer's is shown in it: every key goes there, none is ours.

Rule: whatever happens, the terminal is given back as it was found.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

if sys.platform != "win32":
    import termios
    import tty


READ_BYTES = 64 << 10
"""Most keys read at once."""

WAITING_PIECES = 16
"""Reads nobody has taken yet; beyond, the terminal is not read."""

Show = Callable[[bytes], Awaitable[None]]


def window_size(descriptor: int = 1) -> tuple[int, int]:
    """Columns and rows; 80 × 24 when there is no terminal."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24


@contextlib.contextmanager
def raw_keys(descriptor: int = 0) -> Iterator[bool]:
    """Every key as it is typed, Ctrl-C too; what is a pipe or file stays as it is. Says whether it is a terminal."""
    if sys.platform == "win32" or not os.isatty(descriptor):
        yield False
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSADRAIN)
    try:
        yield True
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def on_resize(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` whenever the window changes, as long as this lasts."""
    if sys.platform == "win32":
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, act)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


async def keys(descriptor: int = 0) -> AsyncIterator[bytes]:
    """What is typed at a terminal, as it comes: read in the loop, since each change of threads is a wait."""
    loop = asyncio.get_running_loop()
    pieces: deque[bytes] = deque()
    arrived = asyncio.Event()

    def read() -> None:  # called when there is something, so it does not wait
        try:
            pieces.append(os.read(descriptor, READ_BYTES))
        except OSError:  # the terminal was closed
            pieces.append(b"")
        if len(pieces) >= WAITING_PIECES or not pieces[-1]:
            loop.remove_reader(descriptor)
        arrived.set()

    loop.add_reader(descriptor, read)
    try:
        while True:
            while not pieces:
                arrived.clear()
                await arrived.wait()
            piece = pieces.popleft()
            if not piece:
                return
            if len(pieces) == WAITING_PIECES - 1 and pieces[-1]:
                loop.add_reader(descriptor, read)
            yield piece
    finally:
        loop.remove_reader(descriptor)


@contextlib.contextmanager
def screen(descriptor: int, otherwise: Show) -> Iterator[Show]:
    """Gives what writes to the terminal behind `descriptor` without holding the loop up; `otherwise` where none is.

    The terminal is opened anew, since who shares our own descriptor must not find it changed.
    """
    try:
        own = os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, AttributeError):  # no terminal, one without a name, or no such thing here
        yield otherwise
        return
    try:
        yield lambda raw: _write_all(own, raw)
    finally:
        os.close(own)


async def _write_all(descriptor: int, raw: bytes) -> None:
    loop = asyncio.get_running_loop()
    rest = memoryview(raw)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            writable = asyncio.Event()
            loop.add_writer(descriptor, writable.set)
            try:
                await writable.wait()
            finally:
                loop.remove_writer(descriptor)
