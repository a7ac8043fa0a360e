"""Time that passes faster for everything in this process: the loop's timers, and the clocks given to an agent."""

import asyncio
from datetime import timedelta

import pytest

from remote_assist.agent.keeper import system_moment
from remote_assist.core.consent import Moment

STEP_SECONDS = 5.0
PAUSE_SECONDS = 0.01
"""What really passes for each step: enough for what a timer starts to be under way."""


class TurnedTime:
    """The loop's clock and an agent's, ahead of the real ones by what was turned."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = 0.0
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self._ahead)

    def moment(self) -> Moment:
        """For `Surroundings`."""
        now = system_moment()
        return Moment(now.utc + timedelta(seconds=self._ahead), now.boot_seconds + self._ahead)

    async def pass_slowly(self, seconds: float) -> None:
        """Let so much time pass in steps, so that timers fire in their order."""
        for _ in range(round(seconds / STEP_SECONDS)):
            self._ahead += STEP_SECONDS
            await asyncio.sleep(PAUSE_SECONDS)
