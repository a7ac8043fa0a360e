"""A text of any size on this machine, looked at by place: what stands at an offset, where a word occurs.

Rule 1: opening maps the file and reads nothing; looking reads what is looked at. Rule 2: places are byte offsets, so
that no index is needed; a line longer than `MAX_LINE_BYTES` is shown in pieces. Rule 3: nothing here waits for anybody;
`search` is meant for a thread and looks at `stop` between pieces.
"""

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from remote_assist.errors import ContentError

MAX_LINE_BYTES = 16 << 10
"""Where an endless line is cut into pieces."""

PIECE_BYTES = 4 << 20
"""How much is searched between two looks at `stop`; a piece stays in the processor's last cache."""

MAX_HITS = 10_000
"""Most places kept of one search; a search that finds more ends there and says so."""

MAX_NEEDLE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Searched:
    """How far a search is. `hits`: offsets of the lines newly found to hold the word."""

    done: int
    total: int
    hits: tuple[int, ...]
    found: int


class LogFile:
    """One text. `with`; its bytes are hostile until `safe_text`."""

    def __init__(self, name: str, content: mmap.mmap | bytes) -> None:
        self.name = name
        self._content = content
        self.size = len(content)

    @classmethod
    def open(cls, path: Path) -> "LogFile":
        """Map a file. Raises ContentError."""
        try:
            with path.open("rb") as file:
                empty = not path.stat().st_size
                content = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ContentError(f"{path} cannot be read: {error.strerror}") from error
        return cls(path.name, content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._content, mmap.mmap):
            self._content.close()

    def line_start(self, offset: int) -> int:
        """Where the line (or piece of one) that holds `offset` begins."""
        offset = max(0, min(offset, self.size))
        floor = max(0, offset - MAX_LINE_BYTES)
        found = self._content.rfind(b"\n", floor, offset)
        return found + 1 if found >= 0 else floor

    def lines(self, offset: int, count: int) -> list[tuple[int, bytes]]:
        """Up to `count` lines from the one that begins at `offset`, each with its offset."""
        found: list[tuple[int, bytes]] = []
        while len(found) < count and offset < self.size:
            end = self._line_end(offset)
            found.append((offset, self._content[offset:end].removesuffix(b"\n")))
            offset = end
        return found

    def back(self, offset: int, count: int) -> int:
        """The offset `count` lines before the line at `offset`; 0 at most."""
        for _ in range(count):
            if offset <= 0:
                return 0
            offset = self.line_start(offset - 1)
        return offset

    def search(self, word: str, stop: Callable[[], bool]) -> Iterator[Searched]:
        """Lines that hold `word`, from the beginning. All lower case means: whatever its case (ASCII letters)."""
        needle = word.encode("utf-8", "surrogateescape")[:MAX_NEEDLE_BYTES]
        folded = word == word.lower()
        found, offset, last = 0, 0, -1
        while needle and offset < self.size and not stop():
            end = min(self.size, offset + PIECE_BYTES)
            piece = self._content[offset : min(self.size, end + len(needle) - 1)]
            hits, last = self._hits(piece.lower() if folded else piece, needle, offset, last, MAX_HITS - found)
            found += len(hits)
            yield Searched(end, self.size, tuple(hits), found)
            if found >= MAX_HITS:
                return
            offset = end

    def _hits(self, piece: bytes, needle: bytes, base: int, last: int, room: int) -> tuple[list[int], int]:
        """Starts of lines with a hit that begins in this piece, each once; `last` is the newest one before."""
        hits: list[int] = []
        at = piece.find(needle)
        while at >= 0 and len(hits) < room:
            start = self.line_start(base + at)
            if start != last:
                hits.append(start)
                last = start
            end = self._line_end(base + at) - base
            at = piece.find(needle, max(end, at + 1))
        return hits, last

    def _line_end(self, offset: int) -> int:
        """One past the line's newline, or where it is cut."""
        limit = min(self.size, offset + MAX_LINE_BYTES)
        found = self._content.find(b"\n", offset, limit)
        return found + 1 if found >= 0 else limit
