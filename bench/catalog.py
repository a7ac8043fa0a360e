"""The catalog's figures, processor and wall clock: loading it, judging one bundle by all of it; memory for `full`.

python -m bench.catalog [--runs N]
"""

import argparse
import asyncio
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime

from remote_assist.core.findings import evaluate
from remote_assist.core.requests import Progress
from remote_assist.diagnostics.bundle import read_bundle
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.collect import collect_bundle
from remote_assist.transport.local_target import LocalTarget


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.catalog", description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="runs of each figure (default 7)")
    parser.add_argument(
        "--collect", action="store_true", help="only collect `full` and print this process's peak memory"
    )
    options = parser.parse_args()
    if options.collect:
        asyncio.run(_collected())
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return 0
    judged(options.runs)
    argv = [sys.executable, "-m", "bench.catalog", "--collect"]
    peak = int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout) / 1024
    print(f"peak memory while `full` is collected {peak:8.1f} MB   (goal ≤ 120; its programs not counted)")
    return 0


def judged(runs: int) -> None:
    """Load, then evaluate a real bundle: the first time (expressions are compiled) and again."""
    began = time.process_time()
    catalog = load_catalog()
    loaded = (time.process_time() - began) * 1000
    print(f"catalog loaded                        {loaded:8.0f} ms  ({len(catalog.issues)} known issues)")
    bundle = read_bundle(asyncio.run(_collected()))
    seconds, walls = [], []
    for _ in range(runs):
        began, wall = time.process_time(), time.perf_counter()
        found = evaluate(catalog, bundle.facts, statuses=bundle.statuses, digests=bundle.digests, all_outcomes=True)
        seconds.append((time.process_time() - began) * 1000)
        walls.append((time.perf_counter() - wall) * 1000)
    told = f"({len(found)} findings, goal ≤ 200)"
    again, wall_again = statistics.median(seconds[1:]), statistics.median(walls[1:])
    print(f"whole catalog over one bundle, first  {seconds[0]:8.0f} ms  {walls[0]:8.0f} ms wall  {told}")
    print(f"whole catalog over one bundle, again  {again:8.0f} ms  {wall_again:8.0f} ms wall")


async def _collected() -> bytes:
    raw = bytearray()

    async def write(part: bytes) -> None:
        raw.extend(part)

    def progress(_: Progress) -> None:
        """Nobody looks."""

    await collect_bundle(
        load_catalog(), "full", LocalTarget(), write=write, progress=progress, clock=lambda: datetime.now(UTC)
    )
    return bytes(raw)


if __name__ == "__main__":
    raise SystemExit(main())
