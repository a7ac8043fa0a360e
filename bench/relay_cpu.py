"""CPU of a process that passes a stream on, beside a bare TCP splice on uvloop: the part `cpu` of `bench.relay_load`.

Both are measured between the same two ends, which do as little as can be: one socket sends ready-made frames, another
takes what comes. It matters: what a process pays of the kernel's work for each byte depends on how quickly the ends
are served, and once these ends were a WebSocket library for one and asyncio's streams for the other, which moved half
as much in a second. Rounds are short and in turn, so that what else the machine does meets both. This file is also the
splice, as a process of its own: `python -m bench.relay_cpu`.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from remote_assist.core.stream import HEADER_BYTES
from remote_assist.transport.streams import GATHER_BYTES

GIB = 1 << 30
FRAME_BYTES = GATHER_BYTES + HEADER_BYTES
"""As the streams of agents and technicians send when they have much to send."""
ROUND_FRAMES, ROUNDS = 512, 150
SLOW_BYTES, SLOW_ROUNDS = 200 << 20, 25
"""A pace in bytes a second at which everybody waits for the sender."""
TAKEN_BYTES = 1 << 20
GOAL_CPU = 1.2
_LAST = os.urandom(16)
_LAST_FRAME = bytes([0x82, 0x80 | len(_LAST)]) + bytes(4) + _LAST
"""Masked with zeros: the same bytes end a round, whether somebody unmasks them or not."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process that runs, to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@dataclass
class Road:
    """Two sockets with a process between them, and what each round through it took."""

    pid: int
    near: socket.socket
    far: socket.socket
    cpu: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def round(self, pace: int) -> None:
        """Send and take ROUND_FRAMES, at most `pace` bytes a second; 0: as fast as they are taken."""
        used, begun = cpu_seconds(self.pid), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send(pace))
            group.create_task(self._take())
        self.cpu.append((cpu_seconds(self.pid) - used) * GIB / (ROUND_FRAMES * FRAME_BYTES))
        self.seconds.append(time.perf_counter() - begun)

    async def _send(self, pace: int) -> None:
        loop = asyncio.get_running_loop()
        frame = Frame(Opcode.BINARY, os.urandom(FRAME_BYTES)).serialize(mask=True)
        begun = loop.time()
        for number in range(ROUND_FRAMES):
            await loop.sock_sendall(self.near, frame)
            if pace:
                await asyncio.sleep(begun + (number + 1) * FRAME_BYTES / pace - loop.time())
        await loop.sock_sendall(self.near, _LAST_FRAME)

    async def _take(self) -> None:
        loop, memory = asyncio.get_running_loop(), bytearray(TAKEN_BYTES)
        got, tail = 0, b""
        while tail != _LAST:
            size = await loop.sock_recv_into(self.far, memory)
            assert size, "the stream broke"
            got += size
            tail = (tail + memory[max(0, size - len(_LAST)) : size])[-len(_LAST) :]
        assert got >= ROUND_FRAMES * FRAME_BYTES, "bytes are missing"

    def told(self) -> str:
        speed = ROUND_FRAMES * FRAME_BYTES / statistics.median(self.seconds) / 1e6
        return f"{statistics.median(self.cpu):.3f} CPU s/GiB at {speed:.0f} MB/s"


async def measure_cpu(pid: int, near: ClientConnection, far: ClientConnection) -> None:
    """The same frames through the relay and through a splice that does nothing else; first as fast as it goes."""
    peer = subprocess.Popen([sys.executable, "-m", "bench.relay_cpu"], stdout=subprocess.PIPE)
    try:
        assert peer.stdout is not None
        ports = [int(word) for word in peer.stdout.readline().split()]
        with (
            taken_over(near) as near_end,
            taken_over(far) as far_end,
            dialled(ports[0]) as one,
            dialled(ports[1]) as two,
        ):
            for rounds, pace in ((ROUNDS, 0), (SLOW_ROUNDS, SLOW_BYTES)):
                relay, splice = Road(pid, near_end, far_end), Road(peer.pid, one, two)
                await _compare(relay, splice, rounds, pace)
    finally:
        peer.kill()
        peer.wait()


async def _compare(relay: Road, splice: Road, rounds: int, pace: int) -> None:
    for number in range(rounds + 1):
        for road in (relay, splice) if number % 2 else (splice, relay):
            await road.round(pace)
    ratios = [one / other for one, other in list(zip(relay.cpu, splice.cpu, strict=True))[1:]]
    low, median, high = statistics.quantiles(ratios, n=4)
    print(
        f"relay {relay.told()}, bare uvloop splice {splice.told()}: median ratio of {rounds} rounds {median:.2f}, "
        f"half of them {low:.2f} to {high:.2f} "
        f"({'everybody waits for the sender' if pace else f'goal: at most {GOAL_CPU}'}), load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


@contextmanager
def taken_over(link: ClientConnection) -> Iterator[socket.socket]:
    """The socket of a WebSocket whose library is left out from now on."""
    link.transport.pause_reading()
    with socket.socket(fileno=os.dup(link.transport.get_extra_info("socket").fileno())) as taken:
        taken.setblocking(False)
        yield taken
    link.transport.abort()


@contextmanager
def dialled(port: int) -> Iterator[socket.socket]:
    """A socket as uvloop makes one."""
    with socket.create_connection(("127.0.0.1", port)) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        yield made


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
    """Two ports whose connections are put together."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(_End, "127.0.0.1", 0) for _ in range(2)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve_splice())
