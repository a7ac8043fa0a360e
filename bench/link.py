"""What a session's link costs and how soon it is back: `python -m bench.link [throughput] [echo] [restart]`.

throughput  one file over streams that survive cuts and over streams that do not, in turn; the median of the ratios
echo        a key typed until it is seen, in our `shell` through the relay and in `ssh -J` to the same machine, in turn
restart     20 sessions, the relay killed: from its port being open again to each session's return

Figures are ratios against a peer of the same run. Each part takes under a minute on a quiet machine.
"""

import argparse
import asyncio
import os
import pty
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from bench.openssh import SSHD, OpenSsh
from tests.faults.crowd import crowd
from tests.scenarios.world import World, find_program, served_world

PARTS = ("throughput", "echo", "restart")
KEYS, BLOCKS = 40, 8
"""Keys of a block, and blocks for each road, in turn."""

STEPS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 38.0, 46.0)
AGENTS = 20
ROUNDS, MIB = 7, 128
GOAL_THROUGHPUT, GOAL_P50, GOAL_P99_MS, GOAL_RESTART = 0.9, 2.0, 3.0, 3.0


class Keyboard:
    """A program at a terminal of ours, in which `cat` runs, so that the far terminal echoes each key."""

    def __init__(self, argv: list[str], world: World) -> None:
        self._master, slave = pty.openpty()
        self._program = subprocess.Popen(
            argv, cwd=world.folder, env=world.environment("alice-home"), stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._until(b"")
        os.write(self._master, b"echo rea''dy; exec cat\r")
        self._until(b"ready\r\n")

    def press(self) -> float:
        """Seconds from a key to its echo."""
        began = time.perf_counter()
        os.write(self._master, b"x")
        self._until(b"x")
        took = time.perf_counter() - began
        if select.select([self._master], [], [], 0.02)[0]:
            raise RuntimeError("a key was shown twice: this terminal echoes by itself")
        return took

    def close(self) -> None:
        self._program.kill()
        self._program.wait()
        os.close(self._master)

    def _until(self, wanted: bytes) -> None:
        seen = b""
        while not wanted or wanted not in seen:
            if not select.select([self._master], [], [], 30)[0]:
                raise TimeoutError(f"only {seen[-200:]!r} was shown")
            seen += os.read(self._master, 65536)
            if not wanted and seen:
                return


def measure_echo(folder: Path) -> None:
    """Both roads in turn, so that what else the machine does hits both."""
    if SSHD is None:
        print("echo: sshd is not installed (Debian: openssh-server)")
        return
    peer = OpenSsh(folder / "openssh")
    with served_world(folder) as world:
        _, session, _ = world.session()
        peer.start()
        boards = [
            Keyboard([find_program("remote-assist"), "shell", session], world),
            Keyboard(["ssh", "-F", peer.config, "-tt", "viajump", "exec /bin/sh"], world),
        ]
        try:
            took: list[list[float]] = [[], []]
            for _ in range(BLOCKS):
                for board, seconds in zip(boards, took, strict=True):
                    seconds += [board.press() for _ in range(KEYS)]
        finally:
            for board in boards:
                board.close()
            peer.close()
    (ours, ours_99), (theirs, theirs_99) = (_cuts(seconds) for seconds in took)
    print(
        f"echo: ours p50 {ours:.2f} ms, p99 {ours_99:.2f}; ssh -J p50 {theirs:.2f} ms, p99 {theirs_99:.2f}; "
        f"p50 ratio {ours / theirs:.2f} (goal: at most {GOAL_P50:g}), "
        f"p99 {ours_99 - theirs_99:+.2f} ms (goal: at most +{GOAL_P99_MS:g})"
    )
    for name, seconds in zip(("ours", "ssh -J"), took, strict=True):
        print(f"    {name:<8} " + " · ".join(_steps(seconds)))


def _steps(seconds: list[float]) -> list[str]:
    """How many keys took how long: Nagle with delayed acknowledgements would show as a hill at 40 ms."""
    edges = [0.0, *STEPS_MS, float("inf")]
    counts = [sum(low <= one * 1e3 < high for one in seconds) for low, high in pairwise(edges)]
    names = [f"under {STEPS_MS[0]:g} ms", *(f"from {low:g}" for low in STEPS_MS)]
    return [f"{name}: {count}" for name, count in zip(names, counts, strict=True)]


def _cuts(seconds: list[float]) -> tuple[float, float]:
    return statistics.median(seconds) * 1e3, statistics.quantiles(seconds, n=100)[98] * 1e3


def measure_throughput() -> None:
    """bench.transport, whose rounds take turns; each round with resume beside the one without that follows it."""
    argv = [sys.executable, "-m", "bench.transport", "--resume", "--rounds", str(2 * ROUNDS), "--mib", str(MIB)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    rates = [float(rate) for rate in re.findall(r"([\d.]+) MB/s$", told, re.MULTILINE)][: 2 * ROUNDS]
    ratios = [with_it / without for with_it, without in zip(rates[::2], rates[1::2], strict=True)]
    print(
        f"throughput: with resume {statistics.median(rates[::2]):.0f} MB/s, without "
        f"{statistics.median(rates[1::2]):.0f}, median of {len(ratios)} ratios {statistics.median(ratios):.2f} "
        f"(goal: at least {GOAL_THROUGHPUT})"
    )


async def measure_restart(folder: Path) -> None:
    """All agents and their technician in one process beside the relay's."""
    world = World(folder)
    try:
        world.take_organisation()
        async with crowd(world, folder, AGENTS, count=6000, pause=0.1) as made:
            seconds = await made.kill_relay_and_wait()
            for member in made.members.values():
                member.counting.running.cancel()
        print(
            f"restart: {AGENTS} sessions back after {statistics.median(seconds):.2f} s in the median, "
            f"{seconds[-1]:.2f} at most (goal: median under {GOAL_RESTART:g})"
        )
    finally:
        world.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.link", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default all")
    parts = parser.parse_args().parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if "throughput" in parts:
        measure_throughput()
    for part in ("echo", "restart"):
        if part in parts:
            with tempfile.TemporaryDirectory(prefix="remote-assist-bench-") as name:
                if part == "echo":
                    measure_echo(Path(name))
                else:
                    asyncio.run(measure_restart(Path(name)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
