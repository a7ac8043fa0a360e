"""A table that fits its width: one column takes what is left, every cell is safe plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.events import Resize
from textual.widgets import DataTable

from remote_assist.tui.widgets.text import cut

WIDEST_FIXED = 26
"""Columns other than the flexible one are cut at this many cells, unless it leaves room."""

NARROWEST_FLEXIBLE = 8

COMFORTABLE_FLEXIBLE = 30
"""With less than this for the flexible column, columns that can be spared are left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """`key` is what a selection answers, our own or the peer's; it is never drawn."""

    key: str
    cells: tuple[Text, ...]


class FitTable(DataTable[Text]):
    """Rows of `Text`; `flexible` is the index of the column that takes the remaining width.

    `spare`: columns that are left out where it is too narrow, the first ones first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "open"),
        Binding("home", "scroll_top", "first", show=False),
        Binding("end", "scroll_bottom", "last", show=False),
    ]

    def __init__(
        self,
        titles: Sequence[str],
        *,
        flexible: int,
        spare: Sequence[int] = (),
        id: str | None = None,
        header: bool = True,
    ) -> None:
        super().__init__(cursor_type="row", id=id, show_header=header, cell_padding=1)
        self._titles = tuple(titles)
        self._flexible = flexible
        self._spare = tuple(spare)
        self._rows: list[Row] = []
        self._fitted = 0
        self._drawn: dict[int, int] = {}

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
            for place, (column, width) in enumerate(self._drawn.items()):
                if not _looks_alike(new.cells[column], old.cells[column]):
                    self.update_cell_at(Coordinate(at, place), cut(new.cells[column], width))

    def on_resize(self, event: Resize) -> None:
        if event.size.width != self._fitted:
            self._draw(self.selected)

    def _draw(self, kept: str | None) -> None:
        widths = self._drawn = self._widths()
        self.clear(columns=True)
        for column, width in widths.items():
            self.add_column(Text(self._titles[column]), width=width)
        for row in self._rows:
            self.add_row(*(cut(row.cells[column], width) for column, width in widths.items()))
        keys = [row.key for row in self._rows]
        if kept in keys:
            self.move_cursor(row=keys.index(kept), animate=False)

    def _widths(self) -> dict[int, int]:
        """Column → cells, of those that are shown, in their order."""
        self._fitted = self.size.width
        wanted = {column: self._wanted(column) for column in range(len(self._titles))}
        widths = {column: min(WIDEST_FIXED, cells) for column, cells in wanted.items()}
        for column in self._spare:
            if self._left(widths) < min(COMFORTABLE_FLEXIBLE, wanted[self._flexible]):
                del widths[column]
        for column in widths:  # what was cut gets what the flexible one has no use for
            unused = self._left(widths) - wanted[self._flexible]
            widths[column] += max(0, min(wanted[column] - widths[column], unused))
        widths[self._flexible] = max(NARROWEST_FLEXIBLE, self._left(widths))
        return widths

    def _wanted(self, column: int) -> int:
        """Cells with which nothing of a column is cut."""
        title = len(self._titles[column]) if self.show_header else 0
        return max(title, *(row.cells[column].cell_len for row in self._rows), 0)

    def _left(self, widths: Mapping[int, int]) -> int:
        """Cells for the flexible column, beside these others."""
        taken = sum(width for column, width in widths.items() if column != self._flexible)
        return self.scrollable_content_region.width - taken - 2 * len(widths)


def _looks_alike(one: Text, other: Text) -> bool:
    """Rich's own `==` leaves out the style of the whole."""
    return one == other and one.style == other.style
