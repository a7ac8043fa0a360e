"""Exact values (a host name, people's account names, serial numbers) found as words, whatever their number.

Rule: a seed counts only where no ASCII letter or digit touches it; case does not matter.
"""

import re
from collections.abc import Iterator, Mapping

from remote_assist.core.detect.anchors import Searched

FEW = 24
"""So many are looked for one by one; of more, only those whose first word occurs in the text at all."""

_RUN = re.compile("[a-z0-9]+")


class SeedWords:
    """Seeds by their lower-case text."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._by_run: dict[str, list[str]] = {}

    def add(self, seeds: Mapping[str, str]) -> None:
        """Value → class; the last class given for a value counts."""
        for text, kind in seeds.items():
            seed = text.lower()
            if seed not in self._kinds:
                run = _RUN.search(seed)
                self._by_run.setdefault(run[0] if run else "", []).append(seed)
            self._kinds[seed] = kind

    def kind(self, text: str) -> str:
        """The class of a value, or empty."""
        return self._kinds.get(text.lower(), "")

    def spans(self, searched: Searched) -> Iterator[tuple[int, int, str]]:
        """Every (start, end, class) in the text."""
        lower = searched.lower
        for seed in self._present(lower):
            at = lower.find(seed)
            while at >= 0:
                end = at + len(seed)
                if not (_touches(lower[at - 1 : at]) or _touches(lower[end : end + 1])):
                    yield at, end, self._kinds[seed]
                at = lower.find(seed, at + 1)

    def _present(self, lower: str) -> list[str]:
        if len(self._kinds) <= FEW:
            return list(self._kinds)
        runs = {"", *_RUN.findall(lower)} & self._by_run.keys()
        return [seed for run in runs for seed in self._by_run[run]]


def _touches(neighbour: str) -> bool:
    return neighbour.isascii() and neighbour.isalnum()
