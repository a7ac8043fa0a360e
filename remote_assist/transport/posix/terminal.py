"""The customer's terminal on POSIX: raw keys in, text out. (posix_pty.py: programs'; own_terminal.py: technician's.)

Rule: whatever happens, `close` gives the terminal back as it was found.
"""

import asyncio
import codecs
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from remote_assist.errors import UsageError

if sys.platform != "win32":
    import termios

MAX_WAITING_KEYS = 256
"""Keys nobody has read yet; further ones are dropped (a paste into a question, a cat on the keyboard)."""

ESCAPES: dict[str, str] = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b[5~": "pageup",
    "\x1b[6~": "pagedown",
}
CONTROLS: dict[str, str] = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x03": "interrupt",
    "\x04": "interrupt",
    "\x1b": "escape",
}


def open_terminal() -> "RawTerminal":
    """The terminal this program was started at, in raw mode. Raises UsageError when there is none."""
    if sys.platform == "win32":
        raise UsageError("this screen needs a POSIX terminal", advice="Use --code - with --accept on this system.")
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError("there is no terminal to ask at", advice="Start it in a terminal window.") from error
    terminal = RawTerminal(descriptor)
    terminal.start()
    return terminal


@dataclass
class RawTerminal:
    """A terminal in raw mode. `on_key` is called for every key; without it keys wait in a bounded queue."""

    descriptor: int
    on_key: Callable[[str], None] | None = None
    _keys: "asyncio.Queue[str]" = field(default_factory=lambda: asyncio.Queue(MAX_WAITING_KEYS))
    _before: "list[object] | None" = None
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def start(self) -> None:
        """Switch to raw keys (output is left as it is) and begin to read."""
        if sys.platform != "win32":
            before = termios.tcgetattr(self.descriptor)
            self._before = list(before)
            raw = [*before]
            raw[0] = before[0] & ~(termios.IXON | termios.IXOFF)  # else Ctrl-S would hold the program, and the end key
            raw[3] = before[3] & ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            raw[6] = list(before[6])
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self.descriptor, termios.TCSAFLUSH, raw)
            asyncio.get_running_loop().add_reader(self.descriptor, self._readable)

    async def key(self) -> str:
        """The next key: a character, or one of up, down, pageup, pagedown, enter, escape, backspace, interrupt."""
        return await self._keys.get()

    def forget_keys(self) -> None:
        """Drop what was typed before a question appeared: it was not an answer to it."""
        if sys.platform != "win32":
            with contextlib.suppress(termios.error):
                termios.tcflush(self.descriptor, termios.TCIFLUSH)
        while not self._keys.empty():
            self._keys.get_nowait()

    def write(self, text: str) -> None:
        """Write text at once. A terminal that went away swallows it."""
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]

    def columns(self) -> int:
        """The terminal's width, 80 when unknown."""
        try:
            return os.get_terminal_size(self.descriptor).columns or 80
        except OSError:
            return 80

    def rows(self) -> int:
        """The terminal's height, 24 when unknown."""
        try:
            return os.get_terminal_size(self.descriptor).lines or 24
        except OSError:
            return 24

    def close(self) -> None:
        """Stop reading and give the terminal back. May be called twice."""
        if self.descriptor < 0:
            return
        with contextlib.suppress(RuntimeError, OSError, ValueError):
            asyncio.get_running_loop().remove_reader(self.descriptor)
        if sys.platform != "win32" and self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]  # as read
        os.close(self.descriptor)
        self.descriptor = -1

    def _readable(self) -> None:
        try:
            raw = os.read(self.descriptor, 1024)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:  # the window was closed: the customer is gone, and that is the end key
            asyncio.get_running_loop().remove_reader(self.descriptor)
            self._give("interrupt")
            return
        for key in keys_of(self._decoder.decode(raw)):
            self._give(key)

    def _give(self, key: str) -> None:
        if self.on_key is not None:
            self.on_key(key)
        elif not self._keys.full():
            self._keys.put_nowait(key)


def keys_of(text: str) -> list[str]:
    """The keys in what a terminal sent. Unknown escape sequences are dropped whole, so they type nothing."""
    keys: list[str] = []
    while text:
        known = next((sequence for sequence in ESCAPES if text.startswith(sequence)), "")
        if known:
            keys.append(ESCAPES[known])
            text = text[len(known) :]
        elif text[0] == "\x1b" and len(text) > 1:
            text = _after_sequence(text)
        elif text[0] in CONTROLS:
            keys.append(CONTROLS[text[0]])
            text = text[1:]
        else:
            if text[0].isprintable():
                keys.append(text[0])
            text = text[1:]
    return keys


def _after_sequence(text: str) -> str:
    if text[1] not in "[O":
        return text[2:]
    end = next((at for at in range(2, len(text)) if "\x40" <= text[at] <= "\x7e"), len(text) - 1)
    return text[end + 1 :]
