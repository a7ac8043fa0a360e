"""The road to one session's agent: a stream through the relay, SSH with both keys pinned, conversations on it.

Every command opens its own; the relay numbers the streams. A conversation that ended well is used again. A stream
that is cut is dialled again for as long as the settings say; what runs on it notices nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from remote_assist.core.messages import StreamOpened
from remote_assist.core.resume import LinkNews, Role
from remote_assist.errors import RefusedError, UnreachableError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.conversation import Conversation, Ledger
from remote_assist.technician.session_folder import moment_of
from remote_assist.technician.stream_dial import dial_stream, redial_stream
from remote_assist.transport.channel import open_channel
from remote_assist.transport.link import Link
from remote_assist.transport.resumable import ResumeTerms
from remote_assist.transport.ssh import connect_to_agent
from remote_assist.transport.streams import StreamTunnel

AWAY, ABSENT = "agent-away", "absent"
"""What the relay says of an agent that was cut off, and of a session it has not heard of yet."""

YOUNG_SECONDS = 60
"""A session so young may not have reached the relay: its agent is on the way."""

RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 1.0

MAX_IDLE = 4
"""Conversations kept for the next request."""


@dataclass(frozen=True, slots=True)
class Route:
    """What is needed to reach an agent: relay, token, pinned keys, where acknowledgements are kept."""

    settings: TechnicianSettings
    relay: str
    token: str
    ledger: Ledger
    clock: Callable[[], datetime]
    on_news: Callable[[LinkNews, datetime], None] = lambda _news, _since: None

    @property
    def session(self) -> str:
        return self.ledger.session


class AgentLink:
    """An SSH connection to the agent. `async with`; lost when its stream is cut for too long."""

    def __init__(self, route: Route, connection: Any) -> None:
        self._route = route
        self._connection = connection
        self._idle: list[Conversation] = []

    @classmethod
    async def open(cls, route: Route) -> "AgentLink":
        """Connect. Raises RefusedError (over, not ours), UnreachableError (away), VerificationError (other key)."""
        folder = route.ledger.folder
        session_key = folder.session_key(route.clock())
        link, opened = await _open_stream(route)
        try:
            tunnel = StreamTunnel(link, stream=opened.stream, epoch=opened.epoch, resume=_terms(route))
            connection = await connect_to_agent(
                tunnel,
                session_key=session_key,
                host_key_line=folder.facts().host_key,
                deadline_seconds=route.settings.connect_deadline_seconds,
            )
        except BaseException:
            await link.close()
            raise
        return cls(route, connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; the session goes on."""
        self._idle.clear()
        self._connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._connection.wait_closed()

    @contextlib.asynccontextmanager
    async def conversation(self) -> AsyncIterator[Conversation]:
        """A conversation for one request. One that broke off in the middle is closed, which cancels its request."""
        conversation = self._idle.pop() if self._idle else await self._new()
        try:
            yield conversation
        except RefusedError:
            await self._put_back(conversation)
            raise
        except BaseException:
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.shield(conversation.close())
            raise
        await self._put_back(conversation)

    async def _new(self) -> Conversation:
        channel = await open_channel(self._connection)
        return Conversation(channel, self._route.ledger, deadline_seconds=self._route.settings.request_deadline_seconds)

    async def _put_back(self, conversation: Conversation) -> None:
        if len(self._idle) < MAX_IDLE and conversation.is_quiet:
            self._idle.append(conversation)
        else:
            await conversation.close()


def _terms(route: Route) -> ResumeTerms:
    async def redial(stream: int, epoch: int) -> Link:
        return await redial_stream(route.settings, route.relay, route.token, route.session, stream=stream, epoch=epoch)

    return ResumeTerms(
        key=route.ledger.folder.resume(),
        role=Role.TECHNICIAN,
        patience_seconds=route.settings.resume_patience_seconds,
        redial=redial,
        on_news=route.on_news,
        clock=route.clock,
    )


async def _open_stream(route: Route) -> tuple[Link, StreamOpened]:
    """A stream the agent has taken; waits a little for an agent that is away."""
    loop = asyncio.get_running_loop()
    end = loop.time() + route.settings.away_patience_seconds
    pause = RETRY_SECONDS
    while True:
        try:
            return await dial_stream(route.settings, route.relay, route.token, route.session)
        except RefusedError as error:
            if error.reason != AWAY and not (error.reason == ABSENT and _is_young(route)):
                raise
            if loop.time() + pause >= end:
                raise UnreachableError(
                    f"the customer's agent is not connected: {error.message}",
                    advice="Ask the customer whether the program still runs; `remote-assist sessions` shows its state.",
                ) from error
        await asyncio.sleep(pause)
        pause = min(pause * 2, MAX_RETRY_SECONDS)


def _is_young(route: Route) -> bool:
    age = route.clock() - moment_of(route.ledger.folder.facts().opened)
    return age.total_seconds() < YOUNG_SECONDS
