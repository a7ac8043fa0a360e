"""The agent's one control connection: proves whose session it is, carries records out and offers of streams in.

    dial → Challenge → Join (signed by the session's host key) → Joined → Append … ◀ Acknowledged, StreamOffered
                                                               AskCheckpoint ◀ CheckpointGiven

Rule 1: whatever cuts it, it is dialled again with growing, scattered waits until the session is over.
Rule 2: a message of the relay changes no consent; the worst the relay can do is withhold.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from remote_assist.agent.record.log_watch import LogWatch
from remote_assist.agent.record.recorder import Recorder
from remote_assist.agent.record.uploads import Uploads
from remote_assist.core.codec import decode, encode
from remote_assist.core.messages import (
    PROTOCOL_VERSION,
    Acknowledged,
    AppendRefused,
    AskCheckpoint,
    AskSuccessions,
    Challenge,
    CheckpointGiven,
    ChunkRefused,
    ChunkStored,
    Join,
    Joined,
    ListGiven,
    RelayRefused,
    SessionClosed,
    StoreRoom,
    StreamOffered,
    SuccessionsGiven,
    TicketClosed,
    ToAgent,
)
from remote_assist.core.records import join_bytes
from remote_assist.core.resume import wait_seconds
from remote_assist.core.room import Room, room_of
from remote_assist.core.signing.keys import PrivateKey, public_line
from remote_assist.core.signing.sshsig import sign
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UnreachableError, VerificationError
from remote_assist.transport.link import Link

JOIN_SECONDS = 20.0
ANSWER_SECONDS = 10.0
"""How long the relay may take to answer about its log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the control connection proves: the session and the key it was paired with, at this relay."""

    session: str
    origin: str
    host_key: PrivateKey

    def join(self, nonce: bytes) -> Join:
        """The answer to the relay's challenge."""
        return Join(
            version=PROTOCOL_VERSION,
            session=self.session,
            host_key=public_line(self.host_key),
            signature=sign(self.host_key, "join", join_bytes(self.origin, self.session, nonce)),
        )


class Control:
    """Keeps the control connection. `up` says whether the relay hears us now."""

    def __init__(
        self,
        identity: Identity,
        recorder: Recorder,
        *,
        dial: Callable[[], Awaitable[Link]],
        on_stream: Callable[[StreamOffered], None],
        on_change: Callable[[bool], None],
        on_ticket_closed: Callable[[], None] = lambda: None,
        on_list: Callable[[bytes], None] = lambda _signed: None,
        log: LogWatch | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        self.up = False
        self._down_at = 0.0
        self._hears = asyncio.Event()
        self.relay_room = Room.FINE
        """How much room the relay's disk has, as it last said."""
        self.closed = asyncio.Event()
        """Set when the relay said that it holds the session's end."""
        self._joined = asyncio.Event()
        self._refusal: RefusedError | None = None
        self._failures = 0
        self._identity = identity
        self._recorder = recorder
        self._uploads = uploads
        self._dial = dial
        self._on_stream = on_stream
        self._on_change = on_change
        self._on_ticket_closed = on_ticket_closed
        self._on_list = on_list
        self._log = log
        self._link: Link | None = None
        self._asking = asyncio.Lock()
        self._answer: asyncio.Future[CheckpointGiven | SuccessionsGiven] | None = None

    async def run(self) -> None:
        """Join and rejoin until cancelled or the relay holds the end.

        Raises RefusedError when no dial will ever work, VerificationError when the relay's log does not hold.
        """
        while not self._is_over:
            try:
                await self._connection()
            except RefusedError as error:
                if error.reason in LASTING_REFUSALS:
                    self._refusal = error
                    self._joined.set()
                    raise
            except (UnreachableError, RemoteProtocolError, TimeoutError):
                pass  # a network or a relay that comes and goes; the wait below grows
            if not self._is_over:
                await asyncio.sleep(self._wait())

    @property
    def _is_over(self) -> bool:
        """The relay holds the session's end, and every chunk of it."""
        return self.closed.is_set() and (self._uploads is None or not self._uploads.undelivered)

    async def joined(self, deadline_seconds: float) -> None:
        """Wait for the first connection. Raises UnreachableError when there is none in time, RefusedError for good."""
        try:
            async with asyncio.timeout(deadline_seconds):
                await self._joined.wait()
        except TimeoutError as error:
            raise UnreachableError("the relay did not take the session in time") from error
        if self._refusal is not None:
            raise self._refusal

    async def within_grace(self, seconds: float) -> None:
        """Return at once while the relay hears us or went away less than so long ago; else once it is back."""
        if not self.up and asyncio.get_running_loop().time() - self._down_at >= seconds:
            await self._hears.wait()

    async def _connection(self) -> None:
        link = await self._dial()
        try:
            await self._join(link)
            self._link = link
            await _first_of(self._read(link), self._write(link), self._upload(link), self._watch_log())
        finally:
            self._link = None
            self._change(False)
            await link.close()

    async def ask(self, question: AskCheckpoint) -> CheckpointGiven:
        """Ask the relay about its log. Raises UnreachableError: not connected, or no answer in time."""
        answer = await self._ask(question)
        if not isinstance(answer, CheckpointGiven):
            raise UnreachableError("the relay answered something else than it was asked")
        return answer

    async def successions(self) -> tuple[str, ...]:
        """How the log's keys followed each other; an older relay never changed its own. Raises UnreachableError."""
        if self._link is not None and not self._link.relay_speaks.knows(AskSuccessions):
            return ()
        answer = await self._ask(AskSuccessions())
        return answer.notes if isinstance(answer, SuccessionsGiven) else ()

    async def _ask(self, question: AskCheckpoint | AskSuccessions) -> CheckpointGiven | SuccessionsGiven:
        async with self._asking:
            if self._link is None:
                raise UnreachableError("the relay is not connected now")
            self._answer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._link.send_text(encode(question))
                    return await self._answer
            except TimeoutError as error:
                raise UnreachableError("the relay does not answer about its log") from error
            finally:
                self._answer = None

    async def _watch_log(self) -> None:
        if self._log is None:
            await asyncio.Event().wait()
        else:
            await self._log.watch(self)

    async def _join(self, link: Link) -> None:
        async with asyncio.timeout(JOIN_SECONDS):
            challenge = _message(await link.receive())
            if not isinstance(challenge, Challenge):
                raise _unexpected(challenge)
            await link.send_text(encode(self._identity.join(challenge.nonce)))
            joined = _message(await link.receive())
        if not isinstance(joined, Joined):
            raise _unexpected(joined)
        self._recorder.joined(joined.records)
        if self._uploads is not None:
            self._uploads.joined()
        self._check_trust()
        self._failures = 0
        self._change(True)
        self._joined.set()

    async def _write(self, link: Link) -> None:
        while True:
            await link.send_text(encode(await self._recorder.next_batch()))

    async def _upload(self, link: Link) -> None:
        if self._uploads is None:
            await asyncio.Event().wait()
        else:
            while True:
                await link.send_text(encode(await self._uploads.next_upload()))

    async def _read(self, link: Link) -> None:
        while not self._is_over:
            message = _message(await link.receive())
            match message:
                case Acknowledged():
                    await self._recorder.receive(message.acknowledgements)
                case AppendRefused():
                    self._recorder.refused(message)
                    self._check_trust()
                case ChunkStored() | ChunkRefused() if self._uploads is not None:
                    await self._uploads.answered(message)
                case StoreRoom():
                    self.relay_room = room_of(message.level)
                case CheckpointGiven() | SuccessionsGiven():
                    if self._answer is not None and not self._answer.done():
                        self._answer.set_result(message)
                case StreamOffered():
                    self._on_stream(message)
                case SessionClosed():
                    self.closed.set()
                case TicketClosed():
                    self._on_ticket_closed()
                case ListGiven():
                    self._on_list(message.signed)
                case _:
                    raise _unexpected(message)

    def _check_trust(self) -> None:
        if self._recorder.distrust:
            raise VerificationError(self._recorder.distrust, where="relay's log")

    def _change(self, up: bool) -> None:
        if up != self.up:
            self.up = up
            self._down_at = asyncio.get_running_loop().time()
            (self._hears.set if up else self._hears.clear)()
            self._on_change(up)

    def _wait(self) -> float:
        wait = wait_seconds(self._failures, random.random())  # noqa: S311  # scatter, not a secret
        self._failures += 1
        return wait


LASTING_REFUSALS = frozenset({"unknown-session", "other-key", "bad-signature", "version", "ended"})
"""Refusals that no further dial will change."""


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run these side by side until one ends; end the others; raise what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _message(raw: str | bytes) -> object:
    if isinstance(raw, bytes):
        raise RemoteProtocolError("the relay sent a binary message on the control connection")
    return decode(raw, ToAgent)  # type: ignore[arg-type]  # a union of tagged structs


def _unexpected(message: object) -> AssistError:
    if isinstance(message, RelayRefused):
        return RefusedError(message.sentence, reason=message.reason, advice=message.advice)
    return RemoteProtocolError(f"the relay sent {type(message).__name__} out of turn")
