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
import tempfile
import time
from pathlib import Path

import uvloop
from websockets.asyncio.client import ClientConnection

from bench.relay_cpu import FRAME_BYTES, cpu_seconds, measure_cpu
from bench.relay_splice import OutsideWorld
from remote_assist.core.codec import decode
from remote_assist.core.messages import StreamOffered, StreamOpened
from tests.relay.world import Agent

AT_ONCE = 32
STREAMS = 100
FAIR_SECONDS = 6.0
GOAL_KIB, GOAL_CONNECTS, GOAL_SHARE = 40, 170, 0.5


def memory_kib(pid: int) -> int:
    """Proportional set size."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise LookupError("no Pss")


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
    near = await world.socket(f"/v1/sessions/{agent.session}/stream", token=token, ping_interval=None)
    offered = await agent.receive()
    assert isinstance(offered, StreamOffered)
    far = await world.socket(f"/v1/streams/{offered.ticket}", ping_interval=None)
    for end in (near, far):
        decode(await end.recv(), StreamOpened)
    return near, far


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
                    alice, token = await world.technician()
                    agent = world.agent(alice, await world.ticket(token))
                    await agent.open()
                    await measure_cpu(process.pid, *await opened_stream(world, agent, token))
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
    parser.add_argument("parts", nargs="*", choices=["agents", "cpu", "fair"], default=[])
    parser.add_argument("--count", type=int, default=5000, help="agents (default 5000)")
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"streams at once (default {STREAMS})")
    options = parser.parse_args()
    uvloop.run(main(options.parts or ["agents", "cpu", "fair"], options.count, options.streams))
