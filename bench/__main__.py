"""The figures of one session, beside OpenSSH in the same run. `python -m bench [--runs N] [--mib 512]`.

Prints medians; ratios are ours ÷ theirs in MB/s, so above 1 is faster than the peer.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.openssh import SSHD, OpenSsh
from tests.scenarios.world import World, served_world

FAST_DISK = Path("/dev/shm")  # test data on memory, so that no disk is in the copy figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each figure (default 5)")
    parser.add_argument("--mib", type=int, default=512, help="size of the copied file in MiB (default 512)")
    options = parser.parse_args()
    base = FAST_DISK if FAST_DISK.is_dir() else Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=base, prefix="remote-assist-bench-") as name:
        folder = Path(name)
        with served_world(folder) as world:
            pairing(world, options.runs)
            _, session, agent = world.session()
            print(f"agent at rest in a session      {resident_mib(agent.pid):8.1f} MB resident   (goal ≤ 60)")
            commands(world, session)
            first_look(world, session, options.runs)
            copies(world, session, options.runs, options.mib)
    return 0


def pairing(world: World, runs: int) -> None:
    """Code typed (written to a waiting agent) until `invite` prints the session."""
    seconds = []
    for _ in range(runs):
        inviting, code = world.invite(world.new_ticket())
        words = ["join", "--code", "-", "--ca", "org/ca.pub", "--accept", "diagnose"]
        agent = world.start("remote-assist", *words, home="customer-home", log="agent.log")
        time.sleep(1.5)  # a person types after the agent has started
        assert agent.stdin is not None
        assert inviting.stdout is not None
        began = time.monotonic()
        agent.stdin.write(code + "\n")
        agent.stdin.flush()
        session = inviting.stdout.readline().strip()
        seconds.append(time.monotonic() - began)
        world.command("end", session, "--note", "measured")
        agent.wait(10)
    print(f"code typed to session ready     {statistics.median(seconds):8.3f} s   (goal ≤ 1.0)")


def commands(world: World, session: str, count: int = 300) -> None:
    """`true` through relay and gate, one after the other on one connection."""
    lines = "\n".join(["true"] * count) + "\n"
    done = world.command("run", session, "--stdin", "--json", stdin=lines, timeout=120)
    seconds = [json.loads(line)["seconds"] for line in done.stdout.splitlines() if '"seconds"' in line]
    cuts = statistics.quantiles(seconds, n=100)
    median = statistics.median(seconds) * 1000
    print(f"run -- true inside a session    {median:8.2f} ms p50, {cuts[94] * 1000:.2f} ms p95   (goal p50 ≤ 6)")


def first_look(world: World, session: str, runs: int) -> None:
    """`diagnose`, command start included."""
    seconds = _timed(lambda: world.command("diagnose", session, "-o", "look.tar.zst"), runs)
    print(f"first-look                      {statistics.median(seconds):8.3f} s   (goal ≤ 1.5)")


def copies(world: World, session: str, runs: int, mib: int) -> None:
    """One incompressible file, file to file, in turn with scp through a jump host and through a reverse tunnel."""
    source = world.folder / "random.bin"
    with source.open("wb") as out:
        for _ in range(mib):
            out.write(os.urandom(1 << 20))
    (world.folder / "taken").mkdir()
    roads: dict[str, Callable[[], float]] = {"ours": lambda: _fetch(world, session, source)}
    peer = OpenSsh(world.folder / "openssh")
    if SSHD is not None:
        peer.start()
        roads["scp -J"] = lambda: peer.scp("viajump", source, world.folder / "taken" / "scp.bin")
        roads["scp over ssh -R"] = lambda: peer.scp("reverse", source, world.folder / "taken" / "scp.bin")
    try:
        rates: dict[str, list[float]] = {road: [] for road in roads}
        for _ in range(runs):
            for road, copy in roads.items():
                rates[road].append(mib * (1 << 20) / 1e6 / copy())
    finally:
        peer.close()
    ours = statistics.median(rates["ours"])
    print(f"get {mib} MiB, file to file       {ours:8.0f} MB/s")
    for road, goal in (("scp -J", 1.0), ("scp over ssh -R", 2.5)):
        if road in rates:
            theirs = statistics.median(rates[road])
            print(f"    {road:<24}    {theirs:8.0f} MB/s   ratio {ours / theirs:.2f}   (goal ≥ {goal})")


def _fetch(world: World, session: str, source: Path) -> float:
    (world.folder / "taken" / source.name).unlink(missing_ok=True)
    return _timed(lambda: world.command("get", session, str(source), "taken"), 1)[0]


def _timed(act: Callable[[], subprocess.CompletedProcess[str]], runs: int) -> list[float]:
    seconds = []
    for _ in range(runs):
        began = time.monotonic()
        act()
        seconds.append(time.monotonic() - began)
    return seconds


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MB (10^6), from /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
