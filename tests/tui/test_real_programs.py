"""Full-screen programs in our terminal look as they do in tmux's: the same program, the same keys, the same size."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from remote_assist.tui.terminal_keys import key_bytes
from remote_assist.tui.terminal_screen import TerminalScreen
from tests.scenarios.tmux import PATIENCE_SECONDS, TmuxScreen

COLUMNS, ROWS = 80, 24
NAMES = {
    "Escape": "escape", "Enter": "enter", "Down": "down", "PageDown": "pagedown", "End": "end", "Tab": "tab",
    "Space": "space", "C-w": "ctrl+w", "C-v": "ctrl+v", "C-l": "ctrl+l", "F1": "f1", "F5": "f5",
}  # fmt: skip
"""tmux's names of keys → ours."""

ANY = re.compile("")

pytestmark = pytest.mark.slow


class OurTerminal:
    """A program on a pty, its output in our cells."""

    def __init__(self, argv: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._cells = TerminalScreen(COLUMNS, ROWS)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._child = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, cwd=folder, start_new_session=True,
            env={**environment, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        os.close(slave)

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._master)

    @property
    def ended(self) -> bool:
        return self._child.poll() is not None

    def press(self, key: str) -> None:
        name = NAMES.get(key, key)
        raw = key_bytes(name, key if name == key else None, application=self._cells.wants_application_keys)
        os.write(self._master, raw)

    def look(self) -> list[str]:
        """The screen after what came until now."""
        while select.select([self._master], [], [], 0.05)[0]:
            try:
                self._cells.feed(os.read(self._master, 65536))
            except OSError:
                break  # it ended
        return [self._cells.text(row).rstrip() for row in range(ROWS)]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    lines = (f"{number:4d} grün \t漢字 {'x' * (number % 97)} end" for number in range(400))
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines))
    (tmp_path / "program.py").write_text("\n".join(f"def f{n}(x):\n    return x + {n}  # {n}\n" for n in range(60)))
    return path


CASES = {
    "less": (("less", "text.txt"), ("PageDown", "Down", "/", "3", "9", "7", "Enter", "n")),
    "vi": (
        ("vi", "-n", "-u", "NONE", "text.txt"),
        ("Down", "PageDown", "d", "d", "i", "h", "é", "y", "Enter", "Escape", "G", "o", "z", "Escape"),
    ),
    "vim, coloured and windowed": (
        ("vim", "-n", "-u", "NONE", "-i", "NONE", "-c", "set nocp ruler nu hls is wmnu | syn on | vs", "program.py"),
        (
            "/",
            "d",
            "e",
            "f",
            "Enter",
            "V",
            "Down",
            "Down",
            ">",
            "C-w",
            "w",
            "G",
            "C-v",
            "k",
            "k",
            "I",
            "#",
            "Escape",
            ":",
            "h",
            "e",
            "l",
            "Tab",
            "Escape",
            "u",
            "C-l",
        ),
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


def wait_until_same(
    ours: OurTerminal, theirs: TmuxScreen, when: str, *, steady: re.Pattern[str] = ANY, least: int = 1
) -> None:
    """Both show the same in the lines that are `steady`, of which there are `least` or more."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        here = [line for line in ours.look() if steady.search(line)]
        there = [line.rstrip() for line in theirs.text.split("\n")[:ROWS]]
        if here == [line for line in there if steady.search(line)] and sum(map(bool, here)) >= least:
            return
        assert time.monotonic() < end, f"{when}:\nours:\n" + "\n".join(ours.look()) + "\ntmux:\n" + "\n".join(there)
        time.sleep(0.05)


STEADY = re.compile(r"PID.*Command|^F1Help|^ *\d+ .* sleep 59\d")
"""Of htop the lines that do not show the load of the moment: heading, keys, and programs that sleep."""


@pytest.fixture
def sleepers() -> Iterator[str]:
    """Two programs that do nothing, for htop to show."""
    children = [subprocess.Popen(["sleep", f"59{number}"]) for number in (1, 2)]
    yield ",".join(str(child.pid) for child in children)
    for child in children:
        child.kill()
        child.wait()


def test_htop_looks_as_in_tmux_but_for_the_load_of_the_moment(tmp_path: Path, sleepers: str) -> None:
    if not shutil.which("htop") or not shutil.which("tmux"):
        assert os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1", "htop or tmux is missing"
        pytest.skip("htop or tmux is missing")
    argv = ["htop", "--no-mouse", "-d", "100", "-s", "PID", "-p", sleepers]
    environment = {**os.environ, "HTOPRC": str(tmp_path / "htoprc")}
    ours = OurTerminal(argv, tmp_path, environment)
    with TmuxScreen(tmp_path, argv, environment, columns=COLUMNS, rows=ROWS) as theirs:
        wait_until_same(ours, theirs, "at the start", steady=STEADY, least=4)
        for key, least in (("Down", 4), ("F5", 4), ("F5", 4), ("Space", 4)):
            ours.press(key)
            theirs.press(key)
            wait_until_same(ours, theirs, f"after {key}", steady=STEADY, least=least)
        ours.press("F1")
        theirs.press("F1")
        wait_until_same(ours, theirs, "in its help")
        ours.press("q")
        ours.press("q")
        wait_until_gone(ours)
    ours.close()


def wait_until_gone(ours: OurTerminal) -> None:
    """It ended, and what it drew went with its own screen."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not ours.ended or any("PID" in line for line in ours.look()):
        assert time.monotonic() < end, "\n".join(ours.look())
        time.sleep(0.05)
