"""The authority's folder on the operator's machine: which file holds what, read and written safely.

    ca               the CA's private key, 0600; it never leaves this machine
    ca.pub           what agents, relays and technicians are given
    reviewers-N.key  reviewers' private keys made here, 0600, to be handed to the reviewers
    reviewers-N.pub  the public key of every reviewers' key ever on the list
    lists/KIND.json  the newest signed list of each kind
    issued.jsonl     every certificate ever issued, one line each, written before the certificate is

Rule: a list here only ever gets a higher number.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from remote_assist.authority.lock import locked
from remote_assist.core.identity.lists import (
    MAX_LIST_BYTES,
    AnyList,
    OrganisationList,
    PacksList,
    ReviewersList,
    RevocationsList,
    kind_of,
    open_list,
    sign_list,
)
from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.errors import ContentError, UsageError, VerificationError
from remote_assist.transport.private_files import append_durably, read_private, write_private

MAX_ISSUED_BYTES = 64 << 20
"""Longest issued.jsonl read: some 200,000 certificates."""

LISTS = "lists"


class IssuedCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line of issued.jsonl. Times RFC 3339 UTC, `key` the fingerprint."""

    serial: int
    name: str
    role: str
    key: str
    valid_after: str
    valid_before: str
    issued: str


@dataclass(frozen=True, slots=True)
class AuthorityFolder:
    """An authority that exists. Raises UsageError from `open` when there is none."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "AuthorityFolder":
        """The authority in `path`."""
        if not (path / "ca.pub").is_file():
            raise UsageError(f"there is no authority in {path}", advice="Make one: remote-assist ca init --dir DIR.")
        return cls(path)

    @contextmanager
    def change(self) -> Iterator[PrivateKey]:
        """The CA's key, while no other command changes this folder. Raises ContentError, UsageError."""
        with locked(self.path / ".lock"):
            try:
                yield keys.load_private(read_private(self.path / "ca", keys.MAX_PRIVATE_BYTES))
            except FileNotFoundError as error:
                raise ContentError(
                    f"the CA's private key is not in {self.path}", advice="Bring the file `ca` back, mode 0600."
                ) from error

    @property
    def ca_line(self) -> str:
        """The CA's public key line."""
        return keys.load_public(read_text(self.path / "ca.pub"))

    def list_bytes(self, kind: str) -> bytes | None:
        """The signed list file of a kind, or None where there is none yet."""
        try:
            return read_bytes(self.path / LISTS / f"{kind}.json", MAX_LIST_BYTES + 1)
        except FileNotFoundError:
            return None

    def organisation(self) -> OrganisationList | None:
        """The name and log keys, once a relay was adopted."""
        body = self._list("organisation")
        return body if isinstance(body, OrganisationList) else None

    def reviewers(self) -> ReviewersList:
        body = self._list("reviewers")
        if not isinstance(body, ReviewersList):
            raise _missing("reviewers")
        return body

    def packs(self) -> PacksList:
        body = self._list("packs")
        if not isinstance(body, PacksList):
            raise _missing("packs")
        return body

    def revocations(self) -> RevocationsList:
        body = self._list("revocations")
        if not isinstance(body, RevocationsList):
            raise _missing("revocations")
        return body

    def write_list(self, ca_key: PrivateKey, body: AnyList) -> None:
        """Sign and store the next list of its kind; inside `change` only."""
        before = self._list(kind_of(body))
        if before is not None and before.number >= body.number:
            raise VerificationError(f"the {kind_of(body)} list has number {before.number} already", where="lists")
        write_public(self.path / LISTS / f"{kind_of(body)}.json", sign_list(ca_key, body))

    def issued(self) -> list[IssuedCertificate]:
        """Every certificate, oldest first. Raises ContentError when the file is damaged."""
        try:
            raw = read_private(self.path / "issued.jsonl", MAX_ISSUED_BYTES)
        except FileNotFoundError:
            return []
        try:
            return msgspec.json.Decoder(IssuedCertificate).decode_lines(raw)
        except msgspec.DecodeError as error:
            raise ContentError(f"issued.jsonl is damaged: {error}", advice="Restore it from your backup.") from error

    def remember(self, certificate: IssuedCertificate) -> None:
        """Append a line, durably; before the certificate is handed out."""
        append_durably(self.path / "issued.jsonl", msgspec.json.encode(certificate) + b"\n")

    def _list(self, kind: str) -> AnyList | None:
        raw = self.list_bytes(kind)
        return None if raw is None else open_list(raw, ca_line=self.ca_line)


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """A public file of bounded size. Raises ContentError; FileNotFoundError when it is not there."""
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > max_bytes:
        raise ContentError(f"{path} is longer than {max_bytes} bytes")
    return raw


def read_text(path: Path) -> str:
    """A public key file. Raises UsageError when it is not there, ContentError for anything but text."""
    try:
        return read_bytes(path, keys.MAX_LINE_CHARS).decode("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise ContentError(f"{path} is not a text file") from error


def write_public(path: Path, raw: bytes) -> None:
    """Write atomically what everybody may read."""
    write_private(path, raw)
    path.chmod(0o644)


def _missing(kind: str) -> ContentError:
    return ContentError(f"the {kind} list is not in the authority's folder", advice="Restore it from your backup.")
