"""The customer's screen in a plain terminal, behind core/prompt.Prompt: questions, live lines, the end key.

Rule 1: keys typed before a question appeared do not answer it. Rule 2: one question at a time; live lines that come
meanwhile are shown after it. Rule 3: the end key works at any time, also during a question.
"""

import asyncio
import contextlib
import re
import time
import unicodedata
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Protocol

from remote_assist.agent.consent_screen import BACKSPACE, ENTER, INTERRUPT, ConsentScreen, open_screen
from remote_assist.agent.texts import say, wish_title
from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion, PlanQuestion
from remote_assist.errors import ConsentDenied

SCOPE_ROW = re.compile(r"\s*>?\s*\d \[[x ]\] .*?\S {3,}(?=\S)")
"""A scope of the consent screen up to its explanation."""

END_KEYS = frozenset({"e", "E", INTERRUPT})
REDRAW_SECONDS = 1.0
"""How often the countdown of a question is drawn anew."""

MAX_CODE_CHARS = 120
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


class PromptTerminal:
    """Questions and live lines on one terminal. `steady` counts seconds, `now` is the wall clock."""

    def __init__(
        self,
        terminal: Terminal,
        *,
        ask_each: bool = False,
        steady: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._terminal = terminal
        self._ask_each = ask_each
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
        self.show(_answer_line(question, answer, screen))
        return answer

    async def allow_plan(self, question: PlanQuestion) -> bool:
        """Show one plan; silence is a no."""
        async with self._asking, self._question():
            self._draw(_plan_lines(question))
            allowed = await self._yes_or_no(question.deadline_seconds)
        if not question.undo and not question.ask:
            self.show(say("plan.allowed" if allowed else "plan.denied"))
        return allowed

    def show(self, line: str) -> None:
        """A live line with the time; held back while a question is open."""
        if self._question_open:
            del self._held[: max(0, len(self._held) - MAX_WAITING_LINES + 1)]
            self._held.append(line)
            return
        self._terminal.write(f"  {self._now().astimezone():%H:%M:%S}  {line}\n")

    async def end_requested(self) -> str:
        """Wait for the end key (e, Ctrl-C, or the window closing)."""
        self._live = True
        return await self._ending()

    def ask_to_end(self, reason: str) -> None:
        """A signal wants the session to end."""
        future = self._ending()
        if not future.done():
            future.set_result(reason)

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
            self._draw(screen.lines(self._steady() - began))
            key = await self._next_key()
            elapsed = self._steady() - began
            screen = screen.after_time(elapsed) if key is None else screen.after_key(key, elapsed)
        self._typing = False
        return screen.answer

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
        self._terminal.forget_keys()
        while not self._keys.empty():
            self._keys.get_nowait()
        self._question_open = True
        self._drawn = 0
        try:
            yield
        finally:
            self._question_open = False
            held, self._held = self._held, []
            for line in held:
                self.show(line)

    def _draw(self, lines: list[str]) -> None:
        """Draw over what was drawn before; each line is cut to the window, so that counting lines is right."""
        width = self._terminal.columns()
        wrapped = [part for line in lines for part in _wrap(line, width - 1)]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._terminal.write(f"{up}\r\x1b[J" + "\n".join(wrapped) + "\n")
        self._drawn = len(wrapped)

    def _key(self, key: str) -> None:
        if self._live and (key == INTERRUPT or (key in END_KEYS and not self._typing)):
            self.ask_to_end("customer")
        if self._question_open and not self._keys.full():
            self._keys.put_nowait(key)

    def _ending(self) -> "asyncio.Future[str]":
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
        return self._end


def _wrap(line: str, width: int) -> list[str]:
    """`line` in pieces of at most `width` columns, cut at spaces, further pieces under the first one's text."""
    indent = " " * min(_hanging(line), width // 2)
    parts: list[str] = []
    while (fits := _fitting(line, width)) < len(line):
        cut = line.rfind(" ", len(indent) + 1, fits + 1)
        cut = max(fits, len(indent) + 1) if cut <= len(indent) else cut
        parts.append(line[:cut].rstrip())
        line = indent + line[cut:].lstrip()
    return [*parts, line]


def _hanging(line: str) -> int:
    """The column where a line's text begins; in a line of the scope table, where its explanation does."""
    row = SCOPE_ROW.match(line)
    return row.end() if row else len(line) - len(line.lstrip())


def _fitting(line: str, width: int) -> int:
    """How many characters of `line` fit into `width` columns; wide ones (East Asian) take two."""
    columns = 0
    for count, sign in enumerate(line):
        columns += 2 if unicodedata.east_asian_width(sign) in {"W", "F"} else 1
        if columns > width:
            return count
    return len(line)


def _plan_lines(question: PlanQuestion) -> list[str]:
    steps = [say("plan.step", number=number, step=step) for number, step in enumerate(question.steps, 1)]
    deadline = int(question.deadline_seconds)
    if question.ask:
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
    if not answer.scopes:
        return say("ask.denied")
    titles = ", ".join(wish_title(wish) for wish in answer.scopes)
    until = screen.now.astimezone()
    return say("ask.allowed", scopes=titles, until=f"{until:%H:%M} + {answer.seconds // 60} min")
