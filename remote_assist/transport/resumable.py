"""A link that survives cuts: the stream above sends and receives, whatever WebSocket happens to carry it.

    up ──cut──▶ down ──new link, both ends prove themselves──▶ what is missing is sent again ──▶ up
                  └──patience used up, or a no that lasts──▶ over: the stream is told why

The technician's end dials again, with growing waits; the agent's end is brought new links by `take`.
Rule 1: nothing of the stream changes before core/resume.py says that the other end is the one it was.
Rule 2: a frame is built when a link takes it, and only then: what it held is sent again from the replay.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from remote_assist.core.resume import LinkNews, Resumption, Role, Standing, wait_seconds
from remote_assist.core.stream import ByteStream
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.transport.frames import Message
from remote_assist.transport.link import Link

TRY_SECONDS = 12.0
"""How long one dial may take until the relay has put it through to the other end."""

PROOF_SECONDS = 10.0
"""How long the other end of a new link may take to prove itself."""

LASTING_REFUSALS = frozenset(
    {"absent", "ended", "expired", "not-logged-in", "revoked", "role", "stale", "transferred", "version"}
)
"""Reasons of the relay that no further dial will change."""


class Listener(Protocol):
    """Who sends and receives over it: told at once, within the call that read it. Raises nothing."""

    def arrived(self, message: Message) -> None:
        """The next message of the other end, or, as `str`, of the relay."""

    def closed(self, why: AssistError) -> None:
        """The link is over for good; said once."""

    def writable(self) -> None:
        """There is room, or a link, again."""


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
    """One link, or with `terms` any number of them one after the other, as one stream knows them."""

    def __init__(self, link: Link, state: ByteStream, terms: ResumeTerms | None) -> None:
        self._link: Link | None = link
        self._state = state
        self._terms = terms
        self._listener: Listener | None = None
        self._adopting: Link | None = None
        """A new link that carries what was lost; nothing new goes out before that."""
        self._is_paused = False
        self._tried = state.epoch
        self._links = 1
        self._since: datetime | None = None
        self._failure: AssistError | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the stream waits for a new link now."""
        return self._since is not None and self._failure is None

    @property
    def is_writable(self) -> bool:
        """Whether a frame built now is taken at once."""
        return self._link is not None and self._adopting is None and self._link.is_writable

    def resume_with(self, key: bytes | None) -> None:
        """Prove with another key from now on; with None the next cut is the end."""
        if self._terms is not None:
            self._terms = replace(self._terms, key=key)

    def begin(self, listener: Listener) -> None:
        """From now on `listener` is told what comes; first of what has come already."""
        self._listener = listener
        if self._link is not None:
            self._link.tell(self)
        elif self._failure is not None:
            listener.closed(self._failure)

    def send(self, frame: bytes) -> None:
        """Send a frame of the stream on the link there is; ask `is_writable` before it is built."""
        assert self._link is not None
        self._link.write(frame)

    def pause_reading(self) -> None:
        """Let what comes wait in the network. What was read already still comes."""
        self._is_paused = True
        if self._link is not None:
            self._link.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._is_paused = False
        if self._link is not None:
            self._link.resume_reading()

    async def close(self) -> None:
        """Give the stream up and close its link; harmless when that happened already."""
        link, self._link, self._listener = self._link, None, None
        self._fail(UnreachableError("the stream is closed"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if link is not None:
            await link.close()

    # --- transport.link.Taker ---------------------------------------------------------------------

    def arrived(self, link: Link, message: Message) -> None:
        if link is self._link and self._listener is not None:
            self._listener.arrived(message)

    def closed(self, link: Link, why: UnreachableError) -> None:
        self._cut(link, why)

    def writable(self, link: Link) -> None:
        if link is self._link and self._listener is not None and self._adopting is None:
            self._listener.writable()

    # --- down and up again ------------------------------------------------------------------------

    async def take(self, link: Link, epoch: int) -> None:
        """Go on over `link`, which the other end dialled for `epoch`, once it has proven itself.

        Raises RefusedError for an epoch that does not rise or a stream that is over, VerificationError and
        RemoteProtocolError when the proof fails; then `link` is dropped, and the stream waits for another.
        """
        if self._terms is None or self._terms.key is None:
            link.abort()
            raise RefusedError("this stream cannot be resumed", reason="epoch")
        if self._failure is not None or epoch <= self._state.epoch:
            link.abort()
            raise RefusedError(f"stream {self._state.stream}: epoch {epoch} does not go on from here", reason="epoch")
        if self._link is not None:
            self._cut(self._link, UnreachableError("the other end dialled again"))
        await self._adopt(link, epoch)

    def _cut(self, link: Link, why: UnreachableError) -> None:
        """`link` carries nothing any more. After the last frame of either end there is nothing to go on with."""
        link.abort()
        if link is not self._link or self._failure is not None:
            return
        terms = self._terms
        if terms is None or terms.key is None or self._state.finished or self._state.peer_finished:
            self._fail(why)
            return
        self._link = None
        if self._since is None:
            self._since = terms.clock()
            terms.on_news(LinkNews.CUT, self._since)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._come_back(terms, why), name=f"resume of stream {self._state.stream}")

    async def _come_back(self, terms: ResumeTerms, why: AssistError) -> None:
        """Until the link is back or the patience used up."""
        loop = asyncio.get_running_loop()
        last: AssistError = why
        try:
            async with asyncio.timeout(terms.patience_seconds):
                while terms.redial is None:
                    await loop.create_future()  # `take` ends this task once the other end is back
                failures = 0
                while True:
                    await asyncio.sleep(wait_seconds(failures, terms.dice()))
                    failures += 1
                    try:
                        return await self._try(terms.redial)
                    except RefusedError as error:
                        if error.reason in LASTING_REFUSALS:
                            return self._fail(error)
                        last = error
                    except AssistError as error:
                        last = error
        except TimeoutError:
            self._fail(self._too_long(last, terms.patience_seconds))
        except Exception as bug:  # a bug must not leave both ends waiting for ever
            self._fail(UnreachableError(f"the connection could not be resumed: {type(bug).__name__}"))
            raise

    async def _try(self, redial: Callable[[int, int], Awaitable[Link]]) -> None:
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
        self._link = self._adopting = link
        link.tell(self)  # both ends send again what was lost at once, so both must read meanwhile
        if self._is_paused:
            link.pause_reading()
        try:
            for frame in missing:
                await link.send_binary(frame)
            await link.send_binary(self._state.acknowledge())
        except UnreachableError as error:
            self._cut(link, error)
            raise
        finally:
            if self._adopting is link:
                self._adopting = None
        if self._link is not link:
            raise UnreachableError("the new link was cut again")
        self._come_up()

    async def _prove(self, link: Link, epoch: int) -> int:
        """How many of our bytes the other end has, by its own proven word."""
        state, terms = self._state, self._terms
        if terms is None or terms.key is None:
            raise RefusedError("this stream cannot be resumed", reason="epoch")
        own = Standing(terms.entropy(32), state.sent, state.received)
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
        if since is not None and self._terms is not None:
            self._terms.on_news(LinkNews.BACK, since)
        if self._listener is not None:
            self._listener.writable()

    def _fail(self, error: AssistError) -> None:
        if self._failure is not None:
            return
        self._failure = error
        link, self._link = self._link, None
        if link is not None:
            link.abort()
        if self._since is not None and self._terms is not None:
            self._terms.on_news(LinkNews.OVER, self._since)
        if self._listener is not None:
            self._listener.closed(error)

    def _too_long(self, last: AssistError, patience_seconds: float) -> UnreachableError:
        assert self._since is not None
        return UnreachableError(
            f"the connection was cut at {self._since.astimezone():%H:%M:%S} and did not come back within "
            f"{patience_seconds:g} s: {last.message}",
            advice="Try again when the network is back; the session goes on until it is ended.",
        )


async def _frame(link: Link) -> bytes:
    raw = await link.receive()
    if isinstance(raw, str):
        raise RemoteProtocolError("the relay sent a text message where a resume is proven")
    return raw
