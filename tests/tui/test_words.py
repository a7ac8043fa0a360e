"""Times, sizes and durations in words; progress and output that come too fast; evidence and facts."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.requests import KIND_DATA, KIND_ERROR, Progress
from remote_assist.tui.pending import MAX_ITEMS, MAX_OUTPUT_BYTES, OutputBuffer, ProgressBoard
from remote_assist.tui.widgets.evidence import NoSuchFact, brief, evidence_text, fact_at
from remote_assist.tui.widgets.lines import bar, two_ends
from remote_assist.tui.widgets.progress import board_text, summary_text
from remote_assist.tui.widgets.text import cut, joined, shown
from remote_assist.tui.words import (
    countdown,
    day_and_time,
    duration,
    minutes_left,
    mode_bits,
    parse_duration,
    parse_time,
    size,
)
from tests.tui.customer_world import FACTS, WorldEvidence

NOW = datetime(2026, 3, 14, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "over"), (0, "over"), (48, "48 s"), (119, "119 s"), (120, "2 min"), (1620, "27 min"), (7500, "2 h 5 min")],
)
def test_minutes_left(seconds: int, words: str) -> None:
    assert minutes_left(NOW + timedelta(seconds=seconds), NOW) == words


def test_a_countdown_stops_at_zero() -> None:
    assert countdown(NOW + timedelta(seconds=581), NOW) == "9:41"
    assert countdown(NOW - timedelta(hours=1), NOW) == "0:00"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("2h", 7200),
        ("45", 2700),
        (" 5 min ", 300),
        ("0m", None),
        ("", None),
        ("2d", None),
        ("-1h", None),
    ],
)
def test_durations_people_type(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@given(minutes=st.integers(1, 480))
def test_a_duration_we_write_is_one_we_read(minutes: int) -> None:
    assert parse_duration(duration(minutes * 60)) == minutes * 60


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 19, "1.5 MiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


def test_a_time_that_is_none_is_shown_as_written() -> None:
    assert parse_time("yesterday\x1b[2J") is None
    assert day_and_time("yesterday") == "yesterday"
    assert parse_time("2026-03-14T14:05:00Z") == NOW
    assert parse_time("2026-03-14T14:05:00") == NOW


def test_mode_bits() -> None:
    assert mode_bits(0o754) == "rwxr-xr--"


@given(left=st.text(max_size=80), right=st.text(max_size=80), width=st.integers(4, 60))
def test_a_line_with_two_ends_is_never_wider_than_its_place(left: str, right: str, width: int) -> None:
    assert two_ends(shown(left), shown(right), width).cell_len <= width


def test_the_right_end_wins() -> None:
    assert two_ends(joined("a very long subject"), joined("until 14:32"), 20).plain == "a very…  until 14:32"


@given(raw=st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_shown_text_carries_no_markup_and_no_control(raw: str | bytes) -> None:
    text = shown(raw)
    assert not [sign for sign in text.plain if unicodedata.category(sign) in {"Cc", "Cs", "Co", "Zl", "Zp"}]
    assert all(str(span.style) in {"", "reverse"} for span in text.spans)


def test_what_was_replaced_is_reversed() -> None:
    text = shown("a\x1bb", "bold")
    assert [(text.plain[span.start : span.end], str(span.style)) for span in text.spans] == [
        ("a", "bold"),
        ("\\x1b", "bold reverse"),
        ("b", "bold"),
    ]


def test_a_cut_text_says_so() -> None:
    assert cut(shown("a long name"), 6).plain == "a lon…"


def test_bars() -> None:
    assert bar(0.5, 8).plain == "████░░░░"
    assert bar(None, 4).plain == "▒▒▒▒"


def test_a_board_wakes_the_screen_once_until_it_looked() -> None:
    woken: list[ProgressBoard] = []
    board = ProgressBoard(woken.append)
    for number in range(1000):
        board.report(Progress(item="logs", status="running", done=number, total=1000))
    assert len(woken) == 1
    board.looked()
    assert len(woken) == 2, "there was more than what the screen was woken for"
    board.looked()
    assert len(woken) == 2
    board.report(Progress(item="logs", status="ok", done=1000, total=1000))
    assert len(woken) == 3
    assert board.fraction == 1.0


def test_a_board_remembers_no_more_items_than_its_limit() -> None:
    board = ProgressBoard(lambda _: None)
    for number in range(5000):
        board.report(Progress(item=f"item {number}", status="running"))
    assert len(board.items) == MAX_ITEMS
    assert board.fraction is None
    assert "item 4999" in summary_text(board, 80).plain


def test_a_hostile_total_makes_no_bar_of_other_length() -> None:
    board = ProgressBoard(lambda _: None)
    board.report(Progress(item="x", status="running", done=-50, total=3))
    assert board.fraction == 0.0
    board.report(Progress(item="x", status="\x1b[2J", done=10**12, total=3, seconds=1e300))
    assert board.fraction == 1.0
    assert board_text(board, 60).cell_len <= 60


def test_output_beyond_the_limit_gives_way_and_is_counted() -> None:
    woken: list[OutputBuffer] = []
    buffer = OutputBuffer(woken.append)
    for _ in range(100):
        buffer.write(KIND_DATA, b"x" * 10_000)
    buffer.write(KIND_ERROR, b"end")
    taken = buffer.take()
    assert sum(len(data) for _, data in taken) <= MAX_OUTPUT_BYTES
    assert buffer.dropped_bytes == 1_000_003 - sum(len(data) for _, data in taken)
    assert taken[-1] == (True, b"end")
    assert len(woken) == 1
    assert buffer.take() == []


def test_a_fact_is_found_by_its_pointer() -> None:
    assert fact_at(FACTS, "listening_ports", "/1/pid") == 812
    assert fact_at({"a": {"b/c~d": 1}}, "a", "/b~1c~0d") == 1
    assert fact_at(FACTS, "system", "") == FACTS["system"]


@pytest.mark.parametrize("pointer", ["/9", "/x", "/-1", "/1/pid/deeper", "/99999999999999999999999", "/²"])
def test_a_pointer_that_leads_nowhere_is_said_and_no_crash(pointer: str) -> None:
    with pytest.raises(NoSuchFact):
        fact_at(FACTS, "listening_ports", pointer)
    assert evidence_text([WorldEvidence("listening_ports", pointer)], FACTS).plain.count("\n") == 1


def test_a_fact_on_one_line() -> None:
    assert brief({"program": "apache2", "pid": 812, "more": {"x": 1}}) == "program=apache2 pid=812"
    assert brief([1, 2]) == "2 entries"
    assert brief({"a": {}}) == "1 entry"
    assert brief(None) == "null"


def test_very_much_evidence_is_counted() -> None:
    assert "and 940 more" in evidence_text([WorldEvidence("system")] * 1000, FACTS).plain
