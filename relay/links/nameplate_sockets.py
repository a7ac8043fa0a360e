"""The two ends of a pairing meet here; what they say to each other is passed on unread.

    WS /v1/nameplate (technician)   ── Meeting ──   WS /v1/join/417203 (whoever typed the code)
    WS /v1/ask (customer, a stranger) ─ Meeting ──   WS /v1/accept/417203 (technician)

What may happen to a nameplate is decided in relay/links/rendezvous.py; this file only moves messages. Who owns the
nameplate made the code and waits; who joins typed it. The ticket's rules and a technician's limits are looked at in
either order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from aiohttp import WSMsgType, web

from relay.access import Caller, Verb
from relay.limits.penalties import Penalties, source_of
from relay.limits.quotas import HourlyQuota
from relay.limits.sources import address_of
from relay.links.directory import Directory
from relay.links.meetings import FAILED, MAX_MESSAGES, Meeting, pass_on, put_off, why_over
from relay.links.rendezvous import Nameplate, Order, Rendezvous
from relay.links.sockets import OpenSockets, RelaySocket, log_refusal, refuse, say, understand
from relay.links.standby import Standby
from remote_assist.core.messages import Burn, NameplateAssigned, PeerJoined, PeerLeft
from remote_assist.errors import AuditUnavailable, CodeBurned, RefusedError, RemoteProtocolError, UsageError

LiveSessions = Callable[[str], Awaitable[int]]
"""How many sessions of the technician with this key are live."""

MayOpen = Callable[[str, Caller], Awaitable[None]]
"""Raises RefusedError when a session on the ticket may not be opened by the caller now."""


@dataclass(frozen=True, slots=True)
class PairingLimits:
    """Limits of one relay. `deadline_seconds`: from a join to the verdict, with the customer's time to decide."""

    joins: HourlyQuota
    asks: HourlyQuota
    failures: HourlyQuota
    sessions_per_technician: int
    deadline_seconds: float
    message_max_bytes: int


class NameplateSockets:
    """Serves the verbs of a pairing, in both orders."""

    def __init__(
        self,
        rendezvous: Rendezvous,
        penalties: Penalties,
        sockets: OpenSockets,
        limits: PairingLimits,
        *,
        live_sessions: LiveSessions,
        may_open: MayOpen,
        directory: Directory,
        standby: Standby,
        known: Callable[[web.Request], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._limits = limits
        self._live_sessions = live_sessions
        self._may_open = may_open
        self._directory = directory
        self._standby = standby
        self._known = known
        self._rendezvous = rendezvous
        self._penalties = penalties
        self._sockets = sockets
        self._clock = clock
        self._meetings: dict[str, Meeting] = {}

    async def nameplate(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """A technician gets a nameplate and waits beside it; with ?machine=ID that enrolled machine is called to it."""
        assert caller is not None
        ticket = await self._check_technician(request, caller)
        machine = request.query.get("machine", "")
        if machine:
            self._standby.check_here(machine)
        plate = await self._assign(caller.key, Order.INVITE)
        meeting = await self._open(request, plate, technician=caller.key, ticket=ticket)
        return await self._wait(meeting, Verb.NAMEPLATE, machine)

    async def ask(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """A customer, still a stranger, gets a nameplate and waits beside it; when nobody came their address pays."""
        source = address_of(request)
        self._penalties.check(source, self._clock())
        self._limits.asks.check(source, self._clock())
        plate = await self._assign(f"ask {source_of(source)}", Order.ASK)
        self._limits.asks.count(source, self._clock())
        meeting = await self._open(request, plate)
        try:
            return await self._wait(meeting, Verb.ASK)
        finally:
            if not meeting.came:
                self._penalties.failed(source, self._clock())

    async def _check_technician(self, request: web.Request, caller: Caller) -> str:
        """The ticket a session would belong to, which may be opened. Raises RefusedError."""
        self._limits.failures.check(caller.key, self._clock())
        if await self._live_sessions(caller.key) >= self._limits.sessions_per_technician:
            raise RefusedError(
                f"{self._limits.sessions_per_technician} sessions of yours are live already",
                reason="busy",
                advice="End some of them.",
            )
        ticket = request.query.get("ticket", "")
        if ticket:
            await self._may_open(ticket, caller)
        return ticket

    async def _open(self, request: web.Request, plate: Nameplate, *, technician: str = "", ticket: str = "") -> Meeting:
        """The socket beside a nameplate."""
        try:
            socket = await self._sockets.upgrade(request, max_bytes=self._limits.message_max_bytes)
        except BaseException:
            await self._burn(plate.number)
            raise
        deadline = asyncio.timeout(self._seconds_left(plate))
        meeting = Meeting(plate, socket, request, deadline, technician, ticket)
        self._meetings[plate.number] = meeting
        return meeting

    async def _wait(self, meeting: Meeting, verb: Verb, machine: str = "") -> RelaySocket:
        """Until the owner burns the code or leaves, or its time is over."""
        try:
            await self._announce(meeting)
            if machine:
                await self._standby.call(machine, meeting.plate.number)
            async with meeting.deadline:
                await self._owner_speaks(meeting)
        except TimeoutError:
            meeting.over = "expired"
        except RemoteProtocolError as error:
            meeting.over = "burned"
            await refuse(meeting.owner, error, verb, address_of(meeting.request))
        finally:
            await self._end(meeting)
        return meeting.owner

    async def close_ticket(self, ticket: str) -> None:
        """Burn the codes that wait for a ticket's customer: it was closed."""
        for meeting in [one for one in self._meetings.values() if one.ticket == ticket]:
            meeting.over = "closed"
            await self._end(meeting)

    async def join(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """Somebody typed a technician's nameplate."""
        source = address_of(request)
        self._penalties.check(source, self._clock())
        self._limits.joins.check(source, self._clock())
        return await self._meet(request, Order.INVITE, Verb.JOIN)

    async def accept(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """A technician typed a customer's nameplate, for ?ticket=ID."""
        assert caller is not None
        self._penalties.check(address_of(request), self._clock())
        ticket = await self._check_technician(request, caller)
        if not ticket:
            raise UsageError("a session needs a ticket", advice="Name it: ?ticket=ID.")
        return await self._meet(request, Order.ASK, Verb.ACCEPT, technician=caller.key, ticket=ticket)

    async def _meet(
        self, request: web.Request, order: Order, verb: Verb, *, technician: str = "", ticket: str = ""
    ) -> RelaySocket:
        """Whoever typed a nameplate comes to it, or hears why not."""
        source, number = address_of(request), request.match_info["nameplate"]
        if number not in self._meetings:
            await self._directory.check_here(number)
        socket = await self._sockets.upgrade(request, max_bytes=self._limits.message_max_bytes)
        try:
            plate = self._rendezvous.join(number, self._clock(), order)
        except CodeBurned as error:
            self._penalties.failed(source, self._clock())
            return await refuse(socket, error, verb, source)
        if order is Order.INVITE:
            self._limits.joins.count(source, self._clock())
        meeting = self._meetings[number]
        meeting.plate, meeting.joiner, meeting.came = plate, socket, True
        if order is Order.ASK:
            meeting.technician, meeting.ticket = technician, ticket
        for known in (request, meeting.request):
            self._known(known)
        put_off(meeting, self._limits.deadline_seconds)
        await say(socket, PeerJoined())
        await say(meeting.owner, PeerJoined())
        try:
            await self._joiner_speaks(meeting, socket)
        except RemoteProtocolError as error:
            self._rendezvous.replied(meeting.plate.number)
            await refuse(socket, error, verb, source)
        finally:
            await self._joiner_left(meeting, socket, source, verb)
        return socket

    async def _owner_speaks(self, meeting: Meeting) -> None:
        """Until the owner burns the code or leaves; `meeting.over` says which."""
        sent = 0
        while True:
            message = await meeting.owner.receive()
            if message.type is WSMsgType.BINARY:
                sent += 1
                if sent > MAX_MESSAGES * 4:
                    raise RemoteProtocolError("more messages than a pairing has")
                if meeting.joiner is not None:
                    meeting.answered += 1
                    await pass_on(meeting.joiner, message.data)
                continue
            said = understand(message, Burn)
            meeting.over = why_over(said)
            meeting.failed = said is not None and said.reason in FAILED
            return

    async def _joiner_speaks(self, meeting: Meeting, socket: RelaySocket) -> None:
        for _ in range(MAX_MESSAGES + 1):
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                self._rendezvous.replied(meeting.plate.number)
                meeting.heard += 1
                await pass_on(meeting.owner, message.data)
                continue
            said = understand(message, Burn)
            if said is not None:
                meeting.failed = said.reason in FAILED
                meeting.left = why_over(said)
                self._rendezvous.replied(meeting.plate.number)
            return
        raise RemoteProtocolError("more messages than a pairing has")

    async def _joiner_left(self, meeting: Meeting, socket: RelaySocket, source: str, verb: Verb) -> None:
        """Free, replace or use up the nameplate, and tell its owner."""
        if meeting.over or meeting.joiner is not socket:
            return
        meeting.joiner = None
        now = self._clock()
        before = meeting.plate.number
        try:
            plate = self._rendezvous.joiner_left(before, now)
        except RefusedError:
            plate = None  # no number to replace it with
        await say(meeting.owner, PeerLeft(reason=meeting.left))
        if plate is None:
            meeting.over = "gone"
            await meeting.owner.end()
            return
        self._penalties.failed(source, now)
        if plate.number != before:
            await self._directory.over(before)
            if not await self._claimed(plate):
                await meeting.owner.end()
                return
        meeting.plate = plate
        put_off(meeting, self._seconds_left(plate))
        if plate.number != before:
            log_refusal(verb, "replaced", source)
            self._meetings[plate.number] = self._meetings.pop(before)
            await self._announce(meeting)

    async def _end(self, meeting: Meeting) -> None:
        """The owner's side is over: the number is used up and the joiner told."""
        meeting.over = meeting.over or "gone"
        if meeting.technician and (meeting.failed or meeting.guessed):
            self._limits.failures.count(meeting.technician, self._clock())
        self._meetings.pop(meeting.plate.number, None)
        self._rendezvous.expire(self._clock())
        await self._burn(meeting.plate.number)
        for socket in (meeting.joiner, meeting.owner):
            if socket is None or (socket is meeting.owner and meeting.over == "gone"):
                continue
            await say(socket, PeerLeft(reason=meeting.over))
        for socket in (meeting.joiner, meeting.owner):
            if socket is not None:
                await socket.end()

    async def _assign(self, owner: str, order: Order) -> Nameplate:
        """A number that no other node has."""
        while True:
            plate = self._rendezvous.assign(owner, self._clock(), order)
            if await self._claimed(plate):
                return plate

    async def _claimed(self, plate: Nameplate) -> bool:
        try:
            claimed = await self._directory.claim(plate, self._rendezvous.shares[plate.order])
        except BaseException:
            self._rendezvous.burn(plate.number, self._clock())
            raise
        if not claimed:
            self._rendezvous.burn(plate.number, self._clock())
        return claimed

    async def _burn(self, number: str) -> None:
        self._rendezvous.burn(number, self._clock())
        with suppress(AuditUnavailable):  # its row ends by itself
            await self._directory.over(number)

    async def _announce(self, meeting: Meeting) -> None:
        seconds = max(1, round(self._seconds_left(meeting.plate)))
        await say(meeting.owner, NameplateAssigned(nameplate=meeting.plate.number, seconds=seconds))

    def _seconds_left(self, plate: Nameplate) -> float:
        return max(0.0, (plate.expires - self._clock()).total_seconds())
