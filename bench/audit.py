"""Figures of the audit log: append and acknowledgement beside bare fsyncs, and proofs out of a large tree.

python -m bench.audit [--appends 300] [--sessions 1000] [--leaves 100000]
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import Connection

from relay.database import open_engine
from relay.log_tree import LogTree, TreeReader
from relay.migrations import migrate
from remote_assist.core.records import leaf_hash
from remote_assist.core.tree import check_inclusion
from tests.relay.world import Person, RelayWorld

CHUNK = 50_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--appends", type=int, default=300, help="records appended one by one (default 300)")
    parser.add_argument("--sessions", type=int, default=1000, help="sessions that append at once (default 1,000)")
    parser.add_argument("--leaves", type=int, default=100_000, help="records of the large tree (default 100,000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remote-assist-bench-") as name:
        asyncio.run(appends(Path(name), options.appends, options.sessions))
        proofs(Path(name), options.leaves)
    return 0


async def appends(folder: Path, count: int, sessions: int) -> None:
    """Append at the relay over a loopback socket, its commit included; the agent's own fsync is not in it."""
    async with RelayWorld(folder / "world") as world:
        person, token = await world.technician()
        agent = world.agent(person, await world.ticket(token))
        await agent.open()
        seconds = []
        for _ in range(count):
            record = agent.record("RA1209E", sizes={"count": 1})
            began = time.perf_counter()
            await agent.append(record)
            seconds.append(time.perf_counter() - began)
        alone = count / sum(seconds)
        together = await grouped(world, person, await world.ticket(token), sessions)
    bare = 2 * fsync_seconds(folder / "bare", count) * 1000
    median = statistics.median(seconds) * 1000
    print(f"append and signed acknowledgement  p50 {median:8.2f} ms   (two bare fsyncs beside it {bare:.2f} ms)")
    print(f"one session, one by one                {alone:8.0f} records/s")
    print(f"{sessions} sessions at once             {together:8.0f} records/s   ({together / alone:.1f} times)")


async def grouped(world: RelayWorld, person: Person, ticket: str, sessions: int) -> float:
    """Records a second when so many sessions append one record each at the same time, again and again."""
    agents = [world.agent(person, ticket) for _ in range(sessions)]
    for agent in agents:
        await agent.open()
    rounds, seconds = 3, 0.0
    for _ in range(rounds):
        records = [agent.record("RA1209E", sizes={"count": 1}) for agent in agents]
        began = time.perf_counter()
        await asyncio.gather(*(agent.append(record) for agent, record in zip(agents, records, strict=True)))
        seconds += time.perf_counter() - began
    return sessions * rounds / seconds


def fsync_seconds(path: Path, count: int) -> float:
    """The median of appending 512 bytes and putting them on the disk."""
    seconds = []
    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(bytes(512))
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


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
