"""Whether a pattern of the catalog ends in bounded time, whatever text it is given.

Python's `re` goes back and tries again; a repeat inside a repeat, or many in a row, can take longer than anybody lives.
(CEL's `matches` is RE2, which cannot.)
"""

import re
import re._constants as tokens  # type: ignore[import-not-found]  # typeshed has not what `re` is made of
import re._parser as parser  # type: ignore[import-not-found]  # the same
from collections.abc import Iterable

MAX_PATTERN_CHARS = 500
MAX_REPEATS = 3
"""Unbounded repeats in one pattern."""

MANY = 64
"""A repeat of more than so many counts as unbounded."""


def pattern_fault(pattern: str) -> str:
    """What is wrong with a pattern, or empty."""
    if len(pattern) > MAX_PATTERN_CHARS:
        return f"the pattern is longer than {MAX_PATTERN_CHARS} characters"
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"the pattern is none: {error}"
    counted = _repeats(tree, inside=False)
    if counted is None:
        return "a repeat inside a repeat can take forever"
    return "" if counted <= MAX_REPEATS else f"more than {MAX_REPEATS} repeats in one pattern can take very long"


def _repeats(tree: Iterable[tuple[object, object]], *, inside: bool) -> int | None:
    """Unbounded repeats in a parsed pattern; None when one is inside another."""
    total = 0
    for kind, value in tree:
        unbounded = kind in {tokens.MAX_REPEAT, tokens.MIN_REPEAT} and _most(value) > MANY
        if unbounded and inside:
            return None
        total += unbounded
        for below in _below(kind, value):
            found = _repeats(below, inside=inside or unbounded)
            if found is None:
                return None
            total += found
    return total


def _most(value: object) -> int:
    return int(value[1]) if isinstance(value, tuple) else 0


def _below(kind: object, value: object) -> list[Iterable[tuple[object, object]]]:
    """The parts of one element that are patterns themselves."""
    if kind == tokens.BRANCH and isinstance(value, tuple):
        return list(value[1])
    if isinstance(value, tuple):
        return [each for each in value if isinstance(each, parser.SubPattern)]
    return []
