"""Throughput and latency of the transport: technician, relay and agent as three processes on this machine.

    python -m bench.transport [--mib 512] [--rounds 5] [--up] [--resume] [--profile agent|technician]

With `--resume` every second round runs on a stream that would survive a cut, and both medians are compared.
Prints one line a round (file to file, MB = 10^6 bytes) and the median; then connect and command latency. The relay is
a minimal splice, so that the figures are those of the transport. `scp -J` reaches 241 MB/s here (default ciphers).
"""

import argparse
import asyncio
import contextlib
import cProfile
import hashlib
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import WSMsgType, web

from remote_assist.core.messages import Message
from remote_assist.core.requests import AskStatus, Done, ReadFile, WriteFile
from remote_assist.core.resume import Role
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import UnreachableError
from remote_assist.transport.channel import MessageChannel, open_channel
from remote_assist.transport.dial import dial
from remote_assist.transport.doors import ClosedDoors
from remote_assist.transport.resumable import ResumeTerms
from remote_assist.transport.ssh import connect_to_agent, serve_technician
from remote_assist.transport.streams import StreamTunnel

HOST_KEY, SESSION_KEY = new_key(b"h" * 32), new_key(b"s" * 32)
READ_BYTES = (128 << 10) - 5


class FileDoors(ClosedDoors):
    """Reads and writes one file, as the gate would."""

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        while True:
            try:
                said = await channel.receive()
            except UnreachableError:
                return
            await self._answer(said, channel)

    async def _answer(self, said: Message | bytes, channel: MessageChannel) -> None:
        if isinstance(said, ReadFile):
            await send_file(channel, Path(os.fsdecode(said.path)))
        elif isinstance(said, WriteFile):
            await receive_file(channel, Path(os.fsdecode(said.folder)) / os.fsdecode(said.name), said.size)
        await channel.send(Done(action="", status="done"))


async def send_file(channel: MessageChannel, path: Path) -> None:
    with path.open("rb", buffering=0) as source:
        while block := source.read(READ_BYTES):
            await channel.send_data(block)


async def receive_file(channel: MessageChannel, path: Path, size: int) -> None:
    with path.open("wb", buffering=0) as sink:
        while size:
            piece = await channel.receive()
            assert isinstance(piece, bytes)
            sink.write(piece)
            size -= len(piece)


async def relay(_: argparse.Namespace) -> None:
    """Splice whatever two WebSockets come for one path; prints its port."""
    pairs: dict[str, list[web.WebSocketResponse]] = {}
    ready: dict[str, asyncio.Event] = {}

    async def serve(request: web.Request) -> web.StreamResponse:
        own = web.WebSocketResponse(compress=False, max_msg_size=1 << 20)
        await own.prepare(request)
        pair, both = pairs.setdefault(request.path, []), ready.setdefault(request.path, asyncio.Event())
        pair.append(own)
        if len(pair) == 2:
            both.set()
        await both.wait()
        peer = pair[1 - pair.index(own)]
        async for message in own:
            if message.type is WSMsgType.BINARY:
                with contextlib.suppress(
                    ConnectionError
                ):  # the peer closed while we passed on its last acknowledgement
                    await peer.send_bytes(message.data)
        await peer.close()
        return own

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def agent(options: argparse.Namespace) -> None:
    """Serve streams one after the other."""
    for number in range(1, options.streams + 1):
        link = await dial(f"http://127.0.0.1:{options.port}", f"/s{number}")
        tunnel = StreamTunnel(link, stream=number, epoch=1, resume=terms(options, number, Role.AGENT))
        await serve_technician(
            tunnel, host_key=HOST_KEY, authorised=lambda line: line == public_line(SESSION_KEY), doors=FileDoors()
        )
        await tunnel.closed()


def terms(options: argparse.Namespace, number: int, role: Role) -> ResumeTerms | None:
    """Every second round of `--resume` could go on after a cut."""
    return ResumeTerms(key=bytes(32), role=role, patience_seconds=9.0) if options.resume and number % 2 else None


async def technician(options: argparse.Namespace) -> None:
    """Copy the file `rounds` times on connections of their own, then measure small things."""
    rates, connects, busy = [], [], []
    source, copy = Path(options.folder) / "source.bin", Path(options.folder) / "copy.bin"
    size = source.stat().st_size
    for number in range(1, options.rounds + 1):
        began = time.perf_counter()
        link = await dial(f"http://127.0.0.1:{options.port}", f"/s{number}")
        tunnel = StreamTunnel(link, stream=number, epoch=1, resume=terms(options, number, Role.TECHNICIAN))
        connection = await connect_to_agent(
            tunnel, session_key=SESSION_KEY, host_key_line=public_line(HOST_KEY), deadline_seconds=20
        )
        channel = await open_channel(connection)
        connects.append(time.perf_counter() - began)
        began, before = time.perf_counter(), time.process_time()
        await (put if options.up else get)(channel, source, copy)
        took = time.perf_counter() - began
        rates.append(size / took / 1e6)
        busy.append(time.process_time() - before)
        print(f"{'up' if options.up else 'down'} {size >> 20} MiB in {took:6.2f} s  {rates[-1]:6.0f} MB/s", flush=True)
        if number == options.rounds:
            await commands(channel)
        connection.close()
        await tunnel.closed()
    if options.resume:
        with_it, without = statistics.median(rates[::2]), statistics.median(rates[1::2])
        cpu = statistics.median(busy[::2]) / statistics.median(busy[1::2])
        print(f"with resume {with_it:.0f} MB/s, without {without:.0f}, ratio {with_it / without:.2f}, CPU {cpu:.2f}")
    same = hashlib.sha256(source.read_bytes()).digest() == hashlib.sha256(copy.read_bytes()).digest()
    print(f"median {statistics.median(rates):.0f} MB/s, identical={same}, connect {min(connects) * 1e3:.1f} ms")


async def get(channel: MessageChannel, source: Path, copy: Path) -> None:
    await channel.send(ReadFile(path=os.fsencode(source)))
    await receive_file(channel, copy, source.stat().st_size)
    await channel.receive()


async def put(channel: MessageChannel, source: Path, copy: Path) -> None:
    wanted = WriteFile(
        folder=os.fsencode(copy.parent), name=os.fsencode(copy.name), size=source.stat().st_size, sha256=""
    )
    await channel.send(wanted)
    await send_file(channel, source)
    await channel.receive()


async def commands(channel: MessageChannel, count: int = 500) -> None:
    """Question and answer, one after the other."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await channel.send(AskStatus())
        await channel.receive()
        took.append(time.perf_counter() - began)
    cuts = statistics.quantiles(took, n=100)
    print(f"question and answer {statistics.median(took) * 1e3:.2f} ms p50, {cuts[94] * 1e3:.2f} ms p95")


def main() -> int:
    options = _parser().parse_args()
    if options.part:
        return _run_part(options)
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=base, prefix="remote-assist-bench-") as folder:
        with (Path(folder) / "source.bin").open("wb") as out:
            for _ in range(options.mib):
                out.write(os.urandom(1 << 20))
        common = ["--folder", folder, "--streams", str(options.rounds), "--rounds", str(options.rounds)]
        common += (
            ["--up"] * options.up
            + ["--resume"] * options.resume
            + (["--profile", options.profile] if options.profile else [])
        )
        programs = [_start("relay", *common, stdout=subprocess.PIPE)]
        assert programs[0].stdout is not None
        port = programs[0].stdout.readline().decode().strip()
        programs.append(_start("agent", "--port", port, *common))
        try:
            return _start("technician", "--port", port, *common).wait()
        finally:
            programs[1].wait(10)
            programs[0].kill()
            for program in programs:
                program.wait()
            print(f"CPU of all three: {_cpu_seconds():.2f} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.transport", description=__doc__)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--up", action="store_true", help="technician to agent")
    parser.add_argument(
        "--resume", action="store_true", help="compare streams that survive cuts with those that do not"
    )
    parser.add_argument("--profile", choices=("agent", "technician"))
    for hidden in ("--part", "--folder"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    for hidden in ("--port", "--streams"):
        parser.add_argument(hidden, type=int, default=0, help=argparse.SUPPRESS)
    return parser


def _run_part(options: argparse.Namespace) -> int:
    part = {"relay": relay, "agent": agent, "technician": technician}[options.part]
    runner = asyncio.run
    if options.part == "relay":
        import uvloop

        runner = uvloop.run
    if options.profile != options.part:
        runner(part(options))
        return 0
    profile = cProfile.Profile()
    profile.runcall(runner, part(options))
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    return 0


def _start(part: str, *options: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "bench.transport", "--part", part, *options], stdout=stdout)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
