"""Signatures by SSH keys over any message: OpenSSH's SSHSIG, as `ssh-keygen -Y sign` and `-Y verify` make and check.

Rule 1: every signature has a purpose, so one made for logging in can never serve as a consent or a record.
Rule 2: one form only: SHA-512, armored, key exactly the expected one, RSA with rsa-sha2-512. All else is refused.
Format: OpenSSH PROTOCOL.sshsig; signature blobs RFC 8709, 5656, 8332.
"""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import PrivateKey as PrivateKey
from remote_assist.core.signing.keys import PublicKey
from remote_assist.core.signing.sshwire import WireReader, mpint, string
from remote_assist.errors import ContentError, LocalProtocolError, VerificationError

NAMESPACES = {
    purpose: f"{purpose}@remote-assist"
    for purpose in (
        *("login", "pair", "approve", "join", "review", "head", "ack", "list", "organisation", "pack"),
        *("share", "attach", "enrol", "machine", "standby", "standing"),
    )
}
"""Purpose → SSHSIG namespace."""

MAX_SIGNATURE_CHARS = 8 << 10
"""Longest armored signature read; RSA 8192 takes 3 KiB."""

_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_HASH = b"sha512"
_LINE_CHARS = 70
_RSA_ALGORITHM = b"rsa-sha2-512"
_EC_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


def sign(key: PrivateKey, purpose: str, message: bytes) -> str:
    """The armored signature of `message` for `purpose`, ending in a newline."""
    namespace = _namespace(purpose)
    signature = _sign_raw(key, _signed_data(namespace, message))
    blob = (
        _MAGIC
        + (1).to_bytes(4, "big")
        + string(keys.blob_of(keys.public_line(key)))
        + string(namespace)
        + string(b"")
        + string(_HASH)
        + string(signature)
    )
    return _armor(blob)


def verify(signature: str, public_line: str, purpose: str, message: bytes) -> None:
    """Return if `signature` is by the key of `public_line`, for `purpose`, over `message`; else VerificationError."""
    namespace = _namespace(purpose)
    try:
        expected = keys.parsed(public_line)
    except ContentError as error:
        raise VerificationError(f"the key a signature should be by cannot be used: {error.message}") from error
    try:
        raw = _open(_unarmor(signature), expected.blob, namespace)
        verify_raw(expected.key, raw, _signed_data(namespace, message))
    except (ValueError, binascii.Error) as error:
        raise VerificationError(f"the signature is malformed: {error}") from error
    except InvalidSignature as error:
        raise VerificationError("the signature does not fit the message") from error


def verify_raw(key: PublicKey, signature: bytes, data: bytes) -> None:
    """Check an SSH signature blob (algorithm, bytes) over `data`. Raises ValueError or InvalidSignature."""
    reader = WireReader(signature)
    algorithm, body = reader.string(max_bytes=128), reader.string()
    reader.end()
    expected = _algorithm(key)
    if algorithm != expected:
        raise ValueError(f"algorithm {algorithm[:40].decode('ascii', 'replace')}, not {expected.decode('ascii')}")
    if isinstance(key, Ed25519PublicKey):
        key.verify(body, data)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        numbers = WireReader(body)
        first, second = numbers.positive_mpint(), numbers.positive_mpint()
        numbers.end()
        key.verify(encode_dss_signature(first, second), data, ec.ECDSA(_EC_HASHES[key.curve.name]))
    else:
        key.verify(body, data, padding.PKCS1v15(), hashes.SHA512())


def _sign_raw(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        body = key.sign(data)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        first, second = decode_dss_signature(key.sign(data, ec.ECDSA(_EC_HASHES[key.curve.name])))
        body = mpint(first) + mpint(second)
    else:
        body = key.sign(data, padding.PKCS1v15(), hashes.SHA512())
    return string(_algorithm(key.public_key())) + string(body)


def _algorithm(key: PublicKey) -> bytes:
    if isinstance(key, Ed25519PublicKey):
        return b"ssh-ed25519"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return b"ecdsa-sha2-" + keys.CURVES[key.curve.name].encode("ascii")
    return _RSA_ALGORITHM


def _signed_data(namespace: bytes, message: bytes) -> bytes:
    digest = hashlib.sha512(message).digest()
    return _MAGIC + string(namespace) + string(b"") + string(_HASH) + string(digest)


def _namespace(purpose: str) -> bytes:
    if purpose not in NAMESPACES:
        raise LocalProtocolError(f"there is no signature purpose '{purpose}'")
    return NAMESPACES[purpose].encode("ascii")


def _armor(blob: bytes) -> str:
    text = base64.b64encode(blob).decode("ascii")
    lines = [text[start : start + _LINE_CHARS] for start in range(0, len(text), _LINE_CHARS)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def _unarmor(text: str) -> bytes:
    if len(text) > MAX_SIGNATURE_CHARS:
        raise ValueError(f"{len(text)} characters exceed the limit of {MAX_SIGNATURE_CHARS}")
    lines = text.removesuffix("\n").split("\n")
    if lines[0] != _BEGIN or lines[-1] != _END:
        raise ValueError("it is not armored as SSH SIGNATURE")
    blob = base64.b64decode("".join(lines[1:-1]).encode("ascii"), validate=True)
    if _armor(blob).removesuffix("\n") != text.removesuffix("\n"):
        raise ValueError("its armor is not the one way to write it")  # a changed byte must never go unnoticed
    return blob


def _open(blob: bytes, expected_key: bytes, namespace: bytes) -> bytes:
    """The inner signature, once everything around it is as it must be."""
    reader = WireReader(blob)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.u32() != 1:
        raise ValueError("it is not SSHSIG version 1")
    key, found, reserved, hash_name = (reader.string(max_bytes=limit) for limit in (4096, 256, 256, 64))
    signature = reader.string()
    reader.end()
    if key != expected_key:
        raise VerificationError("the signature is by another key")
    if found != namespace:
        raise VerificationError("the signature was made for another purpose")
    if reserved or hash_name != _HASH:
        raise ValueError("it uses a hash or a field this protocol does not allow")
    return signature
