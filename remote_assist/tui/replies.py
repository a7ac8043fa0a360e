"""What others wrote on a ticket in its own system, and what of it is new since the first look at it. Pure."""

from remote_assist.core.api import Ticket, TicketReply
from remote_assist.core.ticket_ids import read_ticket_id

LOOK_EVERY = 10
"""A ticket's own system is asked once in so many looks at a session: every half minute."""


class ReplyWatch:
    """Compares each look at a ticket with those before."""

    def __init__(self) -> None:
        self._seen: set[TicketReply] | None = None

    def news(self, ticket: Ticket) -> tuple[TicketReply, ...]:
        """Replies that were not there before; at the first look, and while its system cannot be asked, none."""
        if ticket.fault:
            return ()
        seen, self._seen = self._seen, {*(self._seen or ()), *ticket.replies}
        return () if seen is None else tuple(one for one in ticket.replies if one not in seen)


def is_own_system(ticket: str) -> bool:
    """Whether it is a ticket of another system (`rt:17`), in which others may reply."""
    named = read_ticket_id(ticket)
    return named is not None and named.is_foreign
