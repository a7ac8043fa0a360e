"""A machine nobody sits at, in one process with a real relay: enrolled by a code, called, and not any more."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from remote_assist.agent.enrolled.enrolling import enroll
from remote_assist.agent.enrolled.holdings import EnrolledHome
from remote_assist.agent.enrolled.standby import Standby
from remote_assist.core.agreements.enrolment import Machine, check_machine, open_code, sign_enrolment
from remote_assist.core.codec import decode
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.messages import NameplateAssigned, RelayRefused, Rendezvous, SignedStatement, Verdict
from remote_assist.core.pairing import TechnicianPairing, sign_statement
from remote_assist.core.records import format_time
from remote_assist.core.requests import Run
from remote_assist.core.signing.keys import public_line
from remote_assist.errors import ConsentDenied, RefusedError, UsageError
from remote_assist.technician.pairing_attempt import check_agent_statement
from tests.agent.world import AgentWorld, agent_world, signed_lists

pytestmark = pytest.mark.slow


async def invite_to_enrol(world: AgentWorld, *, sign: bool = True) -> Verdict:
    """The technician's half of an enrolment; without `sign` of a common session."""
    technician, organisation = world.technician, world.relay.organisation
    await technician.greet()
    assert technician.agent.wish
    statement = SignedStatement(
        version=1,
        transcript=technician.pairing.transcript,
        agent_host_key=technician.agent.host_key,
        session_key=public_line(technician.session_key),
        ticket=technician.ticket,
        subject="A new server",
        scopes=("diagnose",),
        seconds=60,
        relay=world.relay.url,
        organisation_ca=public_line(organisation.ca),
    )
    person = technician.person
    envelope = sign_statement(person.key, person.certificate, statement, signed_lists(world.relay))
    bound = {
        "relay": world.relay.url,
        "organisation_ca": public_line(organisation.ca),
        "issued": format_time(datetime.now(UTC)),
    }
    signed = sign_enrolment(person.key, person.certificate, technician.agent.wish, **bound)
    await technician.send_envelope(msgspec.structs.replace(envelope, enrolment=signed) if sign else envelope)
    return await technician.verdict()


async def enrolled(world: AgentWorld, *, yes: bool = True, sign: bool = True) -> Machine:
    async def confirm(technician: VerifiedTechnician, machine: Machine) -> bool:
        return yes and technician.verified and machine.enrolment.name == "web-1"

    code = await world.technician.make_code()
    ca_line = public_line(world.relay.organisation.ca)
    enrolling = asyncio.create_task(enroll(world.around, code, "web-1", confirm, ca_line=ca_line))
    verdict = await invite_to_enrol(world, sign=sign)
    machine = await enrolling
    assert verdict.reason == "enrolled"
    return machine


@contextlib.asynccontextmanager
async def waiting(world: AgentWorld) -> AsyncIterator[list[str]]:
    lines: list[str] = []
    standby = asyncio.create_task(Standby(world.around, lines.append).run())
    try:
        async with asyncio.timeout(60):
            while not any("waits to be called" in line for line in lines):
                await asyncio.sleep(0.01)
        yield lines
    finally:
        standby.cancel()
        await asyncio.gather(standby, return_exceptions=True)


async def call(world: AgentWorld, machine: Machine, scopes: tuple[str, ...]) -> Verdict:
    technician = world.technician
    technician.link = await technician.dial(f"/v1/nameplate?machine={machine.id}")
    assigned: object = decode(await technician.link.receive(), Rendezvous)  # type: ignore[arg-type]  # a union
    assert isinstance(assigned, NameplateAssigned)
    code = open_code(assigned.nameplate)
    technician.pairing = TechnicianPairing(code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)
    await technician.greet()
    assert technician.agent.proof
    ca_line, host_key, offer = machine.by.ca_line, technician.agent.host_key, technician.pairing.offer
    check_machine(technician.agent.proof, offer=offer, host_key=host_key, wanted=machine.id, ca_line=ca_line)
    await technician.ask(scopes)
    return await technician.verdict()


async def test_a_computer_of_a_long_name_can_be_enrolled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "n" * 200)
    async with agent_world(tmp_path) as world:
        await enrolled(world)
        check_agent_statement(world.technician.agent)


async def test_a_machine_is_enrolled_called_by_what_stands_and_ends_when_it_is_taken_back(tmp_path: Path) -> None:
    async with agent_world(tmp_path) as world:
        machine, home, now = await enrolled(world), EnrolledHome(world.home.path), datetime.now(UTC)
        async with waiting(world) as lines:
            refused = await call(world, machine, ("diagnose",))
            assert (refused.reason, refused.grants) == ("denied", ())
            assert "no standing consent is in force" in refused.sentence

            home.allow(("terminal",), ("Alice Example",), ("always",), now + timedelta(days=1), now)
            granted = await call(world, machine, ("diagnose", "terminal"))
            assert [grant.scope for grant in granted.grants] == ["terminal"]
            codes = world.codes()
            assert codes[:3] == ["RA1000E", "RA1711E", "RA1001E"]
            used = next(record for record in world.journal() if record.code == "RA1711E")
            assert (used.catalog, used.target, set(used.sealed)) == ("standing-consent-1", machine.id, {"consent"})
            async with world.technician.channel() as channel:
                await channel.send(Run(argv=("sleep", "60")))
                home.revoke(now)
                async with asyncio.timeout(60):
                    while "RA1990E" not in world.codes():
                        await asyncio.sleep(0.05)
            assert any("taken back" in line for line in lines)
            assert not (await call(world, machine, ("terminal",))).grants
        with contextlib.suppress(RefusedError):
            link = await world.technician.dial(f"/v1/nameplate?machine={machine.id}")
            said: object = decode(await link.receive(), Rendezvous)  # type: ignore[arg-type]  # a union
            assert isinstance(said, RelayRefused)


async def test_without_the_administrators_yes_or_the_technicians_signature_nothing_is_enrolled(tmp_path: Path) -> None:
    async with agent_world(tmp_path) as world:
        for said, error in (({"yes": False}, ConsentDenied), ({"sign": False}, RefusedError)):
            code = await world.technician.make_code()

            async def confirm(technician: VerifiedTechnician, machine: Machine) -> bool:
                return False

            enrolling = asyncio.create_task(
                enroll(world.around, code, "web-1", confirm, ca_line=public_line(world.relay.organisation.ca))
            )
            verdict = await invite_to_enrol(world, sign=said.get("sign", True))
            assert verdict.reason == "denied"
            with pytest.raises(error):
                await enrolling
        with pytest.raises(UsageError, match="not enrolled"):
            EnrolledHome(world.home.path).machine()
