"""Proofs out of a very large log: `python -m bench.audit_large [--leaves 10000000] [--proofs 300]`.

The tree is written as tiles straight into the database, over the leaf hashes of made-up records, so that ten million
take a minute; every proof is made by a reader on a connection of its own (only the system caches) and verified.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine

from relay.log.sessions import read_proofs
from relay.log.tree import WIDTH, TreeReader
from relay.migrations import migrate
from relay.storage.database import open_engine
from remote_assist.core.records import leaf_hash
from remote_assist.core.tree import check_inclusion, subtree_root

TIME = "2026-03-01T09:30:00.000000Z"
SESSION = "s-aaaaaaaaaaaaaaaa"
PAGE = 100
ADD_TILE = "INSERT INTO tiles (level, number, root, hashes) VALUES (?, ?, ?, ?)"
ADD_RECORD = (
    'INSERT INTO records ("index", session, seq, hash, code, action, record, head, time, signature) '
    "VALUES (?, ?, ?, ?, 'RA1400I', '', x'', '', ?, '')"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.audit_large", description=__doc__)
    parser.add_argument("--leaves", type=int, default=10_000_000, help="records of the log (default 10,000,000)")
    parser.add_argument("--proofs", type=int, default=300, help="proofs that are made (default 300)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remote-assist-bench-", dir=os.environ.get("BENCH_FOLDER")) as name:
        engine = open_engine(str(Path(name) / "large.db"))
        migrate(engine)
        began = time.perf_counter()
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            write(connection, options.leaves)
        size = (Path(name) / "large.db").stat().st_size >> 20
        print(f"tiles of {options.leaves:,} records written in {time.perf_counter() - began:.0f} s, {size} MiB")
        single(engine, options.leaves, options.proofs)
        page(engine, options.leaves)
        engine.dispose()
    return 0


def write(connection: Connection, leaves: int) -> None:
    """All full tiles, the records of the last tile that is not full, and a session whose records lie far apart."""
    roots, level = _write_tiles(connection, 0, _leaf_groups(leaves)), 1
    while len(roots) >= WIDTH:
        groups = (roots[at : at + WIDTH] for at in range(0, len(roots) - WIDTH + 1, WIDTH))
        roots, level = _write_tiles(connection, level, groups), level + 1
    rest = range(leaves - leaves % WIDTH, leaves)
    connection.exec_driver_sql(ADD_RECORD, [(i, "s-last", i, f"{i:064x}", TIME) for i in rest])
    far = range(0, rest.start, max(1, rest.start // PAGE))
    connection.exec_driver_sql(ADD_RECORD, [(i, SESSION, n, f"{i:064x}", TIME) for n, i in enumerate(far)])


def _leaf_groups(leaves: int) -> Iterator[list[bytes]]:
    sha, before = hashlib.sha256, b"\0" + TIME.encode()
    assert sha(before + (5).to_bytes(32, "big")).digest() == leaf(5)
    for start in range(0, leaves - WIDTH + 1, WIDTH):
        yield [sha(before + index.to_bytes(32, "big")).digest() for index in range(start, start + WIDTH)]


def _write_tiles(connection: Connection, level: int, groups: Iterator[list[bytes]]) -> list[bytes]:
    """Write full tiles of one level; their roots."""
    roots, rows = [], []
    for number, hashes in enumerate(groups):
        roots.append(subtree_root(hashes))
        rows.append((level, number, roots[-1], b"".join(hashes)))
        if len(rows) == WIDTH:
            connection.exec_driver_sql(ADD_TILE, rows)
            rows = []
    if rows:
        connection.exec_driver_sql(ADD_TILE, rows)
    return roots


def leaf(index: int) -> bytes:
    """The leaf hash of a made-up record."""
    return leaf_hash(TIME, f"{index:064x}")


def single(engine: Engine, leaves: int, count: int) -> None:
    """One record each time."""
    with engine.connect() as connection:
        root = TreeReader(connection).head().root
    seconds = []
    for number in range(count):
        index = number * 7919 * 613 % leaves
        began = time.perf_counter()
        with engine.connect() as connection:
            proof = TreeReader(connection).inclusion(index, leaves)
        seconds.append(time.perf_counter() - began)
        check_inclusion(leaf(index), index, leaves, proof, root, where="leaf")
    seconds.sort()
    median, late = statistics.median(seconds) * 1000, seconds[int(count * 0.99)] * 1000
    print(f"proof for one of {leaves:,}     p50 {median:.2f} ms, p99 {late:.2f} ms   (goal: under 50)")


def page(engine: Engine, leaves: int) -> None:
    """A page of a session's records, as `audit verify` asks for them."""
    began = time.perf_counter()
    with engine.connect() as connection:
        proofs = read_proofs(connection, SESSION, 0, leaves)
    spent = (time.perf_counter() - began) * 1000
    print(f"proofs for a page of {len(proofs)} far apart   {spent:.1f} ms, {spent / len(proofs):.2f} ms each")


if __name__ == "__main__":
    raise SystemExit(main())
