"""The chat tab: what was said, a field to write in; the tab counts what nobody has looked at."""

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import Input, Static

from remote_assist.core.chat import CUSTOMER, MAX_CHARS, MAX_LINES
from remote_assist.core.requests import ChatLine
from remote_assist.tui.job import Job
from remote_assist.tui.jobs import chat as jobs
from remote_assist.tui.messages import ChatHeard, JobFailed, LineSaid, LineTranslated
from remote_assist.tui.ports import SessionPort
from remote_assist.tui.theme import ACCENT, BAD, FAINT
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.widgets.wrapped_log import WrappedLog
from remote_assist.tui.words import parse_time
from remote_assist.tui.work import Work


class ChatPane(Container):
    """Lines of one session. Follows as soon as it has a connection; a refused line comes back into the field."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("slash", "write", "write", key_display="/")]

    @dataclass
    class Unread(Message):
        """So many of the customer's lines were not looked at; `new`: one of them just came."""

        count: int
        new: bool

    def __init__(self, work: Work, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._work = work
        self._session: SessionPort | None = None
        self._lines: list[ChatLine] = []
        self._saying = ""
        """What is on its way."""
        self._translated: dict[int, str] = {}
        self._unread = 0

    def compose(self) -> ComposeResult:
        yield Static("Nothing was said yet. The customer presses c to write.", classes="empty", markup=False)
        yield WrappedLog(MAX_LINES * 8)
        yield Static(id="chat-fault", classes="fault")
        yield Input(id="say", max_length=MAX_CHARS, placeholder="write to the customer, enter sends")

    def on_mount(self) -> None:
        self.query_one(WrappedLog).display = False
        self.query_one("#chat-fault").display = False

    def use(self, session: SessionPort) -> None:
        """Follow on this connection, from the last line seen on."""
        self._session = session
        jobs.follow(self._work, self, session, self._lines[-1].number if self._lines else 0)

    def focus_list(self) -> None:
        self.screen.set_focus(self.query_one(Input))
        self._look()

    def offer(self, text: str) -> None:
        """Put words into the field: the technician reads them before they are sent."""
        self.query_one(Input).value = text[:MAX_CHARS]
        self.query_one(Input).focus()

    def action_write(self) -> None:
        self.query_one(Input).focus()

    @property
    def _seen(self) -> bool:
        return self.is_on_screen and self.screen.is_active and bool(self.region)

    def _look(self) -> None:
        self._unread = 0
        self.post_message(self.Unread(0, new=False))

    @on(ChatHeard)
    def show_lines(self, heard: ChatHeard) -> None:
        lines = heard.buffer.take()
        self._lines = [*self._lines, *lines][-MAX_LINES:]
        theirs = [line for line in lines if line.author == CUSTOMER]
        for line in theirs:
            jobs.translate(self._work, self, line.number, line.text)
        self._draw()
        if theirs and self._seen:
            self._look()
        elif theirs:
            self._unread += len(theirs)
            self.post_message(self.Unread(self._unread, new=True))

    @on(LineTranslated)
    def show_translation(self, translated: LineTranslated) -> None:
        self._translated[translated.number] = translated.text
        self._draw()

    @on(Input.Submitted, "#say")
    def send(self, submitted: Input.Submitted) -> None:
        submitted.stop()
        if self._session is not None and submitted.value.strip() and not self._saying:
            self._saying = submitted.value
            submitted.input.clear()  # it keeps the keys: the next line may be typed, and an escape leaves it
            jobs.say(self._work, self, self._session, self._saying)

    @on(LineSaid)
    def hide_fault(self) -> None:
        self._saying = ""
        self.query_one("#chat-fault").display = False

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        failed.stop()
        if failed.job is Job.SAY:
            field, unsaid, self._saying = self.query_one(Input), self._saying, ""
            field.value = field.value or unsaid
        if failed.job is Job.CHAT:
            return  # the connection is gone; the screen says so and brings another
        fault = self.query_one("#chat-fault", Static)
        problem = failed.problem
        fault.update(joined(("✖ ", BAD), shown(f"{problem.sentence}  {problem.advice}", max_chars=400)))
        fault.display = True

    def _draw(self) -> None:
        log = self.query_one(WrappedLog)
        log.clear()
        for line in self._lines:
            log.add(line_text(line, self._translated.get(line.number, "")))
        log.display = bool(self._lines)
        self.query_one(".empty").display = not self._lines


def line_text(line: ChatLine, translation: str = "") -> Text:
    """`14:05:11  customer  it says error 98`, the translation below it."""
    moment = parse_time(line.time)
    clock = f"{moment.astimezone():%H:%M:%S}" if moment else "        "
    theirs = line.author == CUSTOMER
    who = ("customer" if theirs else "you     ", f"bold {ACCENT}" if theirs else "bold")
    text = joined((f"{clock}  ", FAINT), who, "  ", shown(line.text, max_chars=MAX_CHARS))
    if translation:
        text.append_text(joined((f"\n{'':20}", ""), ("⇢ ", FAINT), shown(translation, max_chars=MAX_CHARS)))
    return text
