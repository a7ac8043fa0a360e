"""What of a terminal's output may reach another's: text and looks pass, whatever answers or reaches out does not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.picture.terminal_filter import MAX_SEQUENCE_CHARS, TerminalFilter

PASSING = [
    "plain é text\r\n\t\b\a",
    "\x1b[31;1mred\x1b[0m",
    "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[5A\x1b[3L\x1b[2P",
    "\x1b[?25l\x1b[?1049h\x1b[?2004h\x1b[?1h\x1b[?25;7h",
    "\x1b7\x1b8\x1bM\x1b=\x1b>\x1b(0lqk\x1b(B",
    "\x1b[38:2:1:2:3mx",
    "\x1b[2 q",
    "\x1b[!p",
]

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]52;c;aGVsbG8=\x07",
    "\x1b]8;;http://example.com\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1bP$qm\x1b\\",
    "\x1b_apc\x1b\\",
    "\x1b^pm\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1b[c",
    "\x1b[>c",
    "\x1b[=c",
    "\x1b[6n",
    "\x1b[?6n",
    "\x1b[5n",
    "\x1b[21t",
    "\x1b[8;10;10t",
    "\x1b[?1000h",
    "\x1b[?1006;25h",
    "\x1b[?1004h",
    "\x1b[?2$p",
    "\x1b[x",
    "\x1bZ",
    "\x1b[5i",
    "\x1b%G",
    "\x05",
    "\x1b[>4;2m",
    "\x1b[" + "1;" * MAX_SEQUENCE_CHARS + "m",
]


@pytest.mark.parametrize("text", PASSING)
def test_text_colours_and_cursor_pass(text: str) -> None:
    assert TerminalFilter().feed(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_answers_or_reaches_out_is_dropped_whole_wherever_it_is_cut(text: str) -> None:
    assert TerminalFilter().feed(f"a{text}b") == "ab"
    drop = TerminalFilter()
    assert "".join(drop.feed(sign) for sign in f"a{text}b") == "ab"


def test_a_sequence_that_is_broken_off_ends_where_the_next_begins() -> None:
    assert TerminalFilter().feed("\x1b[3\x1b[31mx") == "\x1b[31mx"
    assert TerminalFilter().feed("\x1b[3\x18x") == "x"
    assert TerminalFilter().feed("\x1b]0;never ended \x18 x") == " x"
    assert TerminalFilter().feed("\x1b]0;a\x1bb\x07x") == "x"


def test_a_control_inside_a_sequence_passes_as_terminals_do() -> None:
    assert TerminalFilter().feed("\x1b[3\n1mx") == "\n\x1b[31mx"
    assert TerminalFilter().feed("\x1b[3\x051mx") == "\x1b[31mx"
    assert TerminalFilter(plain=True).feed("\x1b[3\n1mx") == "x"


def test_characters_that_mislead_are_shown_as_replaced() -> None:
    assert TerminalFilter().feed("a\u202eb\x9bc\x7f\u2066") == "a\ufffdb\ufffdc\ufffd\ufffd"


def test_plain_text_holds_no_sequence_at_all() -> None:
    assert TerminalFilter(plain=True).feed("".join(PASSING)).count("\x1b") == 0


_ALLOWED = re.compile(r"\x1b(?:[78DEMH=>c]|[()][0AB]|\[(?:!p|\?(?:[0-9;]*)[hl]|[0-9;:]* ?[@-~]))")


@given(st.text(alphabet=st.sampled_from([*"\x1b[]PX^_?0129;:$>hlmnctq \\\x07\x9c\x18\n\x05ab"]), max_size=80))
def test_f22_no_text_makes_it_pass_anything_that_is_not_on_the_list(text: str) -> None:
    whole = TerminalFilter().feed(text)
    rest = _ALLOWED.sub("", whole)
    assert "\x1b" not in rest
    assert not set(rest) & {"\x05", "\x9c", "\x00"}
    for found in re.finditer(r"\x1b\[[?0-9;: ]*([@-~])", whole):
        assert found[1] not in "cntxi"
    pieces = TerminalFilter()
    assert "".join(pieces.feed(sign) for sign in text) == whole
