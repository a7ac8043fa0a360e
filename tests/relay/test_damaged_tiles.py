"""F21 for tiles: a byte changed in a stored tile is found by whoever checks a proof, and the leaf is named."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from relay.log.tree import LogTree, TreeReader
from relay.migrations import migrate
from relay.storage.database import open_engine
from relay.storage.schema import tiles
from remote_assist.core.records import leaf_hash
from remote_assist.core.tree import check_inclusion
from remote_assist.errors import VerificationError

LEAVES = 256 + 3
HASH_BYTES = 32


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A log of a full tile and a few leaves more."""
    engine = open_engine(str(tmp_path / "relay.db"))
    migrate(engine)
    with engine.begin() as opened:
        opened.exec_driver_sql("PRAGMA foreign_keys=OFF")
        rows = [(index, index, hash_of(index), time_of(index)) for index in range(LEAVES)]
        opened.exec_driver_sql("INSERT INTO records VALUES (?, 's', ?, ?, 'c', '', x'', '', ?, '')", rows)
        LogTree().catch_up(opened)
        yield opened
        opened.rollback()
    engine.dispose()


def hash_of(index: int) -> str:
    return hashlib.sha256(str(index).encode()).hexdigest()


def time_of(index: int) -> str:
    return f"2026-03-01T09:30:00.{index:06d}Z"


def faulty(connection: Connection, root: bytes, indices: range | tuple[int, ...]) -> list[str]:
    """The places that whoever checks proofs of these leaves is told."""
    reader, found = TreeReader(connection), []
    for index in indices:
        proof = reader.inclusion(index, LEAVES)
        try:
            check_inclusion(
                leaf_hash(time_of(index), hash_of(index)), index, LEAVES, proof, root, where=f"leaf {index}"
            )
        except VerificationError as error:
            found.append(error.where)
    return found


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.full), pytest.param(211, marks=pytest.mark.slow)])
def test_every_byte_of_a_tile_that_is_changed_is_found_and_its_place_named(connection: Connection, step: int) -> None:
    root = TreeReader(connection).head().root
    assert faulty(connection, root, range(LEAVES)) == []
    whole = connection.execute(tiles.select().where(tiles.c.level == 0)).one().hashes
    assert len(whole) == 256 * HASH_BYTES
    for at in range(0, len(whole), step):
        changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        connection.execute(update(tiles).where(tiles.c.level == 0).values(hashes=changed))
        neighbour = at // HASH_BYTES ^ 1
        assert faulty(connection, root, (neighbour,)) == [f"leaf {neighbour}"], at
    # Leaves of other tiles are proved by the tile's root alone, and still are.
    assert faulty(connection, root, range(256, LEAVES)) == []
