"""Which sessions a list asks for: filters on clear fields, worked out by the database, a page at a time.

    GET /v1/sessions?ticket=7&technician=alice&since=2026-03-01&outcome=incomplete&before=s-…

Rule: every text is compared, never interpreted: no pattern signs reach the database as such.
"""

from dataclasses import dataclass, fields
from typing import Any

from aiohttp import web
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select

from relay.storage.schema import foreign_tickets, records, sessions, tickets
from remote_assist.core.record_codes import CODES
from remote_assist.core.ticket_ids import read_ticket_id
from remote_assist.errors import UsageError

MAX_TEXT = 200
OUTCOMES = ("open", "ended", "refused", "incomplete")


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """What a list is narrowed to; an empty field narrows nothing. Times are RFC 3339 UTC or their beginning.

    `ticket`: its number. `technician`: a part of the name, or the key's fingerprint. `customer`: a part of the
    ticket's texts or of who opened it. `machine`: a part of the session's host key. `action`: a record code or its
    name. `outcome`: open, ended, refused (something was), incomplete (an intent without outcome), or how it ended.
    `before`: list what is older than this session.
    """

    ticket: str = ""
    technician: str = ""
    customer: str = ""
    machine: str = ""
    action: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    before: str = ""

    @classmethod
    def of(cls, request: web.Request) -> "SessionFilter":
        """The filter a query asks for. Raises UsageError for an unknown name, a name given twice, too long a text."""
        known = {field.name for field in fields(cls)}
        found: dict[str, str] = {}
        for name, text in request.query.items():
            if name not in known or name in found or not 0 < len(text) <= MAX_TEXT:
                raise UsageError(f"sessions are filtered by {', '.join(sorted(known))}, each once")
            found[name] = text
        return cls(**found)

    def narrow(self, connection: Connection, query: Select[Any]) -> Select[Any]:
        """The query with these conditions. Raises UsageError for a value that can be none."""
        if self.ticket:
            query = query.where(_of_ticket(self.ticket))
        if self.technician:
            named = sessions.c.technician.icontains(self.technician, autoescape=True)
            query = query.where(or_(named, sessions.c.technician_key == self.technician))
        if self.customer:
            query = query.where(exists().where(and_(tickets.c.id == sessions.c.ticket, _about(self.customer))))
        if self.machine:
            query = query.where(sessions.c.host_key.contains(self.machine, autoescape=True))
        if self.action:
            query = query.where(_holds(*_codes(self.action)))
        if self.outcome:
            query = query.where(_ended_as(self.outcome))
        if self.since:
            query = query.where(sessions.c.opened >= self.since)
        if self.until:
            query = query.where(sessions.c.opened < self.until)
        return _older(connection, query, self.before) if self.before else query


def _older(connection: Connection, query: Select[Any], before: str) -> Select[Any]:
    opened = connection.execute(select(sessions.c.opened).where(sessions.c.id == before)).scalar()
    if opened is None:
        raise UsageError("`before` names no session")
    same = and_(sessions.c.opened == opened, sessions.c.id < before)
    return query.where(or_(sessions.c.opened < opened, same))


def _of_ticket(ticket: str) -> ColumnElement[bool]:
    named = read_ticket_id(ticket)
    if named is None:
        raise UsageError("this is no ticket's id", advice="A number, or NAME:ID of another system, for example rt:17.")
    if not named.is_foreign:
        return sessions.c.ticket == int(named.ticket)
    mirror = select(foreign_tickets.c.ticket).where(
        foreign_tickets.c.system == named.system, foreign_tickets.c.remote == named.ticket
    )
    return sessions.c.ticket.in_(mirror)


def _about(text: str) -> Any:
    columns = (tickets.c.subject, tickets.c.description, tickets.c.opened_by)
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _codes(action: str) -> list[str]:
    found = [code.code for code in CODES.values() if action in {code.code, code.name, code.family}]
    if not found:
        raise UsageError(f"there is no action '{action}'", advice="docs/audit-format.md section 8 lists them.")
    return found


def _holds(*codes: str) -> Any:
    return exists().where(records.c.session == sessions.c.id, records.c.code.in_(codes))


def _ended_as(outcome: str) -> Any:
    if outcome == "open":
        return sessions.c.ended.is_(None)
    if outcome == "ended":
        return sessions.c.ended.is_not(None)
    if outcome == "refused":
        return _holds("RA1900R")
    if outcome == "incomplete":
        return incomplete()
    return sessions.c.end_reason == outcome


def incomplete() -> Any:
    """That a session holds an intent which nothing concluded."""
    intent, conclusion = records.alias(), records.alias()
    concluded = exists().where(
        conclusion.c.session == intent.c.session,
        conclusion.c.action == intent.c.action,
        conclusion.c.seq > intent.c.seq,
        conclusion.c.code.not_like("%I"),
    )
    return exists().where(intent.c.session == sessions.c.id, intent.c.code.like("%I"), ~concluded)
