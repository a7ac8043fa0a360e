"""The gate: nothing without consent and an acknowledged intent, an outcome for everything that was begun."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from remote_assist.agent.actions import Action, Ending, read_action, run_action
from remote_assist.agent.alone.local_log import LocalLog
from remote_assist.agent.gate import CANCELLED, Gate, Performed, Running
from remote_assist.agent.keeper import Keeper
from remote_assist.agent.machine import Machine
from remote_assist.agent.record.recorder import NotWritten
from remote_assist.core.consent import Ended, Granted, Moment, Revoked, grants_of
from remote_assist.core.messages import Acknowledgement, Grant
from remote_assist.core.records import Actor, RecordDraft
from remote_assist.errors import AssistError, AuditUnavailable, RefusedError
from remote_assist.transport.local_target import LocalTarget
from tests.agent.keyboard import NOW

SESSION, KEY = "s-abcdefghijklmnop", "SHA256:alice"
ALICE = Actor(kind="technician", key=KEY)
RUN = run_action(("true",), "")
PROMISE = Acknowledgement(session=SESSION, seq=0, hash="", time="", index=0, signature="")


@dataclass
class Written:
    """A log that keeps what it is told; the test decides when an intent is acknowledged, and when the disk is full."""

    drafts: list[RecordDraft] = field(default_factory=list)
    secrets: list[Mapping[str, bytes]] = field(default_factory=list)
    acknowledges: asyncio.Event = field(default_factory=asyncio.Event)
    full: bool = False

    async def append(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> int:
        if self.full:
            raise AuditUnavailable("no room", reason="store-full")
        self.drafts.append(draft)
        self.secrets.append(dict(secrets or {}))
        return len(self.drafts) - 1

    async def intent(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> Acknowledgement:
        await self.append(draft, secrets)
        await self.acknowledges.wait()
        return PROMISE

    @property
    def codes(self) -> list[str]:
        return [draft.code for draft in self.drafts]

    @property
    def last(self) -> RecordDraft:
        return self.drafts[-1]


class Bench:
    """A gate with everything allowed until the test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.now = Moment(NOW, 0.0)
        self.keeper = Keeper(SESSION, lambda: self.now)
        self.keeper.happen(Granted(SESSION, self.grants("files:read", "terminal"), self.now))
        self.log = Written()
        self.log.acknowledges.set()
        self.up = True
        self.shown: list[str] = []
        self.acts: list[str] = []
        off_limits = (os.fsencode(folder / "home"),)
        machine = Machine(LocalTarget(off_limits), SESSION, off_limits)
        self.gate = Gate(machine, self.keeper, self.log, link_up=lambda: self.up, show=self.shown.append)

    def grants(self, *scopes: str) -> tuple[Grant, ...]:
        return grants_of(scopes, scopes, seconds=60, limit=NOW + timedelta(days=1), now=NOW, key=KEY)

    async def work(self, machine: Machine, running: Running) -> Ending:
        self.acts.append(running.number)
        return Ending(exit=3, sizes={"stdout": 1}, sealed={"sha256": b"x"})

    async def forever(self, machine: Machine, running: Running) -> Ending:
        self.acts.append(running.number)
        running.partial = Ending(size=7)
        await asyncio.sleep(3600)
        return Ending()

    def perform(self, action: Action = RUN, work: str = "work", key: str = KEY) -> "asyncio.Task[Performed]":
        return asyncio.create_task(self.gate.perform(ALICE, key, action, getattr(self, work)))


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_action_leaves_an_intent_and_an_outcome(bench: Bench) -> None:
    performed = await bench.gate.perform(ALICE, KEY, RUN, bench.work)
    assert performed.acknowledgement is PROMISE
    assert bench.log.codes == ["RA1400I", "RA1400O"]
    intent, outcome = bench.log.drafts
    assert (intent.action, intent.grant, intent.scope, intent.program) == ("a1", "g2", "terminal", "true")
    assert (outcome.action, outcome.outcome and outcome.outcome.exit, outcome.sizes) == ("a1", 3, {"stdout": 1})
    assert bench.log.secrets == [{"argv": b'["true"]'}, {"sha256": b"x"}]
    assert bench.shown == ["runs true", "runs true: done"]


async def test_the_act_waits_for_the_acknowledgement(bench: Bench) -> None:
    bench.log.acknowledges.clear()
    performing = bench.perform()
    await settle()
    assert bench.log.codes == ["RA1400I"]
    assert bench.acts == []
    bench.log.acknowledges.set()
    await performing
    assert bench.acts == ["a1"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda bench: bench.keeper.happen(Revoked()), "revoked"),
        (lambda bench: bench.keeper.happen(Ended("customer")), "ended"),
        (lambda bench: setattr(bench, "now", Moment(NOW, 61.0)), "expired"),
        (lambda bench: setattr(bench, "up", False), "no-relay"),
    ],
    ids=["revoked", "ended", "expired", "link down"],
)
async def test_what_changed_while_the_acknowledgement_was_awaited_stops_the_act(
    bench: Bench, spoil: object, reason: str
) -> None:
    assert callable(spoil)
    bench.log.acknowledges.clear()
    performing = bench.perform()
    await settle()
    spoil(bench)
    bench.log.acknowledges.set()
    with pytest.raises(RefusedError) as refused:
        await performing
    assert refused.value.reason == reason
    assert bench.acts == []
    assert bench.log.codes == ["RA1400I", "RA1901E"]
    assert bench.log.last.outcome is not None
    assert (bench.log.last.action, bench.log.last.outcome.reason) == ("a1", reason)


async def test_a_request_nobody_waits_for_any_more_is_not_begun(bench: Bench) -> None:
    wanted = [True]
    bench.log.acknowledges.clear()
    performing = asyncio.create_task(bench.gate.perform(ALICE, KEY, RUN, bench.work, wanted=lambda: wanted[0]))
    await settle()
    wanted[0] = False
    bench.log.acknowledges.set()
    with pytest.raises(RefusedError):
        await performing
    assert bench.acts == []


async def test_between_the_second_check_and_the_act_nothing_else_runs(bench: Bench) -> None:
    """Every check asks the loop to run something next; when the act begins, only the first check's has run."""
    turns: list[str] = []
    seen: list[int] = []
    loop = asyncio.get_running_loop()

    def wanted() -> bool:
        loop.call_soon(turns.append, "something else")
        return True

    async def work(machine: Machine, running: Running) -> Ending:
        seen.append(len(turns))
        return Ending()

    bench.log.acknowledges.clear()
    performing = asyncio.create_task(bench.gate.perform(ALICE, KEY, RUN, work, wanted=wanted))
    await settle()
    assert len(turns) == 1
    bench.log.acknowledges.set()
    await performing
    assert seen == [1]


@pytest.mark.parametrize(
    ("action", "key", "reason"),
    [
        (run_action(("true",), ""), "SHA256:mallory", "out-of-scope"),
        (read_action(b"/etc/hosts", 0), "SHA256:mallory", "out-of-scope"),
    ],
)
async def test_a_refused_action_is_written_down_and_shown(bench: Bench, action: Action, key: str, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await bench.perform(action, key=key)
    assert refused.value.reason == reason
    assert bench.log.codes == ["RA1900R"]
    assert bench.acts == []
    assert bench.shown[0].startswith("refused: ")


async def test_the_agents_own_folder_is_off_limits(bench: Bench, tmp_path: Path) -> None:
    for path in (tmp_path / "home", tmp_path / "home" / "attempts.json", tmp_path / "x" / ".." / "home" / "y"):
        with pytest.raises(RefusedError) as refused:
            await bench.perform(read_action(os.fsencode(path), 0))
        assert refused.value.reason == "off-limits"
    assert bench.log.codes == ["RA1900R"] * 3


async def test_no_room_for_the_intent_means_no_act(bench: Bench) -> None:
    bench.log.full = True
    with pytest.raises(AuditUnavailable):
        await bench.perform()
    assert bench.acts == []


async def test_an_intent_that_was_never_written_is_not_aborted_at_the_reserves_cost(bench: Bench) -> None:
    async def no_room(draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> Acknowledgement:
        raise NotWritten("no room", reason="store-full")

    bench.log.intent = no_room  # type: ignore[method-assign]  # the disk is full for intents, not for what concludes
    with pytest.raises(AuditUnavailable):
        await bench.perform()
    assert (bench.acts, bench.log.codes) == ([], [])
    assert bench.shown == ["refused: runs true: no room"]


async def test_an_act_that_is_stopped_gets_its_outcome_with_what_it_did_so_far(bench: Bench) -> None:
    performing = bench.perform(work="forever")
    await settle()
    bench.gate.stop_all("customer")
    ending = (await performing).ending
    assert (ending.status, ending.reason, ending.size) == ("aborted", "customer", 7)
    assert bench.log.codes == ["RA1400I", "RA1400O"]
    assert not bench.gate.busy


async def test_a_stop_by_the_technician_is_called_cancelled(bench: Bench) -> None:
    begun: list[Running] = []
    performing = asyncio.create_task(bench.gate.perform(ALICE, KEY, RUN, bench.forever, begun=begun.append))
    await settle()
    begun[0].stop(CANCELLED)
    begun[0].stop("customer")
    assert (await performing).ending.status == "cancelled"


async def test_a_stop_before_the_acknowledgement_aborts_the_intent(bench: Bench) -> None:
    bench.log.acknowledges.clear()
    performing = bench.perform()
    await settle()
    bench.gate.stop_all("customer")
    with pytest.raises(RefusedError):
        await performing
    assert bench.log.codes == ["RA1400I", "RA1901E"]


async def test_stoppers_are_called_at_once_also_those_added_late(bench: Bench) -> None:
    called: list[str] = []

    async def work(machine: Machine, running: Running) -> Ending:
        running.on_stop(lambda: called.append("early"))
        try:
            await asyncio.sleep(3600)
        finally:
            running.on_stop(lambda: called.append("late"))
        return Ending()

    performing = asyncio.create_task(bench.gate.perform(ALICE, KEY, RUN, work))
    await settle()
    bench.gate.stop_all("customer")
    assert called == ["early"]
    await performing
    assert called == ["early", "late"]


async def test_only_what_lost_its_consent_is_stopped_when_one_scope_goes(bench: Bench) -> None:
    running = bench.perform(work="forever")
    reading = bench.perform(read_action(b"/etc/hosts", 0), work="forever")
    await settle()
    bench.keeper.happen(Revoked(("g2",)))
    bench.gate.stop_disallowed("revoked")
    await asyncio.wait({running, reading}, return_when=asyncio.FIRST_COMPLETED)
    assert running.done() != reading.done()
    bench.gate.stop_all("customer")
    await asyncio.gather(running, reading)


async def test_a_cancelled_caller_still_gets_its_act_written_down(bench: Bench) -> None:
    performing = bench.perform(work="forever")
    await settle()
    performing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await performing
    assert bench.log.codes == ["RA1400I", "RA1400O"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (AssistError("no such thing"), "failed"),
        (RefusedError("no", reason="link"), "link"),
        (OSError(28, "x"), "failed"),
    ],
)
async def test_work_that_fails_leaves_a_failed_outcome_and_its_reason(
    bench: Bench, fault: Exception, reason: str
) -> None:
    async def work(machine: Machine, running: Running) -> Ending:
        raise fault

    performed = await bench.gate.perform(ALICE, KEY, RUN, work)
    assert performed.error is not None
    assert bench.log.last.outcome is not None
    assert (bench.log.last.outcome.status, bench.log.last.outcome.reason) == ("failed", reason)


async def test_a_bug_in_the_work_is_written_down_and_not_hidden(bench: Bench) -> None:
    async def work(machine: Machine, running: Running) -> Ending:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await bench.gate.perform(ALICE, KEY, RUN, work)
    assert bench.log.codes == ["RA1400I", "RA1400O"]


async def test_actions_are_numbered_and_run_side_by_side(bench: Bench) -> None:
    await asyncio.gather(*(bench.perform() for _ in range(5)))
    assert sorted(bench.acts) == ["a1", "a2", "a3", "a4", "a5"]


async def test_the_local_log_is_durable_and_private(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log.jsonl", lambda: NOW)
    await log.intent(RecordDraft(code="RA1100I", actor=Actor(kind="customer")), {"secret": b"not written"})
    raw = (tmp_path / "log.jsonl").read_bytes()
    assert b"RA1100I" in raw
    assert b"not written" not in raw
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o777 == 0o600


async def test_what_runs_goes_on_while_the_relay_is_away_and_nothing_new_starts(bench: Bench) -> None:
    task = bench.perform(work="forever")
    await settle()
    running = next(iter(bench.gate._running.values()))
    bench.up = False
    await running.go_on()
    bench.gate.stop_disallowed("expired")
    assert not running.stopped
    with pytest.raises(RefusedError, match="nothing new may start"):
        await bench.perform()
    running.stop("cancelled")
    assert (await task).ending.status == "cancelled"


async def test_past_the_grace_what_runs_waits_for_the_relay(bench: Bench) -> None:
    back = asyncio.Event()

    async def pace() -> None:
        await back.wait()

    bench.gate._pace = pace
    task = bench.perform(work="forever")
    await settle()
    running = next(iter(bench.gate._running.values()))
    going = asyncio.create_task(running.go_on())
    await settle()
    assert not going.done()
    back.set()
    await going
    running.stop("cancelled")
    await task
