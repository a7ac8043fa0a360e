"""The customer's receipt: one JSON file that says in plain words what was done, and carries what proves it.

Rule 1: every word in it follows from its records; verifying builds the words anew and compares.
Rule 2: it verifies with no relay: records, head signatures, acknowledgements, the opening, the log's checkpoint and the
proofs that lead to it are inside. Only the log key, or the CA key, comes from whoever verifies.
"""

import hashlib
import itertools
from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec

from remote_assist.audit.inclusion import check_included
from remote_assist.audit.timeline import outcome_words, subject_words, timeline
from remote_assist.audit.verify import SessionReport, verify_session
from remote_assist.core.agreements.sharing import technicians_in
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.codec import decode
from remote_assist.core.identity.certificates import ca_of, check_certificate
from remote_assist.core.identity.lists import OrganisationList, open_list
from remote_assist.core.log.opening import log_keys_of
from remote_assist.core.messages import Acknowledgement, SignedStatement, StoredRecord
from remote_assist.core.records import Opening, Outcome, Record, decode_record, format_time, parse_time, record_hash
from remote_assist.core.signing.cosignature import check_cosigned
from remote_assist.errors import RemoteProtocolError, UsageError, VerificationError

FORMAT = "remote-assist receipt/1"
MAX_RECEIPT_BYTES = 256 << 20
"""Longest receipt read."""

_RUN = {"RA1100", "RA1300", "RA1301", "RA1400", "RA1401", "RA1500"}
_READ = {"RA1200", "RA1211"}
_TAKEN = {"RA1100", "RA1201", "RA1210"}
_CHANGED = {"RA1202", "RA1203", "RA1204", "RA1205", "RA1206", "RA1207", "RA1208", "RA1301"}


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what a receipt holds."""


class Evidence(_Part, frozen=True):
    """A record as journalled, with the relay's acknowledgement if it came, and its proof if a checkpoint covers it."""

    record: bytes
    head: str
    acknowledgement: Acknowledgement | None = None
    proof: tuple[bytes, ...] = ()


class Head(_Part, frozen=True):
    """Where the log ended when the receipt was made."""

    seq: int
    hash: str


class Receipt(_Part, frozen=True, omit_defaults=True):
    """`ran`, `read`, `taken`, `changed`, `refused` are sentences; `story` is every record in words.

    `digest`: SHA-256 of the file without it; it finds a changed byte where nothing is signed.
    """

    format: str
    made: str
    session: str
    organisation: str
    technician: str
    ticket: str
    subject: str
    relay: str
    opened: str
    ended: str
    ran: tuple[str, ...]
    read: tuple[str, ...]
    taken: tuple[str, ...]
    changed: tuple[str, ...]
    refused: tuple[str, ...]
    story: tuple[str, ...]
    head: Head
    checkpoint: str
    evidence: tuple[Evidence, ...]
    digest: str = ""


class InTheLog(_Part, frozen=True):
    """That a session's first records are in the log: the signed checkpoint, and each one's inclusion proof."""

    checkpoint: str
    proofs: tuple[tuple[bytes, ...], ...]


NOT_PROVED = InTheLog(checkpoint="", proofs=())


def build_receipt(
    entries: Iterable[tuple[StoredRecord, Acknowledgement | None]], *, now: datetime, proved: InTheLog = NOT_PROVED
) -> Receipt:
    """The receipt of what `Journal.records()` gives. Raises UsageError when there is no opened session in it."""
    pairs = itertools.zip_longest(entries, proved.proofs, fillvalue=None)
    evidence = tuple(
        Evidence(record=entry[0].record, head=entry[0].head, acknowledgement=entry[1], proof=proof or ())
        for entry, proof in pairs
        if entry is not None
    )
    if not evidence:
        raise UsageError("there is nothing to give a receipt for: the journal holds no record")
    return _digested(_compose(evidence, format_time(now), proved.checkpoint))


def receipt_bytes(receipt: Receipt) -> bytes:
    """The file: JSON, indented for people, one way to write it."""
    return msgspec.json.format(msgspec.json.encode(receipt), indent=2) + b"\n"


def read_receipt(raw: bytes) -> Receipt:
    """The receipt in a file. Raises VerificationError when it is none or was written by something else."""
    try:
        receipt = decode(raw, Receipt, max_bytes=MAX_RECEIPT_BYTES)
    except RemoteProtocolError as error:
        raise VerificationError(f"the receipt cannot be read: {error.message}", where="receipt") from error
    if receipt.format != FORMAT:
        raise VerificationError(f"a receipt of the form '{receipt.format[:60]}' is not known here", where="format")
    if receipt_bytes(receipt) != raw:
        raise VerificationError(
            "the receipt is not written as receipts are: somebody changed the file", where="receipt"
        )
    return receipt


def verify_receipt(
    receipt: Receipt, *, log_keys: Collection[str], ca_line: str | None, strict: bool = False
) -> SessionReport:
    """Verify the records of a receipt, then that its words say what they say. Raises VerificationError."""
    report = verify_session(
        receipt.evidence,
        log_keys=log_keys,
        ca_line=ca_line,
        strict=strict,
        session=receipt.session,
        must_have_ended=bool(receipt.ended),
        may_lack_acknowledgements=True,
    )
    _check_proofs(receipt, log_keys, ca_line, strict=strict)
    expected = _compose(receipt.evidence, receipt.made, receipt.checkpoint)
    expected = _digested(expected) if receipt.digest else expected
    for name in Receipt.__struct_fields__:
        if getattr(expected, name) != getattr(receipt, name):
            raise VerificationError(f"the receipt's '{name}' is not what its records say", where=name)
    return report


def _check_proofs(receipt: Receipt, log_keys: Collection[str], ca_line: str | None, *, strict: bool) -> None:
    proved = [(one.acknowledgement, one.proof) for one in receipt.evidence if one.acknowledgement is not None]
    if not receipt.checkpoint or any(one.proof for one in receipt.evidence if one.acknowledgement is None):
        if any(one.proof for one in receipt.evidence):
            raise VerificationError("the receipt has inclusion proofs for nothing", where="checkpoint")
        return
    opening = decode_record(receipt.evidence[0].record).opening
    named = log_keys_of(opening.lists, ca_line) if opening is not None and ca_line else ()
    checkpoint = open_checkpoint(receipt.checkpoint, (*log_keys, *named))
    if strict:
        check_cosigned(checkpoint.origin, checkpoint.cosigners, (*log_keys, *named), where="checkpoint")
    check_included(proved, checkpoint)


def _compose(evidence: tuple[Evidence, ...], made: str, checkpoint: str) -> Receipt:
    try:
        records = [decode_record(one.record) for one in evidence]
        opening = records[0].opening
        if opening is None:
            raise UsageError("the journal does not begin with an opening")
        statement = decode(opening.statement, SignedStatement)
    except RemoteProtocolError as error:
        raise VerificationError(f"the records cannot be read: {error.message}", where="evidence") from error
    technician, names = _technician(records, opening)
    return Receipt(
        format=FORMAT,
        made=made,
        session=records[0].session,
        organisation=_organisation(opening),
        technician=technician,
        ticket=statement.ticket,
        subject=statement.subject,
        relay=statement.relay,
        opened=records[0].time,
        ended=records[-1].time if records[-1].code == "RA1990E" else "",
        ran=_sentences(records, _RUN),
        read=_sentences(records, _READ),
        taken=_sentences(records, _TAKEN),
        changed=_sentences(records, _CHANGED),
        refused=_refusals(records),
        story=tuple(line.text() for line in timeline(records, names=names)),
        head=Head(seq=records[-1].seq, hash=record_hash(evidence[-1].record)),
        checkpoint=checkpoint,
        evidence=evidence,
    )


def _digested(receipt: Receipt) -> Receipt:
    bare = msgspec.structs.replace(receipt, digest="")
    return msgspec.structs.replace(bare, digest=hashlib.sha256(receipt_bytes(bare)).hexdigest())


def _technician(records: list[Record], opening: Opening) -> tuple[str, dict[str, str]]:
    """The name in the certificate, and the fingerprints of the technician's keys in this session."""
    certificate = check_certificate(
        opening.certificate, ca_line=ca_of(opening.certificate), now=parse_time(records[0].time), role="technician"
    )
    acted = {one.actor.key for one in records if one.actor.serial == certificate.serial and one.actor.key}
    names = {**dict.fromkeys(acted | {certificate.key_fingerprint}, certificate.name), **technicians_in(records)}
    return certificate.name, names


def _organisation(opening: Opening) -> str:
    ca = ca_of(opening.certificate)
    lists = [open_list(raw, ca_line=ca) for raw in opening.lists]
    return next((one.name for one in lists if isinstance(one, OrganisationList)), "")


def _sentences(records: list[Record], families: Collection[str]) -> tuple[str, ...]:
    """What was started of some families, each with how it ended."""
    outcomes: dict[tuple[str, str], Outcome | None] = {
        (one.code[:-1], one.action): one.outcome for one in records if one.code.endswith("O")
    }
    aborted = {one.action for one in records if one.code == "RA1901E"}
    said = []
    for record in records:
        if record.code[:-1] in families and record.code.endswith("I"):
            ending = outcome_words(outcomes.get((record.code[:-1], record.action))) or "no outcome was recorded"
            if record.action in aborted:
                ending = "not done"
            said.append(f"{subject_words(record) or 'something unnamed'} — {ending}")
    return tuple(said)


def _refusals(records: list[Record]) -> tuple[str, ...]:
    refused = [one for one in records if one.code == "RA1900R"]
    return tuple(f"{subject_words(one) or one.scope or 'an action'} — {outcome_words(one.outcome)}" for one in refused)
