"""Detectors asked together: which of them a short text can hold at all, by a few searches instead of one for each.

Facts are thousands of short texts, and nearly all of them hold nothing. Rule: as an anchor, a panel only narrows.
"""

import re
from collections.abc import Iterable, Sequence

from remote_assist.core.detect.anchors import WHOLE_BELOW_CHARS, Searched
from remote_assist.core.detect.detector import Detector


class Panel:
    """Detectors in the order of their table."""

    def __init__(self, detectors: Iterable[Detector]) -> None:
        self._all = tuple(detectors)
        anchors = [each.anchors for each in self._all]
        self._words = [(n, each.words) for n, each in enumerate(anchors) if each.words]
        self._some_word = re.compile(one_of({word for _, words in self._words for word in words}))
        self._shapes = [(n, piece) for n, each in enumerate(anchors) for piece in each.shapes]
        self._hexes = [(n, piece) for n, each in enumerate(anchors) for piece in each.hexes]
        self._plates = [(n, piece) for n, each in enumerate(anchors) for piece in each.plates]
        self._clues = [(n, each.clue) for n, each in enumerate(anchors) if each.clue is not None]
        self._always = [n for n, each in enumerate(anchors) if each.everywhere]

    def near(self, searched: Searched) -> Sequence[Detector]:
        """Those of which the text holds an anchor; all of them for a long text, which is searched in windows."""
        if len(searched.text) >= WHOLE_BELOW_CHARS:
            return self._all
        near = set(self._always)
        lower = searched.lower
        if self._some_word.search(lower):
            near.update(n for n, words in self._words if any(word in lower for word in words))
        near.update(n for n, clue in self._clues if clue.search(searched.text))
        for view, pieces in (
            (searched.shape, self._shapes),
            (searched.hex, self._hexes),
            (searched.plate, self._plates),
        ):
            near.update(n for n, piece in pieces if piece in view)
        return [self._all[n] for n in sorted(near)]


def one_of(words: Iterable[str]) -> str:
    """A pattern that finds any of the words, each letter looked at once; one that finds nothing for no words."""
    heads: dict[str, list[str]] = {}
    for word in words:
        heads.setdefault(word[:1], []).append(word[1:])
    if "" in heads:  # a word ends here: what goes on behind it need not be found
        return ""
    branches = [re.escape(head) + one_of(rest) for head, rest in sorted(heads.items())]
    return f"(?:{'|'.join(branches)})" if branches else "(?!)"
