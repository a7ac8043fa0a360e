"""Carries deliveries to ticket systems: one line a system, at its own pace, through every outage.

    notice ─▶ claim (commit: trying) ─▶ look for the mark, if in doubt ─▶ send ─▶ commit: done, waiting, unclear, dead

Rule 1: nothing here is waited for by a session. Rule 2: what one system does never slows another.
Rule 3: after a fault of the whole system it is left alone for a while; its deliveries wait, none is lost or counted.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from relay.storage.store import Store
from relay.tickets.deliveries import (
    CLOSE,
    FIELDS,
    LINK,
    NOTE,
    TIME,
    Parcel,
    claim,
    fail,
    next_due,
    put_back,
    settle,
    take_back,
)
from relay.tickets.outbox import AUTHOR
from relay.tickets.systems import TicketSystems
from remote_assist.core.hostile import safe_text
from remote_assist.core.records import format_time, parse_time
from remote_assist.errors import AssistError, AuditUnavailable, Fault, TicketSystemError
from remote_assist.settings import TicketRules
from remote_assist.tickets.delivery import OF_THE_SYSTEM, Rules, Verdict, after_fault, pause_seconds
from remote_assist.tickets.marks import marked
from remote_assist.tickets.system import INTERNAL, TicketSystem

TICKETS_AT_ONCE = 4
"""Tickets of one system that are written at the same time."""

RECHECK_SECONDS = 30.0
"""How often a relay looks for deliveries that another relay queued or left behind."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Pace:
    """How one system is doing."""

    failures: int = 0
    paused_until: datetime = _LONG_AGO
    fault: str = ""


class Courier:
    """All lines. `owner` names this relay among those that share a database; the same at every start."""

    def __init__(
        self,
        store: Store,
        systems: TicketSystems,
        rules: TicketRules,
        *,
        clock: Callable[[], datetime],
        owner: str,
        interval_seconds: float,
    ) -> None:
        self._store = store
        self._systems = systems
        self._clock = clock
        self._owner = owner
        self._interval_seconds = interval_seconds
        self._rules = Rules(rules.settle_seconds, rules.most_attempts)
        self._lease = timedelta(seconds=rules.lease_seconds)
        self._due: dict[str, datetime] = dict.fromkeys(systems, _LONG_AGO)
        self.paces: dict[str, Pace] = {name: Pace() for name in systems}

    def notice(self) -> None:
        """Something was queued; every line looks at its next turn."""
        self._due = dict.fromkeys(self._due, _LONG_AGO)

    async def work(self) -> None:
        """Carry for ever."""
        if not self.paces:
            return
        await self._take_back()
        async with asyncio.TaskGroup() as lines:
            for name in self.paces:
                lines.create_task(self._line(name))

    async def _line(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            now = self._clock()
            if now < self.paces[name].paused_until or now < self._due[name]:
                continue
            try:
                while await self._round(name):
                    pass
            except AuditUnavailable:
                structlog.get_logger("courier").warning("deliveries-delayed", system=name, cause="store-full")

    async def _round(self, name: str) -> bool:
        """Claim and carry once. Returns whether more may be ready now."""
        now = self._clock()
        self._due[name] = now + timedelta(seconds=RECHECK_SECONDS)  # before looking: a notice after it counts
        parcels = await self._store.write(lambda connection: claim(connection, name, self._owner, now, self._lease))
        if not parcels:
            await self._wait_for_next(name, now)
            return False
        by_ticket: dict[str, list[Parcel]] = {}
        for parcel in parcels:
            by_ticket.setdefault(parcel.remote, []).append(parcel)
        turns = asyncio.Semaphore(TICKETS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for some in by_ticket.values():
                group.create_task(self._carry_in_turn(name, some, turns))
        return self._clock() >= self.paces[name].paused_until

    async def _wait_for_next(self, name: str, now: datetime) -> None:
        due = await self._store.read(lambda connection: next_due(connection, name))
        if due is not None and self._due[name] > now:
            self._due[name] = min(self._due[name], max(parse_time(due), now))
            await self._take_back()

    async def _take_back(self) -> None:
        """What a crash left in mid-delivery is in doubt: it will be looked for."""
        now = format_time(self._clock())
        await self._store.write(lambda connection: take_back(connection, self._owner, now))

    async def _carry_in_turn(self, name: str, parcels: list[Parcel], turns: asyncio.Semaphore) -> None:
        async with turns:
            for number, parcel in enumerate(parcels):
                paused = self._clock() < self.paces[name].paused_until
                if paused or not await self._carry(name, parcel):
                    rest, now = parcels[number + (not paused) :], format_time(self._clock())
                    await self._store.write(lambda connection: put_back(connection, rest, now))  # noqa: B023
                    return

    async def _carry(self, name: str, parcel: Parcel) -> bool:
        """Deliver one. Returns whether those behind it on its ticket may follow now."""
        try:
            result = await self._deliver(name, parcel)
        except TicketSystemError as error:
            return await self._failed(name, parcel, error)
        except AssistError as error:  # the credential file, the settings
            return await self._failed(name, parcel, TicketSystemError(error.message, fault=Fault.CREDENTIAL))
        except Exception as error:
            # A bug in a connector must not stop its line; where it happened is unclear.
            structlog.get_logger("courier").error("connector-failed", system=name, cause=type(error).__name__)
            return await self._failed(name, parcel, TicketSystemError("the connector failed", fault=Fault.UNCLEAR))
        self.paces[name] = Pace()
        now = format_time(self._clock())
        await self._store.write(lambda connection: settle(connection, parcel, result, now))
        return True

    async def _failed(self, name: str, parcel: Parcel, error: TicketSystemError) -> bool:
        now, pace = self._clock(), self.paces[name]
        verdict = after_fault(error, attempts=parcel.attempts + 1, now=now, rules=self._rules)
        if error.fault in OF_THE_SYSTEM:
            seconds = pause_seconds(error, failures=pace.failures + 1)
            self.paces[name] = Pace(pace.failures + 1, now + timedelta(seconds=seconds), error.message)
            await self._systems.renew(name)  # an operator may have mended the credential
        sentence = str(safe_text(error.message, max_chars=400))
        structlog.get_logger("courier").warning("not-delivered", system=name, fault=error.fault.value, id=parcel.id)
        await self._store.write(lambda connection: fail(connection, parcel, verdict, sentence, format_time(now)))
        return _goes_on(verdict)

    async def _deliver(self, name: str, parcel: Parcel) -> str:
        system = self._systems.of(name)
        if parcel.looked_for and parcel.kind in {NOTE, TIME}:
            found = await system.find(parcel.remote, parcel.key)
            if found is not None:
                return found
        return await self._send(system, parcel)

    async def _send(self, system: TicketSystem, parcel: Parcel) -> str:
        settings = self._systems.settings[system.name]
        if parcel.kind == NOTE:
            ours = bool(parcel.events) or parcel.author == AUTHOR
            words_to = INTERNAL if parcel.visibility == INTERNAL else settings.words_to
            visibility = settings.events_to if ours else words_to
            text = parcel.text if ours else f"{parcel.author}:\n{parcel.text}"
            text = _shortened(text, system.capabilities().max_note_chars)
            marked_text = marked(text, parcel.key, parcel.events)
            return await system.add_note(parcel.remote, marked_text, visibility=visibility, key=parcel.key)
        if parcel.kind == CLOSE:
            await system.transition(parcel.remote, closed=True)
        elif parcel.kind == TIME:
            minutes, _, text = parcel.words.partition(" ")
            await system.add_time(parcel.remote, int(minutes), text=text, key=parcel.key)
        elif parcel.kind == FIELDS:
            field, _, value = parcel.words.partition("=")
            await system.set_fields(parcel.remote, {field: value})
        elif parcel.kind == LINK:
            url, _, title = parcel.words.partition(" ")
            await system.link(parcel.remote, url, title=title)
        return ""


def _goes_on(verdict: Verdict) -> bool:
    """After a dead delivery the next one may be fine; after any other fault order wants that they wait."""
    return verdict.state == "dead"


def _shortened(text: str, most: int) -> str:
    """A text that fits beside its mark; the log holds all of it."""
    room = most - 2000
    return text if len(text) <= room else f"{text[:room]}\n… the rest is in the audit log"
