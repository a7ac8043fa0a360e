"""The log's Merkle tree in the database: full tiles of 256 hashes, everything else worked out from them.

    records (time, hash) ─▶ leaf hashes ─256─▶ tile (0, n) ─ its root ─256─▶ tile (1, n) ─▶ … (C2SP tlog-tiles)

Rule 1: a tile is written in the commit of the record that fills it, so tree and records never differ.
Rule 2: hashes that fill no tile yet are not stored: a leaf is a record's time and hash, an inner one a tile's root.
So a proof reads one row a level, whatever the size: ten million records have three levels.
Rule 3: `LogTree` runs in the writer thread only; what it remembers is forgotten when a commit fails.
"""

from sqlalchemy import Connection, func, insert, select

from relay.storage.schema import records, tiles
from remote_assist.core.records import leaf_hash, log_entry
from remote_assist.core.tree import (
    Node,
    Range,
    TreeHead,
    consistency_ranges,
    inclusion_ranges,
    node_hash,
    nodes_of,
    proof_of,
    root_of,
    subtree_root,
)
from remote_assist.errors import ContentError

TILE_BITS = 8
WIDTH = 1 << TILE_BITS
MAX_LEVEL = 63
CATCH_UP_ROWS = 64 * WIDTH
"""Records read at once when tiles are made for records that have none."""


def tree_size(connection: Connection) -> int:
    """How many records the log holds."""
    last = connection.execute(select(func.max(records.c.index))).scalar()
    return 0 if last is None else int(last) + 1


class LogTree:
    """The growing edge: per level the hashes that fill no tile yet."""

    def __init__(self) -> None:
        self._size: int | None = None
        self._edge: list[list[bytes]] = []

    def forget(self) -> None:
        """Trust the database alone again, after something written was undone."""
        self._size = None

    def catch_up(self, connection: Connection) -> int:
        """Make the tiles that are missing; answer the size. Raises ContentError when the log has a hole."""
        if self._size is None:
            self._load(connection)
        assert self._size is not None
        wanted = tree_size(connection)
        while self._size < wanted:
            for leaf in _leaves(connection, self._size, min(wanted, self._size + CATCH_UP_ROWS)):
                self._push(connection, leaf)
        return self._size

    def add(self, connection: Connection, index: int, leaf: bytes) -> None:
        """The leaf of the record that was just inserted with this index."""
        if self._size is None:
            self.catch_up(connection)
        if self._size == index:
            self._push(connection, leaf)

    def _push(self, connection: Connection, leaf: bytes) -> None:
        assert self._size is not None
        level, hash = 0, leaf
        while True:
            if level == len(self._edge):
                self._edge.append([])
            waiting = self._edge[level]
            waiting.append(hash)
            if len(waiting) < WIDTH:
                break
            number = self._size >> (TILE_BITS * (level + 1))
            hash = subtree_root(waiting)
            connection.execute(
                insert(tiles), {"level": level, "number": number, "root": hash, "hashes": b"".join(waiting)}
            )
            self._edge[level] = []
            level += 1
        self._size += 1

    def _load(self, connection: Connection) -> None:
        full = connection.execute(select(func.count()).where(tiles.c.level == 0)).scalar_one()
        self._edge, level = [[]], 1
        while full:
            rest = full % WIDTH
            self._edge.append(_roots(connection, level - 1, full - rest, full))
            full //= WIDTH
            level += 1
        size = connection.execute(select(func.count()).where(tiles.c.level == 0)).scalar_one() * WIDTH
        self._size = int(size)


class TreeReader:
    """Proofs, roots and tiles of the tree as one database snapshot has it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}
        self.size = tree_size(connection)

    def head(self, size: int | None = None) -> TreeHead:
        """Size and root of the first `size` records (all of them without)."""
        wanted = self.size if size is None else size
        return TreeHead(wanted, root_of([self._node(node) for node in nodes_of((0, wanted))]))

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The proof that record `index` is among the first `size`."""
        return self._proof(inclusion_ranges(index, size))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the first `old` records are the beginning of the first `new`."""
        return self._proof(consistency_ranges(old, new))

    def tile(self, level: int, number: int, width: int) -> bytes | None:
        """The first `width` hashes of a tile, or None when there are not so many."""
        if level > MAX_LEVEL or (number * WIDTH + width) << (TILE_BITS * level) > self.size:
            return None
        return b"".join(self._levels(level, number)[0][:width])

    def entries(self, number: int, width: int) -> bytes | None:
        """The first `width` entries of a bundle, each with its length before it (u16), or None."""
        start = number * WIDTH
        if start + width > self.size:
            return None
        rows = self._connection.execute(
            select(records.c.time, records.c.hash)
            .where(records.c.index >= start, records.c.index < start + width)
            .order_by(records.c.index)
        )
        bundle = [log_entry(row.time, row.hash) for row in rows]
        return b"".join(len(entry).to_bytes(2, "big") + entry for entry in bundle)

    def _proof(self, ranges: tuple[Range, ...]) -> tuple[bytes, ...]:
        return proof_of(ranges, self._node)

    def _node(self, node: Node) -> bytes:
        level, number = node
        tile_level, inside = divmod(level, TILE_BITS)
        per_tile = TILE_BITS - inside
        return self._levels(tile_level, number >> per_tile)[inside][number & ((1 << per_tile) - 1)]

    def _levels(self, level: int, number: int) -> list[list[bytes]]:
        """A tile's hashes and, above them, every complete node inside it."""
        found = self._tiles.get((level, number))
        if found is None:
            found = [self._hashes(level, number)]
            for _ in range(TILE_BITS - 1):
                below = found[-1]
                found.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
            self._tiles[level, number] = found
        return found

    def _hashes(self, level: int, number: int) -> list[bytes]:
        raw = self._connection.execute(
            select(tiles.c.hashes).where(tiles.c.level == level, tiles.c.number == number)
        ).scalar()
        if raw is not None:
            return [raw[at : at + 32] for at in range(0, len(raw), 32)]
        start = number * WIDTH
        if level == 0:
            return _leaves(self._connection, start, min(self.size, start + WIDTH))
        return _roots(self._connection, level - 1, start, start + WIDTH)


def _leaves(connection: Connection, start: int, end: int) -> list[bytes]:
    rows = connection.execute(
        select(records.c.index, records.c.time, records.c.hash)
        .where(records.c.index >= start, records.c.index < end)
        .order_by(records.c.index)
    ).all()
    if len(rows) != end - start or (rows and rows[0][0] != start):
        raise ContentError(
            f"the log has a hole between leaf {start} and {end}",
            advice="Keep the data folder as it is and restore the newest copy that has none.",
        )
    return [leaf_hash(row.time, row.hash) for row in rows]


def _roots(connection: Connection, level: int, start: int, end: int) -> list[bytes]:
    rows = connection.execute(
        select(tiles.c.root)
        .where(tiles.c.level == level, tiles.c.number >= start, tiles.c.number < end)
        .order_by(tiles.c.number)
    )
    return list(rows.scalars())
