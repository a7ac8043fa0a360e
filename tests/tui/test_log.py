"""Texts of a bundle on the whole screen: found from the tree, searched while keys are answered, hostile bytes shown."""

import pytest
from textual.widgets import Input

from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.screens.session import SessionScreen
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import SESSION, World

pytestmark = pytest.mark.slow
LINES = [f"14:05:{number % 60:02d} web-07 nginx[{number}]: request {number}" for number in range(300)]
LINES[40] = "14:05:40 web-07 nginx[812]: bind() to 0.0.0.0:80 failed (98: Address already in use)"
LINES[200] = "14:08:20 web-07 apache2[901]: \x1b]52;c;aGk=\x07 \u202eFailed \x9b31m [red]x[/red]"


async def opened(here: Stage) -> LogScreen:
    """The one text of the bundle, from the tree by keys alone."""
    await here.press("d", "2", "end", "enter")
    return here.screen(LogScreen)


async def search(here: Stage, word: str) -> None:
    await here.press("slash")
    here.app.screen.query_one("#word", Input).value = word
    await here.press("enter")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_found_line_as_a_picture(world: World, size: tuple[int, int]) -> None:
    world.texts = {"nginx-log.txt": "\n".join(LINES)}
    async with stage(world, size, session=SESSION) as here:
        await opened(here)
        await search(here, "failed")
        assert "failed  1/2" in here.text and "web-07" in here.text.splitlines()[0]
        here.compare("log-found")


async def test_next_only_these_and_back_by_keys(world: World) -> None:
    world.texts = {"nginx-log.txt": "\n".join(LINES)}
    async with stage(world, session=SESSION) as here:
        await opened(here)
        await search(here, "failed")
        await here.press("n")
        assert "2/2" in here.text
        assert "\\x1b]52;c;aGk=\\x07 \\u{202e}Failed" in here.text
        await here.press("f")
        assert "request" not in here.text and "failed (98: Address" in here.text
        await here.press("escape")
        assert "request" in here.text
        await here.press("G")
        assert "request 299" in here.text
        await here.press("g")
        assert "request 0" in here.text
        await here.press("escape")
        here.screen(SessionScreen)


async def test_a_word_that_is_not_there_says_so_and_a_search_can_be_stopped(world: World) -> None:
    world.texts = {"nginx-log.txt": "\n".join(LINES)}
    async with stage(world, session=SESSION) as here:
        screen = await opened(here)
        await search(here, "no such word")
        assert "not found" in here.text
        screen._searched = 0
        await here.press("escape")
        here.screen(LogScreen)
        await here.press("escape")
        here.screen(SessionScreen)


async def test_the_facts_are_searched_and_a_place_is_shown_in_the_tree(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("d", "2", "slash")
        here.app.screen.query_one("#fact-word", Input).value = "apache2"
        await here.press("enter")
        assert "listening_ports#/1/name" in here.text
        await here.press("enter")
        assert "apache2" in here.text and "facts" not in here.text.splitlines()[4]
        await here.press("slash")
        here.app.screen.query_one("#fact-word", Input).value = "nothing like it"
        await here.press("enter")
        assert "0 found" in here.text
        await here.press("backspace")
        assert "listening_ports" in here.text
