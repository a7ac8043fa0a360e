"""The customer's answer that stands: what was signed at this machine decides, nobody is asked.

Rule 1: it is read anew for every question. Rule 2: who comes later (a second technician) is never let in, and a plan
that must be asked about is not allowed; what was half done is undone.
"""

from collections.abc import Callable
from datetime import datetime

from remote_assist.agent.enrolled.holdings import EnrolledHome
from remote_assist.agent.prompt.unattended import NO, PromptUnattended
from remote_assist.core.agreements.standing import allowed
from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion
from remote_assist.errors import AssistError


class PromptStanding(PromptUnattended):
    """Answers from the standing consent in `home`. Implements core/prompt.Prompt."""

    def __init__(self, home: EnrolledHome, clock: Callable[[], datetime], *, write_line: Callable[[str], None]) -> None:
        super().__init__((), 0, write_line=write_line)
        self._home = home
        self._clock = clock
        self.why_not = ""

    async def consent(self, question: ConsentQuestion) -> ConsentAnswer:
        """Asked ∩ standing, until the earliest end."""
        if question.newcomer or not question.verified:
            self.why_not = "a standing consent lets nobody else in"
            return NO
        try:
            wishes, seconds = allowed(
                self._home.standing(),
                name=question.name,
                asked=question.scopes,
                seconds=question.seconds,
                now=self._clock(),
            )
        except AssistError as error:
            self.why_not = error.message
            return NO
        return ConsentAnswer(scopes=wishes, seconds=seconds)
