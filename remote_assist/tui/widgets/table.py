"""A table that fits its width: one column takes what is left, every cell is safe plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.events import Resize
from textual.widgets import DataTable

from remote_assist.tui.widgets.text import cut

WIDEST_FIXED = 26
"""Columns other than the flexible one are cut at this many cells."""

NARROWEST_FLEXIBLE = 8


@dataclass(frozen=True, slots=True)
class Row:
    """`key` is what a selection answers, our own or the peer's; it is never drawn."""

    key: str
    cells: tuple[Text, ...]


class FitTable(DataTable[Text]):
    """Rows of `Text`; `flexible` is the index of the column that takes the remaining width."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "open"),
        Binding("home", "scroll_top", "first", show=False),
        Binding("end", "scroll_bottom", "last", show=False),
    ]

    def __init__(self, titles: Sequence[str], *, flexible: int, id: str | None = None, header: bool = True) -> None:
        super().__init__(cursor_type="row", id=id, show_header=header, cell_padding=1)
        self._titles = tuple(titles)
        self._flexible = flexible
        self._rows: list[Row] = []
        self._fitted = 0
        self._drawn: list[int] = []

    @property
    def selected(self) -> str | None:
        """Key of the row under the cursor, or None."""
        return self._rows[self.cursor_row].key if 0 <= self.cursor_row < len(self._rows) else None

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Replace what is shown; the cursor stays on the same key where that is still there."""
        kept, before = self.selected, self._rows
        self._rows = list(rows)
        if before and [row.key for row in before] == [row.key for row in rows] and self._widths() == self._drawn:
            self._draw_changed(before)
        else:
            self._draw(kept)

    def _draw_changed(self, before: Sequence[Row]) -> None:
        """Only what is another text now: a table made anew costs a layout of the whole screen."""
        for at, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            for column, cell in enumerate(new.cells):
                if not _looks_alike(cell, old.cells[column]):
                    self.update_cell_at(Coordinate(at, column), cut(cell, self._drawn[column]))

    def on_resize(self, event: Resize) -> None:
        if event.size.width != self._fitted:
            self._draw(self.selected)

    def _draw(self, kept: str | None) -> None:
        widths = self._drawn = self._widths()
        self.clear(columns=True)
        for title, width in zip(self._titles, widths, strict=True):
            self.add_column(Text(title), width=width)
        for row in self._rows:
            self.add_row(*(cut(cell, width) for cell, width in zip(row.cells, widths, strict=True)))
        keys = [row.key for row in self._rows]
        if kept in keys:
            self.move_cursor(row=keys.index(kept), animate=False)

    def _widths(self) -> list[int]:
        self._fitted = self.size.width
        widths = []
        for column, title in enumerate(self._titles):
            longest = max((row.cells[column].cell_len for row in self._rows), default=0)
            widths.append(min(WIDEST_FIXED, max(longest, len(title) if self.show_header else 0)))
        taken = sum(width for column, width in enumerate(widths) if column != self._flexible)
        left = self.scrollable_content_region.width - taken - 2 * len(widths)
        widths[self._flexible] = max(NARROWEST_FLEXIBLE, left)
        return widths


def _looks_alike(one: Text, other: Text) -> bool:
    """Rich's own `==` leaves out the style of the whole."""
    return one == other and one.style == other.style
