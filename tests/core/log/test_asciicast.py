"""asciicast v2: what was shown comes back byte for byte, and the reader fails only as it declares."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.log.asciicast import (
    EXACT,
    INPUT,
    MARKER,
    MAX_LINE_BYTES,
    OUTPUT,
    Event,
    Header,
    TextDecoder,
    event_line,
    header_line,
    lines_of,
    output_bytes,
    parse_event,
    parse_header,
    read_cast,
)
from remote_assist.errors import ContentError

HEADER = header_line(Header(version=2, width=80, height=24))


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_output_comes_back_byte_for_byte_however_it_was_cut(pieces: list[bytes]) -> None:
    decoder = TextDecoder()
    events = [event for at, piece in enumerate(pieces) for event in decoder.events(at, piece)]
    events += decoder.events(len(pieces), b"", final=True)
    lines = [HEADER, *(event_line(event) for event in events)]
    assert b"".join(output_bytes(read_cast(lines)[1])) == b"".join(pieces)


def test_a_character_cut_by_a_read_is_one_character() -> None:
    decoder = TextDecoder()
    assert decoder.events(0, "é".encode()[:1]) == []
    assert decoder.events(1, "é".encode()[1:]) == [Event(1, OUTPUT, "é")]


def test_bytes_that_are_no_text_are_shown_replaced_and_kept_exactly() -> None:
    assert TextDecoder(INPUT).events(2, b"a\xff") == [Event(2, INPUT, "a\ufffd"), Event(2, EXACT, "Yf8=")]


def test_exact_bytes_of_an_input_are_no_output() -> None:
    assert list(output_bytes([Event(0, INPUT, "\ufffd"), Event(0, EXACT, "/w==")])) == []


def test_lines_are_plain_json_as_players_read_it() -> None:
    assert json.loads(event_line(Event(1.25, MARKER, 'a "b"'))) == [1.25, "m", 'a "b"']
    assert json.loads(HEADER) == {"version": 2, "width": 80, "height": 24}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not a header"),
        (b"[1]", "not a header"),
        (b'{"version":2}', "not a header"),
        (b'{"version":3,"width":1,"height":1}', "version 3"),
        (b'{"version":2,"width":0,"height":1}', "impossible window"),
        (b'{"version":2,"width":80,"height":99999}', "impossible window"),
    ],
)
def test_a_header_that_is_none_is_refused(line: bytes, says: str) -> None:
    with pytest.raises(ContentError, match=says):
        parse_header(line)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{}", "damaged"),
        (b'[1,"o"]', "damaged"),
        (b'["1","o","x"]', "damaged"),
        (b'[1,"o","\xff"]', "damaged"),
        (b'[-1,"o","x"]', "impossible time"),
        (b'[1e30,"o","x"]', "impossible time"),
    ],
)
def test_an_event_that_is_none_is_named_by_its_line(line: bytes, says: str) -> None:
    with pytest.raises(ContentError, match=f"line 7.*{says}"):
        parse_event(line, 7)


def test_damaged_exact_bytes_are_named() -> None:
    with pytest.raises(ContentError, match="exact bytes"):
        list(output_bytes([Event(0, OUTPUT, "x"), Event(0, EXACT, "?")]))


def test_an_empty_file_and_an_endless_line_are_refused() -> None:
    with pytest.raises(ContentError, match="empty"):
        read_cast([])
    with pytest.raises(ContentError, match="longer than"):
        list(lines_of([b"x" * (MAX_LINE_BYTES + 1)]))


def test_a_last_line_without_its_end_counts_and_empty_ones_do_not() -> None:
    assert list(lines_of([b"a\n\nb"])) == [b"a", b"b"]


@given(st.binary(max_size=500))
def test_f22_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for pieces in ([raw], [HEADER, raw]):
        try:
            list(output_bytes(read_cast(pieces)[1]))
        except ContentError:
            continue


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_f21_a_changed_byte_of_a_recording_changes_what_is_read_or_is_refused(at: int, new: int) -> None:
    raw = HEADER + event_line(Event(0.5, OUTPUT, "hello")) + event_line(Event(1.5, MARKER, "a3 runs true"))
    at %= len(raw)
    changed = raw[:at] + bytes([new]) + raw[at + 1 :]
    try:
        list(read_cast([changed])[1])
    except ContentError:
        return
