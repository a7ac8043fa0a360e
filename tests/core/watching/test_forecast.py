"""Forecasts and changes of rate, on series whose answer is known."""

import random
import statistics

import pytest

from bench.trends import simulate, watched
from remote_assist.core.watching.forecast import (
    DAY,
    HOUR,
    NEVER_HOURS,
    TRAINING_POINTS,
    Point,
    daily_minimum_rises,
    hours_until,
    longest_forecast,
    rate_change,
    slope_a_day,
)

STEP = 300.0


def line(start: float, an_hour: float, hours: float, *, at: float = 0.0) -> list[Point]:
    return [Point(at + n * STEP, start + an_hour * n * STEP / HOUR) for n in range(int(hours * HOUR / STEP) + 1)]


def test_a_straight_line_is_continued_to_the_limit() -> None:
    assert hours_until(line(50, 2, 6)) == pytest.approx((100 - 62) / 2)


@pytest.mark.parametrize("points", [[], line(50, 2, 3), line(50, 0, 6), line(80, -1, 6), line(50, 2, 6)[:10]])
def test_too_little_or_no_growth_is_never(points: list[Point]) -> None:
    assert hours_until(points) == NEVER_HOURS


def test_only_the_last_six_hours_count() -> None:
    assert hours_until([*line(90, -1, 24), *line(50, 2, 6, at=DAY + STEP)]) == pytest.approx(19.0)


def test_the_longest_forecast_is_what_two_hours_agree_on() -> None:
    steady = line(50, 2, 10)
    assert longest_forecast(steady) == pytest.approx(hours_until(steady) + 2.0, abs=0.2)
    burst = [*line(70, 0, 8), *line(70, 30, 0.5, at=8 * HOUR + STEP)]
    assert hours_until(burst) < 60
    assert longest_forecast(burst) == NEVER_HOURS
    assert longest_forecast([]) == NEVER_HOURS


def test_the_daily_minimum_of_a_swing_does_not_rise() -> None:
    swing = [Point(n * STEP, 50 + 20 * (n * STEP % DAY) / DAY) for n in range(int(4 * DAY / STEP))]
    assert not daily_minimum_rises(swing)
    assert daily_minimum_rises([Point(each.at, each.level + each.at / HOUR) for each in swing])
    assert not daily_minimum_rises(swing[: len(swing) // 4])


def test_a_rate_that_stays_is_no_change_and_three_times_as_much_is() -> None:
    dice = random.Random(3)
    flat = [sum(dice.random() < 0.1 for _ in range(50)) for _ in range(600)]
    assert rate_change(flat) == rate_change(flat)
    assert not rate_change(flat).changed
    risen = [*flat, *(3 * each for each in flat[:12])]
    assert rate_change(risen).changed
    assert rate_change(risen).recent > 2 * rate_change(risen).usual
    assert not rate_change([*risen, *flat[:60]]).changed


def test_nothing_is_said_about_a_rate_while_it_is_learnt() -> None:
    assert not rate_change([0] * TRAINING_POINTS).known
    quiet_then_many = rate_change([0] * TRAINING_POINTS + [9, 9, 9])
    assert quiet_then_many.known
    assert quiet_then_many.changed


def test_drift_is_measured_a_day() -> None:
    assert slope_a_day(line(0, 0.1, 3)) == pytest.approx(2.4)
    assert slope_a_day(line(0, 0.1, 0.5)) == 0.0


@pytest.mark.slow
def test_a_small_simulation_holds_what_the_large_one_promises() -> None:
    """bench/trends.py runs all machines at every sample; here a sixth of them at every sixth."""
    result = simulate(watched, seed=11, quiet=20, filling=9, every=6)
    assert result.false_alarms <= 1
    assert result.missed == 0
    assert statistics.median(result.leads) >= 24
