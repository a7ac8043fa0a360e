"""The live push: every record goes to another system's log, in the order of the tree, whatever happened in between.

    log (durable, complete) ── cursor `push-NAME.cursor` ─▶ batch ─▶ sink ─▶ cursor moves

Rule 1: the log itself is the spool: nothing is copied and nothing can overflow; what waits costs no memory and no disk.
Rule 2: the cursor moves after the sink took the batch, so after a crash or an outage some events come twice, none is
left out and none comes too early; a receiver tells repeats by the leaf index. Syslog gives no receipts: after a broken
connection the batch before is sent again as well.
Rule 3: only what a signed checkpoint covers goes out. When the oldest waiting event is older than `lag_alert_seconds`,
that is a record of the relay's own (RA2022E), and so is the recovery (RA2023E).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select

from relay.log.chains import Chains
from relay.log.checkpoints import Checkpoints
from relay.log.ledger import acknowledgement_of
from relay.push.sinks import Sink, open_sink
from relay.storage.cursors import read_cursor, write_cursor
from relay.storage.schema import records, sessions
from relay.storage.store import Store
from remote_assist.audit.siem_event import Context, SiemEvent, event_of
from remote_assist.core.records import Actor, RecordDraft, parse_time
from remote_assist.errors import AssistError, AuditUnavailable, RefusedError
from remote_assist.settings import PushSettings

LEAST_WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PushFigures:
    """How far a push is behind: events waiting, and the age of the oldest."""

    waiting: int
    lag_seconds: float


class Push:
    """One `[push.NAME]`: a sink and how far it got."""

    def __init__(
        self,
        name: str,
        settings: PushSettings,
        sink: Sink,
        store: Store,
        checkpoints: Checkpoints,
        chains: Chains,
        cursor: Path,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.name = name
        self._settings = settings
        self._sink = sink
        self._store = store
        self._checkpoints = checkpoints
        self._chains = chains
        self._cursor = cursor
        self._clock = clock
        self._next = read_cursor(cursor, advice="Remove it: everything is sent again.") or 0
        self._before = self._next
        self._oldest = ""
        self._alerted = False

    @property
    def figures(self) -> PushFigures:
        """How far it is behind now."""
        lag = (self._clock() - parse_time(self._oldest)).total_seconds() if self._oldest else 0.0
        return PushFigures(max(0, self._checkpoints.current.size - self._next), max(lag, 0.0))

    async def work(self) -> None:
        """Push for ever; a failure waits and is tried again, longer each time."""
        wait = LEAST_WAIT_SECONDS
        while True:
            try:
                moved = await self._step()
                wait = LEAST_WAIT_SECONDS
            except (AssistError, OSError) as error:
                cause = error.message if isinstance(error, AssistError) else str(error)
                structlog.get_logger("push").warning("push-failed", sink=self.name, cause=cause)
                if self._sink.repeats_after_break:
                    self._next = self._before
                await self._alert()
                await asyncio.sleep(wait)
                wait = min(wait * 2, self._settings.retry_most_seconds)
                continue
            if not moved:
                await self._wait_for_more()

    async def close(self) -> None:
        """Let go of the sink."""
        await self._sink.close()

    async def _step(self) -> bool:
        """Deliver one batch. Returns whether there was one. Raises SinkError."""
        end = min(self._checkpoints.current.size, self._next + self._settings.batch_records)
        log, start = self._checkpoints.current.origin, self._next
        events = await self._store.read(lambda connection: read_events(connection, log, start, end))
        self._oldest = events[0].acknowledgement.time if events else ""
        if not events:
            return False
        await self._sink.send(events)
        await asyncio.to_thread(write_cursor, self._cursor, end)
        self._before, self._next = start, end
        self._oldest = ""
        await self._recovered()
        return True

    async def _wait_for_more(self) -> None:
        try:
            await self._checkpoints.covering(self._next)
        except RefusedError:
            return  # nothing new; look again

    async def _alert(self) -> None:
        figures = self.figures
        if self._alerted or figures.lag_seconds < self._settings.lag_alert_seconds:
            return
        structlog.get_logger("push").error("push-behind", sink=self.name, waiting=figures.waiting)
        late = {"waiting": str(figures.waiting), "lag_seconds": str(int(figures.lag_seconds))}
        self._alerted = await self._tell("RA2022E", **late)

    async def _recovered(self) -> None:
        if self._alerted and self.figures.waiting == 0:
            self._alerted = not await self._tell("RA2023E")

    async def _tell(self, code: str, **details: str) -> bool:
        """Record it in the relay's own chain. Returns whether that was possible."""
        draft = RecordDraft(code=code, actor=Actor(kind="relay"), about=f"push {self.name}", details=details)
        try:
            await self._chains.write(draft)
        except AuditUnavailable:
            return False
        return True


def open_pushes(
    wanted: Mapping[str, PushSettings],
    store: Store,
    checkpoints: Checkpoints,
    chains: Chains,
    data: Path,
    *,
    host_name: str,
    clock: Callable[[], datetime],
) -> tuple[Push, ...]:
    """The pushes of a settings file. Raises ContentError."""
    return tuple(
        Push(
            name,
            one,
            open_sink(one, host_name=host_name),
            store,
            checkpoints,
            chains,
            data / f"push-{name}.cursor",
            clock=clock,
        )
        for name, one in wanted.items()
    )


def read_events(connection: Connection, log: str, start: int, end: int) -> list[SiemEvent]:
    """The events of leaves `start` up to, but without, `end`."""
    rows = connection.execute(
        select(
            records,
            sessions.c.ticket,
            sessions.c.subject,
            sessions.c.technician,
            sessions.c.technician_key,
            sessions.c.host_key,
        )
        .outerjoin(sessions, sessions.c.id == records.c.session)
        .where(records.c.index >= start, records.c.index < end)
        .order_by(records.c.index)
    )
    return [_event(row, log) for row in rows]


def _event(row: Row[Any], log: str) -> SiemEvent:
    context = Context(log)
    if row.ticket is not None:
        context = Context(log, str(row.ticket), row.subject, row.technician, row.technician_key, row.host_key)
    return event_of(row.record, acknowledgement_of(row), context)
