"""How long sealed content stays readable, what stops its end, and erasing it: by destroying keys, never records.

    RA2010E hold set ─▶ holds          RA2011E lifted ─▶ gone         RA2012E erased ─▶ wraps and chunks destroyed
    session ended, period of the class over, no hold ─▶ wraps (content) or chunks (recordings) destroyed, RA2013E

Rule 1: what a record orders happens in the commit that keeps it; what time does is a record of the relay's own.
Rule 2: records stay, so every proof goes on holding; what they sealed cannot be opened any more by anybody.
Rule 3: a hold on a session, its ticket or everything stops both erasing and the end of time.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, String, delete, exists, insert, select
from sqlalchemy.sql.elements import ColumnElement

from relay.log.admission import RecordRefused
from relay.log.chains import Chains, Consequence
from relay.log.retention_periods import CONTENT, days_of
from relay.storage.schema import chunks, holds, sessions, wraps
from relay.storage.store import Store
from remote_assist.core.codes import is_session_id
from remote_assist.core.records import Actor, Record, RecordDraft, format_time
from remote_assist.errors import AuditUnavailable

EVERYTHING = "everything"
SWEEP_SESSIONS = 64
_ABOUT = re.compile(r"s-[a-z2-7]{16}|ticket [0-9]{1,12}|everything")


@dataclass(frozen=True, slots=True)
class Ended:
    """A session whose time is over."""

    session: str
    kind: str
    period: str


class Retention:
    """Destroys what is over."""

    def __init__(
        self,
        store: Store,
        chains: Chains,
        periods: dict[str, str],
        *,
        clock: Callable[[], datetime],
        destroyed: Callable[[], None],
        interval_seconds: float,
    ) -> None:
        self._store = store
        self._chains = chains
        self._periods = periods
        self._clock = clock
        self._destroyed = destroyed
        self._interval_seconds = interval_seconds

    async def work(self) -> None:
        """Look for ever. A full disk delays the end of time; it shortens nothing."""
        while True:
            try:
                while await self.sweep():
                    pass
            except AuditUnavailable:
                structlog.get_logger("retention").warning("delayed", cause="store-full")
            await asyncio.sleep(self._interval_seconds)

    async def sweep(self) -> int:
        """Destroy what is over now, some sessions at once; answer how many."""
        now, periods = self._clock(), self._periods
        found = await self._store.read(lambda connection: over(connection, periods, now))
        for one in found:
            draft = RecordDraft(
                code="RA2013E",
                actor=Actor(kind="relay"),
                about=one.session,
                details={"class": one.kind, "period": one.period},
            )
            await self._chains.write(draft, partial(self._end, one))
        return len(found)

    def _end(self, one: Ended, connection: Connection) -> None:
        if one.kind == CONTENT:
            _destroy(connection, one.session, "")
        else:
            connection.execute(delete(chunks).where(chunks.c.session == one.session))
        self._destroyed()


def consequences(destroyed: Callable[[], None], clock: Callable[[], datetime]) -> dict[str, Consequence]:
    """What records of people order here; `destroyed` is told when stored content is gone."""

    def set_hold(connection: Connection, record: Record) -> None:
        _check_about(record)
        if _held_at(connection, record.about):
            raise RecordRefused(record.seq, "held", f"{record.about} is on hold already")
        row = {"about": record.about, "set_by": record.actor.key, "since": format_time(clock())}
        connection.execute(insert(holds), row)

    def lift_hold(connection: Connection, record: Record) -> None:
        _check_about(record)
        if not _held_at(connection, record.about):
            raise RecordRefused(record.seq, "not-held", f"{record.about} is not on hold")
        connection.execute(delete(holds).where(holds.c.about == record.about))

    def erase(connection: Connection, record: Record) -> None:
        if not is_session_id(record.about) or not _known(connection, record.about):
            raise RecordRefused(record.seq, "absent", "there is no such session to erase")
        if connection.execute(select(holds.c.about).where(_holding(record.about, connection))).first():
            raise RecordRefused(record.seq, "held", f"{record.about} is on legal hold; nothing was erased")
        _destroy(connection, record.about, record.details.get("key", ""))
        destroyed()

    return {"RA2010E": set_hold, "RA2011E": lift_hold, "RA2012E": erase}


def over(connection: Connection, periods: dict[str, str], now: datetime) -> list[Ended]:
    """Sessions whose content's time is over, that hold some, and that no hold protects."""
    found: list[Ended] = []
    for kind, period in periods.items():
        table = wraps if kind == CONTENT else chunks
        limit = format_time(now - timedelta(days=days_of(period) or 0))
        held = exists().where(_holds_session())
        query = (
            select(sessions.c.id)
            .where(sessions.c.ended < limit, exists().where(table.c.session == sessions.c.id), ~held)
            .limit(SWEEP_SESSIONS)
        )
        found += [Ended(session, kind, period) for session in connection.execute(query).scalars()]
    return found


def _destroy(connection: Connection, session: str, key: str) -> None:
    """Destroy the keys of a session's content and what is stored of it; with `key`, that content key's wraps alone."""
    condition = wraps.c.session == session
    if key:
        connection.execute(delete(wraps).where(condition, wraps.c.key_id == key))
        return
    connection.execute(delete(wraps).where(condition))
    connection.execute(delete(chunks).where(chunks.c.session == session))


def _check_about(record: Record) -> None:
    if not _ABOUT.fullmatch(record.about):
        sentence = "a hold is on a session (s-…), a ticket (`ticket N`) or everything"
        raise RecordRefused(record.seq, "malformed", sentence)


def _held_at(connection: Connection, about: str) -> bool:
    return connection.execute(select(holds.c.about).where(holds.c.about == about)).first() is not None


def _known(connection: Connection, session: str) -> bool:
    return connection.execute(select(sessions.c.id).where(sessions.c.id == session)).first() is not None


def _holding(session: str, connection: Connection) -> ColumnElement[bool]:
    ticket = connection.execute(select(sessions.c.ticket).where(sessions.c.id == session)).scalar()
    return holds.c.about.in_([session, f"ticket {ticket}", EVERYTHING])


def _holds_session() -> ColumnElement[bool]:
    ticket = "ticket " + sessions.c.ticket.cast(String)
    return (holds.c.about == sessions.c.id) | (holds.c.about == ticket) | (holds.c.about == EVERYTHING)
