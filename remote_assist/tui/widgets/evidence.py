"""Evidence of a finding as lines: where it stands in the bundle, and what stands there."""

from collections.abc import Sequence

import msgspec
from rich.text import Text

from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.text import joined, shown

MAX_LINES = 60
"""Most pieces of evidence drawn; the rest is counted."""

PLACE_FIELDS = ("place", "where", "fact", "path", "source")
WORD_FIELDS = ("text", "value", "excerpt", "detail")


def evidence_text(evidence: Sequence[object]) -> Text:
    """One line a piece: `logs/nginx.service:14-17  bind() to 0.0.0.0:80 failed`."""
    text = Text(end="")
    for piece in list(evidence)[:MAX_LINES]:
        place, words = split(piece)
        text.append_text(joined(" ", shown(place, FAINT, max_chars=200), "  " if place and words else ""))
        text.append_text(shown(words, max_chars=600)).append("\n")
    if len(evidence) > MAX_LINES:
        text.append(f" … and {len(evidence) - MAX_LINES} more\n", FAINT)
    return text


def split(piece: object) -> tuple[str, str]:
    """Place and words of a piece, whatever shape the evaluator gave it: a string, a pair or named fields."""
    if isinstance(piece, str):
        return "", piece
    if isinstance(piece, tuple | list) and len(piece) == 2:
        return str(piece[0]), _words(piece[1])
    place = next((str(getattr(piece, name)) for name in PLACE_FIELDS if getattr(piece, name, None)), "")
    words = next((getattr(piece, name) for name in WORD_FIELDS if getattr(piece, name, None) is not None), None)
    if not place and words is None:
        return "", _words(piece)
    return place, "" if words is None else _words(words)


def _words(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
