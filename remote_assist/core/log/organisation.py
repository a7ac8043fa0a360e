"""Records that belong to no support session: a person's own, signed by the key they log in with, or the relay's own.

    o-…   RA2000E opening: statement, signature, certificate ─▶ records, each head signed by the same key

Rule 1: they are records like all others: the same bytes, chain, head signature, acknowledgement, tree.
Rule 2: one chain for each certificate (of the relay: for its log key). Its name follows from the statement, which holds
no random part, so a person finds their own chain again and nobody can begin a second one beside it.
Rule 3: a person's records are believed as far as the certificate reaches, in time too; the relay's own only as far as
its log key is vouched for.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import short_id
from remote_assist.core.identity.certificates import Certificate, check_certificate
from remote_assist.core.messages import Message, StoredRecord
from remote_assist.core.record_codes import ORGANISATION_WRITERS, RECORDS_BEGUN
from remote_assist.core.records import Actor, Opening, Record, RecordDraft, head_bytes, parse_time, place, record_hash
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import PrivateKey, fingerprint, load_public, public_line
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.errors import AssistError, VerificationError

PURPOSE = "organisation"
"""SSHSIG purpose of a chain's statement."""

RELAY = "relay"
PREFIX = "o-"

_CHAIN_ID = re.compile(PREFIX + "[a-z2-7]{16}")


class ChainStatement(Message, frozen=True, tag="chain-statement"):
    """What a chain's owner signs first. `role`: technician, reviewer, operator or relay; `serial` 0 for the relay."""

    version: int
    log: str
    key: str
    role: str
    serial: int
    organisation_ca: str


@dataclass(frozen=True, slots=True)
class OpenedChain:
    """Whose chain it is, proved. `name` as the CA signed it; `ca_checked`: a CA somebody vouched for signed it.

    `valid`: from when until when the certificate held; None for the relay.
    """

    name: str
    role: str
    key_line: str
    serial: int
    ca_fingerprint: str
    ca_checked: bool
    valid: tuple[datetime, datetime] | None


def is_chain_id(text: str) -> bool:
    """Whether `text` names a chain of records that belong to no session."""
    return _CHAIN_ID.fullmatch(text) is not None


def chain_id(statement: bytes) -> str:
    """The chain's name, from its statement as signed."""
    return short_id(PREFIX, hashlib.sha256(statement).digest())


def persons_opening(key: PrivateKey, certificate: Certificate, role: str, log_key: str) -> tuple[str, RecordDraft]:
    """A person's chain at the log of `log_key` (public line): its name and its first record."""
    statement = encode(
        ChainStatement(
            version=1,
            log=log_origin(log_key),
            key=certificate.key_line,
            role=role,
            serial=certificate.serial,
            organisation_ca=certificate.ca_line,
        )
    )
    actor = Actor(kind=role, key=certificate.key_fingerprint, serial=certificate.serial)
    return chain_id(statement), _first(statement, key, certificate.line, certificate.key_line, actor)


def relays_opening(log_key: PrivateKey) -> tuple[str, RecordDraft]:
    """The relay's own chain: its name and its first record."""
    line = public_line(log_key)
    statement = encode(
        ChainStatement(version=1, log=log_origin(line), key=line, role=RELAY, serial=0, organisation_ca="")
    )
    return chain_id(statement), _first(statement, log_key, "", line, Actor(kind=RELAY, key=fingerprint(line)))


def sign_head(key: PrivateKey, record: Record, raw: bytes) -> StoredRecord:
    """A record with its owner's head signature."""
    signature = sshsig.sign(key, "head", head_bytes(record.session, record.seq, record_hash(raw)))
    return StoredRecord(record=raw, head=signature)


def check_chain_opening(record: Record, *, ca_line: str | None, log_keys: Collection[str]) -> OpenedChain:
    """Check a chain's first record. Without `ca_line` a certificate's own CA is taken and `ca_checked` is false.

    Raises VerificationError naming what does not fit.
    """
    where = place(record.session, record.seq)
    if record.opening is None or record.code != RECORDS_BEGUN:
        raise VerificationError(f"{where}: such records must begin with their opening", where=where)
    try:
        return _check(record, record.opening, ca_line, log_keys)
    except AssistError as error:
        raise VerificationError(f"{where}: {error.message}", where=where, advice=error.advice) from error


def check_own_words(record: Record, owner: OpenedChain) -> None:
    """Check that a record is one its chain's owner may write. Raises VerificationError."""
    where = place(record.session, record.seq)
    if owner.role not in ORGANISATION_WRITERS.get(record.code, frozenset()):
        raise VerificationError(f"{where}: {record.code} is not for a {owner.role} to write", where=where)
    if owner.role == RELAY:
        return
    mine = Actor(kind=owner.role, key=fingerprint(owner.key_line), serial=owner.serial)
    if record.actor != mine:
        raise VerificationError(f"{where}: it speaks of another actor than the one who signs", where=where)
    if owner.valid and not owner.valid[0] <= parse_time(record.time) < owner.valid[1]:
        raise VerificationError(f"{where}: the certificate of {owner.name} did not hold then", where=where)
    if record.signed is None:
        return
    try:
        sshsig.verify(record.signed.signature, owner.key_line, record.signed.purpose, record.signed.text.encode())
    except (VerificationError, KeyError) as error:
        raise VerificationError(f"{where}: the signature of its text does not hold", where=where) from error


def _first(statement: bytes, key: PrivateKey, certificate: str, line: str, actor: Actor) -> RecordDraft:
    opening = Opening(
        statement=statement,
        signature=sshsig.sign(key, PURPOSE, statement),
        certificate=certificate,
        host_key=line,
    )
    return RecordDraft(code=RECORDS_BEGUN, actor=actor, opening=opening)


def _check(record: Record, opening: Opening, ca_line: str | None, log_keys: Collection[str]) -> OpenedChain:
    statement = decode(opening.statement, ChainStatement)
    if chain_id(opening.statement) != record.session:
        raise VerificationError("the chain's name is not that of its statement")
    if statement.key != opening.host_key or opening.journal_key:
        raise VerificationError("the statement names another key")
    sshsig.verify(opening.signature, statement.key, PURPOSE, opening.statement)
    if statement.role == RELAY:
        return _relays(statement, log_keys)
    certificate = check_certificate(
        opening.certificate,
        ca_line=ca_line or statement.organisation_ca,
        now=parse_time(record.time),
        role=statement.role,
    )
    named = (certificate.key_line, certificate.serial, certificate.ca_line)
    if named != (statement.key, statement.serial, statement.organisation_ca):
        raise VerificationError("the statement is not that of the certificate")
    owner = OpenedChain(
        certificate.name,
        statement.role,
        certificate.key_line,
        certificate.serial,
        certificate.ca_fingerprint,
        ca_line is not None,
        (certificate.valid_after, certificate.valid_before),
    )
    check_own_words(record, owner)
    return owner


def _relays(statement: ChainStatement, log_keys: Collection[str]) -> OpenedChain:
    if log_origin(statement.key) != statement.log:
        raise VerificationError("the relay's own records are signed by another key than its log's")
    if load_public(statement.key) not in log_keys:
        raise VerificationError("the relay's log key is not vouched for")
    return OpenedChain(RELAY, RELAY, statement.key, 0, "", True, None)
