"""Requests about fixes: plan one (nothing changes), apply a plan (once, within ten minutes), here or behind here.

Rule 1: only this agent's own catalog items run, by id, version and digest; the technician sends no steps.
Rule 2: a plan of high risk, and with `--ask-each` every plan, is shown to the customer before it runs; one of high
risk needs a second technician's signature too.
Rule 3: a fix that was stopped in the middle is the customer's to decide: undo, or leave it. On a machine behind this
one that holds too when the way to it was cut: it is reached anew.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec

from remote_assist.agent.actions import Ending, apply_action, plan_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.elevation import Elevation, is_root
from remote_assist.agent.fixes.undo_journal import UndoFile
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.progress import telling
from remote_assist.agent.prompt.asking import plan_question, step_question
from remote_assist.agent.requests.diagnostics import check_item
from remote_assist.agent.session import Session
from remote_assist.agent.shelf import Shelf
from remote_assist.agent.texts import say
from remote_assist.core.catalog.model import Catalog
from remote_assist.core.identity.approval import check_approval
from remote_assist.core.records import Outcome, RecordDraft
from remote_assist.core.requests import ApplyFix, Plan, PlanFix
from remote_assist.core.target import MutableTarget
from remote_assist.diagnostics.fixes import RESTARTING, PreparedPlan, apply_plan, plan_fix
from remote_assist.diagnostics.planned import NEEDS_ROOT
from remote_assist.errors import ConsentDenied, RefusedError, UsageError

PLAN_SECONDS = 600.0
"""How long a plan may be applied after it was made."""

Reach = Callable[[str], Awaitable[MutableTarget]]
"""The way to a machine behind this one, anew where it was cut. Raises AssistError."""

MAX_PLANS = 32
MAX_PARAMETERS = 64


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan that may still be applied, until `until_boot_seconds` on the clock that cannot be set."""

    prepared: PreparedPlan
    until_boot_seconds: float


@runtime_checkable
class Lasting(Protocol):
    """A machine that can go away in the middle of a fix."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be reached as it was."""


@contextlib.asynccontextmanager
async def _refusal_recorded(caller: Caller, prepared: PreparedPlan) -> AsyncIterator[None]:
    """Whatever refuses to carry out a plan here is written down before it is told."""
    try:
        yield
    except RefusedError as error:
        fix, plan = prepared.fix, prepared.plan
        action = apply_action(fix.id, fix.version, fix.digest, plan.digest, msgspec.json.encode(plan))
        await caller.gate.refuse(caller.actor, action, error)
        raise


class FixRequests:
    """Executors of plans; holds the plans that may still be applied."""

    def __init__(self, session: Session, shelf: Shelf, elevation: Elevation, reach: Reach, *, ask_each: bool) -> None:
        self._reach = reach
        self._session = session
        self._shelf = shelf
        self._elevation = elevation
        self._ask_each = ask_each
        self._plans: dict[str, KeptPlan] = {}

    async def plan(self, caller: Caller, request: PlanFix) -> None:
        """Prechecks and a dry run; the plan goes to the technician and is kept here."""
        catalog = await self._shelf.catalog()
        check_item(catalog.fixes.get(request.fix), "fix", request.fix, request.version, request.digest)
        if len(request.parameters) > MAX_PARAMETERS:
            raise UsageError(f"a fix takes at most {MAX_PARAMETERS} parameters")
        parameters = self._revealed(request.parameters)

        async def work(machine: Machine, running: Running) -> Ending:
            await caller.accept(running)
            running.require()
            prepared = await self._prepare(catalog, request.fix, parameters, machine, caller.ground.place)
            self._keep(prepared)
            await caller.channel.send(prepared.plan)
            sealed = {"plan": msgspec.json.encode(prepared.plan)}
            return Ending(plan=prepared.plan.digest, sealed=sealed, reason="" if prepared.plan.runnable else "blocked")

        action = plan_action(request.fix, request.version, request.digest, request.parameters)
        await caller.finish(await caller.perform(action, work))

    async def _prepare(
        self, catalog: Catalog, fix: str, parameters: Mapping[str, str], machine: Machine, place: str
    ) -> PreparedPlan:
        """The plan as this agent can carry it out: as its user, or with root where only that is missing; on a machine
        behind this one as the user that was named.
        """

        async def prepare(elevated: bool) -> PreparedPlan:
            return await plan_fix(
                catalog,
                fix,
                parameters,
                machine.target,
                elevated=elevated,
                can_ask=self._session.prompt.can_ask,
                services_folder="" if place else self._shelf.services,
                clock=self._shelf.clock,
                place=place,
            )

        prepared = await prepare(machine.is_root if place else is_root())
        if place:
            return _without_restart(prepared)
        wants_root = any(step.blocked == NEEDS_ROOT for step in prepared.plan.steps)
        return await prepare(True) if wants_root and self._elevation.possible else prepared

    @contextlib.asynccontextmanager
    async def _as_planned(self, caller: Caller, prepared: PreparedPlan) -> AsyncIterator[MutableTarget | None]:
        """This machine as root, where the plan needs it and the agent is not; else None."""
        if not prepared.elevated or prepared.place or is_root():
            yield None
            return
        async with self._elevation.for_action(caller, say("what.apply", fix=prepared.fix.id)) as root:
            yield root

    def _revealed(self, parameters: dict[str, str]) -> dict[str, str]:
        """A path that a bundle shows with a token in it, as it is called here."""
        tokens = self._shelf.tokens
        return {key: tokens.reveal(value) for key, value in parameters.items()} if tokens else parameters

    async def apply(self, caller: Caller, request: ApplyFix) -> None:
        """Carry out a plan; what became of it is in Done."""
        approver = await self._approver(caller, request)
        prepared = self._take(request.plan, caller.ground.place)
        fix, plan = prepared.fix, prepared.plan
        async with _refusal_recorded(caller, prepared):
            await self._check_still_here(prepared)
        approval = msgspec.json.encode(request.approval) if approver else b""
        undo: list[UndoFile] = []

        async def work(machine: Machine, running: Running) -> Ending:
            await self._ask(prepared)
            await self._check_still_here(prepared)  # the customer may have taken their time
            running.require()
            folder = self._session.journal.folder
            undo.append(UndoFile.beside(folder, running.number, prepared.place, as_root=root is not None))
            await caller.accept(running)
            running.require()
            return await self._apply(caller, root or machine.target, prepared, undo[0], running.number)

        content = msgspec.json.encode(plan)
        action = apply_action(fix.id, fix.version, fix.digest, plan.digest, content, approver, approval)
        async with self._as_planned(caller, prepared) as root:
            performed = await caller.perform(action, work)
            if undo and undo[0].is_open and not self._session.end.restarting:
                reach = self._way_back(prepared, root)
                await self._session.end.settle_fix(undo[0], plan.title, prepared.services_folder, reach)
        await caller.finish(performed)

    def _way_back(
        self, prepared: PreparedPlan, root: MutableTarget | None
    ) -> Callable[[], Awaitable[MutableTarget]] | None:
        """To what was changed, when it is to be undone: another machine, or this one as root; None: as it is."""
        if prepared.place:
            return lambda: self._reach(prepared.place)
        if root is None:
            return None

        async def as_root() -> MutableTarget:
            return root

        return as_root

    async def _apply(
        self, caller: Caller, target: MutableTarget, prepared: PreparedPlan, undo: UndoFile, number: str
    ) -> Ending:
        async with telling(caller) as tell:
            result = await apply_plan(
                prepared, target, progress=tell, undo=undo, ask=lambda text: self._ask_step(prepared.plan, text)
            )
        if result.status == RESTARTING:
            self._session.end.restarting = True
            self._session.prompt.show(say("restart.now", title=prepared.plan.title))
        elif result.status != "failed" or not isinstance(target, Lasting) or target.is_open:
            await undo.close(result.status)
        if result.status == "rolled-back":
            await self._session.note(
                RecordDraft(
                    code="RA1302E",
                    actor=self._session.facts.agent,
                    action=number,
                    plan=prepared.plan.digest,
                    outcome=Outcome(status="rolled-back"),
                )
            )
        return Ending(
            status=result.status,
            sentence=result.sentence,
            reason="" if result.status in {"resolved", RESTARTING} else result.status,
            sizes={"steps": len(result.steps)},
            sealed={"steps": _sealed((*result.steps, result.sentence)), **_change(prepared.plan, result.status)},
        )

    async def _approver(self, caller: Caller, request: ApplyFix) -> str:
        """Who approved a plan of high risk (fingerprint of the key); empty for others.

        Asked before the plan is taken, so that it is still there when the approval comes. Raises RefusedError, which is
        written down.
        """
        kept = self._plans.get(request.plan)
        if kept is None or kept.prepared.plan.risk != "high":
            return ""
        async with _refusal_recorded(caller, kept.prepared):
            return self._approved(request, caller.actor.key)

    def _approved(self, request: ApplyFix, key: str) -> str:
        facts = self._session.facts
        approver = check_approval(
            request.approval,
            session=facts.id,
            plan=request.plan,
            technician=facts.technician.certificate,
            now=self._session.keeper.moment().utc,
            revoked=self._session.lists.revoked,
        )
        if approver.key_fingerprint == key:
            raise RefusedError("who approves a plan cannot be who runs it", reason="not-approved")
        return approver.key_fingerprint

    async def _check_still_here(self, prepared: PreparedPlan) -> None:
        """Raise RefusedError when the fix counts no more since it was planned."""
        fix = prepared.fix
        check_item((await self._shelf.catalog()).fixes.get(fix.id), "fix", fix.id, fix.version, fix.digest)

    async def _ask(self, prepared: PreparedPlan) -> None:
        """Show the plan to the customer where that is asked for. Raises ConsentDenied."""
        if not self._ask_each and prepared.plan.risk != "high":
            return
        seconds = self._session.facts.settings.pairing.consent_deadline_seconds
        if not await self._session.prompt.allow_plan(plan_question(prepared.plan, seconds)):
            raise ConsentDenied(
                "the customer did not allow this plan", reason="denied", advice="Speak with the customer first."
            )

    async def _ask_step(self, plan: Plan, text: str) -> bool:
        seconds = self._session.facts.settings.pairing.consent_deadline_seconds
        return await self._session.prompt.allow_plan(step_question(plan, text, seconds))

    def _keep(self, prepared: PreparedPlan) -> None:
        now = self._session.keeper.moment().boot_seconds
        self._plans = {digest: kept for digest, kept in self._plans.items() if kept.until_boot_seconds > now}
        while len(self._plans) >= MAX_PLANS:
            del self._plans[next(iter(self._plans))]
        if prepared.plan.runnable:
            self._plans[prepared.plan.digest] = KeptPlan(prepared, now + PLAN_SECONDS)

    def _take(self, digest: str, place: str) -> PreparedPlan:
        """The plan of this digest for this machine, once. Raises RefusedError when there is none (any more)."""
        kept = self._plans.pop(digest, None)
        if (
            kept is None
            or kept.prepared.place != place
            or kept.until_boot_seconds <= self._session.keeper.moment().boot_seconds
        ):
            raise RefusedError(
                "there is no such plan here: it was used, is older than ten minutes, or cannot run",
                reason="no-such-plan",
                advice="Plan the fix again.",
            )
        return kept.prepared


def _change(plan: Plan, status: str) -> dict[str, bytes]:
    """What the machine was like before a fix and is like after it, as far as the plan and its end say."""
    after = {
        "resolved": [step.after for step in plan.steps],
        "rolled-back": ["as before: the fix was undone"],
        RESTARTING: ["not known yet: the machine restarts"],
    }.get(status, ["not known: the fix was stopped; its steps say where"])
    before = (step.before for step in plan.steps)
    return {"before": _sealed(filter(None, before)), "after": _sealed(filter(None, after))}


def _sealed(lines: Iterable[str]) -> bytes:
    return "\n".join(lines).encode("utf-8", "backslashreplace")


def _without_restart(prepared: PreparedPlan) -> PreparedPlan:
    """A plan for another machine. Raises RefusedError for one that restarts it: only its own agent could look after."""
    if any(step.verb == "reboot" for step in prepared.steps):
        raise RefusedError(
            "this fix restarts the machine, and nobody there would look whether it helped",
            reason="no-such-door",
            advice="Restart it with `run --on`, then look again.",
        )
    return prepared
