"""Enrolled machines for a ticket: which wait, what is asked is seen before the call, a call can be given up."""

import pytest

from remote_assist.errors import ConsentDenied
from remote_assist.tui.screens.forms import PassphraseScreen, ScopesScreen
from remote_assist.tui.screens.machines import MachinesScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from tests.tui.stage import Stage, stage
from tests.tui.world import World

pytestmark = pytest.mark.slow


async def open_machines(it: Stage) -> None:
    await it.press("enter", "m")
    it.screen(MachinesScreen)


async def test_a_machine_is_called_for_a_ticket_once_what_is_asked_was_seen(world: World) -> None:
    async with stage(world) as it:
        await open_machines(it)
        await it.pictures("machines")
        await it.press("enter")
        it.screen(ScopesScreen)
        assert "What to ask web-1 for" in it.text
        assert world.asked_for("call") == []
        await it.press("down", "space", "ctrl+s")
        assert world.asked_for("call") == [("call", "m-1", "4711", "diagnose", "files:read", "1800")]
        it.screen(SessionScreen)
        await it.press("escape")
        it.screen(TicketScreen)


async def test_a_machine_that_is_away_is_not_called(world: World) -> None:
    async with stage(world) as it:
        await open_machines(it)
        await it.press("down", "enter")
        it.screen(MachinesScreen)
        assert "This machine is away" in it.text


async def test_a_refusal_is_said_and_the_list_stays(world: World) -> None:
    async with stage(world) as it:
        await open_machines(it)
        world.failure = ConsentDenied("nothing stands there for fix", reason="denied", advice="Ask its administrator.")
        await it.press("c", "ctrl+s")
        assert "nothing stands there for fix" in it.text and "Ask its administrator." in it.text
        it.screen(MachinesScreen)


async def test_a_call_that_takes_long_is_given_up_by_esc(world: World) -> None:
    world.hold.clear()
    async with stage(world) as it:
        await open_machines(it)
        await it.pilot.press("c", "ctrl+s")
        await it.pilot.pause()
        assert "calling it" in it.text
        await it.press("c")
        it.screen(MachinesScreen)
        await it.press("escape")
        assert "calling it" not in it.text
        it.screen(MachinesScreen)
        await it.press("escape")
        it.screen(TicketScreen)
    assert len(world.asked_for("call")) == 1


async def test_the_keys_passphrase_is_asked_for(world: World) -> None:
    world.passphrase = b"right"
    async with stage(world) as it:
        await open_machines(it)
        await it.press("c", "ctrl+s")
        it.screen(PassphraseScreen)
        await it.write("right")
        await it.press("enter")
        it.screen(SessionScreen)


async def test_where_none_is_enrolled_it_says_how_one_becomes_so(world: World) -> None:
    world.machines = ()
    async with stage(world) as it:
        await open_machines(it)
        assert "No machine is enrolled." in it.text
