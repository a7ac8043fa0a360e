"""Sealed chunks beside the log: pieces of recordings, bundles and files that the relay stores and cannot read.

    StoreChunk ─ its record is in the log and names these bytes ─ quota ─▶ one commit ─▶ ChunkStored

Rule 1: a chunk is stored only for an acknowledged record of its own session that names its hash and size.
Rule 2: offered again, it is answered as before. Rule 3: no session and no relay stores more than its quota.
Rule 4: nobody reads one before a record says so (RA2002E, in the relay's own records).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from aiohttp import web
from sqlalchemy import Connection, func, insert, select

from relay.access import Caller
from relay.storage.schema import chunks, records
from relay.storage.store import Store
from remote_assist.core.messages import ChunkRefused, ChunkStored, StoreChunk
from remote_assist.core.record_codes import CHUNK_CODES
from remote_assist.core.records import Actor, RecordDraft, decode_record
from remote_assist.errors import AuditUnavailable, RefusedError, UsageError

SAME_READING = timedelta(minutes=10)
"""Chunks of one recording that one person reads within this time are one reading."""

MAX_SESSIONS = 10_000
"""Sessions whose stored size is kept in memory."""

NEVER_CHANGES = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ChunkRefusal(Exception):
    """Why a chunk is not stored; `reason` is a stable word."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Chunks:
    """Takes chunks of all agents and gives them to reviewers. `write` keeps one of the relay's own records."""

    def __init__(
        self,
        store: Store,
        write: Callable[[RecordDraft], Awaitable[object]],
        *,
        clock: Callable[[], datetime],
        session_bytes: int,
        all_bytes: int,
    ) -> None:
        self._store = store
        self._write = write
        self._clock = clock
        self._readers: OrderedDict[tuple[str, str, str], datetime] = OrderedDict()
        self._session_bytes = session_bytes
        self._all_bytes = all_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._total: int | None = None
        store.on_undo(self.forget)

    async def keep(self, message: StoreChunk) -> ChunkStored | ChunkRefused:
        """Store a chunk and say so, or why not."""
        try:
            await self._store.write(lambda connection: self._keep(connection, message))
        except ChunkRefusal as refusal:
            return ChunkRefused(session=message.session, seq=message.seq, reason=refusal.reason, sentence=str(refusal))
        except AuditUnavailable as error:
            return ChunkRefused(session=message.session, seq=message.seq, reason=error.reason, sentence=error.message)
        return ChunkStored(session=message.session, seq=message.seq)

    async def chunk(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/sessions/{session}/chunks/{seq}."""
        session, seq = request.match_info["session"], request.match_info["seq"]
        if not seq.isdecimal() or len(seq) > 9:
            raise UsageError("a chunk is named by the number of its record")
        assert caller is not None
        found = await self._store.read(lambda connection: _read(connection, session, int(seq)))
        if found is None:
            raise RefusedError("the relay has no such chunk", reason="absent")
        recording, body = found
        await self._note_reader(caller, session, recording)
        return web.Response(body=body, content_type="application/octet-stream", headers=NEVER_CHANGES)

    async def _note_reader(self, caller: Caller, session: str, recording: str) -> None:
        """Write down who reads what, once for all chunks somebody reads one after the other."""
        name, now = (caller.key, session, recording), self._clock()
        noted = self._readers.get(name)
        if noted is not None and now - noted < SAME_READING:
            return
        await self._write(
            RecordDraft(
                code="RA2002E",
                actor=Actor(kind="relay"),
                about=session,
                recording=recording,
                details={"reader": caller.name, "key": caller.key, "role": caller.role},
            )
        )
        self._readers[name] = now
        while len(self._readers) > MAX_SESSIONS:
            self._readers.popitem(last=False)

    # --- in the writer thread ---------------------------------------------------------------------

    def _keep(self, connection: Connection, message: StoreChunk) -> None:
        hash = hashlib.sha256(message.body).hexdigest()
        _check_record(connection, message, hash)
        there = select(chunks.c.hash).where(chunks.c.session == message.session, chunks.c.seq == message.seq)
        if connection.execute(there).scalar() is not None:
            return
        self._check_room(connection, message.session, len(message.body))
        connection.execute(
            insert(chunks).values(
                session=message.session, seq=message.seq, hash=hash, size=len(message.body), body=message.body
            )
        )
        self._sizes[message.session] += len(message.body)
        self._total = (self._total or 0) + len(message.body)

    def _check_room(self, connection: Connection, session: str, size: int) -> None:
        if self._total is None:
            self._total = _size(connection, None)
        if session not in self._sizes:
            self._sizes[session] = _size(connection, session)
            while len(self._sizes) > MAX_SESSIONS:
                self._sizes.popitem(last=False)
        if self._sizes[session] + size > self._session_bytes:
            raise ChunkRefusal("quota", "this session has stored as much as a session may")
        if self._total + size > self._all_bytes:
            raise ChunkRefusal("quota", "the relay has stored as much as it may")

    def forget(self) -> None:
        """Trust the database alone again, after something written was undone."""
        self._sizes.clear()
        self._total = None


def _read(connection: Connection, session: str, seq: int) -> tuple[str, bytes] | None:
    """What a chunk belongs to, and its stored bytes."""
    query = (
        select(records.c.record, chunks.c.body)
        .join(records, (records.c.session == chunks.c.session) & (records.c.seq == chunks.c.seq))
        .where(chunks.c.session == session, chunks.c.seq == seq)
    )
    row = connection.execute(query).first()
    return None if row is None else (decode_record(row.record).recording, row.body)


def stored_bytes(connection: Connection) -> int:
    """How much is stored of all sessions."""
    return _size(connection, None)


def _check_record(connection: Connection, message: StoreChunk, hash: str) -> None:
    query = select(records.c.record).where(records.c.session == message.session, records.c.seq == message.seq)
    raw = connection.execute(query).scalar()
    if raw is None:
        raise ChunkRefusal("no-record", "no record of this session names this chunk")
    record = decode_record(raw)
    if record.code not in CHUNK_CODES or record.stored != hash or record.sizes.get("stored") != len(message.body):
        raise ChunkRefusal("mismatch", "the record names other bytes than these")


def _size(connection: Connection, session: str | None) -> int:
    query = select(func.coalesce(func.sum(chunks.c.size), 0))
    if session is not None:
        query = query.where(chunks.c.session == session)
    return int(connection.execute(query).scalar_one())
