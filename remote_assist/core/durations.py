"""Lengths of time as people type them: `45s`, `30m`, `12h`, `7d`."""

import re
from datetime import timedelta

from remote_assist.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FORM = re.compile(r"([1-9][0-9]{0,5})([smhd])")


def parse_duration(text: str) -> timedelta:
    """`30m` as a timedelta; at least one second. Raises UsageError."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"'{text[:40]}' is not a length of time", advice="Write 45s, 30m, 12h or 7d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
