"""One line on standard error that says how far; only when somebody looks, rewritten at most ten times a second.

Rule: it is rewritten with `\\r` and spaces alone: nothing sent to a terminal from here holds an escape sequence.
"""

import sys
import time
import unicodedata
from collections.abc import Callable
from typing import TextIO

from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.requests import Progress

REWRITE_SECONDS = 0.1
WIDTH_COLUMNS = 78
FAIR_SECONDS = 0.2
"""Before that, a rate says nothing."""

Clock = Callable[[], float]


class ProgressLine:
    """Feed it `Progress`; call `clear` before other output."""

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._shows = self._stream.isatty()
        self._began = clock()
        self._first = -1
        self._last = 0.0
        self._columns = 0

    def __call__(self, progress: Progress) -> None:
        """Show it, unless it is too soon or nobody looks."""
        now = self._clock()
        if self._first < 0 or progress.done < self._first:
            self._began, self._first = now, progress.done
        if not self._shows or (now - self._last < REWRITE_SECONDS and progress.done != progress.total):
            return
        self._last = now
        self._write(self.text(progress, now))

    def say(self, text: str) -> None:
        """Show a line of one's own, safe and cut."""
        if self._shows:
            self._write(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._columns:
            self._stream.write(f"\r{' ' * self._columns}\r")
            self._stream.flush()
            self._columns = 0

    def text(self, progress: Progress, now: float) -> str:
        """`name  42 %  310 MB/s  3 s left`, or `7/22 certificates: ok` for things that are counted."""
        if progress.status not in {"receiving", "sending"}:
            count = f"{progress.done}/{progress.total} " if progress.total else ""
            return f"{count}{progress.item}: {progress.status}"
        parts = [progress.item, size_words(progress.done)]
        if progress.total:
            parts.insert(1, f"{100 * progress.done // progress.total} %")
        seconds = now - self._began
        rate = (progress.done - max(self._first, 0)) / seconds if seconds >= FAIR_SECONDS else 0.0
        if rate > 0:
            parts.append(f"{size_words(int(rate))}/s")
            if progress.done < progress.total:
                parts.append(f"{(progress.total - progress.done) / rate:.0f} s left")
        return "  ".join(parts)

    def _write(self, text: str) -> None:
        shown, columns = _fitting(safe_text(HostileStr(text)))
        self._stream.write(f"\r{shown}{' ' * (self._columns - columns)}")
        self._stream.flush()
        self._columns = columns


def _fitting(text: str) -> tuple[str, int]:
    """As much of `text` as the line holds, and how many columns that takes on a terminal."""
    columns = 0
    for place, sign in enumerate(text):
        width = 2 if unicodedata.east_asian_width(sign) in "WF" else 0 if unicodedata.combining(sign) else 1
        if columns + width > WIDTH_COLUMNS:
            return text[:place], columns
        columns += width
    return text, columns


def size_words(size: int) -> str:
    """`312 B`, `4.2 kB`, `1.3 GB`: powers of 1000, as disks are sold."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
