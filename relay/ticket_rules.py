"""What a session needs of its ticket, when it is opened and while it runs.

    invite ─▶ there? ─▶ open? ─▶ whose? ─▶ code          ticket closed ─▶ codes burned, sessions ended

Rule 1: the built-in book and the mirror decide what a first record opens (relay/log/ledger.py); here it is asked
afresh, so that nobody learns of a closed ticket only after the customer consented.
Rule 2: ending only narrows, so the relay may ask for it; the agent ends, and its end record says why.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select

from relay.access import Caller
from relay.links.switchboard import Switchboard
from relay.storage.foreign import shown_id
from relay.storage.schema import foreign_tickets, sessions, tickets
from relay.storage.store import Store
from relay.tickets.desk import TicketDesk
from remote_assist.core.api import Ticket
from remote_assist.core.messages import TicketClosed
from remote_assist.core.ticket_ids import require_ticket_id
from remote_assist.errors import AssistError, RefusedError
from remote_assist.settings import TicketRules, TicketSystemSettings

LOOK_SECONDS = 1.0


class SessionRules:
    """Asks before a code is given out, and ends what runs on a ticket that was closed."""

    def __init__(
        self,
        store: Store,
        desk: TicketDesk,
        switchboard: Switchboard,
        rules: TicketRules,
        systems: Mapping[str, TicketSystemSettings],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.burn_codes: Callable[[str], Awaitable[None]]
        self._store = store
        self._desk = desk
        self._switchboard = switchboard
        self._rules = rules
        self._systems = systems
        self._clock = clock
        self._looked: dict[str, datetime] = {}

    async def may_open(self, ticket: str, caller: Caller) -> None:
        """Raise RefusedError unless the caller may open a session on this ticket now."""
        try:
            found = await self._desk.ticket(ticket)
        except AssistError as error:
            raise RefusedError(error.message, reason="absent", advice=error.advice) from error
        if found.fault and self._rules.unreachable == "refuse":
            raise RefusedError(found.fault, reason="unreachable", advice=BREAK_GLASS)
        if found.state == "closed":
            raise RefusedError(
                f"ticket {ticket} is closed",
                reason="closed-ticket",
                advice="Open it again, or open another one: `remote-assist tickets reopen | new`.",
            )
        self._check_assignee(found, caller)

    def _check_assignee(self, found: Ticket, caller: Caller) -> None:
        rule, system = self._rules.assignee, require_ticket_id(found.id).system
        if rule == "any" or system not in self._systems:
            return
        own = self._systems[system].people.get(caller.name, caller.name)
        if found.assignee.casefold() == own.casefold() or (rule == "self-or-nobody" and not found.assignee):
            return
        raise RefusedError(
            f"ticket {found.id} is assigned to {found.assignee or 'nobody'}",
            reason="assignee",
            advice="Have it assigned to you there first.",
        )

    async def closed(self, ticket: str) -> int:
        """A ticket was closed: burn its codes, end its sessions. Returns how many were told."""
        await self.burn_codes(ticket)
        told = 0
        for session in await self._store.read(lambda connection: _running(connection, ticket)):
            line = self._switchboard.line(session)
            if line is not None:
                await line.say(TicketClosed(session=session))
                told += 1
        if told:
            structlog.get_logger("tickets").info("sessions-ended", ticket=ticket, sessions=told)
        return told

    async def watch(self) -> None:
        """Look at the tickets of running sessions for ever: the book's every second, others as their settings say."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for ticket in await self._store.read(_with_sessions):
                await self._ask(ticket)
            for ticket in await self._store.read(_closed_with_sessions):
                await self.closed(ticket)

    async def _ask(self, ticket: str) -> None:
        system = require_ticket_id(ticket).system
        if system not in self._systems:
            return
        now, wait = self._clock(), timedelta(seconds=self._systems[system].watch_seconds)
        if now - self._looked.get(ticket, now - wait) < wait:
            return
        self._looked = {one: time for one, time in self._looked.items() if now - time < 2 * wait}
        self._looked[ticket] = now
        try:
            await self._desk.refresh(ticket)
        except AssistError:
            return  # asked again later; a system that is down ends no session


BREAK_GLASS = "If it cannot wait: `remote-assist invite --break-glass REASON …`."


def _with_sessions(connection: Connection) -> list[str]:
    query = select(sessions.c.ticket).distinct().join(foreign_tickets, foreign_tickets.c.ticket == sessions.c.ticket)
    found = connection.execute(query.where(sessions.c.ended.is_(None))).scalars().all()
    return [shown_id(connection, number) for number in found]


def _closed_with_sessions(connection: Connection) -> list[str]:
    query = select(sessions.c.ticket).distinct().join(tickets, tickets.c.id == sessions.c.ticket)
    found = connection.execute(query.where(sessions.c.ended.is_(None), tickets.c.closed.is_not(None))).scalars().all()
    return [shown_id(connection, number) for number in found]


def _running(connection: Connection, ticket: str) -> list[str]:
    found = connection.execute(select(sessions.c.id, sessions.c.ticket).where(sessions.c.ended.is_(None))).all()
    return [row.id for row in found if shown_id(connection, row.ticket) == ticket]
