"""Reviewers' keys as files: X25519 in PEM, as `openssl genpkey -algorithm X25519` and `openssl pkey -pubout` do it.

The private file opens sealed content (`--unseal KEY`); the 32 raw public bytes stand on the reviewers' list.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from remote_assist.errors import ContentError

MAX_KEY_BYTES = 4 << 10
"""Longest key file read; the real ones take under 200 bytes."""

_FOREIGN = (ValueError, TypeError, UnsupportedAlgorithm)


def reviewer_key_file(private: bytes) -> bytes:
    """The PEM file of a private key of 32 raw bytes."""
    key = X25519PrivateKey.from_private_bytes(private)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def reviewer_public(private: bytes) -> bytes:
    """The 32 public bytes that belong to a private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def reviewer_public_file(public: bytes) -> bytes:
    """The PEM file of a public key of 32 raw bytes."""
    key = X25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_reviewer_key(raw: bytes) -> bytes:
    """The 32 private bytes in a key file. Raises ContentError."""
    try:
        key = load_pem_private_key(_bounded(raw), None)
    except _FOREIGN as error:
        raise ContentError(
            "this is not a reviewers' key file",
            advice="It was made by `remote-assist ca init` or `ca reviewers --new`.",
        ) from error
    if not isinstance(key, X25519PrivateKey):
        raise ContentError("this key is not a reviewers' key: it is not of kind X25519")
    return key.private_bytes_raw()


def load_reviewer_public(raw: bytes) -> bytes:
    """The 32 public bytes in a public key file. Raises ContentError."""
    if b"PRIVATE KEY" in raw:
        raise ContentError("this is a private key, not a public one", advice="Use openssl pkey -pubout.")
    try:
        key = load_pem_public_key(_bounded(raw))
    except _FOREIGN as error:
        raise ContentError(
            "this is not a public key in PEM",
            advice="Use openssl genpkey -algorithm X25519, then openssl pkey -pubout.",
        ) from error
    if not isinstance(key, X25519PublicKey):
        raise ContentError("this key is not a reviewers' key: it is not of kind X25519")
    return key.public_bytes_raw()


def _bounded(raw: bytes) -> bytes:
    if len(raw) > MAX_KEY_BYTES:
        raise ValueError("too long for a key")
    return raw
