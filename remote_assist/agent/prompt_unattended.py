"""The customer's answer given beforehand: `--accept SCOPES` on a machine where nobody sits at a terminal.

Rule 1: never opens a terminal. Rule 2: says no whenever a person would have to judge: first contact, a plan that
must be asked about, a scope that was not accepted.
"""

import asyncio
from collections.abc import Callable, Collection

from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion, PlanQuestion


class PromptUnattended:
    """Answers from `accepted`, for at most `seconds`. Implements core/prompt.Prompt."""

    def __init__(self, accepted: Collection[str], seconds: int, write_line: Callable[[str], None]) -> None:
        self._accepted = frozenset(accepted)
        self._seconds = seconds
        self._write_line = write_line
        self._end: asyncio.Future[str] | None = None

    async def consent(self, question: ConsentQuestion) -> ConsentAnswer:
        """Asked ∩ accepted, for the earlier of both ends; at first contact nothing."""
        if not question.verified:
            return ConsentAnswer(scopes=(), seconds=0)
        scopes = tuple(scope for scope in question.scopes if scope in self._accepted)
        return ConsentAnswer(scopes=scopes, seconds=min(question.seconds, self._seconds))

    async def allow_plan(self, question: PlanQuestion) -> bool:
        """Nobody is here to read the plan, so no."""
        return False

    def show(self, line: str) -> None:
        """A live line on standard error."""
        self._write_line(line)

    async def end_requested(self) -> str:
        """Wait for `ask_to_end`."""
        return await self._ending()

    def ask_to_end(self, reason: str) -> None:
        """A signal or a caller wants the session to end."""
        future = self._ending()
        if not future.done():
            future.set_result(reason)

    def _ending(self) -> "asyncio.Future[str]":
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
        return self._end
