"""What goes onto the ticket is chosen, shown as it will go, and only then sent."""

import pytest

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.tui.screens.disclose import DiscloseScreen, PreviewScreen
from remote_assist.tui.screens.session import SessionScreen
from tests.tui.stage import stage
from tests.tui.world import SESSION, World

pytestmark = pytest.mark.slow


async def test_findings_are_seen_before_they_go_onto_the_ticket(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        await it.press("D")
        it.screen(DiscloseScreen)
        await it.pictures("disclose")
        await it.press("tab", "tab", "space", "ctrl+s")
        it.screen(PreviewScreen)
        assert world.asked_for("preview") == [("preview", SESSION, "findings", "customer", "")]
        assert "the customer and the organisation" in it.text and "1 × email" in it.text
        assert "TLS certificate expired" in it.text and r"\x1b[31mred" in it.text
        await it.pictures("disclose-preview")
        assert world.asked_for("disclose") == []
        await it.press("y")
        it.screen(SessionScreen)
        assert world.asked_for("disclose") == [("disclose", "findings", "customer")]
        assert "on ticket #4711" in it.text


async def test_whoever_leaves_the_preview_sends_nothing(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        await it.press("D", "enter")
        it.screen(PreviewScreen)
        assert "the organisation alone" in it.text
        await it.press("escape")
        it.screen(SessionScreen)
        assert "nothing was sent yet" in it.text
    assert world.asked_for("disclose") == []


async def test_a_text_or_file_that_is_not_named_is_asked_for(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        await it.press("D", "down", "ctrl+s")
        it.screen(DiscloseScreen)
        assert "Type the text." in it.text
        await it.write("Port freed.")
        await it.press("enter")
        it.screen(PreviewScreen)
    assert world.asked_for("preview") == [("preview", SESSION, "text", "internal", "Port freed.")]


async def test_a_place_that_cannot_take_it_says_so_before_anything_is_recorded(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        world.failure = TicketSystemError(
            "ticket 4711 takes words only from here", fault=Fault.UNABLE, advice="Disclose findings."
        )
        await it.press("D", "up", "enter")
        it.screen(SessionScreen)
        assert "takes words only" in it.text and "Disclose findings." in it.text
    assert world.asked_for("disclose") == []
