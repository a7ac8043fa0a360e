"""When a checkpoint goes to a witness outside, and what the log says of it. Pure: the relay asks, and then acts.

    due ── witness has it ──▶ anchored: next in a day
     └──── witness has not ──▶ again after 1, 2, 4, … minutes; the log says so once

Rule: a witness is any place that keeps a checkpoint where this relay cannot change it: a time-stamping authority
(RFC 3161), another organisation's URL, a command. What it answered is its receipt.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remote_assist.core.records import Actor, RecordDraft, format_time, parse_time

ANCHORED, ANCHOR_FAILED = "RA2024E", "RA2025E"

MAX_RECEIPT_BYTES = 64 << 10
"""Longest answer of a witness that is kept."""

TOLD_AFTER_FAILURES = 3
"""An outage is a record once so many tries in a row failed."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often a witness gets a checkpoint, and how soon and how late a failed try is repeated. Seconds."""

    every_seconds: float
    retry_seconds: float
    retry_most_seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one witness. Times are RFC 3339 UTC, empty for never.

    `size` leaves were anchored at `anchored`; the last try was at `tried`; so many `failures` since, the last one
    for `fault`; `told`: the log knows; `asked`: the last wish of an operator that was answered.
    """

    size: int = 0
    anchored: str = ""
    tried: str = ""
    failures: int = 0
    fault: str = ""
    told: bool = False
    asked: str = ""

    def due(self, schedule: Schedule) -> datetime | None:
        """When the next try is due; None for at once."""
        if self.failures:
            wait = min(schedule.retry_seconds * 2 ** min(self.failures - 1, 32), schedule.retry_most_seconds)
            return parse_time(self.tried) + timedelta(seconds=wait)
        return parse_time(self.anchored) + timedelta(seconds=schedule.every_seconds) if self.anchored else None

    def is_due(self, schedule: Schedule, now: datetime) -> bool:
        """Whether to try now. A clock that was set back does not make a witness wait for it."""
        due = self.due(schedule)
        last = parse_time(self.tried) if self.tried else None
        return due is None or due <= now or (last is not None and last > now)

    def succeeded(self, size: int, now: datetime) -> "Standing":
        """A witness has the checkpoint of `size` leaves."""
        return Standing(size, format_time(now), format_time(now), asked=self.asked)

    def failed(self, fault: str, now: datetime) -> "Standing":
        """A try failed."""
        return replace(self, tried=format_time(now), failures=self.failures + 1, fault=fault)

    def age_seconds(self, now: datetime) -> float | None:
        """How long ago a witness took a checkpoint; None for never."""
        return max(0.0, (now - parse_time(self.anchored)).total_seconds()) if self.anchored else None

    @property
    def is_to_be_told(self) -> bool:
        """Whether the log should say now that the witness cannot be reached."""
        return self.failures >= TOLD_AFTER_FAILURES and not self.told


def anchored_details(kind: str, receiver: str, note: str, receipt: bytes) -> dict[str, str]:
    """What the record says of an anchoring, and what whoever holds the anchoring checks it against."""
    return {
        "kind": kind,
        "receiver": receiver,
        "checkpoint": hashlib.sha256(note.encode()).hexdigest(),
        "receipt": hashlib.sha256(receipt).hexdigest(),
    }


def anchored_draft(
    name: str, kind: str, *, receiver: str, note: str, size: int, receipt: bytes, stamped: str = ""
) -> RecordDraft:
    """The relay's record that a witness has a checkpoint. `stamped`: the time in the witness's own signature."""
    details = anchored_details(kind, receiver, note, receipt)
    if stamped:
        details["stamped"] = stamped
    actor = Actor(kind="relay")
    return RecordDraft(code=ANCHORED, actor=actor, about=f"anchor {name}", sizes={"size": size}, details=details)


def failed_draft(name: str, standing: Standing) -> RecordDraft:
    """The relay's record that a witness cannot be reached."""
    details = {"failures": str(standing.failures), "last": standing.anchored or "never"}
    return RecordDraft(code=ANCHOR_FAILED, actor=Actor(kind="relay"), about=f"anchor {name}", details=details)
