"""Enrolling from the technician's desk: signed, on record before the machine gets it, listed once it has waited."""

import asyncio
import secrets
from pathlib import Path

import pytest

from remote_assist import cli
from remote_assist.agent.enrolled.enrolling import enroll
from remote_assist.agent.enrolled.standby import Standby
from remote_assist.agent.keeper import system_moment
from remote_assist.agent.memory import AgentHome
from remote_assist.agent.surroundings import Surroundings
from remote_assist.core.agreements.enrolment import Machine
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.signing.keys import public_line
from remote_assist.errors import UsageError
from remote_assist.settings import AgentSettings, TechnicianSettings
from remote_assist.technician.desk import Desk
from tests.commands.served import Served

pytestmark = pytest.mark.slow


async def enrolled(served: Served, folder: Path) -> Machine:
    around = Surroundings(
        settings=AgentSettings(home=folder / "server", relay_url=served.world.url),
        home=AgentHome(folder / "server"),
        origin=served.world.url,
        moment=system_moment,
        entropy=secrets.token_bytes,
    )

    async def confirm(technician: VerifiedTechnician, machine: Machine) -> bool:
        return technician.certificate.name == machine.by.name == "Alice Example"

    settings = TechnicianSettings(home=folder / "alice-home", relay_url=served.world.url)
    async with await Desk.open(settings) as desk:
        ticket = await desk.new_ticket("New server")
        async with await desk.invite(ticket, ("diagnose",), 60, enrolling=True) as invitation:
            ca_line = public_line(served.world.organisation.ca)
            joining = asyncio.create_task(enroll(around, invitation.code, "web-1", confirm, ca_line=ca_line))
            assert await invitation.paired() == (await joining).id
        with pytest.raises(UsageError, match="no machine is enrolled as 'web-1'"):
            await desk.machine("web-1")
        standby = asyncio.create_task(Standby(around, lambda line: None).run())
        async with asyncio.timeout(60):
            while not any(one.here for one in await desk.machines()):  # the relay is asked
                await asyncio.sleep(0.02)
        standby.cancel()
        await asyncio.gather(standby, return_exceptions=True)
        return (await desk.machine("web-1")).machine


def test_a_machine_is_enrolled_from_the_desk_and_a_reviewer_finds_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Served(tmp_path, monkeypatch) as served:
        served.become("Alice Example", "technician")
        machine = asyncio.run(enrolled(served, tmp_path))
        capsys.readouterr()
        assert cli.main(["enrolled", "--plain"]) == 0
        assert capsys.readouterr().out.strip() == machine.id
        served.become("Rita Example", "reviewer")
        capsys.readouterr()
        assert cli.main(["audit", "report", "audit-trail"]) == 0
        assert "RA1710E" in (told := capsys.readouterr().out) and machine.id in told
