"""The tickets: the first screen. One look says which are open and which have a live session."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Static

from remote_assist.core.api import SessionSummary, Ticket
from remote_assist.core.counted import counted
from remote_assist.tui.messages import JobFailed, LiveSessionsSeen, TicketOpened, TicketsLoaded, ViewChosen
from remote_assist.tui.pace import Pace
from remote_assist.tui.queue import Desk, View, age, belongs, order
from remote_assist.tui.screens.forms import NewTicketScreen, TicketDraft
from remote_assist.tui.theme import BAD, FAINT, GOOD, SESSION_STATE
from remote_assist.tui.widgets.keys import KeysFooter
from remote_assist.tui.widgets.lines import ProblemPanel, TwoEnds
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.work import Work

TICKET_COLOURS = {"active": GOOD, "closed": FAINT}


class TicketsScreen(Screen[None]):
    """The queue: tickets of the relay's book, all or those of one view; a view stays until another is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new ticket", id="tickets.new"),
        Binding("m", "view('mine')", "mine"),
        Binding("u", "view('unassigned')", "unassigned"),
        Binding("w", "view('waiting')", "waiting"),
        Binding("a", "view('all')", "all"),
        Binding("b", "app.read('knowledge')", "known issues", id="tickets.knowledge"),
        Binding("c", "app.read('bundles')", "bundles", id="tickets.bundles"),
        Binding("v", "app.read('review')", "review", id="tickets.review"),
        Binding("d", "app.read('outbox')", "outbox", id="tickets.outbox"),
        Binding("r", "reload", "reload", id="tickets.reload"),
        Binding("q", "app.quit", "quit", id="tickets.quit"),
    ]

    def __init__(self, work: Work, pace: Pace, view: str = View.ALL) -> None:
        super().__init__()
        self._work = work
        self._pace = pace
        self._loaded: TicketsLoaded | None = None
        self._view = View(view) if view in set(View) else View.ALL

    def compose(self) -> ComposeResult:
        yield TwoEnds(Text("remote-assist · tickets", "bold", end=""), "loading …", id="top")
        yield ProblemPanel()
        yield Static(id="empty", classes="empty")
        yield FitTable(("ticket", "subject", "state", "age", "session"), flexible=1)
        yield KeysFooter()

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

    def action_view(self, view: str) -> None:
        self._view = View(view)
        self.post_message(ViewChosen(view))
        if self._loaded is not None:
            self._draw(self._loaded)

    @on(TicketsLoaded)
    def show_tickets(self, loaded: TicketsLoaded) -> None:
        self._loaded = loaded
        self.query_one(ProblemPanel).clear()
        self._draw(loaded)
        self.post_message(LiveSessionsSeen([one.id for one in loaded.sessions if one.state != "ended"]))

    def _draw(self, loaded: TicketsLoaded) -> None:
        desk = Desk(loaded.name, loaded.sessions)
        tickets = sorted((one for one in loaded.tickets if belongs(one, self._view, desk)), key=order)
        self.query_one("#top", TwoEnds).show(
            joined((f"remote-assist · tickets · {self._view}", "bold")),
            joined(_undelivered(loaded), (self._count(loaded, tickets), FAINT), shown(loaded.name, max_chars=40)),
        )
        table = self.query_one(FitTable)
        now = self._pace.clock()
        table.show_rows([ticket_row(ticket, desk.of(ticket.id), now) for ticket in tickets])
        table.display = bool(tickets)
        empty = self.query_one("#empty", Static)
        empty.update(_nothing(self._view))
        empty.display = not tickets
        if tickets and self.app.screen is self:
            table.focus()

    def _count(self, loaded: TicketsLoaded, tickets: Sequence[Ticket]) -> str:
        live = sum(session.state == "live" for session in loaded.sessions)
        return f"{counted(len(tickets), 'ticket')} · {live} live   " if loaded.tickets else ""

    @on(TicketOpened)
    def enter_new_ticket(self, opened: TicketOpened) -> None:
        self._enter(opened.ticket.id)

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        self.query_one(ProblemPanel).show(failed.problem, ("r", "try again"), ("q", "quit"))
        if self._loaded is None:
            self.query_one(FitTable).display = False
            self.query_one("#top", TwoEnds).show(
                Text("remote-assist · tickets", "bold", end=""), joined(("not loaded", FAINT))
            )

    @on(DataTable.RowSelected)
    def open_selected(self) -> None:
        if ticket := self.query_one(FitTable).selected:
            self._enter(ticket)

    def _enter(self, ticket: str) -> None:
        from remote_assist.tui.screens.ticket import TicketScreen  # the first screen does not wait for it

        self.app.push_screen(TicketScreen(self._work, self._pace, ticket))


def ticket_row(ticket: Ticket, sessions: Sequence[SessionSummary], now: datetime) -> Row:
    """One line of the table."""
    colour = TICKET_COLOURS.get(ticket.state, "")
    words, ageing = age(ticket, now)
    return Row(
        ticket.id,
        (
            joined("#", shown(ticket.id, max_chars=40)),
            shown(ticket.subject, FAINT if ticket.state == "closed" else "", max_chars=300),
            shown(ticket.state, colour, max_chars=20),
            joined((words, ageing)),
            _session_sign(sessions),
        ),
    )


def _undelivered(loaded: TicketsLoaded) -> Text:
    return joined((f"✖ {loaded.undelivered} not delivered (d)   ", BAD) if loaded.undelivered else "")


def _nothing(view: View) -> Text:
    if view is View.ALL:
        return joined("No tickets yet. Press ", ("n", "bold"), " to open the first one.")
    return joined(f"No tickets here ({view}). Press ", ("a", "bold"), " to see all.")


def _session_sign(sessions: Sequence[SessionSummary]) -> Text:
    for state in ("live", "away"):
        if count := sum(session.state == state for session in sessions):
            sign, colour = SESSION_STATE[state]
            return joined((f"{sign} {state}" + (f" ×{count}" if count > 1 else ""), colour))
    return Text(end="")
