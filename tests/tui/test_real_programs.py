"""Full-screen programs in our terminal look as they do in tmux's: the same program, the same keys, the same size."""

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from remote_assist.tui.terminal_keys import key_bytes
from remote_assist.tui.terminal_screen import TerminalScreen
from tests.scenarios.tmux import PATIENCE_SECONDS, TmuxScreen

COLUMNS, ROWS = 80, 24
NAMES = {"Escape": "escape", "Enter": "enter", "Down": "down", "PageDown": "pagedown", "End": "end"}
"""tmux's names of keys → ours."""

pytestmark = pytest.mark.slow


class OurTerminal:
    """A program on a pty, its output in our cells."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        self._cells = TerminalScreen(COLUMNS, ROWS)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._child = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, cwd=folder, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        os.close(slave)

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._master)

    def press(self, key: str) -> None:
        name = NAMES.get(key, key)
        raw = key_bytes(name, key if name == key else None, application=self._cells.wants_application_keys)
        os.write(self._master, raw)

    def look(self) -> list[str]:
        """The screen after what came until now."""
        while select.select([self._master], [], [], 0.05)[0]:
            self._cells.feed(os.read(self._master, 65536))
        return [self._cells.text(row).rstrip() for row in range(ROWS)]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    lines = (f"{number:4d} grün \t漢字 {'x' * (number % 97)} end" for number in range(400))
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines))
    return path


CASES = {
    "less": (("less", "text.txt"), ("PageDown", "Down", "/", "3", "9", "7", "Enter", "n")),
    "vi": (
        ("vi", "-n", "-u", "NONE", "text.txt"),
        ("Down", "PageDown", "d", "d", "i", "h", "é", "y", "Enter", "Escape", "G", "o", "z", "Escape"),
    ),
    "vi in two windows": (("vi", "-n", "-u", "NONE", "-o", "text.txt", "other.txt"), ("G", "k", "k", "Enter", "x")),
}


Both = tuple[OurTerminal, TmuxScreen, Sequence[str]]
"""The same program twice, and the keys."""


@pytest.fixture(params=CASES, ids=str)
def both(request: pytest.FixtureRequest, tmp_path: Path, text: Path) -> Iterator[Both]:
    argv, keys = CASES[request.param]
    assert text.exists()
    if not shutil.which(argv[0]) or not shutil.which("tmux"):
        assert os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1", f"{argv[0]} or tmux is missing"
        pytest.skip(f"{argv[0]} or tmux is missing")
    ours = OurTerminal(argv, tmp_path)
    with TmuxScreen(tmp_path, list(argv), dict(os.environ), columns=COLUMNS, rows=ROWS) as theirs:
        yield ours, theirs, keys
    ours.close()


def test_a_full_screen_program_looks_as_in_tmux(both: Both) -> None:
    ours, theirs, keys = both
    wait_until_same(ours, theirs, "at the start")
    for key in keys:
        ours.press(key)
        theirs.press(key)
        wait_until_same(ours, theirs, f"after {key}")


def wait_until_same(ours: OurTerminal, theirs: TmuxScreen, when: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        here = ours.look()
        there = [line.rstrip() for line in theirs.text.split("\n")[:ROWS]]
        if here == there and any(here):
            return
        assert time.monotonic() < end, f"{when}:\nours:\n" + "\n".join(here) + "\ntmux:\n" + "\n".join(there)
        time.sleep(0.05)
