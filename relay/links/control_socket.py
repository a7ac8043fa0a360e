"""WS /v1/agent: an agent proves its host key, then sends records and is told of streams.

    Challenge ▶ ◀ Join ─ signature ─ Joined ▶        ◀ Append … Acknowledged ▶        StreamOffered ▶

    StoreChunk, AskCheckpoint, AskProofs, AskSuccessions: answered beside the Appends, a few at a time

Rule 1: acknowledgements leave only after the commit, in the order of the Appends.
Rule 2: a session's agent counts as connected only once the session exists: after its first record is stored.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime

from aiohttp import web
from sqlalchemy import Connection

from relay.access import Caller, Verb
from relay.limits.penalties import Penalties
from relay.limits.sources import address_of
from relay.links.appends import Appends, Pending
from relay.links.presence import Presence
from relay.links.sockets import OpenSockets, RelaySocket, hear, log_refusal, refuse, say
from relay.links.switchboard import AgentLine, Switchboard
from relay.log.admission import SessionKeys
from relay.log.checkpoints import Checkpoints
from relay.log.chunks import Chunks
from relay.log.sessions import read_keys, read_proofs
from relay.log.tree import TreeReader
from relay.proven import check_proven
from relay.storage.store import Store
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.codes import is_session_id
from remote_assist.core.messages import (
    Acknowledged,
    Append,
    AppendRefused,
    AskCheckpoint,
    AskProofs,
    AskSuccessions,
    Challenge,
    CheckpointGiven,
    ChunkRefused,
    FromAgent,
    Join,
    Joined,
    ListGiven,
    ProofsGiven,
    SessionClosed,
    StoreChunk,
    StoreRoom,
    SuccessionsGiven,
)
from remote_assist.core.records import format_time
from remote_assist.core.room import Room
from remote_assist.core.signing.keys import load_public
from remote_assist.core.spoken import HEADER, Spoken, check_caller, spoken_by
from remote_assist.errors import RefusedError, RemoteProtocolError, UsageError

MAX_PENDING = 64
"""Appends of one agent that may wait for the disk; beyond, its socket is read no further."""

MAX_QUESTIONS = 4
"""Questions of one agent about the log at once."""

OTHER_NODE_SECONDS = 3.0
"""How long a checkpoint that another node signed may take to be seen at this one."""

MAX_STORING = 8
"""Chunks of one agent on their way to the disk at once."""

MAX_REFUSALS = 64
"""Refused Appends on one connection before it is closed."""

Question = AskCheckpoint | AskProofs | AskSuccessions
"""What an agent may ask about the log."""

Queue = asyncio.Queue[tuple[Pending, float] | None]
"""Appends on their way to the disk, each with the time it was read."""


class ControlSocket:
    """Serves agents' control connections."""

    def __init__(
        self,
        store: Store,
        appends: Appends,
        chunks: Chunks,
        checkpoints: Checkpoints,
        switchboard: Switchboard,
        penalties: Penalties,
        sockets: OpenSockets,
        *,
        origins: Collection[str],
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        max_bytes: int,
        handshake_seconds: float,
        opening_seconds: float,
        known: Callable[[web.Request], None],
        presence: Presence,
        room: Callable[[], Room],
        narrowing: Callable[[], Sequence[bytes]],
        acknowledged: Callable[[float], None],
    ) -> None:
        self._store = store
        self._appends = appends
        self._chunks = chunks
        self._checkpoints = checkpoints
        self._switchboard = switchboard
        self._penalties = penalties
        self._sockets = sockets
        self._origins = origins
        self._clock = clock
        self._entropy = entropy
        self._max_bytes = max_bytes
        self._handshake_seconds = handshake_seconds
        self._opening_seconds = opening_seconds
        self._known = known
        self._presence = presence
        self._room = room
        self._narrowing = narrowing
        self._acknowledged = acknowledged

    async def agent(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """One agent, from its proof to its end."""
        source = address_of(request)
        self._penalties.check(source, self._clock())
        socket = await self._sockets.upgrade(request, max_bytes=self._max_bytes)
        try:
            async with asyncio.timeout(self._handshake_seconds):
                session, keys, stored = await self._prove(socket)
        except TimeoutError:
            error = RefusedError("the agent did not prove itself in time", reason="too-slow")
            return await refuse(socket, error, Verb.AGENT, source)
        except (RemoteProtocolError, RefusedError) as fault:
            self._penalties.failed(source, self._clock())
            return await refuse(socket, fault, Verb.AGENT, source)
        self._known(request)
        await say(socket, Joined(records=stored, relay_time=format_time(self._clock())))
        line = AgentLine(session, socket, spoken_by(request.headers.get(HEADER, "")))
        if self._room() is not Room.FINE:
            await line.say(StoreRoom(level=self._room().word))
        for signed in self._narrowing() if stored else ():  # a new session was made with the newest
            await line.say(ListGiven(signed=signed))
        try:
            await self._converse(line, keys, opened=stored > 0)
        except (RemoteProtocolError, RefusedError) as fault:
            await refuse(socket, fault, Verb.AGENT, source)
        return socket

    # --- who it is --------------------------------------------------------------------------------

    async def _prove(self, socket: RelaySocket) -> tuple[str, SessionKeys, int]:
        """Challenge and Join: (session, its keys, records stored). Raises RefusedError, RemoteProtocolError."""
        nonce = self._entropy(32)
        await say(socket, Challenge(nonce=nonce))
        join = await hear(socket, Join)
        if join is None:
            raise RefusedError("the agent left", reason="gone")
        check_caller(Spoken(join.version, 0), "agent")
        if not is_session_id(join.session):
            raise RemoteProtocolError("the session id is malformed")
        host_key = self._proven_key(join, nonce)
        known, stored = await self._store.read(lambda connection: read_keys(connection, join.session))
        if known is None:
            return join.session, SessionKeys(host_key), 0
        if host_key not in (known.host_key, known.journal_key):
            raise RefusedError("this is not the host key of the session", reason="bad-signature")
        return join.session, known, stored

    def _proven_key(self, join: Join, nonce: bytes) -> str:
        check_proven(
            "the agent",
            join.session,
            join.host_key,
            join.signature,
            purpose="join",
            origins=self._origins,
            nonce=nonce,
        )
        return load_public(join.host_key)

    # --- what it says -----------------------------------------------------------------------------

    async def _converse(self, line: AgentLine, keys: SessionKeys, *, opened: bool) -> None:
        """Read and answer side by side until either ends."""
        pending: Queue = asyncio.Queue(MAX_PENDING)
        if opened:
            await self._connect(line)
        try:
            async with asyncio.timeout(None if opened else self._opening_seconds) as opening:
                reading = asyncio.create_task(self._read(line, keys, pending))
                answering = asyncio.create_task(self._answer(line, pending, opening))
                await _both(reading, answering)
        except TimeoutError:
            raise RefusedError("the session was not opened in time", reason="too-slow") from None
        finally:
            if self._switchboard.disconnect(line):
                await self._presence.left(line.session)

    async def _read(self, line: AgentLine, keys: SessionKeys, pending: Queue) -> None:
        questions: set[asyncio.Task[None]] = set()
        storing: set[asyncio.Task[None]] = set()
        try:
            while (message := await _heard(line.socket)) is not None:
                if isinstance(message, Question):
                    await self._question(line, message, questions)
                    continue
                if isinstance(message, StoreChunk):
                    await self._chunk(line, message, storing)
                    continue
                if message.session != line.session:
                    raise RemoteProtocolError("an Append for another session")
                begun = asyncio.get_running_loop().time()
                offered = await self._appends.offer(message, keys)
                keys = offered.keys
                await pending.put((offered, begun))
        finally:
            for question in (*questions, *storing):
                question.cancel()
            # What was queued for the writer is stored and answered even when the agent says nothing more.
            with suppress(asyncio.QueueFull):
                pending.put_nowait(None)

    async def _question(self, line: AgentLine, message: Question, questions: "set[asyncio.Task[None]]") -> None:
        """Answer beside the Appends, whose acknowledgements must not wait for a checkpoint."""
        if len(questions) >= MAX_QUESTIONS:
            await asyncio.wait(questions, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._answered(line, message))
        questions.add(task)
        task.add_done_callback(questions.discard)

    async def _answered(self, line: AgentLine, question: Question) -> None:
        match question:
            case AskCheckpoint():
                await self._checkpoint(line, question)
            case AskProofs():
                await self._proofs(line, question)
            case AskSuccessions():
                notes = await asyncio.to_thread(lambda: self._checkpoints.successions)
                await say(line.socket, SuccessionsGiven(notes=notes))

    async def _chunk(self, line: AgentLine, message: StoreChunk, storing: "set[asyncio.Task[None]]") -> None:
        """Store beside the Appends; beyond a few at once the socket is read no further."""
        if message.session != line.session:
            raise RemoteProtocolError("a chunk of another session")
        if len(storing) >= MAX_STORING:
            await asyncio.wait(storing, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._store_chunk(line, message))
        storing.add(task)
        task.add_done_callback(storing.discard)

    async def _store_chunk(self, line: AgentLine, message: StoreChunk) -> None:
        answer = await self._chunks.keep(message)
        if isinstance(answer, ChunkRefused):
            log_refusal(Verb.AGENT, answer.reason, line.session, seq=answer.seq)
        await say(line.socket, answer)

    async def _checkpoint(self, line: AgentLine, asked: AskCheckpoint) -> None:
        answer = CheckpointGiven(since=asked.since)
        with suppress(RefusedError):
            found = await self._newest(asked)
            answer = await self._store.read(lambda c: self._shown(c, line.session, asked, found))
        await say(line.socket, answer)

    def _shown(self, connection: Connection, session: str, asked: AskCheckpoint, found: Checkpoint) -> CheckpointGiven:
        note = self._checkpoints.signed_for(connection, session, found).note
        proof: tuple[bytes, ...] = ()
        if 0 <= asked.since <= found.size:
            proof = TreeReader(connection).consistency(asked.since, found.size)
        return CheckpointGiven(since=asked.since, checkpoint=note, consistency=proof)

    async def _newest(self, asked: AskCheckpoint) -> Checkpoint:
        """The checkpoint to answer with. Whoever asks may have seen a later one of another node, which is here in a
        moment; where it never comes, what is here is shown, so that they can convict a log that was rolled back.
        """
        if asked.since > asked.index + 1:
            with suppress(RefusedError):
                return await self._checkpoints.covering(asked.since - 1, seconds=OTHER_NODE_SECONDS)
        return await self._checkpoints.covering(asked.index)

    async def _proofs(self, line: AgentLine, asked: AskProofs) -> None:
        proofs: tuple[tuple[bytes, ...], ...] = ()
        with suppress(UsageError):
            proofs = await self._store.read(lambda c: read_proofs(c, line.session, asked.start, asked.size))
        await say(line.socket, ProofsGiven(start=asked.start, size=asked.size, proofs=proofs))

    async def _answer(self, line: AgentLine, pending: Queue, opening: asyncio.Timeout) -> None:
        refusals = 0
        while (one := await pending.get()) is not None:
            offered, begun = one
            settled = await self._appends.settle(offered)
            if settled.acknowledgements:
                if opening.when() is not None:
                    opening.reschedule(None)
                    await self._connect(line)
                await say(line.socket, Acknowledged(acknowledgements=settled.acknowledgements))
                self._acknowledged(asyncio.get_running_loop().time() - begun)
            if settled.refusal is not None:
                refusals += 1
                await self._refuse_append(line, settled.refusal.seq, settled.refusal.reason, settled.refusal.message)
                if refusals > MAX_REFUSALS:
                    raise RemoteProtocolError("the agent offers refused records again and again")
            if settled.ended:
                await say(line.socket, SessionClosed(session=line.session))
                await self._appends.tell(line.session)

    async def _refuse_append(self, line: AgentLine, seq: int, reason: str, sentence: str) -> None:
        log_refusal(Verb.AGENT, reason, line.session, seq=seq)
        await say(line.socket, AppendRefused(session=line.session, seq=seq, reason=reason, sentence=sentence))

    async def _connect(self, line: AgentLine) -> None:
        old = self._switchboard.connect(line)
        if old is not None and old is not line:
            await _replace(old)
        loop = asyncio.get_running_loop()
        await self._presence.arrived(line.session, lambda: _keep(loop.create_task(_replace(line))))


_LEAVING: "set[asyncio.Task[None]]" = set()


def _keep(task: "asyncio.Task[None]") -> None:
    _LEAVING.add(task)
    task.add_done_callback(_LEAVING.discard)


async def _replace(line: AgentLine) -> None:
    error = RefusedError("the agent connected again", reason="replaced")
    await refuse(line.socket, error, Verb.AGENT, line.session)


async def _heard(socket: RelaySocket) -> Append | StoreChunk | Question | None:
    """The agent's next message, None at its end. Raises RemoteProtocolError."""
    message: object = await hear(socket, FromAgent)  # type: ignore[arg-type]  # a union of tagged structs
    if message is None or isinstance(message, Append | StoreChunk | Question):
        return message
    raise RemoteProtocolError(f"a {type(message).__name__} out of turn")


async def _both(reading: "asyncio.Task[None]", answering: "asyncio.Task[None]") -> None:
    """Until the agent left and everything is answered, or either failed; raises what failed."""
    try:
        done, _ = await asyncio.wait((reading, answering), return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in (reading, answering):
            task.cancel()
        await asyncio.gather(reading, answering, return_exceptions=True)
