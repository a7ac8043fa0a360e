"""What was done in a session: an intent with its outcome, and what came of it later."""

from collections.abc import Iterator
from dataclasses import dataclass

from remote_assist.audit.timeline import outcome_words, seconds_words, subject_words
from remote_assist.audit.whole_log import Entry, SessionLog
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import parse_time

_CONCLUDES = {"RA1901E": "aborted, never started", "RA1302E": "rolled back", "RA1303E": "left half-applied"}


@dataclass(frozen=True, slots=True)
class Deed:
    """One act. `later`: what concluded it beside or after its outcome."""

    session: SessionLog
    intent: Entry
    outcome: Entry | None
    later: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        return CODES[self.intent.record.code].family

    @property
    def what(self) -> str:
        """Its name and what it was about."""
        about = subject_words(self.intent.record)
        return CODES[self.intent.record.code].name + (f" {about}" if about else "")

    @property
    def ended(self) -> str:
        """How it ended, in words."""
        words = [outcome_words(self.outcome.record.outcome)] if self.outcome is not None else []
        return ", ".join([*words, *self.later]) or "NO OUTCOME"

    @property
    def took(self) -> str:
        """How long by the agent's clock; empty where it went back."""
        if self.outcome is None:
            return ""
        span = parse_time(self.outcome.record.time) - parse_time(self.intent.record.time)
        return seconds_words(span.total_seconds()) if span.total_seconds() >= 0 else ""

    @property
    def succeeded(self) -> bool:
        """Whether it was done and stayed so."""
        outcome = None if self.outcome is None else self.outcome.record.outcome
        return outcome is not None and outcome.status == "done" and not outcome.exit and not self.later


def deeds_of(session: SessionLog) -> Iterator[Deed]:
    """Every intent of a session, in order."""
    outcomes: dict[tuple[str, str], Entry] = {}
    later: dict[str, list[str]] = {}
    for entry in session.entries:
        record = entry.record
        if record.code in _CONCLUDES and record.action:
            later.setdefault(record.action, []).append(_CONCLUDES[record.code])
        elif CODES[record.code].is_outcome:
            outcomes.setdefault((CODES[record.code].family, record.action), entry)
    for entry in session.entries:
        record = entry.record
        if CODES[record.code].is_intent:
            outcome = outcomes.get((CODES[record.code].family, record.action))
            yield Deed(session, entry, outcome, tuple(later.get(record.action, ())))
