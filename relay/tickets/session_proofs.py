"""Every ended session's proof goes to its ticket, in one note of its own, once a checkpoint covers the end.

    end record ─ index < checkpoint's size ─▶ note `proof s-…` (book, and outbox to another system) ─▶ cursor moves

Rule: the note's key names the session, so a crash between note and cursor, or several relays on one database, lead to
one note. Sessions that ended before this relay first kept a cursor get none.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, select

from relay.log.checkpoints import Checkpoints
from relay.log.ledger import acknowledgement_of
from relay.log.tree import TreeReader
from relay.storage.cursors import read_cursor, write_cursor
from relay.storage.schema import records, sessions
from relay.storage.store import Store
from relay.tickets.book import insert_note
from relay.tickets.outbox import AUTHOR, flush_in
from remote_assist.audit.session_proof import SessionProof, session_proof_text
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.log.tlog_proof import LogProof
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.record_codes import SESSION_ENDED
from remote_assist.core.records import format_time, log_entry
from remote_assist.errors import AssistError, RefusedError
from remote_assist.tickets.system import Note

CURSOR = "session-proofs.cursor"
BATCH_SESSIONS = 16
RETRY_SECONDS = 2.0


class SessionProofs:
    """The worker that writes proof notes."""

    def __init__(
        self,
        store: Store,
        checkpoints: Checkpoints,
        data: Path,
        *,
        clock: Callable[[], datetime],
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """`written`: a note is there. Raises ContentError for a cursor file of somebody else's."""
        self._store = store
        self._checkpoints = checkpoints
        self._cursor = data / CURSOR
        self._clock = clock
        self._written = written
        self._next = read_cursor(self._cursor, advice="Remove it: sessions that ended before get no proof note.")

    async def work(self) -> None:
        """Write notes for ever. A full disk delays them; it never loses one."""
        while True:
            try:
                await self._step()
            except (AssistError, OSError) as error:
                structlog.get_logger("session-proofs").warning("delayed", cause=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _step(self) -> None:
        """Tell of the next sessions whose end is covered; wait a while for more when there are none."""
        if self._next is None:
            await self._keep(self._checkpoints.current.size)
            return
        start = self._next
        try:
            checkpoint = await self._checkpoints.covering(start)
        except RefusedError:
            return  # nothing new was signed for
        ends = await self._store.read(lambda connection: _ends(connection, start, checkpoint.size))
        for row in ends:
            await self._store.write(partial(self._tell, row=row, checkpoint=checkpoint))
        if ends:
            self._written()
        full = len(ends) == BATCH_SESSIONS
        at = acknowledgement_of(ends[-1]).index + 1 if full else checkpoint.size
        if ends:
            await self._keep(at)
        self._next = at  # where nothing ended, a look again after a restart is cheaper than an fsync a checkpoint

    async def _keep(self, at: int) -> None:
        await asyncio.to_thread(write_cursor, self._cursor, at)
        self._next = at

    def _tell(self, connection: Connection, row: Any, checkpoint: Checkpoint) -> None:
        while flush_in(connection, row.ticket, self._clock()):  # the end is told before its proof
            pass
        last = acknowledgement_of(row)
        checkpoint = self._checkpoints.signed_for(connection, last.session, checkpoint)
        text = session_proof_text(proof_in(connection, last, checkpoint), checkpoint)
        note = Note(key=f"proof {last.session}", author=AUTHOR, text=text, session=last.session)
        insert_note(connection, row.ticket, note, format_time(self._clock()))


def proof_in(connection: Connection, last: Acknowledgement, checkpoint: Checkpoint) -> SessionProof:
    """The proof of the session whose end record is `last`, in the tree of `checkpoint`, which covers it."""
    of_first = select(records).where(records.c.session == last.session, records.c.seq == 0)
    first = acknowledgement_of(connection.execute(of_first).one())
    hashes = TreeReader(connection).inclusion(last.index, checkpoint.size)
    return SessionProof(first, last, LogProof(log_entry(last.time, last.hash), last.index, hashes, checkpoint.note))


def _ends(connection: Connection, start: int, end: int) -> Sequence[Any]:
    query = (
        select(records, sessions.c.ticket)
        .join(sessions, sessions.c.id == records.c.session)
        .where(records.c.index >= start, records.c.index < end, records.c.code == SESSION_ENDED)
        .order_by(records.c.index)
        .limit(BATCH_SESSIONS)
    )
    return connection.execute(query).all()
