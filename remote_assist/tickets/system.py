"""What this product needs of a ticket system. The relay's built-in book (relay/book.py) is the first one.

Rule 1: a note is added at most once for its key, so a repeat after a cut connection is harmless.
Rule 2: what a ticket system says is hostile text: it goes through `safe_text` before a person sees it.
"""

from dataclasses import dataclass
from typing import Protocol

from remote_assist.core.api import NewTicket, Ticket, TicketNote

CUSTOMER = "customer"
INTERNAL = "internal"
VISIBILITIES = (CUSTOMER, INTERNAL)
"""Who may read a note: the customer too, or the organisation alone."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note to add. `events`: the record ids it tells of; `closing` also closes the ticket."""

    key: str
    author: str
    text: str
    visibility: str = CUSTOMER
    session: str = ""
    events: tuple[str, ...] = ()
    closing: bool = False


class TicketSystem(Protocol):
    """Tickets somewhere. Every method raises RefusedError: `absent` for an unknown ticket, else a reason of its own."""

    async def tickets(self) -> tuple[Ticket, ...]:
        """The newest tickets first, without notes, at most 500."""

    async def ticket(self, ticket: str) -> Ticket:
        """One ticket with its notes in order."""

    async def open(self, new: NewTicket, *, by: str) -> Ticket:
        """A new ticket, opened by the person named `by`."""

    async def add(self, ticket: str, note: Note) -> TicketNote:
        """Add a note, or return the one that was added for its key before."""
