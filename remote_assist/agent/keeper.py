"""Holds the session's consent as it stands and looks at both clocks. Decisions are core/consent.py's.

Rule: consent changes here first, in memory and at once; records and people are told afterwards.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from remote_assist.core.consent import Consent, Event, Moment
from remote_assist.core.messages import Grant

Clock = Callable[[], Moment]


def system_moment() -> Moment:
    """Both clocks of this machine. Where no clock counts through suspend, the steady one stands in."""
    return Moment(datetime.now(UTC), _boot_seconds())


class Keeper:
    """One session's consent. `consent` is the value of now; `happen` replaces it."""

    def __init__(self, session: str, moment: Clock) -> None:
        self.consent = Consent(session)
        self.moment = moment
        self.given = 0
        """How many grants there ever were: the next one's number follows."""

    def happen(self, event: Event) -> None:
        """Let `event` happen. Raises what core/consent.py raises; then nothing changed."""
        self.consent = self.consent.after(event)

    def allow(self, scope: str, key: str, path: bytes | None = None, place: str = "") -> Grant:
        """The grant that allows this now. Raises RefusedError."""
        return self.consent.check(scope, key=key, now=self.moment(), path=path, place=place)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What is good right now."""
        return self.consent.active(self.moment())


def _boot_seconds() -> float:
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
