"""The built-in ticket book: tickets 1001, 1002, … and their notes, in the relay's own database.

    open ──a session is live──▶ active ──it ends──▶ open        closing note of the last ──▶ closed

Rule: texts people write may hold lines, but no control characters; they are refused, not mended.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from relay.log.sessions import Live
from relay.storage.foreign import FIRST_FOREIGN, absent, number_of
from relay.storage.schema import foreign_tickets, notes, sessions, ticket_keys, tickets
from relay.storage.store import Store
from relay.tickets.deliveries import queue_note
from remote_assist.core.api import NewNote, NewTicket, Ticket, TicketNote
from remote_assist.core.codes import is_session_id
from remote_assist.core.records import format_time
from remote_assist.core.time_spent import MAX_MINUTES, with_time
from remote_assist.errors import RefusedError, UsageError
from remote_assist.tickets.system import VISIBILITIES, Note

FIRST_ID = 1001
MAX_LISTED = 500
MAX_SUBJECT_CHARS = 200
MAX_TEXT_BYTES = 64 << 10
MAX_KEY_CHARS = 128
MAX_ISSUES = 50
_ISSUE = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
MAX_NOTES = 10_000
"""Notes on one ticket, beyond which people add no more; what records say is always added."""


class TicketBook:
    """The book on the relay's store. `live` says which of some sessions have a live agent."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime], live: Live) -> None:
        self._store = store
        self._clock = clock
        self._live = live

    async def tickets(self) -> tuple[Ticket, ...]:
        """The newest tickets first, without notes, at most 500."""
        rows, open_sessions = await self._store.read(_read_list)
        live = await self._live([session for some in open_sessions.values() for session in some])
        return tuple(_ticket(row, open_sessions.get(row.id, ()), live) for row in rows)

    async def ticket(self, ticket: str) -> Ticket:
        """One ticket with its notes in order. Raises RefusedError `absent`."""
        row, open_sessions, found = await self._store.read(lambda connection: _read_one(connection, ticket))
        live = await self._live(open_sessions)
        return msgspec.structs.replace(_ticket(row, open_sessions, live), notes=tuple(_note(one) for one in found))

    async def open(
        self, new: NewTicket, *, by: str, key: str = "", also: Callable[[Connection, int], object] | None = None
    ) -> Ticket:
        """A new ticket, opened by the person named `by`; or the one that was opened with the same key before.

        `also` is done with its number in the same commit.
        """
        check_new_ticket(new)
        now = format_time(self._clock())

        def job(connection: Connection) -> int:
            number = _insert_ticket(connection, new, by, now, key)
            if also is not None:
                also(connection, number)
            return number

        return await self.ticket(str(await self._store.write(job)))

    async def add(
        self, ticket: str, note: Note, *, also: Callable[[Connection, int], object] | None = None
    ) -> TicketNote:
        """Add a note, or return the one that was added for its key before. `also` is done with it, in its commit."""
        now = format_time(self._clock())

        def job(connection: Connection) -> TicketNote:
            number = number_of(connection, ticket)
            if (there := _held(connection, number, note.key)) is not None:
                return _note(there)
            if also is not None:
                also(connection, number)
            if connection.execute(select(func.count()).where(notes.c.ticket == number)).scalar_one() >= MAX_NOTES:
                raise RefusedError("the ticket holds as many notes as it may", reason="full")
            return insert_note(connection, number, note, now)

        return await self._store.write(job)


def insert_note(connection: Connection, ticket: int, note: Note, now: str) -> TicketNote:
    """Add a note in the writer's transaction; the one already there for its key is returned instead.

    On another system's ticket it is queued for delivery in the same transaction.
    """
    _require_ticket(connection, ticket)
    if (there := _held(connection, ticket, note.key)) is not None:
        return _note(there)
    values = {
        "ticket": ticket,
        "key": note.key,
        "time": now,
        "author": note.author,
        "text": with_time(note.text, note.minutes),
        "visibility": note.visibility,
        "session": note.session,
        "events": msgspec.json.encode(note.events),
    }
    added = connection.execute(insert(notes).returning(notes), values).one()
    if ticket >= FIRST_FOREIGN:
        queue_note(connection, ticket, added.id, note.key, now)
    elif note.reopening:
        connection.execute(update(tickets).where(tickets.c.id == ticket).values(closed=None))
    elif note.closing and not others_run(connection, ticket, note.session, now):
        connection.execute(update(tickets).where(tickets.c.id == ticket).values(closed=now))
    return _note(added)


def _held(connection: Connection, ticket: int, key: str) -> Row[Any] | None:
    return connection.execute(select(notes).where(notes.c.ticket == ticket, notes.c.key == key)).first()


def others_run(connection: Connection, ticket: int, session: str, now: str) -> bool:
    """Whether a ticket has sessions besides `session` that did not end: the closing note of one must not cut them.

    Without a session the note closes the ticket itself, and whatever runs on it ends.
    """
    if not session:
        return False
    query = select(sessions.c.id).where(sessions.c.ticket == ticket, sessions.c.id != session)
    return connection.execute(query.where(sessions.c.ended.is_(None), sessions.c.until > now)).first() is not None


def check_new_ticket(new: NewTicket) -> None:
    """Raise UsageError for a subject or description that may not be kept."""
    if not 1 <= len(new.subject.strip()) <= MAX_SUBJECT_CHARS or len(new.subject) > MAX_SUBJECT_CHARS:
        raise UsageError(f"a subject has 1 to {MAX_SUBJECT_CHARS} characters")
    _check_text(new.subject, "a subject", lines=False)
    _check_text(new.description, "a description", lines=True)


def check_new_note(new: NewNote) -> None:
    """Raise UsageError for a note that may not be kept."""
    if not new.text.strip():
        raise UsageError("the note is empty")
    _check_text(new.text, "a note", lines=True)
    if not (1 <= len(new.key) <= MAX_KEY_CHARS and new.key.isascii() and new.key.isprintable()):
        raise UsageError(f"a note's key has 1 to {MAX_KEY_CHARS} printable characters")
    if new.closing and new.reopening:
        raise UsageError("a note closes a ticket or opens it again, not both")
    if len(new.issues) > MAX_ISSUES or any(not _ISSUE.fullmatch(one) for one in new.issues):
        raise UsageError(f"a note names at most {MAX_ISSUES} known issues, by their ids")
    if new.visibility and new.visibility not in VISIBILITIES:
        raise UsageError(f"a note is for the eyes of {' or '.join(VISIBILITIES)}")
    if new.minutes is not None and not 0 <= new.minutes <= MAX_MINUTES:
        raise UsageError(f"a note books 0 to {MAX_MINUTES} minutes")
    if new.session and not is_session_id(new.session):
        raise UsageError("the session a note names is malformed")


def _check_text(text: str, what: str, *, lines: bool) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise UsageError(f"{what} has at most {MAX_TEXT_BYTES} bytes")
    allowed = "\n\t" if lines else ""
    for sign in text:
        if sign not in allowed and unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and sign != "\u200d":
            raise UsageError(f"{what} holds a control character (U+{ord(sign):04X})", advice="Take it out.")


def _insert_ticket(connection: Connection, new: NewTicket, by: str, now: str, key: str) -> int:
    there = connection.execute(select(ticket_keys.c.ticket).where(ticket_keys.c.key == key)).scalar() if key else None
    if there is not None:
        return int(there)
    last = connection.execute(select(func.max(tickets.c.id)).where(tickets.c.id < FIRST_FOREIGN)).scalar()
    number = FIRST_ID if last is None else int(last) + 1
    values = {"id": number, "subject": new.subject, "description": new.description, "opened": now, "opened_by": by}
    connection.execute(insert(tickets), values)
    if key:
        connection.execute(insert(ticket_keys), {"key": key, "ticket": number})
    return number


_BOTH = select(
    tickets,
    foreign_tickets.c.system,
    foreign_tickets.c.remote,
    foreign_tickets.c.url,
    foreign_tickets.c.status,
    foreign_tickets.c.assignee,
    foreign_tickets.c.requester,
).outerjoin(foreign_tickets, foreign_tickets.c.ticket == tickets.c.id)
"""Tickets with what their own system says of them, if they have one."""


def _read_list(connection: Connection) -> tuple[Sequence[Row[Any]], dict[int, list[str]]]:
    order = (tickets.c.opened.desc(), tickets.c.id.desc())
    rows = connection.execute(_BOTH.order_by(*order).limit(MAX_LISTED)).all()
    open_sessions: dict[int, list[str]] = {}
    if rows:
        query = select(sessions.c.ticket, sessions.c.id).where(sessions.c.ended.is_(None))
        for row in connection.execute(query):
            open_sessions.setdefault(row.ticket, []).append(row.id)
    return rows, open_sessions


def _read_one(connection: Connection, ticket: str) -> tuple[Row[Any], list[str], Sequence[Row[Any]]]:
    number = number_of(connection, ticket)
    row = connection.execute(_BOTH.where(tickets.c.id == number)).first()
    if row is None:
        raise absent()
    query = select(sessions.c.id).where(sessions.c.ticket == number, sessions.c.ended.is_(None))
    found = connection.execute(select(notes).where(notes.c.ticket == number).order_by(notes.c.id)).all()
    return row, list(connection.execute(query).scalars()), found


def _require_ticket(connection: Connection, number: int) -> Row[Any]:
    row = connection.execute(select(tickets).where(tickets.c.id == number)).first()
    if row is None:
        raise absent()
    return row


def _ticket(row: Row[Any], open_sessions: Sequence[str], live: Collection[str]) -> Ticket:
    active = any(session in live for session in open_sessions)
    return Ticket(
        id=str(row.id) if row.system is None else f"{row.system}:{row.remote}",
        subject=row.subject,
        description=row.description,
        state="active" if active else "closed" if row.closed else "open",
        opened=row.opened,
        opened_by=row.opened_by,
        url=row.url or "",
        status=row.status or "",
        assignee=row.assignee or "",
        closed=row.closed or "",
        requester=row.requester or "",
    )


def _note(row: Row[Any]) -> TicketNote:
    assert row.visibility in VISIBILITIES
    return TicketNote(
        id=row.id,
        time=row.time,
        author=row.author,
        text=row.text,
        visibility=row.visibility,
        session=row.session,
        events=msgspec.json.decode(row.events, type=tuple[str, ...]),
    )
