"""How a note on a foreign ticket says which note of ours it is, and which events it tells.

    2026-11-22 10:00:07 Alice Example: Runs a program; …
    -- remote-assist s-abc…/3-9,12 [ra-note:0123…]

Rule: the mark is the note's event key; it is the same at every retry and on no other note.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

from remote_assist.core.codes import is_session_id

_MARK = re.compile(r"\[ra-note:([0-9a-f]{32})\]")
_TOLD = re.compile(r"-- remote-assist ((?:s-[a-z2-7]{16}/[0-9,-]+ ?)*)\[ra-note:")
MAX_RANGE = 10_000
"""Events one range may name: a note never tells more."""


def note_key(*parts: str) -> str:
    """The event key made of what names a write: 32 hex digits."""
    digest = hashlib.sha256(b"remote-assist/1 note")
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()[:32]


def mark_of(key: str) -> str:
    """The mark as it stands in a note."""
    return f"[ra-note:{key}]"


def marked(text: str, key: str, events: Sequence[str] = ()) -> str:
    """The text of a note with its last line: what it tells, and its mark."""
    told = "".join(f"{name} " for name in ranges(events))
    return f"{text}\n-- remote-assist {told}{mark_of(key)}"


def key_in(text: str) -> str:
    """The event key of a note of ours; empty for anybody else's."""
    found = _MARK.findall(text)
    return found[-1] if found else ""


def events_in(text: str) -> tuple[str, ...]:
    """The event ids that a note tells."""
    found = _TOLD.findall(text)
    return tuple(event for part in (found[-1].split() if found else []) for event in _events(part))


def ranges(events: Iterable[str]) -> list[str]:
    """`s-…/3 s-…/4 s-…/7` as `s-…/3-4,7`, in the order of sessions."""
    seqs: dict[str, list[int]] = {}
    for event in events:
        session, _, seq = event.rpartition("/")
        seqs.setdefault(session, []).append(int(seq))
    return [f"{session}/{','.join(_runs(sorted(found)))}" for session, found in seqs.items()]


def _runs(numbers: Sequence[int]) -> list[str]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in runs]


def _events(part: str) -> list[str]:
    session, _, runs = part.partition("/")
    found: list[str] = []
    for run in runs.split(","):
        first, _, last = run.partition("-")
        if not (is_session_id(session) and first.isdigit() and (last or first).isdigit()):
            return []
        span = range(int(first), int(last or first) + 1)
        if len(span) > MAX_RANGE:
            return []
        found += [f"{session}/{seq}" for seq in span]
    return found
