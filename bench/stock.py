"""Debian's own programs through our ProxyCommand, beside OpenSSH in the same run: `python -m bench.stock [PART…]`.

true    `ssh HOST true` from start to exit, in turn with `ssh -J` (goal: no slower)
rsync   one incompressible file, in turn with rsync over `ssh -J` (goal: 0.8 of its rate) and over `ssh -R` (twice)
small   a folder of small files by `scp -r`, in turn with `scp -r -J`
get-r   such files, in one folder and ten a folder, by `get -r`, in turn with `scp -r -J` (goal: twice as fast)

Medians of rounds that take turns, so that what else the machine does hits all roads.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.openssh import OpenSsh
from tests.scenarios.stock import Host, host_of
from tests.scenarios.world import served_world

PARTS = ("true", "rsync", "small", "get-r")
OURS, JUMP, REVERSE = "ours", "ssh -J", "ssh -R"
HOSTS = {JUMP: "viajump", REVERSE: "reverse"}
MIB = 1 << 20
SMALL_BYTES = 512
FEW_KIB = (1024, 4096)
"""Sizes of the files of `get-r`, evenly spread."""


class Roads:
    """The same command by each road. `base`: a folder in memory."""

    def __init__(self, host: Host, peer: OpenSsh, base: Path) -> None:
        self._host = host
        self._peer = peer
        self.base = base

    def run(self, road: str, *argv: str) -> float:
        """Seconds of a command; `CONFIG` and `HOST` in it stand for the road's."""
        names = {"CONFIG": self._peer.config, "HOST": HOSTS.get(road, "")}
        if road == OURS:
            names = {"CONFIG": str(self._host.config), "HOST": self._host.session}
        words = [word.replace("CONFIG", names["CONFIG"]).replace("HOST", names["HOST"]) for word in argv]
        began = time.perf_counter()
        subprocess.run(
            words, check=True, env=self._host.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - began


def in_turn(rounds: int, works: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, one after the other in every round."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            took[name].append(work())
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def measure_true(roads: Roads, rounds: int) -> None:
    """Start, key exchange, command, exit."""
    argv = ("ssh", "-F", "CONFIG", "HOST", "true")
    found = in_turn(rounds, {road: partial(roads.run, road, *argv) for road in (OURS, JUMP)})
    print(
        f"ssh HOST true: ours {found[OURS] * 1e3:.0f} ms, ssh -J {found[JUMP] * 1e3:.0f} ms, "
        f"ratio {found[OURS] / found[JUMP]:.2f} (goal: at most 1)",
        flush=True,
    )


def measure_rsync(roads: Roads, rounds: int, mib: int) -> None:
    """From the customer to here."""
    source, copy = roads.base / "random.bin", roads.base / "copy.bin"
    with source.open("wb") as out:
        for _ in range(mib):
            out.write(os.urandom(MIB))

    def fetch(road: str) -> float:
        copy.unlink(missing_ok=True)
        return roads.run(road, "rsync", "-e", "ssh -F CONFIG", f"HOST:{source}", str(copy))

    found = in_turn(rounds, {road: partial(fetch, road) for road in (OURS, *HOSTS)})
    rates = ", ".join(f"{road} {mib * MIB / 1e6 / seconds:.0f}" for road, seconds in found.items())
    print(
        f"rsync {mib} MiB, MB/s: {rates}; ratio to ssh -J {found[JUMP] / found[OURS]:.2f} (goal: at least 0.8), "
        f"to ssh -R {found[REVERSE] / found[OURS]:.2f} (goal: at least 2)",
        flush=True,
    )


def measure_small(roads: Roads, rounds: int, count: int) -> None:
    """A folder with so many files."""
    source = roads.base / "small"
    source.mkdir()
    for number in range(count):
        (source / f"{number}.txt").write_bytes(os.urandom(SMALL_BYTES))

    def fetch(road: str) -> float:
        with tempfile.TemporaryDirectory(dir=roads.base) as copy:
            return roads.run(road, "scp", "-q", "-r", "-F", "CONFIG", f"HOST:{source}", copy)

    found = in_turn(rounds, {road: partial(fetch, road) for road in (OURS, JUMP)})
    print(
        f"{count} small files by scp -r: ours {found[OURS]:.1f} s, scp -J {found[JUMP]:.1f} s, "
        f"ratio {found[JUMP] / found[OURS]:.2f} times as fast",
        flush=True,
    )


def measure_get(roads: Roads, rounds: int, count: int, each: int) -> None:
    """A folder of folders with `each` files by our own verb, one intent for a thousand names, beside OpenSSH's scp."""
    source = roads.base / f"by-{each}"
    source.mkdir()
    smallest, largest = FEW_KIB
    for number in range(count):
        size = smallest + number * 2741 % (largest - smallest + 1)
        place = source / f"{number // each}"
        place.mkdir(exist_ok=True)
        (place / f"{number}.txt").write_bytes(os.urandom(size))
    programs = {
        OURS: ("remote-assist", "get", "-r", "HOST", str(source)),
        JUMP: ("scp", "-q", "-r", "-F", "CONFIG", f"HOST:{source}"),
    }

    def fetch(road: str) -> float:
        with tempfile.TemporaryDirectory(dir=roads.base) as copy:
            seconds = roads.run(road, *programs[road], copy)
            came = sum(1 for _ in Path(copy, source.name).glob("*/*.txt"))
            if came != count:
                raise SystemExit(f"{road}: {came} of {count} files came")
            return seconds

    found = in_turn(rounds, {road: partial(fetch, road) for road in (OURS, JUMP)})
    print(
        f"{count} files of 1 to 4 KiB, {each} a folder: get -r {found[OURS]:.1f} s, scp -r -J {found[JUMP]:.1f} s, "
        f"ratio {found[JUMP] / found[OURS]:.2f} times as fast (goal: at least 2)",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.stock", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    parts = options.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=memory, prefix="remote-assist-bench-") as name,
        served_world(Path(name)) as world,
    ):
        peer = OpenSsh(Path(name) / "openssh")
        try:
            peer.start()
            roads = Roads(host_of(world, "bench", "diagnose,files:read,files:write,fix,terminal"), peer, Path(name))
            if "true" in parts:
                measure_true(roads, 3 * options.rounds)
            if "rsync" in parts:
                measure_rsync(roads, options.rounds, options.mib)
            if "small" in parts:
                measure_small(roads, options.rounds, options.files)
            if "get-r" in parts:
                for each in (options.files, 10):
                    measure_get(roads, options.rounds, options.files, each)
        finally:
            peer.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
