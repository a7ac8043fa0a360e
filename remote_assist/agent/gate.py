"""The gate: the only holder of the machine. Nothing is run, read, written or listed except by `perform`.

    scope, folders, off limits → intent on disk and acknowledged → all of it still valid → act → outcome on disk

Rule 1: between the second check and the start of the work there is no await. Rule 2: an act that is stopped still
gets its outcome; an intent whose act never started gets `aborted`. Rule 3: `stop_all` needs nobody else's answer.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from remote_assist.agent.actions import Action, Ending
from remote_assist.agent.keeper import Keeper
from remote_assist.agent.machine import Machine
from remote_assist.agent.record.recorder import NotWritten, aborted_draft, intent_draft, outcome_draft, refusal_draft
from remote_assist.agent.texts import say, status_words, why_refused
from remote_assist.core.consent import ANY_SCOPE
from remote_assist.core.hostile import SafeStr
from remote_assist.core.messages import Acknowledgement, Grant
from remote_assist.core.records import Actor, Outcome, RecordDraft
from remote_assist.errors import AssistError, AuditUnavailable, ConsentDenied, RefusedError

WAITING, ACTING, OVER = "waiting", "acting", "over"
"""Where a running action stands; only the first two can be stopped."""

T = TypeVar("T")

ROLLED_BACK, LEFT_AS_IS, VERIFIED_LATER = "RA1302E", "RA1303E", "RA1304E"
"""What may become of a fix that was stopped in the middle, or that ended with a restart."""

CANCELLED, DISCONNECTED = "cancelled", "disconnected"
"""Reasons that are the technician's own; every other one is the customer's, the clock's or the record's."""


async def _at_once() -> None:
    return


@dataclass
class Running:
    """One action on its way. `partial` is what is known of its ending so far; its work keeps it up to date."""

    number: str
    action: Action
    actor: Actor
    grant: str
    recheck: Callable[[bool], object]
    task: "asyncio.Task[object]"
    phase: str = WAITING
    stopped: str = ""
    partial: Ending = field(default_factory=Ending)
    acknowledgement: Acknowledgement | None = None
    pace: Callable[[], Awaitable[None]] = _at_once
    _stoppers: list[Callable[[], None]] = field(default_factory=list)

    def on_stop(self, stopper: Callable[[], None]) -> None:
        """Call `stopper` (which must not wait) at once when the action is stopped: kill, close."""
        self._stoppers.append(stopper)
        if self.stopped:
            stopper()

    def require(self) -> None:
        """Raise RefusedError unless everything that allowed the act still holds."""
        if self.stopped:
            raise RefusedError(f"the action was stopped: {self.stopped}", reason=self.stopped)
        self.recheck(self.phase == WAITING)

    async def go_on(self) -> None:
        """Wait while the relay has been away for too long (PROTOCOL 4, outage), then `require`."""
        await self.pace()
        self.require()

    def stop(self, reason: str) -> None:
        """End it now: kill what it started, interrupt its work. Does nothing once it is over."""
        if self.stopped or self.phase == OVER:
            return
        self.stopped = reason
        for stopper in self._stoppers:
            stopper()
        self.task.cancel()

    def absorb(self) -> bool:
        """True when a cancellation that just arrived was `stop`'s, and is now dealt with."""
        if not self.stopped:
            return False
        self.task.uncancel()
        return True


Work = Callable[[Machine, Running], Awaitable[Ending]]


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of an action that was let through. `error` is why its work failed, if it raised one."""

    number: str
    ending: Ending
    acknowledgement: Acknowledgement
    error: AssistError | None = None


class Log(Protocol):
    """Where the gate writes down: the session's recorder, or a file when the customer is alone."""

    async def append(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> int:
        """Write down, durably; wait for nothing else."""

    async def intent(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> Acknowledgement:
        """Write down and answer the acknowledgement without which nothing may start."""


class Gate:
    """One session's gate. `link_up` says whether the relay can hear us, `show` tells the customer, `check_acting`
    raises RefusedError for the key of a technician who only watches; `pace` returns once what runs may go on.
    """

    def __init__(
        self,
        machine: Machine,
        keeper: Keeper,
        log: Log,
        *,
        link_up: Callable[[], bool],
        show: Callable[[SafeStr], None],
        check_acting: Callable[[str], None] = lambda _key: None,
        pace: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self._machine = machine
        self._keeper = keeper
        self._log = log
        self._link_up = link_up
        self.show = show
        self._check_acting = check_acting
        self._pace = pace
        self.check_room: Callable[[], None] = _room_unknown
        """Raises AuditUnavailable when the disks have no room for a further action's record."""
        self._running: dict[str, Running] = {}
        self._tapes: list[Callable[[str], None]] = []
        self._numbers = itertools.count(1)

    @property
    def busy(self) -> bool:
        """Whether any action waits or acts."""
        return bool(self._running)

    @property
    def platform(self) -> str:
        """linux, macos or windows."""
        return self._machine.target.platform

    def runs(self, codes: Collection[str]) -> bool:
        """Whether an action of one of these families acts now."""
        return any(one.phase == ACTING and one.action.code in codes for one in self._running.values())

    async def perform(
        self,
        actor: Actor,
        key: str,
        action: Action,
        work: Work,
        *,
        wanted: Callable[[], bool] = lambda: True,
        begun: Callable[[Running], None] | None = None,
        machine: Machine | None = None,
    ) -> Performed:
        """Let one action through, or refuse it.

        `key` is the fingerprint the SSH connection was authenticated with, `wanted` whether somebody still waits for
        it, `begun` is told of the action as soon as it can be stopped, `machine` is one behind this one. Raises
        RefusedError (recorded, nothing was done) and AuditUnavailable (nothing was done, or its outcome could not be
        written down).
        """
        on = machine or self._machine
        recheck = self._rule(action, key, wanted, on)
        try:
            self.check_room()
            grant = recheck(True)
        except RefusedError as error:
            await self.refuse(actor, action, error)
            raise
        running = self._begin(action, actor, "" if grant is None else grant.id, recheck)
        self._running[running.number] = running
        if begun is not None:
            begun(running)
        try:
            acknowledgement = await self._write_intent(running)
            return await self._act(running, acknowledgement, work, on)
        finally:
            running.phase = OVER
            del self._running[running.number]

    async def look_up(self, key: str, action: Action, work: Callable[[Machine], T], wanted: Callable[[], bool]) -> T:
        """One look at a name (its status, where a link points): allowed as an action is, but without a record of its
        own; who looks counts, and says so with `write`. `work` blocks. Raises RefusedError.
        """
        self._rule(action, key, wanted, self._machine)(True)
        return await asyncio.to_thread(work, self._machine)

    async def write(self, draft: RecordDraft) -> None:
        """Write down an event that is no action: names looked up on a channel, a client that connected."""
        await self._log.append(draft)

    def require_any(self, scopes: Sequence[str], key: str) -> None:
        """Raise RefusedError unless one of these scopes is granted, wherever."""
        self._check_acting(key)
        self._keeper.consent.check_open()
        if not any(grant.scope in scopes and grant.key == key for grant in self._keeper.grants):
            self._keeper.allow(scopes[0], key)

    async def refuse(self, actor: Actor, action: Action, error: AssistError) -> None:
        """Write down that an action was refused, and show it. Never waits for the relay."""
        self.show(say("live.refused", what=action.what, why=why_refused(error)))
        await self._log.append(refusal_draft(action, actor, error), action.sealed)

    async def restore(
        self, number: str, plan: str, work: Callable[[Machine], Awaitable[Ending]], *, code: str = ROLLED_BACK
    ) -> Ending:
        """Undo what an acknowledged plan did, at the customer's word, or look (`code`) whether it helped.

        It happens first and is written down after.
        """
        ending = await work(self._machine)
        await self.note(code, number, plan, ending)
        return ending

    async def note(self, code: str, number: str, plan: str, ending: Ending) -> None:
        """Write down an event of the customer's that never waits."""
        outcome = Outcome(status=ending.status, reason=ending.reason)
        draft = RecordDraft(code=code, actor=Actor(kind="customer"), action=number, plan=plan, outcome=outcome)
        await self._log.append(draft, ending.sealed)

    async def end_survivors(self) -> None:
        """At the end of a session: kill what its programs left running, name it to the customer and in a record."""
        names = await self._machine.end_survivors()
        if names:
            await self._name_survivors("", names)

    @contextlib.contextmanager
    def marked_on(self, mark: Callable[[str], None]) -> Iterator[None]:
        """While this lasts, `mark` hears of every action that begins."""
        self._tapes.append(mark)
        try:
            yield
        finally:
            self._tapes.remove(mark)

    def stop_all(self, reason: str) -> None:
        """Stop every action now."""
        for running in list(self._running.values()):
            running.stop(reason)

    def stop_disallowed(self, reason: str) -> None:
        """Stop the actions whose consent is gone (expired, revoked)."""
        for running in list(self._running.values()):
            try:
                running.recheck(False)
            except RefusedError:
                running.stop(reason)

    async def idle(self) -> None:
        """Wait until every action is over."""
        tasks = [running.task for running in self._running.values()]
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, action: Action, actor: Actor, grant: str, recheck: Callable[[bool], object]) -> Running:
        task = asyncio.current_task()
        assert task is not None
        return Running(f"a{next(self._numbers)}", action, actor, grant, recheck, task, pace=self._pace)

    def _rule(
        self, action: Action, key: str, wanted: Callable[[], bool], machine: Machine
    ) -> Callable[[bool], Grant | None]:
        """Everything that must hold for `action`, as one call that raises RefusedError.

        It takes whether the action has yet to start: what runs goes on while the relay is away, at its `pace`.
        """

        def check(starting: bool) -> Grant | None:
            if not wanted():
                raise RefusedError("nobody waits for this any more", reason=CANCELLED)
            self._check_acting(key)
            if starting and not self._link_up():
                raise RefusedError("the relay cannot be reached, so nothing new may start", reason="no-relay")
            for path in action.touched:
                machine.check_limits(path)
            if action.scope == ANY_SCOPE:
                self._keeper.consent.check_open()
                return None
            places = action.touched or (None,)
            scopes = (action.scope, *action.also)
            grants = [self._keeper.allow(scope, key, path, action.place) for scope in scopes for path in places]
            return grants[0]

        return check

    async def _write_intent(self, running: Running) -> Acknowledgement:
        draft = intent_draft(running.action, running.number, running.actor, running.grant)
        try:
            acknowledgement = await self._log.intent(draft, running.action.sealed)
            running.require()  # no await from here to the first line of the work
        except asyncio.CancelledError:
            ours = running.absorb()
            running.phase = OVER
            await self._abort(running, running.stopped or CANCELLED)
            if not ours:
                raise
            raise RefusedError(f"nothing was done: {running.stopped}", reason=running.stopped) from None
        except RefusedError as error:
            running.phase = OVER
            if not isinstance(error, NotWritten):
                await self._abort(running, error.reason)
            self.show(say("live.refused", what=running.action.what, why=why_refused(error)))
            raise
        running.acknowledgement = acknowledgement
        return acknowledgement

    async def _act(self, running: Running, acknowledgement: Acknowledgement, work: Work, machine: Machine) -> Performed:
        running.phase = ACTING
        if not running.action.quiet:
            self.show(say("live.began", what=running.action.what))
        for mark in self._tapes:
            mark(f"{running.number} {running.action.what}")
        error: AssistError | None = None
        foreign: BaseException | None = None
        try:
            ending = await work(machine, running)
        except asyncio.CancelledError as cancelled:
            ending = _stopped(running)
            foreign = None if running.absorb() else cancelled
        except AssistError as failure:
            error = failure
            ending = _stopped(running) if running.stopped else _failed(running, failure)
        except OSError as failure:
            error = AssistError(failure.strerror or str(failure))
            ending = _stopped(running) if running.stopped else _failed(running, error)
        except Exception as bug:
            ending, foreign = _failed(running, AssistError("an error in the agent itself")), bug
        running.phase = OVER
        await self._write_outcome(running, ending)
        if foreign is not None:
            raise foreign
        return Performed(running.number, ending, acknowledgement, error)

    async def _write_outcome(self, running: Running, ending: Ending) -> None:
        draft = outcome_draft(running.action, running.number, running.actor, ending)
        await self._log.append(draft, ending.sealed)
        if not running.action.quiet or ending.status != "done":
            self.show(_last_line(running.action, ending))

    async def _name_survivors(self, number: str, names: list[str]) -> None:
        listed = ", ".join(names)
        draft = RecordDraft(
            code="RA1902E",
            actor=Actor(kind="agent"),
            action=number,
            sizes={"count": len(names)},
            outcome=Outcome(status="done", reason="killed"),
        )
        await self._log.append(draft, {"names": listed.encode("utf-8", "backslashreplace")})
        self.show(say("live.survivors", names=listed))

    async def _abort(self, running: Running, reason: str) -> None:
        try:
            await self._log.append(aborted_draft(running.action, running.number, running.actor, reason))
        except AuditUnavailable:
            self.show(say("live.refused", what=running.action.what, why="the record cannot be written"))


def _room_unknown() -> None:
    """Nobody watches a disk: the journal's own writes say when there is no room."""


def _stopped(running: Running) -> Ending:
    status = "cancelled" if running.stopped in {CANCELLED, DISCONNECTED, ""} else "aborted"
    return replace(running.partial, status=status, reason=running.stopped or CANCELLED)


def _failed(running: Running, error: AssistError) -> Ending:
    reason = getattr(error, "reason", "") or "failed"
    status = "denied" if isinstance(error, ConsentDenied) else "failed"
    return replace(running.partial, status=status, reason=reason, sentence=error.message)


def _last_line(action: Action, ending: Ending) -> SafeStr:
    status = status_words(ending.status)
    if ending.sentence:
        return say("live.ended-sentence", what=action.what, status=status, sentence=ending.sentence)
    return say("live.ended", what=action.what, status=status)
