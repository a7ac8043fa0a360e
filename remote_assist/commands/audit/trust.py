"""Whom a reviewer believes: log keys and CA from the options, else from this machine's own login; and the unseal key.

Rule: nothing the relay says about its own keys counts. A technician's or reviewer's CA is the one inside their own
certificate file.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from remote_assist.audit.timeline import Opened
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.core.identity.certificates import ca_of
from remote_assist.core.log.opening import log_keys_of
from remote_assist.core.log.sealing import ContentKey, Disclosure, disclose, unwrap
from remote_assist.core.messages import Acknowledgement, Wrap
from remote_assist.core.records import Record, decode_record, place
from remote_assist.core.signing.cosignature import check_cosigned, is_cosigner_line, read_cosigner
from remote_assist.core.signing.keys import load_public
from remote_assist.core.signing.reviewer_keys import load_reviewer_key
from remote_assist.errors import AssistError, ContentError, RefusedError, RemoteProtocolError, VerificationError
from remote_assist.technician.home import Home
from remote_assist.transport.private_files import read_private

MAX_KEY_FILE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Trust:
    """What the person at this machine vouches for."""

    log_keys: tuple[str, ...]
    ca_line: str | None
    strict: bool = False

    def open_checkpoint(self, note: str, log_keys: tuple[str, ...]) -> Checkpoint:
        """A checkpoint signed by one of `log_keys`; strictly, also by every cosigner among them."""
        found = open_checkpoint(note, log_keys)
        if self.strict:
            check_cosigned(found.origin, found.cosigners, log_keys, where="checkpoint")
        return found

    def with_lists(self, lists: Sequence[bytes]) -> tuple[str, ...]:
        """The log keys, with those that CA-signed lists name. Raises VerificationError for another CA's lists."""
        named = log_keys_of(lists, self.ca_line) if self.ca_line else ()
        return tuple(dict.fromkeys((*self.log_keys, *named)))


def add_trust_options(parser: argparse.ArgumentParser) -> None:
    """`--log-key`, `--ca`, `--strict`."""
    parser.add_argument(
        "--log-key", type=Path, action="append", metavar="KEY", help="the relay's log key, or the one that cosigns"
    )
    parser.add_argument("--ca", type=Path, metavar="CA.pub", help="the organisation's CA key; it vouches for log keys")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="records must be in canonical form, checkpoints cosigned by every cosigner known here",
    )


def trust_of(arguments: argparse.Namespace, home: Home) -> Trust:
    """From `--log-key` and `--ca`; without both, the CA of the certificate that logged in here. Raises ContentError."""
    log_keys = tuple(_log_key_line(path) for path in arguments.log_key or ())
    if arguments.ca is not None:
        return Trust(log_keys, _public_line(arguments.ca), arguments.strict)
    return Trust(log_keys, None if log_keys else _own_ca(home), arguments.strict)


def witnesses_of(home: Home, session: str) -> list[Acknowledgement]:
    """Acknowledgements this machine was shown while the session ran."""
    return home.session(session).acknowledgements() if home.has_session(session) else []


class Unsealer:
    """Opens sealed fields with a reviewer's private key. `closed` counts those whose key is erased or another's."""

    def __init__(self, private: bytes, wraps: Iterable[Wrap]) -> None:
        self._keys = _content_keys(private, list(wraps))
        self.closed = 0

    @classmethod
    def of(cls, path: Path | None, wraps: Iterable[Wrap]) -> "Unsealer | None":
        """An unsealer for `--unseal`, or nothing when it was not given."""
        return None if path is None else cls(read_reviewer_key(path), wraps)

    def key_of(self, record: Record) -> ContentKey | None:
        """The content key a chunk's record is sealed with, None when it is erased or another's."""
        return next((self._keys[one.key] for one in record.sealed.values() if one.key in self._keys), None)

    def disclose_stored(self, raw: bytes) -> dict[str, Disclosure]:
        """As `disclose`, from stored bytes; what cannot be read holds nothing to open."""
        try:
            return self.disclose(decode_record(raw))
        except RemoteProtocolError:
            return {}

    def disclose(self, record: Record) -> dict[str, Disclosure]:
        """Sealed fields of a record, opened and checked. Raises VerificationError naming the record."""
        found: dict[str, Disclosure] = {}
        for name, sealed in record.sealed.items():
            key = self._keys.get(sealed.key)
            if key is None:
                self.closed += 1
                continue
            try:
                found[name] = disclose(key, sealed, session=record.session, name=name)
            except VerificationError as error:
                where = place(record.session, record.seq)
                raise VerificationError(f"{where}: {error.message}", where=where) from error
        return found


def opened_of(disclosed: Mapping[int, Mapping[str, Disclosure]]) -> Opened:
    """As the timeline wants it."""
    return {(seq, name): one.value for seq, fields in disclosed.items() for name, one in fields.items()}


def read_reviewer_key(path: Path) -> bytes:
    """The 32 private bytes in a reviewers' key file (0600). Raises ContentError."""
    try:
        raw = read_private(path, MAX_KEY_FILE_BYTES)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ContentError(f"there is no reviewers' key at {path}") from error
    return load_reviewer_key(raw)


def _content_keys(private: bytes, wraps: list[Wrap]) -> dict[str, ContentKey]:
    found: dict[str, ContentKey] = {}
    fault: VerificationError | None = None
    for wrap in wraps:
        try:
            found[wrap.key_id] = unwrap(wrap, private)
        except VerificationError as error:
            fault = error
    if not found and fault is not None:
        raise RefusedError(
            "this key opens none of the session's content",
            reason="wrong-key",
            advice="Another reviewer's key may; the log itself needs none.",
        ) from fault
    return found


def _own_ca(home: Home) -> str | None:
    try:
        return ca_of(Path(home.identity().certificate_file).read_text("ascii"))
    except (AssistError, OSError, UnicodeDecodeError):
        return None


def _log_key_line(path: Path) -> str:
    """A log's public key line, or the vkey that cosigns its checkpoints."""
    try:
        line = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        line = ""
    return read_cosigner(line).line if is_cosigner_line(line) else _public_line(path)


def _public_line(path: Path) -> str:
    try:
        return load_public(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"{path} cannot be read as a public key", advice="Name a .pub file.") from error
