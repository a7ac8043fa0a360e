"""What becomes of a delivery after an attempt. Pure: times are arguments, no dice.

    waiting ── attempt ──▶ trying ── answered ───────────▶ done
       ▲                     ├── not sent, slow down, wrong key ──▶ waiting   (the whole system pauses; not counted)
       │                     ├── unclear ──▶ unclear ── found ──▶ done
       └── operator retries ─┤                 └── not found ──▶ attempt
             dead ◀──────────┴── rejected, absent, unable, or too many attempts

Rule 1: after `unclear` nothing is sent again before the mark was looked for and not found.
Rule 2: a fault of the system as a whole never counts against a note, however long it lasts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from remote_assist.errors import Fault, TicketSystemError

WAITING, TRYING, UNCLEAR, DONE, DEAD = "waiting", "trying", "unclear", "done", "dead"
UNDELIVERED = (WAITING, TRYING, UNCLEAR)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
CREDENTIAL_PAUSE_SECONDS = 60.0
LONGEST_SETTLE_SECONDS = 900.0

OF_THE_SYSTEM = frozenset({Fault.NOT_SENT, Fault.SLOW_DOWN, Fault.CREDENTIAL})
"""Faults that say nothing about the one note."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How patient the outbox is."""

    settle_seconds: float = 20.0
    most_attempts: int = 12


@dataclass(frozen=True, slots=True)
class Verdict:
    """The delivery's next state, when it may be tried, and whether the attempt counts."""

    state: str
    due: datetime
    counts: bool


def after_fault(error: TicketSystemError, *, attempts: int, now: datetime, rules: Rules) -> Verdict:
    """What a failed attempt means for the delivery; `attempts` with this one."""
    if error.fault in OF_THE_SYSTEM:
        return Verdict(WAITING, now, counts=False)
    if error.fault is not Fault.UNCLEAR or attempts >= rules.most_attempts:
        return Verdict(DEAD, now, counts=True)
    settle = min(rules.settle_seconds * 2.0 ** min(attempts - 1, 20), LONGEST_SETTLE_SECONDS)
    return Verdict(UNCLEAR, now + timedelta(seconds=max(settle, error.wait_seconds)), counts=True)


def pause_seconds(error: TicketSystemError, *, failures: int) -> float:
    """How long a whole system is left alone after so many failures in a row."""
    least: float = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE_SECONDS)
    if error.fault is Fault.CREDENTIAL:
        least = max(least, CREDENTIAL_PAUSE_SECONDS)
    return max(least, error.wait_seconds)
