"""Evidence of a finding: which facts it rests on, found again by their JSON pointer."""

from collections.abc import Mapping, Sequence

import msgspec
from rich.text import Text

from remote_assist.core.counted import counted
from remote_assist.tui.ports import EvidencePort
from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.text import joined, shown

MAX_LINES = 60
"""Most pieces of evidence drawn; the rest is counted."""

MAX_VALUE_CHARS = 400


class NoSuchFact(LookupError):
    """The pointer leads nowhere in this bundle."""


def evidence_text(evidence: Sequence[EvidencePort], facts: Mapping[str, object]) -> Text:
    """One line a piece: `listening_ports#/3  program=apache2 pid=812 port=80`."""
    text = Text(end="")
    for piece in evidence[:MAX_LINES]:
        text.append_text(joined(" ", shown(f"{piece.collector}#{piece.pointer or '/'}", max_chars=200)))
        try:
            value = fact_at(facts, piece.collector, piece.pointer)
        except NoSuchFact:
            text.append("\n")
            continue
        text.append("  ").append_text(shown(brief(value), FAINT, max_chars=MAX_VALUE_CHARS)).append("\n")
    if len(evidence) > MAX_LINES:
        text.append(f" … and {len(evidence) - MAX_LINES} more\n", FAINT)
    return text


def pointer_steps(pointer: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def fact_at(facts: Mapping[str, object], collector: str, pointer: str) -> object:
    """The fact a pointer names. Raises NoSuchFact."""
    value: object = facts
    for step in [collector, *pointer_steps(pointer)]:
        value = _below(value, step)
    return value


def brief(value: object) -> str:
    """A fact on one line: a row as `name=value`, a larger thing by its size."""
    if isinstance(value, Mapping):
        flat = {name: item for name, item in value.items() if not isinstance(item, Mapping | list | tuple)}
        if flat:
            return " ".join(f"{name}={_word(item)}" for name, item in flat.items())
    if isinstance(value, Mapping | list | tuple):
        return counted(len(value), "entry", "entries")
    return _word(value)


def _below(value: object, step: str) -> object:
    if isinstance(value, Mapping) and step in value:
        found: object = value[step]
        return found
    if isinstance(value, list | tuple) and step.isascii() and step.isdecimal() and int(step[:9]) < len(value):
        return value[int(step[:9])]
    raise NoSuchFact(step)


def _word(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
