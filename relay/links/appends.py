"""Appends on their way: checked, queued for the writer, answered in order.

    offer: check_record … ─▶ writer's queue ─▶ Pending          settle: after the commit ─▶ Acknowledged, AppendRefused

Rule: `offer` never waits for the disk, so Appends that arrive close together share one commit.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select

from relay.log.admission import (
    MAX_RECORDS,
    MAX_WRAPS,
    Admitted,
    RecordRefused,
    SessionKeys,
    Trust,
    check_record,
    check_wraps,
)
from relay.log.checkpoints import Checkpoints
from relay.log.ledger import Appended, Ledger
from relay.storage.schema import sessions
from relay.storage.store import Store
from relay.tickets.outbox import Outbox
from relay.trust import TrustFolder
from remote_assist.core.messages import Acknowledgement, Append
from remote_assist.core.room import all_conclude
from remote_assist.errors import AuditUnavailable, RemoteProtocolError

YIELD_EVERY = 8
"""Records checked before others get a turn (a check takes about 0.3 ms)."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An Append that waits for its commit. `fault`: the record after those in `writing` does not hold."""

    writing: "asyncio.Future[Appended] | None"
    fault: RecordRefused | None
    first_seq: int
    keys: SessionKeys


@dataclass(frozen=True, slots=True)
class Settled:
    """What to answer. `ended`: the session's end record is stored."""

    acknowledgements: tuple[Acknowledgement, ...]
    refusal: RecordRefused | None
    ended: bool


class Appends:
    """Takes Appends of all agents."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        outbox: Outbox,
        checkpoints: Checkpoints,
        trust: TrustFolder,
        *,
        origins: Collection[str],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._outbox = outbox
        self._checkpoints = checkpoints
        self._trust = trust
        self._origins = origins
        self._clock = clock

    async def offer(self, append: Append, keys: SessionKeys) -> Pending:
        """Check an Append and queue what holds. Raises RemoteProtocolError for one beyond the limits."""
        if len(append.records) > MAX_RECORDS or len(append.wraps) > MAX_WRAPS:
            raise RemoteProtocolError("an Append with too many records")
        admitted, fault, keys = await self._check(append, keys)
        if not admitted and (fault is not None or not append.wraps):
            return Pending(None, fault, 0, keys)
        first_seq = admitted[0].record.seq if admitted else 0
        try:
            writing = self._store.submit(
                lambda connection: self._ledger.append(connection, append.session, admitted, append.wraps),
                concludes=all_conclude([one.record for one in admitted]),
            )
        except AuditUnavailable as error:
            return Pending(None, _refused(error, first_seq), first_seq, keys)
        writing.add_done_callback(self._written)
        return Pending(writing, fault, first_seq, keys)

    async def settle(self, pending: Pending) -> Settled:
        """Wait for the commit of an Append and say what came of it."""
        if pending.writing is None:
            return Settled((), pending.fault, False)
        try:
            # Whoever waits here may leave; the commit happens all the same, and `_written` hears of it.
            appended = await asyncio.shield(pending.writing)
        except RecordRefused as error:
            return Settled((), error, False)
        except AuditUnavailable as error:
            return Settled((), _refused(error, pending.first_seq), False)
        return Settled(appended.acknowledgements, appended.refusal or pending.fault, appended.ended)

    def _written(self, writing: "asyncio.Future[Appended]") -> None:
        if not writing.cancelled() and writing.exception() is None and writing.result().stored:
            self._outbox.notice()
            self._checkpoints.notice()

    async def tell(self, session: str) -> None:
        """Write the ticket notes of a session that ended, now."""
        ticket = await self._store.read(
            lambda connection: connection.execute(select(sessions.c.ticket).where(sessions.c.id == session)).scalar()
        )
        if ticket is not None:
            with suppress(AuditUnavailable):  # the outbox tries again
                await self._outbox.flush(ticket)

    async def _check(
        self, append: Append, keys: SessionKeys
    ) -> tuple[list[Admitted], RecordRefused | None, SessionKeys]:
        """The records that hold, up to the first that does not; why; and whose keys count from now on."""
        trust = Trust(self._trust.ca_line, self._trust.lists.revocations.serials, self._origins)
        now = self._clock()
        admitted: list[Admitted] = []
        try:
            check_wraps(append.wraps, 0)
            for stored in append.records:
                next_seq = admitted[-1].record.seq + 1 if admitted else 0
                one = check_record(
                    stored, session=append.session, keys=keys, trust=trust, now=now, fallback_seq=next_seq
                )
                keys = one.opening.keys if one.opening is not None else keys
                admitted.append(one)
                if len(admitted) % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
        except RecordRefused as error:
            structlog.get_logger("appends").warning("record-refused", session=append.session, reason=error.reason)
            return admitted, error, keys
        return admitted, None, keys


def _refused(error: AuditUnavailable, seq: int) -> RecordRefused:
    return RecordRefused(seq, error.reason, error.message)
