"""The cells of a terminal that was recorded: no byte of it reaches the technician's own terminal but as a cell."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from remote_assist.tui.terminal_screen import TerminalScreen
from remote_assist.tui.widgets.terminal_view import cells_strip

LEAST_COLUMNS, LEAST_ROWS, MOST = 20, 4, 500


class ReplayView(ScrollView, can_focus=True, inherit_bindings=False):
    """As large as the recorded window; a smaller place scrolls, by page keys, for the arrows seek."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("shift+left", "page_left", show=False),
        Binding("shift+right", "page_right", show=False),
    ]

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self._cells = TerminalScreen(*_bounded(columns, rows))
        self.virtual_size = Size(self._cells.columns, self._cells.rows)

    def feed(self, text: str) -> None:
        """Show more output; a place that is too small follows the cursor."""
        self._cells.feed(text.encode("utf-8", "replace"))
        if (cursor := self._cells.cursor) is not None:
            top = max(min(self.scroll_offset.y, cursor[1]), cursor[1] - self.size.height + 1)
            self.scroll_to(y=top, animate=False, immediate=True)
        self.refresh()

    def resize_to(self, words: str) -> None:
        """The recorded window has another size: `120x40`; anything else is passed over."""
        columns, _, rows = words.partition("x")
        if columns.isdecimal() and rows.isdecimal() and len(words) < 12:
            self._cells.resize(*_bounded(int(columns), int(rows)))
            self.virtual_size = Size(self._cells.columns, self._cells.rows)
            self.refresh()

    def clear(self) -> None:
        """An empty window again."""
        self._cells = TerminalScreen(self._cells.columns, self._cells.rows)
        self.scroll_to(0, 0, animate=False, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        row = y + self.scroll_offset.y
        if row >= self._cells.rows:
            return Strip.blank(self.size.width, self.rich_style)
        strip = cells_strip(self._cells.line(row), -1)
        left = self.scroll_offset.x
        return strip.crop(left, left + self.size.width).adjust_cell_length(self.size.width).apply_style(self.rich_style)


def _bounded(columns: int, rows: int) -> tuple[int, int]:
    return min(max(columns, LEAST_COLUMNS), MOST), min(max(rows, LEAST_ROWS), MOST)
