"""A session as people read it: one line a record, who did what and how it ended. Pure: records in, lines out.

Strings of records stay as they were written; whoever prints a line passes it through `safe_text`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from remote_assist.core.codec import decode
from remote_assist.core.messages import SignedStatement
from remote_assist.core.record_codes import CODES, RECORDS_BEGUN, Kind
from remote_assist.core.records import Outcome, Record, parse_time
from remote_assist.errors import RemoteProtocolError

Opened = Mapping[tuple[int, str], bytes]
"""(seq, field name) → value of a sealed field that was opened."""

COMMITMENT_CHARS = 12
"""How much of a commitment a line shows."""

MAX_VALUE_CHARS = 2000
"""How much of an opened value a line shows."""

_SHOWN_PATHS = 5
_MARKS = {Kind.INTENT: "→", Kind.OUTCOME: "←", Kind.EVENT: "·", Kind.REFUSAL: "✗"}


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One record in words. `sealed`: (field, value or `sealed` and its commitment). `mark`: → ← · ✗.

    `seconds`: of an outcome, since its intent by the agent's clock; None where that clock went back in between,
    or where a time cannot be read.
    """

    seq: int
    time: str
    code: str
    mark: str
    who: str
    what: str
    outcome: str
    sealed: tuple[tuple[str, str], ...]
    seconds: float | None = None

    def text(self, *, durations: bool = False) -> str:
        """The whole line; receipts hold it without durations, and verifying one builds it anew.

        `09:30:01  →  Alice Example  Runs a program: ls (sealed arguments 1f2e…)`.
        """
        parts = [f"{self.time[:19].replace('T', ' ')}  {self.mark}  {self.who}: {self.what}"]
        took = f", {seconds_words(self.seconds)}" if durations and self.seconds is not None else ""
        if self.outcome:
            parts.append(f"— {self.outcome}{took}")
        parts.extend(f"[{name}: {value}]" for name, value in self.sealed)
        return " ".join(parts)


def timeline(
    records: Iterable[Record], *, opened: Opened | None = None, names: Mapping[str, str] | None = None
) -> list[TimelineLine]:
    """Lines of `records`, in order. `names`: key fingerprint → name, as a verified log or list gives it."""
    begun: dict[tuple[str, str], datetime | None] = {}
    lines = []
    for record in records:
        code, moment = CODES[record.code], _moment(record.time)
        seconds = None
        if code.is_intent:
            begun[code.family, record.action] = moment
        elif code.is_outcome:
            seconds = _seconds_between(begun.pop((code.family, record.action), None), moment)
        line = _line(record, opened or {}, names or {})
        lines.append(line if seconds is None or seconds < 0 else replace(line, seconds=seconds))
    return lines


def seconds_words(seconds: float) -> str:
    """`0.42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def span_words(start: str, end: str) -> str:
    """How long from one record time to another, in words; `no time` where the clock went back.

    `an unknown time` where one of them cannot be read.
    """
    seconds = _seconds_between(_moment(start), _moment(end))
    if seconds is None:
        return "an unknown time"
    return seconds_words(seconds) if seconds >= 0 else "no time"


def size_words(size: int) -> str:
    """`1,234 bytes`."""
    return f"{size:,} byte{'' if size == 1 else 's'}"


def subject_words(record: Record) -> str:
    """What a record is about, from its clear fields: program, catalog item, paths, target."""
    parts = [part for part in (record.program, record.catalog) if part]
    if record.paths:
        shown = ", ".join(record.paths[:_SHOWN_PATHS])
        more = len(record.paths) - _SHOWN_PATHS
        parts.append(shown + (f" and {more} more" if more > 0 else ""))
    if record.target:
        parts.append(f"on {record.target}")
    return " ".join(parts)


def outcome_words(outcome: Outcome | None) -> str:
    """How it ended: `done`, `failed, exit 3, no-such-file`."""
    if outcome is None:
        return ""
    parts = [outcome.status]
    if outcome.exit:
        parts.append(f"exit {outcome.exit}")
    if outcome.size:
        parts.append(size_words(outcome.size))
    if outcome.reason:
        parts.append(outcome.reason)
    return ", ".join(parts)


def _moment(text: str) -> datetime | None:
    # a log with a damaged time must still be shown: judging it is the verifier's part
    try:
        return parse_time(text)
    except RemoteProtocolError:
        return None


def _seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


def _line(record: Record, opened: Opened, names: Mapping[str, str]) -> TimelineLine:
    code = CODES[record.code]
    told = (_opening_words(record), record.about, _detail_words(record), subject_words(record), _scope_words(record))
    about = [part for part in told if part]
    return TimelineLine(
        seq=record.seq,
        time=record.time,
        code=record.code,
        mark=_MARKS[code.kind],
        who=_who(record, names),
        what=code.sentence + (f": {'; '.join(about)}" if about else ""),
        outcome=outcome_words(record.outcome),
        sealed=tuple((name, _sealed_words(record, name, opened)) for name in sorted(record.sealed)),
    )


def _who(record: Record, names: Mapping[str, str]) -> str:
    actor = record.actor
    name = names.get(actor.key) or actor.kind
    return f"{name} for {actor.on_behalf_of}" if actor.on_behalf_of else name


def _opening_words(record: Record) -> str:
    if record.opening is None:
        return ""
    if record.code == RECORDS_BEGUN:
        return ""
    try:
        statement = decode(record.opening.statement, SignedStatement)
    except RemoteProtocolError:
        return "a statement that cannot be read"
    return f"ticket {statement.ticket}, {statement.subject}"


def _detail_words(record: Record) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(record.details.items()))


def _scope_words(record: Record) -> str:
    sizes = ", ".join(f"{name} {size:,}" for name, size in sorted(record.sizes.items()))
    scope = f"scope {record.scope}" if record.scope else ""
    return ", ".join(part for part in (scope, sizes) if part)


def _sealed_words(record: Record, name: str, opened: Opened) -> str:
    value = opened.get((record.seq, name))
    if value is None:
        return f"sealed {record.sealed[name].commitment[:COMMITMENT_CHARS]}"
    text = value.decode("utf-8", "backslashreplace")
    return text if len(text) <= MAX_VALUE_CHARS else text[:MAX_VALUE_CHARS] + " …"
