"""Streams: a technician dials, the agent is told and dials back, the relay splices (PROTOCOL 2).

    WS /v1/sessions/{id}/stream (technician)  ──┐ StreamOffered(ticket) on the agent's control connection
    WS /v1/streams/{ticket}     (agent)       ──┴─ StreamOpened to both, then binary messages only

A redial names the stream it goes on with: `?stream=N&epoch=E`; without, the relay gives the next number and epoch 1.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from weakref import WeakValueDictionary

import structlog
from aiohttp import web

from relay.access import Caller, Verb, owner_filter
from relay.limits.pace import Pace
from relay.limits.penalties import Penalties
from relay.limits.sources import address_of
from relay.links.lane import Traffic
from relay.links.presence import Presence
from relay.links.sockets import OpenSockets, RelaySocket, refuse, say
from relay.links.splice import Ended, Splicer
from relay.links.switchboard import Offer, Switchboard
from relay.log.participants import check_may_come
from relay.log.sessions import next_stream, require_session
from relay.storage.store import Store
from remote_assist.core.messages import StreamOffered, StreamOpened
from remote_assist.errors import AssistError, RefusedError, UsageError

FIRST_EPOCH = 1

AGENT_SECONDS = 6.0
"""How long a redial waits for its agent: after a restart both ends come back, and either may be the first."""

MAX_NUMBER = (1 << 32) - 1

LOGIN_OVER = Ended(4001, "the login is over")
_WHO_ENDED = {
    "customer": "the customer ended the session",
    "signal": "the customer ended the session",
    "technician": "the technician ended the session",
    "expired": "the session ended: the time the customer allowed is over",
}
"""Reason in the end record → what a technician who comes later is told; an agent may write others."""

SUPERSEDED = Ended(4002, "the stream was dialled again, or its technician may not go on")


class StreamSockets:
    """Serves both ends of streams."""

    def __init__(
        self,
        store: Store,
        switchboard: Switchboard,
        penalties: Penalties,
        sockets: OpenSockets,
        traffic: Traffic,
        *,
        clock: Callable[[], datetime],
        max_bytes: int,
        ticket_seconds: float,
        bytes_per_second: int,
        stalled_seconds: float,
        known: Callable[[web.Request], None],
        presence: Presence,
    ) -> None:
        self._presence = presence
        self._store = store
        self._switchboard = switchboard
        self._penalties = penalties
        self._sockets = sockets
        self._splicer = Splicer(traffic, max_bytes=max_bytes, stalled_seconds=stalled_seconds)
        self._clock = clock
        self._max_bytes = max_bytes
        self._ticket_seconds = ticket_seconds
        self._bytes_per_second = bytes_per_second
        self._known = known
        self._paces: WeakValueDictionary[str, Pace] = WeakValueDictionary()

    async def technician(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """A technician's end: from the offer to the last byte."""
        assert caller is not None
        session = request.match_info["session"]
        resumed = _resumed(request)
        row = await self._store.read(lambda connection: require_session(connection, session, owner_filter(caller)))
        now = self._clock()
        await self._store.read(lambda connection: check_may_come(connection, session, caller.key, now))
        if not row.ended:
            await self._presence.check_here(session)
        socket = await self._upgrade(request)
        try:
            if row.ended:
                raise _ended(row.end_reason)
            offer = await self._offer(session, resumed, caller)
        except AssistError as error:
            return await refuse(socket, error, Verb.STREAM, session)
        try:
            await self._put_through(socket, offer, caller)
        except RefusedError as error:
            await refuse(socket, error, Verb.STREAM, session)
        finally:
            self._switchboard.withdraw(offer)
        return socket

    async def agent(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """An agent's end: the ticket says which stream; the technician's side does the splicing."""
        source = address_of(request)
        self._penalties.check(source, self._clock())
        offer = self._switchboard.take(request.match_info["ticket"])
        if offer is None:
            self._penalties.failed(source, self._clock())
            raise RefusedError("this ticket was used, is too old or never was", reason="absent")
        self._known(request)
        socket = await self._upgrade(request)
        if offer.taken.done():
            return await refuse(socket, _away(), Verb.AGENT_STREAM, offer.session)
        offer.taken.set_result(socket)
        await offer.over.wait()
        return socket

    async def _offer(self, session: str, resumed: tuple[int, int] | None, caller: Caller) -> Offer:
        if resumed is not None:
            await self._switchboard.arrival(session, AGENT_SECONDS)
        if not self._switchboard.is_live(session):
            raise _away()
        if resumed is None:
            stream = await self._store.write(lambda connection: next_stream(connection, session))
            resumed = (stream, FIRST_EPOCH)
        return self._switchboard.offer(session, stream=resumed[0], epoch=resumed[1], serial=caller.serial)

    async def _put_through(self, socket: RelaySocket, offer: Offer, caller: Caller) -> None:
        line = self._switchboard.line(offer.session)
        if line is None:
            raise _away()
        try:
            offered = StreamOffered(session=offer.session, stream=offer.stream, epoch=offer.epoch, ticket=offer.ticket)
            await say(line.socket, offered)
            async with asyncio.timeout(self._ticket_seconds):
                other = await offer.taken
        except TimeoutError:
            raise _away() from None
        self._switchboard.supersede(offer)
        opened = StreamOpened(session=offer.session, stream=offer.stream, epoch=offer.epoch)
        for end in (other, socket):
            await say(end, opened)
        await self._carry(socket, other, caller, self._pace(offer.session))

    async def _carry(self, socket: RelaySocket, other: RelaySocket, caller: Caller, pace: Pace) -> None:
        """Splice until an end closes, the login is over, or the stream is taken away."""
        seconds = max(0.0, (caller.expires - self._clock()).total_seconds())
        ended = SUPERSEDED
        try:
            async with asyncio.timeout(seconds):
                ended = await self._splicer.join(socket, other, pace)
        except TimeoutError:
            ended = LOGIN_OVER
        finally:
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*(end.end(ended.code, ended.reason) for end in (socket, other)))
        structlog.get_logger("streams").info("stream-ended", code=int(ended.code))

    def _pace(self, session: str) -> Pace:
        """The session's, shared by its streams."""
        pace = self._paces.get(session)
        if pace is None:
            pace = Pace(self._bytes_per_second, now=asyncio.get_running_loop().time())
            self._paces[session] = pace
        return pace

    async def _upgrade(self, request: web.Request) -> RelaySocket:
        # No heartbeat: a reader that stops would not answer it; the control connection tells who is gone.
        return await self._sockets.upgrade(request, max_bytes=self._max_bytes, heartbeat_seconds=None, held=True)


def _resumed(request: web.Request) -> tuple[int, int] | None:
    """(stream, epoch) a redial names. Raises UsageError."""
    asked = request.query
    if not asked:
        return None
    try:
        stream, epoch = int(asked["stream"]), int(asked["epoch"])
    except (KeyError, ValueError) as error:
        raise UsageError("a redial names stream and epoch, both numbers") from error
    if set(asked) != {"stream", "epoch"} or not 1 <= stream <= MAX_NUMBER or not FIRST_EPOCH < epoch <= MAX_NUMBER:
        raise UsageError("a redial names a stream and an epoch above the first")
    return stream, epoch


def _ended(reason: str) -> RefusedError:
    sentence = _WHO_ENDED.get(reason, "the session ended")
    return RefusedError(sentence, reason="ended", advice="Invite the customer again.")


def _away() -> RefusedError:
    return RefusedError(
        "the customer's agent is not connected",
        reason="agent-away",
        advice="Ask the customer whether the program still runs.",
    )
