"""Whom the relay trusts: ca.pub and the CA-signed lists in the data folder, re-read while serving.

Rule 1: the CA never changes in a running relay, and a list never goes back to a lower number.
Rule 2: what does not verify is not used; the lists of before stay in force and the log says so.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

from remote_assist.core.identity.lists import KINDS, MAX_LIST_BYTES, TrustedLists, open_lists
from remote_assist.core.signing.keys import load_public, public_line
from remote_assist.core.signing.sshsig import PrivateKey
from remote_assist.errors import AssistError, ContentError, UsageError, VerificationError

CA_FILE = "ca.pub"
LISTS_FOLDER = "lists"
NARROWING = frozenset({"packs", "revocations"})
MAX_CA_BYTES = 16 << 10

NOT_ADOPTED = "this relay is not adopted by an organisation yet"
HOW_TO_ADOPT = (
    "Run `remote-assist ca adopt RELAY-DATA --dir ORG`, or `remote-assist-relay adopt OUT --data RELAY-DATA`."
)


class TrustFolder:
    """The trust in one data folder, loaded and kept up to date."""

    def __init__(self, data: Path, log_key: PrivateKey, *, clock: Callable[[], datetime]) -> None:
        """Load it. Raises UsageError before adoption, VerificationError when something does not hold."""
        self._data = data
        self._clock = clock
        self._stamp = _stamp(data)
        self.ca_line, self.raw, self.lists = read_trust(data, now=clock())
        check_log_key(self.lists, log_key)

    @property
    def narrowing(self) -> tuple[bytes, ...]:
        """The signed lists a session that has begun must know: what counts no more. None that was never changed."""
        numbers = self.lists.numbers
        return tuple(raw for kind, raw in zip(KINDS, self.raw, strict=True) if kind in NARROWING and numbers[kind] > 1)

    def refresh(self) -> bool:
        """Take newer lists if files changed. Returns whether something new is in force."""
        stamp = _stamp(self._data)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            ca_line, raw, lists = read_trust(self._data, now=self._clock(), floors=self.lists.numbers)
            if ca_line != self.ca_line:
                raise VerificationError("ca.pub changed", advice="A relay belongs to one CA; make a new data folder.")
        except AssistError as error:
            structlog.get_logger("trust").error("lists-refused", sentence=error.message)
            return False
        self.raw, self.lists = raw, lists
        structlog.get_logger("trust").info("lists-taken", numbers=lists.numbers)
        return True


def read_trust(
    data: Path, *, now: datetime, floors: dict[str, int] | None = None
) -> tuple[str, tuple[bytes, ...], TrustedLists]:
    """(CA line, list files, lists) of a folder with ca.pub and lists/. Raises UsageError, VerificationError."""
    try:
        ca_line = load_public(read_bounded(data / CA_FILE, MAX_CA_BYTES).decode("ascii", "replace"))
        raw = tuple(read_bounded(_list_file(data, kind), MAX_LIST_BYTES + 1) for kind in KINDS)
    except FileNotFoundError as error:
        is_new = not (data / CA_FILE).exists() or not (data / LISTS_FOLDER).exists()
        raise UsageError(NOT_ADOPTED if is_new else f"{error.filename} is missing", advice=HOW_TO_ADOPT) from error
    return ca_line, raw, open_lists(raw, ca_line=ca_line, now=now, floors=floors or {})


def check_log_key(lists: TrustedLists, log_key: PrivateKey) -> None:
    """Raise VerificationError unless the organisation's list vouches for this relay's log key."""
    if public_line(log_key) not in lists.organisation.log_keys:
        raise VerificationError(
            "the organisation's list does not name this relay's log key",
            where="lists/organisation",
            advice="Adopt this relay's own request: remote-assist ca adopt RELAY-DATA --dir ORG.",
        )


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """A whole file, at most so long. Raises ContentError, FileNotFoundError."""
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


def _list_file(data: Path, kind: str) -> Path:
    return data / LISTS_FOLDER / f"{kind}.json"


def _stamp(data: Path) -> tuple[tuple[int, int, int], ...]:
    found = []
    for path in (data / CA_FILE, *(_list_file(data, kind) for kind in KINDS)):
        try:
            status = path.stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
