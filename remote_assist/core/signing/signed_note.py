"""Notes signed by a log: text, a blank line, one line a signature, as C2SP signed-note; and what names a log.

    TEXT LF                      each line ends with a line feed
    LF
    — ORIGIN BASE64 LF           key id (4 bytes) ‖ Ed25519 signature over the text

Rule 1: signature lines by unknown keys are passed over, as the note format asks, but must be well formed.
Rule 2: a signature of a key that is asked for and does not hold refuses the whole note.
Source: https://c2sp.org/signed-note.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from remote_assist.core.signing.keys import PrivateKey, public_key
from remote_assist.errors import ContentError, LocalProtocolError, VerificationError

MAX_NOTE_BYTES = 64 << 10
"""Longest note read; sixteen post-quantum signatures fit."""

ORIGIN_PREFIX = "remote-assist/log/"

_ED25519 = b"\x01"
_SIGNATURE_BYTES = 64
_SIGNATURE_LINE = re.compile("\N{EM DASH} ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")


def log_origin(log_key_line: str) -> str:
    """The origin of the log whose key is this Ed25519 public line. Raises ContentError for another kind of key."""
    key = public_key(log_key_line)
    if not isinstance(key, Ed25519PublicKey):
        raise ContentError("a log key is an Ed25519 key", advice="Name the log key of the organisation's list.")
    return _origin_of(key)


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that name an Ed25519 key in a signature line: SHA-256(name LF 0x01 key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def origin_of_signer(key: PrivateKey) -> str:
    """The origin of the log that signs with this key. Raises LocalProtocolError for one that is not Ed25519."""
    return _origin_of(_signer(key).public_key())


def sign_note(text: str, *signers: PrivateKey) -> str:
    """The note of a text (which ends with a line feed). Raises LocalProtocolError for a key that is not Ed25519."""
    return text + "\n" + "".join(_signature_line(_signer(key), text) for key in signers)


def split_note(note: str, where: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The signed text, with its last line feed, and the signature lines (name, bytes). Raises VerificationError."""
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
        signatures.append((found[1], from_base64(found[2], where)))
    return text + "\n", signatures


def check_signed(
    origin: str, text: str, signatures: list[tuple[str, bytes]], log_keys: Collection[str], where: str
) -> None:
    """One of the log keys must be this origin's, and its signature must be there and hold. Raises VerificationError."""
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


def from_base64(text: str, where: str) -> bytes:
    """The bytes of base64 in its one form. Raises VerificationError."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"{where}: a part is not base64", where=where) from error
    if to_base64(raw) != text:
        raise VerificationError(f"{where}: a part is not base64 in its one form", where=where)
    return raw


def to_base64(raw: bytes) -> str:
    """Base64 in its one form."""
    return base64.b64encode(raw).decode("ascii")


def _signature_line(signer: Ed25519PrivateKey, text: str) -> str:
    origin = _origin_of(signer.public_key())
    blob = key_id(origin, _raw(signer.public_key())) + signer.sign(text.encode())
    return f"\N{EM DASH} {origin} {to_base64(blob)}\n"


def _signer(key: PrivateKey) -> Ed25519PrivateKey:
    if not isinstance(key, Ed25519PrivateKey):
        raise LocalProtocolError("a log signs with an Ed25519 key")
    return key


def _origin_of(key: Ed25519PublicKey) -> str:
    return ORIGIN_PREFIX + hashlib.sha256(_raw(key)).hexdigest()[:32]


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _key_of(origin: str, log_keys: Collection[str]) -> Ed25519PublicKey | None:
    for line in log_keys:
        try:
            if log_origin(line) == origin:
                key = public_key(line)
                return key if isinstance(key, Ed25519PublicKey) else None
        except ContentError:
            continue  # a key of another kind signs no checkpoint
    return None
