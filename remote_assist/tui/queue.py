"""The queue: whose a ticket is, how long it has waited, and which tickets a view shows. Pure.

As far as the ticket book knows: what it does not say (an assignee, a deadline) is not invented.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from remote_assist.core.api import SessionSummary, Ticket
from remote_assist.tui.theme import BAD, FAINT, WARN
from remote_assist.tui.words import how_long, parse_time

AGEING_HOURS, OLD_HOURS = 4, 24
"""From here on an open ticket's age is shown as a warning, and as a fault."""


class View(StrEnum):
    """Which tickets are shown."""

    ALL = "all"
    MINE = "mine"
    UNASSIGNED = "unassigned"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks, and which sessions the relay told them of."""

    me: str
    sessions: Sequence[SessionSummary]

    def of(self, ticket: str) -> list[SessionSummary]:
        """The sessions of one ticket."""
        return [session for session in self.sessions if session.ticket == ticket]


def belongs(ticket: Ticket, view: View, desk: Desk) -> bool:
    """Whether a view shows this ticket.

    mine: opened by me, or I had a session on it. unassigned: open and nobody's yet. waiting: open, a session was
    held and is over, so that somebody's word is awaited.
    """
    sessions = desk.of(ticket.id)
    is_open = ticket.state != "closed"
    match view:
        case View.MINE:
            return is_open and (_is_mine(ticket, desk.me) or bool(sessions))
        case View.UNASSIGNED:
            return is_open and not sessions and not assignee(ticket) and ticket.opened_by != desk.me
        case View.WAITING:
            return is_open and bool(sessions) and all(session.state == "ended" for session in sessions)
        case _:
            return True


def assignee(ticket: Ticket) -> str:
    """Who has it, where the book says so."""
    return str(getattr(ticket, "assignee", ""))


def _is_mine(ticket: Ticket, me: str) -> bool:
    return bool(me) and me in {ticket.opened_by, assignee(ticket)}


def order(ticket: Ticket) -> tuple[bool, float]:
    """Closed tickets last, newest first."""
    opened = parse_time(ticket.opened)
    return (ticket.state == "closed", -opened.timestamp() if opened else 0.0)


def age(ticket: Ticket, now: datetime) -> tuple[str, str]:
    """How long ago it was opened, and the colour of that: `("26 h", BAD)`."""
    opened = parse_time(ticket.opened)
    if opened is None:
        return ("?", FAINT)
    seconds = (now - opened).total_seconds()
    hours, words = seconds / 3600, how_long(seconds)
    if ticket.state == "closed" or hours < AGEING_HOURS:
        return (words, FAINT)
    return (words, WARN if hours < OLD_HOURS else BAD)
