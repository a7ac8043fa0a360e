"""A stream of bytes sealed to one public key, piece by piece, so that it can be sealed while it is made.

    magic "remote-assist sealed 1\\n" (23) · stream id (16 random bytes)
    then pieces: length u32 big endian of what follows · HPKE of at most 64 KiB of plaintext

HPKE (X25519, HKDF-SHA256, ChaCha20-Poly1305) of `cryptography`, once a piece; its info binds stream id, number and
whether the piece is the last. Rule 1: a piece changed, moved, repeated or missing at the end is a VerificationError.
Rule 2: there is no way from a sealer back to plaintext; who cannot seal gets an error, never an open stream.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from remote_assist.errors import RefusedError, RemoteProtocolError, VerificationError

MAGIC = b"remote-assist sealed 1\n"
ID_BYTES, LENGTH_BYTES = 16, 4
PIECE_BYTES = 64 << 10
MAX_SEALED_PIECE_BYTES = PIECE_BYTES + 256
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class Sealer:
    """Seals one stream to 32 raw X25519 bytes. `stream_id`: 16 random bytes. Raises RefusedError for a key it cannot
    seal to."""

    def __init__(self, public: bytes, stream_id: bytes) -> None:
        try:
            self._public = X25519PublicKey.from_public_bytes(public)
            self._id = stream_id
            _SUITE.encrypt(b"", self._public, b"remote-assist/1 try")
        except (ValueError, TypeError) as error:
            raise RefusedError("nothing can be sealed to this key", reason="cannot-seal") from error
        self._number = 0
        self._held = b""
        self._begun = False

    def add(self, raw: bytes) -> bytes:
        """What may be sent now that `raw` is known; what is shorter than a piece is held back."""
        self._held += raw
        sealed = b"" if self._begun else MAGIC + self._id
        self._begun = True
        while len(self._held) > PIECE_BYTES:
            piece, self._held = self._held[:PIECE_BYTES], self._held[PIECE_BYTES:]
            sealed += self._piece(piece, last=False)
        return sealed

    def finish(self) -> bytes:
        """The rest, with what says that it is the last."""
        return self.add(b"") + self._piece(self._held, last=True)

    def _piece(self, piece: bytes, *, last: bool) -> bytes:
        sealed = _SUITE.encrypt(piece, self._public, _info(self._id, self._number, last=last))
        self._number += 1
        return len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed


def is_sealed(raw: bytes) -> bool:
    """Whether these are the first bytes of a sealed stream."""
    return raw.startswith(MAGIC)


def open_stream(raw: bytes, private: bytes) -> bytes:
    """The plaintext of a whole stream.

    Raises VerificationError when the key is another one or a piece is not what was sealed, RemoteProtocolError when it
    is not a sealed stream.
    """
    secret = X25519PrivateKey.from_private_bytes(private)
    position = len(MAGIC) + ID_BYTES
    if not is_sealed(raw) or len(raw) < position:
        raise RemoteProtocolError("this is not a sealed stream")
    stream_id, number, opened = raw[len(MAGIC) : position], 0, []
    while True:
        length = int.from_bytes(raw[position : position + LENGTH_BYTES], "big")
        end = position + LENGTH_BYTES + length
        if length > MAX_SEALED_PIECE_BYTES or end > len(raw) or position == len(raw):
            raise VerificationError("the sealed stream ends too early, or was cut", where=f"piece {number}")
        last = end == len(raw)
        opened.append(_opened(raw[position + LENGTH_BYTES : end], secret, _info(stream_id, number, last=last), number))
        if last:
            return b"".join(opened)
        position, number = end, number + 1


def _opened(sealed: bytes, secret: X25519PrivateKey, info: bytes, number: int) -> bytes:
    try:
        return _SUITE.decrypt(sealed, secret, info)
    except (InvalidTag, ValueError) as error:
        raise VerificationError(
            "this does not open with that key",
            where=f"piece {number}",
            advice="It was sealed to another key, or changed or cut on the way.",
        ) from error


def _info(stream_id: bytes, number: int, *, last: bool) -> bytes:
    return b"remote-assist/1 stream " + stream_id + number.to_bytes(8, "big") + (b"\x01" if last else b"\x00")
