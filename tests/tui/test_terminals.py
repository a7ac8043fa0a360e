"""The terminal tab: keys go to the customer's shell and nowhere else, output is drawn, several go on side by side."""

import pytest

from remote_assist.tui.screens.session import SessionScreen
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import SESSION, World

SIZES = [NARROW, WIDE]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _allowed(world: World) -> None:
    world.scopes = (*world.scopes, "terminal")


async def opened(here: Stage) -> None:
    await here.press("8", "t")
    await here.settle()


@pytest.mark.parametrize("size", SIZES)
async def test_a_terminal_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as here:
        await opened(here)
        world.terminals[0].show(
            b"ls --color\r\n\x1b[1;34msrv\x1b[0m  \x1b[7m notes.txt \x1b[0m\r\n$ \xe6\xbc\xa2\xe5\xad\x97"
        )
        await here.settle()
        here.compare("session-terminal")


async def test_every_key_is_typed_there_and_none_does_anything_here(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await opened(here)
        await here.press(*"e1?o", "ctrl+p", "ctrl+q", "ctrl+c", "tab", "escape", "up", "enter")
        assert world.terminals[0].typed == b"e1?o\x10\x11\x03\t\x1b\x1b[A\r"
        here.screen(SessionScreen)
        await here.press("ctrl+right_square_bracket", "1")
        assert "Nothing was looked at" in here.text


async def test_the_size_is_the_tabs_and_follows_the_window(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        await opened(here)
        (_, term, columns, rows), *_ = world.asked_for("shell")
        assert (term, columns) == ("xterm-256color", "160") and int(rows) > 30
        await here.pilot.resize_terminal(100, 30)
        await here.settle()
        assert world.terminals[0].sizes[-1][0] == 100


async def test_two_terminals_go_on_side_by_side_and_one_that_ended_is_closed(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await opened(here)
        await here.press("ctrl+right_square_bracket", "t")
        await here.settle()
        world.terminals[0].show(b"first here\r\n")
        await here.press("ctrl+right_square_bracket", "tab")
        assert "first here" in here.text
        world.terminals[0].end(3)
        await here.settle()
        assert "ended, status 3" in here.text
        await here.press("x")
        assert "first here" not in here.text and "alice@web-07" in here.text
        await here.press("x")
        await here.settle()
        assert ("close shell",) in world.calls and "closed" in here.text


async def test_what_scrolled_away_is_looked_at_again(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await opened(here)
        world.terminals[0].show(b"".join(b"row %d\r\n" % number for number in range(100)))
        await here.settle()
        await here.press("shift+pageup")
        assert "row 70" in here.text and "row 99" not in here.text
        await here.press("a")
        assert "row 99" in here.text


async def test_a_terminal_that_is_not_allowed_says_what_to_ask_for(world: World) -> None:
    world.scopes = ("diagnose",)
    async with stage(world, session=SESSION) as here:
        await opened(here)
        assert "did not allow terminal" in here.text and "Press p to ask" in here.text


async def test_hostile_output_is_cells_and_leaves_the_screen_around_it_alone(world: World) -> None:
    world.greeting = b"\x1b]52;c;aGk=\x07\x1b[?1000h\x1b[999;999H\x9b2J\x1b]0;title\x07seen\x1b[c\x05\xe2\x80\xae"
    async with stage(world, session=SESSION) as here:
        await opened(here)
        assert "seen" in here.text and "web-07" in here.text.splitlines()[0]
        assert world.terminals[0].typed == b"", "no report is answered"
        assert "\u202e" not in here.text
