"""Opening a stream to an agent through the relay, and opening it again for a higher epoch after a cut."""

import asyncio

from remote_assist.core.codec import decode
from remote_assist.core.messages import RelayRefused, StreamControl, StreamOpened
from remote_assist.errors import RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.settings import TechnicianSettings
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.dial import dial
from remote_assist.transport.link import Link

MAX_MESSAGE_BYTES = 1 << 20
"""Longest WebSocket message of a stream."""


async def dial_stream(
    settings: TechnicianSettings, relay: Addresses, token: str, session: str
) -> tuple[Link, StreamOpened]:
    """A new stream the agent has taken. Raises RefusedError (the relay's reason), UnreachableError."""
    return await _dial(settings, relay, token, session, "")


async def redial_stream(
    settings: TechnicianSettings, relay: Addresses, token: str, session: str, *, stream: int, epoch: int
) -> Link:
    """A link for a stream that was cut; whoever took it has proven nothing yet. Raises as `dial_stream`."""
    link, opened = await _dial(settings, relay, token, session, f"?stream={stream}&epoch={epoch}")
    if (opened.stream, opened.epoch) != (stream, epoch):
        await link.close()
        raise RemoteProtocolError("the relay opened another stream than the one redialled")
    return link


async def _dial(
    settings: TechnicianSettings, relay: Addresses, token: str, session: str, query: str
) -> tuple[Link, StreamOpened]:
    seconds = settings.connect_deadline_seconds

    async def dial_one(origin: str) -> Link:
        return await dial(
            origin,
            f"/v1/sessions/{session}/stream{query}",
            headers={"Authorization": f"Bearer {token}"},
            tls_ca_file=settings.tls_ca_file,
            proxy_url=settings.proxy_url,
            max_bytes=MAX_MESSAGE_BYTES,
            deadline_seconds=relay.deadline(seconds),
        )

    link = await relay.reach(dial_one)
    try:
        async with asyncio.timeout(seconds):
            raw = await link.receive()
        return link, _opened(raw, session)
    except TimeoutError as error:
        await link.close()
        raise UnreachableError("the agent did not take the stream in time", advice="Try again.") from error
    except BaseException:
        await link.close()
        raise


def _opened(raw: str | bytes, session: str) -> StreamOpened:
    if isinstance(raw, bytes):
        raise RemoteProtocolError("a frame before the stream was open")
    said: StreamOpened | RelayRefused = decode(raw, StreamControl)  # type: ignore[arg-type]  # a union
    if isinstance(said, RelayRefused):
        raise RefusedError(said.sentence, reason=said.reason, advice=said.advice)
    if said.session != session:
        raise RemoteProtocolError("the relay opened a stream of another session")
    return said
