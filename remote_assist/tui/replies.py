"""What others wrote on a ticket in its own system, and what of it is new since the first look at it. Pure."""

import re

from remote_assist.core.api import Ticket, TicketReply

LOOK_EVERY = 10
"""A ticket's own system is asked once in so many looks at a session: every half minute."""

_FOREIGN = re.compile(r"[a-z][a-z0-9-]{0,15}:[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A system's name and its ticket's id, as a relay writes them."""


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
    return _FOREIGN.fullmatch(ticket) is not None
