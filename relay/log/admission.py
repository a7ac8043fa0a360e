"""Whether a record may enter the log: every check that needs no database. Pure.

    Append ─▶ check_record: form, size, session, head signature ─▶ Admitted ─▶ ledger.py: its place in the chain
                 └─ first record: check_opening: technician, statement, host key, session id ─▶ NewSession

Rule: a session exists for the relay only because of an opening that passed here (PROTOCOL 5).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from remote_assist.core.agreements.sharing import Invited
from remote_assist.core.codec import decode
from remote_assist.core.identity.certificates import Certificate, check_certificate
from remote_assist.core.identity.statement import MAX_SECONDS
from remote_assist.core.log.opening import check_opening as proven_opening
from remote_assist.core.messages import SignedStatement, StoredRecord, Wrap
from remote_assist.core.record_codes import JOURNAL_KEY_CODES, SECOND_ADMITTED
from remote_assist.core.records import Record, Second, decode_record, head_bytes, parse_time, record_hash
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import load_public
from remote_assist.core.ticket_ids import read_ticket_id
from remote_assist.errors import AssistError, RemoteProtocolError, VerificationError

MAX_SUBJECT_CHARS = 200
MAX_RECORDS = 64
MAX_WRAPS = 64
MAX_SEALED_BYTES = 1024

_KEY_NAME = re.compile(r"[\x21-\x7e]{1,128}")


class RecordRefused(AssistError):
    """A record may not enter. `seq` and everything after it is not stored; `reason` is a stable word."""

    def __init__(self, seq: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.seq = seq
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Who may speak for a session: its host key, and the journal key for what a next start may add."""

    host_key: str
    journal_key: str = ""


@dataclass(frozen=True, slots=True)
class NewSession:
    """What an opening says, proven. `until` is when the technician's statement ends it at the latest."""

    id: str
    ticket: str
    subject: str
    certificate: Certificate
    keys: SessionKeys
    until: datetime
    log_keys: tuple[str, ...] = ()
    """Public lines of the log keys that the technician's lists name."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A record whose form and signature hold; `opening` is set for a session's first."""

    stored: StoredRecord
    record: Record
    hash: str
    opening: NewSession | None = None
    newcomer: tuple[Certificate, datetime] | None = None
    """The second technician whom this record lets in, and until when."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What an opening is checked against: the organisation's CA, revoked serials, this relay's own names."""

    ca_line: str
    revoked: Collection[int]
    origins: Collection[str]


def check_record(
    stored: StoredRecord, *, session: str, keys: SessionKeys, trust: Trust, now: datetime, fallback_seq: int
) -> Admitted:
    """One record of an Append. Raises RecordRefused; `fallback_seq` names its place when it cannot be read."""
    try:
        record = decode_record(stored.record, strict=True)
    except RemoteProtocolError as error:
        raise RecordRefused(fallback_seq, "malformed", error.message) from error
    if record.session != session:
        raise RecordRefused(record.seq, "wrong-session", "the record belongs to another session")
    hash = record_hash(stored.record)
    _check_head(stored.head, record, hash, keys)
    opening = None
    if record.opening is not None:
        opening = check_opening(record, keys=keys, trust=trust, now=now)
    newcomer = None if record.second is None else check_newcomer(record, record.second, trust=trust, now=now)
    return Admitted(stored, record, hash, opening, newcomer)


def check_opening(record: Record, *, keys: SessionKeys, trust: Trust, now: datetime) -> NewSession:
    """What a first record opens. Raises RecordRefused naming what does not hold."""
    assert record.opening is not None
    try:
        opened = proven_opening(record, ca_line=trust.ca_line)
        statement = opened.statement
        # The opening holds at the record's time; to open a session here it must hold now, by this clock and list.
        certificate = check_certificate(
            record.opening.certificate, ca_line=trust.ca_line, now=now, role="technician", revoked=trust.revoked
        )
        host_key = load_public(record.opening.host_key)
        journal_key = load_public(record.opening.journal_key) if record.opening.journal_key else ""
    except AssistError as error:
        raise RecordRefused(record.seq, "bad-opening", error.message) from error
    fault = _fault_in_statement(statement, trust.origins)
    if host_key != keys.host_key:
        fault = "the technician's statement names another host key"
    if fault:
        raise RecordRefused(record.seq, "bad-opening", fault)
    return NewSession(
        id=record.session,
        ticket=statement.ticket,
        subject=statement.subject,
        certificate=certificate,
        keys=SessionKeys(host_key, journal_key),
        until=min(now + timedelta(seconds=statement.seconds), certificate.valid_before),
        log_keys=opened.log_keys,
    )


def check_newcomer(record: Record, second: Second, *, trust: Trust, now: datetime) -> tuple[Certificate, datetime]:
    """Whom a record lets in besides the technician who paired, and until when. Raises RecordRefused.

    Who invited them and what the customer said the agent has checked: the session is the agent's.
    """
    try:
        invited = decode(second.invitation, Invited)
        certificate = check_certificate(
            second.certificate, ca_line=trust.ca_line, now=now, role="technician", revoked=trust.revoked
        )
        until = min(parse_time(invited.expires), certificate.valid_before)
    except AssistError as error:
        raise RecordRefused(record.seq, "bad-second", error.message) from error
    if record.code == SECOND_ADMITTED and record.target != certificate.key_fingerprint:
        raise RecordRefused(record.seq, "bad-second", "the record names another key than the certificate's")
    return certificate, until


def check_wraps(wraps: Collection[Wrap], seq: int) -> None:
    """Refuse wraps that are not of the form of one (RecordRefused); their content only reviewers can read."""
    for wrap in wraps:
        named = _KEY_NAME.fullmatch(wrap.key_id) and _KEY_NAME.fullmatch(wrap.reviewer)
        if not named or len(wrap.sealed) > MAX_SEALED_BYTES:
            raise RecordRefused(seq, "malformed", "a wrapped content key is malformed")


def _check_head(head: str, record: Record, hash: str, keys: SessionKeys) -> None:
    message = head_bytes(record.session, record.seq, hash)
    allowed = [keys.host_key]
    if keys.journal_key and record.code in JOURNAL_KEY_CODES:
        allowed.append(keys.journal_key)
    for key in allowed:
        try:
            sshsig.verify(head, key, "head", message)
        except VerificationError:
            continue
        return
    raise RecordRefused(record.seq, "bad-signature", "the head signature is not by the session's host key")


def _fault_in_statement(statement: SignedStatement, origins: Collection[str]) -> str:
    if statement.relay not in origins:
        return "the technician's statement was made for another relay"
    if read_ticket_id(statement.ticket) is None:
        return "the technician's statement names no ticket of this relay"
    if len(statement.subject) > MAX_SUBJECT_CHARS:
        return "the ticket's subject in the statement is too long"
    if not 0 < statement.seconds <= MAX_SECONDS:
        return "the technician's statement asks for too long a session"
    return ""
