"""What an agent remembers of support codes across restarts: each code is one guess, and guesses are few.

Rule: the agent writes the memory down (0600, durable) *before* it sends its MAC; a drop, a time-out or a restart
then finds the code burned. A value: every change gives a new one; the shell stores `to_bytes`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec

from remote_assist.core import codec
from remote_assist.errors import CodeBurned, ContentError, RefusedError, RemoteProtocolError

MAX_MEMORY_BYTES = 64 << 10
MAX_REMEMBERED = 200
"""Most nameplates kept; older ones are beyond any code's life anyway."""


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    used: tuple[tuple[str, int], ...]
    failures: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AttemptMemory:
    """`used`: nameplate and when it was burned; `failures`: when pairings failed. Seconds since 1970, UTC."""

    used: tuple[tuple[str, int], ...] = ()
    failures: tuple[int, ...] = ()
    failures_before_lock: int = 3
    failure_window_seconds: int = 3600

    def after_sending(self, nameplate: str, now: datetime) -> "AttemptMemory":
        """The code is burned: our MAC goes out now. Counts as failed until `after_success`."""
        kept = [entry for entry in self.used if self._recent(entry[1], now)][-MAX_REMEMBERED + 1 :]
        return replace(self.after_failure(now), used=(*kept, (nameplate, _seconds(now))))

    def after_success(self) -> "AttemptMemory":
        """The pairing held: the failure counted last is taken back. The nameplate stays burned."""
        return replace(self, failures=self.failures[:-1])

    def after_failure(self, now: datetime) -> "AttemptMemory":
        """A pairing failed before our MAC was sent."""
        kept = [time for time in self.failures if self._recent(time, now)][-MAX_REMEMBERED + 1 :]
        return replace(self, failures=(*kept, _seconds(now)))

    def refuses(self, now: datetime, nameplate: str = "") -> RefusedError | None:
        """Why no pairing (of this nameplate) may begin now, or None."""
        for used, time in self.used:
            if used == nameplate and self._recent(time, now):
                return CodeBurned(
                    "this support code was used here already", reason="used", advice="Ask the technician for a new one."
                )
        recent = [time for time in self.failures if self._recent(time, now)]
        if len(recent) < self.failures_before_lock:
            return None
        until = datetime.fromtimestamp(max(recent) + self.failure_window_seconds, UTC)
        minutes = max(1, -(-int((until - now) / timedelta(seconds=1)) // 60))
        window = self.failure_window_seconds // 60
        return RefusedError(
            f"{len(recent)} pairings failed within {window} minutes; this machine refuses support codes for now",
            reason="too-many-failures",
            advice=f"Try again in {minutes} minutes, and be sure whom you are talking to.",
        )

    def to_bytes(self) -> bytes:
        """JSON for the memory's file."""
        return codec.encode(_Stored(used=self.used, failures=self.failures), max_bytes=MAX_MEMORY_BYTES)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "AttemptMemory":
        """The memory of a file. Raises ContentError: a damaged memory must not pass for an empty one."""
        try:
            stored = codec.decode(raw, _Stored, max_bytes=MAX_MEMORY_BYTES)
        except RemoteProtocolError as error:
            raise ContentError(
                "the memory of used support codes is damaged", advice="Delete the file; wait an hour before you do."
            ) from error
        return cls(stored.used, stored.failures)

    def _recent(self, time: int, now: datetime) -> bool:
        return is_recent(time, now, self.failure_window_seconds)


def is_recent(time: int, now: datetime, window_seconds: int = 3600) -> bool:
    """Within the window on either side: a clock turned back neither frees a code nor locks for ever."""
    return abs(_seconds(now) - time) < window_seconds


def _seconds(now: datetime) -> int:
    return int(now.timestamp())
