"""Several customers at once: one list, one key to each, a colour each, and nothing stops when another is looked at."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from textual.widgets import Input

from remote_assist.core.api import SessionSummary
from remote_assist.errors import UnreachableError
from remote_assist.tui.roster import HUES, Roster
from remote_assist.tui.screens.overview import OverviewScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from tests.tui.customer_world import rfc
from tests.tui.stage import NARROW, WIDE, stage
from tests.tui.world import SESSION, World

OTHERS = ("s-aaaaaaaaaaaaaaaa", "s-bbbbbbbbbbbbbbbb")


def several(world: World) -> None:
    """Two more live sessions and one that is over."""
    first = world.summaries[0]
    changes: list[dict[str, object]] = [
        {"id": OTHERS[0], "ticket": "4705", "subject": "Printer prints every page twice", "records": 7},
        {"id": OTHERS[1], "ticket": "4698", "subject": "VPN drops", "state": "away", "records": 40},
        {"id": "s-cccccccccccccccc", "state": "ended"},
    ]
    for hours, change in enumerate(changes, 1):
        opened = rfc(world.now + timedelta(hours=hours))
        world.summaries.append(msgspec.structs.replace(first, opened=opened, **change))


@pytest.mark.slow
@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_all_live_sessions_as_a_picture(world: World, size: tuple[int, int]) -> None:
    several(world)
    async with stage(world, size, session=SESSION) as here:
        world.customer_says("hello?")
        await here.settle()
        await here.press("o")
        here.screen(OverviewScreen)
        assert "s-ccc" not in here.text and "2 live · 1 open here" in here.text and "✉ 1" in here.text
        here.compare("overview")


@pytest.mark.slow
async def test_where_it_is_narrow_the_subject_keeps_its_room_and_the_sign_tells_the_state(world: World) -> None:
    several(world)
    world.host_name = "db-1.example"
    async with stage(world, session=SESSION) as here:
        await here.press("o")
        assert "Printer prints every page twice" in here.text and "db-1.example" in here.text
        assert "records" not in here.text and " 3 ○ " in here.text
        await here.pilot.resize_terminal(*WIDE)
        await here.settle()
        assert "records" in here.text and "away" in here.text
        await here.press("o")
        here.screen(SessionScreen)


@pytest.mark.slow
async def test_while_the_relay_does_not_answer_what_is_known_can_be_gone_to(world: World) -> None:
    several(world)
    async with stage(world, session=SESSION) as here:
        await here.press("escape")
        world.failure = UnreachableError("the relay cannot be reached")
        await here.press("o")
        assert "the relay cannot be reached" in here.text and "Web server does not start" in here.text
        assert "0 live · 1 open here" in here.text
        await here.press("1")
        here.screen(SessionScreen)
        world.failure = None
        await here.press("o")
        world.failure = UnreachableError("the relay cannot be reached")
        await here.press("o", "o")
        assert "VPN drops" in here.text and "2 live · 1 open here" in here.text, "as it was told last"


@pytest.mark.slow
async def test_who_writes_in_another_session_is_told_and_stays_counted_until_read(world: World) -> None:
    several(world)
    async with stage(world, session=SESSION) as here:
        await here.press("o", "2")
        world.customer_says("are you there?")
        await here.settle()
        assert "web-07 #4711: the customer wrote" in here.text
        here.app.clear_notifications()
        here.screen(SessionScreen)._poll()
        await here.settle()
        assert "✉ 1 elsewhere" in here.text.splitlines()[1]
        await here.press("left_square_bracket", "6", "escape", "right_square_bracket")
        assert here.screen(SessionScreen)._session_id == OTHERS[0]
        await here.press("6")
        assert "elsewhere" not in here.text


@pytest.mark.slow
async def test_a_digit_goes_to_a_session_and_brackets_to_its_neighbour(world: World) -> None:
    several(world)
    async with stage(world) as here:
        await here.press("o", "2")
        assert here.screen(SessionScreen)._session_id == OTHERS[0]
        await here.press("o", "2")
        assert here.screen(SessionScreen)._session_id == SESSION, "those open here stand first"
        for _ in range(2):
            await here.press("right_square_bracket")
        assert here.screen(SessionScreen)._session_id == SESSION
        await here.press("left_square_bracket")
        assert here.screen(SessionScreen)._session_id == OTHERS[0]
        await here.press("escape")
        here.screen(TicketsScreen)
        assert len(world.asked_for("connect")) == 2, "each is connected once, however often it is looked at"


@pytest.mark.slow
async def test_what_runs_goes_on_while_another_customer_is_looked_at(world: World) -> None:
    several(world)
    world.hold.clear()
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("d", "o")
        assert "look at the computer" in here.text
        await here.press("2")
        world.hold.set()
        await here.settle()
        await here.press("o", "1")
        assert here.screen(SessionScreen)._session_id == SESSION
        assert "its port is taken" in here.text


@pytest.mark.slow
async def test_an_ended_session_gives_its_screen_and_its_colour_back(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        first = here.app._roster.open[0].colour
        await here.press("e")
        here.app.screen.query_one("#note", Input).value = "Freed port 80."
        here.app.screen.query_one("#reason", Input).value = "solved"
        await here.press("enter")
        here.screen(TicketsScreen)
        assert world.asked_for("end") == [("end", "Freed port 80.", "solved")]
        assert here.app._roster.open == ()
        assert here.app._roster.enter(OTHERS[0]).colour == first


@pytest.mark.slow
async def test_a_note_goes_onto_the_sessions_ticket(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("n")
        await here.write("port 80 is taken")
        await here.press("enter")
        assert world.asked_for("add_note") == [("add_note", "4711", "port 80 is taken", SESSION)]


@pytest.mark.slow
async def test_a_paused_session_is_said_above_everything(world: World) -> None:
    world.paused = True
    async with stage(world, session=SESSION) as here:
        assert "nothing: the customer has paused the session" in here.text.splitlines()[1]


@pytest.mark.slow
async def test_it_shows_at_once_what_was_seen_last(world: World) -> None:
    async with stage(world, WIDE) as it:
        await it.press("o")
        assert "Web server does not start" in it.text
        await it.press("escape")
        world.cut()
        await it.press("o")
        assert "cannot be reached" in it.text and "Web server does not start" in it.text


async def test_no_sessions_says_how_to_get_one(world: World) -> None:
    world.summaries.clear()
    async with stage(world) as here:
        await here.press("o")
        assert "No live sessions" in here.text
        world.cut()
        await here.press("r")
        assert "cannot be reached" in here.text


def test_the_first_eight_customers_have_eight_colours_and_places_are_used_again() -> None:
    roster = Roster()
    colours = [roster.enter(str(number)).colour for number in range(8)]
    assert sorted(colours) == sorted(HUES)
    roster.leave("3")
    assert roster.enter("new").colour == colours[3]
    assert roster.enter("new").place == 3
    roster.change("gone", unread=1)
    assert roster.of("gone") is None and roster.beside("gone", 1) == "gone"
    assert replace(roster.open[0], unread=2).unread == 2


def test_a_summary_of_the_relay_is_what_the_list_is_made_of(world: World) -> None:
    assert isinstance(world.summaries[0], SessionSummary)
