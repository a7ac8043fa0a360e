"""What the agent remembers between sessions, in its state folder: codes it has used up, and relays it knows.

    HOME/                      0700, every file 0600
      attempts.json            used nameplates and failed pairings (core/attempts.py)
      relays.json              per relay: the organisation's CA and the highest list numbers seen
      sessions/SESSION/        the journal
      receipts/SESSION.json    the customer's receipt

Rule: a code is burned on the disk before the reply that burns it is sent.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from remote_assist.core.attempts import AttemptMemory
from remote_assist.errors import ContentError, RefusedError
from remote_assist.settings import PairingSettings
from remote_assist.transport.private_files import make_private_folder, read_private, write_private

MAX_MEMORY_BYTES = 256 << 10
"""Longest file of these."""


class KnownRelay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A relay this agent had a session with: whose CA, and the list numbers below which it takes none."""

    ca: str
    numbers: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class AgentHome:
    """The state folder."""

    path: Path

    def prepare(self) -> None:
        """Make the folders, readable by nobody else. Raises ContentError when something else is there."""
        for folder in (self.path, self.path / "sessions", self.path / "receipts"):
            make_private_folder(folder)

    def session_folder(self, session: str) -> Path:
        """Where a session's journal lives. The id is ours to compute, never a name from outside."""
        return self.path / "sessions" / session

    def receipt_file(self, session: str) -> Path:
        return self.path / "receipts" / f"{session}.json"

    def attempts(self, limits: PairingSettings) -> AttemptMemory:
        """Used codes and failures. Raises ContentError when the file cannot be trusted: then no code is tried."""
        raw = self._read("attempts.json")
        return replace(
            AttemptMemory() if raw is None else AttemptMemory.from_bytes(raw),
            failures_before_lock=limits.failures_before_lock,
            failure_window_seconds=limits.failure_window_seconds,
        )

    def remember_attempts(self, memory: AttemptMemory) -> None:
        """Make them durable. Raises RefusedError when that fails: an unremembered code must not be used."""
        try:
            write_private(self.path / "attempts.json", memory.to_bytes())
        except OSError as error:
            raise RefusedError(
                f"the used code could not be remembered ({error.strerror}), so it was not used",
                reason="store-failed",
                advice="Free disk space on this machine and ask for a new code.",
            ) from error

    def relay(self, origin: str) -> KnownRelay | None:
        """What is known of the relay at `origin`, or None at first contact."""
        return self._relays().get(origin)

    def remember_relay(self, origin: str, known: KnownRelay) -> None:
        """Remember a relay after the customer allowed a session through it."""
        relays = {**self._relays(), origin: known}
        write_private(self.path / "relays.json", msgspec.json.format(msgspec.json.encode(relays), indent=1))

    def _relays(self) -> dict[str, KnownRelay]:
        raw = self._read("relays.json")
        if raw is None:
            return {}
        try:
            return msgspec.json.decode(raw, type=dict[str, KnownRelay])
        except msgspec.DecodeError as error:
            raise ContentError(
                f"{self.path / 'relays.json'} is damaged: {error}",
                advice="Ask the organisation for its ca.pub, remove the file, and join with --ca.",
            ) from error

    def _read(self, name: str) -> bytes | None:
        try:
            return read_private(self.path / name, MAX_MEMORY_BYTES)
        except FileNotFoundError:
            return None
