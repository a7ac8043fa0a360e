"""Where in a text a detector is worth trying: cheap, exact searches for pieces its pattern cannot do without.

Rule: an anchor only narrows. Whatever a pattern matches holds one of its anchors, so the rest of a text can be left
out; tests compare with the slow way. A window is the anchor's line and the next.

    word     a lower-case piece, looked for in the lower-case text       "password", "://"
    shape    a piece of the text with every digit as 0 and every capital as A    "000-00-0000"
    hexes    a piece with every hexadecimal digit as h                   "hh:hh:hh:hh:hh:hh"
    plates   a piece with every digit and capital as A                   "AAAAA-AAAAA"
    clue     a pattern that begins with a literal, for what has too many pieces
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

BEFORE_CHARS, AFTER_CHARS = 320, 1200
"""How far a match may begin before the first anchor in it, and how far it may reach behind it."""

WHOLE_BELOW_CHARS = 2000
"""Shorter texts are searched whole: finding windows would cost more."""

DENSE_CHARS = 120
"""With more anchors than one in so many characters, the text is searched whole."""

_DIGITS, _CAPITALS, _HEXES = b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"0123456789abcdefABCDEF"
_SHAPE = bytes.maketrans(_DIGITS + _CAPITALS, b"0" * 10 + b"A" * 26)
_HEX = bytes.maketrans(_HEXES, b"h" * len(_HEXES))
_PLATE = bytes.maketrans(_DIGITS + _CAPITALS, b"A" * 36)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Pieces of which a match holds at least one; none at all means: try everywhere.

    `starts`: a match begins with one of them, so only these places are tried.
    """

    words: tuple[str, ...] = ()
    shapes: tuple[bytes, ...] = ()
    hexes: tuple[bytes, ...] = ()
    plates: tuple[bytes, ...] = ()
    clue: re.Pattern[str] | None = None
    starts: bool = False

    @property
    def everywhere(self) -> bool:
        """Whether there is none."""
        return not (self.words or self.shapes or self.hexes or self.plates or self.clue)


class Searched:
    """One text, prepared once for all detectors. Positions in every view are positions in the text."""

    __slots__ = ("_flat", "_hex", "_lower", "_plate", "_shape", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # Kept by hand: until Python 3.12 `cached_property` takes a lock, which costs more than these views.
        self._lower: str | None = None
        self._flat: bytes | None = None
        self._shape: bytes | None = None
        self._hex: bytes | None = None
        self._plate: bytes | None = None

    @property
    def lower(self) -> str:
        """Lower case, one character for one character."""
        if self._lower is None:
            self._lower = _lower(self.text)
        return self._lower

    @property
    def shape(self) -> bytes:
        """Every digit as 0, every capital as A."""
        if self._shape is None:
            self._shape = self._flattened().translate(_SHAPE)
        return self._shape

    @property
    def hex(self) -> bytes:
        """Every hexadecimal digit as h."""
        if self._hex is None:
            self._hex = self._flattened().translate(_HEX)
        return self._hex

    @property
    def plate(self) -> bytes:
        """Every digit and capital as A."""
        if self._plate is None:
            self._plate = self._flattened().translate(_PLATE)
        return self._plate

    def _flattened(self) -> bytes:
        if self._flat is None:
            self._flat = self.text.encode("latin-1", "replace")
        return self._flat

    def windows(self, anchors: Anchors) -> list[tuple[int, int]]:
        """The pieces (start, end) to look at: none, the whole text, or surroundings of the anchors in it."""
        length = len(self.text)
        if anchors.everywhere:
            return [(0, length)]
        if length < WHOLE_BELOW_CHARS:
            return [(0, length)] if self._holds(anchors) else []
        if anchors.clue is None and self._count(anchors) * DENSE_CHARS > length:
            return [(0, length)]
        return self._around(self.positions(anchors))

    def positions(self, anchors: Anchors) -> list[int]:
        """Where the anchors are, in order."""
        return sorted(self._positions(anchors))

    def _around(self, found: list[int]) -> list[tuple[int, int]]:
        text, length, done = self.text, len(self.text), 0
        windows: list[tuple[int, int]] = []
        for at in found:
            if at < done:
                continue
            start = max(text.rfind("\n", max(0, at - BEFORE_CHARS), at) + 1, at - BEFORE_CHARS, 0)
            line_end = text.find("\n", at, at + AFTER_CHARS)
            end = -1 if line_end < 0 else text.find("\n", line_end + 1, at + AFTER_CHARS)
            end = min(at + AFTER_CHARS, length) if end < 0 else end
            done = end if line_end < 0 else line_end
            if windows and start <= windows[-1][1]:
                windows[-1] = (windows[-1][0], end)
            else:
                windows.append((start, end))
        return windows

    def _holds(self, anchors: Anchors) -> bool:
        return (
            any(word in self.lower for word in anchors.words)
            or any(piece in self.shape for piece in anchors.shapes)
            or any(piece in self.hex for piece in anchors.hexes)
            or any(piece in self.plate for piece in anchors.plates)
            or (anchors.clue is not None and anchors.clue.search(self.text) is not None)
        )

    def _count(self, anchors: Anchors) -> int:
        return (
            sum(self.lower.count(word) for word in anchors.words)
            + sum(self.shape.count(piece) for piece in anchors.shapes)
            + sum(self.hex.count(piece) for piece in anchors.hexes)
            + sum(self.plate.count(piece) for piece in anchors.plates)
        )

    def _positions(self, anchors: Anchors) -> Iterator[int]:
        for word in anchors.words:
            yield from _positions(self.lower, word)
        for piece in anchors.shapes:
            yield from _positions(self.shape, piece)
        for piece in anchors.hexes:
            yield from _positions(self.hex, piece)
        for piece in anchors.plates:
            yield from _positions(self.plate, piece)
        if anchors.clue is not None:
            yield from (match.start() for match in anchors.clue.finditer(self.text))


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := each.lower()) == 1 else each for each in text)


def _positions(text: str | bytes, piece: str | bytes) -> Iterator[int]:
    """Where `piece` begins in `text`, overlapping ones included."""
    at = text.find(piece)  # type: ignore[arg-type]  # both are of one kind
    while at >= 0:
        yield at
        at = text.find(piece, at + 1)  # type: ignore[arg-type]  # both are of one kind
