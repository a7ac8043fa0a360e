"""A link that survives cuts: the stream above sends and receives, whatever WebSocket happens to carry it.

    up ──cut──▶ down ──new link, both ends prove themselves──▶ what is missing is sent again ──▶ up
                  └──patience used up, or a no that lasts──▶ over: sends and receives raise why

The technician's end dials again, with growing waits; the agent's end is brought new links by `take`.
Rule 1: nothing of the stream changes before core/resume.py says that the other end is the one it was.
Rule 2: a frame that was built for an older link is never sent on a newer one; the replay holds what it held.
"""

import asyncio
import random
import secrets
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from remote_assist.core.resume import LinkNews, Resumption, Role, Standing, wait_seconds
from remote_assist.core.stream import ByteStream
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.transport.link import Link

TRY_SECONDS = 12.0
"""How long one dial may take until the relay has put it through to the other end."""

PROOF_SECONDS = 10.0
"""How long the other end of a new link may take to prove itself."""

LASTING_REFUSALS = frozenset(
    {"absent", "ended", "expired", "not-logged-in", "revoked", "role", "stale", "transferred", "version"}
)
"""Reasons of the relay that no further dial will change."""

_EPOCH_AT = struct.Struct(">I")


OnNews = Callable[[LinkNews, datetime], None]
"""Told of a cut, its return, or that it will not return; with the time of the cut."""


def _tell_nobody(_news: LinkNews, _since: datetime) -> None:
    return


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ResumeTerms:
    """What it takes to go on after a cut. `redial` opens a link for an epoch; without it this end waits for one."""

    key: bytes | None = field(repr=False)
    role: Role
    patience_seconds: float
    redial: Callable[[int, int], Awaitable[Link]] | None = None
    on_news: OnNews = _tell_nobody
    entropy: Callable[[int], bytes] = secrets.token_bytes
    dice: Callable[[], float] = random.random
    clock: Callable[[], datetime] = _utc_now


class ResumableLink:
    """Looks like a Link to one stream, over any number of them."""

    def __init__(self, link: Link, state: ByteStream, terms: ResumeTerms) -> None:
        self._link: Link | None = link
        self._state = state
        self._terms = terms
        self._readable, self._writable = asyncio.Event(), asyncio.Event()
        self._readable.set()
        self._writable.set()
        self._tried = state.epoch
        self._links = 1
        self._since: datetime | None = None
        self._failure: AssistError | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the stream waits for a new link now."""
        return self._since is not None and self._failure is None

    def resume_with(self, key: bytes | None) -> None:
        """Prove with another key from now on; with None the next cut is the end."""
        self._terms = replace(self._terms, key=key)

    async def receive(self) -> str | bytes:
        """The next message of whatever link there is; waits while there is none. Raises what ended the stream."""
        while True:
            link = self._link
            if link is None:
                await self._until(self._readable)
                continue
            try:
                raw = await link.receive()
            except UnreachableError as error:
                self._cut(link, error)
                continue
            if link is self._link:
                return raw

    async def send_binary(self, frame: bytes) -> None:
        """Send a frame of the stream; waits while there is no link. Raises what ended the stream."""
        while True:
            link = self._link
            if link is not None and self._writable.is_set():
                try:
                    await link.send_binary(frame)
                    return
                except UnreachableError as error:
                    self._cut(link, error)
            await self._until(self._writable)
            if _EPOCH_AT.unpack_from(frame, 5)[0] != self._state.epoch:
                return  # the replay held its bytes, and told anew what else it said

    async def close(self) -> None:
        """Give the stream up and close its link; harmless when that happened already."""
        link, self._link = self._link, None
        self._fail(UnreachableError("the stream is closed"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if link is not None:
            await link.close()

    async def take(self, link: Link, epoch: int) -> None:
        """Go on over `link`, which the other end dialled for `epoch`, once it has proven itself.

        Raises RefusedError for an epoch that does not rise or a stream that is over, VerificationError and
        RemoteProtocolError when the proof fails; then `link` is dropped, and the stream waits for another.
        """
        if self._failure is not None or epoch <= self._state.epoch:
            link.abort()
            raise RefusedError(f"stream {self._state.stream}: epoch {epoch} does not go on from here", reason="epoch")
        if self._link is not None:
            self._cut(self._link, UnreachableError("the other end dialled again"))
        await self._adopt(link, epoch)

    # --- down and up again ------------------------------------------------------------------------

    async def _until(self, event: asyncio.Event) -> None:
        await event.wait()
        if self._failure is not None:
            raise self._failure

    def _cut(self, link: Link, why: UnreachableError) -> None:
        """`link` carries nothing any more. After the last frame of either end there is nothing to go on with."""
        link.abort()
        if link is not self._link or self._failure is not None:
            return
        if self._state.finished or self._state.peer_finished or self._terms.key is None:
            self._fail(why)
            return
        self._link = None
        self._readable.clear()
        self._writable.clear()
        if self._since is None:
            self._since = self._terms.clock()
            self._terms.on_news(LinkNews.CUT, self._since)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._come_back(why), name=f"resume of stream {self._state.stream}")

    async def _come_back(self, why: AssistError) -> None:
        """Until the link is back or the patience used up."""
        loop = asyncio.get_running_loop()
        last: AssistError = why
        try:
            async with asyncio.timeout(self._terms.patience_seconds):
                if self._terms.redial is None:
                    await loop.create_future()  # `take` ends this task once the other end is back
                failures = 0
                while True:
                    await asyncio.sleep(wait_seconds(failures, self._terms.dice()))
                    failures += 1
                    try:
                        return await self._try(self._terms.redial)
                    except RefusedError as error:
                        if error.reason in LASTING_REFUSALS:
                            return self._fail(error)
                        last = error
                    except AssistError as error:
                        last = error
        except TimeoutError:
            self._fail(self._too_long(last))
        except Exception as bug:  # a bug must not leave both ends waiting for ever
            self._fail(UnreachableError(f"the connection could not be resumed: {type(bug).__name__}"))
            raise

    async def _try(self, redial: Callable[[int, int], Awaitable[Link]] | None) -> None:
        assert redial is not None
        self._tried += 1
        epoch = self._tried
        try:
            async with asyncio.timeout(TRY_SECONDS):
                link = await redial(self._state.stream, epoch)
        except TimeoutError as error:
            raise UnreachableError("the other end did not take the redialled stream in time") from error
        await self._adopt(link, epoch)

    async def _adopt(self, link: Link, epoch: int) -> None:
        """Prove and have proven; then the new link carries the stream, what is missing first."""
        links = self._links
        try:
            received = await self._prove(link, epoch)
            if self._links != links or self._failure is not None:
                raise UnreachableError("another link came first")
            missing = self._state.resume(epoch, received)
        except BaseException:
            link.abort()
            raise
        self._links += 1
        self._link = link
        self._readable.set()  # both ends send again what was lost at once, so both must read meanwhile
        try:
            for frame in missing:
                await link.send_binary(frame)
            await link.send_binary(self._state.acknowledge())
        except UnreachableError as error:
            self._cut(link, error)
            raise
        if self._link is not link:
            raise UnreachableError("the new link was cut again")
        self._writable.set()
        self._come_up()

    async def _prove(self, link: Link, epoch: int) -> int:
        """How many of our bytes the other end has, by its own proven word."""
        state, terms = self._state, self._terms
        own = Standing(terms.entropy(32), state.sent, state.received)
        if terms.key is None:
            raise RefusedError("this stream cannot be resumed", reason="epoch")
        resumption = Resumption(terms.key, terms.role, stream=state.stream, epoch=epoch, own=own)
        try:
            async with asyncio.timeout(PROOF_SECONDS):
                await link.send_binary(resumption.hello())
                await link.send_binary(resumption.receive_hello(await _frame(link)))
                return resumption.receive_proof(await _frame(link))
        except TimeoutError as error:
            raise UnreachableError("the other end of the redialled stream proved nothing in time") from error

    def _come_up(self) -> None:
        since, self._since = self._since, None
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if since is not None:
            self._terms.on_news(LinkNews.BACK, since)

    def _fail(self, error: AssistError) -> None:
        if self._failure is not None:
            return
        self._failure = error
        if self._link is not None:
            self._link.abort()
            self._link = None
        self._readable.set()
        self._writable.set()
        if self._since is not None:
            self._terms.on_news(LinkNews.OVER, self._since)

    def _too_long(self, last: AssistError) -> UnreachableError:
        assert self._since is not None
        return UnreachableError(
            f"the connection was cut at {self._since.astimezone():%H:%M:%S} and did not come back within "
            f"{self._terms.patience_seconds:g} s: {last.message}",
            advice="Try again when the network is back; the session goes on until it is ended.",
        )


async def _frame(link: Link) -> bytes:
    raw = await link.receive()
    if isinstance(raw, str):
        raise RemoteProtocolError("the relay sent a text message where a resume is proven")
    return raw
