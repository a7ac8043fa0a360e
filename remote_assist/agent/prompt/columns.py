"""How wide text is on a terminal, and where a line is cut: East Asian characters take two columns. Pure."""

import re
import unicodedata

SCOPE_ROW = re.compile(r"\s*>?\s*\d \[[x ]\] .*?\S {3,}(?=\S)")
"""A scope of the consent screen up to its explanation."""


TICK = re.compile(r"\s*>?\s*\d \[[x ]\] ")
LEAST_ROOM = 45
"""Columns an explanation wants beside its title."""


def cells(text: str) -> int:
    """Columns `text` takes; combining marks take none."""
    return sum(map(_cells_of, text))


def padded(text: str, width: int) -> str:
    """`text` with spaces after it, `width` columns in all."""
    return text + " " * max(0, width - cells(text))


def tail(text: str, width: int) -> str:
    """The end of `text` that fits into `width` columns."""
    start = 0
    while cells(text[start:]) > width:
        start += 1
    return text[start:]


def head(text: str, width: int) -> str:
    """The beginning of `text` that fits into `width` columns."""
    return text[: fitting(text, width)]


def wrapped(line: str, width: int) -> list[str]:
    """`line` in pieces of at most `width` columns, cut at spaces, further pieces under the first one's text.

    A scope whose explanation has little room beside its title gets it behind the title.
    """
    row = SCOPE_ROW.match(line)
    if row and width - cells(line[: row.end()]) < LEAST_ROOM:
        line = f"{line[: row.end()].rstrip()} – {line[row.end() :]}"
    indent = " " * min(_hanging(line), width // 2)
    parts: list[str] = []
    while (fits := fitting(line, width)) < len(line):
        cut = line.rfind(" ", len(indent) + 1, fits + 1)
        cut = max(fits, len(indent) + 1) if cut <= len(indent) else cut
        parts.append(line[:cut].rstrip())
        line = indent + line[cut:].lstrip()
    return [*parts, line]


def _hanging(line: str) -> int:
    """The column where a line's text begins; in a line of the scope table, where its title or explanation does."""
    row = SCOPE_ROW.match(line) or TICK.match(line)
    return cells(line[: row.end()]) if row else len(line) - len(line.lstrip())


def fitting(line: str, width: int) -> int:
    """How many characters of `line` fit into `width` columns; wide ones (East Asian) take two."""
    columns = 0
    for count, sign in enumerate(line):
        columns += _cells_of(sign)
        if columns > width:
            return count
    return len(line)


def _cells_of(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in {"W", "F"} else 1
