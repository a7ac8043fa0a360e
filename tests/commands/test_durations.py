"""Lengths of time as people type them."""

import pytest

from remote_assist.commands.durations import parse_duration
from remote_assist.errors import UsageError


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800), (" 5M ", 300)])
def test_a_number_with_a_unit_is_a_length_of_time(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "30", "-5m", "1.5h", "1w", "5 m", "99999999s", "٣m"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a length of time"):
        parse_duration(text)
