"""The customer's answer given beforehand: `--accept SCOPES`; for further technicians also `--accept-second`.

Rule 1: without a screen it never opens a terminal. Rule 2: where a person has to judge (first contact, a plan that
must be asked about) the question goes to the screen, and without one the answer is no.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion, CustomerAct, PlanQuestion, Prompt, TypedQuestion
from remote_assist.core.wishes import common

NO = ConsentAnswer(scopes=(), seconds=0)


class PromptUnattended:
    """Answers from the wishes `accepted`, for at most `seconds`. Implements core/prompt.Prompt."""

    def __init__(
        self,
        accepted: Collection[str],
        seconds: int,
        *,
        write_line: Callable[[str], None] = lambda line: None,
        screen: Prompt | None = None,
        welcomes: bool = False,
    ) -> None:
        self._accepted = frozenset(accepted)
        self._seconds = seconds
        self._welcomes = welcomes
        self._write_line = write_line
        self._screen = screen
        self._end: asyncio.Future[str] | None = None

    @property
    def can_ask(self) -> bool:
        """Only where there is a screen beside the answers given beforehand."""
        return self._screen is not None

    async def consent(self, question: ConsentQuestion) -> ConsentAnswer:
        """Asked ∩ accepted, for the earlier of both ends; at first contact the screen's answer, or no."""
        scopes = common(question.scopes, self._accepted)
        seconds = min(question.seconds, self._seconds)
        if question.newcomer and not self._welcomes:
            return NO if self._screen is None else await self._screen.consent(question)
        if not scopes and question.scopes:
            return NO
        if question.verified:
            return ConsentAnswer(scopes=scopes, seconds=seconds, welcome=bool(question.newcomer))
        if self._screen is None:
            return NO
        return await self._screen.consent(replace(question, scopes=scopes, seconds=seconds))

    async def allow_plan(self, question: PlanQuestion) -> bool:
        """Ask on the screen; without one nobody can read the plan, so no; and what was half done is undone."""
        if self._screen is None:
            return question.undo
        return await self._screen.allow_plan(question)

    async def typed(self, question: TypedQuestion) -> str | None:
        """What is typed at the screen; without one nothing."""
        return None if self._screen is None else await self._screen.typed(question)

    def show(self, line: str) -> None:
        """A live line on the screen, or where the caller wants it."""
        if self._screen is not None:
            self._screen.show(line)
        else:
            self._write_line(line)

    async def act(self) -> CustomerAct:
        """What is typed at the screen; without one nobody wants anything."""
        if self._screen is None:
            never: asyncio.Future[CustomerAct] = asyncio.get_running_loop().create_future()
            return await never
        return await self._screen.act()

    async def end_requested(self) -> str:
        """Wait for `ask_to_end`, or for the screen's end key."""
        asked = self._ending()
        if self._screen is None:
            return await asked
        key = asyncio.ensure_future(self._screen.end_requested())
        try:
            await asyncio.wait({asked, key}, return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else key.result()
        finally:
            key.cancel()

    async def told_to_end(self) -> None:
        """Wait for `ask_to_end`; keys of the screen do not count."""
        await asyncio.shield(self._ending())

    def ask_to_end(self, reason: str) -> None:
        """A signal or a caller wants the session to end."""
        future = self._ending()
        if not future.done():
            future.set_result(reason)

    def _ending(self) -> "asyncio.Future[str]":
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
        return self._end
