"""Where agents are connected: at this node, at another one, nowhere.

Rule: one connection of a session counts, the newest. Its number rises in the database, so a node that missed that its
agent moved on cannot answer for it.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

import structlog
from sqlalchemy import Connection, select, update

from relay.bus import Bus
from relay.links.switchboard import Switchboard
from relay.storage.schema import sessions
from relay.storage.store import Store
from remote_assist.errors import AuditUnavailable, ElsewhereError

MAX_ASKED_AT_ONCE = 64


class Presence(Protocol):
    """What the relay's verbs ask."""

    async def arrived(self, session: str, lost: Callable[[], None]) -> None:
        """The session's agent is connected here; `lost` is called when it connected to another node instead."""

    async def left(self, session: str) -> None:
        """It is not any more."""

    async def check_here(self, session: str) -> None:
        """Raise ElsewhereError when the session's agent is at another node."""

    async def live(self, asked: Collection[str]) -> frozenset[str]:
        """Those of these sessions whose agent is connected, wherever."""


class OneNode:
    """A relay that is alone: the switchboard knows all."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard

    async def arrived(self, session: str, lost: Callable[[], None]) -> None:
        return None

    async def left(self, session: str) -> None:
        return None

    async def check_here(self, session: str) -> None:
        return None

    async def live(self, asked: Collection[str]) -> frozenset[str]:
        return frozenset(filter(self._switchboard.is_live, asked))


class ManyNodes:
    """One of several: its own agents it knows, for the others it asks the bus."""

    def __init__(self, switchboard: Switchboard, store: Store, bus: Bus, *, node: str) -> None:
        self._switchboard = switchboard
        self._store = store
        self._bus = bus
        self._node = node
        self._asking = asyncio.Semaphore(MAX_ASKED_AT_ONCE)

    async def arrived(self, session: str, lost: Callable[[], None]) -> None:
        epoch = await self._store.write(lambda connection: _next_connection(connection, session))
        await self._bus.hold(_subject(session), epoch, lost=lost)

    async def left(self, session: str) -> None:
        await self._bus.release(_subject(session))

    async def check_here(self, session: str) -> None:
        if self._switchboard.is_live(session):
            return
        held = await self._bus.find(_subject(session))
        newest = await self._store.read(lambda connection: _connections(connection, session))
        if held is not None and held.node != self._node and held.epoch >= newest:
            raise ElsewhereError("the customer's agent is at another node of this relay", node=held.node)

    async def live(self, asked: Collection[str]) -> frozenset[str]:
        found = await asyncio.gather(*(self._is_live(session) for session in asked))
        return frozenset(session for session, live in zip(asked, found, strict=True) if live)

    async def _is_live(self, session: str) -> bool:
        if self._switchboard.is_live(session):
            return True
        async with self._asking:
            try:
                return await self._bus.find(_subject(session)) is not None
            except AuditUnavailable:
                structlog.get_logger("presence").warning("not-known", cause="bus-gone")
                return False


def _subject(session: str) -> str:
    return f"agent.{session}"


def _next_connection(connection: Connection, session: str) -> int:
    query = update(sessions).where(sessions.c.id == session).values(connections=sessions.c.connections + 1)
    return int(connection.execute(query.returning(sessions.c.connections)).scalar_one())


def _connections(connection: Connection, session: str) -> int:
    return int(connection.execute(select(sessions.c.connections).where(sessions.c.id == session)).scalar() or 0)
