"""The chat tab: what the customer writes arrives and is counted, what is written goes out, codes do not."""

import pytest
from textual.widgets import Input

from remote_assist.core.chat import MAX_LINES
from remote_assist.errors import AssistError
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import SESSION, World

SIZES = [NARROW, WIDE]
pytestmark = pytest.mark.slow


async def say(here: Stage, text: str) -> None:
    here.app.screen.query_one("#say", Input).value = text
    await here.press("enter")


@pytest.mark.parametrize("size", SIZES)
async def test_a_conversation_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as here:
        world.customer_says("the shop shows error 98", "is that bad?")
        await here.settle()
        await here.press("6")
        await say(here, "Port 80 is taken; I will free it.")
        here.compare("session-chat")


async def test_lines_nobody_looked_at_are_counted_on_the_tab_and_ring(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        rings = []
        here.app.bell = lambda: rings.append(1)  # type: ignore[method-assign]  # counted, not heard
        world.customer_says("hello?", "anybody?")
        await here.settle()
        assert "6 Chat 2" in here.text and rings == [1]
        await here.press("6")
        assert "6 Chat 2" not in here.text and "anybody?" in here.text
        world.customer_says("ah")
        await here.settle()
        assert rings == [1], "what is read as it comes rings no bell"


async def test_a_line_is_sent_and_the_field_is_free_again(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("6")
        await say(here, "hello")
        assert world.asked_for("say") == [("say", "hello")]
        assert here.app.screen.query_one("#say", Input).value == ""
        await here.write("e5")
        assert here.app.screen.query_one("#say", Input).value == "e5", "letters are text here, not keys"


async def test_while_a_line_is_on_its_way_the_next_is_typed_and_the_field_can_be_left(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("6")
        world.takes_lines.clear()
        await say(here, "one")
        await here.write("two")
        await here.press("escape")
        world.takes_lines.set()
        await here.settle()
        field = here.app.screen.query_one("#say", Input)
        assert "you       one" in here.text and field.value == "two" and not field.has_focus
        await here.press("7")
        assert field.value == "two", "a key of the screen again"


async def test_a_support_code_is_not_sent_and_stays_in_the_field(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("6")
        await say(here, "try 417203-tulip-rocket-amber")
        assert "contains a support code" in here.text
        assert world.asked_for("say") == []
        assert here.app.screen.query_one("#say", Input).value


async def test_a_flood_of_lines_is_cut_to_the_newest(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        world.customer_says(*(f"line {number}" for number in range(MAX_LINES * 3)))
        await here.settle()
        await here.press("6")
        assert f"line {MAX_LINES * 3 - 1}" in here.text


async def test_hostile_lines_are_text(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        world.customer_says("[red]x[/red] \x1b]52;c;aGk=\x07 \u202egpj.exe")
        await here.settle()
        await here.press("6")
        assert "[red]x[/red] \\x1b]52;c;aGk=\\x07 \\u{202e}gpj.exe" in here.text


async def test_the_technicians_own_command_translates_and_its_failure_hides_nothing(world: World) -> None:
    async def translate(text: str) -> str:
        if text == "bricht":
            raise AssistError("the translation command failed with status 3")
        return {"Guten Tag": "Good day"}[text]

    async with stage(world, session=SESSION, translate=translate) as here:
        await here.press("6")
        world.customer_says("Guten Tag", "bricht")
        await here.settle()
        assert "⇢ Good day" in here.text and "bricht" in here.text and "status 3" in here.text
