"""`self-check`: the first look, here and offline, with the customer as actor, through the same gate.

Rule: nothing leaves this machine and nothing on it is changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from remote_assist.agent.actions import Ending, bundle_action
from remote_assist.agent.gate import Running
from remote_assist.agent.keeper import Clock
from remote_assist.agent.local_log import LOCAL
from remote_assist.agent.machine import Machine
from remote_assist.agent.own_gate import CUSTOMER, customers_gate
from remote_assist.agent.requests_diagnostics import Shelf
from remote_assist.core.catalog_model import Catalog
from remote_assist.core.findings import Finding, evaluate
from remote_assist.core.hostile import SafeStr
from remote_assist.diagnostics.collect import FactSet, collect_facts

BUNDLE = "first-look"
SCOPE = "diagnose"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, gravest first, and the platform's collectors that could not look."""

    findings: tuple[Finding, ...]
    passed: int
    blind: tuple[str, ...]


async def self_check(home: Path, services: Path | None, moment: Clock, show: Callable[[SafeStr], None]) -> Checked:
    """Look at this machine and say what the known issues make of it.

    Raises RefusedError without the extra [rules], AuditUnavailable when the look cannot be written down.
    """
    shelf = Shelf(lambda: moment().utc, services_folder=services)
    catalog = await shelf.catalog()
    bundle = catalog.bundles[BUNDLE]
    gate = customers_gate(home, "self-checks", [SCOPE], moment, show)
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


def _judge(catalog: Catalog, facts: FactSet, platform: str) -> Checked:
    findings: Sequence[Finding] = evaluate(
        catalog, facts.facts, statuses=facts.statuses, platform=platform, all_outcomes=True
    )
    return Checked(
        findings=tuple(finding for finding in findings if finding.outcome in {"fail", "warn", "unknown"}),
        passed=sum(finding.outcome == "pass" for finding in findings),
        blind=tuple(sorted(name for name, status in facts.statuses.items() if status in {"failed", "timed-out"})),
    )
