"""Giving certificates and taking them back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from remote_assist.authority.folder import AuthorityFolder, IssuedCertificate, read_text, write_public
from remote_assist.core.identity.certificates import MAX_LIFE, issue_certificate
from remote_assist.core.identity.lists import MAX_SERIALS, RevocationsList
from remote_assist.core.records import format_time
from remote_assist.core.signing import keys
from remote_assist.errors import ContentError, UsageError

DEFAULT_LIFE = timedelta(hours=12)

CLOCK_SLACK = timedelta(minutes=5)
"""A certificate begins this much earlier: the clocks of two machines differ."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What `sign_certificate` did."""

    path: Path
    certificate: IssuedCertificate


@dataclass(frozen=True, slots=True)
class Revoked:
    """What `revoke` did: the list's number now; `added` are new on it, `unknown` were never issued here."""

    number: int
    added: tuple[int, ...]
    unknown: tuple[int, ...]


def sign_certificate(
    folder: AuthorityFolder, key_file: Path, *, name: str, role: str, life: timedelta, now: datetime
) -> Signed:
    """Certify the key in `key_file` (KEY.pub) and write KEY-cert.pub beside it. Raises UsageError, ContentError."""
    line = keys.load_public(read_text(key_file))
    if line == folder.ca_line:
        raise ContentError(
            "this is the CA's own key; nobody logs in with it", advice="Name the technician's .pub file."
        )
    if not timedelta(0) < life <= MAX_LIFE:
        raise UsageError(f"a certificate lives at most {MAX_LIFE.days} days", advice="Use --valid 12h, up to 30d.")
    after = max(now - CLOCK_SLACK, now + life - MAX_LIFE)
    with folder.change() as ca_key:
        serial = _next_serial(folder)
        certificate = issue_certificate(
            ca_key, line, name=name, role=role, serial=serial, valid_after=after, valid_before=now + life
        )
        entry = IssuedCertificate(
            serial=serial,
            name=name,
            role=role,
            key=keys.fingerprint(line),
            valid_after=format_time(after),
            valid_before=format_time(now + life),
            issued=format_time(now),
        )
        folder.remember(entry)
    path = key_file.with_name(f"{key_file.name.removesuffix('.pub')}-cert.pub")
    write_public(path, f"{certificate} {name}\n".encode())
    return Signed(path, entry)


def revoke(folder: AuthorityFolder, serials: Sequence[int], *, now: datetime) -> Revoked:
    """Put serials on a revocations list with the next number; drops those whose certificates expired by themselves.

    A serial that was never issued here is listed all the same: the CA's key may have signed it elsewhere.
    """
    with folder.change() as ca_key:
        before = folder.revocations()
        issued = {one.serial: one for one in folder.issued()}
        added = tuple(dict.fromkeys(serial for serial in serials if serial not in before.serials))
        if not added:
            return Revoked(before.number, (), ())
        live = [serial for serial in before.serials if _may_live(issued.get(serial), now)]
        if len(live) + len(added) > MAX_SERIALS:
            raise UsageError(
                f"a revocations list holds at most {MAX_SERIALS} serials",
                advice="Found a new authority: this many at once means that its key is not safe.",
            )
        body = RevocationsList(
            number=before.number + 1, serials=tuple(sorted({*live, *added})), issued=format_time(now)
        )
        folder.write_list(ca_key, body)
    return Revoked(body.number, added, tuple(serial for serial in added if serial not in issued))


def _next_serial(folder: AuthorityFolder) -> int:
    """Above every serial issued, and not one that was revoked before it existed."""
    revoked = set(folder.revocations().serials)
    serial = max((one.serial for one in folder.issued()), default=0) + 1
    while serial in revoked:
        serial += 1
    return serial


def _may_live(entry: IssuedCertificate | None, now: datetime) -> bool:
    return entry is None or now < datetime.fromisoformat(entry.valid_before) + timedelta(days=1)
