"""The keys two ends of a pairing share, and what is done with each: confirm a message, seal a statement, resume.

Every key comes from the SPAKE2 key by HKDF-SHA256, salted with both nonces, named by direction and use
(`remote-assist/1 confirm a→t`; a is the agent, t the technician); no key serves two uses. Sealing is
ChaCha20-Poly1305 with a nonce of zeros, which is sound because each sealing key seals one message, once.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from remote_assist.core.messages import PROTOCOL_VERSION

MAC_BYTES = 32

AGENT_TO_TECHNICIAN = "a→t"
TECHNICIAN_TO_AGENT = "t→a"

_ONE_USE_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class PairingKeys:
    """Derives from `shared` (SPAKE2, 32 bytes) and `salt` (technician's nonce, then agent's)."""

    shared: bytes = field(repr=False)
    salt: bytes

    def confirm(self, direction: str, fields: list[bytes]) -> bytes:
        """The MAC that shows the sender knew the words and saw exactly `fields`."""
        return hmac.digest(self._derive(f"confirm {direction}"), joined(fields), "sha256")

    def confirms(self, mac: bytes, direction: str, fields: list[bytes]) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(mac, self.confirm(direction, fields))

    def seal(self, use: str, plain: bytes, fields: list[bytes]) -> bytes:
        """`plain` for the other end only, bound to what was said before (`fields`)."""
        return ChaCha20Poly1305(self._derive(f"seal {use}")).encrypt(_ONE_USE_NONCE, plain, joined(fields))

    def open(self, use: str, sealed: bytes, fields: list[bytes]) -> bytes:
        """The plain bytes. Raises ValueError when they were changed or belong elsewhere."""
        try:
            return ChaCha20Poly1305(self._derive(f"seal {use}")).decrypt(_ONE_USE_NONCE, sealed, joined(fields))
        except InvalidTag as error:
            raise ValueError("a sealed part does not open") from error

    @property
    def resume_key(self) -> bytes:
        """32 bytes with which both ends later prove that a cut stream is theirs."""
        return self._derive("resume")

    def _derive(self, use: str) -> bytes:
        info = f"remote-assist/{PROTOCOL_VERSION} {use}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=self.salt, info=info).derive(self.shared)


def joined(fields: list[bytes]) -> bytes:
    """Length-prefixed fields (u32 big endian): no two lists of fields give the same bytes."""
    return b"".join(len(one).to_bytes(4, "big") + one for one in fields)


def transcript_hash(fields: list[bytes]) -> bytes:
    """32 bytes that stand for everything said in messages 1 and 2."""
    return hashlib.sha256(f"remote-assist/{PROTOCOL_VERSION} transcript".encode() + b"\0" + joined(fields)).digest()
