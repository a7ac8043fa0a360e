"""What many people cost one relay: `python -m bench.relay_load [agents] [cpu] [fair] [--count 5000] [--streams 100]`.

agents  memory of an idle agent in the relay's process, and how many agents can connect (prove their key) in a second
cpu     CPU seconds of the relay per GiB it passes on, beside a bare TCP splice on uvloop that passes the same bytes
fair    one hundred streams at once: the slowest beside the mean

The relay is a process of its own; what it takes is read from /proc. Each part takes under a minute.
"""

import argparse
import asyncio
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import uvloop
from websockets.asyncio.client import ClientConnection

from bench.relay_splice import OutsideWorld
from remote_assist.core.codec import decode
from remote_assist.core.messages import StreamOffered, StreamOpened
from tests.relay.world import Agent

GIB = 1 << 30
FRAME_BYTES = 256 << 10
"""As the streams of agents and technicians send when they have much to send."""
CPU_BYTES, CPU_ROUNDS = GIB // 4, 9
AT_ONCE = 32
STREAMS = 100
FAIR_SECONDS = 6.0
GOAL_KIB, GOAL_CONNECTS, GOAL_CPU, GOAL_SHARE = 40, 170, 1.2, 0.5


def memory_kib(pid: int) -> int:
    """Proportional set size."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise LookupError("no Pss")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process that runs, to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def measure_agents(world: OutsideWorld, pid: int, count: int) -> None:
    """Open so many sessions, let them idle, cut all, let all connect again."""
    alice, token = await world.technician()
    ticket = await world.ticket(token)
    before = memory_kib(pid)
    agents = [world.agent(alice, ticket) for _ in range(count)]
    await _all(agent.open() for agent in agents)
    await asyncio.sleep(2)
    each = (memory_kib(pid) - before) / count
    print(f"idle agent, {count} of them: {each:.1f} KiB each (goal: at most {GOAL_KIB})", flush=True)
    for agent in agents:
        agent.link.transport.abort()
    await asyncio.sleep(2)
    begun, cpu = time.perf_counter(), cpu_seconds(pid)
    await _all(agent.connect() for agent in agents)
    seconds, used = time.perf_counter() - begun, cpu_seconds(pid) - cpu
    print(
        f"agents connect: {count / seconds:.0f} a second with their programs on the same cores, "
        f"{count / used:.0f} for each CPU second of the relay (goal: at least {GOAL_CONNECTS})",
        flush=True,
    )
    for agent in agents:
        agent.link.transport.abort()


async def _all(works: object) -> None:
    """Run them, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(work: object) -> None:
        async with gate:
            await work  # type: ignore[misc]

    await asyncio.gather(*(one(work) for work in works))  # type: ignore[attr-defined]


async def opened_stream(world: OutsideWorld, agent: Agent, token: str) -> tuple[ClientConnection, ClientConnection]:
    """Both ends of a stream that carries bytes."""
    near = await world.socket(f"/v1/sessions/{agent.session}/stream", token=token)
    offered = await agent.receive()
    assert isinstance(offered, StreamOffered)
    far = await world.socket(f"/v1/streams/{offered.ticket}")
    for end in (near, far):
        decode(await end.recv(), StreamOpened)
    return near, far


async def measure_cpu(world: OutsideWorld, pid: int) -> None:
    """The same bytes in the same frames through the relay and through a splice that does nothing else, in turn."""
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    await agent.open()
    near, far = await opened_stream(world, agent, token)
    peer = subprocess.Popen([sys.executable, "-m", "bench.relay_load", "splice"], stdout=subprocess.PIPE)
    try:
        far_end, near_end = await _bare_splice(peer)
        rounds = []
        for _ in range(CPU_ROUNDS):
            ours, theirs = cpu_seconds(pid), cpu_seconds(peer.pid)
            await _pump(near, far)
            await _pump_bare(near_end[1], far_end[0])
            rounds.append((cpu_seconds(pid) - ours, cpu_seconds(peer.pid) - theirs))
        await asyncio.gather(near.close(), far.close())
        near_end[1].close()
    finally:
        peer.kill()
        peer.wait()
    ours, theirs = (statistics.median(seconds) * GIB / CPU_BYTES for seconds in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other in rounds)
    print(
        f"relay {ours:.2f} CPU s/GiB, bare uvloop splice {theirs:.2f}: median ratio of {CPU_ROUNDS} rounds {ratio:.2f} "
        f"(goal: at most {GOAL_CPU})",
        flush=True,
    )


async def _pump(near: ClientConnection, far: ClientConnection) -> None:
    frame = os.urandom(FRAME_BYTES)

    async def send() -> None:
        for _ in range(CPU_BYTES // FRAME_BYTES):
            await near.send(frame)

    sending = asyncio.create_task(send())
    got = 0
    while got < CPU_BYTES:
        got += len(await far.recv())
    await sending


async def _bare_splice(peer: "subprocess.Popen[bytes]") -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Far and near end."""
    assert peer.stdout is not None
    near_port, far_port = map(int, peer.stdout.readline().split())
    return [await asyncio.open_connection("127.0.0.1", port, limit=1 << 20) for port in (far_port, near_port)]


async def _pump_bare(near: asyncio.StreamWriter, far: asyncio.StreamReader) -> None:
    frame = os.urandom(FRAME_BYTES)

    async def send() -> None:
        for _ in range(CPU_BYTES // FRAME_BYTES):
            near.write(frame)
            await near.drain()

    sending = asyncio.create_task(send())
    got = 0
    while got < CPU_BYTES:
        piece = await far.read(1 << 20)
        assert piece, "the bare splice is gone"
        got += len(piece)
    await sending


class _End(asyncio.Protocol):
    """One end of the bare splice: what comes in here goes out there, no faster than it is taken."""

    other: "_End | None" = None
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        waiting = _WAITING.pop() if _WAITING else None
        if waiting is None:
            _WAITING.append(self)
            self.transport.pause_reading()
        else:
            self.other, waiting.other = waiting, self
            waiting.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()


_WAITING: list[_End] = []


async def serve_splice() -> None:
    """The peer's process: two ports whose connections are put together."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(_End, "127.0.0.1", 0) for _ in range(2)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


async def measure_fairness(world: OutsideWorld, relay: "subprocess.Popen[bytes]", streams: int) -> None:
    """All send as fast as they may for some seconds; what arrived is counted for each.

    A stream that breaks, or over which nothing comes, fails the run and is told.
    """
    alice, token = await world.technician()
    ends = []
    for _ in range(streams):
        agent = world.agent(alice, await world.ticket(token))
        await agent.open()
        ends.append(await opened_stream(world, agent, token))
    sent, got = [0] * streams, [0] * streams
    frame = os.urandom(FRAME_BYTES)

    async def send(near: ClientConnection, number: int) -> None:
        while True:
            await near.send(frame)
            sent[number] += len(frame)
            # Else one after the other fills the buffers of its sockets, 1.5 GB in all, before anything is taken out.
            await asyncio.sleep(0)

    async def take(far: ClientConnection, number: int) -> None:
        while True:
            got[number] += len(await far.recv())

    tasks = [
        asyncio.create_task(work)
        for number, (near, far) in enumerate(ends)
        for work in (send(near, number), take(far, number))
    ]
    begun = time.perf_counter()
    await asyncio.wait(tasks, timeout=FAIR_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
    seconds = time.perf_counter() - begun
    broken = [task.exception() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    for end in itertools.chain.from_iterable(ends):
        end.transport.abort()
    if broken or not all(got):
        raise SystemExit(
            f"after {seconds:.1f} s {len(broken)} of {len(tasks)} ends broke ({broken[:3]!r}), {got.count(0)} of "
            f"{streams} streams had brought nothing, {sent.count(0)} taken nothing; {sum(sent)} bytes went in, "
            f"{sum(got)} came out; exit status of the relay: {relay.poll()}, load {os.getloadavg()[0]:.1f}"
        )
    print(
        f"{streams} streams at once: {sum(got) / seconds / 1e6:.0f} MB/s together, the slowest has "
        f"{min(got) / statistics.mean(got):.2f} of the mean (goal: at least {GOAL_SHARE}), "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


async def main(parts: list[str], count: int, streams: int) -> None:
    """The chosen parts, each with a fresh relay."""
    for part in parts:
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as name:
            world = OutsideWorld(Path(name), unlimited=True)
            process = await world.serve()
            try:
                if part == "agents":
                    await measure_agents(world, process.pid, count)
                elif part == "cpu":
                    await measure_cpu(world, process.pid)
                else:
                    await measure_fairness(world, process, streams)
            finally:
                await world.http.close()
                process.kill()
                process.wait()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parser = argparse.ArgumentParser(prog="python -m bench.relay_load", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=["agents", "cpu", "fair", "splice"], default=[])
    parser.add_argument("--count", type=int, default=5000, help="agents (default 5000)")
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"streams at once (default {STREAMS})")
    options = parser.parse_args()
    chosen = (
        serve_splice()
        if options.parts == ["splice"]
        else main(options.parts or ["agents", "cpu", "fair"], options.count, options.streams)
    )
    uvloop.run(chosen)
