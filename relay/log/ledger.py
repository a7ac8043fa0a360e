"""The log: gives admitted records their place, time and global index, and signs for them.

    session's chain   seq 0 ─▶ 1 ─▶ 2 …            index 0 1 2 3 …  over all sessions, without a gap

Rule 1: time, index, record and the tile it fills are one commit, and so is the row that becomes a ticket note.
Rule 2: the same record offered again gets the acknowledgement it has; another one at its place is a fork.
Rule 3: these functions run in the writer thread only; what they remember is forgotten when a commit fails.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from relay.log.admission import Admitted, NewSession, RecordRefused
from relay.log.keys import LogKeys
from relay.log.participants import note as note_participants
from relay.log.tree import LogTree
from relay.storage.foreign import number_of
from relay.storage.schema import insert_missing, outbox, records, sessions, tickets, wraps
from remote_assist.core.messages import Acknowledgement, Wrap
from remote_assist.core.record_codes import JOURNAL_KEY_CODES, SESSION_ENDED
from remote_assist.core.records import NO_RECORD, Record, acknowledgement_bytes, format_time, leaf_hash
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.sshsig import PrivateKey
from remote_assist.errors import RefusedError, VerificationError

MAX_HEADS = 10_000
"""Sessions whose last record is kept in memory."""

MAX_SESSION_WRAPS = 4096

CUSTOMER_VISIBLE = "customer"

_KEEP, _TELL = insert(records), insert(outbox)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a session's chain stands: the next sequence number, the last hash, its ticket, whether it ended."""

    next_seq: int
    hash: str
    ticket: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Appended:
    """What one Append led to: acknowledgements, then perhaps a refusal; `ended` when the end record is in."""

    acknowledgements: tuple[Acknowledgement, ...]
    refusal: RecordRefused | None
    ended: bool
    stored: int


class Ledger:
    """The writer thread's side of the log."""

    def __init__(self, keys: LogKeys, *, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._clock = clock
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._next_index: int | None = None
        self._last_time = ""
        self._tree = LogTree()

    def catch_up(self, connection: Connection) -> int:
        """Bring the tree up to the records; answer how many there are."""
        return self._tree.catch_up(connection)

    def forget(self) -> None:
        """Trust the database alone again, after something written was undone."""
        self._heads.clear()
        self._next_index = None
        self._tree.forget()

    def append(
        self, connection: Connection, session: str, offered: Sequence[Admitted], keys: Sequence[Wrap]
    ) -> Appended:
        """Store what fits at the end of the session's chain; stop at the first record that does not.

        Raises RecordRefused, and stores nothing at all, when the wraps are too many.
        """
        head = self._head(connection, session)
        given: list[Acknowledgement] = []
        refusal: RecordRefused | None = None
        stored, told = 0, []
        for one in offered:
            try:
                if head is not None and one.record.seq < head.next_seq:
                    given.append(acknowledged_before(connection, one))
                    continue
                if head is None:
                    head = _open_session(connection, one, self._now())
                    self._keys.opened(session, self._opening_key(one))
                _check_place(head, one)
            except RecordRefused as error:
                refusal = error
                break
            if stored == 0:
                _keep_wraps(connection, session, keys)
                keys = ()
            given.append(self.keep(connection, one, self._keys.of_session(connection, session)))
            note_participants(connection, one.record, one.newcomer)
            told.append(_row_of(one.record, head))
            if one.record.code == SESSION_ENDED:
                _end_session(connection, one.record, given[-1].time)
            head = replace(
                head,
                next_seq=one.record.seq + 1,
                hash=one.hash,
                ended=head.ended or one.record.code == SESSION_ENDED,
            )
            self._remember(session, head)
            stored += 1
        if told:
            connection.execute(_TELL, told)  # all at once: a row costs a fifth of what it does alone
        if head is not None:
            _keep_wraps(connection, session, keys)
        return Appended(tuple(given), refusal, head is not None and head.ended, stored)

    def keep(self, connection: Connection, one: Admitted, key: PrivateKey | None = None) -> Acknowledgement:
        """Give a record that continues its chain its time and index, and sign for it (with the present log key)."""
        record = one.record
        index, time = self._take_index(connection), self._now()  # in this order: the index brings the last time along
        message = acknowledgement_bytes(record.session, record.seq, one.hash, time, index)
        signature = sshsig.sign(key or self._keys.current, "ack", message)
        connection.execute(
            _KEEP,
            {
                "index": index,
                "session": record.session,
                "seq": record.seq,
                "hash": one.hash,
                "code": record.code,
                "action": record.action,
                "record": one.stored.record,
                "head": one.stored.head,
                "time": time,
                "signature": signature,
            },
        )
        self._tree.add(connection, index, leaf_hash(time, one.hash))
        return Acknowledgement(
            session=record.session, seq=record.seq, hash=one.hash, time=time, index=index, signature=signature
        )

    def _opening_key(self, one: Admitted) -> PrivateKey:
        try:
            return self._keys.named(one.opening.log_keys if one.opening is not None else ())
        except VerificationError as error:
            raise RecordRefused(one.record.seq, "stale-lists", error.message) from error

    def _now(self) -> str:
        # A clock that was set back must not make the log run backwards.
        self._last_time = max(self._last_time, format_time(self._clock()))
        return self._last_time

    def _take_index(self, connection: Connection) -> int:
        if self._next_index is None:
            last = connection.execute(select(func.max(records.c.index))).scalar()
            self._next_index = 0 if last is None else last + 1
            newest = connection.execute(select(records.c.time).where(records.c.index == last)).scalar()
            self._last_time = max(self._last_time, newest or "")
        self._next_index += 1
        return self._next_index - 1

    def _head(self, connection: Connection, session: str) -> Head | None:
        head = self._heads.get(session)
        if head is None:
            head = read_head(connection, session)
            if head is not None:
                self._remember(session, head)
        return head

    def _remember(self, session: str, head: Head) -> None:
        self._heads[session] = head
        self._heads.move_to_end(session)
        while len(self._heads) > MAX_HEADS:
            self._heads.popitem(last=False)


def read_head(connection: Connection, session: str) -> Head | None:
    """Where the stored chain of a session stands; None for a session that was never opened."""
    row = connection.execute(select(sessions.c.ticket, sessions.c.ended).where(sessions.c.id == session)).first()
    if row is None:
        return None
    last = connection.execute(
        select(records.c.seq, records.c.hash)
        .where(records.c.session == session)
        .order_by(records.c.seq.desc())
        .limit(1)
    ).first()
    seq, hash = (-1, NO_RECORD) if last is None else (last.seq, last.hash)
    return Head(seq + 1, hash, row.ticket, row.ended is not None)


def _open_session(connection: Connection, one: Admitted, now: str) -> Head:
    if one.opening is None:
        raise RecordRefused(one.record.seq, "gap", "the session was not opened here: its first record is missing")
    new: NewSession = one.opening
    ticket = _ticket_of(connection, new.ticket, one.record.seq)
    connection.execute(
        insert(sessions),
        {
            "id": new.id,
            "ticket": ticket,
            "subject": new.subject,
            "technician": new.certificate.name,
            "technician_key": new.certificate.key_fingerprint,
            "serial": new.certificate.serial,
            "host_key": new.keys.host_key,
            "journal_key": new.keys.journal_key,
            "opened": now,
            "until": format_time(new.until),
        },
    )
    return Head(0, NO_RECORD, ticket, False)


def _ticket_of(connection: Connection, ticket: str, seq: int) -> int:
    try:
        number = number_of(connection, ticket)
    except RefusedError as error:
        raise RecordRefused(seq, "unknown-ticket", f"there is no ticket {ticket}") from error
    row = connection.execute(select(tickets.c.closed).where(tickets.c.id == number)).first()
    if row is None:
        raise RecordRefused(seq, "unknown-ticket", f"there is no ticket {ticket}")
    if row.closed is not None:
        raise RecordRefused(seq, "closed-ticket", f"ticket {ticket} is closed")
    return number


def _row_of(record: Record, head: Head) -> dict[str, object]:
    """The outbox's row for a session's record: its ticket is to hear of it."""
    return {"session": record.session, "seq": record.seq, "ticket": head.ticket, "visibility": CUSTOMER_VISIBLE}


def _end_session(connection: Connection, record: Record, time: str) -> None:
    reason = (record.outcome.reason or record.outcome.status) if record.outcome is not None else ""
    connection.execute(update(sessions).where(sessions.c.id == record.session).values(ended=time, end_reason=reason))


def _check_place(head: Head, one: Admitted) -> None:
    record = one.record
    if record.seq != head.next_seq:
        raise RecordRefused(record.seq, "gap", f"record {head.next_seq} is the next one, not {record.seq}")
    if record.prev != head.hash:
        raise RecordRefused(record.seq, "fork", "the record does not follow the last one stored here")
    if head.ended and record.code not in JOURNAL_KEY_CODES - {SESSION_ENDED}:
        raise RecordRefused(record.seq, "ended", "the session ended; nothing more can be added to it")


def acknowledged_before(connection: Connection, one: Admitted) -> Acknowledgement:
    """The acknowledgement this record has. Raises RecordRefused `fork` when another one is at its place."""
    record = one.record
    row = connection.execute(
        select(records).where(records.c.session == record.session, records.c.seq == record.seq)
    ).one()
    if row.hash != one.hash:
        raise RecordRefused(record.seq, "fork", "another record is stored at this place")
    return acknowledgement_of(row)


def acknowledgement_of(row: Row[Any]) -> Acknowledgement:
    """The acknowledgement that a row of `records` holds."""
    return Acknowledgement(
        session=row.session,
        seq=row.seq,
        hash=row.hash,
        time=row.time,
        index=row._mapping["index"],  # a row has a method of that name
        signature=row.signature,
    )


def _keep_wraps(connection: Connection, session: str, keys: Sequence[Wrap]) -> None:
    if not keys:
        return
    held = connection.execute(select(func.count()).where(wraps.c.session == session)).scalar_one()
    if held + len(keys) > MAX_SESSION_WRAPS:
        raise RecordRefused(0, "too-many", "a session has only so many wrapped content keys")
    rows = [{"key_id": key.key_id, "reviewer": key.reviewer, "session": session, "sealed": key.sealed} for key in keys]
    insert_missing(connection, wraps, *rows)
