"""The simulation behind the rules of `watch`: 120 machines that do not fill up and 53 that do, sampled every 5 minutes.

python -m bench.trends [--seed 7] [--harsh | --unseen] [--fresh 10]

Half of those that do not fill swing (logs grow all day and are removed at night), half burst (something large is
written within two hours and removed). One that fills grows steadily, with noise, over a small swing. `--harsh`: all
of them do both, with bursts of up to four hours and 25 points, which nobody can tell from filling up while they last.
`--unseen`: machines of bench/unseen_machines.py. `--fresh N`: only our rule, on N seeds that follow from a text and
were chosen before anybody looked at them.
"""

import argparse
import hashlib
import math
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import unseen_machines
from remote_assist.core.watching.forecast import DAY, HOUR, Point, hours_until, longest_forecast

STEP_SECONDS = 300.0
QUIET, FILLING = 120, 53
DAYS = 6
WINDOW_POINTS = 102
USED_PCT, AHEAD_HOURS = 60.0, 27.0
"""Gates of the rule. A day of warning is what is left of 27 hours when the forecast has been held for two."""

Rule = Callable[[list[Point]], bool]


@dataclass(frozen=True, slots=True)
class Result:
    """What a rule did: machines with an alarm though they did not fill, machines it missed, hours of warning."""

    false_alarms: int
    missed: int
    leads: tuple[float, ...]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.trends", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--harsh", action="store_true", help="machines that swing and burst at the same time")
    parser.add_argument("--unseen", action="store_true", help="machines the rule was never adjusted on")
    parser.add_argument("--fresh", type=int, default=0, metavar="N", help="our rule alone, on N seeds nobody chose")
    options = parser.parse_args()
    kind = "harsh" if options.harsh else "unseen" if options.unseen else "own"
    if options.fresh:
        return _on_fresh_seeds(options.fresh, kind)
    print(f"{'rule':<56} false alarms   missed   median lead")
    for name, rule in RULES.items():
        result = simulate(rule, options.seed, kind=kind)
        print(_line(name, result))
    return 0


def _on_fresh_seeds(count: int, kind: str) -> int:
    """Our rule on seeds derived from a text: one line each, then what all of them give together."""
    results = []
    for number in range(count):
        seed = int.from_bytes(hashlib.sha256(f"fresh seed {number} of watch".encode()).digest()[:4], "big")
        result = simulate(watched, seed, kind=kind)
        results.append(result)
        print(_line(f"{kind}, seed {seed}", result), flush=True)
    leads = tuple(lead for result in results for lead in result.leads)
    together = Result(sum(r.false_alarms for r in results), sum(r.missed for r in results), leads)
    print(_line(f"{kind}, {count} seeds together", together, count))
    return 0


def _line(name: str, result: Result, times: int = 1) -> str:
    lead = statistics.median(result.leads) if result.leads else 0.0
    wrong = f"{result.false_alarms:>4} / {QUIET * times}     {result.missed:>3} / {FILLING * times}"
    return f"{name:<56} {wrong}   {lead:6.1f} h"


def watched(points: list[Point]) -> bool:
    """The rule of `trend.disk.filling`: a line through 6 h, 27 h ahead, more than 60 % used, held for 2 h."""
    return points[-1].level > USED_PCT and longest_forecast(points) < AHEAD_HOURS


def eager(points: list[Point]) -> bool:
    """The well-known bare rule: a line through 1 h, no gate."""
    last = [each for each in points if each.at >= points[-1].at - HOUR]
    if len(last) < 12:
        return False
    slope, start = statistics.linear_regression([each.at - points[-1].at for each in last], [p.level for p in last])
    return slope > 0 and (100.0 - start) / slope / HOUR < AHEAD_HOURS


def unheld(points: list[Point]) -> bool:
    """As `watched`, without being held."""
    return points[-1].level > USED_PCT and hours_until(points) < AHEAD_HOURS


RULES: dict[str, Rule] = {
    "1 h line, 27 h ahead, no gate": eager,
    "6 h line, 27 h ahead, > 60 % used": unheld,
    "6 h line, 27 h ahead, > 60 % used, held 2 h (ours)": watched,
}


def simulate(
    rule: Rule, seed: int = 7, *, quiet: int = QUIET, filling: int = FILLING, every: int = 1, kind: str = "own"
) -> Result:
    """One rule over all machines; `every`: only each so many-th sample is asked about; `kind`: own, harsh, unseen."""
    dice = random.Random(seed)
    resting = {"own": _calm, "harsh": _restless, "unseen": unseen_machines.calm}[kind]
    growing = unseen_machines.filling if kind == "unseen" else _filling
    calm = [list(resting(dice, number)) for number in range(quiet)]
    false_alarms = sum(_first_alarm(rule, points, every) is not None for points in calm)
    leads, missed = [], 0
    for number in range(filling):
        points = list(growing(dice, number))
        alarm = _first_alarm(rule, points, every)
        if alarm is None:
            missed += 1
        else:
            leads.append((points[-1].at - alarm) / HOUR)
    return Result(false_alarms, missed, tuple(leads))


def _first_alarm(rule: Rule, points: list[Point], every: int) -> float | None:
    for end in range(every, len(points) + 1, every):
        if rule(points[max(0, end - WINDOW_POINTS) : end]):
            return points[end - 1].at
    return None


def _calm(dice: random.Random, number: int) -> Iterator[Point]:
    """A daily swing of 3 to 15 points, or one to three bursts of 5 to 20."""
    if number % 2 == 0:
        return _level(dice, dice.uniform(15, 70), dice.uniform(3, 15), [])
    bursts = [_burst(dice, 0.25, 2, 20) for _ in range(1 + number // 2 % 3)]
    return _level(dice, dice.uniform(15, 70), dice.uniform(0, 2), bursts)


def _restless(dice: random.Random, number: int) -> Iterator[Point]:
    bursts = [_burst(dice, 0.5, 4, 25) for _ in range(number % 4)]
    return _level(dice, dice.uniform(15, 70), dice.uniform(1, 15), bursts)


def _burst(dice: random.Random, shortest: float, longest: float, height: float) -> tuple[float, float, float]:
    return dice.uniform(0, DAYS * DAY), dice.uniform(shortest, longest) * HOUR, dice.uniform(5, height)


def _level(dice: random.Random, base: float, swing: float, bursts: list[tuple[float, float, float]]) -> Iterator[Point]:
    for step in range(int(DAYS * DAY / STEP_SECONDS)):
        at = step * STEP_SECONDS
        level = base + swing * (at % DAY) / DAY + dice.gauss(0, 0.15)
        level += sum(height * (at - start) / length for start, length, height in bursts if start <= at < start + length)
        yield Point(at, min(99.0, level))


def _filling(dice: random.Random, number: int) -> Iterator[Point]:
    """Two quiet days, then steady growth until the disk is full."""
    base, rate = dice.uniform(20, 75), math.exp(dice.uniform(math.log(0.3), math.log(1.5)))  # points an hour
    swing = dice.uniform(0, 3)
    at = 0.0
    while True:
        grown = max(0.0, at - 2 * DAY) / HOUR * rate
        level = base + swing * (at % DAY) / DAY + grown + dice.gauss(0, 0.15)
        yield Point(at, min(100.0, level))
        if level >= 100.0:
            return
        at += STEP_SECONDS


if __name__ == "__main__":
    raise SystemExit(main())
