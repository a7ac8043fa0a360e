"""Checkpoints: the log's size and root, signed, as C2SP tlog-checkpoint over C2SP signed-note. And rollback notes.

    ORIGIN LF                    remote-assist/log/ + 32 hex digits of SHA-256(log key), so the key alone names the log
    SIZE LF                      leaves, decimal
    ROOT LF                      base64
    LF
    — ORIGIN BASE64 LF           key id (4 bytes) ‖ Ed25519 signature over the three lines

Rule 1: one form is accepted: exactly three lines and our own log's signature; lines by unknown keys (witnesses) are
passed over, as the note format asks, but must be well formed.
Rule 2: a line of a cosigner (ML-DSA-44, core/cosignature.py) is checked by whoever knows its key.
Rule 3: a signature of our key that does not hold refuses the whole note.
Source: https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from remote_assist.core.cosignature import held_cosignatures
from remote_assist.core.keys import PrivateKey, public_key
from remote_assist.core.tree import HASH_BYTES, TreeHead
from remote_assist.errors import ContentError, LocalProtocolError, VerificationError

MAX_NOTE_BYTES = 64 << 10
"""Longest note read; sixteen post-quantum signatures fit."""

MAX_SIZE = (1 << 53) - 1
"""Most leaves a tree may have: indexes travel as JSON numbers."""

ORIGIN_PREFIX = "remote-assist/log/"
ROLLBACK_TITLE = "remote-assist/1 rollback accepted"

_ED25519 = b"\x01"
_SIGNATURE_BYTES = 64
_SIGNATURE_LINE = re.compile("\N{EM DASH} ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: whose log, how large, which root, and the signed text it was read from.

    `cosigners`: names of those known cosigners whose signatures hold as well (core/cosignature.py).
    """

    origin: str
    head: TreeHead
    note: str
    cosigners: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.head.size


def log_origin(log_key_line: str) -> str:
    """The origin of the log whose key is this Ed25519 public line. Raises ContentError for another kind of key."""
    key = public_key(log_key_line)
    if not isinstance(key, Ed25519PublicKey):
        raise ContentError("a log key is an Ed25519 key", advice="Name the log key of the organisation's list.")
    return _origin_of(key)


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that name an Ed25519 key in a signature line: SHA-256(name LF 0x01 key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def sign_checkpoint(key: PrivateKey, head: TreeHead) -> str:
    """The checkpoint note of a tree. Raises LocalProtocolError for a key that is not Ed25519."""
    if not 0 <= head.size <= MAX_SIZE or len(head.root) != HASH_BYTES:
        raise LocalProtocolError("no checkpoint can say this of a tree")
    origin = _origin_of(_signer(key).public_key())
    return _sign_note(key, f"{origin}\n{head.size}\n{_base64(head.root)}\n")


def sign_rollback(key: PrivateKey, *, time: str, lost: TreeHead, found: TreeHead) -> str:
    """The signed word of an operator who lets a log go on from an older state: what was promised, what is there."""
    lines = [ROLLBACK_TITLE, _origin_of(_signer(key).public_key()), time]
    lines += [f"promised {lost.size} {_base64(lost.root)}", f"found {found.size} {_base64(found.root)}"]
    return _sign_note(key, "\n".join(lines) + "\n")


def open_checkpoint(note: str, log_keys: Collection[str], *, where: str = "checkpoint") -> Checkpoint:
    """The checkpoint in a note signed by one of `log_keys` (public lines). Raises VerificationError.

    A cosigner's line among `log_keys` is checked where the note has its signature.
    """
    text, signatures = _parts(note, where)
    lines = text.split("\n")
    if len(lines) != 4 or not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MAX_SIZE:
        raise VerificationError(f"{where}: this is no checkpoint", where=where)
    root = _bytes(lines[2], where)
    if len(root) != HASH_BYTES:
        raise VerificationError(f"{where}: the root is not {HASH_BYTES} bytes", where=where)
    _check_signed(lines[0], text, signatures, log_keys, where)
    head = TreeHead(int(lines[1]), root)
    return Checkpoint(lines[0], head, note, held_cosignatures(lines[0], head, signatures, log_keys, where=where))


def open_rollback(note: str, log_keys: Collection[str], *, where: str = "rollback") -> tuple[str, ...]:
    """The lines of a rollback note signed by one of `log_keys`. Raises VerificationError."""
    text, signatures = _parts(note, where)
    lines = text.split("\n")
    if lines[0] != ROLLBACK_TITLE or len(lines) != 6:
        raise VerificationError(f"{where}: this is no word about a rollback", where=where)
    _check_signed(lines[1], text, signatures, log_keys, where)
    return tuple(lines[1:5])


def _sign_note(key: PrivateKey, text: str) -> str:
    signer = _signer(key)
    origin = _origin_of(signer.public_key())
    blob = key_id(origin, _raw(signer.public_key())) + signer.sign(text.encode())
    return f"{text}\n\N{EM DASH} {origin} {_base64(blob)}\n"


def _signer(key: PrivateKey) -> Ed25519PrivateKey:
    if not isinstance(key, Ed25519PrivateKey):
        raise LocalProtocolError("a log signs with an Ed25519 key")
    return key


def _origin_of(key: Ed25519PublicKey) -> str:
    return ORIGIN_PREFIX + hashlib.sha256(_raw(key)).hexdigest()[:32]


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _parts(note: str, where: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The signed text, with its last line feed, and the signature lines (name, bytes)."""
    fault = VerificationError(f"{where}: this is no signed note", where=where)
    try:
        raw = note.encode()
    except UnicodeEncodeError as error:
        raise fault from error
    if len(raw) > MAX_NOTE_BYTES or any(byte < 0x20 and byte != 0x0A for byte in raw):
        raise fault
    text, gap, after = note.rpartition("\n\n")
    if not gap or not text or not after.endswith("\n"):
        raise fault
    signatures = []
    for line in after[:-1].split("\n"):
        found = _SIGNATURE_LINE.fullmatch(line)
        if found is None:
            raise fault
        signatures.append((found[1], _bytes(found[2], where)))
    return text + "\n", signatures


def _check_signed(
    origin: str, text: str, signatures: list[tuple[str, bytes]], log_keys: Collection[str], where: str
) -> None:
    """One of the log keys must be this origin's, and its signature must be there and hold."""
    public = _key_of(origin, log_keys)
    if public is None:
        raise VerificationError(f"{where}: it is of another log than the one whose key is vouched for", where=where)
    wanted = key_id(origin, _raw(public))
    ours = [blob[4:] for name, blob in signatures if name == origin and blob[:4] == wanted]
    if not ours:
        raise VerificationError(f"{where}: the log has not signed it", where=where)
    for signature in ours:
        try:
            if len(signature) != _SIGNATURE_BYTES:
                raise InvalidSignature
            public.verify(signature, text.encode())
        except InvalidSignature as error:
            raise VerificationError(f"{where}: the log's signature does not hold", where=where) from error


def _key_of(origin: str, log_keys: Collection[str]) -> Ed25519PublicKey | None:
    for line in log_keys:
        try:
            if log_origin(line) == origin:
                key = public_key(line)
                return key if isinstance(key, Ed25519PublicKey) else None
        except ContentError:
            continue  # a key of another kind signs no checkpoint
    return None


def _bytes(text: str, where: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"{where}: a part is not base64", where=where) from error
    if _base64(raw) != text:
        raise VerificationError(f"{where}: a part is not base64 in its one form", where=where)
    return raw


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
