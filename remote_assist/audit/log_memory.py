"""What this machine has seen of a relay's log: the last checkpoint, and that each next one continues it.

    HOME/log/RELAY.checkpoint           the note (0600); RELAY: 16 hex digits of SHA-256(relay's origin)
    HOME/evidence/log-TIME.json         when a log contradicts itself: both notes and the proof that does not hold

Rule 1: a checkpoint counts only with a log key's signature, and only when it continues the last one seen (F9, F10).
Rule 2: what contradicts is never stored in place of what was seen; it goes into evidence, and the caller refuses.
Rule 3: a log may change its key; then each key must have signed for the next (core/log/succession.py), else it is
another log, whoever vouches for its key. Only a key that no list names any more is forgotten, and the memory begins
anew.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from remote_assist.audit.durable_file import make_folder, sync_folder, write_new
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.core.log.succession import Succession, connects, follow
from remote_assist.core.records import format_time
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES, log_origin
from remote_assist.core.tree import check_consistency
from remote_assist.errors import ContentError, VerificationError

FORMAT = "remote-assist log evidence/1"


class LogEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two notes of one log that cannot both be true, with what the relay offered as proof."""

    format: str
    found: str
    relay: str
    fault: str
    seen: str
    shown: str
    consistency: tuple[bytes, ...]


class LogContradiction(VerificationError):
    """A log said two things that cannot both be true. `evidence` says where both are kept, in words."""

    def __init__(self, message: str, *, evidence: str, advice: str) -> None:
        super().__init__(message, where="the relay's log", advice=f"{evidence}. {advice}")
        self.evidence = evidence


class LogMemory:
    """One relay's log as seen from one state folder."""

    def __init__(self, home: Path, relay: str, log_keys: Sequence[str], *, clock: Callable[[], datetime]) -> None:
        self.log_keys = tuple(log_keys)
        self._successions: tuple[Succession, ...] = ()
        self._home = home
        self._relay = relay
        self._clock = clock
        self._path = note_file(home, relay)

    def remembered(self) -> str:
        """The note last stored, unverified; empty when there is none."""
        return read_note(self._home, self._relay)

    def last(self) -> Checkpoint | None:
        """The last checkpoint seen of the log whose key is vouched for now. Raises VerificationError: damaged.

        Of a key that only a succession brought in, once that was learnt again: see `lacks`.
        """
        note = self.remembered()
        if not note or note.partition("\n")[0] not in _origins(self.log_keys):
            return None
        try:
            return open_checkpoint(note, self.log_keys, where=str(self._path))
        except VerificationError as error:
            raise VerificationError(
                f"the checkpoint remembered in {self._path} is damaged",
                where=str(self._path),
                advice="Keep a copy, tell the organisation, then remove the file.",
            ) from error

    def lacks(self, note: str) -> bool:
        """Whether a note is of a key that only successions could join to those known. Raises VerificationError."""
        origin, seen = note.partition("\n")[0], self.last()
        if origin not in _origins(self.log_keys):
            return True
        return seen is not None and not connects(self._successions, seen.origin, origin)

    def learn(self, notes: Sequence[str]) -> None:
        """Believe the keys that notes of succession bring in, as far as they verify."""
        self._successions = follow(self.log_keys, notes)
        self.log_keys = tuple(dict.fromkeys((*self.log_keys, *(one.new_key for one in self._successions))))

    def take(self, note: str, consistency: Sequence[bytes]) -> Checkpoint:
        """Remember a checkpoint that continues the last one. Raises VerificationError; then evidence is saved."""
        return self.take_since(self.last(), note, consistency)

    def take_since(self, since: Checkpoint | None, note: str, consistency: Sequence[bytes]) -> Checkpoint:
        """The same, where the proof begins at what `last` said a while ago.

        Another program of this folder may have gone on meanwhile. Then the proof is checked all the same, and what
        nothing proves is not remembered.
        """
        shown, seen = open_checkpoint(note, self.log_keys), self.last()
        if since is not None:
            self.confront(since, shown, consistency)
        if seen is not None and (since is None or seen.note != since.note):
            if shown.head.size == seen.head.size:
                self.confront(seen, shown, ())
            return shown
        if seen is None or seen.note != note:
            with contextlib.suppress(OSError):  # a full disk keeps the older one: less is known, nothing wrong believed
                self._store(note)
        return shown

    def confront(self, older: Checkpoint, newer: Checkpoint, consistency: Sequence[bytes]) -> None:
        """Check that a log only grew from one checkpoint to another. Raises VerificationError; evidence is saved."""
        if not connects(self._successions, older.origin, newer.origin):
            fault = "it is signed by another key, and the key of before did not sign for that one"
            raise self.contradiction(fault, older.note, newer.note, consistency)
        try:
            check_consistency(older.head, newer.head, consistency, where="the relay's log")
        except VerificationError as error:
            raise self.contradiction(error.message, older.note, newer.note, consistency) from error

    def contradiction(self, fault: str, seen: str, shown: str, consistency: Sequence[bytes] = ()) -> LogContradiction:
        """Save the evidence; answer the error to raise."""
        now = self._clock()
        evidence = LogEvidence(
            format=FORMAT,
            found=format_time(now),
            relay=self._relay,
            fault=fault,
            seen=seen,
            shown=shown,
            consistency=tuple(consistency),
        )
        path = self._home / "evidence" / f"log-{now:%Y%m%dT%H%M%S%f}.json"
        kept = f"Evidence: {path}"
        try:
            make_folder(path.parent)
            write_new(path, msgspec.json.format(msgspec.json.encode(evidence), indent=1) + b"\n")
        except OSError as error:
            kept = f"The evidence could not be saved: {error.strerror}"
        return LogContradiction(
            f"the relay's log contradicts what was seen of it before: {fault}",
            evidence=kept,
            advice=f"Do nothing more through this relay and show the evidence to its organisation. Only when they "
            f"explain it with a signed rollback note: remove {self._path}.",
        )

    def _store(self, note: str) -> None:
        make_folder(self._path.parent)
        beside = self._path.with_suffix(".new")
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        write_new(beside, note.encode())
        os.replace(beside, self._path)  # noqa: PTH105  # Path.replace is for the gate alone
        sync_folder(self._path.parent)


def note_file(home: Path, relay: str) -> Path:
    """Where the last checkpoint of a relay's log is kept."""
    return home / "log" / f"{hashlib.sha256(relay.encode()).hexdigest()[:16]}.checkpoint"


def read_note(home: Path, relay: str) -> str:
    """The last checkpoint note seen of a relay's log, unverified; empty when there is none."""
    try:
        with note_file(home, relay).open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1).decode("utf-8", "replace")
    except OSError:
        return ""


def _origins(log_keys: Sequence[str]) -> set[str]:
    found = set()
    for line in log_keys:
        with contextlib.suppress(ContentError):
            found.add(log_origin(line))
    return found
