"""How fast a stream passes through the relay, and how soon a record is acknowledged: `python -m bench.relay_splice`.

Relay, sender and receiver are three processes on loopback, as in life; sender and receiver are bare WebSocket clients,
so the figure is the relay's own. Printed: MB/s for one direction, and p50/p99 of append → acknowledgement beside a
plain fdatasync of the same disk.
"""

import asyncio
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
from websockets.asyncio.client import connect

from remote_assist.core.codec import decode
from remote_assist.core.messages import Acknowledged, StreamOffered, StreamOpened
from remote_assist.core.records import Actor
from tests.relay.world import Agent, Organisation, RelayWorld, TurnableClock

FRAME_BYTES = 256 << 10
TOTAL_BYTES = 2 << 30
ROUND_TRIPS = 500


class OutsideWorld(RelayWorld):
    """A world whose relay is a process of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        unlimited: bool = False,
        fill: Callable[[Path], None] = lambda data: None,
    ) -> None:
        """`unlimited`: one technician, one address and one ticket may have as many of everything as the bench opens.

        `fill`: puts something into the relay's data folder before.
        """
        self._fill = fill
        super().__init__(folder)
        self._unlimited = unlimited
        self.organisation = Organisation(folder, TurnableClock())
        self._address = ""

    @property
    def url(self) -> str:
        return self._address

    async def serve(self) -> subprocess.Popen[bytes]:
        self.organisation.found()
        self._fill(self.organisation.data)
        data = str(self.organisation.data)
        words = ["serve", "--data", data, "--listen", "127.0.0.1:0"]
        if self._unlimited:
            config = self.organisation.folder / "relay.toml"
            config.write_text("unauthenticated_per_address = 8192\nsessions_per_technician = 100000\n")
            words += ["--config", str(config)]
        process = subprocess.Popen(
            [sys.executable, "-m", "relay", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        self._address = process.stdout.readline().decode().split()[-1]
        self.http = aiohttp.ClientSession()
        return process


async def receive(url: str) -> None:
    """The receiving process: count bytes until the other end closes."""
    async with connect(url, compression=None, proxy=None, max_size=2 << 20) as link:
        await link.recv()
        got, begun = 0, 0.0
        async for message in link:
            begun = begun or time.perf_counter()
            got += len(message)
            if got >= TOTAL_BYTES:
                break
        print(f"{got / (time.perf_counter() - begun) / 1e6:.0f}", flush=True)


async def measure_stream(world: OutsideWorld, agent: Agent, token: str) -> float:
    """MB/s from technician to agent."""
    async with world.socket(f"/v1/sessions/{agent.session}/stream", token=token) as link:
        offered = await agent.receive()
        assert isinstance(offered, StreamOffered)
        url = world.url.replace("http:", "ws:", 1) + f"/v1/streams/{offered.ticket}"
        sink = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.relay_splice", url, stdout=asyncio.subprocess.PIPE
        )
        decode(await link.recv(), StreamOpened)
        frame = secrets.token_bytes(FRAME_BYTES)
        for _ in range(TOTAL_BYTES // FRAME_BYTES):
            await link.send(frame)
        assert sink.stdout is not None
        speed = float(await sink.stdout.readline())
        await sink.wait()
        return speed


async def measure_round_trips(agent: Agent) -> list[float]:
    """Seconds from sending a record to its acknowledgement."""
    found = []
    for _ in range(ROUND_TRIPS):
        record = agent.record("RA1006E", actor=Actor(kind="customer"))
        begun = time.perf_counter()
        answer = await agent.append(record)
        found.append(time.perf_counter() - begun)
        assert isinstance(answer, Acknowledged)
    return found


def measure_sync(folder: Path) -> list[float]:
    """Seconds of one small write and fdatasync on the same disk."""
    found = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(ROUND_TRIPS):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - begun)
    return found


def show(name: str, seconds: list[float]) -> None:
    """One line of percentiles."""
    cuts = statistics.quantiles(seconds, n=100)
    print(f"{name}: p50 {cuts[49] * 1000:.2f} ms, p99 {cuts[98] * 1000:.2f} ms", flush=True)


async def main() -> None:
    """Both measurements."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as name:
        folder = Path(name)
        world = OutsideWorld(folder)
        process = await world.serve()
        try:
            alice, token = await world.technician()
            agent = world.agent(alice, await world.ticket(token))
            await agent.open()
            show("append to acknowledgement", await measure_round_trips(agent))
            show("fdatasync alone", measure_sync(folder))
            for _ in range(3):
                print(f"stream through the relay: {await measure_stream(world, agent, token):.0f} MB/s", flush=True)
            await agent.link.close()
        finally:
            await world.http.close()
            process.send_signal(signal.SIGTERM)
            process.wait(20)


if __name__ == "__main__":
    asyncio.run(receive(sys.argv[1]) if len(sys.argv) > 1 else main())
