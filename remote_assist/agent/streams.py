"""The streams of one session at the agent: which number belongs to which connection, and how a cut one goes on.

    offer with a fresh number ─▶ dial ─▶ SSH on a new stream            offer with a live number ─▶ dial ─▶ proof ─▶ on

Rule 1: a number is used once: one that is over is not served again, and a live one only goes on with its own key
and an epoch that rises. Rule 2: whoever redials has proven nothing until core/resume.py says so; a failed proof costs
the try, never the stream. Rule 3: at most so many connections; a cut one makes room for a new one.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from remote_assist.core.codec import decode
from remote_assist.core.messages import StreamControl, StreamOffered, StreamOpened
from remote_assist.core.resume import LinkNews, Role
from remote_assist.errors import AssistError, RemoteProtocolError, UnreachableError
from remote_assist.transport.link import Link
from remote_assist.transport.resumable import ResumeTerms
from remote_assist.transport.streams import StreamTunnel

MAX_CONNECTIONS = 16
"""SSH connections of one session at once."""

_TICKET = re.compile(r"[A-Za-z0-9_-]{1,200}")


class Connection(Protocol):
    """What is needed of an SSH connection."""

    def abort(self) -> None:
        """Drop it now."""

    async def wait_closed(self) -> None:
        """Wait for its end."""


Serve = Callable[[StreamTunnel], Awaitable[Connection]]
"""Lets a technician log in on a stream; raises AssistError when nobody may or does."""


class Streams:
    """Live streams by number. `on_news` hears of the first cut and the last return, with the time of the cut."""

    def __init__(
        self,
        *,
        key: bytes,
        patience_seconds: float,
        deadline_seconds: float,
        dial: Callable[[str], Awaitable[Link]],
        serve: Serve,
        on_news: Callable[[LinkNews, datetime], None],
        clock: Callable[[], datetime],
    ) -> None:
        self.connections: dict[int, Connection] = {}
        self._terms = ResumeTerms(
            key=key, role=Role.AGENT, patience_seconds=patience_seconds, on_news=self._hear, clock=clock
        )
        self._deadline_seconds = deadline_seconds
        self._dial = dial
        self._serve = serve
        self._on_news = on_news
        self._tunnels: dict[int, StreamTunnel] = {}
        self._highest = 0
        self._cut = 0

    def accepts(self, offer: StreamOffered) -> bool:
        """Whether this offer is worth a dial; a fresh number is used up by asking."""
        if not _TICKET.fullmatch(offer.ticket):
            return False
        if (live := self._tunnels.get(offer.stream)) is not None:
            return offer.epoch > live.epoch
        if offer.stream <= self._highest or not self._has_room():
            return False
        self._highest = offer.stream
        return True

    async def follow(self, offer: StreamOffered) -> None:
        """Serve a fresh stream until it is over, or bring a live one its new link."""
        with contextlib.suppress(AssistError):  # gone or refused; the technician's program says so over there
            link = await self._dial(offer.ticket)
            await _opened(link, offer, self._deadline_seconds)
            if (live := self._tunnels.get(offer.stream)) is not None:
                await live.take(link, offer.epoch)
            else:
                await self._serve_on(link, offer)

    def abort(self) -> None:
        """Drop every connection now."""
        for connection in list(self.connections.values()):
            connection.abort()

    async def closed(self) -> None:
        """Wait until every connection is over."""
        await asyncio.gather(*(connection.wait_closed() for connection in list(self.connections.values())))

    async def _serve_on(self, link: Link, offer: StreamOffered) -> None:
        tunnel = StreamTunnel(link, stream=offer.stream, epoch=offer.epoch, resume=self._terms)
        self._tunnels[offer.stream] = tunnel
        try:
            connection = self.connections[offer.stream] = await self._serve(tunnel)
            await connection.wait_closed()
        finally:
            del self._tunnels[offer.stream]
            self.connections.pop(offer.stream, None)

    def _has_room(self) -> bool:
        if len(self._tunnels) < MAX_CONNECTIONS:
            return True
        cut = [number for number, tunnel in self._tunnels.items() if tunnel.is_cut and number in self.connections]
        if not cut:
            return False
        self.connections[min(cut)].abort()
        return True

    def _hear(self, news: LinkNews, since: datetime) -> None:
        """One line for all streams: of the first that is cut, and when none is any more."""
        self._cut += 1 if news is LinkNews.CUT else -1
        if self._cut == (1 if news is LinkNews.CUT else 0):
            self._on_news(news, since)


async def _opened(link: Link, offer: StreamOffered, deadline_seconds: float) -> None:
    """Wait until the relay says that the other end is there."""
    try:
        async with asyncio.timeout(deadline_seconds):
            raw = await link.receive()
        if isinstance(raw, bytes):
            raise RemoteProtocolError("bytes before the stream was opened")
        opened: object = decode(raw, StreamControl)  # type: ignore[arg-type]  # a union of tagged structs
        if opened != StreamOpened(session=offer.session, stream=offer.stream, epoch=offer.epoch):
            raise RemoteProtocolError("the relay opened another stream than it offered")
    except TimeoutError as error:
        await link.close()
        raise UnreachableError("the other end of the stream did not come") from error
    except BaseException:
        await link.close()
        raise
