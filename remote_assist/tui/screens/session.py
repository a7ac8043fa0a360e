"""A live session's tabs: which job a key begins, and which pane gets its answer.

The panes draw, work.py talks; link, header and strip are `ConnectedScreen`'s.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from remote_assist.core.time_spent import minutes_between
from remote_assist.technician.disclosure_choice import Choice
from remote_assist.technician.log_file import LogFile
from remote_assist.tui import messages as say
from remote_assist.tui.choices import Colleague
from remote_assist.tui.job import Job
from remote_assist.tui.jobs import disclosing, sharing
from remote_assist.tui.link_state import LinkState
from remote_assist.tui.pace import Pace
from remote_assist.tui.panes.chat import ChatPane
from remote_assist.tui.panes.facts import FactsPane
from remote_assist.tui.panes.files import FilesPane
from remote_assist.tui.panes.terminals import TerminalsPane
from remote_assist.tui.ports import FindingPort, PreviewPort, SessionPort
from remote_assist.tui.replies import LOOK_EVERY, ReplyWatch, is_own_system
from remote_assist.tui.roster import Roster
from remote_assist.tui.screens.connected import ConnectedScreen
from remote_assist.tui.screens.disclose import DiscloseScreen, PreviewScreen
from remote_assist.tui.screens.forms import DEFAULT_CONSENT_SECONDS, Closing, EndScreen, NoteScreen, ScopesScreen, Wish
from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.screens.plan import PlanScreen
from remote_assist.tui.screens.share import ShareScreen
from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.actions import ActionLine, ActionsPane
from remote_assist.tui.widgets.findings import FIRST_LOOK, HIDDEN_OUTCOMES, FindingsPane
from remote_assist.tui.widgets.fixes import FixesPane
from remote_assist.tui.widgets.keys import KeysFooter
from remote_assist.tui.widgets.log import LogPane
from remote_assist.tui.widgets.progress import summary_text
from remote_assist.tui.widgets.tab_line import TabLine
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import parse_time
from remote_assist.tui.work import Work

REPLY_SECONDS = 30.0
"""How long a reply on the ticket stays on the screen."""

PROGRESS_SECONDS = 0.1
"""Between two drawings of a job's progress: nobody reads faster, and each takes time from the keys."""

TABS = ("findings", "facts", "files", "actions", "fixes", "chat", "log", "terminal")


class SessionScreen(ConnectedScreen):
    """Everything a technician does with one customer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "look", "look", id="session.look"),
        Binding("e", "end", "end", id="session.end"),
        Binding("p", "ask_scopes", "ask more", id="session.ask_scopes"),
        Binding("n", "note", "note", id="session.note"),
        Binding("s", "share", "share", id="session.share"),
        Binding("escape", "back", "back", key_display="esc", id="session.back"),
        Binding("D", "disclose", "onto the ticket", id="session.disclose"),
        Binding("right_square_bracket", "switch(1)", "next session", key_display="]", show=False, id="session.next"),
        Binding(
            "left_square_bracket", "switch(-1)", "previous session", key_display="[", show=False, id="session.previous"
        ),
        *(Binding(str(number), f"tab('{tab}')", tab.capitalize(), show=False) for number, tab in enumerate(TABS, 1)),
    ]

    MORE_KEYS = (("1 … 8", "the tabs"),)

    def __init__(self, work: Work, pace: Pace, roster: Roster, session: str) -> None:
        super().__init__(work, pace, roster, session)
        self._wanted: tuple[str, ...] = ()
        self._replies = ReplyWatch()
        self._books_time = False

    def compose(self) -> ComposeResult:
        yield from self.top()
        yield TabLine({tab: f"{number} {tab.capitalize()}" for number, tab in enumerate(TABS, 1)})
        yield FindingsPane(id="findings-pane")
        yield FactsPane(self._work, id="facts-pane")
        yield FilesPane(self._work, id="files-pane")
        yield ActionsPane(id="actions-pane")
        yield FixesPane(id="fixes-pane")
        yield ChatPane(self._work, id="chat-pane")
        yield LogPane(id="log-pane")
        yield TerminalsPane(self._work, id="terminal-pane")
        yield from self.bottom()
        yield KeysFooter()

    def on_mount(self) -> None:
        self._show_pane(TABS[0])
        self.set_interval(LOOK_EVERY * self._pace.poll_seconds, self.look_at_ticket)

    # --- the ticket's own system ----------------------------------------------------------------------

    def look_at_ticket(self) -> None:
        """Ask what others wrote on the ticket meanwhile."""
        if self._session is None or self.state.link is LinkState.OVER:
            return
        if is_own_system(self._session.ticket):
            self._work.look_at_ticket(self, self._session.ticket)

    @on(say.TicketLookedAt)
    def tell_replies(self, looked_at: say.TicketLookedAt) -> None:
        self._books_time = looked_at.ticket.books_time
        for reply in self._replies.news(looked_at.ticket):
            words = joined(shown(reply.author, max_chars=80), " on the ticket: ", shown(reply.text, max_chars=300))
            self.notify(words.plain, timeout=REPLY_SECONDS, markup=False)
            self.post_message(say.Attention("somebody wrote on the ticket"))

    # --- what the connection says -------------------------------------------------------------------

    def use(self, session: SessionPort, *, first: bool) -> None:
        self.look_at_ticket()
        self.query_one(ChatPane).use(session)
        self.query_one(FilesPane).use(session)
        self.query_one(TerminalsPane).use(session)
        if first and session.has_bundle:
            self._evaluate(session)

    def stop_drawing(self, job: Job, why: str) -> None:
        if job is Job.COLLECT:
            self.query_one(FindingsPane).stop_progress()
        elif job is Job.RUN:
            self.query_one(ActionsPane).show_problem(why)

    def show_actions(self, actions: Sequence[ActionLine]) -> None:
        self.query_one(ActionsPane).show_actions(actions)

    @on(say.ProgressMade)
    def show_progress(self, made: say.ProgressMade) -> None:
        self.set_timer(PROGRESS_SECONDS, made.board.looked)
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
            self._work.collect(self, session, FIRST_LOOK, self._pace.clock())

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
        self.query_one(TabLine).rename("findings", f"1 Findings {open_ones}")

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

    # --- files and programs -------------------------------------------------------------------------

    @on(say.LogOpened)
    def show_log_file(self, opened: say.LogOpened) -> None:
        self.app.push_screen(LogScreen(self._work, opened.log, self.badge))

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
        self.query_one(TabLine).rename("chat", f"6 Chat {unread.count}" if unread.count else "6 Chat")
        self._roster.change(self._session_id, unread=unread.count)
        if unread.new:
            self.post_message(say.Attention("the customer wrote"))
            if not self.is_current:
                whose = shown(f"{self.host} #{self.state.ticket}", max_chars=80).plain
                self.app.notify(f"{whose}: the customer wrote", markup=False)

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
        screen = PlanScreen(self._work, self._session, planned, self.host)
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
        wish = Wish(self.state.scopes, DEFAULT_CONSENT_SECONDS)
        screen = ScopesScreen(wish, title="Ask the customer to allow", remark=remark, asks_why=True)
        self.app.push_screen(screen, self._ask_scopes)

    def _ask_scopes(self, wish: Wish | None) -> None:
        if wish is None:
            return
        if session := self._begin(Job.SCOPES, "ask the customer for more"):
            self._wanted = wish.scopes
            self._work.ask_scopes(self, session, wish.scopes, wish.seconds, wish.reason)

    @on(say.CustomerAnswered)
    def show_answer(self, answered: say.CustomerAnswered) -> None:
        """What came of asking for more: a customer may tick some of it only."""
        self.show_status(say.StatusRead(answered.status, answered.seconds))
        missing = [scope for scope in self._wanted if scope not in self.state.scopes]
        if missing:
            self._finish("denied", f"not allowed: {', '.join(missing)}")
        else:
            self._finish("done", f"allowed now: {', '.join(self.state.scopes)}")

    def action_end(self) -> None:
        if self._session is not None:
            self.app.push_screen(EndScreen(self._session.ticket, self.host, self._booked), self._end)

    @property
    def _booked(self) -> int | None:
        """Minutes that go on the ticket by themselves when the session ends now."""
        opened = parse_time(self._session.opened) if self._session is not None else None
        return minutes_between(opened, self._pace.clock()) if opened and self._books_time else None

    def _end(self, closing: Closing | None) -> None:
        if closing is None:
            return
        if session := self._begin(Job.END, "end the session"):
            self._work.end(self, session, closing.note, closing.reason, closing.minutes)

    def action_note(self) -> None:
        if self._session is not None:
            self.app.push_screen(NoteScreen(self._session.ticket), self._write_note)

    def _write_note(self, text: str | None) -> None:
        if text and (session := self._begin(Job.NOTE, "write a note")):
            self._work.write_note(self, session.ticket, text, session.id)

    def action_disclose(self) -> None:
        if self._session is not None:
            self.app.push_screen(DiscloseScreen(self._session.ticket), self._prepare)

    def _prepare(self, choice: Choice | None) -> None:
        if choice is not None and (session := self._begin(Job.PREVIEW, "prepare what goes onto the ticket")):
            disclosing.prepare(self._work, self, session.id, choice)

    @on(say.DisclosureMade)
    def show_preview(self, made: say.DisclosureMade) -> None:
        self._finish("done", "nothing was sent yet")
        self.app.push_screen(PreviewScreen(made.preview), lambda yes: self._disclose(made.preview) if yes else None)

    def _disclose(self, preview: PreviewPort) -> None:
        if self._begin(Job.DISCLOSE, f"disclose {preview.what.kind}"):
            disclosing.send(self._work, self, preview)

    @on(say.DisclosureSent)
    def show_disclosed(self, sent: say.DisclosureSent) -> None:
        self._finish("done", f"on ticket #{sent.ticket}")

    def action_share(self) -> None:
        if self._session is not None:
            self.app.push_screen(ShareScreen(self.host), self._share)

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
        self._show_pane(tab)
        pane = self._pane(tab)
        pane.focus_list()  # type: ignore[attr-defined]  # every pane has it
        if self.focused is None or pane not in self.focused.ancestors_with_self:
            self.set_focus(self.query_one(TabLine))  # not left behind in a pane that is hidden now

    @on(TabLine.Chosen)
    def show_chosen_tab(self, chosen: TabLine.Chosen) -> None:
        self.action_tab(chosen.tab)

    def _show_pane(self, tab: str) -> None:
        self.query_one(TabLine).show(tab)
        for one in TABS:
            self._pane(one).display = one == tab

    def _pane(self, tab: str) -> Widget:
        return self.query_one(f"#{tab}-pane")

    def action_back(self) -> None:
        """Stop what runs; else leave the field; else leave the screen, where the session stays open."""
        if self._job is not None:
            self._work.cancel(self, self._job)
        elif isinstance(self.focused, Input):
            self.set_focus(self.query_one(TabLine))
        elif self.state.link is LinkState.OVER or self._session is None:
            self.post_message(say.LeaveSession(self._session_id))
        else:
            self.app.pop_screen()

    def action_switch(self, step: int) -> None:
        self.post_message(say.SwitchSession(self._session_id, step))
