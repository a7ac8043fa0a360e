"""Times, sizes and names in plain words. Pure: the clock is an argument."""

import re
from datetime import UTC, datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_DURATION = re.compile(r"^(\d{1,4})\s*(m|min|h)?$")

MAX_PATH = 4096
"""Longest path a field takes."""

SCOPE_WORDS = {
    "diagnose": "look at the computer's state",
    "files:read": "read files, each listed",
    "files:write": "write and change files",
    "fix": "apply known fixes, plan shown first",
    "terminal": "run any program",
    "forward": "reach one port through it",
    "hop": "reach a machine behind it",
}
"""Scope → what it lets a technician do, for the technician's screen."""


def parse_time(text: str) -> datetime | None:
    """RFC 3339 as the protocol writes it; None when a peer wrote something else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def clock_time(moment: datetime) -> str:
    """14:32, in the technician's own zone (of `moment` after `astimezone`)."""
    return f"{moment.astimezone():%H:%M}"


def day_and_time(text: str) -> str:
    """`22 Nov 14:05` for a time a peer wrote, or what they wrote when it is none."""
    moment = parse_time(text)
    return f"{moment.astimezone():%d %b %H:%M}" if moment else text


def day_and_time_of(seconds: float) -> str:
    """`22 Nov 14:05:11` in the technician's own zone, of seconds since the epoch."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%d %b %H:%M:%S}"


def minutes_left(until: datetime, now: datetime) -> str:
    """`27 min`, `48 s`, `2 h 5 min`, `over`."""
    seconds = int((until - now).total_seconds())
    if seconds <= 0:
        return "over"
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def countdown(until: datetime, now: datetime) -> str:
    """`9:41`, never below 0:00."""
    seconds = max(0, int((until - now).total_seconds()))
    return f"{seconds // 60}:{seconds % 60:02d}"


def size(count: int) -> str:
    """`812 B`, `1.2 MiB`."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def parse_duration(text: str) -> int | None:
    """Seconds of `30m`, `2h` or `45` (minutes); None when it is none of these or zero."""
    found = _DURATION.match(text.strip().lower())
    if not found or not int(found[1]):
        return None
    return int(found[1]) * (3600 if found[2] == "h" else 60)


def duration(seconds: int) -> str:
    """The shortest form `parse_duration` takes back: `30m`, `2h`."""
    return f"{seconds // 3600}h" if seconds % 3600 == 0 else f"{max(1, seconds // 60)}m"


def mode_bits(mode: int) -> str:
    """`rwxr-xr-x`."""
    return "".join(sign if mode >> (8 - place) & 1 else "-" for place, sign in enumerate("rwxrwxrwx"))


def how_long(seconds: float) -> str:
    """`12 min`, `26 h`, `3 d`."""
    hours = max(0.0, seconds) / 3600
    if hours < 2:
        return f"{int(hours * 60)} min"
    return f"{int(hours)} h" if hours < 48 else f"{hours / 24:.0f} d"
