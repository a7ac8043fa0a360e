"""Where a word stands in a bundle's facts: names and values, as JSON pointers. Pure; the facts are a peer's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_HITS = 500
MAX_DEPTH = 24
"""As deep as a bundle may be (diagnostics/bundle.py)."""


@dataclass(frozen=True, slots=True)
class FactHit:
    """A place in the facts. `pointer` is a JSON pointer into the collector's facts, `value` as text."""

    collector: str
    pointer: str
    value: str


def search_facts(facts: Mapping[str, object], word: str, *, limit: int = MAX_HITS) -> list[FactHit]:
    """The first `limit` places whose name or value holds `word`; all lower case means: whatever its case."""
    found: list[FactHit] = []
    fold = word == word.lower()
    if not word:
        return found
    for collector in facts:
        for pointer, name, value in _leaves(facts[collector], "", collector, 0):
            text = f"{name} {value}"
            if word in (text.lower() if fold else text):
                found.append(FactHit(collector, pointer, value))
                if len(found) >= limit:
                    return found
    return found


def _leaves(value: object, pointer: str, name: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, Mapping | list | tuple) and depth < MAX_DEPTH:
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, below in pairs:
            step = str(key).replace("~", "~0").replace("/", "~1")
            yield from _leaves(below, f"{pointer}/{step}", str(key), depth + 1)
    else:
        yield pointer, name, value if isinstance(value, str) else str(value)
