"""The technician's own terminal while a customer's is shown in it: every key goes there, none is ours.

Rule: whatever happens, the terminal is given back as it was found.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

if sys.platform != "win32":
    import termios
    import tty


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
