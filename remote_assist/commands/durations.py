"""How long, as people type it: `90s`, `30m`, `2h`, `7d`."""

import re

from remote_assist.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"([0-9]{1,7})([smhd])")


def parse_duration(text: str) -> int:
    """Seconds in `90s`, `30m`, `2h` or `7d`. Raises UsageError for zero and any other form."""
    found = _FORM.fullmatch(text.strip().lower())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not seconds:
        raise UsageError(f"'{text[:40]}' is not a length of time", advice="Write 90s, 30m or 2h.")
    return seconds
