"""A remote terminal as cells: what it shows, where its cursor is, what scrolled away. Draws nothing, sends nothing.

Rule 1: bytes pass core/picture/terminal_filter.py's allow-list before pyte sees them, and every cell is checked again
when it is read: what is not printable becomes a sign that says so. Rule 2: the emulator answers no report, so nothing
the customer's side shows can type. Rule 3: a sequence pyte stumbles over costs that sequence, not the screen.
"""

import codecs
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any

import pyte
from pyte.screens import Char, Margins

from remote_assist.core.picture.terminal_filter import TerminalFilter

MAX_SCROLLBACK = 2000
"""Lines kept above the screen."""

MAX_REPEAT = 4096
MAX_CELL_CHARS = 5
"""A character with its combining marks."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
CURSOR_KEYS, BRACKETED_PASTE, CURSOR_SHOWN = 1 << 5, 2004 << 5, 25 << 5
"""Private modes, as pyte numbers them."""

OTHER_SCREEN = frozenset({47, 1047, 1049})


@dataclass(frozen=True, slots=True)
class Cell:
    """One place on the screen. Colours are pyte's names or six hex digits; a wide character leaves an empty cell."""

    text: str
    foreground: str = "default"
    background: str = "default"
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False


Line = tuple[Cell, ...]


class _Stream(pyte.Stream):
    """What pyte does not know and programs for xterm use: repeat a character, scroll by lines."""

    csi = {**pyte.Stream.csi, "b": "repeat_character", "S": "scroll_up", "T": "scroll_down"}  # noqa: RUF012  # pyte's form
    events = frozenset(itertools.chain(pyte.Stream.events, ["repeat_character", "scroll_up", "scroll_down"]))


class _Screen(pyte.Screen):
    """pyte's screen with the other screen of full-screen programs, and the lines that scroll away."""

    def __init__(self, columns: int, rows: int) -> None:
        self.away: deque[Line] = deque(maxlen=MAX_SCROLLBACK)
        self._kept: tuple[Any, Any] | None = None
        self._last = " "
        super().__init__(columns, rows)

    def draw(self, data: str) -> None:
        self._last = data[-1:] or self._last
        super().draw(data)

    def repeat_character(self, count: int | None = None) -> None:
        super().draw(self._last * min(count or 1, MAX_REPEAT))

    def scroll_up(self, count: int | None = None) -> None:
        self._scroll(count, self.index, at_bottom=True)

    def scroll_down(self, count: int | None = None) -> None:
        self._scroll(count, self.reverse_index, at_bottom=False)

    def _scroll(self, count: int | None, step: Any, *, at_bottom: bool) -> None:
        margins = self.margins or Margins(0, self.lines - 1)
        before, self.cursor.y = self.cursor.y, margins.bottom if at_bottom else margins.top
        for _ in range(min(count or 1, self.lines)):
            step()
        self.cursor.y = before

    def index(self) -> None:
        margins = self.margins or Margins(0, self.lines - 1)
        if self.cursor.y == margins.bottom and margins.top == 0 and self._kept is None:
            self.away.append(self.line(0))
        super().index()

    def set_mode(self, *modes: int, **private: Any) -> None:
        if private.get("private") and OTHER_SCREEN & set(modes) and self._kept is None:
            self._kept = ({y: dict(row) for y, row in self.buffer.items()}, (self.cursor.x, self.cursor.y))
            self.erase_in_display(2)
        super().set_mode(*modes, **private)

    def reset_mode(self, *modes: int, **private: Any) -> None:
        if private.get("private") and OTHER_SCREEN & set(modes) and self._kept is not None:
            (rows, (x, y)), self._kept = self._kept, None
            self.erase_in_display(2)
            for number, row in rows.items():
                self.buffer[number].update(row)
            self.cursor.x, self.cursor.y = min(x, self.columns - 1), min(y, self.lines - 1)
            self.dirty.update(range(self.lines))
        super().reset_mode(*modes, **private)

    def write_process_input(self, data: str) -> None:
        """Answer nothing: the customer's side must not type at ours."""

    def line(self, y: int) -> Line:
        row = self.buffer[y]
        return tuple(_cell(row[x]) for x in range(self.columns))


class TerminalScreen:
    """Bytes in, lines of cells out."""

    def __init__(self, columns: int, rows: int) -> None:
        self._screen = _Screen(columns, rows)
        self._stream = _Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._filter = TerminalFilter()
        self.faults = 0
        """Sequences that could not be shown."""

    def feed(self, raw: bytes) -> None:
        """Show what came. Never raises for what it holds."""
        text = self._filter.feed(self._decoder.decode(raw))
        try:
            self._stream.feed(text)
        except Exception:  # pyte raises whatever its handlers raise; the parser is reset by itself
            self.faults += 1

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size."""
        if (columns, rows) != (self._screen.columns, self._screen.lines):
            self._screen.resize(rows, columns)

    @property
    def columns(self) -> int:
        return int(self._screen.columns)

    @property
    def rows(self) -> int:
        return int(self._screen.lines)

    @property
    def scrollback(self) -> int:
        """How many lines stand above the screen."""
        return len(self._screen.away)

    @property
    def cursor(self) -> tuple[int, int] | None:
        """Column and row of the cursor; None while it is hidden."""
        if CURSOR_SHOWN not in self._screen.mode:
            return None
        return min(self._screen.cursor.x, self.columns - 1), self._screen.cursor.y

    @property
    def wants_application_keys(self) -> bool:
        return CURSOR_KEYS in self._screen.mode

    @property
    def wants_bracketed_paste(self) -> bool:
        return BRACKETED_PASTE in self._screen.mode

    def line(self, row: int) -> Line:
        """Row of the screen; negative rows reach back into what scrolled away (-1 is the newest)."""
        return self._screen.away[row] if row < 0 else self._screen.line(row)

    def text(self, row: int) -> str:
        """The row's characters, spaces at the end left away."""
        return "".join(cell.text for cell in self.line(row)).rstrip()


def _cell(char: Char) -> Cell:
    return Cell(
        _shown(char.data),
        char.fg,
        char.bg,
        char.bold,
        char.italics,
        char.underscore,
        char.strikethrough,
        char.reverse,
    )


def _shown(data: str) -> str:
    if len(data) == 1 and data.isprintable():
        return data
    if not data:  # the second half of a wide character
        return ""
    marks = data[1:MAX_CELL_CHARS]
    return data[:MAX_CELL_CHARS] if data[0].isprintable() and marks.isprintable() else REPLACEMENT
