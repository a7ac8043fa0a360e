"""Lets a new log key follow while sessions live, and destroys the old one when the last of its sessions is over.

    rotate-log-key ─▶ log_key.next ─▶ the CA's list names it ─▶ RA2030E, succession note ─▶ it signs what begins now
    no session of the old key left, and nobody's lists can be so old ─▶ out of use ─▶ RA2031E ─▶ destroyed

Rule: nobody's session notices. What was begun under a key is acknowledged by it to its end.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select

from relay.log.chains import Chains
from relay.log.checkpoints import Checkpoints
from relay.log.keys import SUCCESSION, LogKeys, short_name
from relay.storage.schema import sessions
from relay.storage.store import Store
from relay.trust import TrustFolder
from remote_assist.core.records import Actor, RecordDraft, format_time
from remote_assist.errors import AuditUnavailable

JOURNAL_DAYS = 30
"""How long an agent that vanished may come back with records of a session that never ended."""

RETIRE_SECONDS = 60.0


class Rotation:
    """The worker that changes log keys."""

    def __init__(
        self,
        keys: LogKeys,
        trust: TrustFolder,
        store: Store,
        chains: Chains,
        checkpoints: Checkpoints,
        *,
        clock: Callable[[], datetime],
        overlap_seconds: float,
    ) -> None:
        """`overlap_seconds`: how long after a change somebody may still begin a session with lists of before."""
        self._keys = keys
        self._trust = trust
        self._store = store
        self._chains = chains
        self._checkpoints = checkpoints
        self._clock = clock
        self._overlap = timedelta(seconds=overlap_seconds)

    async def look(self) -> None:
        """Let the key that waits follow, once the organisation's list names it. Raises AuditUnavailable, OSError."""
        new = self._keys.waiting(self._trust.lists.organisation.log_keys)
        if new is None:
            return
        head, now = self._checkpoints.current.head, self._clock()
        about = f"{SUCCESSION}{short_name(new)}"

        def change(connection: Connection) -> None:
            # In the writer's thread: nothing is signed between the old key's last word and the new one's first.
            draft = RecordDraft(code="RA2030E", actor=Actor(kind="relay"), about=about, sizes={"records": head.size})
            self._chains.write_in(connection, draft)
            self._keys.follow(new, head, now)

        try:
            await self._store.write(change)
        finally:
            self._checkpoints.notice()  # the key may have followed although the commit failed (docs/decisions/0012)
        await self._checkpoints.sign()
        structlog.get_logger("rotation").info("log-key-followed", succession=about)

    async def retire(self) -> None:
        """Destroy the keys that nobody needs any more. Raises AuditUnavailable, OSError.

        A key is taken out of use first, then recorded as destroyed, then destroyed. Whatever was interrupted is done
        by the next call, where a second record may say the same.
        """
        now = self._clock()
        if self._keys.elders and now >= self._keys.followed + self._overlap:
            await self._store.write(lambda connection: self._part(connection, now))
        for name in await asyncio.to_thread(lambda: self._keys.parted):
            await self._chains.write(RecordDraft(code="RA2031E", actor=Actor(kind="relay"), about=name))
            await asyncio.to_thread(self._keys.destroy, name)
            structlog.get_logger("rotation").info("log-key-destroyed", key=name)

    async def work(self) -> None:
        """Retire keys for ever."""
        while True:
            try:
                await self.retire()
            except (AuditUnavailable, OSError) as error:
                structlog.get_logger("rotation").warning("delayed", cause=type(error).__name__)
            await asyncio.sleep(RETIRE_SECONDS)

    def _part(self, connection: Connection, now: datetime) -> None:
        # In the writer's thread: no session can begin by a key between this look and its end.
        needed = self._needed(connection, now)
        for key in self._keys.elders:
            if short_name(key) not in needed:
                self._keys.part_with(key)

    def _needed(self, connection: Connection, now: datetime) -> frozenset[str]:
        """The short names of the keys of the sessions that are not over."""
        since = format_time(now - timedelta(days=JOURNAL_DAYS))
        query = select(sessions.c.id).where(sessions.c.ended.is_(None), sessions.c.until > since)
        names = connection.scalars(query).all()
        return frozenset(short_name(self._keys.of_session(connection, name)) for name in names)
