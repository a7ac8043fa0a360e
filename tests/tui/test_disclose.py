"""What goes onto the ticket is chosen, shown as it will go, and only then sent."""

import pytest
from textual.widgets import Input

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
        await it.press("tab", "space", "ctrl+s")
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
        assert "there is no text yet. Type it." in it.text
        await it.write("Port freed.")
        await it.press("enter")
        it.screen(PreviewScreen)
    assert world.asked_for("preview") == [("preview", SESSION, "text", "internal", "Port freed.")]


async def test_a_file_can_be_sealed_to_a_key_or_stay_here_and_the_preview_says_so(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        await it.press("D", "down", "down", "tab")
        await it.write("/tmp/core")
        await it.press("tab", "down", "space", "tab")
        await it.write("rita.pub")
        await it.pictures("disclose-file")
        await it.press("enter")
        it.screen(DiscloseScreen)
        assert "either sealed or named by its digest alone" in it.text
        await it.press("tab", "space", "ctrl+s")
        it.screen(PreviewScreen)
        assert "only the holder of the private key of rita.pub can read it" in it.text
        assert world.asked_for("preview") == [("preview", SESSION, "file", "internal", "/tmp/core", "rita.pub")]
        await it.press("escape", "D", "down", "down", "tab")
        await it.write("/tmp/core")
        await it.press("tab", "down", "space", "ctrl+s")
        assert world.asked_for("preview")[-1] == ("preview", SESSION, "file", "internal", "/tmp/core", "digest")


async def test_only_the_fields_that_belong_to_what_goes_take_words(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        await it.press("D", "tab", "x", "tab", "x")
        assert it.app.screen.query_one("#words", Input).value == it.app.screen.query_one("#key", Input).value == ""
        await it.press("down", "tab")
        await it.write("w")
        assert it.app.screen.query_one("#words", Input).value == "w"
        await it.press("tab", "down", "space", "ctrl+s")
        assert "only a file is sealed, or named by its digest alone" in it.text
    assert world.asked_for("preview") == []


async def test_a_place_that_cannot_take_it_says_so_before_anything_is_recorded(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        world.failure = TicketSystemError(
            "ticket 4711 takes words only from here", fault=Fault.UNABLE, advice="Disclose findings."
        )
        await it.press("D", "up", "enter")
        it.screen(SessionScreen)
        assert "takes words only" in it.text and "Disclose findings." in it.text
    assert world.asked_for("disclose") == []
