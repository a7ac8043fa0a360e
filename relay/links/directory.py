"""Nameplates of several nodes: which node has given out a number. What may happen to it is decided there.

    node 1: assign 417203 ─ claim ─▶ row          node 2: join 417203 ─ check_here ─▶ row says node 1 ─▶ "there"

Rule: a number is given out by one node at a time, and by none for an hour after it was used.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, delete, func, select, update

from relay.bus import Bus
from relay.links.rendezvous import MEMORY, Nameplate, Share
from relay.storage.schema import insert_missing, nameplates
from relay.storage.store import Store
from remote_assist.core.records import format_time
from remote_assist.errors import ElsewhereError


class Directory(Protocol):
    """What the pairing sockets tell and ask."""

    async def claim(self, plate: Nameplate, share: Share) -> bool:
        """Have a number for this node; False when another node has it. RefusedError `busy` beyond an owner's share."""

    async def over(self, number: str) -> None:
        """It was used, or its owner left."""

    async def check_here(self, number: str) -> None:
        """Raise ElsewhereError when another node, which serves now, has given it out."""


class OneNode:
    """A relay that is alone."""

    async def claim(self, plate: Nameplate, share: Share) -> bool:
        return True

    async def over(self, number: str) -> None:
        return None

    async def check_here(self, number: str) -> None:
        return None


class ManyNodes:
    """One of several, which share a table."""

    def __init__(self, store: Store, bus: Bus, *, node: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._bus = bus
        self._node = node
        self._clock = clock

    async def claim(self, plate: Nameplate, share: Share) -> bool:
        return await self._store.write(lambda connection: self._claim(connection, plate, share))

    async def over(self, number: str) -> None:
        query = update(nameplates).where(nameplates.c.number == number, nameplates.c.node == self._node)
        await self._store.write(lambda connection: connection.execute(query.values(owner="")))

    async def check_here(self, number: str) -> None:
        query = select(nameplates.c.node).where(nameplates.c.number == number)
        node = await self._store.read(lambda connection: connection.execute(query).scalar())
        if node is None or node == self._node or await self._bus.find(node_subject(node)) is None:
            return
        raise ElsewhereError("this support code was given out by another node of this relay", node=node)

    def _claim(self, connection: Connection, plate: Nameplate, share: Share) -> bool:
        now = self._clock()
        connection.execute(delete(nameplates).where(nameplates.c.until <= format_time(now)))
        waiting = nameplates.c.until > format_time(now + MEMORY)  # not those of a node that was lost with them
        held = select(func.count()).where(nameplates.c.owner == plate.owner, waiting)
        share.check_owner(connection.execute(held).scalar_one())
        row = {
            "number": plate.number,
            "owner": plate.owner,
            "node": self._node,
            "until": format_time(plate.expires + MEMORY),
        }
        return insert_missing(connection, nameplates, row)


def node_subject(node: str) -> str:
    """The name a node holds on the bus as long as it serves."""
    return f"node.{node.encode().hex()}"
