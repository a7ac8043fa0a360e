"""`enroll`: paired once by a code, this machine gets an enrolment that a technician of the organisation signed.

    code → pairing → verified → administrator's yes → enrolment checked and kept, CA pinned → verdict `enrolled`

Rule: no session comes of it; what may be done here later says the standing consent, and nothing stands yet.
"""

import contextlib
from collections.abc import Awaitable, Callable

from remote_assist.agent.enrolled.holdings import EnrolledHome
from remote_assist.agent.join import Host, known_relay, new_attempt, remember
from remote_assist.agent.pairing_attempt import Attempt
from remote_assist.agent.surroundings import Surroundings
from remote_assist.core.agreements.enrolment import Machine, check_enrolment
from remote_assist.core.codes import SupportCode
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.messages import EnrolmentWish, Verdict
from remote_assist.errors import AssistError, ConsentDenied, RefusedError, VerificationError

Confirm = Callable[[VerifiedTechnician, Machine], Awaitable[bool]]
"""Asks the administrator at this machine."""


async def enroll(
    around: Surroundings, code: SupportCode, name: str, confirm: Confirm, *, ca_line: str | None
) -> Machine:
    """Enrol this machine under `name`. Raises CodeBurned, RefusedError, ConsentDenied, VerificationError."""
    around.home.prepare()
    home = EnrolledHome(around.home.path)
    wish = home.wish(name, around.entropy)
    known = known_relay(around, ca_line)
    link = await around.dial(f"/v1/join/{code.nameplate}")
    attempt = new_attempt(around, code, link, known, Host.new(around), wish=wish)
    try:
        technician = await attempt.run(lambda: None)
        machine = await _agreed(attempt, technician, wish, confirm)
        assert attempt.enrolment is not None
        home.keep(attempt.enrolment)
        remember(around, technician)
        await attempt.send_verdict(Verdict(reason="enrolled"))
    finally:
        await link.close()
    return machine


async def _agreed(attempt: Attempt, technician: VerifiedTechnician, wish: EnrolmentWish, confirm: Confirm) -> Machine:
    try:
        machine = _offered(attempt, technician, wish)
        if not await confirm(technician, machine):
            raise ConsentDenied("the answer was no; this machine is not enrolled", reason="denied")
    except AssistError as error:
        with contextlib.suppress(AssistError):
            await attempt.send_verdict(Verdict(reason="denied", sentence=error.message[:200]))
        raise
    return machine


def _offered(attempt: Attempt, technician: VerifiedTechnician, wish: EnrolmentWish) -> Machine:
    if attempt.enrolment is None:
        raise RefusedError(
            "the technician invited to a session, not to an enrolment",
            reason="out-of-scope",
            advice="Ask for a code from `remote-assist invite --enroll`.",
        )
    certificate = technician.certificate
    machine = check_enrolment(
        attempt.enrolment, ca_line=certificate.ca_line, revoked=technician.lists.revocations.serials
    )
    enrolment = machine.enrolment
    asked = (wish.name, wish.enrolment_key, wish.consent_key)
    if (enrolment.name, enrolment.enrolment_key, enrolment.consent_key) != asked:
        raise VerificationError("the technician signed another machine than this one", where="enrolment")
    if machine.by.key_line != certificate.key_line:
        raise VerificationError("somebody else signed the enrolment than who invited", where="enrolment")
    return machine
