"""What holds when the relay does not: it is frozen, it is cut off, it comes back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from remote_assist.core.requests import Run
from tests.agent.world import AgentWorld, agent_world


@dataclass
class Valve:
    """A TCP relay before the relay: can be frozen (nothing passes, nothing closes) and cut."""

    target: int
    open: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    port: int = 0

    def freeze(self) -> None:
        self.open.clear()

    def thaw(self) -> None:
        self.open.set()

    def cut(self) -> None:
        for writer in list(self.writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.open.wait()
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, other_writer}
        for source, sink in ((reader, other_writer), (other_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                await self.open.wait()
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
        self.writers.discard(sink)


@contextlib.asynccontextmanager
async def valve_before(port: int) -> AsyncIterator[Valve]:
    valve = Valve(port)
    valve.thaw()
    server = await asyncio.start_server(valve.serve, "127.0.0.1", 0)
    valve.port = server.sockets[0].getsockname()[1]
    try:
        yield valve
    finally:
        valve.thaw()
        valve.cut()
        server.close()
        await asyncio.gather(*valve.tasks, return_exceptions=True)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[tuple[AgentWorld, Valve]]:
    """A world whose agent reaches the relay through a valve; the technician reaches it directly."""
    async with agent_world(tmp_path) as world, valve_before(int(world.relay.url.rpartition(":")[2])) as valve:
        world.limit(relay_url=f"http://127.0.0.1:{valve.port}")
        yield world, valve


async def test_the_end_key_ends_within_a_second_although_the_relay_is_frozen(held: tuple[AgentWorld, Valve]) -> None:
    world, valve = held
    marker = world.folder / "pid"
    async with world.session() as live, world.technician.channel() as channel:
        await channel.send(Run(argv=("sh", "-c", f"echo $$ > {marker}; exec sleep 60")))
        await channel.receive()
        await _until(lambda: marker.exists() and marker.read_text().strip().isdecimal())
        pid = int(marker.read_text())
        valve.freeze()
        began = time.monotonic()
        world.customer.press_end()
        await _until(lambda: not _runs(pid), 1.0)
        assert time.monotonic() - began < 0.5, "the program outlived the consent"
        assert await live.ended() == 0
        assert time.monotonic() - began < 1.0
        valve.thaw()
    assert world.codes()[-2:] == ["RA1400O", "RA1990E"]
    assert any("could not be delivered" in line for line in world.customer.lines)
    assert world.home.receipt_file(world.technician.session).exists()


async def test_while_the_relay_is_frozen_nothing_starts_and_what_runs_is_killed_by_the_end(
    held: tuple[AgentWorld, Valve],
) -> None:
    world, valve = held
    world.limit(acknowledgement_deadline_seconds=0.3)
    made = world.folder / "made"
    async with world.session() as live:
        slow_start = Run(argv=("touch", str(made)))
        async with world.technician.channel() as channel:
            valve.freeze()
            await channel.send(slow_start)
            world.customer.press_end()
            assert await live.ended() == 0
            valve.thaw()
    assert not made.exists()


async def test_a_cut_control_connection_comes_back_and_the_session_goes_on(held: tuple[AgentWorld, Valve]) -> None:
    world, valve = held
    async with world.session() as live:
        assert (await live.ask(Run(argv=("true",)))).done.status == "done"
        valve.cut()
        await _until(lambda: any("is back" in line for line in world.customer.lines))
        assert (await live.ask(Run(argv=("echo", "again")))).data == b"again\n"
    assert len(world.customer.questions) == 1, "the customer was asked again"
    assert len(await world.logged()) == len(world.journal())


async def test_what_the_relay_missed_is_delivered_when_it_is_back(held: tuple[AgentWorld, Valve]) -> None:
    world, valve = held
    source = world.folder / "log"
    source.write_bytes(b"x")
    async with world.session(seconds=3):
        valve.freeze()
        await _until(lambda: "RA1004E" in world.codes(), 6.0)
        valve.thaw()
    assert [record.code for record in world.journal()][-1] == "RA1990E"
    assert len(await world.logged()) == len(world.journal())


async def _until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
