"""One ticket: what was said, which sessions it had, and the way to the customer."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Static

from remote_assist.core.api import SessionSummary, Ticket, TicketNote, TicketReply
from remote_assist.core.codes import is_session_id
from remote_assist.settings import DEFAULT_SCOPES
from remote_assist.tui.messages import Attention, JobFailed, NoteWritten, OpenSession, TicketLoaded
from remote_assist.tui.pace import Pace
from remote_assist.tui.replies import LOOK_EVERY, ReplyWatch, is_own_system
from remote_assist.tui.screens.accept import AcceptScreen
from remote_assist.tui.screens.forms import DEFAULT_CONSENT_SECONDS, NoteScreen, Wish
from remote_assist.tui.screens.invite import InviteScreen
from remote_assist.tui.screens.machines import MachinesScreen
from remote_assist.tui.screens.time_spent import TimeScreen, TimeSpent
from remote_assist.tui.theme import ACCENT, FAINT, SESSION_STATE, WARN
from remote_assist.tui.widgets.keys import KeysFooter
from remote_assist.tui.widgets.lines import ProblemPanel, TwoEnds
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import day_and_time, parse_time
from remote_assist.tui.work import Work

MAX_NOTES_SHOWN = 500


class TicketScreen(Screen[None]):
    """Notes and sessions of one ticket. The newest note is in view until somebody scrolls away from it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "invite", "invite", id="ticket.invite"),
        Binding("c", "accept", "their code", id="ticket.accept"),
        Binding("m", "machines", "machines", id="ticket.machines"),
        Binding("n", "note", "note", id="ticket.note"),
        Binding("t", "time", "time", id="ticket.time"),
        Binding("r", "reload", "reload", id="ticket.reload"),
        Binding("escape", "app.pop_screen", "back", key_display="esc", id="ticket.back"),
    ]

    def __init__(self, work: Work, pace: Pace, ticket: str) -> None:
        super().__init__()
        self._work = work
        self._pace = pace
        self._ticket_id = ticket
        self._ticket: Ticket | None = None
        self._sessions: dict[str, SessionSummary] = {}
        self._replies = ReplyWatch()

    def compose(self) -> ComposeResult:
        yield TwoEnds(joined("#", shown(self._ticket_id, max_chars=40)), "loading …", id="top")
        yield ProblemPanel()
        with Container(id="ticket"):
            with VerticalScroll(id="thread", can_focus=True):
                yield Static(id="notes")
            with Vertical(id="sessions"):
                yield FitTable(("state", "opened", "technician", "records"), flexible=2)
                yield Static(id="empty", classes="empty")
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one("#thread").border_title = "Notes"
        self.query_one("#thread").focus()
        self.query_one("#sessions").border_title = "Sessions"
        self.query_one("#empty").display = False
        self.query_one(FitTable).display = False
        if is_own_system(self._ticket_id):
            self.set_interval(LOOK_EVERY * self._pace.poll_seconds, self.look_again)

    def look_again(self) -> None:
        """What others wrote meanwhile appears by itself, while this screen is seen."""
        if self.is_current:
            self.action_reload()

    def on_screen_resume(self) -> None:
        self.action_reload()

    def action_reload(self) -> None:
        self._work.load_ticket(self, self._ticket_id)

    def action_invite(self) -> None:
        if self._ticket is None:
            return
        wish = Wish(DEFAULT_SCOPES, DEFAULT_CONSENT_SECONDS)
        self.app.push_screen(InviteScreen(self._work, self._pace, self._ticket, wish), self._enter)

    def action_accept(self) -> None:
        if self._ticket is not None:
            wish = Wish(DEFAULT_SCOPES, DEFAULT_CONSENT_SECONDS)
            self.app.push_screen(AcceptScreen(self._work, self._ticket, wish), self._enter)

    def action_machines(self) -> None:
        if self._ticket is not None:
            self.app.push_screen(MachinesScreen(self._work, self._ticket))

    def action_note(self) -> None:
        if self._ticket is not None:
            self.app.push_screen(NoteScreen(self._ticket.id), self._write_note)

    def _write_note(self, text: str | None) -> None:
        if text:
            self._work.write_note(self, self._ticket_id, text)

    def action_time(self) -> None:
        if self._ticket is not None:
            screen = TimeScreen(self._ticket.id, keeps_time=self._ticket.keeps_time)
            self.app.push_screen(screen, self._note_time)

    def _note_time(self, spent: TimeSpent | None) -> None:
        if spent is not None:
            self._work.note_time(self, self._ticket_id, spent.minutes, spent.text)

    @on(NoteWritten)
    def show_written(self) -> None:
        self.action_reload()

    @on(TicketLoaded)
    def show_ticket(self, loaded: TicketLoaded) -> None:
        self._ticket = loaded.ticket
        self._sessions = {session.id: session for session in loaded.sessions}
        self.query_one(ProblemPanel).clear()
        self.query_one("#top", TwoEnds).show(
            joined(("#", "bold"), shown(loaded.ticket.id, "bold", max_chars=40), "  ", shown(loaded.ticket.subject)),
            joined(*_standing(loaded.ticket)),
        )
        for reply in self._replies.news(loaded.ticket):
            self.notify(shown(f"{reply.author} wrote on the ticket", max_chars=120).plain, markup=False)
            self.post_message(Attention("somebody wrote on the ticket"))
        if (notes := self.query_one("#thread", VerticalScroll)).is_vertical_scroll_end:
            notes.anchor()  # each time: a key that leads past the end would let go of it
        self.query_one("#notes", Static).update(thread(loaded.ticket))
        table = self.query_one(FitTable)
        table.show_rows([session_row(session) for session in reversed(list(loaded.sessions))])
        first, table.display = bool(loaded.sessions) and not table.display, bool(loaded.sessions)
        if first:
            self.set_focus(table)
        empty = self.query_one("#empty", Static)
        keys = (("i", "bold"), " to invite the customer, ", ("c", "bold"), " to take a code of theirs.")
        empty.update(joined("None yet. Press ", *keys))
        empty.display = not loaded.sessions

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        self.query_one(ProblemPanel).show(failed.problem, ("r", "try again"), ("esc", "back"))

    @on(DataTable.RowSelected)
    def open_selected(self) -> None:
        session = self._sessions.get(self.query_one(FitTable).selected or "")
        if session is None:
            return
        if not is_session_id(session.id):
            self.notify("The relay names no possible session; it is not opened.", severity="error", markup=False)
            return
        if session.state == "ended":
            reason = f": {session.end_reason}" if session.end_reason else ""
            self.notify(shown(f"This session has ended{reason}", max_chars=200).plain, markup=False)
            return
        self._enter(session.id)

    def _enter(self, session: str | None) -> None:
        if session:
            self.post_message(OpenSession(session))


def thread(ticket: Ticket) -> Text:
    """Description and notes, oldest first; of very many, the last ones."""
    text = joined((day_and_time_line(ticket.opened, ticket.opened_by)), "\n")
    text.append_text(shown(ticket.description or "(no description)", "" if ticket.description else FAINT, lines=True))
    hidden = len(ticket.notes) - MAX_NOTES_SHOWN
    if hidden > 0:
        text.append(f"\n\n… {hidden} older notes are not shown", FAINT)
    said: list[TicketNote | TicketReply] = [*ticket.notes[-MAX_NOTES_SHOWN:], *ticket.replies]
    for one in sorted(said, key=lambda each: _moment(each.time)):
        text.append("\n\n").append_text(_note(one))
    if ticket.fault:
        text.append("\n\n").append_text(shown(ticket.fault, WARN, max_chars=400))
    return text


def _moment(time: str) -> float:
    moment = parse_time(time)
    return moment.timestamp() if moment else 0.0


def _standing(ticket: Ticket) -> list[Text]:
    """Its state here; of another system's ticket also its word for it, and who has it."""
    words = [ticket.state, ticket.status, ticket.assignee and f"of {ticket.assignee}"]
    return [shown(" · ".join(word for word in words if word), FAINT, max_chars=60)]


def day_and_time_line(time: str, author: str) -> Text:
    return joined(shown(author, "bold", max_chars=80), ("  ", ""), shown(day_and_time(time), FAINT, max_chars=40))


def _note(note: TicketNote | TicketReply) -> Text:
    text = day_and_time_line(note.time, note.author)
    if isinstance(note, TicketReply):
        text.append("  wrote in the ticket's own system", ACCENT)
    if note.visibility == "customer":
        text.append("  customer sees this", ACCENT)
    return text.append("\n").append_text(shown(note.text, lines=True, max_chars=8000))


def session_row(session: SessionSummary) -> Row:
    """One line of the table of sessions."""
    sign, colour = SESSION_STATE.get(session.state, ("?", FAINT))
    return Row(
        session.id,
        (
            joined((f"{sign} ", colour), shown(session.state, colour, max_chars=20)),
            shown(day_and_time(session.opened), max_chars=20),
            shown(session.technician, max_chars=80),
            shown(str(session.records), FAINT),
        ),
    )
