"""One session at the customer: consent, gate, control connection and streams, from the yes to the end.

    open: opening and consent records acknowledged (granting.py) → run: streams as offered → end (session_end.py)

Rule: what a session waits for it can be woken from: by the customer's keys, by its clocks, by the relay, by its end.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from remote_assist.agent.chat import Chat
from remote_assist.agent.control import Control
from remote_assist.agent.gate import Gate
from remote_assist.agent.granting import Granting
from remote_assist.agent.keeper import Keeper
from remote_assist.agent.newer_lists import NewerLists
from remote_assist.agent.people import People, Technician
from remote_assist.agent.record.disk_watch import DiskWatch
from remote_assist.agent.record.recorder import Recorder
from remote_assist.agent.record.uploads import Uploads
from remote_assist.agent.session_end import FAREWELL_SECONDS, SessionEnd
from remote_assist.agent.session_facts import (
    CUSTOMER,
    ENDED_BY_DISK,
    ENDED_BY_DISTRUST,
    ENDED_BY_FAILURE,
    ENDED_BY_RELAY,
    ENDED_BY_REVOCATION,
    ENDED_BY_SIGNAL,
    ENDED_BY_TIME,
    PAUSED,
    REVOKED,
    TRANSFERRED,
    SessionFacts,
)
from remote_assist.agent.streams import Connection, Streams
from remote_assist.agent.texts import say, wish_title
from remote_assist.audit.journal import Journal
from remote_assist.core.catalog.packs import PackTrust
from remote_assist.core.consent import Paused, Resumed, Revoked, State, TimePassed, wishes_of
from remote_assist.core.identity.lists import PacksList, RevocationsList
from remote_assist.core.messages import Grant, StreamOffered
from remote_assist.core.prompt import ConsentAnswer, LineTyped, PausePressed, Prompt
from remote_assist.core.record_codes import TECHNICIAN_LEFT
from remote_assist.core.records import Outcome, RecordDraft
from remote_assist.core.resume import LinkNews
from remote_assist.errors import (
    AuditUnavailable,
    LocalProtocolError,
    RefusedError,
    VerificationError,
)
from remote_assist.transport.doors import Doors
from remote_assist.transport.folder_lock import FolderLock
from remote_assist.transport.link import Link
from remote_assist.transport.ssh import serve_technician
from remote_assist.transport.streams import StreamTunnel

LEAVE_SECONDS = 0.1
"""How long connections may take to close in good order at the very end."""

LOOK_SECONDS = 1.0
"""How often the clocks are looked at, so that a clock set forward is noticed."""


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
        self.facts = facts
        self.prompt = prompt
        self.keeper = keeper
        self.gate = gate
        self.journal = journal
        self.chat = chat
        self._recorder = recorder
        self._control = control
        self._disk = disk
        self._lock = lock
        self.people = People(facts.first, keeper)
        self.granting = Granting(facts, keeper, recorder, self.people)
        self.lists = NewerLists(facts.technician.lists, ca_line=facts.technician.certificate.ca_line)
        self.on_packs: Callable[[PackTrust], None] = lambda _trust: None
        """Told which packs count from now on."""
        self._logged_in: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
        self._doors: Doors | None = None
        self._streams = Streams(
            key=facts.resume_key,
            patience_seconds=facts.settings.resume_patience_seconds,
            deadline_seconds=facts.settings.pairing.handshake_deadline_seconds,
            dial=dial_stream,
            serve=self._serve_stream,
            on_news=self._stream_changed,
            clock=lambda: keeper.moment().utc,
        )
        self.end = SessionEnd(
            facts,
            prompt=prompt,
            keeper=keeper,
            gate=gate,
            recorder=recorder,
            uploads=uploads,
            journal=journal,
            streams=self._streams,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._was_up = False
        self._failure: BaseException | None = None

    # --- the beginning ----------------------------------------------------------------------------

    def serve(self, doors: Doors) -> None:
        """Use these doors for every stream."""
        self._doors = doors

    def start(self) -> None:
        """Begin to keep the control connection."""
        self._spawn(self._keep_control())

    async def open(
        self, answer: ConsentAnswer, by: tuple[RecordDraft, Mapping[str, bytes]] | None = None
    ) -> tuple[Grant, ...]:
        """Wait for the relay, then as Granting.open. Raises AuditUnavailable or UnreachableError."""
        await self._control.joined(self.facts.settings.acknowledgement_deadline_seconds)
        return await self.granting.open(answer, by)

    # --- several technicians ----------------------------------------------------------------------

    async def recorded(self, draft: RecordDraft) -> None:
        """Write down something that must be acknowledged before it counts. Raises AuditUnavailable."""
        await self._recorder.intent(draft)

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

    def on_list(self, signed: bytes) -> None:
        """The relay shows a newer list of the organisation."""
        try:
            shown = self.lists.take(signed)
        except VerificationError:
            return  # not the CA's word: a relay says what it likes
        match shown:
            case RevocationsList():
                self._leave_revoked(shown.serials)
            case PacksList():
                self.on_packs(self.lists.packs)

    def _leave_revoked(self, revoked: Collection[int]) -> None:
        """Whose certificate is revoked is out, or they were the last and this is the end."""
        self.people.forget_expected(revoked)
        out = self.people.with_serials(revoked)
        if out and len(out) == len(self.people.technicians):
            self.end.now(ENDED_BY_REVOCATION)
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
            await self.end.over.wait()
        finally:
            self.end.consent(ENDED_BY_SIGNAL)  # nothing to do unless this program is being stopped
            await self._close(farewell_seconds)
        return self.end.reason

    def offered(self, offer: StreamOffered) -> None:
        """The relay says that a technician opened a stream."""
        if self._doors is None or self.end.over.is_set() or offer.session != self.facts.id:
            return
        if self._streams.accepts(offer):
            self._spawn(self._streams.follow(offer))

    def link_changed(self, up: bool) -> None:
        """The control connection went or came."""
        if self._was_up and not self.end.over.is_set():
            self.prompt.show(say("live.link-back" if up else "live.link-lost"))
        self._was_up = True

    def _stream_changed(self, news: LinkNews, since: datetime) -> None:
        """The technician's streams were cut, or are back."""
        if not self.end.over.is_set() and news is not LinkNews.OVER:
            name = "live.reconnecting" if news is LinkNews.CUT else "live.reconnected"
            self.prompt.show(say(name, since=f"{since.astimezone():%H:%M:%S}"))

    async def note(self, draft: RecordDraft) -> None:
        """Write down something that only narrows or restores."""
        await self._recorder.append(draft)

    # --- the end -----------------------------------------------------------------------------------

    async def _close(self, farewell_seconds: float) -> None:
        await self.end.close(farewell_seconds)
        await self._stop_tasks()
        await self.end.put_away()
        self._lock.release()
        if self._failure is not None:
            raise self._failure

    async def _stop_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_SECONDS)

    async def _keep_control(self) -> None:
        try:
            await self._control.run()
        except VerificationError:
            self.end.now(ENDED_BY_DISTRUST)
        except RefusedError:
            self.end.now(ENDED_BY_RELAY)

    async def _watch_end_key(self) -> None:
        self.end.now(await self.prompt.end_requested())

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
        while not self.end.over.is_set():
            if self._disk.look():
                self.end.now(ENDED_BY_DISK)
                return
            now = self.keeper.moment()
            for overdue in self.people.overdue(now.utc):
                await self.leave_out(overdue, "your part in this session is over")
            gone = self.keeper.consent.expired(now)
            if gone:
                self.keeper.happen(TimePassed(now))
                self.gate.stop_disallowed(ENDED_BY_TIME)
                await self._tell_expired(gone)
            if not self.keeper.consent.held and not self.end.reason:
                self.end.now(ENDED_BY_TIME)
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
        if self.end.over.is_set() or not self._may_come(who):
            connection.abort()
        return connection

    def _may_come(self, line: str) -> bool:
        """A technician of this session; or somebody unknown while one is expected, who finds one door: to prove it."""
        if self.end.reason:
            return False
        return self.people.find(line) is not None or self.people.expects_somebody(self.keeper.moment().utc)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_over)

    def _task_over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.end.now(ENDED_BY_FAILURE)
