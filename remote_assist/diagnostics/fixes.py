"""A fix from dry run to result: prechecks → plan → (consent) → steps → verify → resolved, or rolled back.

Rule 1: planning changes nothing, and the plan's digest covers everything the customer is shown and everything that
will be done: parameters, catalog digest, steps, observed states.
Rule 2: applying begins by planning again; when the machine is not as the plan saw it, the fix is refused.
Rule 3: the undo record of a change is durable before the change is made.
Rule 4: a cancelled fix stops where it is and leaves its undo records to the agent, which asks the customer.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from remote_assist.core.catalog.fix_parameters import check_parameters
from remote_assist.core.catalog.model import Catalog, Fix, canonical_json
from remote_assist.core.conditions import Conditions, Unknown
from remote_assist.core.requests import Plan, PlanStep, Progress
from remote_assist.core.target import MutableTarget, Target
from remote_assist.diagnostics.catalog_section import near
from remote_assist.diagnostics.collect import FactSet, collect_facts
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.planned import Ask, Doing, PlannedStep, Surroundings, nobody
from remote_assist.diagnostics.steps import perform_step, plan_steps
from remote_assist.diagnostics.undo import UndoJournal, roll_back
from remote_assist.diagnostics.verifying import Clock, Verifier, filled, in_words, needed_facts
from remote_assist.errors import AssistError, RefusedError, UsageError

__all__ = ["FixResult", "PreparedPlan", "UndoJournal", "apply_plan", "plan_fix", "undo_fix"]

RESTARTING = "restarting"
"""The machine goes down now; the agent's next start looks whether the fix helped."""


@dataclass(frozen=True, slots=True)
class FixResult:
    """How a fix ended. `status`: resolved, rolled-back, failed or restarting; `steps`: a line for each thing done."""

    status: str
    sentence: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A plan and what applying it needs. The plan itself travels; this stays with the agent."""

    plan: Plan
    catalog: Catalog
    fix: Fix
    given: dict[str, str]
    values: dict[str, object]
    steps: tuple[PlannedStep, ...]
    elevated: bool
    can_ask: bool
    services_folder: str
    clock: Clock
    run: str
    place: str


def _now() -> datetime:
    return datetime.now(UTC)


async def plan_fix(
    catalog: Catalog,
    fix_id: str,
    parameters: Mapping[str, str],
    target: Target,
    *,
    elevated: bool,
    can_ask: bool = False,
    services_folder: str = "",
    clock: Clock = _now,
    run: str = "",
    place: str = "",
) -> PreparedPlan:
    """Prechecks and a dry run. A plan that may not run says why in `why_not` or in a step's `blocked`.

    `place` names a machine behind the agent's own; it belongs to what is consented to, and so to the digest.
    Raises UsageError for a fix the catalog does not have, RefusedError for a parameter that does not fit.
    """
    fix = catalog.fixes.get(fix_id)
    if fix is None:
        raise UsageError(f"there is no fix '{fix_id}'{near(fix_id, list(catalog.fixes))}")
    values = check_parameters(fix, parameters)
    facts = await collect_facts(
        catalog, needed_facts(fix, catalog), target, clock=clock, services_folder=services_folder
    )
    lines, why_not = _prechecks(fix, values, facts)
    if target.platform not in fix.platforms:
        why_not = f"this fix is not for {target.platform}"
    look = Look(target, now=clock(), services_folder=services_folder)
    run = run or clock().strftime("%Y%m%d-%H%M%S")
    named = {"id": fix.id, "version": fix.version, "digest": fix.digest, "parameters": dict(parameters)}
    around = Surroundings(look, values, elevated, fix.needs_root, can_ask, named, run)
    try:
        steps = await plan_steps(fix.steps, around)
    finally:
        await look.close()
    plan = _describe(fix, values, lines, steps, why_not, elevated, place)
    return PreparedPlan(
        plan, catalog, fix, dict(parameters), values, steps, elevated, can_ask, services_folder, clock, run, place
    )


async def apply_plan(
    prepared: PreparedPlan,
    target: MutableTarget,
    *,
    progress: Callable[[Progress], None],
    undo: UndoJournal,
    ask: Ask = nobody,
) -> FixResult:
    """Carry out a plan. Raises RefusedError, having done nothing, when it may not run or the machine has changed.

    `ask` puts the question of an `ask` step to the customer.
    """
    if not prepared.plan.runnable:
        raise RefusedError(f"the fix cannot run: {prepared.plan.why_not}", reason="not-runnable")
    await _still_so(prepared, target)
    look = Look(target, now=prepared.clock(), services_folder=prepared.services_folder)
    try:
        return await _Run(prepared, Doing(look, target, ask), progress, undo).perform()
    finally:
        await look.close()


async def undo_fix(
    records: list[tuple[str, dict[str, object]]],
    target: MutableTarget,
    *,
    progress: Callable[[Progress], None],
    services_folder: str = "",
    clock: Clock = _now,
) -> FixResult:
    """Reverse a half-applied fix from its journal's records, last first (after a crash or a revoked consent)."""
    look = Look(target, now=clock(), services_folder=services_folder)
    try:
        failures = await roll_back(records, look, target, progress)
    finally:
        await look.close()
    names = tuple(f"undone: {name}" for name, _ in reversed(records))
    if failures:
        return FixResult("failed", f"not everything could be undone: {'; '.join(failures)}", names)
    return FixResult("rolled-back", "every change was undone", names)


def _prechecks(fix: Fix, values: Mapping[str, object], facts: FactSet) -> tuple[list[str], str]:
    scope = {"params": values, **facts.facts}
    conditions = Conditions({"params", *facts.statuses}) if fix.prechecks else None
    lines, why_not = [], ""
    for check in fix.prechecks:
        assert conditions is not None
        holds = conditions.holds(check.when, scope)
        message = filled(check.message, values)
        if isinstance(holds, Unknown):
            message = f"cannot be checked: {check.when} ({holds.reason})"
        lines.append(f"ok: {in_words(check, values)}" if holds is True else f"not met: {message}")
        if holds is not True and not why_not:
            why_not = message
    return lines, why_not


def _describe(
    fix: Fix,
    values: Mapping[str, object],
    prechecks: list[str],
    steps: tuple[PlannedStep, ...],
    why_not: str,
    elevated: bool,
    place: str,
) -> Plan:
    blocked = next((f"{step.name}: {step.blocked}" for step in steps if step.blocked), "")
    shown = tuple(
        PlanStep(name=step.name, before=step.before, after=step.after, undo=step.undo_text, blocked=step.blocked)
        for step in steps
    )
    verify = tuple(f"{in_words(each, values)} (up to {each.retries} tries)" for each in fix.verify)
    consent = filled(fix.consent, values)
    if place:
        consent = f"On {place}: {consent}"
    everything = {
        "fix": [fix.id, fix.version, fix.digest],
        "parameters": dict(values),
        "consent": consent,
        "elevated": elevated,
        "prechecks": prechecks,
        "steps": [_as_json(step) for step in steps],
        "verify": list(verify),
        "why_not": why_not or blocked,
    }
    return Plan(
        fix=fix.id,
        version=fix.version,
        digest=hashlib.sha256(canonical_json(everything)).hexdigest(),
        title=fix.title,
        risk=fix.risk.level,
        consent=f"{consent} Risk: {filled(fix.risk.impact, values)}; downtime: {fix.risk.downtime}.",
        prechecks=tuple(prechecks),
        steps=shown,
        verify=verify,
        runnable=not (why_not or blocked),
        why_not=why_not or blocked,
    )


def _as_json(step: PlannedStep) -> dict[str, object]:
    return {
        "name": step.name,
        "verb": step.verb,
        "arguments": step.arguments,
        "shown": [step.before, step.after, step.undo_text, step.blocked],
        "observed": step.observed,
        "undo": hashlib.sha256(canonical_json(list(step.undo))).hexdigest(),
    }


async def _still_so(prepared: PreparedPlan, target: Target) -> None:
    """Plan again and compare what the first plan relied on."""
    again = await plan_fix(
        prepared.catalog,
        prepared.fix.id,
        prepared.given,
        target,
        elevated=prepared.elevated,
        can_ask=prepared.can_ask,
        services_folder=prepared.services_folder,
        clock=prepared.clock,
        run=prepared.run,
        place=prepared.place,
    )
    changed = [
        step.name
        for step, now in zip(prepared.steps, again.steps, strict=True)
        if (step.observed, step.arguments, step.undo) != (now.observed, now.arguments, now.undo)
    ]
    if changed or not again.plan.runnable:
        what = f"step '{changed[0]}'" if changed else again.plan.why_not
        raise RefusedError(
            f"the machine changed since the plan: {what}",
            reason="changed",
            advice="Plan again and look at the new plan.",
        )


class _Run:
    """One fix being applied: keeps what was noted, so that it can be reversed."""

    def __init__(
        self,
        prepared: PreparedPlan,
        doing: Doing,
        progress: Callable[[Progress], None],
        undo: UndoJournal,
    ) -> None:
        self._prepared = prepared
        self._doing = doing
        self._progress = progress
        self._undo = undo
        self._noted: list[tuple[str, dict[str, object]]] = []
        self._irreversible: list[str] = []
        self._lines: list[str] = []

    async def perform(self) -> FixResult:
        """Steps, then verify; on failure the reverse."""
        for number, step in enumerate(self._prepared.steps, start=1):
            try:
                await self._step(step, number)
            except AssistError as error:
                self._say(step.name, "failed", number)
                return await self._reverse(f"step '{step.name}' failed: {error.message}")
        if self._prepared.steps[-1].verb == "reboot":
            return FixResult(RESTARTING, "this computer restarts; then it is looked at whether that helped", self._done)
        if reason := await self._verifier().why_not():
            self._say("verify", "failed", len(self._prepared.steps))
            return await self._reverse(f"the fix did not help: {reason}")
        self._say("verify", "ok", len(self._prepared.steps))
        return FixResult("resolved", f"{self._prepared.fix.title}: done and verified.", self._done)

    @property
    def _done(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def _verifier(self) -> Verifier:
        prepared = self._prepared
        return Verifier(
            prepared.catalog,
            prepared.fix,
            prepared.values,
            self._doing.target,
            prepared.clock,
            prepared.services_folder,
            lambda: self._say("verify", "started", len(prepared.steps)),
        )

    async def _step(self, step: PlannedStep, number: int) -> None:
        self._say(step.name, "started", number - 1)
        for record in step.undo:
            await self._undo.note(step.name, dict(record))
            self._noted.append((step.name, dict(record)))
        if step.irreversible:
            self._irreversible.append(step.name)
        await perform_step(step, self._doing)
        self._lines.append(f"done: {step.name}")
        self._say(step.name, "ok", number)

    async def _reverse(self, cause: str) -> FixResult:
        if not self._prepared.fix.rollback:
            return FixResult("failed", f"{cause}; this fix is not rolled back.", self._done)
        failures = await roll_back(self._noted, self._doing.look, self._doing.target, self._progress)
        self._lines += [f"undone: {name}" for name, _ in reversed(self._noted)]
        if self._irreversible:
            failures.append(f"{', '.join(self._irreversible)} cannot be undone")
        if failures:
            return FixResult("failed", f"{cause}; not everything was undone: {'; '.join(failures)}", self._done)
        return FixResult("rolled-back", f"{cause}; every change was undone.", self._done)

    def _say(self, item: str, status: str, done: int) -> None:
        self._progress(Progress(item=item, status=status, done=done, total=len(self._prepared.steps)))
