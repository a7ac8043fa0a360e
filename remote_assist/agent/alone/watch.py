"""`watch`: one look after the other at this machine, kept as samples, judged by the known issues over `trend.*`.

Rule 1: every look goes through the gate with the customer as actor, as `self-check` does; nothing is changed.
Rule 2: nothing leaves this machine but alarms, and those only to what the customer named with `--notify`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from remote_assist.agent.actions import Ending, bundle_action
from remote_assist.agent.alone.alarm_queue import AlarmQueue
from remote_assist.agent.alone.alarm_targets import AlarmTarget, tell_all
from remote_assist.agent.alone.local_log import LOCAL
from remote_assist.agent.alone.own_gate import CUSTOMER, customers_gate
from remote_assist.agent.gate import Gate, Running
from remote_assist.agent.keeper import Clock
from remote_assist.agent.machine import Machine
from remote_assist.agent.sample_ring import SampleRing
from remote_assist.agent.shelf import Shelf
from remote_assist.core.catalog.model import Bundle, Catalog
from remote_assist.core.findings import Finding, evaluate
from remote_assist.core.hostile import SafeStr
from remote_assist.core.records import RecordDraft
from remote_assist.core.watching.alarms import Alarm, OpenAlarm, compare, key_of
from remote_assist.core.watching.samples import Ending as LastDay
from remote_assist.core.watching.samples import Latest, take
from remote_assist.diagnostics.collect import FactSet, collect_facts
from remote_assist.errors import RefusedError
from remote_assist.transport.folder_lock import hold_folder
from remote_assist.transport.private_files import make_private_folder

BUNDLE, TREND = "watch", "trend"
SCOPES = ["diagnose", "terminal"]


@dataclass(frozen=True, slots=True)
class Watched:
    """One look: what the trend issues say now (gravest first), and what changed since the look before."""

    at: datetime
    findings: tuple[Finding, ...]
    passed: int
    alarms: tuple[Alarm, ...]
    hours: float
    untold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watching:
    """What the customer asked for. `notify`: whom to tell; `dates`: last days they wrote down; `host`: this machine."""

    home: Path
    moment: Clock
    services: Path | None = None
    notify: tuple[AlarmTarget, ...] = ()
    dates: tuple[LastDay, ...] = ()
    host: str = ""
    show: Callable[[SafeStr], None] = lambda line: None


@contextlib.contextmanager
def held(home: Path) -> Iterator[None]:
    """Only one program watches with one state folder. Raises RefusedError when another does."""
    folder = make_private_folder(make_private_folder(home) / "watch")
    lock = hold_folder(folder)
    if lock is None:
        raise RefusedError("another `watch` is running with this state folder", reason="held")
    try:
        yield
    finally:
        lock.release()


async def look_once(watching: Watching) -> Watched:
    """Take a sample, judge, tell.

    Raises RefusedError without the extra [rules], AuditUnavailable when the look or the sample cannot be written down.
    """
    shelf = Shelf(lambda: watching.moment().utc, services_folder=watching.services)
    catalog = await shelf.catalog()
    gate = customers_gate(watching.home, "watch", SCOPES, watching.moment, watching.show, daily=True)
    ring = SampleRing(watching.home)
    before = ring.latest()
    facts = await _look(gate, shelf, catalog, before)
    now = watching.moment().utc.timestamp()
    sample, latest = take(facts.facts, before, now, watching.dates)
    ring.add(sample, latest)
    trend = ring.facts(now) or {}
    findings = evaluate(catalog, {TREND: trend}, statuses={TREND: "ok"}, platform=gate.platform, all_outcomes=True)
    judged = [each for each in findings if each.outcome != "skipped"]
    opened, changes = compare(ring.alarms(), judged, now)
    ring.keep_alarms(opened)
    alarms = [_alarm(state, alarm, now) for state, alarm in changes]
    for alarm in alarms:
        await _write_down(gate, alarm)
    untold = await tell_all(gate, AlarmQueue(watching.home), watching.notify, alarms, watching.host, now)
    hours = trend.get("hours")
    return Watched(
        at=datetime.fromtimestamp(now, UTC),
        findings=tuple(each for each in judged if each.outcome != "pass"),
        passed=sum(each.outcome == "pass" for each in judged),
        alarms=tuple(alarms),
        hours=hours if isinstance(hours, float) else 0.0,
        untold=tuple(untold),
    )


async def _look(gate: Gate, shelf: Shelf, catalog: Catalog, before: Latest | None) -> FactSet:
    bundle: Bundle = catalog.bundles[BUNDLE]
    since = None if before is None else datetime.fromtimestamp(before.at, UTC)
    looked: list[FactSet] = []

    async def work(machine: Machine, running: Running) -> Ending:
        facts = await collect_facts(
            catalog,
            bundle.collectors,
            machine.target,
            clock=shelf.clock,
            services_folder=shelf.services,
            since=since,
        )
        looked.append(facts)
        return Ending(sizes={"items": len(facts.statuses)})

    performed = await gate.perform(CUSTOMER, LOCAL, bundle_action(bundle.id, bundle.version, bundle.digest), work)
    if performed.error is not None:
        raise performed.error
    return looked[0]


def _alarm(state: str, alarm: OpenAlarm, now: float) -> Alarm:
    finding = alarm.finding
    return Alarm(
        key=key_of(finding),
        state=state,
        issue=finding.issue,
        version=finding.version,
        title=finding.title,
        severity=finding.severity,
        subject=finding.subject,
        message=finding.message,
        explanation=finding.explanation,
        since=_time(alarm.since),
        time=_time(now),
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _write_down(gate: Gate, alarm: Alarm) -> None:
    code = "RA1111E" if alarm.state == "raised" else "RA1112E"
    await gate.write(RecordDraft(code=code, actor=CUSTOMER, catalog=f"{alarm.issue}@{alarm.version}"))
