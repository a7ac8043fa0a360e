"""The last line shows whole keys only, and always the one that shows the help."""

import pytest

from remote_assist.tui.widgets.keys import KeysFooter
from tests.tui.stage import Stage, stage
from tests.tui.world import SESSION, World


def footer(it: Stage) -> str:
    return it.text.rstrip().splitlines()[-1]


def named(it: Stage) -> list[str]:
    return [key.words for key in it.app.screen.query_one(KeysFooter).shown]


@pytest.mark.parametrize("width", [40, 57, 80, 200])
async def test_keys_are_shown_whole_or_not_at_all(world: World, width: int) -> None:
    async with stage(world, (width, 24), session=SESSION) as it:
        assert "help" in named(it) and named(it)[-1] == "all"
        assert all(f" {word} " in f"{footer(it)} " for word in named(it))
        assert ("sessions" in footer(it)) == (width == 200)


async def test_inside_a_terminal_only_its_own_keys_are_named(world: World) -> None:
    world.scopes = (*world.scopes, "terminal")
    async with stage(world, (200, 24), session=SESSION) as it:
        await it.press("8", "t")
        assert "out of the terminal" in footer(it)
        assert "look" not in footer(it) and "end" not in footer(it).split()
        await it.press("ctrl+right_square_bracket")
        assert "look" in footer(it)


async def test_another_width_shows_other_keys_also_when_it_came_while_a_form_was_open(world: World) -> None:
    async with stage(world, (200, 24), session=SESSION) as it:
        await it.press("n")
        await it.pilot.resize_terminal(60, 24)
        await it.press("escape")
        assert "look" in footer(it) and "sessions" not in footer(it)
        await it.pilot.resize_terminal(200, 24)
        await it.settle()
        assert "sessions" in footer(it)
