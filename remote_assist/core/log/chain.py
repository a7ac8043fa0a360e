"""A session's chain: how records follow each other and who may sign its head. Journal, relay and verify share it.

Rule 1: `advance` is the only way to accept a record; it names the exact place of whatever does not hold.
Rule 2: the host key signs until the journal key has signed once; from then on only the journal key, and only
JOURNAL_KEY_CODES. Rule 3: nothing follows the end record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from remote_assist.core.messages import StoredRecord
from remote_assist.core.record_codes import JOURNAL_KEY_CODES, SESSION_ENDED
from remote_assist.core.records import (
    NO_RECORD,
    Record,
    RecordDraft,
    decode_record,
    encode_record,
    format_time,
    head_bytes,
    place,
    record_hash,
)
from remote_assist.core.signing import sshsig
from remote_assist.errors import RemoteProtocolError, VerificationError


@dataclass(frozen=True, slots=True)
class Chain:
    """How far a session's records reach. `seq` is -1 before the first; `closing`: the journal key has signed."""

    session: str
    seq: int = -1
    hash: str = NO_RECORD
    host_key: str = ""
    journal_key: str = ""
    closing: bool = False
    ended: bool = False


def session_of(records: Sequence[StoredRecord]) -> str:
    """The session the first record names. Raises VerificationError when there is none or it cannot be read."""
    if not records:
        raise VerificationError("there is no record at all", where="record 0")
    try:
        return decode_record(records[0].record).session
    except RemoteProtocolError as error:
        raise VerificationError(f"record 0: {error.message}", where="record 0") from error


def link(chain: Chain, draft: RecordDraft, now: datetime) -> tuple[Record, bytes]:
    """The record that continues `chain` and its canonical bytes. Raises LocalProtocolError."""
    fields = {name: getattr(draft, name) for name in RecordDraft.__struct_fields__}
    record = Record(session=chain.session, seq=chain.seq + 1, prev=chain.hash, time=format_time(now), **fields)
    return record, encode_record(record)


def advance(chain: Chain, stored: StoredRecord, *, strict: bool = False) -> tuple[Record, Chain]:
    """Check that `stored` is the next record, signed by a key that may; answer it and the longer chain.

    With `strict`, the bytes must also be canonical. Raises VerificationError naming the place.
    """
    where = place(chain.session, chain.seq + 1)
    try:
        record = decode_record(stored.record, strict=strict)
    except RemoteProtocolError as error:
        raise VerificationError(f"{where}: {error.message}", where=where) from error
    _check_place(chain, record, where)
    if record.opening is not None:
        chain = _open(chain, record, where)
    digest = record_hash(stored.record)
    closing = _check_head(chain, stored.head, record, digest, where)
    ended = record.code == SESSION_ENDED
    return record, replace(chain, seq=record.seq, hash=digest, closing=closing, ended=ended)


def extend(chain: Chain, record: Record, raw: bytes) -> Chain:
    """The chain after a record that `link` made here: nothing to check, it is ours."""
    if record.opening is not None:
        chain = replace(chain, host_key=record.opening.host_key, journal_key=record.opening.journal_key)
    return replace(chain, seq=record.seq, hash=record_hash(raw), ended=record.code == SESSION_ENDED)


def _check_place(chain: Chain, record: Record, where: str) -> None:
    expected = chain.seq + 1
    if chain.ended:
        raise VerificationError(f"{where}: it follows the end record", where=where)
    if record.session != chain.session:
        raise VerificationError(f"{where}: it belongs to session {record.session}", where=where)
    if record.seq > expected:
        missing = f"{expected}" if record.seq == expected + 1 else f"{expected} to {record.seq - 1}"
        raise VerificationError(f"{where}: missing; record {missing} is not there, {record.seq} follows", where=where)
    if record.seq < expected:
        raise VerificationError(f"{where}: record {record.seq} stands in its place", where=where)
    if record.prev != chain.hash:
        raise VerificationError(f"{where}: the previous-record hash does not match", where=where)


def _open(chain: Chain, record: Record, where: str) -> Chain:
    opening = record.opening
    if opening is None or (chain.host_key and opening.host_key != chain.host_key):
        raise VerificationError(f"{where}: the opening names another host key than the session's", where=where)
    return replace(chain, host_key=opening.host_key, journal_key=opening.journal_key)


def _check_head(chain: Chain, signature: str, record: Record, digest: str, where: str) -> bool:
    """Check the head signature; answer whether the journal key made it."""
    message = head_bytes(record.session, record.seq, digest)
    try:
        if chain.closing:
            raise VerificationError("only the journal key signs once it has signed")
        sshsig.verify(signature, chain.host_key, "head", message)
    except VerificationError as error:
        if chain.journal_key and record.code in JOURNAL_KEY_CODES and _signs(chain.journal_key, signature, message):
            return True
        raise VerificationError(f"{where}: the head signature does not hold: {error.message}", where=where) from error
    return False


def _signs(key: str, signature: str, message: bytes) -> bool:
    try:
        sshsig.verify(signature, key, "head", message)
    except VerificationError:
        return False
    return True
