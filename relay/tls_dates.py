"""From when to when the certificates of a TLS chain are valid."""

from datetime import datetime
from pathlib import Path

from cryptography import x509

from relay.trust import read_bounded
from remote_assist.errors import ContentError

MAX_CHAIN_BYTES = 256 << 10


def validity(chain: Path) -> tuple[datetime, datetime]:
    """The time in which all certificates of a PEM file are valid. Raises ContentError."""
    try:
        found = x509.load_pem_x509_certificates(read_bounded(chain, MAX_CHAIN_BYTES))
    except (ValueError, FileNotFoundError) as error:
        raise ContentError(f"{chain} holds no certificate: {error}") from error
    return max(one.not_valid_before_utc for one in found), min(one.not_valid_after_utc for one in found)
