"""What `safe_text` lets through: nothing a terminal acts on, everything a reader needs."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remote_assist.core.hostile import MAX_COMBINING, MAX_LINE, HostileStr, SafeStr, safe_pieces, safe_text

anything = st.one_of(
    st.binary(max_size=300),
    st.text(st.characters(), max_size=300),  # surrogates included
    st.text(st.sampled_from("a\x1b\x9b\n\t\r\x07\u202e\u200d\u0301\ufe0f\ud800\udc9b"), max_size=60),
)


def acts_on_a_terminal(character: str) -> bool:
    """Told by the Unicode database, not by the table under test."""
    return unicodedata.category(character) in {"Cc", "Cs", "Co", "Zl", "Zp"} or character in _BIDI_AND_INVISIBLE


_BIDI_AND_INVISIBLE = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200c\u200d\u2060\ufeff"
) | frozenset(map(chr, range(0xE0000, 0xE0080)))


@given(raw=anything, lines=st.booleans())
@example(raw=b"\xc2\x9b31m", lines=False)
def test_nothing_a_terminal_acts_on_comes_out(raw: str | bytes, lines: bool) -> None:
    shown = safe_text(raw, lines=lines)
    assert not [c for c in shown if acts_on_a_terminal(c) and not (lines and c == "\n")]


@given(raw=anything, lines=st.booleans())
def test_what_comes_out_can_be_written_as_utf_8(raw: str | bytes, lines: bool) -> None:
    safe_text(raw, lines=lines).encode("utf-8")


@given(raw=anything, lines=st.booleans())
def test_making_safe_text_safe_again_changes_nothing(raw: str | bytes, lines: bool) -> None:
    once = safe_text(raw, lines=lines)
    assert safe_text(once, lines=lines) == once


@given(raw=anything, lines=st.booleans(), max_chars=st.integers(1, 40))
def test_never_longer_than_asked_for(raw: str | bytes, lines: bool, max_chars: int) -> None:
    assert len(safe_text(raw, lines=lines, max_chars=max_chars)) <= max_chars


@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=MAX_LINE))
def test_plain_printable_ascii_passes_unchanged(text: str) -> None:
    assert safe_text(text) == text


@given(text=st.text(st.characters(categories=["L", "Nd", "P", "Sc", "Sm"]), max_size=200))
def test_letters_digits_and_signs_of_any_script_pass_unchanged(text: str) -> None:
    hidden = set("\u115f\u1160\u3164\uffa0")  # letters by category, yet blank
    assert safe_text(text) == text or hidden & set(text)


@given(raw=anything, lines=st.booleans())
def test_the_pieces_together_are_the_text(raw: str | bytes, lines: bool) -> None:
    assert "".join(piece.text for piece in safe_pieces(raw, lines=lines)) == safe_text(raw, lines=lines)


@given(raw=anything)
def test_no_run_of_combining_marks_is_longer_than_four(raw: str | bytes) -> None:
    run = MAX_COMBINING  # a mark at the very start would sit on our own text
    for character in safe_text(raw):
        run = run + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        assert run <= MAX_COMBINING


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]52;c;cHduZWQ=\x07", r"\x1b]52;c;cHduZWQ=\x07"),
        ("\x9b2J", r"\x9b2J"),
        (b"\x9b2J", r"\x9b2J"),
        (b"\xc2\x9b2J", r"\x9b2J"),
        ("\x7f", r"\x7f"),
        ("one\r\ntwo", r"one\x0d\x0atwo"),
        ("file\u202egpj.exe", r"file\u{202e}gpj.exe"),
        ("a\u200bb\ufeff", r"a\u{200b}b\u{feff}"),
        ("a\u2028b", r"a\u{2028}b"),
        ("\ud800", r"\u{d800}"),
        ("\udcff", r"\xff"),
        (b"caf\xe9", r"caf\xe9"),
        ("\U000e0041", r"\u{e0041}"),
        ("\ue000", r"\u{e000}"),
        ("\uffff", r"\u{ffff}"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("a\tb", "a       b"),
        ("12345678\tb", "12345678        b"),
        ("Grüße, 東京 ✔ é", "Grüße, 東京 ✔ é"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + r"\u{301}\u{301}"),
        ("\u0338", r"\u{338}"),
        ("", ""),
    ],
)
def test_what_is_replaced_stays_visible(raw: str | bytes, shown: str) -> None:
    assert safe_text(raw) == shown


def test_newlines_are_kept_only_where_asked_for() -> None:
    assert safe_text("one\ntwo\tx\n", lines=True) == "one\ntwo     x\n"
    assert safe_text("one\ntwo") == r"one\x0atwo"


def test_a_long_line_is_cut_and_the_next_one_still_shown() -> None:
    shown = safe_text("x" * 10_000 + "\nnext", lines=True)
    first, second = shown.split("\n")
    assert (len(first), first[-1], second) == (MAX_LINE, "…", "next")


def test_an_escape_is_never_cut_in_two() -> None:
    assert safe_text("abc\x1b", max_chars=6) == "abc…"
    assert safe_text("abc\x1b", max_chars=7) == r"abc\x1b"


def test_a_huge_text_costs_no_more_than_its_limit() -> None:
    shown = safe_text(b"\x1b" * 50_000_000, lines=True, max_chars=1000)
    assert len(shown) <= 1000


def test_pieces_say_what_was_replaced() -> None:
    assert list(safe_pieces("ab\x1bcd")) == [("ab", False), (r"\x1b", True), ("cd", False)]


def test_a_terminal_emulator_fed_with_it_shows_text_and_stays_where_it_is() -> None:
    pyte = pytest.importorskip("pyte")
    screen = pyte.Screen(80, 5)
    stream = pyte.Stream(screen)
    stream.feed(safe_text("A\x1b[2J\x1b[5;5H\x9b3m\x1b]0;title\x07B"))
    assert screen.display[0].startswith(r"A\x1b[2J\x1b[5;5H\x9b3m\x1b]0;title\x07B")
    assert screen.title == ""


def test_the_types_say_who_is_who() -> None:
    shown: SafeStr = safe_text(HostileStr("x"))
    assert shown == "x"
