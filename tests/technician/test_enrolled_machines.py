"""Which machines the relay tells of may be believed, and which one a name means."""

import pytest

from remote_assist.core.api import MachineSummary
from remote_assist.core.messages import EnrolmentWish
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import UsageError
from remote_assist.technician.enrolled_machines import the_one, vouched_for
from tests.core.agreements.test_enrolment import CA_LINE, OTHER_CA, certificate, enrolment


def told(name: str, number: int, line: str = "", *, here: bool = True) -> MachineSummary:
    keys = [public_line(new_key(bytes([number + offset]) * 32)) for offset in (0, 100)]
    signed = enrolment(line, EnrolmentWish(name=name, enrolment_key=keys[0], consent_key=keys[1]))
    return MachineSummary(id="m-lie", name="a lie", seen="2026-11-23T12:00:00Z", here=here, signed=signed)


def test_only_what_the_organisation_signed_is_listed_under_the_name_that_was_signed() -> None:
    found = vouched_for(
        [told("web-1", 20), told("db-1", 30, here=False), told("evil", 40, certificate(ca=OTHER_CA))],
        ca_line=CA_LINE,
        revoked=(),
    )
    assert [(one.machine.enrolment.name, one.here) for one in found] == [("web-1", True), ("db-1", False)]
    assert vouched_for([told("web-1", 20)], ca_line=CA_LINE, revoked={7}) == ()


def test_a_name_or_an_id_means_one_machine_or_says_why_not() -> None:
    machines = vouched_for([told("web-1", 20), told("db-1", 30), told("db-1", 40)], ca_line=CA_LINE, revoked=())
    assert the_one(machines, "web-1") is machines[0]
    assert the_one(machines, machines[2].machine.id) is machines[2]
    with pytest.raises(UsageError, match="several machines are enrolled as 'db-1'"):
        the_one(machines, "db-1")
    with pytest.raises(UsageError, match="no machine is enrolled as 'mail'"):
        the_one(machines, "mail")
