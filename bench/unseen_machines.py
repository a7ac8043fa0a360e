"""Machines the rule of `watch` was never adjusted on, for `python -m bench.trends --unseen`.

Written once, after the rule was fixed, and run without changing either. Those that do not fill: noise that remembers,
weekdays unlike weekends, logs kept for several days, an update that takes room and keeps it. Those that fill: in
working hours only, faster and faster, or in steps.
"""

import math
import random
from collections.abc import Callable, Iterator

from remote_assist.core.watching.forecast import DAY, HOUR, Point

STEP_SECONDS = 300.0
CALM_DAYS = 6
QUIET_DAYS = 2
MOST_DAYS = 30


def calm(dice: random.Random, number: int) -> Iterator[Point]:
    """A machine that does not fill, one of four kinds."""
    shape = (_office, _rotated, _updated, _wandering)[number % 4](dice)
    base = dice.uniform(15, 75)
    drift = 0.0
    for step in range(int(CALM_DAYS * DAY / STEP_SECONDS)):
        at = step * STEP_SECONDS
        drift = 0.98 * drift + dice.gauss(0, 0.05)
        yield Point(at, min(99.0, max(1.0, base + shape(at) + drift)))


def filling(dice: random.Random, number: int) -> Iterator[Point]:
    """Two quiet days, then growth of one of three kinds until the disk is full."""
    base, rate = dice.uniform(30, 75), math.exp(dice.uniform(math.log(0.3), math.log(1.5)))
    grow = (_by_day, _faster, _in_steps)[number % 3]
    drift, at = 0.0, 0.0
    while at < MOST_DAYS * DAY:
        drift = 0.98 * drift + dice.gauss(0, 0.05)
        hours = max(0.0, at - QUIET_DAYS * DAY) / HOUR
        level = base + drift + grow(hours, rate)
        yield Point(at, min(100.0, level))
        if level >= 100.0:
            return
        at += STEP_SECONDS


def _office(dice: random.Random) -> Callable[[float], float]:
    """Grows in working hours on five days, removed at night."""
    height, weekend = dice.uniform(2, 10), dice.randrange(7)

    def shape(at: float) -> float:
        hour, day = at % DAY / HOUR, int(at // DAY)
        busy = 0.1 if (day + weekend) % 7 >= 5 else 1.0
        return height * busy * min(1.0, max(0.0, (hour - 8) / 10))

    return shape


def _rotated(dice: random.Random) -> Callable[[float], float]:
    """Logs of two to four days, then all removed at once."""
    height, days = dice.uniform(4, 15), dice.uniform(2, 4)
    return lambda at: height * (at / DAY % days) / days


def _updated(dice: random.Random) -> Callable[[float], float]:
    """Something is installed within half an hour to three hours and stays."""
    begins, hours, height = dice.uniform(1, 5) * DAY, dice.uniform(0.5, 3), dice.uniform(2, 12)
    return lambda at: height * min(1.0, max(0.0, (at - begins) / HOUR / hours))


def _wandering(dice: random.Random) -> Callable[[float], float]:
    """Two slow waves that have nothing to do with the day."""
    waves = [(dice.uniform(1, 5), dice.uniform(7, 40), dice.uniform(0, 6)) for _ in range(2)]
    return lambda at: sum(height * math.sin(at / HOUR * 2 * math.pi / hours + at0) for height, hours, at0 in waves)


def _by_day(hours: float, rate: float) -> float:
    """As much a day as steady growth, but between 8 and 20 o'clock."""
    days, hour = divmod(hours, 24.0)
    return rate * 24.0 * (days + min(1.0, max(0.0, (hour - 8) / 12)))


def _faster(hours: float, rate: float) -> float:
    """Begins at a third of the rate and doubles each day."""
    return rate / 3 * 24.0 * (math.pow(2.0, hours / 24.0) - 1.0) / math.log(2.0)


def _in_steps(hours: float, rate: float) -> float:
    """Once every two hours, within ten minutes."""
    turns, hour = divmod(hours, 2.0)
    return rate * 2.0 * (turns + min(1.0, hour * 6.0))
