"""Alarms nobody could be told about yet, by whom they are for.

    HOME/watch/untold.json    place → [alarm, …], oldest first

Rule: bounded in number and age; what falls out is old news, and the alarm itself stays in alarms.json.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from remote_assist.core.watching.alarms import Alarm
from remote_assist.errors import AuditUnavailable, ContentError
from remote_assist.transport.private_files import read_private, write_private

MAX_WAITING = 200
MAX_AGE_SECONDS = 86400.0
MAX_FILE_BYTES = 4 << 20


class AlarmQueue:
    """The queue of one state folder."""

    def __init__(self, home: Path) -> None:
        self._path = home / "watch" / "untold.json"

    def waiting(self, now: float) -> dict[str, list[Alarm]]:
        """What waits for whom, without what is older than a day at `now` (seconds since the epoch)."""
        try:
            kept = msgspec.json.decode(read_private(self._path, MAX_FILE_BYTES), type=dict[str, list[Alarm]])
        except (FileNotFoundError, ContentError, msgspec.DecodeError):
            return {}
        return {place: [each for each in alarms if _age(each, now) < MAX_AGE_SECONDS] for place, alarms in kept.items()}

    def keep(self, left: Mapping[str, Sequence[Alarm]]) -> None:
        """Instead of everything before. Raises AuditUnavailable when it cannot be written."""
        kept = {place: list(alarms)[-MAX_WAITING:] for place, alarms in left.items() if alarms}
        if not kept and not self._path.exists():
            return
        try:
            write_private(self._path, msgspec.json.encode(kept))
        except OSError as error:
            raise AuditUnavailable(
                f"what could not be told cannot be kept: {error.strerror}", reason="store-failed"
            ) from error


def _age(alarm: Alarm, now: float) -> float:
    try:
        return now - datetime.fromisoformat(alarm.time).timestamp()
    except ValueError:
        return MAX_AGE_SECONDS
