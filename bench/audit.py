"""Figures of the audit log: append and acknowledgement beside bare fsyncs, and proofs out of a large tree.

python -m bench.audit [--appends 300] [--sessions 1000] [--leaves 100000]
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import uvloop
from sqlalchemy import Connection

from bench.relay_load import cpu_seconds
from bench.relay_splice import OutsideWorld
from relay.log.tree import LogTree, TreeReader
from relay.migrations import migrate
from relay.storage.database import open_engine
from remote_assist.core.messages import StoredRecord
from remote_assist.core.records import leaf_hash
from remote_assist.core.tree import check_inclusion
from tests.relay.world import Agent, Person

CHUNK = 50_000
ROUNDS = 5
"""Records of each session when many append at once."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--appends", type=int, default=300, help="records appended one by one (default 300)")
    parser.add_argument("--sessions", type=int, default=1000, help="sessions that append at once (default 1,000)")
    parser.add_argument("--leaves", type=int, default=100_000, help="records of the large tree (default 100,000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remote-assist-bench-") as name:
        uvloop.run(appends(Path(name) / "world", options.appends, options.sessions))
        proofs(Path(name), options.leaves)
    return 0


async def appends(folder: Path, count: int, sessions: int) -> None:
    """Append at a relay that is a process of its own, its commit included; the agent's own fsync is not in it."""
    folder.mkdir()
    world = OutsideWorld(folder, unlimited=True)
    process = await world.serve()
    try:
        person, token = await world.technician()
        agent = world.agent(person, await world.ticket(token))
        await agent.open()
        seconds, bare, before = [], [], cpu_seconds(process.pid)
        with (folder / "bare").open("ab", buffering=0) as file:
            for _ in range(count):
                record = agent.record("RA1209E", sizes={"count": 1})
                began = time.perf_counter()
                await agent.append(record)
                seconds.append(time.perf_counter() - began)
                bare.append(fsync_seconds(file) + fsync_seconds(file))
        alone, alone_cpu = count / sum(seconds), (cpu_seconds(process.pid) - before) / count
        together, cpu = await grouped(world, process.pid, person, await world.ticket(token), sessions)
    finally:
        await world.http.close()
        process.terminate()
        process.wait()
    median, least = statistics.median(seconds) * 1000, statistics.median(bare) * 1000
    print(f"append and signed acknowledgement   p50 {median:7.2f} ms, two bare fsyncs between them {least:.2f} ms")
    print(f"  above the two                         {median - least:7.2f} ms   (goal: at most 2.5)")
    print(
        f"one session, one by one             {alone:8.0f} records/s, {alone_cpu * 1000:.2f} ms of the relay's CPU each"
    )
    print(
        f"{sessions} sessions at once          {together:8.0f} records/s, {cpu * 1000:.2f} ms of the relay's CPU each"
    )
    print(f"  {together / alone:.1f} times (goal: 10)", flush=True)


async def grouped(world: OutsideWorld, pid: int, person: Person, ticket: str, sessions: int) -> tuple[float, float]:
    """Records a second, and CPU seconds of the relay for each, when so many sessions append one after the other."""
    agents = [world.agent(person, ticket) for _ in range(sessions)]
    for agent in agents:
        await agent.open()
    written = [[agent.record("RA1209E", sizes={"count": 1}) for _ in range(ROUNDS)] for agent in agents]

    async def append(agent: Agent, records: Sequence[StoredRecord]) -> None:
        for record in records:
            await agent.append(record)

    before, began = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*map(append, agents, written))
    seconds, count = time.perf_counter() - began, sessions * ROUNDS
    return count / seconds, (cpu_seconds(pid) - before) / count


def fsync_seconds(file: FileIO) -> float:
    """Appending 512 bytes and putting them on the disk."""
    began = time.perf_counter()
    file.write(bytes(512))
    os.fsync(file.fileno())
    return time.perf_counter() - began


def proofs(folder: Path, leaves: int) -> None:
    """Make the tree of a database of so many records, then prove records of it, each with a cold reader."""
    engine = open_engine(str(folder / "large.db"))
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        _fill(connection, leaves)
        began = time.perf_counter()
        LogTree().catch_up(connection)
        rate = leaves / (time.perf_counter() - began)
        root = TreeReader(connection).head().root
        seconds = []
        for number in range(200):
            index = number * 7919 * 613 % leaves
            began = time.perf_counter()
            proof = TreeReader(connection).inclusion(index, leaves)
            seconds.append(time.perf_counter() - began)
            check_inclusion(leaf_hash(_time(index), f"{index:064x}"), index, leaves, proof, root, where="leaf")
    engine.dispose()
    print(f"tree made from stored records          {rate:8.0f} records/s")
    worst = sorted(seconds)[-2]
    print(
        f"proof for one of {leaves:,}        p50 {statistics.median(seconds) * 1000:.2f} ms, p99 {worst * 1000:.2f} ms"
    )


def _fill(connection: Connection, leaves: int) -> None:
    for start in range(0, leaves, CHUNK):
        rows = [(i, i, f"{i:064x}", _time(i)) for i in range(start, min(leaves, start + CHUNK))]
        connection.exec_driver_sql("INSERT INTO records VALUES (?, 's', ?, ?, 'c', '', x'', '', ?, '')", rows)


def _time(index: int) -> str:
    return f"2026-03-01T09:30:{index // 1_000_000:02d}.{index % 1_000_000:06d}Z"


if __name__ == "__main__":
    raise SystemExit(main())
