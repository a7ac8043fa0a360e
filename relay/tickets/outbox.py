"""Committed records become ticket notes: each record in exactly one note, in order.

    commit of a record ─ row ─▶ outbox ── every 0.5 s, at a session's end, before a closing note ──▶ one note
                                      └── another system's ticket: opening, consent, end at once, the rest in digests

Rule: the note and the mark that its records are told are one commit; nothing is told twice, nothing is left out.
"""

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, or_, select, update

from relay.storage.foreign import mirror_at
from relay.storage.schema import outbox, records, sessions
from relay.storage.store import Store
from relay.tickets.book import insert_note
from remote_assist.core.records import decode_record, format_time
from remote_assist.errors import AuditUnavailable
from remote_assist.tickets.lines import event_id, line_of
from remote_assist.tickets.system import Note

AUTHOR = "remote-assist"
MAX_EVENTS = 64
AT_ONCE = frozenset({"RA1000E", "RA1001E", "RA1002E", "RA1003E", "RA1990E"})
"""What a foreign ticket hears of at once, together with all that waited before it."""

MAX_NOTE_BYTES = 60 << 10
LOOK_SECONDS = 2.0
"""How often a node of several looks for rows that another one, which may be gone, has left."""


class Outbox:
    """The worker that writes notes about records."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        interval_seconds: float,
        digest_seconds: Mapping[str, float] | None = None,
        written: Callable[[], None] = lambda: None,
        several: bool = False,
    ) -> None:
        """`several`: other nodes may leave rows behind."""
        self._digest_seconds = digest_seconds or {}
        self._written = written
        self._store = store
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._look_every = math.ceil(LOOK_SECONDS / interval_seconds) if several else 0
        self._waiting = True  # rows of an earlier run may wait

    def notice(self) -> None:
        """Records were committed; the next round looks."""
        self._waiting = True

    async def work(self) -> None:
        """Write notes for ever, one round every interval. A full disk delays notes; it never loses them."""
        for turn in itertools.count(1):
            await asyncio.sleep(self._interval_seconds)
            if not self._waiting and not (self._look_every and turn % self._look_every == 0):
                continue
            self._waiting = False
            try:
                for ticket, ripe in await self._store.read(self._tickets_waiting):
                    if ripe:
                        await self.flush(ticket)
                    else:
                        self._waiting = True
            except AuditUnavailable:
                self._waiting = True
                structlog.get_logger("outbox").warning("notes-delayed", cause="store-full")

    async def flush(self, ticket: int) -> None:
        """Write all that waits for one ticket, now."""
        more = True
        while more:
            more = await self._store.write(lambda connection: flush_in(connection, ticket, self._clock()))
        self._written()

    def _tickets_waiting(self, connection: Connection) -> list[tuple[int, bool]]:
        """Tickets with untold records, and whether it is time to tell."""
        waiting = outbox.c.note.is_(None)
        query = select(outbox.c.ticket).distinct().where(waiting)
        return [(ticket, self._is_ripe(connection, ticket)) for ticket in connection.execute(query).scalars()]

    def _is_ripe(self, connection: Connection, ticket: int) -> bool:
        mirror = mirror_at(connection, ticket)
        if mirror is None:
            return True
        since = self._clock() - timedelta(seconds=self._digest_seconds.get(mirror.system, 0.0))
        untold = (
            select(outbox.c.id)
            .join(records, (records.c.session == outbox.c.session) & (records.c.seq == outbox.c.seq))
            .where(outbox.c.ticket == ticket, outbox.c.note.is_(None))
            .where(or_(records.c.code.in_(AT_ONCE), records.c.time <= format_time(since)))
        )
        return connection.execute(untold.limit(1)).first() is not None


def flush_in(connection: Connection, ticket: int, now: datetime) -> bool:
    """Turn the oldest waiting rows of a ticket into one note. Returns whether more wait."""
    rows = connection.execute(
        select(
            outbox.c.id, outbox.c.visibility, outbox.c.session, outbox.c.seq, records.c.record, sessions.c.technician
        )
        .join(records, (records.c.session == outbox.c.session) & (records.c.seq == outbox.c.seq))
        .join(sessions, sessions.c.id == outbox.c.session)
        .where(outbox.c.ticket == ticket, outbox.c.note.is_(None))
        .order_by(outbox.c.id)
        .limit(MAX_EVENTS)
    ).all()
    together, lines = _one_note(rows)
    if not together:
        return False
    first = together[0]
    note = Note(
        key=f"events {event_id(first.session, first.seq)}",
        author=AUTHOR,
        text="\n".join(lines),
        visibility=first.visibility,
        session=first.session,
        events=tuple(event_id(row.session, row.seq) for row in together),
    )
    added = insert_note(connection, ticket, note, format_time(now))
    told = [row.id for row in together]
    connection.execute(update(outbox).where(outbox.c.id.in_(told)).values(note=added.id))
    return len(together) < len(rows) or len(rows) == MAX_EVENTS


def _one_note(rows: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The rows that share a note: the same session and readers, in order, as many as fit."""
    together: list[Any] = []
    lines: list[str] = []
    size = 0
    for row in rows:
        line = line_of(decode_record(row.record), technician=row.technician)
        size += len(line.encode()) + 1
        if together and (row.session, row.visibility) != (together[0].session, together[0].visibility):
            break
        if together and size > MAX_NOTE_BYTES:
            break
        together.append(row)
        lines.append(line)
    return together, lines


async def stop(worker: "asyncio.Task[None]") -> None:
    """End a worker's task."""
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
