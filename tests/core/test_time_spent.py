"""Time spent: how it is read, said and bounded."""

from datetime import UTC, datetime, timedelta

import pytest

from remote_assist.core.time_spent import MAX_MINUTES, minutes_between, parse_minutes, spent_words, with_time
from remote_assist.errors import UsageError

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minutes"), [("15m", 15), ("2h", 120), ("0", 0), ("45", 45), (" 90s ", 2), ("1d", MAX_MINUTES)]
)
def test_a_length_of_time_is_whole_minutes(text: str, minutes: int) -> None:
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5h", "٣", "1h30m", "9" * 7])
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time spent") as refused:
        parse_minutes(text)
    assert refused.value.advice == "Write 15m or 2h."


@pytest.mark.parametrize("text", ["25h", "1441", "2d"])
def test_more_than_a_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="at most 24 hours"):
        parse_minutes(text)


def test_a_session_takes_the_minutes_it_began() -> None:
    assert minutes_between(NOON, NOON + timedelta(seconds=61)) == 2
    assert minutes_between(NOON, NOON) == 1


@pytest.mark.parametrize(("minutes", "words"), [(0, "0 min"), (5, "5 min"), (60, "1 h"), (65, "1 h 5 min")])
def test_minutes_in_words(minutes: int, words: str) -> None:
    assert spent_words(minutes) == words


def test_a_note_says_the_time_where_there_was_any() -> None:
    assert with_time("Called.", 65) == "Called.\n\nTime spent: 1 h 5 min"
    assert with_time("Called.", None) == with_time("Called.", 0) == "Called."
