"""Runs inside namespaces of its own: makes a fault, says what is found, mends it, says what is found then.

Input (JSON on stdin): issue, setup (a shell script), missing programs, fix. Output: JSON. Never run this outside.
"""

import asyncio
import json
import subprocess
import sys

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.findings import Finding, evaluate
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.collect import collect_facts
from remote_assist.diagnostics.fixes import apply_plan, plan_fix
from tests.diagnostics.conftest import Journal, now
from tests.diagnostics.real_target import RealTarget


async def found(catalog: Catalog, issue: str, target: RealTarget) -> list[Finding]:
    """Findings of one issue over facts collected now."""
    names = [use.collector for use in catalog.issues[issue].collect]
    facts = await collect_facts(catalog, names, target, clock=now)
    told = evaluate(catalog, facts.facts, statuses=facts.statuses, all_outcomes=True)
    return [each for each in told if each.issue == issue]


def shown(findings: list[Finding]) -> list[list[str]]:
    return [[each.outcome, each.subject, each.message, each.fix] for each in findings]


async def main() -> None:
    asked = json.load(sys.stdin)
    catalog, target = load_catalog(), RealTarget()
    target.missing = set(asked["missing"])
    subprocess.run(["sh", "-euc", asked["setup"]], check=True, stdout=sys.stderr, timeout=30)
    before = await found(catalog, asked["issue"], target)
    answer: dict[str, object] = {"before": shown(before)}
    wrong = next((each for each in before if each.outcome in {"fail", "warn"} and each.fix), None)
    if asked["fix"] and wrong is not None:
        prepared = await plan_fix(catalog, wrong.fix, wrong.parameters, target, elevated=True, clock=now)
        answer["plan"] = [prepared.plan.runnable, prepared.plan.why_not, [each.undo for each in prepared.plan.steps]]
        result = await apply_plan(prepared, target, progress=lambda _: None, undo=Journal(target))
        answer["result"] = [result.status, result.sentence]
        answer["after"] = shown(await found(catalog, asked["issue"], target))
    print(json.dumps(answer))


if __name__ == "__main__":
    asyncio.run(main())
