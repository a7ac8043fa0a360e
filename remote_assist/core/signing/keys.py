"""Keys as people and files hold them: OpenSSH lines and private files of Ed25519, ECDSA and RSA (2048 bits or more).

Rule 1: a public key travels as one *line*, `type base64`, without comment; two keys are the same when their lines are.
Rule 2: other kinds (DSA, short RSA, certificates) are refused here, so nothing behind needs to ask again.
Format: OpenSSH PROTOCOL.key and RFC 4253 section 6.6.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from remote_assist.core.signing.sshwire import WireReader
from remote_assist.errors import ContentError, LocalProtocolError

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

MAX_LINE_CHARS = 16 << 10
"""Longest key or certificate line read; RSA 8192 takes 1.4 KiB."""

MAX_PRIVATE_BYTES = 64 << 10
"""Longest private key file read."""

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192

CURVES = {"secp256r1": "nistp256", "secp384r1": "nistp384", "secp521r1": "nistp521"}
"""Curves of ECDSA keys: the library's name and SSH's."""

KINDS = frozenset({"ssh-ed25519", "ssh-rsa", *(f"ecdsa-sha2-{curve}" for curve in CURVES.values())})
"""Types of lines. The library would read a hardware key's line as if it were the plain key inside."""

_CERTIFICATE_SUFFIX = "-cert-v01@openssh.com"
_FOREIGN = (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm)
"""What `cryptography` raises for bytes it cannot use (a compressed point is NotImplementedError)."""


def new_key(seed: bytes) -> Ed25519PrivateKey:
    """The Ed25519 key made of 32 random bytes of the caller."""
    if len(seed) != 32:
        raise LocalProtocolError("a new key needs 32 random bytes")
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_line(key: PrivateKey) -> str:
    """`ssh-ed25519 AAAA…` of a private key."""
    return line_of(key.public_key())


def line_of(key: PublicKey) -> str:
    """`ssh-ed25519 AAAA…` of a public key."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def private_bytes(key: PrivateKey) -> bytes:
    """The OpenSSH private key file, without passphrase: it belongs in a file only its owner can read."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def derived_secret(key: PrivateKey, purpose: str) -> bytes:
    """32 bytes that only holders of the key can work out, another 32 for every purpose."""
    raw = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return HKDF(SHA256(), 32, salt=None, info=f"remote-assist/1 {purpose}".encode()).derive(raw)


def load_private(raw: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """The key in an OpenSSH (or PEM) private key file. Raises ContentError."""
    if len(raw) > MAX_PRIVATE_BYTES:
        raise ContentError(f"a private key file of {len(raw)} bytes exceeds the limit of {MAX_PRIVATE_BYTES}")
    if raw.lstrip().startswith((b"ssh-", b"ecdsa-")):
        raise ContentError("this is a public key, not a private one", advice="Name the file without .pub.")
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in raw else load_pem_private_key
    try:
        key = load(raw, passphrase)
    except _FOREIGN as error:
        raise _private_refusal(error, passphrase) from error
    if not isinstance(key, PrivateKey):
        raise ContentError(
            f"a private key of kind {type(key).__name__.removesuffix('PrivateKey')} is not accepted",
            advice="Use ssh-keygen -t ed25519.",
        )
    _check_strength(key.public_key())
    return key


def load_public(line: str) -> str:
    """The line in its one accepted form, without comment. Raises ContentError for anything but a plain public key."""
    return parsed(line).line


def public_key(line: str) -> PublicKey:
    """The key a line holds. Raises ContentError."""
    return parsed(line).key


@dataclass(frozen=True, slots=True)
class Parsed:
    """A public key, its line in the one accepted form, and the binary form in that."""

    key: PublicKey
    line: str
    blob: bytes


@lru_cache(maxsize=1024)
def parsed(line: str) -> Parsed:
    """What a line holds. Raises ContentError.

    Remembered: the keys of an organisation and its live sessions stand in all they sign, and parsing one costs as much
    as checking a signature.
    """
    kind, body = split_line(line)
    if kind.endswith(_CERTIFICATE_SUFFIX):
        raise ContentError("this is a certificate, not a plain public key", advice="Name the .pub file beside it.")
    if kind not in KINDS:
        raise ContentError(f"a public key of kind {kind[:60]} is not accepted", advice="Use ssh-keygen -t ed25519.")
    try:
        key = load_ssh_public_key(f"{kind} {body}".encode("ascii"))
    except _FOREIGN as error:
        raise ContentError(f"the public key cannot be used: {error}", advice="Use ssh-keygen -t ed25519.") from error
    assert isinstance(key, PublicKey)
    _check_strength(key)
    accepted = line_of(key)
    return Parsed(key, accepted, blob_of(accepted))


def split_line(line: str) -> tuple[str, str]:
    """(type, base64) of one line of a .pub file; the type inside the base64 is the same. Raises ContentError."""
    if len(line) > MAX_LINE_CHARS:
        raise ContentError(f"a key line of {len(line)} characters exceeds the limit of {MAX_LINE_CHARS}")
    text = line.strip()
    if "PRIVATE KEY" in text:
        raise ContentError("this is a private key, not a public one", advice="Name the .pub file.")
    if len(text.splitlines()) != 1:
        raise ContentError("a public key is exactly one line", advice="Name the .pub file that ssh-keygen wrote.")
    words = text.split(maxsplit=2)
    if len(words) < 2:
        raise ContentError("a public key line is a type and a base64 text", advice="Name the .pub file.")
    if _inner_kind(words[1]) != words[0]:
        raise ContentError("the public key line is damaged: its type and its content differ")
    return words[0], words[1]


def blob_of(line: str) -> bytes:
    """The binary form inside a line that was accepted before."""
    return base64.b64decode(line.split()[1])


def line_of_blob(blob: bytes) -> str:
    """The line of a key's binary form. Raises ContentError."""
    try:
        kind = WireReader(blob).string(max_bytes=128).decode("ascii")
    except ValueError as error:
        raise ContentError(f"the public key is damaged: {error}") from error
    return load_public(f"{kind} {base64.b64encode(blob).decode('ascii')}")


def fingerprint(public_line: str) -> str:
    """`SHA256:…` exactly as `ssh-keygen -lf` prints it. Raises ContentError."""
    digest = hashlib.sha256(parsed(public_line).blob).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def _inner_kind(body: str) -> str:
    try:
        blob = base64.b64decode(body, validate=True)
        return WireReader(blob).string(max_bytes=128).decode("ascii")
    except (ValueError, binascii.Error) as error:
        raise ContentError(f"the public key line is damaged: {error}") from error


def _check_strength(key: PublicKey) -> None:
    if isinstance(key, RSAPublicKey) and not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise ContentError(
            f"an RSA key of {key.key_size} bits is not accepted; {MIN_RSA_BITS} to {MAX_RSA_BITS} bits are",
            advice="Use ssh-keygen -t ed25519.",
        )
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name not in CURVES:
        raise ContentError(f"the curve {key.curve.name} is not accepted", advice="Use ssh-keygen -t ed25519.")


def _private_refusal(error: Exception, passphrase: bytes | None) -> ContentError:
    text = str(error)
    if "bcrypt" in text:
        return ContentError(
            "a private key with a passphrase needs the Python package bcrypt",
            advice="Install it: pip install bcrypt.",
        )
    if passphrase is None and ("password" in text.lower() or "encrypted" in text.lower()):
        return ContentError("the private key is protected by a passphrase", advice="Give the passphrase.")
    if passphrase is not None:
        return ContentError("the private key cannot be opened: wrong passphrase or damaged file")
    return ContentError("this is not a private key file", advice="Name the file that ssh-keygen wrote, without .pub.")
