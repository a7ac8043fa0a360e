"""An SSH connection to one session's agent, both keys pinned, and the conversations on it.

Every command opens its own. A conversation that ended well is used again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from remote_assist.core.requests import UseMachine
from remote_assist.core.resume import LinkNews
from remote_assist.core.wishes import Endpoint
from remote_assist.errors import RefusedError, VerificationError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.conversation import Conversation, Ledger
from remote_assist.technician.road import Road, open_tunnel
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.channel import open_channel
from remote_assist.transport.forwarding import listening
from remote_assist.transport.ssh import connect_to_agent

MAX_IDLE = 4
"""Conversations kept for the next request."""


@dataclass(frozen=True, slots=True)
class Route:
    """What is needed to reach an agent and talk with it: relay, token, pinned keys, where acknowledgements are kept."""

    settings: TechnicianSettings
    relay: Addresses
    token: str
    ledger: Ledger
    clock: Callable[[], datetime]
    on_news: Callable[[LinkNews, datetime], None] = lambda _news, _since: None

    @property
    def road(self) -> Road:
        """The part of it before SSH."""
        ledger = self.ledger
        return Road(self.settings, self.relay, self.token, ledger.session, ledger.folder, self.clock, self.on_news)


class AgentLink:
    """An SSH connection to the agent. `async with`; lost when its stream is cut for too long."""

    def __init__(self, route: Route, connection: Any) -> None:
        self._route = route
        self._connection = connection
        self._idle: dict[UseMachine | None, list[Conversation]] = {}
        self.distrust: VerificationError | None = None
        """Why nothing more may go through this link: the relay's log contradicts itself."""

    @classmethod
    async def open(cls, route: Route) -> "AgentLink":
        """Connect. Raises RefusedError (over, not ours), UnreachableError (away), VerificationError (other key)."""
        folder = route.ledger.folder
        session_key = folder.session_key(route.clock())
        link, tunnel = await open_tunnel(route.road)
        try:
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
    async def conversation(self, machine: UseMachine | None = None) -> AsyncIterator[Conversation]:
        """A conversation for one request, on `machine` or the agent's own.

        One that broke off in the middle is closed, which cancels its request.
        """
        if self.distrust is not None:
            raise self.distrust
        idle = self._idle.setdefault(machine, [])
        conversation = idle.pop() if idle else await self._new(machine)
        try:
            yield conversation
        except RefusedError:
            await self._put_back(conversation, idle)
            raise
        except BaseException:
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.shield(conversation.close())
            raise
        await self._put_back(conversation, idle)

    def forward(self, endpoint: Endpoint, port: int) -> contextlib.AbstractAsyncContextManager[int]:
        """A port of this machine that leads to `endpoint` as the agent's machine reaches it. Raises UsageError."""
        return listening(self._connection, endpoint, port)

    async def _new(self, machine: UseMachine | None) -> Conversation:
        channel = await open_channel(self._connection)
        deadline = self._route.settings.request_deadline_seconds
        conversation = Conversation(channel, self._route.ledger, deadline_seconds=deadline)
        if machine is not None:
            await conversation.stand_on(machine)
        return conversation

    async def _put_back(self, conversation: Conversation, idle: list[Conversation]) -> None:
        if len(idle) < MAX_IDLE and conversation.is_quiet:
            idle.append(conversation)
        else:
            await conversation.close()
