"""Chunks: what opens is what was sealed for exactly this place; every other byte string is refused and named."""

import hashlib
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.log.chunk import DIGEST, MAX_CHUNK_BYTES, check_stored, chunk_number, open_chunk, seal_chunk
from remote_assist.core.log.sealing import ContentKey, new_content_key, seal
from remote_assist.core.records import Actor, Record, SealedField
from remote_assist.errors import LocalProtocolError, VerificationError

SESSION = "s-abcdefghijklmnop"
KEY = new_content_key(lambda size: bytes(range(size)))
OTHER = new_content_key(lambda size: bytes(size))
CONTENT = b'{"version":2,"width":80,"height":24}\n[0.5,"o","hello"]\n'


def sealed(content: bytes = CONTENT, number: int = 0, recording: str = "a1") -> bytes:
    return seal_chunk(KEY, content, session=SESSION, recording=recording, number=number, nonce=bytes(12))


def record_of(stored: bytes, content: bytes = CONTENT, number: int = 0, **changes: object) -> Record:
    digest = hashlib.sha256(content).hexdigest().encode()
    field = seal(KEY, digest, session=SESSION, name=DIGEST, record_key=bytes(32), nonce=bytes(12))
    fields: dict[str, object] = {
        "code": "RA1410E",
        "actor": Actor(kind="agent"),
        "session": SESSION,
        "seq": 4,
        "prev": "1" * 64,
        "time": "2026-03-01T09:30:00.000000Z",
        "recording": "a1",
        "stored": hashlib.sha256(stored).hexdigest(),
        "sizes": {"chunk": number, "bytes": len(content), "stored": len(stored)},
        "sealed": {DIGEST: field},
    }
    return Record(**{**fields, **changes})  # type: ignore[arg-type]  # a test's own table of fields


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens(content: bytes) -> None:
    stored = sealed(content)
    assert open_chunk(KEY, record_of(stored, content), stored) == content


def test_the_largest_chunk_opens_and_a_larger_one_is_not_made() -> None:
    content = bytes(MAX_CHUNK_BYTES)
    stored = sealed(content)
    assert open_chunk(KEY, record_of(stored, content), stored) == content
    with pytest.raises(LocalProtocolError):
        sealed(bytes(MAX_CHUNK_BYTES + 1))
    with pytest.raises(LocalProtocolError):
        seal_chunk(KEY, b"", session=SESSION, recording="a1", number=0, nonce=b"short")


def test_f21_every_changed_byte_of_a_stored_chunk_is_found_and_its_place_named() -> None:
    stored = sealed()
    record = record_of(stored)
    for at in range(len(stored)):
        changed = stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]
        with pytest.raises(VerificationError, match=f"chunk 0 of a1 in {SESSION}"):
            check_stored(record, changed)
        with pytest.raises(VerificationError, match="chunk 0 of a1"):  # also when its record was made for it
            open_chunk(KEY, record_of(changed), changed)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"recording": "a2"}, "does not open"),
        ({"session": "s-aaaaaaaaaaaaaaaa"}, "does not open"),
        ({"sizes": {"chunk": 1}}, "does not open"),
        ({"sealed": {}}, "holds no digest"),
    ],
)
def test_a_chunk_that_was_moved_does_not_open(changes: dict[str, object], says: str) -> None:
    stored = sealed()
    with pytest.raises(VerificationError, match=says):
        open_chunk(KEY, record_of(stored, CONTENT, 0, **changes), stored)


def test_another_content_than_the_record_committed_to_is_refused() -> None:
    stored = sealed()
    with pytest.raises(VerificationError, match="not what its record says"):
        open_chunk(KEY, record_of(stored, b"another"), stored)


def test_another_key_opens_nothing() -> None:
    stored = sealed()
    with pytest.raises(VerificationError, match="does not open"):
        open_chunk(OTHER, record_of(stored), stored)


def packed(raw: bytes, key: ContentKey = KEY) -> bytes:
    bound = f"remote-assist/1 chunk\n{SESSION}\na1\n0\n{key.id}\n".encode()
    return bytes(12) + ChaCha20Poly1305(key.key).encrypt(bytes(12), raw, bound)


@pytest.mark.parametrize(
    "raw", [zlib.compress(bytes(MAX_CHUNK_BYTES * 40)), zlib.compress(b"x" * 100)[:-2], b"no zlib", b""]
)
def test_a_bomb_and_a_torn_stream_are_refused_in_bounded_memory(raw: bytes) -> None:
    stored = packed(raw)
    with pytest.raises(VerificationError):
        open_chunk(KEY, record_of(stored), stored)


@given(st.binary(max_size=200))
def test_f22_any_bytes_are_refused_as_declared(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        open_chunk(KEY, record_of(raw), raw)


def test_a_record_without_a_number_is_the_first() -> None:
    assert chunk_number(record_of(b"", sizes={})) == 0


def test_a_digest_sealed_with_a_field_of_another_key_is_refused() -> None:
    stored = sealed()
    field = SealedField(commitment="0" * 64, ciphertext=b"", key=OTHER.id)
    with pytest.raises(VerificationError):
        open_chunk(KEY, record_of(stored, sealed={DIGEST: field}), stored)
