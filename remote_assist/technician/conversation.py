"""One request at a time with the agent, over one channel: sends it, sorts the answers, keeps the acknowledgements.

Rule 1: an acknowledgement is verified against the organisation's log keys before it is believed or kept; one that
does not hold ends the conversation.
Rule 2: a refusal becomes an error here, once; nobody else reads `Refused`.
After `Accepted` there is no deadline: a program may run for hours, and a dead link ends the wait by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from remote_assist.core.messages import Acknowledgement, Message
from remote_assist.core.records import verify_acknowledgement
from remote_assist.core.requests import (
    KIND_DATA,
    KIND_ERROR,
    Accepted,
    AskStatus,
    ChatLine,
    CheckpointSeen,
    Done,
    EndSession,
    Entry,
    EstimateLook,
    Expected,
    FolderListed,
    FollowChat,
    Listing,
    Plan,
    Progress,
    Refused,
    Request,
    ShowCheckpoint,
    Status,
    UseMachine,
)
from remote_assist.errors import (
    AssistError,
    AuditUnavailable,
    ConsentDenied,
    RefusedError,
    RemoteProtocolError,
    UnreachableError,
    VerificationError,
)
from remote_assist.technician.session_folder import SessionFolder
from remote_assist.transport.channel import ErrorData, MessageChannel

TYPING_SECONDS = 150.0
"""How long the way to another machine may take: the customer may have to type a password, or to compare a key."""

MAX_ENTRIES = 100_000
"""Most names taken of one listing."""

AUDIT_REASONS = ("aborted", "link", "unacknowledged", "store-failed", "store-full", "too-slow")
"""Refusals that mean: no durable record, so no action."""

OnProgress = Callable[[Progress], None]
OnListed = Callable[[FolderListed], None]
OnData = Callable[[int, bytes], Awaitable[None]]
"""Given the kind of frame (KIND_DATA or KIND_ERROR) and its bytes."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The technician's copy of what the relay promised."""

    session: str
    folder: SessionFolder
    log_keys: Collection[str]

    async def keep(self, acknowledgement: Acknowledgement) -> None:
        """Verify and store. Raises VerificationError."""
        if acknowledgement.session != self.session:
            raise VerificationError("the agent showed an acknowledgement of another session", where=self.session)
        verify_acknowledgement(acknowledgement, self.log_keys)
        await asyncio.to_thread(self.folder.add_acknowledgement, acknowledgement)


@dataclass(slots=True)
class Result:
    """Everything one request was answered with."""

    accepted: Accepted | None = None
    done: Done | None = None
    status: Status | None = None
    plan: Plan | None = None
    entries: list[Entry] = field(default_factory=list)
    truncated: bool = False


class Conversation:
    """A channel with its ledger. Not for two requests at once."""

    def __init__(self, channel: MessageChannel, ledger: Ledger, *, deadline_seconds: float) -> None:
        self._channel = channel
        self._ledger = ledger
        self._deadline = deadline_seconds
        self._running = False

    async def begin(self, request: Request, *, deadline_seconds: float | None = None) -> Accepted:
        """Send a request; answer its acceptance. Raises RefusedError and its kinds, UnreachableError."""
        self._running = True
        await self._channel.send(request)
        first = await self._first(deadline_seconds or self._deadline)
        if not isinstance(first, Accepted):
            raise RemoteProtocolError(f"a {type(first).__name__} where an acceptance belongs")
        await self._ledger.keep(first.acknowledgement)
        return first

    async def finish(
        self,
        *,
        on_progress: OnProgress | None = None,
        on_data: OnData | None = None,
        on_listed: OnListed | None = None,
    ) -> Result:
        """Take everything up to Done."""
        result = Result()
        while True:
            answer = await self._channel.receive()
            if isinstance(answer, FolderListed) and on_listed is not None:
                on_listed(answer)
            elif isinstance(answer, Message):
                if await self._take(answer, result, on_progress):
                    return result
            elif on_data is None:
                raise RemoteProtocolError("data where none was asked for")
            else:
                await on_data(KIND_ERROR if isinstance(answer, ErrorData) else KIND_DATA, answer)

    async def next_piece(self) -> bytes | Done:
        """The next data of the running request, of either kind, or how it ended. Raises as `finish`."""
        result = Result()
        while not isinstance(answer := await self._channel.receive(), bytes):
            if await self._take(answer, result, None):
                assert result.done is not None
                return result.done
        return answer

    async def stand_on(self, machine: UseMachine) -> None:
        """Have the requests of this channel act on another machine. Raises RefusedError, UnreachableError."""
        try:
            result = await self.ask(machine, deadline_seconds=TYPING_SECONDS)
        except BaseException:
            await self.close()
            raise
        if result.done is not None:
            check_done(result.done)

    async def ask(self, request: Request, *, deadline_seconds: float | None = None) -> Result:
        """A request that neither sends nor receives data, from first to last answer."""
        if isinstance(request, AskStatus):
            await self._channel.send(request)
            status = await self._first(self._deadline)
            if not isinstance(status, Status):
                raise RemoteProtocolError(f"a {type(status).__name__} where a status belongs")
            return Result(status=status)
        if isinstance(request, EndSession):  # ending is no action, so nothing is accepted: Done is the whole answer
            self._running = True
            await self._channel.send(request)
            return await self.finish()
        accepted = await self.begin(request, deadline_seconds=deadline_seconds)
        result = await self.finish()
        result.accepted = accepted
        return result

    async def estimate(self, request: EstimateLook) -> Expected:
        """What a bundle takes by the agent's reckoning."""
        await self._channel.send(request)
        answer = await self._first(self._deadline)
        if not isinstance(answer, Expected):
            raise RemoteProtocolError(f"a {type(answer).__name__} where an estimate belongs")
        return answer

    async def show_checkpoint(self, note: str) -> CheckpointSeen:
        """Show the agent a checkpoint; answer the one it sees."""
        await self._channel.send(ShowCheckpoint(checkpoint=note))
        answer = await self._first(self._deadline)
        if not isinstance(answer, CheckpointSeen):
            raise RemoteProtocolError(f"a {type(answer).__name__} where a checkpoint belongs")
        return answer

    async def follow(self, request: FollowChat, on_line: Callable[[ChatLine], None]) -> None:
        """Send `request` and hand on chat lines until the agent says that there will be no more."""
        self._running = True
        await self._channel.send(request)
        while not isinstance(answer := await self._channel.receive(), Done):
            if isinstance(answer, Refused):
                self._running = False
                raise error_of(answer)
            if not isinstance(answer, ChatLine):
                raise RemoteProtocolError(f"a {type(answer).__name__} where a chat line belongs")
            on_line(answer)
        self._running = False

    async def send(self, message: Message) -> None:
        """A message that belongs to the running request."""
        await self._channel.send(message)

    async def send_data(self, view: bytes | memoryview) -> None:
        """Data of the running request; waits while the agent is behind."""
        await self._channel.send_data(view)

    @property
    def is_quiet(self) -> bool:
        """Whether the last request was answered to its end, so that another may follow."""
        return not self._running and self._channel.is_open

    async def close(self) -> None:
        """Close the channel; a request that runs is cancelled by the agent."""
        await self._channel.close()

    async def _first(self, deadline_seconds: float) -> Message:
        try:
            async with asyncio.timeout(deadline_seconds):
                answer = await self._channel.receive()
        except TimeoutError as error:
            raise UnreachableError(
                "the agent did not answer in time", advice="Try again; if it stays so, invite the customer anew."
            ) from error
        if not isinstance(answer, Message):
            raise RemoteProtocolError("data before an answer")
        if isinstance(answer, Refused):
            self._running = False
            raise error_of(answer)
        return answer

    async def _take(self, answer: Message, result: Result, on_progress: OnProgress | None) -> bool:
        match answer:
            case Progress():
                if on_progress is not None:
                    on_progress(answer)
            case Listing():
                result.entries.extend(answer.entries)
                result.truncated = result.truncated or answer.truncated
                if len(result.entries) > MAX_ENTRIES:
                    raise RemoteProtocolError(f"a listing of more than {MAX_ENTRIES} names")
            case Plan():
                result.plan = answer
            case Done():
                if answer.acknowledgement is not None:
                    await self._ledger.keep(answer.acknowledgement)
                result.done = answer
                self._running = False
                return True
            case Refused():
                self._running = False
                raise error_of(answer)
            case _:
                raise RemoteProtocolError(f"a {type(answer).__name__} out of turn")
        return False


def error_of(refused: Refused) -> AssistError:
    """The error a refusal stands for."""
    kinds: dict[str, type[RefusedError]] = {
        "denied": ConsentDenied,
        "timed-out": ConsentDenied,
        **dict.fromkeys(AUDIT_REASONS, AuditUnavailable),
    }
    if refused.reason == "unverified":
        return VerificationError(refused.sentence, where="agent", advice=refused.advice)
    if refused.reason == "failed":
        return AssistError(refused.sentence, advice=refused.advice)
    return kinds.get(refused.reason, RefusedError)(refused.sentence, reason=refused.reason, advice=refused.advice)


def check_done(done: Done) -> Done:
    """The outcome, when it is a success. Raises AuditUnavailable (aborted), RefusedError (denied), AssistError."""
    if done.status in {"done", "resolved"}:
        return done
    sentence = done.sentence or f"the agent reports: {done.status}"
    if done.status == "aborted":
        raise AuditUnavailable(sentence, reason="aborted")
    if done.status == "denied":
        raise ConsentDenied(sentence, reason="denied")
    raise AssistError(sentence)
