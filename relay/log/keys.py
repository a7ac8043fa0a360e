"""The log keys of a relay: the one that signs now, the one that waits to follow, those of sessions that still live.

    log_key                      signs checkpoints, the relay's own records and new sessions      0600
    log_key.next                 made by `rotate-log-key`; follows once the CA's list names it     0600
    log_key.old-XXXXXXXX         signs what its own sessions still write                           0600
    log_key.gone-XXXXXXXX        signs nothing more; is overwritten and removed                    0600
    succession-XXXXXXXX          the note by which the key XXXXXXXX took over              (core/log/succession.py)

Rule 1: a session's records are acknowledged by one key to its end: the one its opening was, which its lists name.
Rule 2: a key follows by a note that the one before signs too; the note is on the disk before the key is used.
"""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from relay.storage.data_folder import (
    ADOPT_REQUEST,
    COSIGN_KEY,
    LOG_KEY,
    read_cosign_seed,
    read_log_key,
    replace_file,
    require_private,
    write_new,
)
from relay.storage.schema import records
from relay.trust import read_bounded
from remote_assist.audit.durable_file import sync_folder
from remote_assist.core.identity.lists import MAX_LIST_BYTES, adopt_request, open_adopt_request
from remote_assist.core.log.succession import MAX_SUCCESSIONS, open_succession, sign_succession
from remote_assist.core.records import acknowledgement_bytes
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.cosignature import SEED_BYTES, cosigner_key
from remote_assist.core.signing.keys import MAX_PRIVATE_BYTES, load_private, new_key, private_bytes, public_line
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES, log_origin
from remote_assist.core.signing.sshsig import PrivateKey
from remote_assist.core.tree import TreeHead
from remote_assist.errors import UsageError, VerificationError

NEXT = f"{LOG_KEY}.next"
OLD = f"{LOG_KEY}.old-"
GONE = f"{LOG_KEY}.gone-"
SUCCESSION = "succession-"

MAX_SESSIONS = 10_000
"""Sessions whose key is remembered."""


class LogKeys:
    """The keys in a data folder. Raises ContentError for one that others may read."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._of_sessions: dict[str, PrivateKey] = {}
        self._held: tuple[PrivateKey, ...]
        self.read()

    def read(self) -> None:
        """Take what is in the folder now, all at once: other threads look along."""
        current = read_log_key(self._data)
        held = {log_origin(public_line(key)): key for key in map(_private, self._data.glob(f"{OLD}*"))}
        elders = (held[origin] for origin in self._before(log_origin(public_line(current))) if origin in held)
        self._held = (current, *elders)
        self._of_sessions.clear()

    @property
    def current(self) -> PrivateKey:
        """The key that signs now."""
        return self._held[0]

    @property
    def elders(self) -> tuple[PrivateKey, ...]:
        """The keys that sign for sessions of their time only, the youngest first."""
        return self._held[1:]

    @property
    def line(self) -> str:
        """The public line of the key that signs now."""
        return public_line(self.current)

    @property
    def lines(self) -> tuple[str, ...]:
        """The public lines of all keys that still sign, the present one first."""
        return tuple(public_line(key) for key in self._held)

    @property
    def successions(self) -> tuple[str, ...]:
        """The notes of all successions, in no order."""
        paths = sorted(self._data.glob(f"{SUCCESSION}*"))[:MAX_SUCCESSIONS]
        return tuple(read_bounded(path, MAX_NOTE_BYTES).decode("utf-8", "replace") for path in paths)

    @property
    def first_origin(self) -> str:
        """The origin this log began with, which names it whatever key signs now."""
        present = log_origin(self.line)
        return [present, *self._before(present)][-1]

    @property
    def followed(self) -> datetime:
        """When the present key followed. Raises VerificationError for a log whose key never changed."""
        note = self._data / f"{SUCCESSION}{short_name(self.current)}"
        text = read_bounded(note, MAX_NOTE_BYTES).decode("utf-8", "replace") if note.exists() else ""
        return open_succession(text, self.lines).time

    def named(self, lines: Collection[str]) -> PrivateKey:
        """The newest key among those that `lines` name; where nothing is named the eldest, which everybody knows.

        Raises VerificationError when none of those named signs any more.
        """
        if not lines:
            return self._held[-1]
        for key in self._held:
            if public_line(key) in lines:
                return key
        raise VerificationError(
            "the organisation's list in this session names no log key that still signs",
            where="lists/organisation",
            advice="The technician logs in again, which brings the newest lists.",
        )

    def opened(self, session: str, key: PrivateKey) -> None:
        """Remember the key by which a session was opened."""
        if len(self._of_sessions) >= MAX_SESSIONS:
            self._of_sessions.clear()  # the signatures in the log say it again
        self._of_sessions[session] = key

    def of_session(self, connection: Connection, session: str) -> PrivateKey:
        """The key that acknowledged the session's first record; the present one where that key is gone.

        Of a session that is not opened yet it is the eldest, which every list names.
        """
        held = self._held
        if len(held) == 1:
            return held[0]
        key = self._of_sessions.get(session)
        if key is None:
            row = connection.execute(select(records).where(records.c.session == session, records.c.seq == 0)).first()
            if row is None:
                return held[-1]
            key = self._signer(row)
            self.opened(session, key)
        return key

    def waiting(self, lines: Collection[str]) -> PrivateKey | None:
        """The key that waits to follow, once `lines` (the organisation's list) name it."""
        try:
            key = _private(self._data / NEXT)
        except FileNotFoundError:
            return None
        return key if public_line(key) in lines else None

    def follow(self, new: PrivateKey, head: TreeHead, now: datetime) -> None:
        """Let `new` sign from now on. Durable in an order that a crash leaves with either key, never with none."""
        note = self._data / f"{SUCCESSION}{short_name(new)}"
        if not note.exists():
            replace_file(note, sign_succession(self.current, new, head, now).encode())
        replace_file(self._data / f"{OLD}{short_name(self.current)}", private_bytes(self.current), mode=0o600)
        (self._data / NEXT).replace(self._data / LOG_KEY)
        sync_folder(self._data)
        self.read()

    def part_with(self, key: PrivateKey) -> None:
        """Let an elder sign nothing more; from here on it only waits for `destroy`. Call it where keys sign."""
        name = short_name(key)
        (self._data / f"{OLD}{name}").replace(self._data / f"{GONE}{name}")
        sync_folder(self._data)
        self.read()

    @property
    def parted(self) -> tuple[str, ...]:
        """The short names of the keys that sign nothing more and are not destroyed yet. Reads the folder."""
        return tuple(path.name.removeprefix(GONE) for path in sorted(self._data.glob(f"{GONE}*")))

    def destroy(self, name: str) -> None:
        """Overwrite and remove a parted key: nothing can be signed by it any more."""
        path = self._data / f"{GONE}{name}"
        with path.open("r+b") as file:
            file.write(b"\0" * path.stat().st_size)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(self._data)

    def _before(self, origin: str) -> Iterator[str]:
        """The origins before this one, the youngest first."""
        texts = (note.split("\n") for note in self.successions)
        old_of = {log_origin(text[2]): text[1] for text in texts}
        while (found := old_of.pop(origin, None)) is not None:
            yield found
            origin = found

    def _signer(self, row: Any) -> PrivateKey:
        message = acknowledgement_bytes(row.session, 0, row.hash, row.time, row._mapping["index"])
        for key in self._held:
            with suppress(VerificationError):
                sshsig.verify(row.signature, public_line(key), "ack", message)
                return key
        return self.current


def prepare_next(data: Path, entropy: Callable[[int], bytes]) -> PrivateKey:
    """Make the key that will follow, and ask for its adoption. Raises UsageError when one waits already."""
    key = new_key(entropy(32))
    try:
        write_new(data / NEXT, private_bytes(key))
    except FileExistsError as error:
        raise UsageError(
            f"{data / NEXT} waits already to follow",
            advice="Have the CA adopt it: remote-assist ca adopt RELAY-DATA --dir ORG; or remove it.",
        ) from error
    _ask_for_adoption(data)
    return key


def add_cosigner(data: Path, *, entropy: Callable[[int], bytes]) -> str:
    """Make the key that cosigns checkpoints, if there is none, and ask for its adoption. Returns its vkey.

    Raises ContentError when the library has no ML-DSA.
    """
    if read_cosign_seed(data) is None:
        seed = entropy(SEED_BYTES)
        cosigner_key(seed, log_origin(public_line(read_log_key(data))))  # first: the library may not know how
        write_new(data / COSIGN_KEY, f"{seed.hex()}\n".encode())
    return _ask_for_adoption(data)


def _ask_for_adoption(data: Path) -> str:
    """Write the request for the log key that waits to follow, else the present one. Returns its cosigner's vkey."""
    organisation = open_adopt_request(read_bounded(data / ADOPT_REQUEST, MAX_LIST_BYTES)).organisation
    key = _private(data / NEXT) if (data / NEXT).exists() else read_log_key(data)
    seed = read_cosign_seed(data)
    cosigner = cosigner_key(seed, log_origin(public_line(key))).line if seed is not None else ""
    replace_file(data / ADOPT_REQUEST, adopt_request(organisation, key, cosigner=cosigner))
    return cosigner


def short_name(key: PrivateKey) -> str:
    """Eight hex digits that name a key in the folder."""
    return log_origin(public_line(key)).rpartition("/")[2][:8]


def _private(path: Path) -> PrivateKey:
    if path.exists():
        require_private(path)
    return load_private(read_bounded(path, MAX_PRIVATE_BYTES))
