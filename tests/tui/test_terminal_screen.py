"""The emulator: text, colours, the other screen, what scrolled away; hostile bytes stay cells and answer nothing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remote_assist.tui.terminal_keys import key_bytes, pasted_bytes
from remote_assist.tui.terminal_screen import MAX_SCROLLBACK, REPLACEMENT, TerminalScreen
from tests.security.hostile_screens import PAYLOADS


def shown(raw: bytes, columns: int = 20, rows: int = 4) -> TerminalScreen:
    screen = TerminalScreen(columns, rows)
    screen.feed(raw)
    return screen


def test_text_colours_and_the_cursor_are_where_they_were_put() -> None:
    screen = shown(b"ab\x1b[1;31mcd\x1b[0m\x1b[3;5Hx")
    assert (screen.text(0), screen.text(2), screen.cursor) == ("abcd", "    x", (5, 2))
    cell = screen.line(0)[2]
    assert (cell.text, cell.foreground, cell.bold) == ("c", "red", True)
    assert shown(b"\x1b[?25l").cursor is None


def test_utf_8_cut_anywhere_and_wide_characters_fill_two_cells() -> None:
    screen = TerminalScreen(20, 4)
    for byte in "héllo 漢字".encode():
        screen.feed(bytes([byte]))
    assert screen.text(0) == "héllo 漢字"
    assert screen.cursor == (10, 0)


def test_what_scrolls_away_is_kept_newest_last_and_bounded() -> None:
    screen = shown(b"".join(b"line %d\r\n" % number for number in range(MAX_SCROLLBACK + 50)))
    assert screen.scrollback == MAX_SCROLLBACK
    assert screen.text(-1) == f"line {MAX_SCROLLBACK + 46}"
    assert screen.text(0) == f"line {MAX_SCROLLBACK + 47}"


def test_a_full_screen_program_leaves_no_trace_when_it_ends() -> None:
    screen = shown(b"$ vim\r\n\x1b[?1049h\x1b[H~ a file ~\r\n~")
    assert screen.text(0) == "~ a file ~"
    before = screen.scrollback
    screen.feed(b"\x1b[4;1H\n\n\n\x1b[?1049l")
    assert (screen.text(0), screen.cursor, screen.scrollback) == ("$ vim", (0, 1), before)


def test_what_pyte_does_not_know_and_xterm_programs_use_works() -> None:
    assert shown(b"ab\x1b[3b").text(0) == "abbbb"
    scrolled = shown(b"one\r\ntwo\r\nthree\x1b[2;4r\x1b[1S")
    assert [scrolled.text(row) for row in range(3)] == ["one", "three", ""]
    assert shown(b"one\r\ntwo\x1b[1T").text(0) == ""


def test_modes_that_change_what_keys_send_are_seen() -> None:
    screen = shown(b"\x1b[?1h\x1b[?2004h")
    assert screen.wants_application_keys and screen.wants_bracketed_paste
    screen.feed(b"\x1b[?1l\x1b[?2004l")
    assert not (screen.wants_application_keys or screen.wants_bracketed_paste)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([one.encode("utf-8", "surrogateescape") for one in PAYLOADS])))
@example([b"\x1b[999999999b", b"\x1b[999999999@", b"\x1b[999999999L", b"\x1b[38;2;999;999;999mx", b"\x1b[99999S"])
def test_whatever_comes_every_cell_is_something_to_look_at(pieces: list[bytes]) -> None:
    screen = TerminalScreen(20, 4)
    for piece in pieces:
        screen.feed(piece)
    for row in range(-screen.scrollback, screen.rows):
        for cell in screen.line(row):
            assert cell.text == "" or cell.text.isprintable() or cell.text == REPLACEMENT
    screen.resize(31, 7)
    assert (screen.columns, screen.rows) == (31, 7)


@pytest.mark.parametrize(
    ("key", "character", "raw"),
    [
        ("a", "a", b"a"),
        ("é", "é", "é".encode()),
        ("enter", "\r", b"\r"),
        ("escape", "\x1b", b"\x1b"),
        ("ctrl+c", "\x03", b"\x03"),
        ("up", None, b"\x1b[A"),
        ("ctrl+right", None, b"\x1b[1;5C"),
        ("alt+b", None, b"\x1bb"),
        ("f5", None, b"\x1b[15~"),
        ("pagedown", None, b"\x1b[6~"),
        ("scroll_lock", None, b""),
    ],
)
def test_keys_are_sent_as_programs_expect_them(key: str, character: str | None, raw: bytes) -> None:
    assert key_bytes(key, character, application=False) == raw


def test_cursor_keys_and_pastes_follow_what_the_program_asked_for() -> None:
    assert key_bytes("up", None, application=True) == b"\x1bOA"
    assert pasted_bytes("a\r\nb\nc", bracketed=False) == b"a\rb\rc"
    assert pasted_bytes("x\x1b[201~rm", bracketed=True) == b"\x1b[200~x[201~rm\x1b[201~"
