"""Alarms that came in: stored at once, then each on a ticket, once; storms on one ticket; a session only offered.

    hook ─ commit ─▶ alarms (waiting) ─▶ ticket found or opened ─▶ note ─▶ told          resolved ─▶ note ─▶ (closed)

Rule 1: a hook is answered after its alarms are on disk, whatever the ticket system does.
Rule 2: nothing here opens a session, sends a code, or runs anything.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from relay.storage.schema import alarms
from relay.storage.store import Store
from relay.tickets.desk import TicketDesk
from relay.tickets.outbox import AUTHOR
from remote_assist.core.api import AlarmTaken, NewTicket
from remote_assist.core.records import format_time
from remote_assist.errors import AssistError
from remote_assist.settings import AlarmSourceSettings
from remote_assist.tickets.alarms import FIRING, RESOLVED, Alarm, note_text
from remote_assist.tickets.marks import note_key
from remote_assist.tickets.system import INTERNAL, Note

RETRY_SECONDS = 30.0
MAX_AT_ONCE = 100


class AlarmDesk:
    """Takes alarms and brings them to tickets."""

    def __init__(
        self,
        store: Store,
        desk: TicketDesk,
        sources: Mapping[str, AlarmSourceSettings],
        *,
        clock: Callable[[], datetime],
        origin: Callable[[], str],
        interval_seconds: float,
    ) -> None:
        self.sources = sources
        self._store = store
        self._desk = desk
        self._clock = clock
        self._origin = origin
        self._interval_seconds = interval_seconds
        self._turn = asyncio.Lock()
        self._next = clock()

    async def take(self, source: str, found: Sequence[Alarm]) -> tuple[AlarmTaken, ...]:
        """Store alarms and try to bring them to their tickets now; those that cannot be yet wait."""
        now = format_time(self._clock())

        def job(connection: Connection) -> list[int]:
            return [_keep(connection, source, one, now) for one in found]

        numbers = await self._store.write(job)
        await self.bring()
        return await self._store.read(lambda connection: _taken(connection, numbers))

    async def work(self) -> None:
        """Bring what waits, for ever."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            if self._clock() >= self._next:
                await self.bring()

    async def bring(self) -> None:
        """Every alarm that waits, to its ticket, in order."""
        async with self._turn:
            self._next = self._clock() + timedelta(seconds=RETRY_SECONDS)
            while rows := await self._store.read(_waiting):
                for row in rows:
                    try:
                        await self._bring_one(row)
                    except AssistError as error:
                        structlog.get_logger("alarms").warning("alarm-waits", source=row.source, cause=error.message)
                        return

    async def _bring_one(self, row: Row[Any]) -> None:
        alarm = Alarm(
            fingerprint=row.fingerprint,
            started=row.started,
            status=row.status,
            title=row.title,
            host=row.host,
            agent=row.agent,
            severity=row.severity,
            text=row.text,
            url=row.url,
        )
        ticket = row.ticket or (await self._ticket_for(row, alarm) if alarm.status == FIRING else "")
        if ticket:
            await self._tell(row, alarm, ticket)
        told, now = alarm.status, format_time(self._clock())

        def job(connection: Connection) -> None:
            values = {"ticket": ticket, "told": told, "settled": now}
            connection.execute(update(alarms).where(alarms.c.id == row.id).values(**values))

        await self._store.write(job)

    async def _ticket_for(self, row: Row[Any], alarm: Alarm) -> str:
        settings = self.sources[row.source]
        since = format_time(self._clock() - timedelta(seconds=settings.storm_seconds))
        recent = await self._store.read(lambda connection: _recent(connection, row.source, since))
        if len(recent) >= settings.storm_tickets:
            return recent[0]  # a storm: the first ticket of it takes the rest
        key = note_key("alarm", row.source, alarm.fingerprint, alarm.started)
        new = NewTicket(subject=alarm.title, description=note_text(alarm, offer=""))
        return (await self._desk.open(new, by=f"alarm {row.source}", key=key)).id

    async def _tell(self, row: Row[Any], alarm: Alarm, ticket: str) -> None:
        offer = ""
        if alarm.status == FIRING:
            offer = f"To offer a session: remote-assist invite --ticket {ticket}   ({self._origin()}/start/{ticket})"
        name = note_key(row.source, alarm.fingerprint, alarm.started, alarm.status)
        closing = alarm.status == RESOLVED and self.sources[row.source].closes
        note = Note(f"alarm {name}", AUTHOR, note_text(alarm, offer=offer), visibility=INTERNAL)
        await self._desk.add(ticket, note)
        if closing and await self._is_quiet(ticket, row.id):
            await self._desk.close(ticket, f"alarm {name} closing")

    async def _is_quiet(self, ticket: str, but: int) -> bool:
        firing = and_(alarms.c.ticket == ticket, alarms.c.status == FIRING, alarms.c.id != but)
        query = select(func.count()).where(firing)
        return await self._store.read(lambda connection: connection.execute(query).scalar_one()) == 0


def _keep(connection: Connection, source: str, alarm: Alarm, now: str) -> int:
    """Store an alarm, or what is new of one that is known. A repeat changes nothing."""
    place = and_(alarms.c.source == source, alarms.c.fingerprint == alarm.fingerprint)
    known = connection.execute(
        select(alarms.c.id, alarms.c.status, alarms.c.started).where(place).order_by(alarms.c.id.desc())
    ).all()
    same = [row for row in known if row.started == alarm.started or (not alarm.started and row.status == FIRING)]
    if alarm.status == RESOLVED and not same:
        same = [row for row in known if row.status == FIRING][:1]  # sources that tell no start when they clear
    if same and not (same[0].status == RESOLVED and alarm.status == FIRING and not alarm.started):
        if same[0].status != alarm.status and alarm.status == RESOLVED:
            values = {"status": RESOLVED, "text": alarm.text, "ended": now}
            connection.execute(update(alarms).where(alarms.c.id == same[0].id).values(**values))
        return int(same[0].id)
    values = {
        "source": source,
        "fingerprint": alarm.fingerprint,
        "started": alarm.started or now,
        "status": alarm.status,
        "title": alarm.title,
        "host": alarm.host,
        "agent": alarm.agent,
        "severity": alarm.severity,
        "text": alarm.text,
        "url": alarm.url,
        "ticket": "",
        "told": "",
        "seen": now,
    }
    return int(connection.execute(insert(alarms).returning(alarms.c.id), values).scalar_one())


def _waiting(connection: Connection) -> Sequence[Row[Any]]:
    waiting = alarms.c.told != alarms.c.status
    return connection.execute(select(alarms).where(waiting).order_by(alarms.c.id).limit(MAX_AT_ONCE)).all()


def _recent(connection: Connection, source: str, since: str) -> list[str]:
    """Tickets opened for this source lately, oldest first."""
    query = (
        select(alarms.c.ticket)
        .where(alarms.c.source == source, alarms.c.ticket != "", alarms.c.seen > since)
        .group_by(alarms.c.ticket)
        .order_by(func.min(alarms.c.id))
    )
    return list(connection.execute(query).scalars())


def _taken(connection: Connection, numbers: Sequence[int]) -> tuple[AlarmTaken, ...]:
    found = {row.id: row for row in connection.execute(select(alarms).where(alarms.c.id.in_(numbers)))}
    return tuple(
        AlarmTaken(fingerprint=found[number].fingerprint, status=found[number].status, ticket=found[number].ticket)
        for number in numbers
    )
