"""The end of a session: consent first, in memory; then the record, fsynced here; the connections; the relay last.

Rule 1: ending takes nobody's answer; only 0.7 s go to telling the relay. Rule 2: the end record is written once.
Rule 3: the end waits for the customer's word on a half-applied fix, and for nothing else of theirs.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from remote_assist.agent.fixes.settling import settle
from remote_assist.agent.fixes.undo_journal import UndoFile
from remote_assist.agent.gate import Gate
from remote_assist.agent.keeper import Keeper
from remote_assist.agent.record.recorder import Recorder
from remote_assist.agent.record.uploads import Uploads
from remote_assist.agent.session_facts import (
    CUSTOMER,
    ENDED_BY_CUSTOMER,
    ENDED_BY_SIGNAL,
    ENDED_BY_TECHNICIAN,
    SessionFacts,
)
from remote_assist.agent.streams import Streams
from remote_assist.agent.texts import say
from remote_assist.audit.journal import Journal
from remote_assist.core.consent import Ended
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.prompt import Prompt
from remote_assist.core.records import Actor, Outcome, RecordDraft
from remote_assist.core.target import MutableTarget
from remote_assist.errors import AssistError, AuditUnavailable, LocalProtocolError

STOP_SECONDS = 0.25
"""How long killed actions may take to write their outcome before the end record is written without it."""

FAREWELL_SECONDS = 0.7
"""How long the end of a session may take to reach the relay before the agent leaves anyway."""

SETTLE_SECONDS = 120.0
"""How long the end waits for the customer's word on a half-applied fix, and for its undo."""


class SessionEnd:
    """Whether, why and how one session ends."""

    def __init__(
        self,
        facts: SessionFacts,
        *,
        prompt: Prompt,
        keeper: Keeper,
        gate: Gate,
        recorder: Recorder,
        uploads: Uploads,
        journal: Journal,
        streams: Streams,
    ) -> None:
        self._facts = facts
        self._prompt = prompt
        self._keeper = keeper
        self._gate = gate
        self._recorder = recorder
        self._uploads = uploads
        self._journal = journal
        self._streams = streams
        self.over = asyncio.Event()
        """Set when nothing goes on any more but the end itself."""
        self.reason = ""
        """Why, once it ends."""
        self.undelivered = 0
        """Records and chunks the relay does not have."""
        self.restarting = False
        """The computer restarts for a fix: the session is left open for the next start."""
        self._closers: list[Callable[[], None]] = []
        self._settling: set[asyncio.Task[None]] = set()
        self._ended_at = 0.0
        self._written: asyncio.Future[int] | None = None

    def on_close(self, close: Callable[[], None]) -> None:
        """Call `close` (which must not wait) when the session is over: something was opened on its behalf."""
        self._closers.append(close)

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
            await settle(self._gate, self._prompt, undo, title, services_folder, self._facts.settings.pairing, reach)
        except AssistError as error:
            self._prompt.show(say("undo.failed", sentence=error.message))

    def now(self, reason: str) -> None:
        """End for everybody, at once and here: nothing is waited for."""
        self.consent(reason)
        self.over.set()

    async def for_technician(self, actor: Actor, note: str, deadline_seconds: float) -> Acknowledgement | None:
        """End because the technician asks; answer the relay's acknowledgement of the end record, None when late."""
        self.consent(ENDED_BY_TECHNICIAN)
        seq = await self._write_end(actor, note)
        try:
            return await self._recorder.acknowledged(seq, deadline_seconds)
        except AuditUnavailable:
            return None

    def leave(self) -> None:
        """The technician has been answered: close."""
        self.over.set()

    def consent(self, reason: str) -> None:
        """End the consent and everything that runs by it, at once and here; the first reason stays."""
        if self.reason:
            return
        self.reason = reason
        self._ended_at = asyncio.get_running_loop().time()
        self._keeper.happen(Ended(reason))
        self._gate.stop_all(reason)

    async def close(self, farewell_seconds: float) -> None:
        """Write the end down and hang up; then tell the relay, for at most so long since the consent ended."""
        actor = CUSTOMER if self.reason in {ENDED_BY_CUSTOMER, ENDED_BY_SIGNAL} else self._facts.agent
        if not self.restarting:  # the session is left open for the next start, which verifies and ends it
            with contextlib.suppress(AuditUnavailable, LocalProtocolError):
                await self._write_end(actor, "")
        left = self._ended_at + farewell_seconds - asyncio.get_running_loop().time()
        if self.reason == ENDED_BY_TECHNICIAN:
            await self._let_technician_leave()
        self._streams.abort()
        for close in self._closers:
            close()
        self.undelivered = await self._recorder.settle(max(0.05, left))
        left = self._ended_at + farewell_seconds - asyncio.get_running_loop().time()
        self.undelivered += await self._uploads.settle(max(0.05, left))

    async def put_away(self) -> None:
        """Close the journal; where something is undelivered its key stays, with which a next start can deliver it."""
        if not self.undelivered and not self.restarting:
            await self._journal.close()

    async def _let_technician_leave(self) -> None:
        """The technician's program closes once it has its answer; it gets a moment to do so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._streams.closed()

    async def _write_end(self, actor: Actor, note: str) -> int:
        """Write the end record once; whoever comes later gets its place."""
        if self._written is not None:
            return await asyncio.shield(self._written)
        self._written = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._gate.idle()
        await asyncio.sleep(0)  # executors whose action was stopped may now bring a half-applied fix
        if self._settling:
            await asyncio.wait(self._settling, timeout=SETTLE_SECONDS)
        await self._gate.end_survivors()
        draft = RecordDraft(code="RA1990E", actor=actor, outcome=Outcome(status="ended", reason=self.reason))
        try:
            seq = await self._recorder.append(draft, {"note": note.encode()} if note else None)
        except AssistError as error:
            self._written.set_exception(error)
            self._written.exception()  # told here and now; nobody else need ask
            raise
        self._written.set_result(seq)
        return seq
