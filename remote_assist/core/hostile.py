"""Hostile bytes stay bytes: the one function that turns a peer's text into text a terminal may show.

Rule 1: what a peer, ticket, log, file or catalog says is `HostileStr` until `safe_text` made it `SafeStr`.
Rule 2: replaced characters stay visible (`\\x1b`, `\\u{202e}`), so nobody is misled about what was there.
Rule 3: it is text, never markup: a screen builds plain text of it and interprets nothing.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, NewType

HostileStr = NewType("HostileStr", str)
"""Text of a peer, not yet fit for a screen, a log line or a note."""

SafeStr = NewType("SafeStr", str)
"""Text that went through `safe_text`: printable characters, spaces, and newlines where asked for."""

MAX_LINE = 4096
"""Longest line kept, in characters of what is shown."""

MAX_COMBINING = 4
"""Longest run of combining marks kept on one character."""

TAB_COLUMNS = 8
"""Tabs are expanded to multiples of this, so that no terminal's tab stops decide what lines up."""

CUT = "…"
"""Stands where a line or the text was cut short."""

_REPLACED: tuple[tuple[int, int], ...] = (
    (0x00, 0x1F),  # C0; newline and tab are dealt with before
    (0x7F, 0x9F),  # DEL and C1: 8-bit CSI, OSC, DCS
    (0xAD, 0xAD),  # soft hyphen: there or not there, as the terminal likes
    (0x34F, 0x34F),  # grapheme joiner
    (0x61C, 0x61C),  # bidirectional: Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers: blank, yet not spaces
    (0x17B4, 0x17B5),  # invisible Khmer vowels
    (0x180B, 0x180F),  # Mongolian selectors and vowel separator
    (0x200B, 0x200F),  # zero-width space, joiners; bidirectional marks
    (0x2028, 0x202E),  # line and paragraph separators; bidirectional embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, bidirectional isolates
    (0x3164, 0x3164),  # Hangul filler
    (0xD800, 0xDFFF),  # lone surrogates; U+DC80..DCFF stand for undecodable bytes
    (0xE000, 0xF8FF),  # private use
    (0xFDD0, 0xFDEF),  # noncharacters
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xFFF0, 0xFFFB),  # interlinear annotation
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0xE0000, 0x10FFFF),  # tags, variation selectors supplement, private use planes
)
"""Code points never shown as themselves; pairs are inclusive and rise."""


class Piece(NamedTuple):
    """A run of shown text. `replaced`: it stands for something that was not shown, screens reverse its colours."""

    text: str
    replaced: bool


def safe_text(raw: str | bytes, *, lines: bool = False, max_chars: int = 64 * 1024) -> SafeStr:
    """What a terminal may show of `raw`. With `lines`, newlines are kept; else they too are shown escaped.

    Replaces C0, DEL, C1, bidirectional controls, zero-width and line separators, lone surrogates, tags and
    private use; caps runs of combining marks and the length of lines; expands tabs. At most `max_chars`
    characters come back. Bytes are read as UTF-8; what is not UTF-8 shows as `\\xNN`. Never raises; applying
    it again changes nothing.
    """
    if isinstance(raw, str) and len(raw) <= min(MAX_LINE, max_chars) and raw.isascii() and raw.isprintable():
        return SafeStr(raw)
    return SafeStr("".join(piece.text for piece in safe_pieces(raw, lines=lines, max_chars=max_chars)))


def safe_pieces(raw: str | bytes, *, lines: bool = False, max_chars: int = 64 * 1024) -> Iterator[Piece]:
    """The same text in runs that say what was replaced, for a screen that marks replacements."""
    text = _decode(raw, max_chars)
    left = max_chars
    rows = text.split("\n") if lines else [text]
    for number, row in enumerate(rows):
        if left <= 0:
            return
        if number:
            yield Piece("\n", False)
            left -= 1
        for piece in _row(row, min(MAX_LINE, left)):
            left -= len(piece.text)
            yield piece


def _decode(raw: str | bytes, max_chars: int) -> str:
    """At most one character more than may be shown, so that the cut is noticed and work stays bounded."""
    if isinstance(raw, str):
        return raw[: max_chars + 1]
    return raw[: 4 * (max_chars + 1)].decode("utf-8", "surrogateescape")[: max_chars + 1]


def _row(row: str, limit: int) -> Iterator[Piece]:
    """One line's runs, together at most `limit` characters long."""
    if len(row) <= limit and row.isascii() and row.isprintable():
        if row:
            yield Piece(row, False)
        return
    plain: list[str] = []
    column = 0
    for shown, replaced in _characters(row):
        if column + len(shown) > limit:
            yield from _cut(plain, column, limit)
            return
        column += len(shown)
        if replaced:
            if plain:
                yield Piece("".join(plain), False)
                plain.clear()
            yield Piece(shown, True)
        else:
            plain.append(shown)
    if plain:
        yield Piece("".join(plain), False)


def _cut(plain: list[str], column: int, limit: int) -> Iterator[Piece]:
    """End a line that is too long: `…` where there is room, else in place of the last plain character."""
    if column >= limit and plain and len(plain[-1]) == 1:
        plain.pop()
        column -= 1
    if plain:
        yield Piece("".join(plain), False)
    if column < limit:
        yield Piece(CUT, True)


def _characters(row: str) -> Iterator[tuple[str, bool]]:
    """Each character as it may be shown. A mark needs a shown character to sit on, and at most four may."""
    marks = MAX_COMBINING
    column = 0
    for character in row:
        if character == "\t":
            shown, replaced, marks = " " * (TAB_COLUMNS - column % TAB_COLUMNS), False, 0
        elif _is_replaced(character):
            shown, replaced, marks = _escape(character), True, MAX_COMBINING
        elif not _is_mark(character):
            shown, replaced, marks = character, False, 0
        elif marks < MAX_COMBINING:
            shown, replaced, marks = character, False, marks + 1
        else:
            shown, replaced = _escape(character), True
        column += len(shown)
        yield shown, replaced


def _escape(character: str) -> str:
    """`\\xNN` for controls and undecodable bytes, `\\u{…}` for the rest."""
    point = ord(character)
    if 0xDC80 <= point <= 0xDCFF:
        point -= 0xDC00
    return f"\\x{point:02x}" if point <= 0xFF else f"\\u{{{point:x}}}"


@lru_cache(maxsize=8192)
def _is_replaced(character: str) -> bool:
    point = ord(character)
    return any(first <= point <= last for first, last in _REPLACED) or point & 0xFFFE == 0xFFFE


@lru_cache(maxsize=8192)
def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Me"}
