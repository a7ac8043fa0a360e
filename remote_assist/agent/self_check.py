"""`self-check`: the first look, here and offline, with the customer as actor, through the same gate.

Rule: nothing leaves this machine and nothing on it is changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from remote_assist.agent.actions import Ending, bundle_action
from remote_assist.agent.gate import Gate, Running
from remote_assist.agent.keeper import Clock, Keeper
from remote_assist.agent.local_log import LOCAL, LocalLog
from remote_assist.agent.machine import Machine, own_places
from remote_assist.agent.requests_diagnostics import Shelf
from remote_assist.core.catalog_model import Catalog
from remote_assist.core.consent import Granted, grants_of
from remote_assist.core.findings import Finding, evaluate
from remote_assist.core.records import Actor
from remote_assist.diagnostics.collect import FactSet, collect_facts
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.private_files import make_private_folder

BUNDLE = "first-look"
SCOPE = "diagnose"
SECONDS = 600
CUSTOMER = Actor(kind="customer")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, gravest first, and the platform's collectors that could not look."""

    findings: tuple[Finding, ...]
    passed: int
    blind: tuple[str, ...]


async def self_check(home: Path, services: Path | None, moment: Clock, show: Callable[[str], None]) -> Checked:
    """Look at this machine and say what the known issues make of it.

    Raises RefusedError without the extra [rules], AuditUnavailable when the look cannot be written down.
    """
    shelf = Shelf(lambda: moment().utc, services_folder=services)
    catalog = await shelf.catalog()
    bundle = catalog.bundles[BUNDLE]
    gate = _gate(home, moment, show)
    looked: list[FactSet] = []

    async def work(machine: Machine, running: Running) -> Ending:
        facts = await collect_facts(
            catalog, bundle.collectors, machine.target, clock=shelf.clock, services_folder=shelf.services
        )
        looked.append(facts)
        return Ending(sizes={"items": len(facts.statuses)})

    action = bundle_action(bundle.id, bundle.version, bundle.digest)
    performed = await gate.perform(CUSTOMER, LOCAL, action, work)
    if performed.error is not None:
        raise performed.error
    return _judge(catalog, looked[0], gate.platform)


def _gate(home: Path, moment: Clock, show: Callable[[str], None]) -> Gate:
    """A gate whose one grant is the customer's own, by having typed the command."""
    now = moment()
    folder = make_private_folder(make_private_folder(home) / "self-checks")
    log = LocalLog(folder / f"{now.utc:%Y%m%dT%H%M%S%f}Z.jsonl", lambda: moment().utc)
    keeper = Keeper(LOCAL, moment)
    limit = now.utc + timedelta(seconds=SECONDS)
    grants = grants_of([SCOPE], [SCOPE], seconds=SECONDS, limit=limit, now=now.utc, key=LOCAL)
    keeper.happen(Granted(LOCAL, grants, now))
    off_limits = own_places(home)
    machine = Machine(LocalTarget(off_limits), LOCAL, off_limits)
    return Gate(machine, keeper, log, link_up=lambda: True, show=show)


def _judge(catalog: Catalog, facts: FactSet, platform: str) -> Checked:
    findings: Sequence[Finding] = evaluate(
        catalog, facts.facts, statuses=facts.statuses, platform=platform, all_outcomes=True
    )
    return Checked(
        findings=tuple(finding for finding in findings if finding.outcome in {"fail", "warn", "unknown"}),
        passed=sum(finding.outcome == "pass" for finding in findings),
        blind=tuple(sorted(name for name, status in facts.statuses.items() if status in {"failed", "timed-out"})),
    )
