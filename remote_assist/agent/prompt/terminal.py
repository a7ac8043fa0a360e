"""The customer's screen in a plain terminal, behind core/prompt.Prompt: questions, live lines, the end key.

    14:05:11  reads /var/log/dpkg.log
    14:05:12  reads /var/log/dpkg.log: done
    e end at once    p pause    c write to the technician          ← the foot, always the last line

Rule 1: keys typed before a question appeared do not answer it. Rule 2: one question at a time; live lines that come
meanwhile are shown after it. Rule 3: the end key works at any time, also during a question.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from remote_assist.agent.prompt.code_screen import Offer, code_lines
from remote_assist.agent.prompt.columns import wrapped
from remote_assist.agent.prompt.consent_screen import (
    BACKSPACE,
    ENTER,
    ESCAPE,
    INTERRUPT,
    Brevity,
    ConsentScreen,
    open_screen,
)
from remote_assist.agent.prompt.live_foot import LiveFoot
from remote_assist.agent.texts import say, wish_title
from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion, CustomerAct, PlanQuestion, TypedQuestion
from remote_assist.errors import ConsentDenied

END_KEYS = frozenset({"e", "E", INTERRUPT})
REDRAW_SECONDS = 1.0
"""How often the countdown of a question is drawn anew."""

ERASE_LINE = "\r\x1b[J"
DOUBLE_WIDTH = "\x1b#6"
"""DEC: this line in letters twice as wide. A terminal that cannot do it shows the line as it is."""

MAX_ACTS = 32
"""Lines typed faster than they can be written down; further ones are dropped with the foot still showing them."""

LEAST_COLUMNS = 12
"""Columns of a live line beside its time, in however narrow a window."""

MAX_CODE_CHARS = 120
MAX_TYPED_CHARS = 256
MAX_WAITING_LINES = 200
"""Live lines kept while a question is on the screen; the oldest go first."""


class Terminal(Protocol):
    """What transport/terminal_posix.RawTerminal offers."""

    on_key: Callable[[str], None] | None

    def forget_keys(self) -> None:
        """Drop what was typed and not read."""

    def write(self, text: str) -> None:
        """Write at once."""

    def columns(self) -> int:
        """The width."""

    def rows(self) -> int:
        """The height."""


class PromptTerminal:
    """Questions and live lines on one terminal. `steady` counts seconds, `now` is the wall clock.

    `large`: letters twice as wide, where the terminal can.
    """

    def __init__(
        self,
        terminal: Terminal,
        *,
        ask_each: bool = False,
        large: bool = False,
        steady: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._terminal = terminal
        self._ask_each = ask_each
        self._large = large
        self._crowded = False
        self._steady = steady
        self._now = now
        self._asking = asyncio.Lock()
        self._keys: asyncio.Queue[str] = asyncio.Queue(64)
        self._question_open = False
        self._typing = False
        self._drawn = 0
        self._held: list[str] = []
        self._end: asyncio.Future[str] | None = None
        self._live = False
        self._foot = LiveFoot()
        self._acts: asyncio.Queue[CustomerAct] = asyncio.Queue(MAX_ACTS)
        terminal.on_key = self._key

    @property
    def can_ask(self) -> bool:
        """There is a screen."""
        return True

    async def consent(self, question: ConsentQuestion) -> ConsentAnswer:
        """Show who asks for what and wait for an act at this machine."""
        async with self._asking, self._question():
            screen = open_screen(question, self._now(), ask_each=self._ask_each)
            answer = await self._drive(screen)
        if question.further or not answer.scopes:  # a first yes is told once it is written down
            self.show(_answer_line(question, answer, screen))
        return answer

    async def allow_plan(self, question: PlanQuestion) -> bool:
        """Show one plan; silence is a no."""
        async with self._asking, self._question():
            self._draw(_plan_lines(question))
            allowed = await self._yes_or_no(question.deadline_seconds)
        if not (question.undo or question.ask or question.screen):
            self.show(say("plan.allowed" if allowed else "plan.denied"))
        return allowed

    async def typed(self, question: TypedQuestion) -> str | None:
        """One line typed here; what is secret shows nothing. Escape, Ctrl-C and silence answer nothing."""
        async with self._asking, self._question():
            self._typing = True
            try:
                return await self._read_line(question)
            finally:
                self._typing = False

    async def _read_line(self, question: TypedQuestion) -> str | None:
        text, began = "", self._steady()
        while (left := question.deadline_seconds - (self._steady() - began)) > 0:
            shown = "•" * len(text) if question.secret else text
            keys = say("typed.keys", deadline=int(left))
            body = [
                *(say("ask.detail", detail=line) for line in question.lines),
                f"{_plain(question.label)}{shown}▏",
                keys,
            ]
            self._draw([f"  {line}" for line in ["", *body]])
            key = await self._next_key()
            if key in {ESCAPE, INTERRUPT}:
                return None
            if key == ENTER:
                return text
            if key == BACKSPACE:
                text = text[:-1]
            elif key is not None and len(key) == 1 and key.isprintable() and len(text) < MAX_TYPED_CHARS:
                text += key
        return None

    def show(self, line: str) -> None:
        """A live line with the time; held back while a question is open."""
        if self._question_open:
            del self._held[: max(0, len(self._held) - MAX_WAITING_LINES + 1)]
            self._held.append(line)
            return
        erase, foot = (ERASE_LINE, self._foot_text()) if self._live else ("", "")
        stamp = f"  {self._now().astimezone():%H:%M:%S}  "
        first, *rest = wrapped(line, max(LEAST_COLUMNS, self._width - len(stamp)))
        rows = [stamp + first, *(f"{' ' * len(stamp)}{row}" for row in rest)]
        text = "".join(f"{self._line}{row}\n" for row in rows)
        self._terminal.write(f"{erase}{text}{foot}")

    async def end_requested(self) -> str:
        """Wait for the end key (e, Ctrl-C, or the window closing)."""
        self._live = True
        self._draw_foot()
        try:
            return await asyncio.shield(self._ending())
        finally:
            self._terminal.write(ERASE_LINE)
            self._live = False

    async def act(self) -> CustomerAct:
        """Wait for a line to the technician, or the pause key."""
        return await self._acts.get()

    async def told_to_end(self) -> None:
        """Wait for `ask_to_end`; keys do not count."""
        await asyncio.shield(self._ending())

    def ask_to_end(self, reason: str) -> None:
        """A signal wants the session to end."""
        future = self._ending()
        if not future.done():
            future.set_result(reason)

    async def offer_code(self, offer: Offer) -> None:
        """Show a code the customer made until this is cancelled; return when they take it back (Esc, Ctrl-C).

        It is wiped off the screen either way.
        """
        async with self._asking, self._question():
            began = self._steady()
            try:
                key: str | None = None
                while key not in {ESCAPE, INTERRUPT}:
                    self._draw(code_lines(offer, self._steady() - began, self._width))
                    key = await self._next_key()
            finally:
                self._draw([])

    async def ask_code(self) -> str:
        """One line typed at the terminal: the support code. Raises ConsentDenied on Ctrl-C."""
        text = ""
        async with self._asking, self._question():
            self._terminal.write(say("code.ask"))  # what was typed before this is dropped, what comes after counts
            self._drawn = 0
            while (key := await self._keys.get()) != ENTER:
                if key == INTERRUPT:
                    self._terminal.write("\n")
                    raise ConsentDenied("no support code was given", reason="denied")
                text = self._edit(text, key)
            self._terminal.write("\n")
        return text

    def _edit(self, text: str, key: str) -> str:
        if key == BACKSPACE and text:
            self._terminal.write("\b \b")
            return text[:-1]
        if len(key) == 1 and len(text) < MAX_CODE_CHARS:
            self._terminal.write(key)
            return text + key
        return text

    async def _drive(self, screen: ConsentScreen) -> ConsentAnswer:
        began = self._steady()
        while screen.answer is None:
            self._typing = screen.typing
            self._draw(self._fitting(screen, self._steady() - began))
            key = await self._next_key()
            elapsed = self._steady() - began
            screen = screen.after_time(elapsed) if key is None else screen.after_key(key, elapsed)
        self._typing = False
        return screen.answer

    def _fitting(self, screen: ConsentScreen, elapsed_seconds: float) -> list[str]:
        """The question as fully as the window shows it whole: who asks must never scroll away above it."""
        for self._crowded in (False, True):
            for brevity in Brevity:
                lines = screen.lines(elapsed_seconds, brevity)
                if len(self._rows_of(lines)) < self._terminal.rows():
                    return lines
        return lines

    async def _yes_or_no(self, deadline_seconds: float) -> bool:
        began = self._steady()
        while self._steady() - began < deadline_seconds:
            key = await self._next_key()
            if key in {"y", "Y"}:
                return True
            if key in {"n", "N", "escape", INTERRUPT}:
                return False
        return False

    async def _next_key(self) -> str | None:
        try:
            async with asyncio.timeout(REDRAW_SECONDS):
                return await self._keys.get()
        except TimeoutError:
            return None

    @contextlib.asynccontextmanager
    async def _question(self) -> AsyncIterator[None]:
        """A question is on the screen: earlier keys are forgotten, live lines wait."""
        if self._live:
            self._terminal.write(ERASE_LINE)
        self._terminal.forget_keys()
        while not self._keys.empty():
            self._keys.get_nowait()
        self._question_open = True
        self._drawn = 0
        try:
            yield
        finally:
            self._question_open = self._crowded = False
            self._draw_foot()
            held, self._held = self._held, []
            for line in held:
                self.show(line)

    def _draw(self, lines: list[str]) -> None:
        """Draw over what was drawn before; each line is cut to the window, so that counting lines is right."""
        rows = self._rows_of(lines)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._terminal.write(f"{up}\r\x1b[J" + "\n".join(rows) + "\n")
        self._drawn = len(rows)

    def _rows_of(self, lines: list[str]) -> list[str]:
        return [self._line + part for line in lines for part in wrapped(line, self._width)]

    def _key(self, key: str) -> None:
        if self._live and (key == INTERRUPT or (key in END_KEYS and not self._writing)):
            self.ask_to_end("customer")
        elif self._question_open:
            if not self._keys.full():
                self._keys.put_nowait(key)
        elif self._live:
            self._take(self._foot.press(key))
            self._draw_foot()

    @property
    def _writing(self) -> bool:
        """Whether letters are text now."""
        return self._typing if self._question_open else self._foot.writing

    def _take(self, act: CustomerAct | None) -> None:
        if act is not None and not self._acts.full():
            self._acts.put_nowait(act)

    @property
    def _width(self) -> int:
        """Columns a line may take; one is left free, so that no terminal wraps by itself."""
        return max(1, self._terminal.columns() // (2 if self._line else 1) - 1)

    @property
    def _line(self) -> str:
        """What begins each line; a question that needs more room than large letters leave is in usual ones."""
        return DOUBLE_WIDTH if self._large and not self._crowded else ""

    def _draw_foot(self) -> None:
        if self._live and not self._question_open:
            self._terminal.write(ERASE_LINE + self._foot_text())

    def _foot_text(self) -> str:
        return self._line + self._foot.line(self._width)

    def _ending(self) -> "asyncio.Future[str]":
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
        return self._end


def _plain(text: HostileStr) -> str:
    return say("ask.detail", detail=text)


def _plan_lines(question: PlanQuestion) -> list[str]:
    steps = [say("plan.step", number=number, step=step) for number, step in enumerate(question.steps, 1)]
    deadline = int(question.deadline_seconds)
    if question.screen:
        title, keys = say("screen.title", name=question.title), say("screen.keys", deadline=deadline)
    elif question.ask:
        title, keys = say("ask-step.title", title=question.title), say("ask-step.keys", deadline=deadline)
    elif question.undo:
        title, keys = say("ask.detail", detail=question.title), say("undo.keys", deadline=deadline)
    else:
        title = say("plan.title", title=question.title, risk=question.risk)
        keys = say("plan.keys", deadline=deadline, digest=question.digest[:8])
    return [f"  {line}" for line in ["", title, *_consent_line(question), *steps, keys]]


def _consent_line(question: PlanQuestion) -> list[str]:
    return [say("ask.detail", detail=question.consent)] if question.consent else []


def _answer_line(question: ConsentQuestion, answer: ConsentAnswer, screen: ConsentScreen) -> str:
    if answer.timed_out:
        return say("ask.timed-out", seconds=int(question.deadline_seconds))
    if answer.welcome:
        return say("ask.welcomed", newcomer=question.newcomer)
    if not answer.scopes:
        return say("ask.denied")
    titles = ", ".join(wish_title(wish) for wish in answer.scopes)
    until = (screen.now + timedelta(seconds=answer.seconds)).astimezone()
    return say("ask.allowed", scopes=titles, until=f"{until:%H:%M}")
