"""A fix from dry run to result: prechecks → plan → (consent) → steps → verify → resolved, or rolled back.

Rule 1: planning changes nothing, and the plan's digest covers everything the customer is shown and everything that
will be done: parameters, catalog digest, steps, observed states.
Rule 2: applying begins by planning again; when the machine is not as the plan saw it, the fix is refused.
Rule 3: the undo record of a change is durable before the change is made.
Rule 4: a cancelled fix stops where it is and leaves its undo records to the agent, which asks the customer.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from remote_assist.core.catalog_model import Catalog, Fix, Precheck, Verify, canonical_json
from remote_assist.core.conditions import Conditions, Unknown, names_in
from remote_assist.core.fix_parameters import check_parameters
from remote_assist.core.requests import Plan, PlanStep, Progress
from remote_assist.core.target import MutableTarget, Target
from remote_assist.core.templates import MissingValue, fill
from remote_assist.diagnostics.catalog_section import near
from remote_assist.diagnostics.collect import FactSet, collect_facts
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.steps import PlannedStep, Surroundings, perform_step, plan_step
from remote_assist.diagnostics.undo import UndoJournal, roll_back
from remote_assist.errors import AssistError, RefusedError, UsageError

__all__ = ["FixResult", "PreparedPlan", "UndoJournal", "apply_plan", "plan_fix", "undo_fix"]

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class FixResult:
    """How a fix ended. `status`: resolved, rolled-back or failed; `steps`: a line for each thing done, in order."""

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
    services_folder: str
    clock: Clock


def _now() -> datetime:
    return datetime.now(UTC)


async def plan_fix(
    catalog: Catalog,
    fix_id: str,
    parameters: Mapping[str, str],
    target: Target,
    *,
    elevated: bool,
    services_folder: str = "",
    clock: Clock = _now,
) -> PreparedPlan:
    """Prechecks and a dry run. A plan that may not run says why in `why_not` or in a step's `blocked`.

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
    around = Surroundings(look, values, elevated, fix.needs_root)
    try:
        steps = tuple([await plan_step(step, around) for step in fix.steps])
    finally:
        await look.close()
    plan = _describe(fix, values, lines, steps, why_not, elevated)
    return PreparedPlan(plan, catalog, fix, dict(parameters), values, steps, elevated, services_folder, clock)


async def apply_plan(
    prepared: PreparedPlan, target: MutableTarget, *, progress: Callable[[Progress], None], undo: UndoJournal
) -> FixResult:
    """Carry out a plan. Raises RefusedError, having done nothing, when it may not run or the machine has changed."""
    if not prepared.plan.runnable:
        raise RefusedError(f"the fix cannot run: {prepared.plan.why_not}", reason="not-runnable")
    await _still_so(prepared, target)
    look = Look(target, now=prepared.clock(), services_folder=prepared.services_folder)
    try:
        return await _Run(prepared, look, target, progress, undo).perform()
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


def needed_facts(fix: Fix, catalog: Catalog) -> list[str]:
    """Collectors the prechecks and verifies of a fix refer to."""
    words = {name for check in fix.prechecks for name in names_in(check.when)}
    words |= {name for verify in fix.verify for name in (*names_in(verify.when), *verify.collect)}
    return sorted(words & set(catalog.collectors))


def conditions_for(fix: Fix, catalog: Catalog) -> Conditions:
    """The names a fix's conditions may use: `params` and the collectors."""
    return Conditions({"params", *needed_facts(fix, catalog)})


def _prechecks(fix: Fix, values: Mapping[str, object], facts: FactSet) -> tuple[list[str], str]:
    scope = {"params": values, **facts.facts}
    conditions = Conditions({"params", *facts.statuses}) if fix.prechecks else None
    lines, why_not = [], ""
    for check in fix.prechecks:
        assert conditions is not None
        holds = conditions.holds(check.when, scope)
        message = _filled(check.message, values)
        if isinstance(holds, Unknown):
            message = f"cannot be checked: {check.when} ({holds.reason})"
        lines.append(f"ok: {_in_words(check, values)}" if holds is True else f"not met: {message}")
        if holds is not True and not why_not:
            why_not = message
    return lines, why_not


def _in_words(condition: Precheck | Verify, values: Mapping[str, object]) -> str:
    return _filled(condition.says, values) if condition.says else condition.when


def _describe(
    fix: Fix,
    values: Mapping[str, object],
    prechecks: list[str],
    steps: tuple[PlannedStep, ...],
    why_not: str,
    elevated: bool,
) -> Plan:
    blocked = next((f"{step.name}: {step.blocked}" for step in steps if step.blocked), "")
    shown = tuple(
        PlanStep(name=step.name, before=step.before, after=step.after, undo=step.undo_text, blocked=step.blocked)
        for step in steps
    )
    verify = tuple(f"{_in_words(each, values)} (up to {each.retries} tries)" for each in fix.verify)
    consent = _filled(fix.consent, values)
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
        consent=f"{consent} Risk: {_filled(fix.risk.impact, values)}; downtime: {fix.risk.downtime}.",
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
    }


def _filled(template: str, values: Mapping[str, object]) -> str:
    try:
        return fill(template, {"params": values})
    except MissingValue:
        return template


async def _still_so(prepared: PreparedPlan, target: Target) -> None:
    """Plan again and compare what the first plan relied on."""
    again = await plan_fix(
        prepared.catalog,
        prepared.fix.id,
        prepared.given,
        target,
        elevated=prepared.elevated,
        services_folder=prepared.services_folder,
        clock=prepared.clock,
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
        look: Look,
        target: MutableTarget,
        progress: Callable[[Progress], None],
        undo: UndoJournal,
    ) -> None:
        self._prepared = prepared
        self._look = look
        self._target = target
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
        for verify in self._prepared.fix.verify:
            reason = await self._verify(verify)
            if reason:
                self._say("verify", "failed", len(self._prepared.steps))
                return await self._reverse(f"the fix did not help: {reason}")
        self._say("verify", "ok", len(self._prepared.steps))
        return FixResult("resolved", f"{self._prepared.fix.title}: done and verified.", tuple(self._lines))

    async def _step(self, step: PlannedStep, number: int) -> None:
        self._say(step.name, "started", number - 1)
        for record in step.undo:
            await self._undo.note(step.name, dict(record))
            self._noted.append((step.name, dict(record)))
        if step.undo_text.startswith("cannot be undone"):
            self._irreversible.append(step.name)
        await perform_step(step, self._look, self._target)
        self._lines.append(f"done: {step.name}")
        self._say(step.name, "ok", number)

    async def _verify(self, verify: Verify) -> str:
        """Empty when it holds; else why not."""
        prepared = self._prepared
        conditions = conditions_for(prepared.fix, prepared.catalog)
        reason = ""
        for attempt in range(verify.retries):
            if attempt:
                await asyncio.sleep(verify.delay_seconds)
            self._say("verify", "started", len(prepared.steps))
            names = [*verify.collect, *(names_in(verify.when) & set(prepared.catalog.collectors))]
            facts = await collect_facts(
                prepared.catalog,
                names,
                self._target,
                clock=prepared.clock,
                services_folder=prepared.services_folder,
            )
            holds = conditions.holds(verify.when, {"params": prepared.values, **facts.facts})
            if holds is True:
                return ""
            reason = (
                f"cannot be checked ({holds.reason})"
                if isinstance(holds, Unknown)
                else f"not so: {_in_words(verify, prepared.values)}"
            )
        return reason

    async def _reverse(self, cause: str) -> FixResult:
        if not self._prepared.fix.rollback:
            return FixResult("failed", f"{cause}; this fix is not rolled back.", tuple(self._lines))
        failures = await roll_back(self._noted, self._look, self._target, self._progress)
        self._lines += [f"undone: {name}" for name, _ in reversed(self._noted)]
        if self._irreversible:
            failures.append(f"{', '.join(self._irreversible)} cannot be undone")
        if failures:
            return FixResult("failed", f"{cause}; not everything was undone: {'; '.join(failures)}", tuple(self._lines))
        return FixResult("rolled-back", f"{cause}; every change was undone.", tuple(self._lines))

    def _say(self, item: str, status: str, done: int) -> None:
        self._progress(Progress(item=item, status=status, done=done, total=len(self._prepared.steps)))
