"""A machine nobody sits at, called from the screens: really enrolled, really waiting, answered by what stands there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remote_assist.agent.enrolled.enrolling import enroll
from remote_assist.agent.enrolled.holdings import EnrolledHome
from remote_assist.agent.enrolled.standby import Standby
from remote_assist.core.agreements.enrolment import Machine
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.signing.keys import public_line
from remote_assist.tui.screens.machines import MachinesScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from tests.tui.real_world import PATIENCE_SECONDS, SUBJECT, RealStage, RealWorld, real_stage, real_world

pytestmark = pytest.mark.slow

NAME = "db-1.example.com"


async def say_yes(_technician: VerifiedTechnician, machine: Machine) -> bool:
    return machine.enrolment.name == NAME


async def enrol(world: RealWorld) -> None:
    """The customer's machine becomes one that can be called, by a code; there is a ticket afterwards."""
    async with await world.desk() as desk:
        ticket = await desk.new_ticket(SUBJECT)
        invitation = await desk.invite(ticket, ("diagnose",), 60, enrolling=True)
        ca_line = public_line(world.relay.organisation.ca)
        await asyncio.gather(
            enroll(world.agent.around, invitation.code, NAME, say_yes, ca_line=ca_line), invitation.paired()
        )


def allow(world: RealWorld, *scopes: str, people: tuple[str, ...] = ()) -> None:
    """What the machine's administrator signs there."""
    now = datetime.now(UTC)
    EnrolledHome(world.agent.home.path).allow(scopes, people, ("always",), now + timedelta(days=1), now)


@contextlib.asynccontextmanager
async def standing_by(world: RealWorld) -> AsyncIterator[list[str]]:
    """`standby` runs; what it says to whoever looks at the machine."""
    lines: list[str] = []
    standby = asyncio.create_task(Standby(world.agent.around, lines.append).run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any("waits to be called" in line for line in lines):
                await asyncio.sleep(0.02)
        yield lines
    finally:
        standby.cancel()
        await asyncio.gather(standby, return_exceptions=True)


async def open_machines(here: RealStage) -> None:
    await here.see(SUBJECT)
    await here.press("enter")
    await here.see("None yet")
    await here.press("m")
    await here.see(NAME)
    here.screen(MachinesScreen)


async def test_a_machine_is_called_a_program_runs_there_and_the_log_has_both(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world:
        await enrol(world)
        allow(world, "diagnose", "terminal", people=("Alice Example",))
        async with standing_by(world) as lines, real_stage(world) as here:
            await open_machines(here)
            await here.see("● waits")
            await here.press("enter")
            await here.see(f"What to ask {NAME} for")
            await here.press("down", "down", "down", "down", "space", "ctrl+s")
            await here.until(lambda: isinstance(here.app.screen, SessionScreen), "the session")
            await here.see("▲ linked", "may: diagnose  terminal")
            await here.press("4")
            await here.write("echo called")
            await here.press("enter")
            await here.see("✔ run echo")
            await here.press("escape", "7")
            await here.see("standing consent", "Runs a program", "done")
            assert any("Alice Example calls for ticket" in line for line in lines)
            await here.press("e")
            await here.write("Looked at")
            await here.press("enter")
            await here.until(lambda: isinstance(here.app.screen, TicketScreen), "the ticket")
            await here.see("– ended", "Looked at")


async def test_what_does_not_stand_there_is_refused_and_nothing_opens(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world:
        await enrol(world)
        async with standing_by(world), real_stage(world) as here:
            await open_machines(here)
            await here.press("c", "ctrl+s")
            await here.see("no standing consent is in force on this machine")
            here.screen(MachinesScreen)
            allow(world, "diagnose", people=("Bob Example",))
            await here.press("c", "ctrl+s")
            await here.see("the standing consent is for other people")
            allow(world, "diagnose")
            await here.press("c", "space", "down", "space", "ctrl+s")
            await here.see("the standing consent allows nothing of what was asked for")
            await here.press("c", "ctrl+s")
            await here.until(lambda: isinstance(here.app.screen, SessionScreen), "the session")
            await here.see("▲ linked", "may: diagnose")


async def test_what_is_taken_back_ends_the_session_on_the_screen(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world:
        await enrol(world)
        allow(world, "diagnose")
        async with standing_by(world), real_stage(world) as here:
            await open_machines(here)
            await here.press("c", "ctrl+s")
            await here.see("▲ linked", "may: diagnose")
            EnrolledHome(world.agent.home.path).revoke(datetime.now(UTC))
            await here.see("may: nothing")


async def test_a_machine_whose_standby_does_not_run_is_away_until_it_does(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world:
        await enrol(world)
        allow(world, "diagnose")
        async with standing_by(world):
            pass
        async with real_stage(world) as here:
            await open_machines(here)
            await here.see("○ away")
            await here.press("c")
            await here.see("This machine is away")
            here.screen(MachinesScreen)
            async with standing_by(world):
                await here.press("r")
                await here.see("● waits")
                await here.press("c", "ctrl+s")
                await here.see("▲ linked", "may: diagnose")
