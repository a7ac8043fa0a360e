"""What the customer is asked, made from what was verified and from nothing else. Pure."""

from dataclasses import replace
from urllib.parse import urlsplit

from remote_assist.core.catalog.preview import Preview
from remote_assist.core.hostile import HostileStr
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.prompt import ConsentQuestion, PlanQuestion
from remote_assist.core.requests import Plan, PlanStep
from remote_assist.core.wishes import in_order, scope_of
from remote_assist.settings import AgentSettings

SERVED_SCOPES = frozenset({"diagnose", "files:read", "files:write", "fix", "terminal", "forward", "hop"})
"""Scopes this agent has doors for; others are not offered, because a yes to them would mean nothing."""

MAX_REASON_CHARS = 200


def offered_scopes(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Of the wishes asked for, what can be offered, in the order of screens."""
    return in_order(wish for wish in asked if scope_of(wish) in SERVED_SCOPES)


def consent_question(
    technician: VerifiedTechnician,
    settings: AgentSettings,
    *,
    scopes: tuple[str, ...],
    seconds: int,
    further: bool = False,
    reason: str = "",
    name: str = "",
    preview: Preview | None = None,
    asked: bool = False,
) -> ConsentQuestion:
    """The consent screen's content, the first time and (`further`) whenever more is asked for, then by `name`.

    `asked`: the customer made the code.
    """
    limits = settings.pairing
    wait = limits.verified_wait_seconds if technician.verified else limits.first_contact_wait_seconds
    return ConsentQuestion(
        organisation=HostileStr(technician.lists.organisation.name),
        name=HostileStr(name or technician.certificate.name),
        ticket=HostileStr(f"#{technician.statement.ticket}"),
        subject=HostileStr(technician.statement.subject),
        scopes=offered_scopes(scopes),
        seconds=max(1, min(seconds, settings.max_consent_seconds)),
        verified=technician.verified,
        ca_fingerprint=technician.certificate.ca_fingerprint,
        relay_host=urlsplit(technician.statement.relay).hostname or "",
        wait_seconds=wait,
        deadline_seconds=limits.consent_deadline_seconds,
        further=further,
        reason=HostileStr(reason[:MAX_REASON_CHARS]),
        preview=preview,
        reading_seconds=limits.reading_seconds,
        asked=asked,
    )


def share_question(
    technician: VerifiedTechnician,
    settings: AgentSettings,
    *,
    asker: str,
    newcomer: str,
    part: str,
    scopes: tuple[str, ...],
    seconds: int,
    asked: bool = False,
) -> ConsentQuestion:
    """The consent screen's content when `asker` wants to let `newcomer` in. Both names are their certificates'."""
    question = consent_question(
        technician, settings, scopes=scopes, seconds=seconds, further=True, name=asker, asked=asked
    )
    return replace(question, newcomer=HostileStr(newcomer), part=part)


def plan_question(plan: Plan, deadline_seconds: float) -> PlanQuestion:
    """One plan as the customer sees it before it runs."""
    return PlanQuestion(
        title=HostileStr(plan.title),
        consent=HostileStr(plan.consent),
        steps=tuple(HostileStr(_step(step)) for step in plan.steps),
        digest=plan.digest,
        risk=plan.risk,
        deadline_seconds=deadline_seconds,
    )


def step_question(plan: Plan, text: str, deadline_seconds: float) -> PlanQuestion:
    """What an `ask` step of a running fix asks the customer."""
    return PlanQuestion(
        title=HostileStr(plan.title),
        consent=HostileStr(text),
        steps=(),
        digest=plan.digest,
        risk=plan.risk,
        deadline_seconds=deadline_seconds,
        ask=True,
    )


def _step(step: PlanStep) -> str:
    change = f"{step.before} → {step.after}" if step.before or step.after else ""
    undo = f"undo: {step.undo}" if step.undo else ""
    return "   ".join(part for part in (step.name, change, undo) if part)
