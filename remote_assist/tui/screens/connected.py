"""A screen over one session: its connection, its header, and one job at a time. What it is used for, others know.

Rule: there is one connection at a time; one that replaces another is handed to `use`, and the other is let go.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from remote_assist.core.resume import LinkNews
from remote_assist.tui import messages as say
from remote_assist.tui.job import Job
from remote_assist.tui.jobs import reading
from remote_assist.tui.link_state import LinkState
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import SessionPort
from remote_assist.tui.problem import Problem
from remote_assist.tui.roster import Roster
from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.actions import ActionLine, action_text
from remote_assist.tui.widgets.lines import ProblemPanel, TwoEnds, keys_line
from remote_assist.tui.widgets.session_header import SOON_SECONDS, HeaderState, SessionHeader
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import clock_time
from remote_assist.tui.work import Work

RECONNECT_POLLS = 1
"""After so many unanswered polls a new connection is tried."""

MAX_ACTIONS = 200

OVER_REASONS = frozenset({"ended", "revoked", "expired", "over", "session-over", "transferred"})
"""Reasons after which a session never answers again."""


class ConnectedScreen(Screen[None]):
    """Subclasses compose what `top` and `bottom` enclose, and say what a connection and an answer are for."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, work: Work, pace: Pace, roster: Roster, session: str) -> None:
        super().__init__()
        self._roster = roster
        self._work = work
        self._pace = pace
        self._session_id = session
        self._session: SessionPort | None = None
        self._job: Job | None = None
        self._what = ""
        self._actions: list[ActionLine] = []
        self._silent_polls = 0
        self._asked_at: datetime | None = None
        self._warned_of: datetime | None = None

    def top(self) -> ComposeResult:
        """Whose session this is and how it stands; always in view."""
        colour = self._roster.enter(self._session_id).colour
        yield SessionHeader(HeaderState(self._work.technician, colour=colour), self._pace.clock)
        yield ProblemPanel()

    def bottom(self) -> ComposeResult:
        """What was done last, or runs."""
        yield TwoEnds("", "", id="strip")
        yield Static(id="strip-advice")

    def on_mount(self) -> None:
        self._work.connect(self, self._session_id)
        self.set_interval(self._pace.poll_seconds, self._poll)

    def on_unmount(self) -> None:
        if self._session is not None:
            self._work.leave(self.app, self._session)

    # --- what subclasses say ------------------------------------------------------------------------

    def use(self, session: SessionPort, *, first: bool) -> None:
        """A connection is up; those before it are closed."""
        raise NotImplementedError

    def stop_drawing(self, job: Job, why: str) -> None:
        """A job ended without an answer."""

    def show_actions(self, actions: Sequence[ActionLine]) -> None:
        """There is one more."""

    # --- link and state -----------------------------------------------------------------------------

    @on(say.SessionConnected)
    def take_session(self, connected: say.SessionConnected) -> None:
        first = self._session is None
        if self._session is not None:
            self._work.leave(self.app, self._session)
        self._session = connected.session
        self._silent_polls = 0
        self.query_one(ProblemPanel).clear()
        self._header(
            technician=self._work.technician,
            link=LinkState.UP,
            ticket=connected.session.ticket,
            subject=connected.session.subject,
        )
        self._ask_status(connected.session)
        self._read_log()
        self.use(connected.session, first=first)

    @on(say.LinkChanged)
    def show_link(self, changed: say.LinkChanged) -> None:
        if changed.news is LinkNews.CUT:
            self._header(link=LinkState.RECONNECTING, cut_at=changed.since)
        elif self.state.link is not LinkState.RECONNECTING:
            return  # of a connection that was replaced meanwhile
        elif changed.news is LinkNews.BACK:
            self._header(link=LinkState.UP)
            self._asked_at = None
            self._poll()
        else:
            self._header(link=LinkState.DOWN)
            self._silent_polls = RECONNECT_POLLS

    @on(say.StatusRead)
    def show_status(self, read: say.StatusRead) -> None:
        self._silent_polls, self._asked_at = 0, None
        grown = self.state.status is None or self.state.status.recorded != read.status.recorded
        self._header(link=LinkState.UP, seconds=read.seconds, status=read.status)
        if grown:
            self._read_log()

    def on_screen_resume(self) -> None:
        self._count_elsewhere()

    def _count_elsewhere(self) -> None:
        self.query_one(SessionHeader).show(replace(self.state, elsewhere=self._roster.unread_beside(self._session_id)))

    def _warn_of_the_end(self) -> None:
        """Once for each end: what is allowed here ends soon, also when another customer is looked at."""
        until = self.state.until
        if until is None or until == self._warned_of or self.state.link is LinkState.OVER:
            return
        if 0 < (until - self._pace.clock()).total_seconds() < SOON_SECONDS:
            self._warned_of = until
            whose = shown(f"{self.host} #{self.state.ticket}", max_chars=80).plain
            self.app.notify(f"{whose}: allowed until {clock_time(until)} only; p asks for more", markup=False)
            self.post_message(say.Attention("what a customer allowed ends soon"))

    def _poll(self) -> None:
        self._count_elsewhere()
        self._warn_of_the_end()
        if self.state.link in {LinkState.OVER, LinkState.RECONNECTING}:
            return
        if self._asked_at is not None:
            self._header(link=LinkState.SILENT, cut_at=self._asked_at)
        elif self._session is not None and self._silent_polls < RECONNECT_POLLS:
            self._ask_status(self._session)
        elif self._silent_polls:
            self._silent_polls = 0
            self._work.connect(self, self._session_id)

    def _ask_status(self, session: SessionPort) -> None:
        self._asked_at = self._pace.clock()
        self._work.ask_status(self, session)

    def _link_trouble(self, problem: Problem) -> None:
        """Status or connection failed: either the session is over, or the way to it is."""
        self._asked_at = None
        if problem.reason in OVER_REASONS:
            self._header(link=LinkState.OVER)
            self.query_one(ProblemPanel).show(problem, ("esc", "back to the ticket"))
            return
        if self.state.link is LinkState.RECONNECTING:
            return  # the façade dials; what runs goes on when it is back
        self._silent_polls += 1
        self._header(link=LinkState.DOWN)
        if self._session is None:
            self._silent_polls = RECONNECT_POLLS
            self.query_one(ProblemPanel).show(problem, ("esc", "back to the ticket"))

    def _read_log(self) -> None:
        reading.read_timeline(self._work, self, self._session_id)

    @property
    def state(self) -> HeaderState:
        """How the session stands, as the header shows it."""
        return self.query_one(SessionHeader).state

    @property
    def host(self) -> str:
        """The customer's machine, in its own words; empty until it was asked."""
        return self.state.status.host_name if self.state.status else ""

    @property
    def badge(self) -> Text:
        """Whose screen this is, for the screens above it."""
        return self.query_one(SessionHeader).badge

    def _header(self, **changes: object) -> None:
        state = replace(self.state, **changes)  # type: ignore[arg-type]  # HeaderState's own
        self.query_one(SessionHeader).show(state)
        self._roster.change(
            self._session_id,
            host=self.host,
            ticket=state.ticket,
            subject=state.subject,
            link=state.link,
            until=state.until,
        )

    # --- one job at a time --------------------------------------------------------------------------

    def _begin(self, job: Job, what: str) -> SessionPort | None:
        """The session, when a job may start now; says why not otherwise."""
        if self._session is None or self.state.link is LinkState.OVER:
            self.notify("There is no session to do that in.", severity="warning", markup=False)
            return None
        if self._job is not None:
            self.notify("One thing at a time: esc stops what is running.", severity="warning", markup=False)
            return None
        self._job, self._what = job, what
        self._roster.change(self._session_id, doing=str(job))
        self._strip(joined(("… ", FAINT), shown(what, max_chars=200)))
        self.query_one("#strip-advice").display = False
        return self._session

    def _finish(self, status: str, detail: str = "") -> None:
        self._job = None
        self._roster.change(self._session_id, doing="")
        self._add_action(self._what, status, detail)

    def _add_action(self, what: str, status: str, detail: str) -> None:
        action = ActionLine(f"{self._pace.clock().astimezone():%H:%M:%S}", what, status, detail)
        self._actions = [*self._actions[-MAX_ACTIONS + 1 :], action]
        self.show_actions(self._actions)
        if self._job is None:
            self._strip(action_text(action))
        self._read_log()

    def _strip(self, left: Text) -> None:
        right = keys_line(("esc", "stop")) if self._job else Text(end="")
        self.query_one("#strip", TwoEnds).show(left, right)

    @on(say.JobFailed)
    def show_problem(self, failed: say.JobFailed) -> None:
        if failed.job in {Job.STATUS, Job.CONNECT}:
            self._link_trouble(failed.problem)
        elif failed.job is self._job:
            self.stop_drawing(failed.job, failed.problem.sentence)
            self._finish("refused" if failed.problem.reason else "failed", failed.problem.sentence)
            self._say_below(failed.problem.in_full)
        elif failed.job not in {Job.LOG, Job.TICKET}:
            self._tell(failed.problem)

    @on(say.JobCancelled)
    def show_cancelled(self, cancelled: say.JobCancelled) -> None:
        if cancelled.job is self._job:
            self.stop_drawing(cancelled.job, "stopped")
            self._finish("cancelled")

    @on(say.ActionNoted)
    def note_action(self, noted: say.ActionNoted) -> None:
        """What a tab did by itself, beside the one job of the screen."""
        self.query_one("#strip-advice").display = False
        self._add_action(noted.what, noted.status, noted.detail)

    def _say_below(self, words: str) -> None:
        """More than the strip holds, until the next job begins."""
        panel = self.query_one("#strip-advice", Static)
        panel.update(shown(words, max_chars=600))
        panel.display = True

    def _tell(self, problem: Problem) -> None:
        words = shown(f"{problem.sentence}\n{problem.advice}".strip(), lines=True, max_chars=600)
        self.notify(words.plain, severity="error", timeout=10, markup=False)
