"""The machines nobody sits at, as far as the organisation's own signatures vouch for them."""

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from remote_assist.core.agreements.enrolment import Machine, check_enrolment
from remote_assist.core.api import MachineSummary
from remote_assist.errors import UsageError, VerificationError


@dataclass(frozen=True, slots=True)
class EnrolledMachine:
    """A machine whose enrolment was checked. `here`: it can be called now, says the relay."""

    machine: Machine
    here: bool
    seen: str


def vouched_for(
    told: Iterable[MachineSummary], *, ca_line: str, revoked: Collection[int]
) -> tuple[EnrolledMachine, ...]:
    """Those the relay tells of whose enrolment a technician of this organisation signed."""
    found = []
    for one in told:
        with contextlib.suppress(VerificationError):
            machine = check_enrolment(one.signed, ca_line=ca_line, revoked=revoked)
            found.append(EnrolledMachine(machine, one.here, one.seen))
    return tuple(found)


def the_one(machines: Sequence[EnrolledMachine], name: str) -> EnrolledMachine:
    """One of them, by name or id. Raises UsageError for none, or several of that name."""
    found = [one for one in machines if name in {one.machine.id, one.machine.enrolment.name}]
    if len(found) != 1:
        known = "several machines are" if found else "no machine is"
        raise UsageError(f"{known} enrolled as '{name[:60]}'", advice="`enrolled` lists who ran `standby`.")
    return found[0]
