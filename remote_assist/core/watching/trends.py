"""A ring of samples → the facts `trend.*` that known issues are written over. Pure: the caller says what time it is.

trend.filesystems    mount, kind (space|inodes), used_pct, full_in_h, longest_forecast_h, rising
trend.endings        kind (certificate|licence), name, days_left
trend.errors         known, changed, usual, recent
trend.new_templates  template, hours_ago
trend.failed_units   unit, hours
trend.clock          known, offset_seconds, drift_a_day
trend.disks          name, bad_sectors, more_bad_sectors, worn_pct, healthy
trend.reboot         pending_hours
trend.changed_files  path, hours_ago, hours_before_errors
trend.hours          how far back the samples reach
"""

from collections.abc import Iterator, Sequence

from remote_assist.core.watching.forecast import (
    DAY,
    HOUR,
    NEVER_HOURS,
    WINDOW_HOURS,
    Point,
    daily_minimum_rises,
    hours_until,
    longest_forecast,
    rate_change,
    slope_a_day,
)
from remote_assist.core.watching.samples import Latest, Sample

LEARNING_HOURS = 24.0
"""So long every kind of message is new; only after it does a new one mean something."""

NEWS_HOURS = 24.0
"""How long a new kind of message or a changed file is news."""


def trend_facts(samples: Sequence[Sample], latest: Latest, now: float) -> dict[str, object]:
    """The facts. Samples are in order of time; those of the future are left out (a clock was set back)."""
    past = [each for each in samples if each.at <= now]
    return {
        "hours": round((now - past[0].at) / HOUR, 2) if past else 0.0,
        "filesystems": list(_filesystems(past)),
        "endings": [
            {"kind": each.kind, "name": each.name, "days_left": round((each.at - now) / DAY, 2)}
            for each in latest.endings
        ],
        "errors": _errors(past),
        "new_templates": list(_new_templates(past, latest, now)),
        "failed_units": list(_failed_units(past)),
        "clock": _clock(past),
        "disks": list(_disks(past, latest)),
        "reboot": {"pending_hours": _pending_hours(past)},
        "changed_files": list(_changed_files(past, now)),
    }


def _filesystems(samples: Sequence[Sample]) -> Iterator[dict[str, object]]:
    for mount in dict.fromkeys(disk.mount for disk in samples[-1].disks) if samples else ():
        levels = [(each.at, disk) for each in samples for disk in each.disks if disk.mount == mount]
        yield _forecast(mount, "space", [Point(at, disk.used_pct) for at, disk in levels])
        yield _forecast(mount, "inodes", [Point(at, disk.inodes_used_pct) for at, disk in levels])


def _forecast(mount: str, kind: str, points: list[Point]) -> dict[str, object]:
    recent = [each for each in points if each.at >= points[-1].at - 2 * WINDOW_HOURS * HOUR]
    return {
        "mount": mount,
        "kind": kind,
        "used_pct": round(points[-1].level, 1),
        "full_in_h": round(hours_until(recent), 1),
        "longest_forecast_h": round(longest_forecast(recent), 1),
        "rising": daily_minimum_rises(points),
    }


def _errors(samples: Sequence[Sample]) -> dict[str, object]:
    change = rate_change([each.errors for each in samples if each.errors is not None])
    return {
        "known": change.known,
        "changed": change.changed,
        "usual": round(change.usual, 1),
        "recent": round(change.recent, 1),
    }


def _new_templates(samples: Sequence[Sample], latest: Latest, now: float) -> Iterator[dict[str, object]]:
    for each in samples:
        learning = each.at - latest.began < LEARNING_HOURS * HOUR
        if not learning and now - each.at <= NEWS_HOURS * HOUR:
            for template in each.new_templates:
                yield {"template": template, "hours_ago": _ago(each.at, now)}


def _failed_units(samples: Sequence[Sample]) -> Iterator[dict[str, object]]:
    for unit in samples[-1].failed if samples else ():
        since = samples[-1].at
        for each in reversed(samples):
            if unit not in each.failed:
                break
            since = each.at
        yield {"unit": unit, "hours": _ago(since, samples[-1].at)}


def _clock(samples: Sequence[Sample]) -> dict[str, object]:
    points = [Point(each.at, each.clock_offset_seconds) for each in samples if each.clock_offset_seconds is not None]
    day = [each for each in points if each.at >= points[-1].at - DAY]
    return {
        "known": bool(points),
        "offset_seconds": round(points[-1].level, 3) if points else 0.0,
        "drift_a_day": round(slope_a_day(day), 3),
    }


def _disks(samples: Sequence[Sample], latest: Latest) -> Iterator[dict[str, object]]:
    for name in sorted({*latest.worn_pct, *latest.unhealthy, *(samples[-1].bad_sectors if samples else ())}):
        counts = [each.bad_sectors[name] for each in samples if name in each.bad_sectors] or [0]
        yield {
            "name": name,
            "bad_sectors": counts[-1],
            "more_bad_sectors": max(0, counts[-1] - counts[0]),
            "worn_pct": latest.worn_pct.get(name, 0),
            "healthy": name not in latest.unhealthy,
        }


def _pending_hours(samples: Sequence[Sample]) -> float:
    known = [each for each in samples if each.reboot_required is not None]
    since = None
    for each in reversed(known):
        if not each.reboot_required:
            break
        since = each.at
    return 0.0 if since is None else _ago(since, known[-1].at)


def _changed_files(samples: Sequence[Sample], now: float) -> Iterator[dict[str, object]]:
    """`hours_before_errors`: how long after the change the error rate rose; NEVER_HOURS when it did not."""
    rose = _errors_rose_at(samples)
    for each in samples:
        if now - each.at <= NEWS_HOURS * HOUR:
            before = (rose - each.at) / HOUR if rose is not None and rose >= each.at else NEVER_HOURS
            for path in each.changed_files:
                yield {"path": path, "hours_ago": _ago(each.at, now), "hours_before_errors": round(before, 2)}


def _errors_rose_at(samples: Sequence[Sample]) -> float | None:
    """When the change of rate that holds now began."""
    counted = [each for each in samples if each.errors is not None]
    counts = [each.errors for each in counted if each.errors is not None]
    if not rate_change(counts).changed:
        return None
    end = len(counts)
    while end > 0 and rate_change(counts[:end]).changed:
        end -= 1
    return counted[max(0, end - 1)].at


def _ago(then: float, now: float) -> float:
    return round(max(0.0, now - then) / HOUR, 2)
