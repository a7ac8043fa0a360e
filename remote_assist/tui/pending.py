"""Fast news for a slow screen: bounded, coalesced, looked at when the screen gets round to it.

A collector or a program may report thousands of times a second. News gathers here; `wake` is called once, and
again only after the screen took what lay here.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from remote_assist.core.chat import MAX_LINES
from remote_assist.core.requests import KIND_ERROR, ChatLine, Progress
from remote_assist.technician.log_file import Searched

MAX_ITEMS = 512
"""Most collectors, steps or files of one job that are remembered by name; the rest only move the bar."""

MAX_TYPED = 1024
"""Most keys and sizes on their way to a terminal that does not read."""

MAX_OUTPUT_BYTES = 256 << 10
"""Most output that waits for the screen; older bytes give way and the screen says how many."""


class ProgressBoard:
    """The latest news of each item of one job, in the order the items appeared."""

    def __init__(self, wake: Callable[["ProgressBoard"], None]) -> None:
        self.items: dict[str, Progress] = {}
        self.latest: Progress | None = None
        self._wake = wake
        self._told = False
        self._is_newer = False
        """Something came since the screen was woken."""

    def report(self, progress: Progress) -> None:
        """Note news; wakes the screen unless it was woken already."""
        self.latest = progress
        if progress.item in self.items or len(self.items) < MAX_ITEMS:
            self.items[progress.item] = progress
        self._is_newer = self._told
        if not self._told:
            self._told = True
            self._wake(self)

    def looked(self) -> None:
        """The screen has time for what came since, now or whenever it comes: it is woken again."""
        self._told = self._is_newer
        if self._is_newer:
            self._is_newer = False
            self._wake(self)

    @property
    def fraction(self) -> float | None:
        """0.0 to 1.0, or None while the total is unknown."""
        if self.latest is None or self.latest.total <= 0:
            return None
        return min(1.0, max(0.0, self.latest.done / self.latest.total))


class OutputBuffer:
    """Output of one program that waits to be shown."""

    def __init__(self, wake: Callable[["OutputBuffer"], None]) -> None:
        self.dropped_bytes = 0
        self._pieces: list[tuple[bool, bytes]] = []
        self._held = 0
        self._wake = wake
        self._told = False

    def write(self, kind: int, data: bytes) -> None:
        """Take a piece of standard output or error; wakes the screen unless it was woken already."""
        self._pieces.append((kind == KIND_ERROR, bytes(data)))
        self._held += len(data)
        while self._held > MAX_OUTPUT_BYTES and self._pieces:
            _, old = self._pieces.pop(0)
            self._held -= len(old)
            self.dropped_bytes += len(old)
        if not self._told:
            self._told = True
            self._wake(self)

    def take(self) -> list[tuple[bool, bytes]]:
        """What waited, as (is standard error, bytes); afterwards it is empty."""
        taken, self._pieces, self._held, self._told = self._pieces, [], 0, False
        return taken


class ChatBuffer:
    """Chat lines that wait to be shown; of a flood the newest stay."""

    def __init__(self, wake: Callable[["ChatBuffer"], None]) -> None:
        self._lines: deque[ChatLine] = deque(maxlen=MAX_LINES)
        self._wake = wake

    def put(self, line: ChatLine) -> None:
        """Take a line; wakes the screen unless it was woken already."""
        told = bool(self._lines)
        self._lines.append(line)
        if not told:
            self._wake(self)

    def take(self) -> list[ChatLine]:
        """What waited; afterwards it is empty."""
        taken = list(self._lines)
        self._lines.clear()
        return taken


class HitBoard:
    """Places a search found that wait to be shown; the search itself bounds them."""

    def __init__(self, wake: Callable[["HitBoard"], None]) -> None:
        self._hits: list[int] = []
        self._done = 0
        self._wake = wake
        self._told = False

    def report(self, searched: Searched) -> None:
        """Take a step of the search; wakes the screen unless it was woken already."""
        self._hits.extend(searched.hits)
        self._done = searched.done
        if not self._told:
            self._told = True
            self._wake(self)

    def take(self) -> tuple[list[int], int]:
        """What waited, and how far the search is."""
        taken, self._hits, self._told = self._hits, [], False
        return taken, self._done


class TerminalLine:
    """The two directions of one remote terminal: keys and sizes out, output in; both bounded.

    The side that reads the network waits in `take_output` until the screen has shown enough: then the customer's
    terminal waits, and nothing is dropped.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)
        self._out: asyncio.Queue[bytes | tuple[int, int]] = asyncio.Queue(MAX_TYPED)
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._room = asyncio.Event()
        self._room.set()
        self._wake: Callable[[], None] = lambda: None
        self._told = False

    def on_news(self, wake: Callable[[], None]) -> None:
        """Call `wake` when output waits; again only after `take` found nothing more."""
        self._wake = wake

    def type(self, raw: bytes) -> bool:
        """Send keys; False when the other side is so far behind that they are dropped."""
        if self._out.full():
            return False
        self._out.put_nowait(raw)
        return True

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size."""
        self.size = (columns, rows)
        if not self._out.full():
            self._out.put_nowait(self.size)

    async def typed(self) -> bytes | tuple[int, int]:
        """The next keys or size to send."""
        return await self._out.get()

    async def take_output(self, raw: bytes) -> None:
        """Keep output for the screen; waits while too much lies here."""
        self._pieces.append(raw)
        self._held += len(raw)
        if self._held >= MAX_OUTPUT_BYTES:
            self._room.clear()
        if not self._told:
            self._told = True
            self._wake()
        await self._room.wait()

    def take(self, max_bytes: int) -> bytes:
        """About `max_bytes` of what waits; empty: nothing more, and the next output wakes the screen."""
        parts: list[bytes] = []
        room = max_bytes
        while self._pieces and room > 0:
            piece = self._pieces.popleft()
            if len(piece) > room:
                self._pieces.appendleft(piece[room:])
                piece = piece[:room]
            parts.append(piece)
            room -= len(piece)
        taken = b"".join(parts)
        self._held -= len(taken)
        if self._held < MAX_OUTPUT_BYTES:
            self._room.set()
        self._told = bool(self._pieces)
        return taken

    @property
    def waiting(self) -> bool:
        """Whether output lies here."""
        return bool(self._pieces)
