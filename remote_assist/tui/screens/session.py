"""A live session: the header that answers six questions, six tabs, one job at a time.

The screen decides which job runs and gives answers to the panes; the panes draw, work.py talks.
"""

from dataclasses import replace
from typing import ClassVar, Literal

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input, Static, TabbedContent, TabPane

from remote_assist.core.resume import LinkNews
from remote_assist.technician.log_file import LogFile
from remote_assist.tui import messages as say
from remote_assist.tui.jobs import reading, sharing
from remote_assist.tui.messages import Job, Problem
from remote_assist.tui.pace import Pace
from remote_assist.tui.panes.chat import ChatPane
from remote_assist.tui.panes.facts import FactsPane
from remote_assist.tui.panes.files import FilesPane
from remote_assist.tui.panes.terminals import TerminalsPane
from remote_assist.tui.ports import FindingPort, SessionPort
from remote_assist.tui.replies import LOOK_EVERY, ReplyWatch, is_own_system
from remote_assist.tui.roster import Roster
from remote_assist.tui.screens.forms import DEFAULT_CONSENT_SECONDS, Closing, EndScreen, NoteScreen, ScopesScreen, Wish
from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.screens.plan import PlanScreen
from remote_assist.tui.screens.share import Colleague, ShareScreen
from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.actions import ActionLine, ActionsPane, action_text
from remote_assist.tui.widgets.findings import FIRST_LOOK, HIDDEN_OUTCOMES, FindingsPane
from remote_assist.tui.widgets.fixes import FixesPane
from remote_assist.tui.widgets.lines import ProblemPanel, TwoEnds, keys_line
from remote_assist.tui.widgets.log import LogPane
from remote_assist.tui.widgets.progress import summary_text
from remote_assist.tui.widgets.session_header import HeaderState, LinkState, SessionHeader
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.work import Work

RECONNECT_POLLS = 1
"""After so many unanswered polls a new connection is tried."""

MAX_ACTIONS = 200
REPLY_SECONDS = 30.0
"""How long a reply on the ticket stays on the screen."""

OVER_REASONS = frozenset({"ended", "revoked", "expired", "over", "session-over"})
"""Reasons after which a session never answers again."""

TABS = ("findings", "facts", "files", "actions", "fixes", "chat", "log", "terminal")


class SessionScreen(Screen[None]):
    """Everything a technician does with one customer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "look", "look", id="session.look"),
        Binding("e", "end", "end", id="session.end"),
        Binding("p", "ask_scopes", "ask more", id="session.ask_scopes"),
        Binding("n", "note", "note", id="session.note"),
        Binding("s", "share", "colleague", id="session.share"),
        Binding("escape", "back", "back", key_display="esc", id="session.back"),
        Binding("right_square_bracket", "switch(1)", "next session", key_display="]", show=False, id="session.next"),
        Binding(
            "left_square_bracket", "switch(-1)", "previous session", key_display="[", show=False, id="session.previous"
        ),
        *(Binding(str(number), f"tab('{tab}')", tab.capitalize(), show=False) for number, tab in enumerate(TABS, 1)),
    ]

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
        self._replies = ReplyWatch()

    def compose(self) -> ComposeResult:
        colour = self._roster.enter(self._session_id).colour
        yield SessionHeader(HeaderState(self._work.technician, colour=colour), self._pace.clock)
        yield ProblemPanel()
        with TabbedContent(id="tabs"):
            with TabPane(_tab("1 Findings"), id="findings-tab"):
                yield FindingsPane(id="findings-pane")
            with TabPane(_tab("2 Facts"), id="facts-tab"):
                yield FactsPane(self._work, id="facts-pane")
            with TabPane(_tab("3 Files"), id="files-tab"):
                yield FilesPane(self._work, id="files-pane")
            with TabPane(_tab("4 Actions"), id="actions-tab"):
                yield ActionsPane(id="actions-pane")
            with TabPane(_tab("5 Fixes"), id="fixes-tab"):
                yield FixesPane(id="fixes-pane")
            with TabPane(_tab("6 Chat"), id="chat-tab"):
                yield ChatPane(self._work, id="chat-pane")
            with TabPane(_tab("7 Log"), id="log-tab"):
                yield LogPane(id="log-pane")
            with TabPane(_tab("8 Terminal"), id="terminal-tab"):
                yield TerminalsPane(self._work, id="terminal-pane")
        yield TwoEnds("", "", id="strip")
        yield Static(id="strip-advice")
        yield Footer()

    def on_mount(self) -> None:
        self._work.connect(self, self._session_id)
        self.set_interval(self._pace.poll_seconds, self._poll)
        self.set_interval(LOOK_EVERY * self._pace.poll_seconds, self.look_at_ticket)

    def on_unmount(self) -> None:
        if self._session is not None:
            self._work.leave(self.app, self._session)

    # --- the ticket's own system ----------------------------------------------------------------------

    def look_at_ticket(self) -> None:
        """Ask what others wrote on the ticket meanwhile."""
        if self._session is None or self._state.link is LinkState.OVER:
            return
        if is_own_system(self._session.ticket):
            self._work.look_at_ticket(self, self._session.ticket)

    @on(say.TicketLookedAt)
    def tell_replies(self, looked_at: say.TicketLookedAt) -> None:
        for reply in self._replies.news(looked_at.ticket):
            words = joined(shown(reply.author, max_chars=80), " on the ticket: ", shown(reply.text, max_chars=300))
            self.notify(words.plain, timeout=REPLY_SECONDS, markup=False)
            self.post_message(say.Attention("somebody wrote on the ticket"))

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
        self._work.ask_status(self, connected.session)
        reading.read_timeline(self._work, self, self._session_id)
        self.look_at_ticket()
        self.query_one(ChatPane).use(connected.session)
        self.query_one(FilesPane).use(connected.session)
        self.query_one(TerminalsPane).use(connected.session)
        if first and connected.session.has_bundle:
            self._evaluate(connected.session)

    @on(say.LinkChanged)
    def show_link(self, changed: say.LinkChanged) -> None:
        if changed.news is LinkNews.CUT:
            self._header(link=LinkState.RECONNECTING, cut_at=changed.since)
        elif self._state.link is not LinkState.RECONNECTING:
            return  # of a connection that was replaced meanwhile
        elif changed.news is LinkNews.BACK:
            self._header(link=LinkState.UP)
            self._poll()
        else:
            self._header(link=LinkState.DOWN)
            self._silent_polls = RECONNECT_POLLS

    @on(say.StatusRead)
    def show_status(self, read: say.StatusRead) -> None:
        self._silent_polls = 0
        grown = self._state.status is None or self._state.status.recorded != read.status.recorded
        self._header(link=LinkState.UP, seconds=read.seconds, status=read.status)
        if self._job is Job.SCOPES:
            self._finish("done", f"allowed now: {', '.join(self._state.scopes)}")
        if grown:
            reading.read_timeline(self._work, self, self._session_id)

    def _poll(self) -> None:
        self.query_one(SessionHeader).refresh()
        if self._state.link in {LinkState.OVER, LinkState.RECONNECTING}:
            return
        if self._session is not None and self._silent_polls < RECONNECT_POLLS:
            self._work.ask_status(self, self._session)
        elif self._silent_polls:
            self._silent_polls = 0
            self._work.connect(self, self._session_id)

    def _link_trouble(self, problem: Problem) -> None:
        """Status or connection failed: either the session is over, or the way to it is."""
        if problem.reason in OVER_REASONS:
            self._header(link=LinkState.OVER)
            self.query_one(ProblemPanel).show(problem, ("esc", "back to the ticket"))
            return
        if self._state.link is LinkState.RECONNECTING:
            return  # the façade dials; what runs goes on when it is back
        self._silent_polls += 1
        self._header(link=LinkState.DOWN)
        if self._session is None:
            self._silent_polls = RECONNECT_POLLS
            self.query_one(ProblemPanel).show(problem, ("esc", "back to the ticket"))

    @property
    def _state(self) -> HeaderState:
        return self.query_one(SessionHeader).state

    def _header(self, **changes: object) -> None:
        state = replace(self._state, **changes)  # type: ignore[arg-type]  # HeaderState's own
        self.query_one(SessionHeader).show(state)
        host = state.status.host_name if state.status else ""
        self._roster.change(
            self._session_id,
            host=host,
            ticket=state.ticket,
            subject=state.subject,
            link=state.link,
            until=state.until,
        )

    # --- one job at a time --------------------------------------------------------------------------

    def _begin(self, job: Job, what: str) -> SessionPort | None:
        """The session, when a job may start now; says why not otherwise."""
        if self._session is None or self._state.link is LinkState.OVER:
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
        self.query_one(ActionsPane).show_actions(self._actions)
        if self._job is None:
            self._strip(action_text(action))
        reading.read_timeline(self._work, self, self._session_id)

    def _strip(self, left: Text) -> None:
        right = keys_line(("esc", "stop")) if self._job else Text(end="")
        self.query_one("#strip", TwoEnds).show(left, right)

    @on(say.JobFailed)
    def show_problem(self, failed: say.JobFailed) -> None:
        if failed.job in {Job.STATUS, Job.CONNECT}:
            self._link_trouble(failed.problem)
        elif failed.job is self._job:
            self._stop_drawing(failed.job, failed.problem.sentence)
            refused = bool(failed.problem.reason)
            self._finish("refused" if refused else "failed", failed.problem.sentence)
            self._advise(failed.problem)
        elif failed.job not in {Job.LOG, Job.TICKET}:
            self._tell(failed.problem)

    @on(say.JobCancelled)
    def show_cancelled(self, cancelled: say.JobCancelled) -> None:
        if cancelled.job is self._job:
            self._stop_drawing(cancelled.job, "stopped")
            self._finish("cancelled")

    def _stop_drawing(self, job: Job, why: str) -> None:
        if job is Job.COLLECT:
            self.query_one(FindingsPane).stop_progress()
        elif job is Job.RUN:
            self.query_one(ActionsPane).show_problem(why)

    def _advise(self, problem: Problem) -> None:
        """The whole of a failure below the strip, until the next job begins."""
        self._say_below(problem.in_full)

    def _say_below(self, words: str) -> None:
        panel = self.query_one("#strip-advice", Static)
        panel.update(shown(words, max_chars=600))
        panel.display = True

    def _tell(self, problem: Problem) -> None:
        words = shown(f"{problem.sentence}\n{problem.advice}".strip(), lines=True, max_chars=600)
        self.notify(words.plain, severity="error", timeout=10, markup=False)

    @on(say.ProgressMade)
    def show_progress(self, made: say.ProgressMade) -> None:
        made.board.looked()
        if made.job is not self._job:
            return
        if made.job is Job.COLLECT:
            self.query_one(FindingsPane).show_progress(made.board)
        width = max(20, self.size.width - 16 - len(self._what))
        self._strip(joined(("… ", FAINT), shown(self._what, max_chars=60), "  ", summary_text(made.board, width)))

    # --- looking ------------------------------------------------------------------------------------

    def action_look(self) -> None:
        if session := self._begin(Job.COLLECT, FIRST_LOOK):
            self.action_tab("findings")
            self._work.collect(self, session, FIRST_LOOK)

    @on(say.BundleCollected)
    def evaluate_bundle(self, collected: say.BundleCollected) -> None:
        self._finish("done")
        if self._session is not None:
            self._evaluate(self._session)

    def _evaluate(self, session: SessionPort) -> None:
        self._work.evaluate(self, session)
        self._work.read_facts(self, session)

    @on(say.FindingsMade)
    def show_findings(self, made: say.FindingsMade) -> None:
        self.query_one(FindingsPane).show_findings(made.findings)
        self.query_one(FixesPane).show_offers(made.findings)
        open_ones = sum(finding.outcome not in HIDDEN_OUTCOMES for finding in made.findings)
        self.query_one(TabbedContent).get_tab("findings-tab").label = _tab(f"1 Findings {open_ones}")

    @on(say.FactsRead)
    def show_facts(self, read: say.FactsRead) -> None:
        self.query_one(FactsPane).show_facts(read.facts, read.texts)
        self.query_one(FindingsPane).use_facts(read.facts)

    @on(say.ShowFact)
    def show_fact(self, asked: say.ShowFact) -> None:
        self.action_tab("facts")
        self.query_one(FactsPane).reveal(asked.collector, asked.pointer)

    @on(FactsPane.TextChosen)
    def show_text(self, chosen: FactsPane.TextChosen) -> None:
        log = LogFile(chosen.name, chosen.content.encode("utf-8", "surrogateescape"))
        self.app.push_screen(LogScreen(self._work, log, self.badge))

    @property
    def badge(self) -> Text:
        """Whose screen this is, for the screens above it."""
        return self.query_one(SessionHeader).badge

    # --- files and programs -------------------------------------------------------------------------

    @on(say.LogOpened)
    def show_log_file(self, opened: say.LogOpened) -> None:
        self.app.push_screen(LogScreen(self._work, opened.log, self.badge))

    @on(say.ActionNoted)
    def note_action(self, noted: say.ActionNoted) -> None:
        """What a tab did by itself, beside the one job of the screen."""
        self.query_one("#strip-advice").display = False
        self._add_action(noted.what, noted.status, noted.detail)

    @on(say.RunProgram)
    def run_program(self, asked: say.RunProgram) -> None:
        if session := self._begin(Job.RUN, f"run {asked.argv[0]}"):
            self.query_one(ActionsPane).show_start(asked.argv)
            self._work.run_program(self, session, asked.argv)

    @on(say.OutputArrived)
    def show_output(self, arrived: say.OutputArrived) -> None:
        self.query_one(ActionsPane).show_output(arrived.buffer)

    @on(say.ProgramEnded)
    def show_program_end(self, ended: say.ProgramEnded) -> None:
        self.query_one(ActionsPane).show_end(ended.done)
        status = "failed" if ended.done.status == "done" and ended.done.exit else ended.done.status
        self._finish(status, f"exit {ended.done.exit}")

    # --- chat ---------------------------------------------------------------------------------------

    @on(ChatPane.Unread)
    def count_unread(self, unread: ChatPane.Unread) -> None:
        label = f"6 Chat {unread.count}" if unread.count else "6 Chat"
        self.query_one(TabbedContent).get_tab("chat-tab").label = _tab(label)
        self._roster.change(self._session_id, unread=unread.count)
        if unread.new:
            self.post_message(say.Attention("the customer wrote"))

    # --- fixes --------------------------------------------------------------------------------------

    @on(say.PlanFix)
    def plan_fix(self, asked: say.PlanFix) -> None:
        if session := self._begin(Job.PLAN, f"plan {asked.finding.fix}"):
            self._work.plan_fix(self, session, asked.finding)

    @on(say.FixPlanned)
    def show_plan(self, planned: say.FixPlanned) -> None:
        self._finish("done")
        if self._session is None:
            return
        host = self._state.status.host_name if self._state.status else ""
        screen = PlanScreen(self._work, self._session, planned, host)
        self.app.push_screen(screen, lambda status: self._note_fix(planned.finding, status))

    def _note_fix(self, finding: FindingPort, status: str | None) -> None:
        if status is None:
            return
        self._what = f"fix {finding.fix}"
        self._finish(status, "d looks again" if status == "resolved" else "")
        self.query_one(FixesPane).show_result(finding, status)

    # --- consent and end ----------------------------------------------------------------------------

    def action_ask_scopes(self) -> None:
        remark = "The customer is asked on their screen; silence is a no."
        wish = Wish(self._state.scopes, DEFAULT_CONSENT_SECONDS)
        screen = ScopesScreen(wish, title="Ask the customer to allow", remark=remark, asks_why=True)
        self.app.push_screen(screen, self._ask_scopes)

    def _ask_scopes(self, wish: Wish | None) -> None:
        if wish is None:
            return
        if session := self._begin(Job.SCOPES, "ask the customer for more"):
            self._work.ask_scopes(self, session, wish.scopes, wish.seconds, wish.reason)

    def action_end(self) -> None:
        if self._session is not None:
            host = self._state.status.host_name if self._state.status else ""
            self.app.push_screen(EndScreen(self._session.ticket, host), self._end)

    def _end(self, closing: Closing | None) -> None:
        if closing is None:
            return
        if session := self._begin(Job.END, "end the session"):
            self._work.end(self, session, closing.note, closing.reason)

    def action_note(self) -> None:
        if self._session is not None:
            self.app.push_screen(NoteScreen(self._session.ticket), self._write_note)

    def _write_note(self, text: str | None) -> None:
        if text and (session := self._begin(Job.NOTE, "write a note")):
            self._work.write_note(self, session.ticket, text, session.id)

    def action_share(self) -> None:
        if self._session is not None:
            host = self._state.status.host_name if self._state.status else ""
            self.app.push_screen(ShareScreen(host), self._share)

    def _share(self, wanted: Colleague | None) -> None:
        if wanted is not None and (session := self._begin(Job.SHARE, "ask to let a colleague in")):
            sharing.let_in(self._work, self, session.id, wanted)

    @on(say.ColleagueLetIn)
    def show_colleague(self, let_in: say.ColleagueLetIn) -> None:
        words = "your own access ends when they are in" if let_in.leaves else "the session is open to both"
        self._finish(let_in.done.status, let_in.done.sentence or words)
        self._say_below(f"They run: remote-assist attach {self._session_id}")

    @on(say.NoteWritten)
    def show_note(self) -> None:
        self._finish("done")

    @on(say.SessionEnded)
    def leave_ended(self, ended: say.SessionEnded) -> None:
        self._finish("done")
        self._header(link=LinkState.OVER)
        missing = ended.result.undelivered
        words = f"The session has ended; not delivered: {missing}" if missing else "The session has ended."
        severity: Literal["warning", "information"] = "warning" if missing else "information"
        self.post_message(say.LeaveSession(self._session_id))
        self.app.notify(shown(words, max_chars=400).plain, severity=severity, timeout=10, markup=False)

    # --- log, tabs, leaving -------------------------------------------------------------------------

    @on(say.TimelineRead)
    def show_log(self, read: say.TimelineRead) -> None:
        self.query_one(LogPane).show_lines(read.lines)

    def action_tab(self, tab: str) -> None:
        tabs = self.query_one(TabbedContent)
        tabs.active = f"{tab}-tab"
        if tabs.active_pane is not None:
            _focus_inside(tabs.active_pane)  # at once: the next key may be in the queue already

    @on(TabbedContent.TabActivated)
    def focus_pane(self, activated: TabbedContent.TabActivated) -> None:
        """A tab chosen by mouse or arrows; the answer to a key comes late and must not select what was typed since."""
        if self.focused is None or activated.pane not in self.focused.ancestors:
            _focus_inside(activated.pane)

    def action_back(self) -> None:
        """Stop what runs; else leave the field; else leave the screen, where the session stays open."""
        if self._job is not None:
            self._work.cancel(self, self._job)
        elif isinstance(self.focused, Input):
            self.query_one("Tabs").focus()
        elif self._state.link is LinkState.OVER or self._session is None:
            self.post_message(say.LeaveSession(self._session_id))
        else:
            self.app.pop_screen()

    def action_switch(self, step: int) -> None:
        self.post_message(say.SwitchSession(self._session_id, step))


def _focus_inside(tab: TabPane) -> None:
    for pane in tab.query(
        "FindingsPane, FactsPane, FilesPane, ActionsPane, FixesPane, ChatPane, LogPane, TerminalsPane"
    ):
        pane.focus_list()  # type: ignore[attr-defined]  # every pane has it


def _tab(label: str) -> Content:
    return Content(label)
