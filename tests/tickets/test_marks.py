"""Marks and event ranges: what a note tells can be read back from it, and nothing else can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.tickets.marks import events_in, key_in, mark_of, marked, note_key, ranges

SESSIONS = ("s-abcdefghijklmnop", "s-qrstuvwxyz234567")
KEY = note_key("1001", "events")


@given(st.dictionaries(st.sampled_from(SESSIONS), st.sets(st.integers(0, 5000), min_size=1, max_size=64), min_size=1))
def test_the_events_of_a_note_are_read_back_whatever_they_are(seqs: dict[str, set[int]]) -> None:
    events = tuple(f"{session}/{seq}" for session, found in seqs.items() for seq in sorted(found))
    text = marked("words", KEY, events)
    assert events_in(text) == events
    assert key_in(text) == KEY


def test_neighbours_are_told_as_a_range() -> None:
    session = SESSIONS[0]
    assert ranges([f"{session}/{seq}" for seq in (0, 1, 2, 5, 8, 9)]) == [f"{session}/0-2,5,8-9"]


@pytest.mark.parametrize(
    "text",
    [
        "nobody's words",
        "[ra-note:short]",
        f"-- remote-assist s-abc/0-3 {mark_of(KEY)}",
        f"-- remote-assist {SESSIONS[0]}/0-99999999999 {mark_of(KEY)}",
        f"-- remote-assist {SESSIONS[0]}/- {mark_of(KEY)}",
        f"-- remote-assist {SESSIONS[0]}/,,, {mark_of(KEY)}",
    ],
)
def test_what_is_not_of_the_form_tells_no_events(text: str) -> None:
    assert events_in(text) == ()


def test_a_quoted_older_mark_does_not_count_as_the_notes_own() -> None:
    older = note_key("1001", "older")
    assert key_in(marked(f"> quoted {mark_of(older)}", KEY)) == KEY


def test_keys_differ_whenever_a_part_differs() -> None:
    assert note_key("ab", "c") != note_key("a", "bc")
    assert note_key("a") != note_key("a", "")
