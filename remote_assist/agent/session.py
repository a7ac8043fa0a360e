"""One session at the customer: owns consent, gate, journal, control connection, streams, and the end of them all.

    open: opening and consent records acknowledged → run: streams as offered → end: consent first, the rest after

Rule 1: ending takes nobody's answer: consent ends in memory, actions are killed, the record is fsynced here, the
connections close; only then up to 0.7 s go to telling the relay. Rule 2: grants enter only from the prompt.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from remote_assist.agent.chat import Chat
from remote_assist.agent.control import Control
from remote_assist.agent.disk_watch import DiskWatch
from remote_assist.agent.doors import AgentDoors
from remote_assist.agent.gate import Gate
from remote_assist.agent.keeper import Keeper
from remote_assist.agent.people import People, Technician
from remote_assist.agent.recorder import Recorder
from remote_assist.agent.revocations import Revocations
from remote_assist.agent.settling import settle
from remote_assist.agent.streams import Connection, Streams
from remote_assist.agent.texts import say, wish_title
from remote_assist.agent.undo_journal import UndoFile
from remote_assist.agent.uploads import Uploads
from remote_assist.audit.journal import Journal
from remote_assist.core.consent import Ended, Granted, Paused, Resumed, Revoked, State, TimePassed, grants_of, wishes_of
from remote_assist.core.keys import PrivateKey, fingerprint
from remote_assist.core.messages import Acknowledgement, Grant, StreamOffered
from remote_assist.core.prompt import ConsentAnswer, LineTyped, PausePressed, Prompt
from remote_assist.core.record_codes import TECHNICIAN_LEFT
from remote_assist.core.records import Actor, Opening, Outcome, RecordDraft, parse_time
from remote_assist.core.resume import LinkNews
from remote_assist.core.sharing import Part
from remote_assist.core.statement import VerifiedTechnician
from remote_assist.core.target import MutableTarget
from remote_assist.errors import (
    AssistError,
    AuditUnavailable,
    LocalProtocolError,
    RefusedError,
    VerificationError,
)
from remote_assist.settings import AgentSettings
from remote_assist.transport.folder_lock import FolderLock
from remote_assist.transport.link import Link
from remote_assist.transport.ssh import serve_technician
from remote_assist.transport.streams import StreamTunnel

STOP_SECONDS = 0.25
"""How long killed actions may take to write their outcome before the end record is written without it."""

LEAVE_SECONDS = 0.1
"""How long connections may take to close in good order at the very end."""

FAREWELL_SECONDS = 0.7
"""How long the end of a session may take to reach the relay before the agent leaves anyway."""

SETTLE_SECONDS = 120.0
"""How long the end waits for the customer's word on a half-applied fix, and for its undo."""

LOOK_SECONDS = 1.0
"""How often the clocks are looked at, so that a clock set forward is noticed."""

TRANSFERRED = "transferred"
"""Why what a technician ran was stopped when they left."""

REVOKED = "your certificate was revoked by your organisation"

PAUSED = "paused"
"""Why an action was stopped when the customer paused; the reason new ones are refused with."""

ENDED_BY_TECHNICIAN = "technician"
ENDED_BY_CUSTOMER = "customer"
ENDED_BY_TIME = "expired"
ENDED_BY_SIGNAL = "signal"
ENDED_BY_DISTRUST = "distrust"
ENDED_BY_RELAY = "relay"
ENDED_BY_FAILURE = "failed"
ENDED_BY_TICKET = "ticket-closed"
ENDED_BY_DISK = "disk-full"
ENDED_BY_REVOCATION = "revoked"
"""Stable words in the end record; texts.py has a sentence for each."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What does not change while a session lasts."""

    technician: VerifiedTechnician
    host_key: PrivateKey
    host_key_line: str
    host_name: str
    settings: AgentSettings
    resume_key: bytes = field(repr=False)
    asked: bool = False
    """The customer made the code (`ask`), so whoever says a technician's name is whom they told it."""

    @property
    def id(self) -> str:
        return self.technician.session

    @property
    def first(self) -> Technician:
        """The technician who paired."""
        certificate, line = self.technician.certificate, self.technician.statement.session_key
        return Technician(certificate, line, self.resume_key, Part.ACTIVE, certificate.valid_before)

    @property
    def agent(self) -> Actor:
        """The agent itself, as records name it."""
        return Actor(kind="agent", key=fingerprint(self.host_key_line))


CUSTOMER = Actor(kind="customer")


class Session:
    """A session from the customer's yes to its end."""

    def __init__(
        self,
        facts: SessionFacts,
        *,
        prompt: Prompt,
        keeper: Keeper,
        recorder: Recorder,
        journal: Journal,
        gate: Gate,
        control: Control,
        uploads: Uploads,
        disk: DiskWatch,
        lock: FolderLock,
        chat: Chat,
        dial_stream: Callable[[str], Awaitable[Link]],
    ) -> None:
        self._closers: list[Callable[[], None]] = []
        self.facts = facts
        self.prompt = prompt
        self.keeper = keeper
        self.gate = gate
        self.journal = journal
        self.chat = chat
        self.end_reason = ""
        self.undelivered = 0
        self.restarting = False
        self._recorder = recorder
        self._control = control
        self._uploads = uploads
        self._disk = disk
        self._lock = lock
        self.people = People(facts.first, keeper)
        self._revocations = Revocations(facts.technician)
        self._logged_in: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
        self._doors: AgentDoors | None = None
        self._streams = Streams(
            key=facts.resume_key,
            patience_seconds=facts.settings.resume_patience_seconds,
            deadline_seconds=facts.settings.pairing.handshake_deadline_seconds,
            dial=dial_stream,
            serve=self._serve_stream,
            on_news=self._stream_changed,
            clock=lambda: keeper.moment().utc,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._ended_at = 0.0
        self._was_up = False
        self._failure: BaseException | None = None
        self._end_written: asyncio.Future[int] | None = None

    # --- the beginning ----------------------------------------------------------------------------

    def on_close(self, close: Callable[[], None]) -> None:
        """Call `close` (which must not wait) when the session is over: something was opened on its behalf."""
        self._closers.append(close)

    def serve(self, doors: AgentDoors) -> None:
        """Use these doors for every stream."""
        self._doors = doors

    def start(self) -> None:
        """Begin to keep the control connection."""
        self._spawn(self._keep_control())

    async def open(
        self, answer: ConsentAnswer, by: tuple[RecordDraft, Mapping[str, bytes]] | None = None
    ) -> tuple[Grant, ...]:
        """Write the opening and the consent down, have both acknowledged, and only then let the grants count.

        `by` is written between them: what the answer rests on, when nobody was asked.
        Raises AuditUnavailable or UnreachableError; then nothing was granted.
        """
        await self._control.joined(self.facts.settings.acknowledgement_deadline_seconds)
        await self._recorder.append(self._opening())
        if by is not None:
            await self._recorder.append(*by)
        return await self.grant(answer, self.facts.technician.statement.seconds)

    async def deny(self, answer: ConsentAnswer) -> None:
        """Write a no down; it is delivered if the relay can be reached."""
        await self._recorder.append(self._opening())
        reason = "timed-out" if answer.timed_out else "denied"
        await self._recorder.append(
            RecordDraft(code="RA1002E", actor=CUSTOMER, outcome=Outcome(status="denied", reason=reason))
        )

    async def grant(
        self, answer: ConsentAnswer, asked_seconds: int, asked: tuple[str, ...] = (), *, key: str = ""
    ) -> tuple[Grant, ...]:
        """Turn a local answer into grants for the technician of `key` (else the first): recorded and acknowledged
        first, then in force.
        """
        person = self.people.by_key(key or self.facts.first.key)
        if person is None:
            raise RefusedError("whoever asked is not in the session any more", reason="transferred")
        seconds = min(asked_seconds, answer.seconds, self.facts.settings.max_consent_seconds)
        wishes = asked or self.facts.technician.statement.scopes
        return await self._grant(person, wishes, answer.scopes, seconds, answer.folders)

    async def _grant(
        self,
        person: Technician,
        asked: tuple[str, ...],
        allowed: tuple[str, ...],
        seconds: int,
        folders: tuple[str, ...] = (),
    ) -> tuple[Grant, ...]:
        now = self.keeper.moment()
        grants = grants_of(
            asked,
            allowed,
            seconds=seconds,
            limit=person.until,
            now=now.utc,
            key=person.key,
            first_number=self.keeper.given + 1,
            folders=folders,
        )
        self.keeper.given += len(grants)
        acknowledgements = [self._recorder.intent(self._consent_record(grant)) for grant in grants]
        await asyncio.gather(*acknowledgements)
        self.keeper.consent.check_open()
        self.keeper.happen(Granted(self.facts.id, grants, now))
        return grants

    # --- several technicians ----------------------------------------------------------------------

    async def recorded(self, draft: RecordDraft) -> None:
        """Write down something that must be acknowledged before it counts. Raises AuditUnavailable."""
        await self._recorder.intent(draft)

    async def grant_second(self, newcomer: Technician, wishes: tuple[str, ...]) -> tuple[Grant, ...]:
        """What the customer allowed a newcomer, in force from now on. Raises AuditUnavailable."""
        left = int((newcomer.until - self.keeper.moment().utc).total_seconds())
        return await self._grant(newcomer, wishes, wishes, min(left, self.facts.settings.max_consent_seconds))

    async def leave_out(self, gone: Technician, why: str, *, reason: str = TRANSFERRED) -> None:
        """End everything of a technician, at once and here; the record follows. They are told `why`."""
        self.people.leave(gone.session_key, RefusedError(why, reason=reason))
        lost = tuple(grant.id for grant in self.keeper.grants if grant.key == gone.key)
        if lost:
            self.keeper.happen(Revoked(lost))
        self.gate.stop_disallowed(reason)
        for connection, line in list(self._logged_in.items()):
            if line == gone.session_key:
                connection.abort()
        if self.people.holder(gone.certificate) is not None:
            return  # the same person is in by another key
        self.prompt.show(say("live.left", name=gone.certificate.name))
        outcome = None if reason == TRANSFERRED else Outcome(status="ended", reason=reason)
        draft = RecordDraft(code=TECHNICIAN_LEFT, actor=self.facts.agent, target=gone.actor.key, outcome=outcome)
        with contextlib.suppress(AuditUnavailable, LocalProtocolError):
            await self._recorder.append(draft)

    def on_revocations(self, signed: bytes) -> None:
        """The relay shows a list of revoked certificates: who is on it is out, or it was the last and this the end."""
        try:
            revoked = self._revocations.newer(signed)
        except VerificationError:
            return  # not the CA's word: a relay says what it likes
        self.people.forget_expected(revoked)
        out = self.people.with_serials(revoked)
        if out and len(out) == len(self.people.technicians):
            self.end_now(ENDED_BY_REVOCATION)
            return
        for gone in out:
            self._spawn(self.leave_out(gone, REVOKED, reason=ENDED_BY_REVOCATION))

    # --- while it runs ----------------------------------------------------------------------------

    async def run(self, farewell_seconds: float = FAREWELL_SECONDS) -> str:
        """Serve until the session ends; answer why it ended (a stable word)."""
        watchers = [self._watch_end_key(), self._watch_clocks(), self._watch_acts()]
        for watcher in watchers:
            self._spawn(watcher)
        try:
            await self._over.wait()
        finally:
            self._end_consent(ENDED_BY_SIGNAL)  # nothing to do unless this program is being stopped
            await self._close(farewell_seconds)
        return self.end_reason

    def offered(self, offer: StreamOffered) -> None:
        """The relay says that a technician opened a stream."""
        if self._doors is None or self._over.is_set() or offer.session != self.facts.id:
            return
        if self._streams.accepts(offer):
            self._spawn(self._streams.follow(offer))

    def link_changed(self, up: bool) -> None:
        """The control connection went or came."""
        if self._was_up and not self._over.is_set():
            self.prompt.show(say("live.link-back" if up else "live.link-lost"))
        self._was_up = True

    def _stream_changed(self, news: LinkNews, since: datetime) -> None:
        """The technician's streams were cut, or are back."""
        if not self._over.is_set() and news is not LinkNews.OVER:
            name = "live.reconnecting" if news is LinkNews.CUT else "live.reconnected"
            self.prompt.show(say(name, since=f"{since.astimezone():%H:%M:%S}"))

    async def note(self, draft: RecordDraft) -> None:
        """Write down something that only narrows or restores."""
        await self._recorder.append(draft)

    async def settle_fix(
        self,
        undo: UndoFile,
        title: str,
        services_folder: str,
        reach: Callable[[], Awaitable[MutableTarget]] | None = None,
    ) -> None:
        """A fix was stopped in the middle: the customer decides. The session does not close before that."""
        task = asyncio.create_task(self._settle_fix(undo, title, services_folder, reach))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        await asyncio.shield(task)

    async def _settle_fix(
        self,
        undo: UndoFile,
        title: str,
        services_folder: str,
        reach: Callable[[], Awaitable[MutableTarget]] | None,
    ) -> None:
        try:
            await settle(self.gate, self.prompt, undo, title, services_folder, self.facts.settings.pairing, reach)
        except AssistError as error:
            self.prompt.show(say("undo.failed", sentence=error.message))

    # --- the end ----------------------------------------------------------------------------------

    def end_now(self, reason: str) -> None:
        """End for everybody, at once and here: nothing is waited for."""
        self._end_consent(reason)
        self._over.set()

    async def end_for_technician(self, actor: Actor, note: str, deadline_seconds: float) -> Acknowledgement | None:
        """End because the technician asks; answer the relay's acknowledgement of the end record, None when late."""
        self._end_consent(ENDED_BY_TECHNICIAN)
        seq = await self._write_end(actor, note)
        try:
            return await self._recorder.acknowledged(seq, deadline_seconds)
        except AuditUnavailable:
            return None

    def leave(self) -> None:
        """The technician has been answered: close."""
        self._over.set()

    def _end_consent(self, reason: str) -> None:
        if self.end_reason:
            return
        self.end_reason = reason
        self._ended_at = asyncio.get_running_loop().time()
        self.keeper.happen(Ended(reason))
        self.gate.stop_all(reason)

    async def _close(self, farewell_seconds: float) -> None:
        actor = CUSTOMER if self.end_reason in {ENDED_BY_CUSTOMER, ENDED_BY_SIGNAL} else self.facts.agent
        if not self.restarting:  # the session is left open for the next start, which verifies and ends it
            with contextlib.suppress(AuditUnavailable, LocalProtocolError):
                await self._write_end(actor, "")
        left = self._ended_at + farewell_seconds - asyncio.get_running_loop().time()
        if self.end_reason == ENDED_BY_TECHNICIAN:
            await self._let_technician_leave()
        self._streams.abort()
        for close in self._closers:
            close()
        self.undelivered = await self._recorder.settle(max(0.05, left))
        left = self._ended_at + farewell_seconds - asyncio.get_running_loop().time()
        self.undelivered += await self._uploads.settle(max(0.05, left))
        await self._stop_tasks()
        if (
            not self.undelivered and not self.restarting
        ):  # else the journal key stays, with which a next start can deliver the rest
            await self.journal.close()
        self._lock.release()
        if self._failure is not None:
            raise self._failure

    async def _let_technician_leave(self) -> None:
        """The technician's program closes once it has its answer; it gets a moment to do so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._streams.closed()

    async def _stop_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_SECONDS)

    async def _write_end(self, actor: Actor, note: str) -> int:
        """Write the end record once; whoever comes later gets its place."""
        if self._end_written is not None:
            return await asyncio.shield(self._end_written)
        self._end_written = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.gate.idle()
        await asyncio.sleep(0)  # executors whose action was stopped may now bring a half-applied fix
        if self._settling:
            await asyncio.wait(self._settling, timeout=SETTLE_SECONDS)
        await self.gate.end_survivors()
        draft = RecordDraft(code="RA1990E", actor=actor, outcome=Outcome(status="ended", reason=self.end_reason))
        try:
            seq = await self._recorder.append(draft, {"note": note.encode()} if note else None)
        except AssistError as error:
            self._end_written.set_exception(error)
            self._end_written.exception()  # told here and now; nobody else need ask
            raise
        self._end_written.set_result(seq)
        return seq

    # --- inside -----------------------------------------------------------------------------------

    async def _keep_control(self) -> None:
        try:
            await self._control.run()
        except VerificationError:
            self.end_now(ENDED_BY_DISTRUST)
        except RefusedError:
            self.end_now(ENDED_BY_RELAY)

    async def _watch_end_key(self) -> None:
        self.end_now(await self.prompt.end_requested())

    async def _watch_acts(self) -> None:
        """Take what the customer types and presses, for as long as the session runs."""
        while True:
            match await self.prompt.act():
                case LineTyped(text):
                    await self.chat.said_here(text)
                case PausePressed(hold):
                    await (self._pause() if hold else self._resume())

    async def _pause(self) -> None:
        """Hold everything up at once; it is written down after."""
        if self.keeper.consent.state is not State.OPEN:
            return
        self.keeper.happen(Paused())
        self.gate.stop_disallowed(PAUSED)
        self.prompt.show(say("live.paused"))
        with contextlib.suppress(AuditUnavailable, LocalProtocolError):
            await self._recorder.append(RecordDraft(code="RA1006E", actor=CUSTOMER))

    async def _resume(self) -> None:
        """Let things go on, once that is written down."""
        if self.keeper.consent.state is not State.PAUSED:
            return
        try:
            await self._recorder.append(RecordDraft(code="RA1007E", actor=CUSTOMER))
        except AuditUnavailable as error:
            self.prompt.show(say("live.refused", what=say("live.resuming"), why=error.message))
            return
        if self.keeper.consent.state is State.PAUSED:  # the session may have ended meanwhile
            self.keeper.happen(Resumed())
            self.prompt.show(say("live.resumed"))

    async def _watch_clocks(self) -> None:
        while not self._over.is_set():
            if self._disk.look():
                self.end_now(ENDED_BY_DISK)
                return
            now = self.keeper.moment()
            for overdue in self.people.overdue(now.utc):
                await self.leave_out(overdue, "your part in this session is over")
            gone = self.keeper.consent.expired(now)
            if gone:
                self.keeper.happen(TimePassed(now))
                self.gate.stop_disallowed(ENDED_BY_TIME)
                await self._tell_expired(gone)
            if not self.keeper.consent.held and not self.end_reason:
                self.end_now(ENDED_BY_TIME)
                return
            await asyncio.sleep(min(LOOK_SECONDS, max(0.01, self.keeper.consent.seconds_left(now))))

    async def _tell_expired(self, gone: tuple[Grant, ...]) -> None:
        self.prompt.show(say("live.expired", scopes=", ".join(wish_title(wish) for wish in wishes_of(gone))))
        for grant in gone:
            with contextlib.suppress(AuditUnavailable, LocalProtocolError):
                await self._recorder.append(
                    RecordDraft(code="RA1004E", actor=self.facts.agent, scope=grant.scope, grant=grant.id)
                )

    async def _serve_stream(self, tunnel: StreamTunnel) -> Connection:
        assert self._doors is not None
        who = ""

        def bind(line: str) -> None:
            """From now on a cut of this stream is mended by its technician's key alone; a newcomer's is its end."""
            nonlocal who
            who, person = line, self.people.find(line)
            tunnel.resume_with(None if person is None else person.resume_key)

        connection = await serve_technician(
            tunnel,
            host_key=self.facts.host_key,
            authorised=self._may_come,
            logged_in=bind,
            doors=self._doors,
            stock_clients=True,
            max_channels=self.facts.settings.max_channels,
        )
        self._logged_in[connection] = who
        if self._over.is_set() or not self._may_come(who):
            connection.abort()
        return connection

    def _may_come(self, line: str) -> bool:
        """A technician of this session; or somebody unknown while one is expected, who finds one door: to prove it."""
        if self.end_reason:
            return False
        return self.people.find(line) is not None or self.people.expects_somebody(self.keeper.moment().utc)

    def _opening(self) -> RecordDraft:
        technician = self.facts.technician
        opening = Opening(
            statement=technician.statement_bytes,
            signature=technician.signature,
            certificate=technician.certificate.line,
            host_key=self.facts.host_key_line,
            lists=technician.lists_raw,
        )
        return RecordDraft(code="RA1000E", actor=self.facts.first.actor, opening=opening)

    def _consent_record(self, grant: Grant) -> RecordDraft:
        return RecordDraft(
            code="RA1001E",
            actor=CUSTOMER,
            scope=grant.scope,
            grant=grant.id,
            paths=grant.folders,
            target=", ".join(grant.places or ()),
            sizes={"seconds": round((parse_time(grant.until) - self.keeper.moment().utc).total_seconds())},
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_over)

    def _task_over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.end_now(ENDED_BY_FAILURE)
