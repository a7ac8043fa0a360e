"""The lines of a text of any size around one place; draws what is on the screen and nothing else."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from remote_assist.technician.log_file import LogFile
from remote_assist.tui.theme import FAINT, WARN
from remote_assist.tui.widgets.text import cut, joined, shown

COLUMN_STEP = 16
MAX_SHOWN_CHARS = 4096
WHEEL_LINES = 3


class LogView(Widget, can_focus=True):
    """Shows `log` from the line at `top` on; with `chosen` lines, only those."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown,space,ctrl+f", "page(1)", "page down", show=False),
        Binding("pageup,b,ctrl+b", "page(-1)", "page up", show=False),
        Binding("home,g", "first", "first", show=False),
        Binding("end,G", "last", "last", show=False),
        Binding("right,l", "shift(1)", "right", show=False),
        Binding("left,h", "shift(-1)", "left", show=False),
    ]

    class Moved(Message):
        """Another place is shown."""

    def __init__(self, log: LogFile, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._log = log
        self._top = 0
        self._column = 0
        self._marked = -1
        self._word = ""
        self._chosen: Sequence[int] | None = None
        self._rows: list[tuple[int, bytes]] = []

    @property
    def top(self) -> int:
        """Offset of the first line shown."""
        return self._top

    def go(self, offset: int, *, mark: bool = False) -> None:
        """Show the line at `offset`; marked, it stands in the upper third."""
        line = self._log.line_start(offset)
        self._marked = line if mark else -1
        self._top = self._log.back(line, self.size.height // 3) if mark and self._chosen is None else line
        self._look()

    def show_word(self, word: str) -> None:
        """Mark this word wherever it stands."""
        self._word = word
        self._look()

    def show_only(self, lines: Sequence[int] | None) -> None:
        """Only the lines at these offsets (rising), or all of them."""
        self._chosen = lines
        self._look()

    def action_move(self, lines: int) -> None:
        self._top = self._beside(self._top, lines)
        self._look()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.size.height - 1))

    def action_first(self) -> None:
        self._top = 0
        self._look()

    def action_last(self) -> None:
        end = self._log.size if self._chosen is None else (self._chosen[-1] if self._chosen else 0)
        self._top = self._beside(end, -max(1, self.size.height - 1))
        self._look()

    def action_shift(self, steps: int) -> None:
        self._column = max(0, self._column + steps * COLUMN_STEP)
        self._look()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.action_move(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.action_move(-WHEEL_LINES)

    def on_resize(self) -> None:
        self._look()

    def _look(self) -> None:
        self._rows = self._visible()
        self.refresh()
        self.post_message(self.Moved())

    def _visible(self) -> list[tuple[int, bytes]]:
        height = max(1, self.size.height)
        if self._chosen is None:
            return self._log.lines(self._top, height)
        first = _place(self._chosen, self._top)
        return [row for offset in self._chosen[first : first + height] for row in self._log.lines(offset, 1)]

    def _beside(self, offset: int, lines: int) -> int:
        if self._chosen is not None:
            place = _place(self._chosen, offset) + lines
            return self._chosen[max(0, min(place, len(self._chosen) - 1))] if self._chosen else 0
        if lines < 0:
            return self._log.back(offset, -lines)
        below = self._log.lines(offset, lines + 1)
        return below[-1][0] if below else offset

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._rows):
            return self._strip(joined(("~", FAINT)), width)
        offset, raw = self._rows[y]
        text = _line_text(raw, self._word)[self._column :]
        if offset == self._marked:
            text.stylize("bold")
            text = joined(("▸", WARN), text)
        else:
            text = joined(" ", text)
        return self._strip(cut(text, width), width)

    def _strip(self, text: Text, width: int) -> Strip:
        strip = Strip([*text.render(self.app.console)]).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)


def _line_text(raw: bytes, word: str) -> Text:
    text = shown(raw[: MAX_SHOWN_CHARS * 4], max_chars=MAX_SHOWN_CHARS)
    if word:
        flags = re.IGNORECASE if word == word.lower() else re.NOFLAG
        for found in re.finditer(re.escape(word), text.plain, flags):
            text.stylize(f"reverse {WARN}", found.start(), found.end())
    return text


def _place(lines: Sequence[int], offset: int) -> int:
    """Index of the last line at or before `offset`."""
    return max(0, bisect_right(lines, offset) - 1)
