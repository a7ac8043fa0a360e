"""A recording as a player runs it: waits cut, forward, back, to markers and texts."""

from remote_assist.core.log.asciicast import MARKER, OUTPUT, Event
from remote_assist.core.log.reel import Reel

EVENTS = [
    Event(0.5, OUTPUT, "one "),
    Event(1.0, MARKER, "a2 runs true"),
    Event(61.0, OUTPUT, "two \x1b[31mTH"),
    Event(61.5, OUTPUT, "REE"),
    Event(61.2, OUTPUT, "back"),
]


def reel(max_idle: float = 2.0) -> Reel:
    return Reel(lambda: iter(EVENTS), max_idle=max_idle)


def test_long_waits_are_cut_and_time_never_goes_back() -> None:
    found = reel()
    due = []
    while found.take() is not None:
        due.append(found.position)
    assert due == [0.5, 1.0, 3.0, 3.5, 3.5]
    assert found.next_at is None


def test_seeking_takes_what_is_due_until_then() -> None:
    found = reel()
    assert [event.text for event in found.until(2.0)] == ["one ", "a2 runs true"]
    assert found.position == 2.0
    assert [event.text for event in found.until(99.0)] == ["two \x1b[31mTH", "REE", "back"]
    assert found.position == 3.5


def test_the_next_marker_is_jumped_to_and_after_the_last_one_comes_the_end() -> None:
    found = reel()
    assert [event.kind for event in found.until_marker()] == [OUTPUT, MARKER]
    assert len(list(found.until_marker())) == 3


def test_a_text_is_found_across_events_colours_and_case() -> None:
    found = reel()
    assert [event.text for event in found.until_text("three")][-1] == "REE"
    assert found.found
    assert len(list(found.until_text("nowhere"))) == 1
    assert not found.found


def test_a_text_in_the_last_event_is_found_too() -> None:
    last = Reel(lambda: iter([Event(0.1, OUTPUT, "one two")]), max_idle=1.0)
    assert [event.text for event in last.until_text("two")] == ["one two"]
    assert last.found
    assert last.next_at is None


def test_it_begins_anew() -> None:
    found = reel()
    list(found.until(99.0))
    found.rewind()
    first = found.take()
    assert first is not None
    assert (first.text, found.position) == ("one ", 0.5)


def test_an_empty_recording_is_over_at_once() -> None:
    found = Reel(lambda: iter(()), max_idle=1.0)
    assert (found.take(), found.next_at) == (None, None)
