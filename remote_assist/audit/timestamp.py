"""Time-stamps of RFC 3161: what a time-stamping authority is asked, and what its token proves of a checkpoint.

    checkpoint's bytes ─ SHA-512 ─▶ request (nonce) ─▶ authority ─▶ token: "I saw this digest at that time", signed

Rule 1: a token counts when its chain ends at a certificate the reader chose and the signer may only time-stamp.
Rule 2: the token stands for itself: `openssl ts -verify -data NOTE -in TOKEN -CAfile CA` says the same.
The library is optional (extra `timestamps`); without it a sentence says so and everything else works.
"""

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from remote_assist.errors import ContentError, UsageError, VerificationError

MAX_CA_BYTES = 256 << 10

LIBRARY = "rfc3161_client"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a token says: at `time` (UTC) its signer, `authority`, had seen the bytes."""

    time: datetime
    authority: str


def require_library() -> None:
    """Raise UsageError when time-stamps cannot be asked for or read here."""
    if importlib.util.find_spec(LIBRARY) is None:
        raise UsageError(
            "time-stamps need the library rfc3161-client, which is not installed here",
            advice="Install it: pip install 'remote-assist[timestamps]'.",
        )


def stamp_request(note: str) -> tuple[bytes, int]:
    """A request about a checkpoint, and the nonce its answer must carry. Raises UsageError."""
    require_library()
    from rfc3161_client import TimestampRequestBuilder

    request = TimestampRequestBuilder().data(note.encode()).build()
    assert request.nonce is not None
    return request.as_bytes(), request.nonce


def read_authorities(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in a PEM file that a token's chain may end at. Raises ContentError."""
    try:
        raw = path.read_bytes()[: MAX_CA_BYTES + 1]
        found = tuple(x509.load_pem_x509_certificates(raw)) if len(raw) <= MAX_CA_BYTES else ()
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        found = ()
    if not found:
        raise ContentError(f"{path} holds no certificate in PEM form")
    return found


def open_stamp(
    token: bytes, note: str, authorities: tuple[x509.Certificate, ...], *, nonce: int | None = None
) -> Stamp:
    """What a token proves of a checkpoint, by authorities the reader chose. Raises VerificationError, UsageError."""
    require_library()
    import rfc3161_client

    found = rfc3161_client.VerifierBuilder(roots=list(authorities), nonce=nonce).build()
    try:
        response = rfc3161_client.decode_timestamp_response(token)
        found.verify_message(response, note.encode())
        signed = response.signed_data
        signers = {(one.issuer, one.serial_number) for one in signed.signer_infos}
        return Stamp(response.tst_info.gen_time, _subject_of(signers, signed.certificates))
    except (rfc3161_client.VerificationError, ValueError) as error:
        raise VerificationError(f"the time-stamp does not hold: {error}", where="time-stamp") from error


def _subject_of(signers: set[tuple[x509.Name, int]], certificates: Iterable[bytes]) -> str:
    """Whose certificate signed."""
    for raw in certificates:
        certificate = x509.load_der_x509_certificate(raw)
        if (certificate.issuer, certificate.serial_number) in signers:
            return certificate.subject.rfc4514_string()
    return ""
