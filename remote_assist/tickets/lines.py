"""One line of a ticket note from one audit record: time, who, what in words, on what, how it ended.

Rule 1: only clear fields are told (PROTOCOL 5); sealed content never reaches a ticket by itself.
Rule 2: every value came from a peer and passes `safe_text`; a record is always exactly one line.
"""

from remote_assist.core.hostile import safe_text
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Record

MAX_VALUE_CHARS = 200
MAX_PATHS = 5
"""Paths named in a line; the record holds all of them."""

MAX_LINE_CHARS = 1200


def event_id(session: str, seq: int) -> str:
    """The name of a record in notes: `s-…/7`."""
    return f"{session}/{seq}"


def line_of(record: Record, *, technician: str) -> str:
    """The line a ticket shows for `record`; `technician` is the name in the session's opening certificate."""
    parts = [CODES[record.code].sentence, *_details(record)]
    text = f"{record.time[:10]} {record.time[11:19]} {_actor(record, technician)}: {'; '.join(parts)}"
    return _safe(text, MAX_LINE_CHARS)


def _actor(record: Record, technician: str) -> str:
    name = technician if record.actor.kind == "technician" else record.actor.kind
    behalf = f" for {record.actor.on_behalf_of}" if record.actor.on_behalf_of else ""
    return _safe(name + behalf)


def _details(record: Record) -> list[str]:
    found = []
    if record.scope:
        found.append(f"scope {_safe(record.scope)}")
    for value in (record.catalog, record.program, record.target):
        if value:
            found.append(_safe(value))
    if record.paths:
        found.append(_paths(record.paths))
    if record.outcome is not None:
        found.append(_outcome(record))
    return found


def _paths(paths: tuple[str, ...]) -> str:
    named = ", ".join(_safe(path) for path in paths[:MAX_PATHS])
    more = len(paths) - MAX_PATHS
    return f"{named} and {more} more" if more > 0 else named


def _outcome(record: Record) -> str:
    outcome = record.outcome
    assert outcome is not None
    text = _safe(outcome.status)
    if record.program and record.code.endswith("O"):
        text += f", exit {outcome.exit}"
    if outcome.size:
        text += f", {outcome.size} bytes"
    if outcome.reason and outcome.reason != outcome.status:
        text += f" ({_safe(outcome.reason)})"
    return text


def _safe(text: str, limit: int = MAX_VALUE_CHARS) -> str:
    return str(safe_text(text, max_chars=limit))
