"""So many of something an hour, for each technician or address. Pure; the clock is handed in.

Rule: only what happened within the last hour counts, so a quota frees itself a piece at a time.
"""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from remote_assist.errors import RefusedError

WINDOW = timedelta(hours=1)
MAX_NAMES = 65536
"""Names remembered; beyond, the one that was quiet for longest is forgotten."""


class HourlyQuota:
    """At most `most` an hour for each name; `what` says of what, for the sentence of a refusal."""

    def __init__(self, most: int, *, what: str) -> None:
        self._most = most
        self._what = what
        self._times: OrderedDict[str, deque[datetime]] = OrderedDict()

    def count(self, name: str, now: datetime) -> None:
        """One more of it happened."""
        times = self._times.setdefault(name, deque(maxlen=self._most))
        times.append(now)
        self._times.move_to_end(name)
        while len(self._times) > MAX_NAMES:
            self._times.popitem(last=False)

    def check(self, name: str, now: datetime) -> None:
        """Raise RefusedError `slow-down` when the hour's share is used up."""
        times = self._times.get(name)
        if times is None:
            return
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if not times:
            del self._times[name]
        elif len(times) >= self._most:
            minutes = int((times[0] + WINDOW - now).total_seconds()) // 60 + 1
            raise RefusedError(
                f"more than {self._most} {self._what} within an hour",
                reason="slow-down",
                advice=f"Try again in {minutes} minutes.",
            )
