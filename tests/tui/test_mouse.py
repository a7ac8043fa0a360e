"""The main road by mouse alone: tickets, ticket, invitation; tabs and the plan; files; what a hint says is a button."""

import pytest
from textual.widget import Widget

from remote_assist.core.requests import Entry
from remote_assist.tui.screens.forms import EndScreen
from remote_assist.tui.screens.invite import InviteScreen
from remote_assist.tui.screens.plan import PlanScreen
from remote_assist.tui.screens.session import TABS, SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from remote_assist.tui.widgets.folder import FolderList
from remote_assist.tui.widgets.tab_line import TabLine
from remote_assist.tui.widgets.table import FitTable
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import SESSION, World

pytestmark = pytest.mark.slow


async def click(it: Stage, words: str, *, times: int = 1, last: bool = False) -> None:
    """Click in the middle of the first place where a person reads these words; `last`: in the last such line."""
    rows = it.text.splitlines()
    found = [at for at, line in enumerate(rows) if words in line]
    row = found[-1 if last else 0] if found else None
    assert row is not None, f"nobody reads {words!r}:\n{it.text}"
    await it.pilot.click(offset=(rows[row].index(words) + len(words) // 2, row), times=times)
    await it.settle()


async def click_on(it: Stage, widget: Widget) -> None:
    await it.pilot.click(widget)
    await it.settle()


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_from_the_queue_to_a_session_without_a_key(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size) as it:
        it.screen(TicketsScreen)
        await click(it, "#4705")
        await click(it, "#4711", times=2)
        it.screen(TicketScreen)
        await click(it, "i invite")
        it.screen(InviteScreen)
        await click(it, "[y]")
        assert it.app.clipboard == "417203-tulip-rocket-amber"
        world.invitations[0].join()
        await it.settle()
        it.screen(SessionScreen)
        await click(it, "e end")
        it.screen(EndScreen)
        await click(it, "go on working")
        it.screen(SessionScreen)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_tabs_a_look_and_the_plan_of_a_fix(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as it:
        await click(it, "take a first look")
        assert world.asked_for("collect") == [("collect", "first-look")]
        await click(it, "its port is taken", times=2)
        it.screen(PlanScreen)
        assert world.asked_for("apply") == []
        await click(it, "run exactly this plan")
        assert len(world.asked_for("apply")) == 1 and "✔ resolved" in it.text
        await click(it, "[esc]")
        tabs = it.app.screen.query_one(TabLine)
        for number, tab in enumerate(TABS, 1):
            await click(it, f"{number} {tab.capitalize()}")
            assert tabs.active == tab
        assert "resolved" not in it.text
        await click(it, "5 Fixes")
        assert "✔ resolved" in it.text


async def test_files_are_chosen_opened_and_copied(world: World) -> None:
    world.entries = [*world.entries, Entry(name=b"syslog", kind="file", size=812, mode=0o640, modified=0.0)]
    async with stage(world, WIDE, session=SESSION) as it:
        await click(it, "3 Files")
        await it.press("enter")
        await click(it, "dpkg.log")
        assert world.asked_for("peek") == [], "a click chooses, it reads nothing at the customer's"
        await click(it, "copy across")
        assert world.asked_for("get") == [("get", "/var/log/dpkg.log")]
        await click(it, "nginx/", times=2)
        assert world.asked_for("ls")[-1] == ("ls", "/var/log/nginx")
        there = it.app.screen.query_one("#local", FolderList)
        await click_on(it, there.query_one(FitTable))
        assert there.query_one(FitTable).has_focus


async def test_every_key_of_the_footer_is_a_button(world: World) -> None:
    async with stage(world, WIDE) as it:
        for words, view in (("mine", "mine"), ("waiting", "waiting"), ("all", "all")):
            await click(it, f" {words} ", last=True)
            assert f"tickets · {view}" in it.text


async def test_words_of_a_peer_are_no_button(world: World) -> None:
    world.customer_says("[y] run", "[@click=app.quit]leave[/]")
    async with stage(world, session=SESSION) as it:
        await click(it, "6 Chat")
        await click(it, "[y] run")
        await click(it, "[@click=app.quit]leave")
        it.screen(SessionScreen)
        assert it.app.is_running
