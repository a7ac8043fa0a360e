"""One channel of subsystem `remote-assist` at the agent: reads requests, runs one at a time, answers in order.

Rule 1: while a request runs, only its data, Resize, InputEnd and Cancel may come. Rule 2: a channel that goes away
stops the request that runs on it. Rule 3: errors leave as Refused (nothing was done) or Done (something was); never
as text.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from remote_assist.agent.actions import Action
from remote_assist.agent.gate import CANCELLED, DISCONNECTED, Gate, Performed, Running, Work
from remote_assist.agent.machine import Machine
from remote_assist.agent.texts import say
from remote_assist.core.messages import Acknowledgement, Message
from remote_assist.core.records import Actor
from remote_assist.core.requests import Accepted, Cancel, Done, InputEnd, Refused, Resize
from remote_assist.core.spoken import NewerPeer, too_new
from remote_assist.errors import (
    AssistError,
    RefusedError,
    RemoteProtocolError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from remote_assist.transport.channel import ErrorData, MessageChannel

INPUT_BYTES = 4 << 20
"""Input of a request kept here before the channel is no longer read (then SSH's window stops the sender)."""

LOOK_SECONDS = 0.5
"""How often a reader that waits for room looks whether the channel is still there."""


class Input:
    """Data frames on their way to the running request: bounded, with an end."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def read(self) -> bytes:
        """The next piece; empty at the end."""
        while not self._pieces:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        piece = self._pieces.popleft()
        self._took(len(piece))
        return piece

    def take_waiting(self, max_bytes: int) -> bytes:
        """What is here already, without waiting; whole pieces, about `max_bytes` at most."""
        parts: list[bytes] = []
        size = 0
        while self._pieces and size < max_bytes:
            parts.append(self._pieces.popleft())
            size += len(parts[-1])
        self._took(size)
        return b"".join(parts)

    def put(self, piece: bytes) -> None:
        """Add a piece; then ask `room` before the next."""
        if self._ended:
            raise RemoteProtocolError("data after its end")
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes >= INPUT_BYTES:
            self._room.clear()
        self._arrived.set()

    def end(self) -> None:
        self._ended = True
        self._arrived.set()

    @property
    def has_room(self) -> bool:
        """Whether more may be put now."""
        return self._room.is_set()

    async def room(self) -> None:
        """Wait until more may be put."""
        await self._room.wait()

    def _took(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < INPUT_BYTES:
            self._room.set()


@dataclass
class Ground:
    """Which machine a channel's requests act on: the agent's own, or one behind it."""

    place: str = ""
    machine: Machine | None = None

    def stand(self, place: str, machine: Machine) -> None:
        """Act on this machine from now on."""
        self.place, self.machine = place, machine

    def placed(self, action: Action) -> Action:
        """The action as it happens here: on a machine behind the agent's it names that machine and needs `hop` too."""
        if self.machine is None:
            return action
        what = say("what.there", what=action.what, place=self.place)
        return replace(action, what=what, place=self.place, also=(*action.also, "hop"))


@dataclass
class Caller:
    """Who asked for the request that runs now, and the way to answer. Executors see this and the gate, no more."""

    gate: Gate
    channel: MessageChannel
    actor: Actor
    key: str
    ground: Ground = field(default_factory=Ground)
    input: Input = field(default_factory=Input)
    running: Running | None = None
    accepted: bool = False
    answered: bool = False
    cancelled: str = ""
    on_resize: Callable[[int, int], None] | None = None
    """Called with columns and rows when the technician's window changes."""

    async def perform(self, action: Action, work: Work) -> Performed:
        """Let an action of this caller through the gate."""
        return await self.gate.perform(
            self.actor,
            self.key,
            self.ground.placed(action),
            work,
            wanted=self._wanted,
            begun=self._begun,
            machine=self.ground.machine,
        )

    async def accept(self, running: Running, *, size: int = 0, offset: int = 0, prefix_sha256: str = "") -> None:
        """Tell the caller that the act has started."""
        assert running.acknowledgement is not None
        self.accepted = True
        await self.channel.send(
            Accepted(
                action=running.number,
                acknowledgement=running.acknowledgement,
                size=size,
                offset=offset,
                prefix_sha256=prefix_sha256,
            )
        )

    async def finish(self, performed: Performed, acknowledgement: Acknowledgement | None = None) -> None:
        """Answer with how it ended: Done, or Refused when its work failed before anything was done."""
        ending = performed.ending
        if performed.error is not None and not self.accepted:
            await self.answer(refused(performed.error))
            return
        await self.answer(
            Done(
                action=performed.number,
                status=ending.status,
                exit=ending.exit,
                size=ending.size,
                sha256=ending.sha256,
                sentence=ending.sentence,
                truncated=ending.truncated,
                acknowledgement=acknowledgement,
            )
        )

    async def answer(self, message: Message) -> None:
        """Send the last message of this request; from now on the caller may ask the next thing."""
        self.answered = True
        await self.channel.send(message)

    def stop(self, reason: str) -> None:
        """Cancel or disconnect: also before the action has begun."""
        self.cancelled = self.cancelled or reason
        if self.running is not None:
            self.running.stop(reason)
        else:
            self.input.end()

    def _begun(self, running: Running) -> None:
        self.running = running

    def _wanted(self) -> bool:
        return not self.cancelled and self.channel.is_open


Executor = Callable[[Caller, Message], Awaitable[None]]


class Conversation:
    """The life of one channel."""

    def __init__(
        self, gate: Gate, channel: MessageChannel, actor: Actor, key: str, executors: Mapping[type[Message], Executor]
    ) -> None:
        self._gate = gate
        self._channel = channel
        self._actor = actor
        self._key = key
        self._executors = executors
        self._ground = Ground()
        self._caller: Caller | None = None
        self._task: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        """Serve requests until the channel ends. Raises RemoteProtocolError when the peer broke the protocol."""
        try:
            while True:
                try:
                    message = await self._channel.receive()
                except NewerPeer:
                    await self._not_known()
                else:
                    await self._take(message)
        except UnreachableError:
            return
        finally:
            await self._leave()

    async def _take(self, message: Message | bytes) -> None:
        if isinstance(message, bytes | Resize | Cancel | InputEnd):
            await self._feed(message)
            return
        if self._task is not None:
            if self._caller is not None and not self._caller.answered:
                raise RemoteProtocolError("a request while another one runs on this channel")
            await self._task
        caller = self._caller = Caller(self._gate, self._channel, self._actor, self._key, self._ground)
        self._task = asyncio.create_task(self._serve(caller, message))

    async def _not_known(self) -> None:
        """A newer program asked in words of its own: nothing is done, and it is told why."""
        if self._caller is not None and not self._caller.answered:
            raise RemoteProtocolError("a word that is not known here, within a request")
        await self._channel.send(refused(too_new(self._channel.peer)))

    async def _feed(self, message: bytes | Resize | Cancel | InputEnd) -> None:
        caller = self._caller
        if caller is None:
            return  # the request was over before this arrived
        if isinstance(message, Cancel):
            caller.stop(CANCELLED)
        elif isinstance(message, InputEnd):
            caller.input.end()
        elif isinstance(message, Resize):
            if caller.on_resize is not None:
                caller.on_resize(message.columns, message.rows)
        elif isinstance(message, ErrorData):
            raise RemoteProtocolError("standard error has no way to the agent")
        else:
            caller.input.put(message)
            await self._wait_for_room(caller)

    async def _wait_for_room(self, caller: Caller) -> None:
        if caller.input.has_room:
            return
        while caller is self._caller and self._channel.is_open:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await caller.input.room()
                    return

    async def _serve(self, caller: Caller, request: Message) -> None:
        try:
            await self._executors[type(request)](caller, request)
        except UnreachableError:
            return
        except AssistError as error:
            await self._say_no(caller, error)
        finally:
            if self._caller is caller:
                self._caller = None

    async def _say_no(self, caller: Caller, error: AssistError) -> None:
        number = "" if caller.running is None else caller.running.number
        answer = Done(action=number, status="failed", sentence=error.message) if caller.accepted else refused(error)
        try:
            await caller.answer(answer)
        except UnreachableError:
            return

    async def _leave(self) -> None:
        if self._caller is not None:
            self._caller.input.end()
            self._caller.stop(DISCONNECTED)
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def refused(error: AssistError) -> Refused:
    """What the caller is told when nothing was done."""
    kinds = {UsageError: "usage", VerificationError: "unverified"}
    reason = error.reason if isinstance(error, RefusedError) else kinds.get(type(error), "failed")
    return Refused(reason=reason, sentence=error.message, advice=error.advice)
