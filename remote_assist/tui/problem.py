"""An error as a person reads it."""

from dataclasses import dataclass

from remote_assist.errors import AssistError

OUT_OF_SCOPE = "out-of-scope"
"""Reason of a refusal that a further consent would lift."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a person reads it; both strings may hold a peer's words."""

    sentence: str
    advice: str = ""
    reason: str = ""

    @classmethod
    def of(cls, error: AssistError) -> "Problem":
        return cls(error.message, error.advice, str(getattr(error, "reason", "")))

    @property
    def in_full(self) -> str:
        """What is wrong and what to do, on a screen of a session."""
        advice = "Press p to ask the customer for it." if self.reason == OUT_OF_SCOPE else self.advice
        sentence = self.sentence if self.sentence.endswith((".", "!", "?")) else f"{self.sentence}."
        return f"{sentence} {advice}".strip()
