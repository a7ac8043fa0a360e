"""Many customers and their technician in one process, each with a program that runs, and a relay that can be killed."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from remote_assist.core.resume import LinkNews
from remote_assist.technician.desk import Desk
from remote_assist.technician.session import Session
from tests.faults.evil_relay import EvilRelay
from tests.faults.parties import Parties
from tests.faults.wired import Counting
from tests.scenarios.world import World

AT_ONCE = 4
"""Pairings under way at the same time."""

LIMITS = "sessions_per_technician = {0}\nnameplates_per_technician = {0}\njoins_per_address_per_hour = {0}\n"
PATIENCE_SECONDS = 300.0


@dataclass
class Member:
    """One customer, the technician's connection to them, the program that runs there, and when the link came back."""

    parties: Parties
    session: str
    connected: Session
    counting: Counting
    back: asyncio.Event = field(default_factory=asyncio.Event)
    back_at: float = 0.0

    @property
    def printed(self) -> int:
        """Bytes of the program's output that arrived."""
        return len(self.counting.output.data)

    def has_printed_more(self, before: int) -> bool:
        return self.printed > before


@dataclass
class Crowd:
    """Sessions that all run something."""

    world: World
    desk: Desk
    members: dict[str, Member] = field(default_factory=dict)
    opened_at: float = 0.0
    """When the port of the relay that was started again was open, by the steady clock."""

    async def add(self, folder: Path, count: int, pause: float) -> None:
        """One more session, whose program prints `count` numbers."""
        folder.mkdir()
        parties = Parties(self.world, EvilRelay(0, ""), folder)
        session = await parties.session(self.desk, deadline_seconds=60.0)
        connected = await self.desk.connect(session)
        self.members[session] = Member(parties, session, connected, await Counting.start(connected, count, pause))

    def told(self, session: str, news: LinkNews) -> None:
        """The technician's side heard of a link."""
        if news is LinkNews.BACK and session in self.members:
            self.members[session].back_at = time.monotonic()
            self.members[session].back.set()

    async def kill_relay_and_wait(self) -> list[float]:
        """SIGKILL the relay, start it again; seconds from its port being open to each session's return."""
        relay = self.world.programs[0]
        relay.send_signal(signal.SIGKILL)
        await asyncio.to_thread(relay.wait)
        await asyncio.sleep(1.0)
        serving = asyncio.create_task(asyncio.to_thread(self.world.serve))
        self.opened_at = await _port_open(self.world.port)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await serving
            await asyncio.gather(*(member.back.wait() for member in self.members.values()))
        return sorted(max(0.0, member.back_at - self.opened_at) for member in self.members.values())


@contextlib.asynccontextmanager
async def crowd(world: World, folder: Path, size: int, *, count: int, pause: float) -> AsyncIterator[Crowd]:
    """`size` sessions. The world is founded and not yet served; all are gone afterwards."""
    (world.folder / "relay.toml").write_text(LIMITS.format(size + 10))
    await asyncio.to_thread(world.serve)
    await asyncio.to_thread(world.login)
    gate = asyncio.Semaphore(AT_ONCE)
    async with await Desk.open(Parties(world, EvilRelay(0, ""), folder).desk_settings()) as desk:
        made = Crowd(world, desk)
        desk.on_link = lambda session, news, _: made.told(session, news)

        async def one(number: int) -> None:
            async with gate:
                await made.add(folder / f"customer-{number}", count, pause)

        try:
            await asyncio.gather(*(one(number) for number in range(size)))
            yield made
        finally:
            await asyncio.gather(*(member.parties.leave() for member in made.members.values()), return_exceptions=True)


async def _port_open(port: int) -> float:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return time.monotonic()
        await asyncio.sleep(0.005)
