"""A colleague is let in from the session screen: the customer is asked, and only after the form was answered."""

import pytest

from remote_assist.tui.screens.forms import NoteScreen, PassphraseScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.share import ShareScreen
from tests.tui.stage import NARROW, WIDE, stage
from tests.tui.world import SESSION, World


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_colleague_takes_over_once_the_customer_said_yes(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as it:
        await it.press("s", "enter")
        assert "Name the file" in it.text
        await it.write("/keys/bob-cert.pub")
        await it.press("tab", "down", "down")
        assert "[^s] ask the customer" in it.text
        assert "Name the file" not in it.text
        it.compare("share")
        assert world.asked_for("share") == []
        await it.press("ctrl+s")
        it.screen(SessionScreen)
        assert world.asked_for("share") == [("share", SESSION, "/keys/bob-cert.pub", "successor", "1800")]
        assert "the customer let Bob Example in" in it.text
        assert f"remote-assist attach {SESSION}" in it.text


async def test_a_locked_key_is_asked_for_on_the_screen_and_the_request_goes_on(world: World) -> None:
    world.passphrase = b"right"
    async with stage(world, session=SESSION) as it:
        await it.press("s")
        await it.write("/keys/bob-cert.pub")
        await it.press("ctrl+s")
        it.screen(PassphraseScreen)
        assert "Passphrase of alice" in it.text
        await it.write("wrong")
        await it.press("enter")
        it.screen(SessionScreen)
        assert "does not open the key" in it.text
        assert world.asked_for("share") == []
        await it.press("s")
        await it.write("/keys/bob-cert.pub")
        await it.press("ctrl+s")
        await it.write("right")
        await it.press("enter")
        it.screen(SessionScreen)
        assert len(world.asked_for("share")) == 1
        assert "the customer let Bob Example in" in it.text


async def test_who_gives_no_passphrase_is_told_so_and_asks_nobody(world: World) -> None:
    world.passphrase = b"right"
    async with stage(world, session=SESSION) as it:
        await it.press("s")
        await it.write("/keys/bob-cert.pub")
        await it.press("ctrl+s", "escape")
        it.screen(SessionScreen)
        assert "your key stays locked" in it.text
        assert world.asked_for("share") == []
        await it.press("n")
        it.screen(NoteScreen)


async def test_a_form_that_is_left_asks_nobody(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        await it.press("s")
        it.screen(ShareScreen)
        await it.write("x")
        await it.press("escape")
        assert world.asked_for("share") == []
