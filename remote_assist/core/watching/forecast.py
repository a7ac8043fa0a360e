"""Numbers in time → when a limit is reached, and whether a rate has changed. No machine, no clock.

The methods and their gates are those that held in simulation (bench/trends.py): a straight line through six hours,
asked for at every sample of the last two hours; and a cumulative sum with one standard deviation of slack.
"""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HOUR = 3600.0
DAY = 24 * HOUR
WINDOW_HOURS = 6.0
"""The line goes through so much time before the moment it is asked for."""

LEAST_WINDOW_HOURS = 4.5
"""With less than this behind it nothing is forecast."""

HELD_HOURS = 2.0
"""So long every forecast must agree."""

LEAST_POINTS = 12
NEVER_HOURS = 99_999.0
"""A level that does not rise, or not within eleven years."""

TRAINING_POINTS = 200
SLACK_DEVIATIONS, ALARM_DEVIATIONS = 1.0, 8.0


@dataclass(frozen=True, slots=True)
class Point:
    """A level at a time (seconds since the epoch)."""

    at: float
    level: float


def hours_until(points: Sequence[Point], limit: float = 100.0) -> float:
    """Hours from the last point until a line through its window reaches `limit`; NEVER_HOURS if it does not."""
    if not points:
        return NEVER_HOURS
    last = points[-1].at
    window = [each for each in points if each.at >= last - WINDOW_HOURS * HOUR]
    if len(window) < LEAST_POINTS or last - window[0].at < LEAST_WINDOW_HOURS * HOUR:
        return NEVER_HOURS
    slope, start = statistics.linear_regression([each.at - last for each in window], [each.level for each in window])
    if slope <= 0:
        return NEVER_HOURS
    return min(NEVER_HOURS, max(0.0, (limit - start) / slope / HOUR))


def longest_forecast(points: Sequence[Point], held_hours: float = HELD_HOURS) -> float:
    """The longest of the forecasts made at each point of the last `held_hours`: what all of them agree on."""
    if not points or points[-1].at - points[0].at < held_hours * HOUR:
        return NEVER_HOURS
    since = points[-1].at - held_hours * HOUR
    ends = [number for number, each in enumerate(points) if each.at >= since]
    return max(hours_until(_window_of(points, end)) for end in ends)


def daily_minimum_rises(points: Sequence[Point], days: int = 3) -> bool:
    """Whether the lowest level of each of the last `days` was above that of the day before: it is no daily swing."""
    if not points or points[-1].at - points[0].at < days * DAY:
        return False
    last = points[-1].at
    minima = [
        min((each.level for each in points if last - (day + 1) * DAY < each.at <= last - day * DAY), default=0.0)
        for day in reversed(range(days))
    ]
    return all(later > earlier for earlier, later in itertools.pairwise(minima))


@dataclass(frozen=True, slots=True)
class RateChange:
    """Whether counts are far above what they used to be. `usual` and `recent`: mean counts a sample."""

    known: bool
    changed: bool
    usual: float
    recent: float


def rate_change(counts: Sequence[int]) -> RateChange:
    """A one-sided cumulative sum over the counts after the first TRAINING_POINTS, which say what is usual."""
    if len(counts) <= TRAINING_POINTS:
        return RateChange(known=False, changed=False, usual=0.0, recent=0.0)
    training = counts[:TRAINING_POINTS]
    usual = statistics.fmean(training)
    deviation = max(statistics.pstdev(training), 0.5)
    total = 0.0
    for count in counts[TRAINING_POINTS:]:
        total = max(0.0, total + (count - usual) / deviation - SLACK_DEVIATIONS)
        total = min(total, 2 * ALARM_DEVIATIONS)
    recent = statistics.fmean(counts[TRAINING_POINTS:][-6:])
    return RateChange(known=True, changed=total > ALARM_DEVIATIONS, usual=usual, recent=recent)


def slope_a_day(points: Sequence[Point]) -> float:
    """How much the level changes in a day, by a straight line through all points; 0 with less than an hour of them."""
    if len(points) < LEAST_POINTS or points[-1].at - points[0].at < HOUR:
        return 0.0
    return statistics.linear_regression([each.at for each in points], [each.level for each in points]).slope * DAY


def _window_of(points: Sequence[Point], end: int) -> Sequence[Point]:
    start = end
    while start > 0 and points[start - 1].at >= points[end].at - WINDOW_HOURS * HOUR:
        start -= 1
    return points[start : end + 1]
