"""A chunk: a piece of a recording, bundle or file, sealed for the reviewers, which the relay stores and cannot read.

    content (at most 256 KiB) ─ zlib ─▶ nonce (12) ‖ ChaCha20-Poly1305(content key, …) = the stored bytes
    record:   in clear   recording, sizes {chunk, bytes, stored}, `stored` = SHA-256 of the stored bytes
              sealed     `sha256` of the content, with its commitment

Rule 1: session, recording and number are bound as additional data: a chunk moved elsewhere does not open.
Rule 2: the hash of the stored bytes is in the chain before they travel, so nobody can exchange them later.
"""

import hashlib
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from remote_assist.core.log.sealing import NONCE_BYTES, ContentKey, open_sealed
from remote_assist.core.records import Record
from remote_assist.errors import LocalProtocolError, VerificationError

MAX_CHUNK_BYTES = 256 << 10
"""Longest content of a chunk."""

MAX_STORED_BYTES = MAX_CHUNK_BYTES + (4 << 10)
"""Longest stored bytes: what cannot be compressed grows a little."""

DIGEST = "sha256"
"""Sealed field of a chunk's record: hex SHA-256 of its content."""


def seal_chunk(
    key: ContentKey, content: bytes, *, session: str, recording: str, number: int, nonce: bytes, level: int = 1
) -> bytes:
    """The bytes to store. `nonce`: 12 random bytes, fresh for each; `level`: of compression, 0 to 9."""
    if len(content) > MAX_CHUNK_BYTES or len(nonce) != NONCE_BYTES:
        raise LocalProtocolError("a chunk has at most 256 KiB and a nonce of 12 random bytes")
    bound = _bound(session, recording, number, key.id)
    return nonce + ChaCha20Poly1305(key.key).encrypt(nonce, zlib.compress(content, level), bound)


def open_chunk(key: ContentKey, record: Record, stored: bytes) -> bytes:
    """The content of stored bytes, checked against the record that names them.

    Raises VerificationError: bytes that were changed, exchanged or moved, or a content the record did not commit to.
    """
    number = chunk_number(record)
    where = f"chunk {number} of {record.recording} in {record.session}"
    check_stored(record, stored)
    content = _opened(key, record, stored, where)
    digest = record.sealed.get(DIGEST)
    if digest is None:
        raise VerificationError(f"the record of {where} holds no digest", where=where)
    value = open_sealed(key, digest, session=record.session, name=DIGEST)
    if hashlib.sha256(content).hexdigest().encode() != value:
        raise VerificationError(f"the content of {where} is not what its record says", where=where)
    return content


def check_stored(record: Record, stored: bytes) -> None:
    """Raise VerificationError unless these are the bytes the record names; needs no key."""
    where = f"chunk {chunk_number(record)} of {record.recording} in {record.session}"
    if hashlib.sha256(stored).hexdigest() != record.stored:
        raise VerificationError(f"the stored bytes of {where} are not those its record names", where=where)


def chunk_number(record: Record) -> int:
    """Which piece of its recording a record is about; the first is 0."""
    return record.sizes.get("chunk", 0)


def _opened(key: ContentKey, record: Record, stored: bytes, where: str) -> bytes:
    nonce, sealed = stored[:NONCE_BYTES], stored[NONCE_BYTES:]
    bound = _bound(record.session, record.recording, chunk_number(record), key.id)
    try:
        packed = ChaCha20Poly1305(key.key).decrypt(nonce, sealed, bound)
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(packed, MAX_CHUNK_BYTES + 1)
    except (InvalidTag, ValueError, zlib.error) as error:
        raise VerificationError(f"{where} does not open: it was changed or belongs elsewhere", where=where) from error
    if not unpacking.eof or len(content) > MAX_CHUNK_BYTES:
        raise VerificationError(f"{where} is longer than a chunk may be", where=where)
    return content


def _bound(session: str, recording: str, number: int, key_id: str) -> bytes:
    return f"remote-assist/1 chunk\n{session}\n{recording}\n{number}\n{key_id}\n".encode()
