"""Time spent on a ticket: whole minutes, how they are read and how a note says them."""

import math
from datetime import datetime

from remote_assist.core.durations import parse_duration
from remote_assist.errors import UsageError

MAX_MINUTES = 24 * 60
"""Most that is booked at once."""


def parse_minutes(text: str) -> int:
    """`15m`, `2h`, `0`, or a number of minutes; seconds count as a minute begun. Raises UsageError."""
    word = text.strip()
    minutes = int(word) if word.isascii() and word.isdigit() and len(word) <= 6 else _begun(word)
    if minutes > MAX_MINUTES:
        raise UsageError("at most 24 hours are booked at once", advice="Book the days one by one.")
    return minutes


def minutes_between(began: datetime, ended: datetime) -> int:
    """Whole minutes, rounded up, at least one."""
    return max(1, math.ceil((ended - began).total_seconds() / 60))


def spent_words(minutes: int) -> str:
    """`1 h 5 min`, as notes and screens say it."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h"] if hours else []
    return " ".join([*parts, f"{rest} min"] if rest or not hours else parts)


def with_time(text: str, minutes: int | None) -> str:
    """A note's text that says the time too, where there was any."""
    return f"{text}\n\nTime spent: {spent_words(minutes)}" if minutes else text


def _begun(word: str) -> int:
    try:
        seconds = parse_duration(word).total_seconds()
    except UsageError as error:
        raise UsageError(f"'{word[:40]}' is not a time spent", advice="Write 15m or 2h.") from error
    return math.ceil(seconds / 60)
