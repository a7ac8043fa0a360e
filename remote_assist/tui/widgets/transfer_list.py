"""The queue of files on their way: a bar each; pause, resume, replace, drop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from remote_assist.technician.transfers import State, Transfer
from remote_assist.tui.theme import ACCENT, BAD, FAINT, GOOD, WARN
from remote_assist.tui.widgets.lines import bar
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import size

BAR = 12
MOST_LINES = 8
"""Height with the line above it; said here, for a table's own (`auto`) is now and then that of the rows before."""

SIGNS: dict[State, tuple[str, str]] = {
    State.WAITING: ("·", FAINT),
    State.RUNNING: ("…", ACCENT),
    State.PAUSED: ("‖", WARN),
    State.DONE: ("✔", GOOD),
    State.FAILED: ("✖", BAD),
}


class TransferList(FitTable):
    """Shows transfers, newest last; what a key asks for is posted, nothing is done here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn", "pause / resume"),
        Binding("r", "replace", "replace"),
        Binding("x", "drop", "drop"),
    ]

    @dataclass
    class Turned(Message):
        """Pause what moves or waits, resume what does not. `force`: replace the file that is there."""

        number: int
        force: bool = False

    @dataclass
    class Dropped(Message):
        number: int

    def __init__(self) -> None:
        super().__init__(("", "file", "", ""), flexible=1, id="transfers", header=False)

    def show(self, transfers: Sequence[Transfer]) -> None:
        self.styles.height = min(MOST_LINES, 1 + len(transfers))
        self.show_rows([transfer_row(one) for one in transfers])

    def action_turn(self) -> None:
        if self.selected:
            self.post_message(self.Turned(int(self.selected)))

    def action_replace(self) -> None:
        if self.selected:
            self.post_message(self.Turned(int(self.selected), force=True))

    def action_drop(self) -> None:
        if self.selected:
            self.post_message(self.Dropped(int(self.selected)))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.action_turn()


def transfer_row(transfer: Transfer) -> Row:
    """`… ↓ dpkg.log   ████░░░░   1.2 MiB of 4.0 MiB`"""
    sign, colour = SIGNS[transfer.state]
    arrow = "↓" if transfer.is_get else "↑"
    name = shown(transfer.remote if transfer.is_get else transfer.local.name, max_chars=300)
    if transfer.is_folder:
        name.append_text(joined("/  ", shown(transfer.note, FAINT, max_chars=120)))
    if transfer.problem:
        name.append_text(joined("  ", shown(transfer.problem, BAD, max_chars=300)))
    fraction = min(1.0, transfer.done / transfer.total) if transfer.total else float(transfer.state is State.DONE)
    moved = size(transfer.done) if transfer.done == transfer.total else f"{size(transfer.done)}/{size(transfer.total)}"
    return Row(
        str(transfer.number),
        (joined((f"{sign} {arrow}", colour)), name, bar(fraction, BAR), joined((moved, FAINT))),
    )
