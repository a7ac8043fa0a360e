"""`self-check`: the first look, here and offline, with the customer as actor, through the same gate.

Rule 1: nothing leaves this machine; a saved bundle is redacted, and the customer carries it.
Rule 2: only fixes of low or medium risk are offered; what a high one needs is a second technician.
Rule 3: a fix that was stopped in the middle is asked about first: undo, or leave it as it is.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from remote_assist.agent.actions import Action, Ending, apply_action, bundle_action, catalog_name, plan_action
from remote_assist.agent.alone.local_log import LOCAL
from remote_assist.agent.alone.own_gate import CUSTOMER, customers_gate
from remote_assist.agent.fixes.undo_journal import UndoFile, open_undo_files
from remote_assist.agent.gate import LEFT_AS_IS, Gate, Running, Work
from remote_assist.agent.keeper import Clock
from remote_assist.agent.machine import Machine
from remote_assist.agent.shelf import Shelf
from remote_assist.agent.texts import say
from remote_assist.agent.token_map import TokenMap
from remote_assist.core.catalog.model import Catalog
from remote_assist.core.findings import Finding, evaluate
from remote_assist.core.hostile import SafeStr
from remote_assist.core.requests import Progress
from remote_assist.diagnostics.collect import BundleSummary, FactSet, collect_bundle, collect_facts
from remote_assist.diagnostics.fixes import FixResult, PreparedPlan, apply_plan, plan_fix, undo_fix
from remote_assist.errors import RefusedError

BUNDLE = "first-look"
FOLDER = "self-checks"
SCOPES = ["diagnose", "fix"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, gravest first, and the platform's collectors that could not look."""

    findings: tuple[Finding, ...]
    passed: int
    blind: tuple[str, ...]


class SelfCheck:
    """One self-check: looks, and what the customer lets it do about it."""

    def __init__(
        self,
        home: Path,
        services: Path | None,
        moment: Clock,
        entropy: Callable[[int], bytes],
        show: Callable[[SafeStr], None],
    ) -> None:
        self._folder = home / FOLDER
        self._tokens = TokenMap(home, entropy)
        self._entropy = entropy
        self._shelf = Shelf(lambda: moment().utc, home=home, services_folder=services)
        self._gate: Gate = customers_gate(home, FOLDER, SCOPES, moment, show)

    async def look(self) -> Checked:
        """Look at this machine and say what the known issues make of it.

        Raises RefusedError without the extra [rules], AuditUnavailable when the look cannot be written down.
        """
        catalog = await self._shelf.catalog()
        bundle = catalog.bundles[BUNDLE]
        looked: list[FactSet] = []

        async def work(machine: Machine, running: Running) -> Ending:
            looked.append(await self._facts(catalog, bundle.collectors, machine))
            return Ending(sizes={"items": len(looked[0].statuses)})

        await self._perform(bundle_action(bundle.id, bundle.version, bundle.digest), work)
        return _judge(catalog, looked[0], self._gate.platform)

    async def is_safe(self, finding: Finding) -> bool:
        """Whether the fix a finding names may be offered here."""
        fix = (await self._shelf.catalog()).fixes.get(finding.fix)
        return fix is not None and fix.risk.level != "high"

    async def plan(self, finding: Finding) -> PreparedPlan:
        """Prechecks and a dry run of the fix a finding offers. Raises RefusedError for one that is not safe."""
        catalog = await self._shelf.catalog()
        if not await self.is_safe(finding):
            raise RefusedError(
                "this fix needs a technician", reason="too-risky", advice="Let one look: remote-assist ask."
            )
        plans: list[PreparedPlan] = []

        async def work(machine: Machine, running: Running) -> Ending:
            prepared = await plan_fix(
                catalog,
                finding.fix,
                finding.parameters,
                machine.target,
                elevated=_is_root(),
                services_folder=self._shelf.services,
                clock=self._shelf.clock,
            )
            plans.append(prepared)
            return Ending(plan=prepared.plan.digest)

        fix = catalog.fixes[finding.fix]
        await self._perform(plan_action(fix.id, fix.version, fix.digest, finding.parameters), work)
        return plans[0]

    async def apply(self, prepared: PreparedPlan, tell: Callable[[Progress], None]) -> FixResult:
        """Carry out a plan the customer said yes to; what fails is rolled back."""
        fix, plan = prepared.fix, prepared.plan
        results: list[FixResult] = []
        undo = UndoFile(self._folder / f"undo-{prepared.clock():%Y%m%dT%H%M%S%f}.jsonl")

        async def work(machine: Machine, running: Running) -> Ending:
            result = await apply_plan(prepared, machine.target, progress=tell, undo=undo)
            await undo.close(result.status)
            results.append(result)
            return Ending(status=result.status, sentence=result.sentence, plan=plan.digest)

        action = apply_action(fix.id, fix.version, fix.digest, plan.digest, msgspec.json.encode(plan))
        await self._perform(action, work)
        return results[0]

    async def save(self, path: Path, *, seal_to: bytes = b"", progress: Callable[[Progress], None]) -> BundleSummary:
        """Write a redacted bundle, sealed to a public key where one is given, as `path` (new, 0600).

        Raises RefusedError when redaction would leave something, when it cannot be sealed, or the place is taken.
        """
        catalog = await self._shelf.catalog()
        bundle = catalog.bundles[BUNDLE]
        summaries: list[BundleSummary] = []

        async def work(machine: Machine, running: Running) -> Ending:
            summary, raw = await self._collected(catalog, machine, seal_to, progress)
            await machine.target.replace_file(str(path), raw, mode=0o600)
            summaries.append(summary)
            return Ending(size=len(raw), sha256=summary.sha256)

        action = Action(
            code="RA1113",
            scope="diagnose",
            what=say("what.save", path=str(path)),
            catalog=catalog_name(bundle.id, bundle.version, bundle.digest),
            touched=(os.fsencode(path),),
        )
        await self._perform(action, work)
        self._tokens.remember(summaries[0].tokens)
        return summaries[0]

    def half_applied(self) -> list[UndoFile]:
        """Fixes of earlier self-checks that were stopped in the middle, oldest first."""
        return open_undo_files(self._folder)

    async def settle(self, undo: UndoFile, *, undo_it: bool) -> FixResult:
        """Undo what a stopped fix did, or leave it, as the customer says."""
        if not undo_it:
            await undo.close("left")
            await self._gate.note(LEFT_AS_IS, undo.action, "", Ending(status="done", reason="left"))
            return FixResult("left", "the half-applied fix is left as it is", ())
        results: list[FixResult] = []

        async def work(machine: Machine) -> Ending:
            result = await undo_fix(
                undo.records, machine.target, progress=lambda each: None, services_folder=self._shelf.services
            )
            await undo.close(result.status)
            results.append(result)
            return Ending(status=result.status, sentence=result.sentence)

        await self._gate.restore(undo.action, "", work)
        return results[0]

    @property
    def now(self) -> datetime:
        """The time of this machine, UTC."""
        return self._shelf.clock()

    async def _collected(
        self, catalog: Catalog, machine: Machine, seal_to: bytes, progress: Callable[[Progress], None]
    ) -> tuple[BundleSummary, bytes]:
        raw = bytearray()

        async def write(piece: bytes) -> None:
            raw.extend(piece)

        summary = await collect_bundle(
            catalog,
            BUNDLE,
            machine.target,
            write=write,
            progress=progress,
            clock=self._shelf.clock,
            entropy=self._entropy,
            redaction_key=self._tokens.key(),
            services_folder=self._shelf.services,
            seal_to=seal_to,
            trend=self._shelf.trend(),
        )
        return summary, bytes(raw)

    async def _facts(self, catalog: Catalog, collectors: Sequence[str], machine: Machine) -> FactSet:
        return await collect_facts(
            catalog,
            collectors,
            machine.target,
            clock=self._shelf.clock,
            services_folder=self._shelf.services,
            trend=self._shelf.trend(),
        )

    async def _perform(self, action: Action, work: Work) -> None:
        performed = await self._gate.perform(CUSTOMER, LOCAL, action, work)
        if performed.error is not None:
            raise performed.error


def _judge(catalog: Catalog, facts: FactSet, platform: str) -> Checked:
    findings: Sequence[Finding] = evaluate(
        catalog, facts.facts, statuses=facts.statuses, platform=platform, all_outcomes=True
    )
    return Checked(
        findings=tuple(finding for finding in findings if finding.outcome in {"fail", "warn", "unknown"}),
        passed=sum(finding.outcome == "pass" for finding in findings),
        blind=tuple(sorted(name for name, status in facts.statuses.items() if status in {"failed", "timed-out"})),
    )


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
