"""Lengths of time as typed."""

from datetime import timedelta

import pytest

from remote_assist.core.durations import parse_duration
from remote_assist.errors import UsageError


def test_seconds_minutes_hours_and_days_are_read() -> None:
    assert parse_duration("45s") == timedelta(seconds=45)
    assert parse_duration(" 30M ") == timedelta(minutes=30)
    assert parse_duration("12h") == timedelta(hours=12)
    assert parse_duration("7d") == timedelta(days=7)


@pytest.mark.parametrize("text", ["", "0h", "12", "h", "-1h", "1.5h", "1h30m", "9999999s", "١h", "12h\n34"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)
