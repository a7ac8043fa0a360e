"""Records that belong to no session: people's own, as they signed them, and the relay's own (core/log/organisation.py).

    POST ─▶ check: owner, code, head signature ─▶ writer: place in the chain, index, what follows (erasure) ─▶ ack
    relay's own: `write(draft)` ─▶ writer: link, sign with the log key, index ─▶ ack

Rule 1: a person writes in their own chain only, as the role of their login, and only codes that role may write.
Rule 2: what a record orders (destroy these keys) happens in the same commit that keeps the record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from relay.access import OPERATOR, REVIEWER, Caller
from relay.log.admission import Admitted, RecordRefused
from relay.log.checkpoints import Checkpoints
from relay.log.keys import LogKeys
from relay.log.ledger import Ledger, acknowledged_before
from relay.log.sessions import page_of
from relay.storage.schema import chains, records
from relay.storage.store import Store
from relay.trust import TrustFolder
from remote_assist.core.api import ChainSummary, Records
from remote_assist.core.log.chain import Chain, link
from remote_assist.core.log.organisation import (
    RELAY,
    OpenedChain,
    check_chain_opening,
    check_own_words,
    is_chain_id,
    relays_opening,
    sign_head,
)
from remote_assist.core.messages import Acknowledgement, StoredRecord
from remote_assist.core.records import (
    NO_RECORD,
    Record,
    RecordDraft,
    decode_record,
    format_time,
    head_bytes,
    parse_time,
    record_hash,
)
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import fingerprint
from remote_assist.errors import RefusedError, RemoteProtocolError, UsageError, VerificationError

MAX_NEW_RECORDS = 16
EVERYBODYS = frozenset({REVIEWER, OPERATOR})
"""Roles that may read everybody's records."""

Consequence = Callable[[Connection, Record], None]
"""What a record orders, done in the commit that keeps it. Raises RecordRefused when it may not be done."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain stands in the database: the next sequence number and the last hash."""

    next_seq: int
    hash: str


class Chains:
    """Reads and writes of chains that belong to no session."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        checkpoints: Checkpoints,
        trust: TrustFolder,
        keys: LogKeys,
        *,
        clock: Callable[[], datetime],
        consequences: dict[str, Consequence] | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._checkpoints = checkpoints
        self._trust = trust
        self._keys = keys
        self._clock = clock
        self._consequences = consequences or {}

    async def write(self, draft: RecordDraft, also: Callable[[Connection], None] | None = None) -> Acknowledgement:
        """Write one of the relay's own records; `also` runs in the same commit, before it.

        Raises AuditUnavailable when it cannot be kept: then nothing happened.
        """

        def work(connection: Connection) -> Acknowledgement:
            if also is not None:
                also(connection)
            return self.write_in(connection, draft)

        given = await self._store.write(work)
        self._checkpoints.notice()
        return given

    def notice(self) -> None:
        """What `write_in` wrote is committed: a checkpoint may cover it."""
        self._checkpoints.notice()

    def write_in(self, connection: Connection, draft: RecordDraft) -> Acknowledgement:
        """As `write`, inside a transaction of the writer thread."""
        name, first = relays_opening(self._keys.current)
        assert first.opening is not None
        place = read_place(connection, name)
        if place is None:
            _insert_chain(connection, name, _relay_owner(first.opening.host_key), self._clock())
            opened = self._own(connection, Chain(name), first)
            place = Place(1, opened.hash)
        return self._own(connection, Chain(name, place.next_seq - 1, place.hash), draft)

    async def take(self, caller: Caller, offered: tuple[StoredRecord, ...]) -> tuple[Acknowledgement, ...]:
        """Keep a person's own records. Raises RefusedError, UsageError, VerificationError, AuditUnavailable."""
        if not 0 < len(offered) <= MAX_NEW_RECORDS:
            raise UsageError(f"between 1 and {MAX_NEW_RECORDS} records are taken at once")
        name = _chain_of(offered[0])
        owner = await self._store.read(lambda connection: read_owner(connection, name))
        admitted = []
        for stored in offered:
            one, owner = self._admit(stored, name, owner)
            admitted.append(one)
        assert owner is not None
        if (fingerprint(owner.key_line), owner.serial, owner.role) != (caller.key, caller.serial, caller.role):
            raise RefusedError("these are another person's records", reason="not-yours")
        try:
            given = await self._store.write(lambda connection: self._append(connection, name, owner, admitted))
        except RecordRefused as error:
            raise RefusedError(error.message, reason=error.reason) from error
        self._checkpoints.notice()
        return given

    async def summaries(self) -> tuple[ChainSummary, ...]:
        """All chains, oldest first."""
        return await self._store.read(_summaries)

    async def summary(self, caller: Caller, name: str) -> ChainSummary:
        """One chain. RefusedError `absent` when there is none, or it is not the caller's to see."""
        found = await self._store.read(lambda connection: _summaries(connection, name))
        if not found or (caller.role not in EVERYBODYS and found[0].key != caller.key):
            raise RefusedError("there are no such records", reason="absent", advice="`audit list --chains` lists them.")
        return found[0]

    async def page(self, caller: Caller, name: str, start: int, size: int) -> Records:
        """A page of a chain's records."""
        await self.summary(caller, name)
        return await self._store.read(lambda connection: page_of(connection, name, start, size))

    def _admit(self, stored: StoredRecord, name: str, owner: OpenedChain | None) -> tuple[Admitted, OpenedChain]:
        """A record that its owner may write and did sign; its place is checked by the writer."""
        try:
            record = decode_record(stored.record, strict=True)
        except RemoteProtocolError as error:
            raise UsageError(error.message) from error
        if record.session != name:
            raise UsageError("the records of one request belong to one chain")
        if record.opening is not None:
            owner = check_chain_opening(record, ca_line=self._trust.ca_line, log_keys=())
        if owner is None:
            raise RefusedError("these records were not begun here", reason="gap")
        now = self._clock()
        if owner.serial in self._trust.lists.revocations.serials or not _holds(owner, now):
            raise VerificationError("the certificate does not hold any more", where=name)
        check_own_words(record, owner)
        hash = record_hash(stored.record)
        sshsig.verify(stored.head, owner.key_line, "head", head_bytes(name, record.seq, hash))
        return Admitted(stored, record, hash), owner

    def _append(
        self, connection: Connection, name: str, owner: OpenedChain, offered: list[Admitted]
    ) -> tuple[Acknowledgement, ...]:
        place = read_place(connection, name)
        if place is None:
            _insert_chain(connection, name, owner, self._clock())
            place = Place(0, NO_RECORD)
        given = []
        for one in offered:
            if one.record.seq < place.next_seq:
                given.append(acknowledged_before(connection, one))
                continue
            _check_place(place, one.record)
            consequence = self._consequences.get(one.record.code)
            if consequence is not None:
                consequence(connection, one.record)
            given.append(self._ledger.keep(connection, one))
            place = Place(one.record.seq + 1, one.hash)
        return tuple(given)

    def _own(self, connection: Connection, chain: Chain, draft: RecordDraft) -> Acknowledgement:
        record, raw = link(chain, draft, self._clock())
        return self._ledger.keep(
            connection, Admitted(sign_head(self._keys.current, record, raw), record, record_hash(raw))
        )


def read_place(connection: Connection, name: str) -> Place | None:
    """Where a chain stands; None for one that was not begun."""
    row = connection.execute(
        select(records.c.seq, records.c.hash).where(records.c.session == name).order_by(records.c.seq.desc()).limit(1)
    ).first()
    return None if row is None else Place(row.seq + 1, row.hash)


def read_owner(connection: Connection, name: str) -> OpenedChain | None:
    """Whose chain it is, as its opening proved; None for one that was not begun."""
    row = connection.execute(select(chains).where(chains.c.id == name)).first()
    if row is None:
        return None
    valid = (parse_time(row.valid_after), parse_time(row.valid_before)) if row.role != RELAY else None
    return OpenedChain(row.owner, row.role, row.key, row.serial, "", True, valid)


def _summaries(connection: Connection, name: str | None = None) -> tuple[ChainSummary, ...]:
    last = select(records.c.session, func.max(records.c.seq).label("seq")).group_by(records.c.session).subquery()
    query = (
        select(chains, records.c.seq, records.c.hash)
        .join(last, last.c.session == chains.c.id)
        .join(records, (records.c.session == last.c.session) & (records.c.seq == last.c.seq))
        .order_by(chains.c.opened, chains.c.id)
    )
    rows = connection.execute(query if name is None else query.where(chains.c.id == name))
    return tuple(
        ChainSummary(
            id=row.id,
            owner=row.owner,
            role=row.role,
            key=fingerprint(row.key),
            serial=row.serial,
            opened=row.opened,
            records=row.seq + 1,
            head=row.hash,
        )
        for row in rows
    )


def _chain_of(stored: StoredRecord) -> str:
    try:
        name = decode_record(stored.record).session
    except RemoteProtocolError as error:
        raise UsageError(error.message) from error
    if not is_chain_id(name):
        raise UsageError("only records that belong to no session are taken here")
    return name


def _holds(owner: OpenedChain, now: datetime) -> bool:
    return owner.valid is None or owner.valid[0] <= now < owner.valid[1]


def _check_place(place: Place, record: Record) -> None:
    if record.seq != place.next_seq:
        raise RecordRefused(record.seq, "gap", f"record {place.next_seq} is the next one, not {record.seq}")
    if record.prev != place.hash:
        raise RecordRefused(record.seq, "fork", "the record does not follow the last one stored here")


def _insert_chain(connection: Connection, name: str, owner: OpenedChain, now: datetime) -> None:
    since, until = owner.valid or (None, None)
    connection.execute(
        insert(chains),
        {
            "id": name,
            "owner": owner.name,
            "role": owner.role,
            "key": owner.key_line,
            "serial": owner.serial,
            "valid_after": format_time(since) if since else "",
            "valid_before": format_time(until) if until else "",
            "opened": format_time(now),
        },
    )


def _relay_owner(key_line: str) -> OpenedChain:
    return OpenedChain(RELAY, RELAY, key_line, 0, "", True, None)
