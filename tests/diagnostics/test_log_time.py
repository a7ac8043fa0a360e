"""What is newer than a time, by the stamps of classic log files."""

from datetime import UTC, datetime, timedelta

import pytest

from remote_assist.diagnostics.log_time import lines_since, stamp_of

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def classic(moment: datetime) -> str:
    return moment.astimezone().strftime("%b %e %H:%M:%S")


@pytest.mark.parametrize(
    ("line", "stamp"),
    [
        ("2026-01-02T11:59:00Z x", datetime(2026, 1, 2, 11, 59, tzinfo=UTC)),
        ("2026-01-02 11:59:00.123+02:00 x", datetime(2026, 1, 2, 9, 59, tzinfo=UTC)),
        ("2026-13-41T11:59:00Z x", None),
        ("\tat com.example.Main", None),
        ("Foo 11 10:00:00 x", None),
    ],
)
def test_a_stamp_is_read_or_is_none(line: str, stamp: datetime | None) -> None:
    assert stamp_of(line, NOW) == stamp


def test_a_stamp_without_a_year_is_the_latest_one_that_was() -> None:
    december = NOW - timedelta(days=20)
    assert stamp_of(f"{classic(december)} host x: y", NOW) == december
    assert stamp_of(f"<34>{classic(NOW)} host x: y", NOW) == NOW


def test_lines_without_a_stamp_follow_the_one_before() -> None:
    old, new = classic(NOW - timedelta(hours=2)), classic(NOW - timedelta(minutes=1))
    lines = ["before any stamp", f"{old} a", "\told trace", f"{new} b", "\tnew trace"]
    assert list(lines_since(lines, NOW - timedelta(hours=1), NOW)) == [f"{new} b", "\tnew trace"]
    assert list(lines_since(lines, None, NOW)) == lines
