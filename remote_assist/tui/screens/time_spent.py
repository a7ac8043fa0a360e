"""Time spent on a ticket outside its sessions: how long, what for."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from remote_assist.core.time_spent import parse_minutes
from remote_assist.errors import UsageError
from remote_assist.tui.screens.forms import LEAVE, MAX_NOTE, MAX_TIME, complain
from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """Minutes for the ticket, and what for."""

    minutes: int
    text: str


class TimeScreen(ModalScreen[TimeSpent | None]):
    """Time spent on a ticket outside its sessions, and what for."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE]

    def __init__(self, ticket: str, *, keeps_time: bool) -> None:
        super().__init__()
        self._ticket = ticket
        self._keeps_time = keeps_time

    def compose(self) -> ComposeResult:
        where = "It is booked in the ticket's own system." if self._keeps_time else "It stands in the note."
        with Vertical(classes="box form"):
            yield Static(joined("Time spent on #", shown(self._ticket, max_chars=40)), classes="title")
            yield Static("How long (15m, 2h; minutes without a letter)", markup=False)
            yield Input(id="time", max_length=MAX_TIME)
            yield Static("What for (everybody reads it who reads the ticket)", markup=False)
            yield Input(id="note", max_length=MAX_NOTE, placeholder="called the provider")
            yield Static(joined((where, FAINT)))
            yield Static(id="fault")
            yield Static(keys_line(("enter", "note it"), ("tab", "next"), ("esc", "leave")))

    @on(Input.Submitted)
    def accept(self) -> None:
        text = self.query_one("#note", Input).value.strip()
        try:
            minutes = parse_minutes(self.query_one("#time", Input).value)
        except UsageError as error:
            complain(self, f"{error.message}. {error.advice}", "#time")
            return
        if not minutes:
            complain(self, "Say how long: 15m or 2h.", "#time")
        elif not text:
            complain(self, "Say what for.", "#note")
        else:
            self.dismiss(TimeSpent(minutes, text))
