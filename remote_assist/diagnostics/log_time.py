"""Lines of a log since a time, by the stamps classic log files begin with. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
_CLASSIC = re.compile(r"(?:<\d+>)?(\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def lines_since(lines: Iterable[str], since: datetime | None, now: datetime) -> Iterator[str]:
    """The lines stamped at or after `since`, with the unstamped ones that follow them; all of them without `since`.

    Stamps without a zone are local time of this machine; one without a year is the latest such time before `now`.
    """
    if since is None:
        yield from lines
        return
    wanted = False
    for line in lines:
        stamp = stamp_of(line, now)
        wanted = wanted if stamp is None else stamp >= since
        if wanted:
            yield line


def stamp_of(line: str, now: datetime) -> datetime | None:
    """The time a line begins with, or None."""
    if iso := _ISO.match(line):
        return _iso(iso)
    classic = _CLASSIC.match(line)
    if classic is None or classic[1] not in _MONTHS:
        return None
    month, day = _MONTHS.index(classic[1]) + 1, int(classic[2])
    clock = (int(classic[3]), int(classic[4]), int(classic[5]))
    for year in (now.astimezone().year, now.astimezone().year - 1):
        try:
            stamp = datetime(year, month, day, *clock).astimezone()
        except ValueError:
            continue
        if stamp <= now + timedelta(days=1):
            return stamp.astimezone(UTC)
    return None


def _iso(match: re.Match[str]) -> datetime | None:
    zone = match[3] or ""
    try:
        stamp = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
    except ValueError:
        return None
    return stamp.astimezone(UTC)
