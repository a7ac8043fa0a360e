"""A session in this process whose network misbehaves, and programs on it whose output is known to the byte."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remote_assist.agent.keeper import system_moment
from remote_assist.core.consent import Moment
from remote_assist.core.requests import KIND_DATA, Done
from remote_assist.core.resume import LinkNews
from remote_assist.technician.desk import Desk
from remote_assist.technician.session import Session
from tests.faults.evil_relay import EvilRelay
from tests.faults.parties import EVERYTHING, Customer, Parties
from tests.faults.tcp_proxy import TcpProxy
from tests.scenarios.world import World, free_port

COUNTING = "import sys, time\nfor n in range({count}): print(n * 7919, flush=True); time.sleep({pause})"


@dataclass
class Wired:
    """A session through a proxy that misbehaves. `news`: what the technician's side was told of its link."""

    proxy: TcpProxy
    parties: Parties
    desk: Desk
    session: str
    news: list[LinkNews] = field(default_factory=list)


@contextlib.contextmanager
def proxied_world(folder: Path) -> Iterator[tuple[World, TcpProxy]]:
    """An organisation whose relay is reached through a proxy that misbehaves, Alice logged in."""
    world = World(folder, front_port=free_port())
    try:
        world.take_organisation()
        with TcpProxy(world.front_port, world.port) as proxy:
            world.serve()
            world.login()
            yield world, proxy
    finally:
        world.close()


@contextlib.asynccontextmanager
async def wired_session(
    world: World,
    proxy: TcpProxy,
    folder: Path,
    *,
    moment: Callable[[], Moment] = system_moment,
    wishes: tuple[str, ...] = EVERYTHING,
    **limits: Any,
) -> AsyncIterator[Wired]:
    """A session of a fresh customer; `limits` are settings of their agent. Whatever happens, they are gone after."""
    unused = EvilRelay(0, "")  # never started: here the network lies, not the relay
    parties = Parties(world, unused, folder, Customer(wishes), limits=limits, moment=moment, wishes=wishes)
    async with await Desk.open(parties.desk_settings()) as desk:
        session = await parties.session(desk)
        wired = Wired(proxy, parties, desk, session)
        desk.on_link = lambda _, news, __: wired.news.append(news)
        try:
            yield wired
        finally:
            proxy.restore()
            proxy.delay_seconds = proxy.bytes_per_second = proxy.idle_seconds = 0.0
            proxy.budgets.clear()
            await parties.leave()


@dataclass
class Output:
    """What a program printed, and a mark when it began."""

    data: bytes = b""
    began: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, kind: int, data: bytes) -> None:
        assert kind == KIND_DATA
        self.data += data
        self.began.set()


@dataclass
class Counting:
    """A program that prints numbers for a while."""

    running: "asyncio.Task[Done]"
    output: Output
    expected: bytes

    @classmethod
    async def start(cls, session: Session, count: int = 60, pause: float = 0.04) -> "Counting":
        output = Output()
        argv = [sys.executable, "-c", COUNTING.format(count=count, pause=pause)]
        running = asyncio.create_task(session.run(argv, stdin=None, on_output=output))
        async with asyncio.timeout(60):
            await output.began.wait()
        return cls(running, output, b"".join(b"%d\n" % (n * 7919) for n in range(count)))

    async def check(self) -> None:
        """It ended well and not a byte is missing or doubled."""
        async with asyncio.timeout(60):
            done = await self.running
        assert done.exit == 0
        assert self.output.data == self.expected
