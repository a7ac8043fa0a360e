"""`worker`: takes alarms of enrolled machines, looks with the read-only bundle, and puts the findings on the ticket.

    open alarm ─ claim ─▶ call the machine ─▶ bundle ─▶ findings ─▶ disclosed (ids) ─▶ listed fixes ─▶ end ─▶ done

Rule 1: it is a technician like any other: own certificate, gate, records, tickets; the machine's standing consent says
what it may do. Rule 2: each alarm once; an alarm whose machine cannot be reached now is tried again, one that was
refused is said so on the ticket. Rule 3: fixes are applied only when named beforehand, with parameters from findings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remote_assist.core.api import AlarmSummary
from remote_assist.core.disclosure import INTERNAL
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError
from remote_assist.technician.desk import Desk
from remote_assist.technician.disclosing import disclose, of_findings
from remote_assist.technician.evidence import parameters_for, plan_request
from remote_assist.technician.session import Session

if TYPE_CHECKING:  # only a name for types: it loads the catalog's values
    from remote_assist.core.findings import Finding

SESSION_SECONDS = 900
RISKS = ("none", "low", "medium")
"""Risks of a plan that may run without a person looking at it."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker does: the bundle it collects, and the fixes it may apply (none, unless named)."""

    bundle: str
    fixes: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it asks the machine for."""
        return ("diagnose", "fix") if self.fixes else ("diagnose",)


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of one alarm. `outcome`: looked, refused, later (it is tried again), elsewhere (no such machine)."""

    alarm: AlarmSummary
    outcome: str
    session: str = ""
    issues: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    why: str = ""


class Worker:
    """One worker at one desk."""

    def __init__(self, desk: Desk, orders: Orders, tell: Callable[[Worked], None]) -> None:
        self._desk = desk
        self._orders = orders
        self._tell = tell

    async def turn(self) -> int:
        """Every alarm that is open now, once; how many were worked on. Raises UnreachableError without a relay."""
        worked = 0
        for alarm in await self._desk.api.open_alarms():
            machine = await self._machine_of(alarm)
            if machine and await self._desk.api.claim_alarm(alarm.id):
                done = await self._work(alarm, machine)
                if done.outcome != "later":
                    await self._desk.api.claim_alarm(alarm.id, done=True)
                self._tell(done)
                worked += 1
        return worked

    async def _machine_of(self, alarm: AlarmSummary) -> str:
        """The id of the alarm's machine, when it is enrolled and can be called now; else empty."""
        try:
            found = await self._desk.machine(alarm.agent or alarm.host)
        except UsageError:
            return ""
        return found.machine.id if found.here else ""

    async def _work(self, alarm: AlarmSummary, machine: str) -> Worked:
        try:
            ticket = await self._desk.ticket(alarm.ticket)
            session = await self._desk.call(machine, ticket, self._orders.scopes, SESSION_SECONDS)
        except UnreachableError as error:
            return Worked(alarm, "later", why=error.message)
        except AssistError as error:
            await self._say_refused(alarm, error)
            return Worked(alarm, "refused", why=error.message)
        try:
            async with await self._desk.connect(session) as connected:
                issues, fixed = await self._look_and_mend(connected, session, alarm.ticket)
        except AssistError as error:
            await self._end(session, f"A worker could not finish after '{alarm.title}': {error.message}.")
            return Worked(alarm, "refused", session, why=error.message)
        await self._end(session, _closing_words(alarm, self._orders.bundle, issues, fixed))
        return Worked(alarm, "looked", session, issues, fixed)

    async def _look_and_mend(
        self, connected: Session, session: str, ticket: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        await connected.collect(self._orders.bundle)
        found = await connected.findings()
        told = of_findings(found, (), INTERNAL)
        async with self._desk.disclosure_place(ticket) as place:
            await disclose(told, place, connected, session=session, where=ticket)
        return told.issues, tuple([fix for fix in self._offered(found) if await self._mended(connected, fix, found)])

    def _offered(self, found: "list[Finding]") -> list[str]:
        offered = {one.fix for one in found if one.outcome in {"fail", "warn"}}
        return [fix for fix in self._orders.fixes if fix in offered]

    async def _mended(self, connected: Session, fix: str, found: "list[Finding]") -> bool:
        """Plan and apply one fix, if its plan may run without a person; whether its verification held."""
        asked = plan_request(fix, parameters_for(fix, found))
        plan = await connected.plan(asked.fix, asked.version, asked.digest, asked.parameters)
        if not plan.runnable or plan.risk not in RISKS:
            return False
        return (await connected.apply(plan.digest)).status == "resolved"

    async def _end(self, session: str, note: str) -> None:
        await self._desk.end(session, note, "the worker is done", closing=False)

    async def _say_refused(self, alarm: AlarmSummary, error: AssistError) -> None:
        reason = error.reason if isinstance(error, RefusedError) else "refused"
        words = f"A worker may not look at this machine by itself ({reason}): {error.message}. Invite its people."
        await self._desk.add_note(alarm.ticket, words, key=f"worker:{alarm.id}:{reason}"[:100])


def _closing_words(alarm: AlarmSummary, bundle: str, issues: tuple[str, ...], fixed: tuple[str, ...]) -> str:
    found = ", ".join(issues) or "nothing a known issue describes"
    mended = f" Mended by {', '.join(fixed)}, verified." if fixed else ""
    return f"A worker looked with {bundle} after '{alarm.title}' and found: {found}.{mended}"
