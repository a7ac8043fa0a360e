"""Alarms as work: what a worker may take, each taken once, with a lease so that a worker that died blocks nothing.

    told on its ticket, still firing ─ claim ─▶ taken (15 minutes) ─ done ─▶ worked          taken, lease over ─▶ free

Rule: taking an alarm gives nobody access: the machine's standing consent decides that.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from aiohttp import web
from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from relay.access import Caller
from relay.bodies import Bodies, answer
from relay.storage.schema import alarms
from relay.storage.store import Store
from remote_assist.core.api import AlarmClaim, AlarmClaimed, AlarmSummary, OpenAlarms
from remote_assist.core.records import format_time
from remote_assist.tickets.alarms import FIRING

LEASE = timedelta(minutes=15)
MAX_LISTED = 200


class AlarmWork:
    """The verbs of workers."""

    def __init__(self, store: Store, bodies: Bodies, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._bodies = bodies
        self._clock = clock

    async def open_alarms(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/alarms: alarms that fire, have a ticket, and were not worked on; oldest first."""
        free_before = format_time(self._clock() - LEASE)
        query = select(alarms).where(_open(free_before)).order_by(alarms.c.id).limit(MAX_LISTED)
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        found = (
            AlarmSummary(
                id=row.id,
                source=row.source,
                title=row.title,
                agent=row.agent,
                host=row.host,
                severity=row.severity,
                started=row.started,
                ticket=row.ticket,
            )
            for row in rows
        )
        return answer(OpenAlarms(alarms=tuple(found)))

    async def claim(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/alarms/claims: take one (answers whether it is ours now), or say that it is worked on."""
        assert caller is not None
        asked = await self._bodies.read(request, AlarmClaim)
        now = self._clock()

        def job(connection: Connection) -> bool:
            mine = and_(alarms.c.id == asked.id, alarms.c.worker == caller.key)
            if asked.done:
                return bool(connection.execute(update(alarms).where(mine).values(worked=format_time(now))).rowcount)
            free = and_(alarms.c.id == asked.id, _open(format_time(now - LEASE)))
            values = {"worker": caller.key, "claimed": format_time(now)}
            return bool(connection.execute(update(alarms).where(free).values(**values)).rowcount)

        return answer(AlarmClaimed(taken=await self._store.write(job)))


def _open(free_before: str) -> ColumnElement[bool]:
    free = or_(alarms.c.worker == "", alarms.c.claimed < free_before)
    told = and_(alarms.c.status == FIRING, alarms.c.told == FIRING, alarms.c.ticket != "")
    return and_(told, alarms.c.worked == "", free)
