"""Chat lines: what may be said, how they are numbered, how many are kept."""

from datetime import UTC, datetime

import pytest

from remote_assist.core.chat import CUSTOMER, MAX_CHARS, MAX_LINES, TECHNICIAN, ChatBook, checked_line
from remote_assist.errors import RefusedError, UsageError

NOW = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)


def test_lines_are_numbered_from_one_and_asked_for_by_the_last_one_seen() -> None:
    book = ChatBook()
    assert (book.last, book.after(0)) == (0, ())
    first = book.add(TECHNICIAN, "hello", NOW)
    second = book.add(CUSTOMER, "good day", NOW)
    assert (first.number, second.number, book.last) == (1, 2, 2)
    assert book.after(1) == (second,)
    assert second.time == "2026-03-01T14:05:00.000000Z"


def test_the_oldest_lines_are_given_up_and_numbers_go_on() -> None:
    book = ChatBook()
    for number in range(MAX_LINES + 5):
        book.add(CUSTOMER, str(number), NOW)
    kept = book.after(0)
    assert (len(kept), kept[0].number, kept[-1].number) == (MAX_LINES, 6, MAX_LINES + 5)


@pytest.mark.parametrize("text", ["", "  \n", "x" * (MAX_CHARS + 1)])
def test_nothing_and_too_much_cannot_be_said(text: str) -> None:
    with pytest.raises(UsageError):
        checked_line(text)


@pytest.mark.parametrize("text", ["417203-tulip-rocket-amber", "it is 417203 Tulip Rocket Amber", "tulip-rocket-amber"])
def test_a_line_that_shows_a_support_code_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        checked_line(text)
    assert refused.value.reason == "live-code"


def test_the_space_around_a_line_is_not_said() -> None:
    assert checked_line("  is port 80 free?\n") == "is port 80 free?"
