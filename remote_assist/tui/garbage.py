"""The garbage collector's long looks, which would fall between a key and what it shows.

What was loaded for the first screens stays for good and is looked at no more. What is made since is looked at little
by little; all of it at once only when nobody presses a key.
"""

import gc
from collections.abc import Callable

YOUNG, MIDDLE, OLD = 2_000, 10, 1_000
"""Objects before a look at the new ones (below a millisecond), such looks before one at those left over (a few), and
those before one at all: hardly ever, should nobody ever rest."""

ENOUGH = 10
"""Looks at what was left over before one at all is worth its 20 milliseconds and more."""

QUIET_SECONDS = 2.0


class QuietCollector:
    """Collects when the keys rest. `stopwatch`: seconds from anywhere."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch = stopwatch
        self._last_key = stopwatch()

    def begin(self) -> None:
        """Everything is loaded: from here on, so."""
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, OLD)

    def note_key(self) -> None:
        self._last_key = self._stopwatch()

    def look(self) -> None:
        """To be called now and then: collects if the keys rest and there is enough."""
        if self._stopwatch() - self._last_key >= QUIET_SECONDS and gc.get_count()[2] >= ENOUGH:
            gc.collect()
