"""Time as the screens know it: the clock, a stopwatch, how often they look. Handed in, so that tests stand still."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Pace:
    """`clock` UTC-aware now; `stopwatch` seconds from anywhere; `poll_seconds` between two looks at a session;
    `tick_seconds` between two drawings of a countdown."""

    clock: Callable[[], datetime] = _now
    stopwatch: Callable[[], float] = time.monotonic
    poll_seconds: float = 3.0
    tick_seconds: float = 1.0
