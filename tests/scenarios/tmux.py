"""A real terminal of a real size: a program in tmux, its screen as text, keys as a person presses them."""

import os
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

ESCAPE_SECONDS = 0.4
"""A key sent right after Escape would be read as one key with it (Alt): a person is slower than that."""

PATIENCE_SECONDS = 60.0
"""How long a screen may take on a busy machine."""
SEEN_CHARS = 20
"""Of a long text a field shows the end only."""

KEEP_EXIT = '"$@"; echo $? > "$0.part"; mv "$0.part" "$0"'
"""Runs a program and keeps its exit code. tmux itself now and then misses a child's end (3.3a: the pane is dead, the
child a zombie, the exit status empty for good)."""


class TmuxScreen:
    """One program in a tmux server of its own, so that nobody's sessions are touched."""

    def __init__(
        self, folder: Path, argv: list[str], environment: dict[str, str], *, columns: int = 120, rows: int = 36
    ) -> None:
        self._socket = str(folder / "tmux.sock")
        self._environment = {**environment, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        for name in ("TMUX", "COLUMNS", "LINES"):  # the size is the terminal's own
            self._environment.pop(name, None)
        size = ["-x", str(columns), "-y", str(rows)]
        # what the program wrote last stays readable after it ended
        self._tmux("-f", os.devnull, "new-session", "-d", *size, "-c", str(folder), "sleep 600")
        self._tmux("set-option", "-g", "remain-on-exit", "on")
        self._exit_file = folder / "exit"
        self._exit_file.unlink(missing_ok=True)
        self._tmux("respawn-pane", "-k", "-c", str(folder), "sh", "-c", KEEP_EXIT, str(self._exit_file), *argv)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tmux("kill-server", check=False)

    @property
    def text(self) -> str:
        """What a person sees now."""
        return self._tmux("capture-pane", "-p").stdout

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: `Enter`, `Escape`, `Down`, letters."""
        for key in keys:
            self._tmux("send-keys", key)
            if key == "Escape":
                time.sleep(ESCAPE_SECONDS)

    def write(self, text: str) -> None:
        """Type a text as it stands, and wait until its end is seen: who types looks before pressing Enter."""
        self._tmux("send-keys", "-l", text)
        self.wait_for(text[-SEEN_CHARS:])

    def wait_for(self, text: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait until the screen shows `text`; answer the screen."""
        end = time.monotonic() + seconds
        while text not in (seen := self.text):
            assert time.monotonic() < end, f"{text!r} never came; the screen:\n{seen}"
            time.sleep(0.05)
        return seen

    def wait_until_gone(self, text: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the screen shows `text` no more."""
        end = time.monotonic() + seconds
        while text in (seen := self.text):
            assert time.monotonic() < end, f"{text!r} stayed; the screen:\n{seen}"
            time.sleep(0.05)

    def wait_until_over(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for the program's end; answer its exit code."""
        end = time.monotonic() + seconds
        while not self._exit_file.exists():
            assert time.monotonic() < end, f"it did not end; the screen:\n{self.text}"
            time.sleep(0.05)
        return int(self._exit_file.read_text())

    def _tmux(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["tmux", "-S", self._socket, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=check,
            timeout=30,
        )
