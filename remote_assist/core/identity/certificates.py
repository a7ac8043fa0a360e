"""Who a technician is: an OpenSSH user certificate, and every check that makes its name worth showing.

Rule 1: SSH never judges a certificate here; asyncssh and OpenSSH accept things this protocol refuses.
Rule 2: each fault is refused with a sentence of its own, so that a person can mend it.
Format: OpenSSH PROTOCOL.certkeys. Principals are roles; the key id is the name people see.
"""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_identity,
)

from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.core.signing.sshwire import WireReader
from remote_assist.errors import ContentError, UsageError, VerificationError

ROLES = ("technician", "reviewer", "operator")

MAX_LIFE = timedelta(days=30)
"""Longest life of a certificate: a relay can withhold a revocation, an end it cannot."""

MAX_NAME_CHARS = 128
"""Longest name in a certificate."""

_SUFFIX = b"-cert-v01@openssh.com"
_ED25519 = b"ssh-ed25519"

_FOREIGN = (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm, AssertionError)
"""What `cryptography` raises for a certificate it cannot read or judge."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that passed every check. `name` is as its CA signed it: show it through `safe_text`."""

    line: str
    name: str
    serial: int
    key_line: str
    key_fingerprint: str
    roles: tuple[str, ...]
    valid_after: datetime
    valid_before: datetime
    ca_line: str
    ca_fingerprint: str


def check_certificate(
    line: str, *, ca_line: str, now: datetime, role: str, revoked: Collection[int] = ()
) -> Certificate:
    """The certificate in `line`, if the CA `ca_line` gave its holder `role` and it holds now.

    Raises VerificationError that names the exact fault.
    """
    kind, body = _split(line)
    ca = _signer(kind, body)
    try:
        expected_ca = keys.load_public(ca_line)
    except ContentError as error:
        raise _fault(f"the CA key to check it against is no plain public key: {error.message}") from error
    if ca != expected_ca:
        raise _fault(
            f"it is signed by another CA ({keys.fingerprint(ca)}, expected {keys.fingerprint(expected_ca)})",
            advice="Ask your operator which organisation this certificate belongs to.",
        )
    parsed = _proven(kind, body)
    if parsed.type is not SSHCertificateType.USER:
        raise _fault("it is a host certificate, not a user certificate")
    if parsed.critical_options:
        names = ", ".join(name.decode("ascii", "replace")[:60] for name in parsed.critical_options)
        raise _fault(f"it has a critical option, which this protocol does not allow: {names}")
    roles = _roles(parsed, role)
    valid_after, valid_before = _validity(parsed, now)
    if parsed.serial in revoked:
        raise _fault(f"it is revoked: serial {parsed.serial} is on the organisation's list")
    key_line = _certified_key(parsed)
    return Certificate(
        line=f"{kind} {body}",
        name=_name(parsed),
        serial=parsed.serial,
        key_line=key_line,
        key_fingerprint=keys.fingerprint(key_line),
        roles=roles,
        valid_after=valid_after,
        valid_before=valid_before,
        ca_line=ca,
        ca_fingerprint=keys.fingerprint(ca),
    )


def issue_certificate(
    ca_key: PrivateKey,
    public_line: str,
    *,
    name: str,
    role: str,
    serial: int,
    valid_after: datetime,
    valid_before: datetime,
) -> str:
    """A certificate line. The nonce is made by the library. Raises UsageError for what no agent would accept."""
    if role not in ROLES:
        near = get_close_matches(role, ROLES, n=1, cutoff=0.0)
        raise UsageError(f"there is no role '{role}'; did you mean '{near[0]}'?", advice=f"Roles: {', '.join(ROLES)}.")
    if not _is_name(name):
        raise UsageError(f"a name is 1 to {MAX_NAME_CHARS} printable characters without spaces at its ends")
    if not 1 <= serial < 1 << 63:
        raise UsageError("a serial is a positive number")
    if not timedelta(0) < valid_before - valid_after <= MAX_LIFE:
        raise UsageError(f"a certificate lives at most {MAX_LIFE.days} days", advice="Use --valid 12h, or up to 30d.")
    certificate = (
        SSHCertificateBuilder()
        .public_key(keys.public_key(public_line))
        .serial(serial)
        .type(SSHCertificateType.USER)
        .key_id(name.encode("utf-8"))
        .valid_principals([role.encode("ascii")])
        .valid_after(int(valid_after.timestamp()))
        .valid_before(int(valid_before.timestamp()))
        .sign(ca_key)
    )
    return certificate.public_bytes().decode("ascii")


def ca_of(line: str) -> str:
    """The line of the CA that signed a certificate. Raises VerificationError.

    Says who signed it, not that the signature holds: for one's own certificate, or before `check_certificate`.
    """
    kind, body = _split(line)
    return _signer(kind, body)


def roles_of(line: str) -> tuple[str, ...]:
    """The roles a certificate names, in its order. Raises VerificationError when it cannot be read.

    Says what it claims, not that it holds: only to choose which role to check it for.
    """
    names = (principal.decode("utf-8", "replace") for principal in _parse(*_split(line)).valid_principals)
    return tuple(name for name in names if name in ROLES)


def _split(line: str) -> tuple[str, str]:
    try:
        kind, body = keys.split_line(line)
    except ContentError as error:
        raise _fault(f"it cannot be read: {error.message}") from error
    if not kind.endswith(_SUFFIX.decode("ascii")):
        raise _fault("it is a plain public key, not a certificate", advice="Name the file that ends in -cert.pub.")
    if kind.removesuffix(_SUFFIX.decode("ascii")) not in keys.KINDS:
        raise _fault(f"it certifies a key of kind {kind[:60]}, which is not accepted")
    return kind, body


@lru_cache(maxsize=256)
def _proven(kind: str, body: str) -> SSHCertificate:
    """The certificate, its CA's signature checked. Remembered: a technician's stands in all sessions of a day."""
    parsed = _parse(kind, body)
    _check_signature(parsed)
    return parsed


@lru_cache(maxsize=256)
def _signer(kind: str, body: str) -> str:
    """The CA's line. Looked up by hand: the library names neither a nested signer nor a SHA-1 signature."""
    plain = kind.encode("ascii").removesuffix(_SUFFIX)
    try:
        reader = WireReader(base64.b64decode(body))
        for _ in range(3 if plain == _ED25519 else 4):  # type, nonce, the key's own fields
            reader.string()
        reader.u64()  # serial
        reader.u32()  # user or host
        reader.string()  # key id
        reader.string()  # principals
        reader.u64()
        reader.u64()
        for _ in range(3):  # critical options, extensions, reserved
            reader.string()
        signer, signature = reader.string(), reader.string()
        reader.end()
        signer_kind = WireReader(signer).string(max_bytes=128)
        algorithm = WireReader(signature).string(max_bytes=128)
    except ValueError as error:
        raise _fault(f"it cannot be read: {error}") from error
    if signer_kind.endswith(_SUFFIX):
        raise _fault("it is nested: its CA is itself a certificate, where a plain key must stand")
    if algorithm == b"ssh-rsa":
        raise _fault("its signature uses SHA-1", advice="Sign it again with rsa-sha2-512, or use an Ed25519 CA.")
    try:
        return keys.line_of_blob(signer)
    except ContentError as error:
        raise _fault(f"its CA key is not accepted: {error.message}") from error


def _parse(kind: str, body: str) -> SSHCertificate:
    try:
        parsed = load_ssh_public_identity(f"{kind} {body}".encode("ascii"))
    except _FOREIGN as error:
        raise _fault(f"it cannot be read: {error}") from error
    assert isinstance(parsed, SSHCertificate)  # its kind was checked before
    return parsed


def _check_signature(parsed: SSHCertificate) -> None:
    try:
        parsed.verify_cert_signature()
    except (InvalidSignature, *_FOREIGN) as error:
        raise _fault("the CA's signature on it does not hold") from error


def _roles(parsed: SSHCertificate, needed: str) -> tuple[str, ...]:
    names = [principal.decode("utf-8", "replace") for principal in parsed.valid_principals]
    if not names:
        raise _fault("it names no role: it has no principals")
    for name in names:
        if any(sign in name for sign in "*?!"):
            raise _fault(f"its principal '{name[:60]}' is a wildcard")
        if name not in ROLES:
            raise _fault(f"its principal '{name[:60]}' is not a role")
    if needed not in names:
        raise _fault(
            f"it is for {' and '.join(names)}, not for {needed}",
            advice=f"Ask your operator for a certificate with the role {needed}.",
        )
    return tuple(names)


def _validity(parsed: SSHCertificate, now: datetime) -> tuple[datetime, datetime]:
    if parsed.valid_before <= parsed.valid_after:
        raise _fault("it is never valid: it ends before it begins")
    if parsed.valid_before - parsed.valid_after > MAX_LIFE.total_seconds():
        raise _fault(f"it lives longer than {MAX_LIFE.days} days", advice="Ask your operator for a shorter one.")
    try:
        after = datetime.fromtimestamp(parsed.valid_after, UTC)
        before = datetime.fromtimestamp(parsed.valid_before, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _fault("it is valid at a time no calendar has") from error
    if now < after:
        raise _fault(f"it is not valid yet: it begins {_clock(after)}", advice="Check the clocks of both machines.")
    if now >= before:
        raise _fault(f"it expired {_clock(before)}", advice="Ask your operator for a new one.")
    return after, before


def _certified_key(parsed: SSHCertificate) -> str:
    try:
        return keys.load_public(keys.line_of(parsed.public_key()))
    except ContentError as error:
        raise _fault(f"the key it certifies is not accepted: {error.message}") from error


def _name(parsed: SSHCertificate) -> str:
    try:
        name = parsed.key_id.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _fault("its name is not text") from error
    if not _is_name(name):
        raise _fault("its name is empty, too long or not printable")
    return name


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and name == name.strip()


def _clock(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")


def _fault(text: str, advice: str = "") -> VerificationError:
    return VerificationError(f"the certificate is refused: {text}", where="certificate", advice=advice)
