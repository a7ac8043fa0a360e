"""The tickets: the first screen. One look says which are open and which have a live session."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from remote_assist.core.api import SessionSummary, Ticket
from remote_assist.tui.messages import JobFailed, TicketOpened, TicketsLoaded
from remote_assist.tui.pace import Pace
from remote_assist.tui.screens.forms import NewTicketScreen, TicketDraft
from remote_assist.tui.screens.ticket import TicketScreen
from remote_assist.tui.theme import FAINT, GOOD, SESSION_STATE
from remote_assist.tui.widgets.lines import ProblemPanel, TwoEnds
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import day_and_time, parse_time
from remote_assist.tui.work import Work

TICKET_COLOURS = {"active": GOOD, "closed": FAINT}


class TicketsScreen(Screen[None]):
    """All tickets of the relay's book, newest state on request."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new ticket"),
        Binding("r", "reload", "reload"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, work: Work, pace: Pace) -> None:
        super().__init__()
        self._work = work
        self._pace = pace
        self._loaded = False

    def compose(self) -> ComposeResult:
        yield TwoEnds(Text("remote-assist · tickets", "bold", end=""), "loading …", id="top")
        yield ProblemPanel()
        yield Static(id="empty", classes="empty")
        yield FitTable(("ticket", "subject", "state", "opened", "session"), flexible=1)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#empty").display = False
        self.query_one(FitTable).focus()

    def on_screen_resume(self) -> None:
        self.action_reload()

    def action_reload(self) -> None:
        self._work.load_tickets(self)

    def action_new(self) -> None:
        self.app.push_screen(NewTicketScreen(), self._open_new)

    def _open_new(self, draft: TicketDraft | None) -> None:
        if draft is not None:
            self._work.open_ticket(self, draft.subject, draft.description)

    @on(TicketsLoaded)
    def show_tickets(self, loaded: TicketsLoaded) -> None:
        self._loaded = True
        self.query_one(ProblemPanel).clear()
        live = sum(session.state == "live" for session in loaded.sessions)
        tickets = "1 ticket" if len(loaded.tickets) == 1 else f"{len(loaded.tickets)} tickets"
        count = f"{tickets} · {live} live" if loaded.tickets else ""
        self.query_one("#top", TwoEnds).show(
            Text("remote-assist · tickets", "bold", end=""),
            joined((count + "   ", FAINT), shown(loaded.name, max_chars=40)),
        )
        table = self.query_one(FitTable)
        table.show_rows([ticket_row(ticket, loaded.sessions) for ticket in sorted(loaded.tickets, key=_place)])
        table.display = bool(loaded.tickets)
        empty = self.query_one("#empty", Static)
        empty.update(joined("No tickets yet. Press ", ("n", "bold"), " to open the first one."))
        empty.display = not loaded.tickets
        if loaded.tickets and self.app.screen is self:
            table.focus()

    @on(TicketOpened)
    def enter_new_ticket(self, opened: TicketOpened) -> None:
        self._enter(opened.ticket.id)

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        self.query_one(ProblemPanel).show(failed.problem, ("r", "try again"), ("q", "quit"))
        if not self._loaded:
            self.query_one(FitTable).display = False
            self.query_one("#top", TwoEnds).show(
                Text("remote-assist · tickets", "bold", end=""), joined(("not loaded", FAINT))
            )

    @on(DataTable.RowSelected)
    def open_selected(self) -> None:
        if ticket := self.query_one(FitTable).selected:
            self._enter(ticket)

    def _enter(self, ticket: str) -> None:
        self.app.push_screen(TicketScreen(self._work, self._pace, ticket))


def ticket_row(ticket: Ticket, sessions: Sequence[SessionSummary]) -> Row:
    """One line of the table."""
    colour = TICKET_COLOURS.get(ticket.state, "")
    return Row(
        ticket.id,
        (
            joined("#", shown(ticket.id, max_chars=40)),
            shown(ticket.subject, FAINT if ticket.state == "closed" else "", max_chars=300),
            shown(ticket.state, colour, max_chars=20),
            shown(day_and_time(ticket.opened), FAINT, max_chars=20),
            _session_sign([session for session in sessions if session.ticket == ticket.id]),
        ),
    )


def _place(ticket: Ticket) -> tuple[bool, float]:
    """Closed tickets last, newest first."""
    opened = parse_time(ticket.opened)
    return (ticket.state == "closed", -opened.timestamp() if opened else 0.0)


def _session_sign(sessions: Sequence[SessionSummary]) -> Text:
    for state in ("live", "away"):
        if count := sum(session.state == state for session in sessions):
            sign, colour = SESSION_STATE[state]
            return joined((f"{sign} {state}" + (f" ×{count}" if count > 1 else ""), colour))
    return Text(end="")
