"""What an audit record is, and every byte that is hashed or signed about it. docs/audit-format.md says it in words.

Rule 1: a record's canonical bytes never change meaning: fields at their default are absent, so a field
added later changes no old byte. Rule 2: hashes and verification use the bytes as stored; canonical form is
checked at append and by `strict`. Rule 3: plaintext of a sealed field is never hashed or signed.
"""

import hashlib
import re
from collections.abc import Collection
from datetime import UTC, datetime

import msgspec

from remote_assist.core.canonical import canonical_bytes
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.record_codes import CODES, ORGANISATION_WRITERS, Code
from remote_assist.core.signing import sshsig
from remote_assist.errors import LocalProtocolError, RemoteProtocolError, VerificationError

__all__ = [
    "CODES",
    "MAX_RECORD_BYTES",
    "NO_RECORD",
    "Actor",
    "Code",
    "Opening",
    "Outcome",
    "Record",
    "RecordDraft",
    "SealedField",
    "Second",
    "SignedText",
    "acknowledgement_bytes",
    "decode_record",
    "encode_record",
    "format_time",
    "head_bytes",
    "join_bytes",
    "leaf_hash",
    "log_entry",
    "login_bytes",
    "parse_time",
    "path_text",
    "place",
    "record_hash",
    "verify_acknowledgement",
]

RECORD_VERSION = 1
MAX_RECORD_BYTES = 512 << 10
"""Longest record; in base64 it still fits one message to the relay."""

NO_RECORD = "0" * 64
"""`prev` of a session's first record."""

ACTOR_KINDS = frozenset({"technician", "customer", "agent", "relay"})
ORGANISATION_ACTOR_KINDS = frozenset({"technician", "reviewer", "operator", "relay"})
MAX_DETAILS = 16
MAX_DETAIL_CHARS = 2000
_HASH = re.compile(r"[0-9a-f]{64}")
_SESSION = re.compile(r"[so]-[a-z2-7]{16}")
_OF_ORGANISATION = "o-"
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base: fields at their default are absent from the bytes, unknown fields are refused."""


class Actor(_Part, frozen=True, kw_only=True):
    """Who acted. `kind`: technician, customer, agent, relay. `key`: fingerprint. `serial`: of the certificate."""

    kind: str
    key: str = ""
    serial: int = 0
    on_behalf_of: str = ""


class SealedField(_Part, frozen=True, kw_only=True):
    """A value only reviewers can open (core/log/sealing.py). `commitment` hex; `key` names the content key."""

    commitment: str
    ciphertext: bytes
    key: str


class Outcome(_Part, frozen=True, kw_only=True):
    """How an act ended: the words of `Done.status`; `reason` is a stable word for what was not plain success."""

    status: str
    exit: int = 0
    size: int = 0
    reason: str = ""


class Opening(_Part, frozen=True, kw_only=True):
    """First record only: the technician's statement as signed, and what it binds. `lists` are CA-signed lists.

    `host_key` and `journal_key` are OpenSSH public key lines; the journal key may sign JOURNAL_KEY_CODES only.
    """

    statement: bytes
    signature: str
    certificate: str
    host_key: str
    journal_key: str = ""
    lists: tuple[bytes, ...] = ()


class SignedText(_Part, frozen=True, kw_only=True):
    """Words a person signed for themselves, so that stock `ssh-keygen -Y verify` checks them (SSHSIG, `purpose`)."""

    purpose: str
    text: str
    signature: str


class Second(_Part, frozen=True, kw_only=True):
    """How a second technician came in (core/agreements/sharing.py): the first's invitation, the second's certificate
    and, once they are there, their proof."""

    invitation: bytes
    signature: str
    certificate: str
    attachment: bytes = b""
    attachment_signature: str = ""


class RecordDraft(_Part, frozen=True, kw_only=True):
    """A record before the journal gives it its place. `action` ties an intent to its outcome.

    `program` is argv[0]'s base name, `paths` as `path_text` writes them, `sizes` named counts and bytes,
    `recording` names what is kept of an action (core/log/chunk.py), `stored` is the SHA-256 (hex) of the sealed bytes
    the relay stores for this record, `approver` is reserved. What is here is readable by the relay; what is not goes to
    `sealed`. Only in records of no session: `about` names what the record is about, `details` its words, `signed` a
    signed text.
    """

    code: str
    actor: Actor
    action: str = ""
    scope: str = ""
    catalog: str = ""
    program: str = ""
    target: str = ""
    paths: tuple[str, ...] = ()
    sizes: dict[str, int] = {}
    outcome: Outcome | None = None
    grant: str = ""
    approver: str = ""
    plan: str = ""
    recording: str = ""
    stored: str = ""
    sealed: dict[str, SealedField] = {}
    opening: Opening | None = None
    about: str = ""
    details: dict[str, str] = {}
    signed: SignedText | None = None
    second: Second | None = None


class Record(RecordDraft, frozen=True, kw_only=True):
    """One link of a session's chain. `prev` is the previous record's hash, `time` RFC 3339 UTC microseconds."""

    session: str
    seq: int
    prev: str
    time: str
    v: int = RECORD_VERSION


_DECODER = msgspec.json.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """Canonical bytes of a record. Raises LocalProtocolError for one that must not be written."""
    fault = _fault(record)
    if fault:
        raise LocalProtocolError(f"a record cannot be written: {fault}")
    fields = msgspec.to_builtins(record)
    fields["v"] = record.v
    raw = canonical_bytes(fields)
    if len(raw) > MAX_RECORD_BYTES:
        raise LocalProtocolError(f"a record of {len(raw)} bytes exceeds the limit of {MAX_RECORD_BYTES}")
    return raw


def decode_record(raw: bytes, *, strict: bool = False) -> Record:
    """The record in stored bytes; with `strict` they must also be the canonical ones.

    Raises RemoteProtocolError: too long, not JSON, unknown field, code or version, a value out of form.
    """
    if len(raw) > MAX_RECORD_BYTES:
        raise RemoteProtocolError(f"a record of {len(raw)} bytes exceeds the limit of {MAX_RECORD_BYTES}")
    try:
        record = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"not a record: {error}") from error
    fault = _fault(record)
    if fault:
        raise RemoteProtocolError(f"not a record: {fault}")
    if strict and not _is_canonical(record, raw):
        raise RemoteProtocolError("the record is not in canonical form")
    return record


def record_hash(raw: bytes) -> str:
    """Lower-case hex SHA-256 of a record's stored bytes."""
    return hashlib.sha256(raw).hexdigest()


def head_bytes(session: str, seq: int, hash: str) -> bytes:
    """What a head signature (SSHSIG `head`) covers: that `session` reaches from 0 to `seq` and ends in `hash`."""
    return _lines("head", session, str(seq), hash)


def acknowledgement_bytes(session: str, seq: int, hash: str, time: str, index: int) -> bytes:
    """What the log key signs (SSHSIG `ack`): this record is durable, since `time`, as leaf `index`."""
    return _lines("acknowledgement", session, str(seq), hash, time, str(index))


def join_bytes(origin: str, session: str, nonce: bytes) -> bytes:
    """What the session's host key signs (SSHSIG `join`) on the agent's control connection."""
    return _lines("join", origin, session, nonce.hex())


def login_bytes(origin: str, nonce: bytes, time: str, role: str) -> bytes:
    """What a certificate's key signs (SSHSIG `login`) to log in at the relay."""
    return _lines("login", origin, nonce.hex(), time, role)


def log_entry(time: str, hash: str) -> bytes:
    """What the relay's tree holds of a record: the time it gave (27 ASCII bytes) and the record's hash (32 bytes)."""
    if not (_TIME.fullmatch(time) and _HASH.fullmatch(hash)):
        raise LocalProtocolError("a leaf needs a time in microseconds and a hash in lower-case hex")
    return time.encode() + bytes.fromhex(hash)


def leaf_hash(time: str, hash: str) -> bytes:
    """A record's leaf in the relay's tree: SHA-256(0x00 ‖ time ‖ record hash), as RFC 6962."""
    return hashlib.sha256(b"\0" + log_entry(time, hash)).digest()


def verify_acknowledgement(acknowledgement: Acknowledgement, log_keys: Collection[str]) -> None:
    """Check an acknowledgement's form and that one of `log_keys` (public lines) signed it.

    Raises VerificationError; also when there is no key to check against.
    """
    where = place(acknowledgement.session, acknowledgement.seq)
    forms = (_SESSION.fullmatch(acknowledgement.session), _HASH.fullmatch(acknowledgement.hash))
    if not (all(forms) and _is_time(acknowledgement.time)):
        raise VerificationError(f"{where}: the acknowledgement is malformed", where=where)
    if not log_keys:
        raise VerificationError(
            f"{where}: no log key is vouched for, so nothing proves the acknowledgement", where=where
        )
    message = acknowledgement_bytes(
        acknowledgement.session,
        acknowledgement.seq,
        acknowledgement.hash,
        acknowledgement.time,
        acknowledgement.index,
    )
    if not _signed_by_any(acknowledgement.signature, log_keys, message):
        raise VerificationError(f"{where}: the acknowledgement is not signed by the relay's log key", where=where)


def place(session: str, seq: int) -> str:
    """How messages name a record: `record 7 of s-…`."""
    return f"record {seq} of {session}"


def format_time(moment: datetime) -> str:
    """RFC 3339 UTC with microseconds and Z: `2026-03-01T09:30:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """The moment in a record's or acknowledgement's time. Raises RemoteProtocolError for any other form."""
    if not _TIME.fullmatch(text):
        raise RemoteProtocolError("a time that is not RFC 3339 UTC with microseconds")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise RemoteProtocolError(f"a time that does not exist: {text}") from error


def path_text(path: bytes) -> str:
    """A path as records hold it: its text, or `raw:` with \\xNN escapes when its bytes are not UTF-8.

    Two different absolute paths never read the same.
    """
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return "raw:" + path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def _lines(purpose: str, *fields: str) -> bytes:
    if any("\n" in field for field in fields):
        raise LocalProtocolError(f"a line break inside the fields of a {purpose}")
    return "\n".join([f"remote-assist/1 {purpose}", *fields, ""]).encode()


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except RemoteProtocolError:
        return False
    return True


def _signed_by_any(signature: str, keys: Collection[str], message: bytes) -> bool:
    for key in keys:
        try:
            sshsig.verify(signature, key, "ack", message)
        except VerificationError:
            continue
        return True
    return False


def _fault(record: Record) -> str:
    """Why a record must not exist, or nothing. Types are msgspec's; this checks what types cannot say."""
    if record.v != RECORD_VERSION:
        return f"version {record.v} is not known here"
    if record.code not in CODES:
        return f"there is no record code {record.code[:32]!r}"
    if not _SESSION.fullmatch(record.session):
        return "the session id is malformed"
    if record.seq < 0 or not _HASH.fullmatch(record.prev) or (record.seq == 0) != (record.prev == NO_RECORD):
        return "its place in the chain is malformed"
    if (record.seq == 0) != (record.opening is not None):
        return "the opening belongs to the first record and to no other"
    fault = _fault_of_organisation(record) if record.session.startswith(_OF_ORGANISATION) else _fault_of_session(record)
    return fault or _fault_in_values(record)


def _fault_of_session(record: Record) -> str:
    if record.code in ORGANISATION_WRITERS:
        return f"{record.code} belongs to no session"
    if record.actor.kind not in ACTOR_KINDS:
        return f"there is no actor {record.actor.kind[:32]!r}"
    if record.about or record.details or record.signed is not None:
        return "`about`, `details` and `signed` belong to records of no session"
    return ""


def _fault_of_organisation(record: Record) -> str:
    if record.code not in ORGANISATION_WRITERS:
        return f"{record.code} belongs to a session"
    if record.actor.kind not in ORGANISATION_ACTOR_KINDS:
        return f"there is no actor {record.actor.kind[:32]!r} here"
    if len(record.details) > MAX_DETAILS or not all(map(_FIELD_NAME.fullmatch, record.details)):
        return "its details are malformed"
    if max((len(value) for value in (record.about, *record.details.values())), default=0) > MAX_DETAIL_CHARS:
        return "a detail is too long"
    return ""


def _is_canonical(record: Record, raw: bytes) -> bool:
    try:
        return encode_record(record) == raw
    except LocalProtocolError:
        return False


def _fault_in_values(record: Record) -> str:
    if not _is_time(record.time):
        return "its time is malformed"
    for name in [*record.sizes, *record.sealed]:
        if not _FIELD_NAME.fullmatch(name):
            return f"the name {name[:64]!r} is malformed"
    if any(size < 0 for size in record.sizes.values()):
        return "a size is negative"
    if record.stored and not _HASH.fullmatch(record.stored):
        return "the hash of what is stored is malformed"
    if not all(_HASH.fullmatch(part.commitment) for part in record.sealed.values()):
        return "a commitment is malformed"
    return ""
