"""A sealed stream opens with its key and only whole, in order and unchanged."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from remote_assist.core.sealed_stream import LENGTH_BYTES, MAGIC, PIECE_BYTES, Sealer, is_sealed, open_stream
from remote_assist.errors import RefusedError, RemoteProtocolError, VerificationError

SECRET = bytes(range(1, 33))
PUBLIC = X25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
ID = bytes(16)


def sealed(*pieces: bytes, public: bytes = PUBLIC) -> bytes:
    sealer = Sealer(public, ID)
    return b"".join(sealer.add(piece) for piece in pieces) + sealer.finish()


def pieces_of(raw: bytes) -> list[bytes]:
    position, found = len(MAGIC) + 16, []
    while position < len(raw):
        end = position + LENGTH_BYTES + int.from_bytes(raw[position : position + LENGTH_BYTES], "big")
        found.append(raw[position:end])
        position = end
    return found


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=200_000), max_size=4))
def test_what_was_sealed_opens_to_the_same(parts: list[bytes]) -> None:
    raw = sealed(*parts)
    assert is_sealed(raw)
    assert open_stream(raw, SECRET) == b"".join(parts)


def test_nothing_of_the_plaintext_is_in_it() -> None:
    assert b"plain words" not in sealed(b"plain words" * 20_000)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(VerificationError):
        open_stream(sealed(b"x"), bytes(range(2, 34)))


def test_cut_swapped_repeated_and_changed_pieces_are_refused() -> None:
    raw = sealed(bytes(3 * PIECE_BYTES))
    head, pieces = raw[: len(MAGIC) + 16], pieces_of(raw)
    changed = bytearray(raw)
    changed[-1] ^= 1
    wrong = [
        head,
        raw[:-1],
        head + b"".join(pieces[:-1]),
        head + b"".join([pieces[1], pieces[0], *pieces[2:]]),
        head + b"".join([*pieces, pieces[-1]]),
        head + pieces[-1],
        bytes(changed),
        MAGIC + bytes([1] * 16) + b"".join(pieces),
        head + b"\xff\xff\xff\xff",
    ]
    for each in wrong:
        with pytest.raises(VerificationError):
            open_stream(each, SECRET)


def test_what_is_no_sealed_stream_is_named_so() -> None:
    assert not is_sealed(b"\x28\xb5\x2f\xfd")
    with pytest.raises(RemoteProtocolError):
        open_stream(b"\x28\xb5\x2f\xfd", SECRET)


@pytest.mark.parametrize("public", [b"", b"short", bytes(32), b"x" * 31])
def test_a_key_nothing_can_be_sealed_to_is_refused_before_anything_is_sealed(public: bytes) -> None:
    with pytest.raises(RefusedError, match="sealed"):
        Sealer(public, ID)
