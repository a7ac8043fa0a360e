"""All live sessions at a glance; a digit goes straight to one."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Static

from remote_assist.core.api import SessionSummary
from remote_assist.tui.messages import JobFailed, OpenSession, SessionsLoaded
from remote_assist.tui.pace import Pace
from remote_assist.tui.roster import Presence, Roster
from remote_assist.tui.theme import ACCENT, FAINT, SESSION_STATE, WARN
from remote_assist.tui.widgets.keys import KeysFooter
from remote_assist.tui.widgets.lines import ProblemPanel, TwoEnds
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import clock_time, how_long, parse_time
from remote_assist.tui.work import Work

KEYS = "123456789"
TITLES = ("", "customer", "ticket", "subject", "new", "until", "now", "state", "since", "records")
SPARE = [TITLES.index(title) for title in ("records", "since", "state", "now")]
"""Where it is narrow: the sign before it says the state too."""
TITLE = Text("remote-assist · sessions", "bold", end="")


class OverviewScreen(Screen[None]):
    """What the relay says of every session that is not over, with what this program knows of those open here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "enter_number(1)", "go to 1 … 9", key_display="1-9"),
        *(Binding(key, f"enter_number({key})", f"session {key}", show=False) for key in KEYS[1:]),
        Binding("r", "reload", "reload", id="sessions.reload"),
        Binding("escape", "app.pop_screen", "back", key_display="esc", id="sessions.back"),
        Binding("o", "app.pop_screen", "back", show=False),
    ]

    def __init__(self, work: Work, pace: Pace, roster: Roster) -> None:
        super().__init__()
        self._work = work
        self._pace = pace
        self._roster = roster
        self._summaries: Sequence[SessionSummary] = ()
        self._drawn: list[Row] = []

    def compose(self) -> ComposeResult:
        yield TwoEnds(TITLE, "loading …", id="top")
        yield ProblemPanel()
        yield Static("No live sessions. Open a ticket and press i to invite its customer.", classes="empty")
        yield FitTable(TITLES, flexible=TITLES.index("subject"), spare=SPARE)
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one(".empty").display = False
        self.set_interval(self._pace.poll_seconds, self._refresh)
        self.query_one(FitTable).focus()
        if self._roster.live:
            self._draw()

    def on_screen_resume(self) -> None:
        self.action_reload()

    def _refresh(self) -> None:
        if self.is_current:
            self.action_reload()

    def action_reload(self) -> None:
        self._work.load_sessions(self)

    @on(SessionsLoaded)
    def show_sessions(self, loaded: SessionsLoaded) -> None:
        self.query_one(ProblemPanel).clear()
        self._roster.note(loaded.sessions)
        self._draw()

    def _draw(self) -> None:
        """What is known; before the relay answered, what it said last."""
        self._summaries, now = self._roster.live, self._pace.clock()
        rows = [session_row(key, one, self._roster.of(one.id), now) for key, one in self._numbered()]
        table = self.query_one(FitTable)
        if rows != self._drawn:
            self._drawn = rows
            table.show_rows(rows)
        table.display = bool(rows)
        self.query_one(".empty").display = not rows
        live = sum(one.state == "live" for one in self._summaries)
        self.query_one("#top", TwoEnds).show(
            TITLE, joined((f"{live} live · {len(self._roster.open)} open here", FAINT))
        )

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        self.query_one(ProblemPanel).show(failed.problem, ("r", "try again"), ("esc", "back"))

    @on(DataTable.RowSelected)
    def enter_selected(self) -> None:
        if session := self.query_one(FitTable).selected:
            self.post_message(OpenSession(session))

    def action_enter_number(self, number: int) -> None:
        if number <= len(self._summaries):
            self.post_message(OpenSession(self._summaries[number - 1].id))

    def _numbered(self) -> list[tuple[str, SessionSummary]]:
        keys = [*KEYS, *[""] * max(0, len(self._summaries) - len(KEYS))]
        return list(zip(keys, self._summaries, strict=False))


def session_row(key: str, summary: SessionSummary, presence: Presence | None, now: datetime) -> Row:
    """One line of the table."""
    sign, colour = SESSION_STATE.get(summary.state, ("?", FAINT))
    here = presence or Presence(summary.id, -1)
    opened = parse_time(summary.opened)
    return Row(
        summary.id,
        (
            joined(("▌", here.colour) if presence else (" ", ""), (f"{key:1} ", ACCENT), (sign, colour)),
            shown(here.host, f"bold {here.colour}" if presence else "", max_chars=60),
            joined("#", shown(summary.ticket, max_chars=40)),
            shown(summary.subject, max_chars=300),
            joined((f"✉ {here.unread}" if here.unread else "", WARN)),
            joined((clock_time(here.until) if here.until else "", "")),
            joined((here.doing or (here.link.value[1] if presence else "not open"), FAINT)),
            shown(summary.state, colour, max_chars=20),
            joined((how_long((now - opened).total_seconds()) if opened else "", FAINT)),
            shown(str(summary.records) if summary.state else "", FAINT),
        ),
    )
