"""Look at the screens by hand: `python -m tests.tui.play`. The customer joins after five seconds."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from remote_assist.core.requests import Progress
from remote_assist.tui.app import AssistApp
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import AskPassphrase, OnProgress
from tests.tui.customer_world import WorldSession
from tests.tui.world import World, WorldDesk, WorldInvitation


class SlowSession(WorldSession):
    async def collect(self, bundle: str, out: Path, on_progress: OnProgress) -> object:
        def slow(progress: Progress) -> None:
            on_progress(progress)

        for name in self._world.collectors:
            on_progress(Progress(item=name, status="running", done=0, total=len(self._world.collectors)))
            await asyncio.sleep(0.3)
        return await super().collect(bundle, out, slow)


class SlowDesk(WorldDesk):
    async def invite(self, ticket, scopes, seconds) -> WorldInvitation:  # type: ignore[no-untyped-def]
        invitation = await super().invite(ticket, scopes, seconds)
        asyncio.get_running_loop().call_later(5, invitation.join)
        return invitation

    async def connect(self, session: str) -> WorldSession:
        return SlowSession(self._world, session)


def main() -> None:
    world = World(datetime.now(UTC))

    async def open_desk(ask: AskPassphrase) -> SlowDesk:
        return SlowDesk(world, ask)

    AssistApp(open_desk, downloads=Path("/tmp/play"), pace=Pace()).run()


if __name__ == "__main__":
    main()
