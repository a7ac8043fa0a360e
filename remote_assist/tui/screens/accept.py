"""Taking the code a customer reads out: typed here, looked at here first, then tried, once."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from remote_assist.core.api import Ticket
from remote_assist.core.codes import SupportCode, parse_code
from remote_assist.errors import UsageError
from remote_assist.tui.job import Job
from remote_assist.tui.messages import CodeTaken, CustomerPaired, JobFailed
from remote_assist.tui.problem import Problem
from remote_assist.tui.screens.forms import ScopesScreen, Wish
from remote_assist.tui.theme import BAD, FAINT, WARN
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import duration
from remote_assist.tui.work import Work

MAX_CODE_CHARS = 120

USED_UP = frozenset({"wrong-code", "malformed", "version", "used", "expired", "gone", "burned", "denied", "timed-out"})
"""Reasons after which what was typed can work no more: the field is emptied for the next code."""


class AcceptScreen(ModalScreen[str | None]):
    """Returns the session's id once the customer said yes, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "take the code", id="accept.take"),
        Binding("ctrl+s", "change", "change scopes", key_display="^s", id="accept.change"),
        Binding("escape", "leave", "leave", key_display="esc", id="accept.leave"),
    ]

    def __init__(self, work: Work, ticket: Ticket, wish: Wish) -> None:
        super().__init__()
        self._work = work
        self._ticket = ticket
        self._wish = wish
        self._code: SupportCode | None = None
        self._host = ""
        self._problem: Problem | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            ticket = shown(self._ticket.id, max_chars=40)
            yield Static(joined("Take the code of the customer of #", ticket), classes="title")
            yield Static(joined(("They run ", FAINT), ("remote-assist ask", "bold"), (" and read it out.", FAINT)))
            yield Input(id="code", max_length=MAX_CODE_CHARS, placeholder="417203 tulip rocket amber")
            yield Static(id="wish")
            yield Static(id="fault")
            yield Static(id="hints")

    def on_mount(self) -> None:
        self._draw()

    def on_unmount(self) -> None:
        self._work.cancel(self, Job.ACCEPT)

    # --- what happens -------------------------------------------------------------------------------

    @on(Input.Changed)
    def forget_problem(self) -> None:
        if self._problem is not None:
            self._problem = None
            self._draw()

    @on(Input.Submitted)
    def action_take(self) -> None:
        """Look at what was typed; only what can be a code is tried."""
        if self._code is not None:
            return
        try:
            self._code = parse_code(self._field.value)
        except UsageError as error:
            self._problem = Problem(error.message, error.advice)
        else:
            self._try(self._code)
        self._draw()

    def _try(self, code: SupportCode) -> None:
        self._problem, self._host = None, ""
        self._field.disabled = True
        self._work.accept(self, code, self._ticket, self._wish.scopes, self._wish.seconds)

    @on(CodeTaken)
    def show_host(self, taken: CodeTaken) -> None:
        self._host = taken.host_name
        self._draw()

    @on(CustomerPaired)
    def go_to_session(self, paired: CustomerPaired) -> None:
        self.dismiss(paired.session)

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        self._code, self._host = None, ""
        self._field.disabled = False
        if failed.problem.reason in USED_UP:
            with self.prevent(Input.Changed):
                self._field.clear()
        self._field.focus()
        self._problem = failed.problem
        self._draw()

    def action_change(self) -> None:
        if self._code is None:
            remark = "They see it with your name once the code was right."
            screen = ScopesScreen(self._wish, title="What to ask the customer for", remark=remark)
            self.app.push_screen(screen, self._change_to)

    def _change_to(self, wish: Wish | None) -> None:
        self._wish = wish or self._wish
        self._draw()

    def action_leave(self) -> None:
        self.dismiss(None)

    # --- how it looks -------------------------------------------------------------------------------

    @property
    def _field(self) -> Input:
        return self.query_one("#code", Input)

    def _draw(self) -> None:
        asks = f"{' · '.join(self._wish.scopes)}   for {duration(self._wish.seconds)}"
        self.query_one("#wish", Static).update(joined(("asks  ", FAINT), asks))
        self.query_one("#fault", Static).update(self._standing())
        trying = self._code is not None
        keys = [("esc", "give it up")] if trying else [("enter", "take it"), ("^s", "change scopes"), ("esc", "leave")]
        self.query_one("#hints", Static).update(keys_line(*keys))

    def _standing(self) -> Text:
        """One line: what is wrong and what to do, or what is waited for."""
        if self._problem is not None:
            return joined(
                ("✖ ", BAD),
                shown(self._problem.sentence, BAD, max_chars=600),
                "\n  ",
                shown(self._problem.advice, max_chars=600),
                "\n",
            )
        if self._host:
            host = shown(self._host, WARN, max_chars=60)
            return joined(("the code is right; ", WARN), host, (" asks for a yes …\n", WARN))
        if self._code is not None:
            return joined(("checking the code …\n", WARN))
        return joined(("A wrong word uses the code up: have it spelled when in doubt.\n", FAINT))
