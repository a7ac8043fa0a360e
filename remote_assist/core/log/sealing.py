"""Sealed fields: what the relay stores but cannot read, and who can open it (PROTOCOL 5).

    content key   random 32 bytes per session and subject; its id is derived from it
    sealed field  commitment = HMAC-SHA256(commitment key, value)
                  ciphertext = nonce (12) ‖ ChaCha20-Poly1305(content key, nonce, commitment key (32) ‖ value)
    wrap          HPKE (X25519, HKDF-SHA256, ChaCha20-Poly1305) of the content key to one reviewer key

The commitment key is made from the record's random key and the field's name, so opening one field of a
record helps nobody to guess another. Session, field name and key id are bound as additional data: a sealed
field moved elsewhere does not open. Rule: wraps go only to keys of the CA-signed reviewers' list.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from remote_assist.core.codes import short_id
from remote_assist.core.messages import Wrap
from remote_assist.core.records import SealedField
from remote_assist.errors import LocalProtocolError, VerificationError

KEY_BYTES = 32
NONCE_BYTES = 12
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class Reviewer(Protocol):
    """A key on the reviewers' list: a name for it and 32 raw X25519 bytes."""

    @property
    def id(self) -> str: ...

    @property
    def public(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ContentKey:
    """What encrypts one session's (and subject's) sealed fields. `id` is public, `key` is 32 secret bytes."""

    id: str
    key: bytes = field(repr=False)


class Disclosure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sealed value in clear, with what proves that it is the one the record committed to."""

    value: bytes
    commitment_key: bytes


def new_content_key(entropy: Callable[[int], bytes]) -> ContentKey:
    """A fresh content key; its id is a hash of it, so a wrap can be checked when it is opened."""
    key = entropy(KEY_BYTES)
    return ContentKey(_key_id(key), key)


def seal(key: ContentKey, value: bytes, *, session: str, name: str, record_key: bytes, nonce: bytes) -> SealedField:
    """Seal the field `name` of a record of `session`.

    `record_key`: 32 random bytes, fresh per record; `nonce`: 12 random bytes, fresh per field.
    """
    if len(record_key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise LocalProtocolError("sealing needs a record key of 32 and a nonce of 12 random bytes")
    commitment_key = hmac.digest(record_key, b"remote-assist/1 commitment " + name.encode(), "sha256")
    sealed = ChaCha20Poly1305(key.key).encrypt(nonce, commitment_key + value, _bound(session, name, key.id))
    return SealedField(commitment=_commitment(commitment_key, value), ciphertext=nonce + sealed, key=key.id)


def open_sealed(key: ContentKey, field: SealedField, *, session: str, name: str) -> bytes:
    """The value of a sealed field, checked against its commitment.

    Raises VerificationError: another key, bytes that were changed or moved, a commitment to something else.
    """
    return disclose(key, field, session=session, name=name).value


def disclose(key: ContentKey, field: SealedField, *, session: str, name: str) -> Disclosure:
    """Value and commitment key of a sealed field: whoever has both can check the commitment, and no other field's.

    Raises VerificationError as `open_sealed`.
    """
    if field.key != key.id:
        raise VerificationError(f"'{name}' is sealed with the key {field.key}, not {key.id}", where=name)
    nonce, sealed = field.ciphertext[:NONCE_BYTES], field.ciphertext[NONCE_BYTES:]
    try:
        opened = ChaCha20Poly1305(key.key).decrypt(nonce, sealed, _bound(session, name, key.id))
    except (InvalidTag, ValueError) as error:
        raise VerificationError(f"'{name}' does not open: it was changed or belongs elsewhere", where=name) from error
    disclosure = Disclosure(value=opened[KEY_BYTES:], commitment_key=opened[:KEY_BYTES])
    check_disclosure(disclosure, field, name=name)
    return disclosure


def check_disclosure(disclosure: Disclosure, field: SealedField, *, name: str) -> None:
    """Raise VerificationError unless a disclosed value is what the record committed to."""
    fits = _commitment(disclosure.commitment_key, disclosure.value)
    if len(disclosure.commitment_key) != KEY_BYTES or not hmac.compare_digest(fits, field.commitment):
        raise VerificationError(f"'{name}' is not what its commitment says", where=name)


def wrap(key: ContentKey, reviewer: Reviewer) -> Wrap:
    """The content key sealed to one reviewer key. The one call of core that draws randomness: HPKE's own."""
    public = X25519PublicKey.from_public_bytes(reviewer.public)
    sealed = _SUITE.encrypt(key.key, public, _wrap_info(key.id, reviewer.id))
    return Wrap(key_id=key.id, reviewer=reviewer.id, sealed=sealed)


def unwrap(wrap: Wrap, private: bytes) -> ContentKey:
    """The content key in a wrap, with the reviewer's 32 raw private bytes.

    Raises VerificationError when the wrap is for another key or holds something else.
    """
    where = f"wrap of {wrap.key_id} to {wrap.reviewer}"
    try:
        secret = X25519PrivateKey.from_private_bytes(private)
        key = _SUITE.decrypt(wrap.sealed, secret, _wrap_info(wrap.key_id, wrap.reviewer))
    except (InvalidTag, ValueError) as error:
        raise VerificationError(
            f"the {where} does not open with this key", where=where, advice="Another reviewer's key may open it."
        ) from error
    if len(key) != KEY_BYTES or _key_id(key) != wrap.key_id:
        raise VerificationError(f"the {where} holds another key than it names", where=where)
    return ContentKey(wrap.key_id, key)


def _key_id(key: bytes) -> str:
    return short_id("k-", hashlib.sha256(b"remote-assist/1 content key\n" + key).digest())


def _commitment(commitment_key: bytes, value: bytes) -> str:
    return hmac.digest(commitment_key, value, "sha256").hex()


def _bound(session: str, name: str, key_id: str) -> bytes:
    return f"remote-assist/1 sealed\n{session}\n{name}\n{key_id}\n".encode()


def _wrap_info(key_id: str, reviewer: str) -> bytes:
    return f"remote-assist/1 wrap\n{key_id}\n{reviewer}\n".encode()
