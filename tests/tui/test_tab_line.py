"""The tabs of a screen: however narrow it is, the one that is shown is named whole; arrows go round."""

import pytest

from remote_assist.tui.widgets.tab_line import TabLine
from tests.tui.stage import Stage, stage
from tests.tui.world import SESSION, World


def names(it: Stage) -> str:
    return it.text.splitlines()[2].rstrip()


@pytest.mark.parametrize(
    ("width", "seen"),
    [
        (80, " 1 Findings  2 Facts  3 Files  4 Actions  5 Fixes  6 Chat  7 Log  8 Terminal"),
        (72, " 1 Findings 2 Facts 3 Files 4 Actions 5 Fixes 6 Chat 7 Log 8 Terminal"),
        (50, " 1 Findings 2 3 4 5 6 7 8"),
    ],
)
async def test_names_give_way_but_the_one_that_is_shown(world: World, width: int, seen: str) -> None:
    async with stage(world, (width, 24), session=SESSION) as it:
        assert names(it) == seen


async def test_the_bar_is_below_the_name(world: World) -> None:
    async with stage(world, (50, 24), session=SESSION) as it:
        for key in ("1", "5", "7"):
            await it.press(key)
            line, bar = it.text.splitlines()[2:4]
            name = {"1": "1 Findings", "5": "5 Fixes", "7": "7 Log"}[key]
            assert bar.index("╸") + 1 == line.index(name) and bar.index("╺") == line.index(name) + len(name)


async def test_arrows_go_round(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        tabs = it.app.screen.query_one(TabLine)
        assert tabs.has_focus
        await it.press("left")
        assert tabs.active == "terminal"
        it.app.set_focus(tabs)
        await it.press("right")
        assert tabs.active == "findings"
