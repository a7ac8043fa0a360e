"""How much room is left for this session's record, here and at the relay, and what follows.

    warn: the customer is told · refuse: no action begins · refuse or end for `grace_seconds`: the session ends

Rule: the worse of both disks counts. The reserve of the journal (audit/journal.py) is for the ends.
"""

from collections.abc import Callable
from pathlib import Path

from remote_assist.agent.texts import say
from remote_assist.audit.durable_file import free_bytes
from remote_assist.core.hostile import SafeStr
from remote_assist.core.room import Marks, Room
from remote_assist.errors import AuditUnavailable

HERE_FULL = "no room is left on the customer's machine to write the record, so nothing was done"
RELAY_FULL = "the relay's disk is full, so nothing was done"


class DiskWatch:
    """One session's. `relay_room` is what the relay last said; `seconds` counts time."""

    def __init__(
        self,
        folder: Path,
        marks: Marks,
        *,
        grace_seconds: float,
        relay_room: Callable[[], Room],
        show: Callable[[SafeStr], None],
        seconds: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._marks = marks
        self._grace_seconds = grace_seconds
        self._relay_room = relay_room
        self._show = show
        self._seconds = seconds
        self._told = Room.FINE
        self._short_since: float | None = None

    def check(self) -> None:
        """Raise AuditUnavailable when nothing new may begin."""
        if self._here() >= Room.REFUSE:
            raise AuditUnavailable(HERE_FULL, reason="store-full", advice="Free disk space there and try again.")
        if self._relay_room() >= Room.END:
            raise AuditUnavailable(
                RELAY_FULL, reason="store-full", advice="Ask the relay's operator to free disk space."
            )

    def look(self) -> bool:
        """Look at both disks, tell what changed; whether the session must end now."""
        here, relay = self._here(), self._relay_room()
        worst = max(here, relay)
        if worst != self._told:
            self._told = worst
            self._show(_sentence(here, relay, self._grace_seconds))
        if here < Room.REFUSE and relay < Room.END:
            self._short_since = None
            return False
        if self._short_since is None:
            self._short_since = self._seconds()
        return self._seconds() - self._short_since >= self._grace_seconds

    def _here(self) -> Room:
        try:
            return self._marks.room(free_bytes(self._folder))
        except OSError:
            return Room.FINE  # the journal's own writes say what is wrong


def check_disk(folder: Path, marks: Marks) -> None:
    """Raise AuditUnavailable when this machine has no room for a session's record."""
    if marks.room(free_bytes(folder)) >= Room.REFUSE:
        raise AuditUnavailable(
            "no room is left on this computer to write down what a technician does, so no session can begin",
            reason="store-full",
            advice=f"Free {marks.refuse_bytes >> 10} KiB on the disk that holds {folder}.",
        )


def _sentence(here: Room, relay: Room, grace_seconds: float) -> SafeStr:
    if here is Room.FINE and relay is Room.FINE:
        return say("disk.fine")
    where = say("disk.here") if here >= relay else say("disk.relay")
    ends = here >= Room.REFUSE or relay >= Room.END
    return say("disk.ends" if ends else "disk.low", where=where, seconds=int(grace_seconds))
