"""What the tools of macOS print: JSON of system_profiler first, plain text where there is no JSON.

Rule: every answer is bounded by its caller and taken apart defensively; what is not of the expected form is left out.
"""

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from remote_assist.diagnostics.look import Look, Unavailable

Row = dict[str, object]

PROFILER_SECONDS = 25.0


async def profile(look: Look, *kinds: str) -> dict[str, list[Row]]:
    """Sections of `system_profiler -json`, asked for once a run. Raises Unavailable."""
    argv = ("system_profiler", "-json", "-detailLevel", "mini", *kinds)
    text = await look.run(*argv, timeout_seconds=PROFILER_SECONDS, max_bytes=4 << 20)
    try:
        found = msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise Unavailable("system_profiler: its answer is no JSON") from error
    return {kind: [row for row in _list(found.get(kind)) if isinstance(row, dict)] for kind in kinds}


def below(rows: list[Row]) -> Iterator[Row]:
    """Every row and everything in its `_items`, however deep."""
    for row in rows:
        yield row
        yield from below([each for each in _list(row.get("_items")) if isinstance(each, dict)])


def text_of(row: Row, *keys: str) -> str:
    """The first of these keys that holds a text."""
    return next((str(row[key]) for key in keys if isinstance(row.get(key), str) and row[key]), "")


def part_of(row: Row, key: str) -> Row:
    """A mapping below, or an empty one."""
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def pairs(text: str, mark: str = ":") -> dict[str, str]:
    """`key: value` lines."""
    split = (line.partition(mark) for line in text.splitlines() if mark in line)
    return {key.strip(): value.strip() for key, _, value in split}


def number(text: str, default: float = 0.0) -> float:
    """The first number in a text."""
    match = re.search(r"-?\d{1,15}(?:\.\d{1,9})?", text)
    return float(match[0]) if match else default


def moment(text: str, form: str) -> datetime | None:
    """A time by strptime, or None."""
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - each caller's form has a zone, or is local by its nature
    except ValueError:
        return None


def present(**values: object) -> Row:
    """The values that are known: None and empty texts are left out."""
    return {key: value for key, value in values.items() if value is not None and value != ""}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
