"""The road to one session's agent, up to where SSH begins: a stream of the relay that the agent has taken.

The relay numbers the streams. A stream that is cut is dialled again for as long as the settings say; what runs on it
notices nothing. Loads no SSH: what carries somebody else's (`remote-assist proxy`) starts quickly.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from remote_assist.core.messages import StreamOpened
from remote_assist.core.resume import LinkNews, Role
from remote_assist.errors import RefusedError, UnreachableError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.session_folder import SessionFolder, moment_of
from remote_assist.technician.stream_dial import dial_stream, redial_stream
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.link import Link
from remote_assist.transport.resumable import ResumeTerms
from remote_assist.transport.streams import StreamTunnel

AWAY, ABSENT = "agent-away", "absent"
"""What the relay says of an agent that was cut off, and of a session it has not heard of yet."""

YOUNG_SECONDS = 60
"""A session so young may not have reached the relay: its agent is on the way."""

RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Road:
    """What is needed to reach an agent: relay, token, the session's folder."""

    settings: TechnicianSettings
    relay: Addresses
    token: str
    session: str
    folder: SessionFolder
    clock: Callable[[], datetime]
    on_news: Callable[[LinkNews, datetime], None] = lambda _news, _since: None


async def open_tunnel(road: Road) -> tuple[Link, StreamTunnel]:
    """A stream the agent has taken, ready for SSH. Raises RefusedError (over, not ours), UnreachableError (away)."""
    link, opened = await _open_stream(road)
    try:
        return link, StreamTunnel(link, stream=opened.stream, epoch=opened.epoch, resume=_terms(road))
    except BaseException:
        await link.close()
        raise


def _terms(road: Road) -> ResumeTerms:
    async def redial(stream: int, epoch: int) -> Link:
        return await redial_stream(road.settings, road.relay, road.token, road.session, stream=stream, epoch=epoch)

    return ResumeTerms(
        key=road.folder.resume(),
        role=Role.TECHNICIAN,
        patience_seconds=road.settings.resume_patience_seconds,
        redial=redial,
        on_news=road.on_news,
        clock=road.clock,
    )


async def _open_stream(road: Road) -> tuple[Link, StreamOpened]:
    """A stream the agent has taken; waits a little for an agent that is away."""
    loop = asyncio.get_running_loop()
    end = loop.time() + road.settings.away_patience_seconds
    pause = RETRY_SECONDS
    while True:
        try:
            return await dial_stream(road.settings, road.relay, road.token, road.session)
        except RefusedError as error:
            if error.reason != AWAY and not (error.reason == ABSENT and _is_young(road)):
                raise
            if loop.time() + pause >= end:
                raise UnreachableError(
                    f"the customer's agent is not connected: {error.message}",
                    advice="Ask the customer whether the program still runs; `remote-assist sessions` shows its state.",
                ) from error
        await asyncio.sleep(pause)
        pause = min(pause * 2, MAX_RETRY_SECONDS)


def _is_young(road: Road) -> bool:
    age = road.clock() - moment_of(road.folder.facts().opened)
    return age.total_seconds() < YOUNG_SECONDS
