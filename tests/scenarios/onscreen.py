"""A command at a terminal: a person who reads what is on the screen and presses keys."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.scenarios.world import World, find_program

WIDE, HIGH = 200, 50


class OnScreen:
    """One `remote-assist …` whose standard streams and controlling terminal are a pty. `seen` is all it got."""

    def __init__(self, world: World, *words: str, home: str = "alice-home", program: Sequence[str] = ()) -> None:
        """`program`: what is started in place of `remote-assist`."""
        self.seen = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HIGH, WIDE, 0, 0))
        modes = termios.tcgetattr(slave)
        modes[1] &= ~termios.OPOST  # what is written is what arrives here
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        self.program = subprocess.Popen(
            [*(program or [find_program("remote-assist")]), *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=world.folder,
            env={**world.environment(home), "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait(5)
        os.close(self._master)

    def read_until(self, text: str, seconds: float = 20) -> None:
        """Wait until the screen shows `text`."""
        end = time.monotonic() + seconds
        while text.encode() not in self.seen:
            assert time.monotonic() < end, f"{text!r} never came; seen: {self.seen.decode(errors='replace')}"
            self._read(0.2)

    def read_more(self) -> None:
        """Wait a little for something new."""
        self._read(0.2)

    @property
    def terminal(self) -> int:
        """The terminal's other end, for whoever reads and writes it themselves."""
        return self._master

    def resize(self, rows: int, columns: int) -> None:
        """Another window size, of which the program is told."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def finished(self, seconds: float = 30) -> int:
        """The exit code, once it ended; everything it wrote is in `seen`."""
        end = time.monotonic() + seconds
        while self.program.poll() is None:
            assert time.monotonic() < end, f"it did not end; seen: {self.seen.decode(errors='replace')}"
            self._read(0.1)
        while self._read(0.05):
            pass
        return self.program.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            if piece := os.read(self._master, 1 << 16):
                self.seen += piece
                return True
        return False
