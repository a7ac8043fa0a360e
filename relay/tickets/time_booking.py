"""Time spent on tickets: what a note names, or what a session took; booked where the ticket's own system keeps time.

Rule 1: a session's time is booked once, with its closing note: as the note says it, else from opening to end where the
settings want that. Rule 2: the booking, its delivery and its record in the relay's chain are one commit.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from relay.log.chains import Chains
from relay.storage.foreign import mirror_at, shown_id
from relay.tickets.closing import minutes_spent
from relay.tickets.deliveries import TIME, queue
from relay.tickets.systems import TicketSystems
from remote_assist.core.records import Actor, RecordDraft, format_time
from remote_assist.tickets.system import Note

MAX_WORDS = 200
"""Of a note's first line what goes with booked minutes."""


class TimeBooking:
    """Books minutes inside the transactions of others."""

    def __init__(self, systems: TicketSystems, chains: Chains, clock: Callable[[], datetime]) -> None:
        self._systems = systems
        self._chains = chains
        self._clock = clock

    def kept_by(self, system: str) -> tuple[bool, bool]:
        """Whether a system keeps time, and whether a session's is booked there by itself."""
        able = self._systems.of(system).capabilities().time
        return able, able and self._systems.settings[system].books_time

    def book_named(self, connection: Connection, ticket: int, note: Note) -> None:
        """Book the minutes a new note names; 0 of a closing note: nothing is to be booked for its session."""
        assert note.minutes is not None
        mirror = mirror_at(connection, ticket)
        if note.minutes and mirror is not None and self.kept_by(mirror.system)[0]:
            words = f"{note.minutes} {note.text.splitlines()[0][:MAX_WORDS]}"
            name = note.session if note.closing and note.session else note.key
            queue(connection, ticket, TIME, name, format_time(self._clock()), words=words)
        self._record(connection, ticket, note, note.minutes)

    def book_session(self, connection: Connection, ticket: int, note: Note) -> None:
        """Book what the session of a closing note took, unless the note says it or it was booked already."""
        mirror = mirror_at(connection, ticket)
        if note.minutes is not None or mirror is None or not self.kept_by(mirror.system)[1]:
            return
        minutes = minutes_spent(connection, note.session)
        words = f"{minutes} remote-assist session {note.session}"
        now = format_time(self._clock())
        if minutes and queue(connection, ticket, TIME, note.session, now, words=words):
            self._record(connection, ticket, note, minutes)

    def committed(self) -> None:
        """What was recorded is committed: a checkpoint may cover it."""
        self._chains.notice()

    def _record(self, connection: Connection, ticket: int, note: Note, minutes: int) -> None:
        details = {"technician": note.author, "minutes": str(minutes)}
        details |= {"session": note.session} if note.session else {}
        about = f"ticket {shown_id(connection, ticket)}"
        draft = RecordDraft(code="RA2040E", actor=Actor(kind="relay"), about=about, details=details)
        self._chains.write_in(connection, draft)
