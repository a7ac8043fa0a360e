"""Enrolments: signed by a technician of the CA, proved anew in each pairing, worth nothing to whoever is in between."""

import re
import secrets
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from remote_assist.core.agreements.enrolment import (
    Machine,
    check_enrolment,
    check_fresh,
    check_machine,
    open_code,
    prove_machine,
    sign_enrolment,
)
from remote_assist.core.identity.certificates import check_certificate, issue_certificate
from remote_assist.core.messages import AgentStatement, EnrolmentProof, EnrolmentWish, SignedEnrolment
from remote_assist.core.pairing import AgentPairing, TechnicianPairing
from remote_assist.core.records import format_time
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import LocalProtocolError, RefusedError, VerificationError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CA, OTHER_CA, ALICE, MACHINE, HOST = (new_key(bytes([number]) * 32) for number in range(1, 6))
CA_LINE = public_line(CA)
WISH = EnrolmentWish(name="web-1", enrolment_key=public_line(MACHINE), consent_key=public_line(HOST))


def certificate(role: str = "technician", ca: object = CA) -> str:
    return issue_certificate(
        ca,  # type: ignore[arg-type]  # a key
        public_line(ALICE),
        name="Alice Example",
        role=role,
        serial=7,
        valid_after=NOW - timedelta(hours=1),
        valid_before=NOW + timedelta(hours=11),
    )


def enrolment(line: str = "", wish: EnrolmentWish = WISH, **bound: str) -> SignedEnrolment:
    whole = {"relay": "https://r.example.com", "organisation_ca": CA_LINE, "issued": format_time(NOW), **bound}
    return sign_enrolment(ALICE, line or certificate(), wish, **whole)


def test_an_enrolment_names_the_machine_by_its_key_and_outlives_the_certificate_that_signed_it() -> None:
    machine = check_enrolment(enrolment(), ca_line=CA_LINE)
    machine_form = re.compile(r"m-[a-z2-7]{16}")
    assert machine_form.fullmatch(machine.id) and not machine_form.fullmatch(machine.enrolment.name)
    assert (machine.enrolment.name, machine.by.name) == ("web-1", "Alice Example")


@pytest.mark.parametrize(
    "signed",
    [
        enrolment(certificate(ca=OTHER_CA)),
        enrolment(certificate("reviewer")),
        enrolment(issued=format_time(NOW + timedelta(days=2))),
        enrolment(organisation_ca=public_line(OTHER_CA)),
        msgspec.structs.replace(enrolment(), signature=enrolment(relay="https://other.example.com").signature),
        msgspec.structs.replace(enrolment(), enrolment=b"{}"),
    ],
    ids=["another-ca", "another-role", "not-valid-then", "another-organisation", "another-signature", "no-enrolment"],
)
def test_what_no_technician_of_the_organisation_signed_is_no_enrolment(signed: SignedEnrolment) -> None:
    with pytest.raises(VerificationError, match="the enrolment is refused"):
        check_enrolment(signed, ca_line=CA_LINE)


def test_a_revoked_technicians_enrolments_are_refused() -> None:
    with pytest.raises(VerificationError, match="revoked"):
        check_enrolment(enrolment(), ca_line=CA_LINE, revoked={7})


@pytest.mark.parametrize("changes", [{"name": "Web 1"}, {"consent_key": f"{public_line(HOST)} comment"}])
def test_a_wish_that_is_not_plain_is_not_signed(changes: dict[str, str]) -> None:
    with pytest.raises(VerificationError):
        enrolment(wish=msgspec.structs.replace(WISH, **changes))


class Called:
    """A machine and whoever calls it, up to the machine's proof; `between` may stand for a relay that meddles."""

    def __init__(self) -> None:
        code = open_code("417203")
        self.technician = TechnicianPairing(code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)
        self.agent = AgentPairing(code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)
        self.start = self.technician.start()

    def answer(self) -> EnrolmentProof:
        """What the machine proves to whoever sent `start` to it."""
        proofs: list[EnrolmentProof] = []

        def statement(offer: bytes) -> AgentStatement:
            proofs.append(prove_machine(MACHINE, enrolment(), offer, public_line(HOST)))
            return AgentStatement(
                host_key=public_line(HOST),
                agent_version="1",
                platform="linux",
                host_name="web-1",
                checkpoint="",
                proof=proofs[0],
            )

        self.technician.receive_reply(self.agent.receive_start(self.start, statement))
        return proofs[0]

    def check(self, proof: EnrolmentProof, wanted: str, host_key: str = public_line(HOST)) -> Machine:
        return check_machine(proof, offer=self.technician.offer, host_key=host_key, wanted=wanted, ca_line=CA_LINE)


def test_a_machine_proves_itself_for_one_pairing_one_host_key_and_nobody_else() -> None:
    wanted = check_enrolment(enrolment(), ca_line=CA_LINE).id
    honest, between = Called(), Called()
    with pytest.raises(LocalProtocolError):
        assert honest.technician.offer
    proof, passed_on = honest.answer(), between.answer()
    assert honest.check(proof, wanted).id == wanted
    with pytest.raises(VerificationError, match="somebody is in between"):
        honest.check(passed_on, wanted)
    with pytest.raises(VerificationError, match="somebody is in between"):
        honest.check(proof, wanted, public_line(OTHER_CA))
    with pytest.raises(VerificationError, match="another machine"):
        honest.check(proof, "m-aaaaaaaaaaaaaaaa")


def test_a_certificate_older_than_a_day_opens_no_enrolled_machine() -> None:
    young = check_certificate(certificate(), ca_line=CA_LINE, now=NOW, role="technician")
    check_fresh(young, NOW)
    with pytest.raises(RefusedError, match="older than 24 hours"):
        check_fresh(young, NOW + timedelta(hours=23, minutes=1))
