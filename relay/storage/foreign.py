"""Tickets of other systems, mirrored: a row in `tickets` for our sessions and notes, one beside it for what is there.

    rt:17 ── seen ──▶ tickets 1000000001 + foreign_tickets (rt, 17, status, assignee)      `1001` is the book's own

Rule 1: the mirror is what the system said last; `seen` says when. Rule 2: a mirror's number is never shown.
"""

from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from relay.storage.schema import foreign_tickets, tickets
from remote_assist.core.ticket_ids import TicketId, require_ticket_id
from remote_assist.errors import RefusedError
from remote_assist.tickets.system import RemoteTicket

FIRST_FOREIGN = 1_000_000_001
"""Numbers from here on are mirrors; people's tickets in the book never reach them."""

MAX_SUBJECT_CHARS = 200


def number_of(connection: Connection, ticket: str) -> int:
    """The number behind a ticket id. Raises RefusedError `absent` for one that is not known here."""
    named = require_ticket_id(ticket)
    if not named.is_foreign:
        number = int(named.ticket)
        if number >= FIRST_FOREIGN:
            raise absent()
        return number
    row = mirror_of(connection, named)
    if row is None:
        raise absent()
    return int(row.ticket)


def mirror_of(connection: Connection, named: TicketId) -> Row[Any] | None:
    """The mirror of a foreign ticket, if it was ever seen."""
    query = select(foreign_tickets).where(
        foreign_tickets.c.system == named.system, foreign_tickets.c.remote == named.ticket
    )
    return connection.execute(query).first()


def mirror_at(connection: Connection, number: int) -> Row[Any] | None:
    """The mirror behind a number; None for a ticket of the book's own."""
    if number < FIRST_FOREIGN:
        return None
    return connection.execute(select(foreign_tickets).where(foreign_tickets.c.ticket == number)).first()


def shown_id(connection: Connection, number: int) -> str:
    """The id people use for a ticket."""
    row = mirror_at(connection, number)
    return str(number) if row is None else f"{row.system}:{row.remote}"


def keep(connection: Connection, system: str, seen: RemoteTicket, now: str) -> int:
    """Remember what a system says of a ticket. Returns the mirror's number."""
    said = {
        "url": seen.url,
        "status": seen.status,
        "requester": seen.requester,
        "assignee": seen.assignee,
        "seen": now,
    }
    row = mirror_of(connection, TicketId(system, seen.id))
    if row is None:
        last = connection.execute(select(func.max(foreign_tickets.c.ticket))).scalar()
        number = FIRST_FOREIGN if last is None else int(last) + 1
        fixed = {"id": number, "description": "", "opened": now, "opened_by": seen.requester}
        connection.execute(insert(tickets), {**fixed, "subject": seen.subject[:MAX_SUBJECT_CHARS]})
        connection.execute(insert(foreign_tickets), {"ticket": number, "system": system, "remote": seen.id, **said})
    else:
        number = int(row.ticket)
        connection.execute(update(foreign_tickets).where(foreign_tickets.c.ticket == number).values(**said))
    closed = func.coalesce(tickets.c.closed, now) if seen.closed else None  # the first time it was seen closed
    values = {"subject": seen.subject[:MAX_SUBJECT_CHARS], "closed": closed}
    connection.execute(update(tickets).where(tickets.c.id == number).values(**values))
    return number


def absent() -> RefusedError:
    """There is no such ticket, or nobody has looked at it through this relay yet."""
    return RefusedError("there is no such ticket", reason="absent", advice="`remote-assist tickets` lists them.")
