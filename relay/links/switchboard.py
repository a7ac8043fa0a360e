"""Which agents are connected, and the streams being put through to them. Nothing here is durable or needs to be.

    technician's socket ── offer ──▶ ticket ──▶ agent's control ──▶ agent dials with it ── take ──▶ both are spliced

Rule 1: a ticket is good once. Rule 2: the newest control connection of a session is the one that counts.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from relay.links.sockets import RelaySocket, say
from remote_assist.core.messages import Message
from remote_assist.core.spoken import OWN, Spoken
from remote_assist.errors import RefusedError

TICKET_BYTES = 24


@dataclass(frozen=True, slots=True, eq=False)
class AgentLine:
    """The control connection of one session's agent."""

    session: str
    socket: RelaySocket
    speaks: Spoken = OWN

    async def say(self, message: Message) -> None:
        """Send a message, unless the agent is too old to know it: whoever is of before does without."""
        if self.speaks.knows(type(message)):
            await say(self.socket, message)


@dataclass(eq=False)
class Offer:
    """A stream on its way: `taken` becomes the agent's socket, `over` is set when the splice ended."""

    session: str
    stream: int
    epoch: int
    ticket: str
    serial: int
    taken: "asyncio.Future[RelaySocket]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Switchboard:
    """Live agents and streams of this process."""

    def __init__(self, *, entropy: Callable[[int], bytes], streams_per_session: int = 32) -> None:
        self._entropy = entropy
        self._streams_per_session = streams_per_session
        self._lines: dict[str, AgentLine] = {}
        self._tickets: dict[str, Offer] = {}
        self._streams: dict[Offer, asyncio.Task[object]] = {}
        self._awaited: dict[str, set[asyncio.Future[None]]] = {}

    @property
    def agents(self) -> int:
        """How many agents are connected."""
        return len(self._lines)

    @property
    def streams(self) -> int:
        """How many streams are open or on their way."""
        return len(self._streams)

    @property
    def lines(self) -> tuple[AgentLine, ...]:
        """All agents' control connections."""
        return tuple(self._lines.values())

    def is_live(self, session: str) -> bool:
        """Whether the session's agent is connected now."""
        return session in self._lines

    def line(self, session: str) -> AgentLine | None:
        """The agent's control connection, if it is there."""
        return self._lines.get(session)

    def connect(self, line: AgentLine) -> AgentLine | None:
        """Make `line` the session's; returns the one it replaces."""
        old = self._lines.get(line.session)
        self._lines[line.session] = line
        for waiting in self._awaited.get(line.session, ()):
            if not waiting.done():
                waiting.set_result(None)
        return old

    def disconnect(self, line: AgentLine) -> bool:
        """Forget `line`, unless a newer one took its place; whether it was the session's."""
        if self._lines.get(line.session) is not line:
            return False
        del self._lines[line.session]
        return True

    async def arrival(self, session: str, seconds: float) -> None:
        """Wait until the session's agent is connected, for so long at most; not at all where enough wait already."""
        if self.is_live(session) or len(self._awaited.get(session, ())) >= self._streams_per_session:
            return
        arrived = asyncio.get_running_loop().create_future()
        waiting = self._awaited.setdefault(session, set())
        waiting.add(arrived)
        try:
            await asyncio.wait([arrived], timeout=seconds)
        finally:
            waiting.discard(arrived)
            if not waiting:
                self._awaited.pop(session, None)

    def offer(self, session: str, *, stream: int, epoch: int, serial: int) -> Offer:
        """Announce a stream, run by the current task. RefusedError `busy` beyond the limit."""
        if sum(one.session == session for one in self._streams) >= self._streams_per_session:
            raise RefusedError(
                f"the session has {self._streams_per_session} streams open already",
                reason="busy",
                advice="Close some of them.",
            )
        offer = Offer(session, stream, epoch, self._entropy(TICKET_BYTES).hex(), serial)
        task = asyncio.current_task()
        assert task is not None
        self._tickets[offer.ticket] = offer
        self._streams[offer] = task
        return offer

    def take(self, ticket: str) -> Offer | None:
        """The offer of a ticket, once."""
        return self._tickets.pop(ticket, None)

    def withdraw(self, offer: Offer) -> None:
        """The stream is over, or never came about."""
        self._tickets.pop(offer.ticket, None)
        self._streams.pop(offer, None)
        offer.over.set()

    def supersede(self, offer: Offer) -> None:
        """A stream that was redialled ends its older connections (PROTOCOL 2: the epoch strictly rises)."""
        for other, task in list(self._streams.items()):
            same = (other.session, other.stream) == (offer.session, offer.stream)
            if other is not offer and same and other.epoch < offer.epoch:
                task.cancel()

    def drop_revoked(self, serials: Collection[int]) -> int:
        """End the streams of technicians whose certificates were revoked. Returns how many."""
        hit = [task for offer, task in self._streams.items() if offer.serial in serials]
        for task in hit:
            task.cancel()
        return len(hit)
