"""The tickets screen: what is open, what is live, and what it says when the relay is away."""

import pytest
from textual.widgets import Input

from remote_assist.errors import RefusedError
from remote_assist.tui.screens.forms import NewTicketScreen
from remote_assist.tui.screens.help import HelpScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from tests.tui.stage import NARROW, WIDE, stage
from tests.tui.world import SESSION, World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_tickets_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size) as here:
        here.compare("tickets")


async def test_open_tickets_stand_before_closed_ones_and_live_sessions_are_marked(world: World) -> None:
    world.tickets.reverse()
    async with stage(world) as here:
        text = here.text
    assert text.index("#4711") < text.index("#4705") < text.index("#4698")
    assert "● live" in text
    assert "Alice Example" in text


async def test_no_tickets_says_how_to_open_one(world: World) -> None:
    world.tickets.clear()
    async with stage(world) as here:
        assert "No tickets yet" in here.text
        await here.pictures("tickets-empty")


async def test_a_relay_that_is_away_is_a_sentence_an_advice_and_a_key(world: World) -> None:
    world.cut()
    async with stage(world) as here:
        assert "cannot be reached: connection refused" in here.text
        assert "whether the relay runs" in here.text
        await here.pictures("tickets-unreachable")
        world.mend()
        await here.press("r")
        assert "#4711" in here.text
        assert "cannot be reached" not in here.text


async def test_a_login_that_ended_is_told_and_not_a_crash(world: World) -> None:
    world.failure = RefusedError("nobody is logged in here", reason="not-logged-in", advice="Log in again.")
    async with stage(world) as here:
        assert "nobody is logged in here" in here.text
        assert "Log in again." in here.text


async def test_tickets_stay_on_the_screen_when_a_reload_fails(world: World) -> None:
    async with stage(world) as here:
        world.cut()
        await here.press("r")
        assert "#4711" in here.text
        assert "cannot be reached" in here.text


async def test_n_opens_a_ticket_and_goes_there(world: World) -> None:
    async with stage(world) as here:
        await here.press("n")
        here.screen(NewTicketScreen)
        await here.write("No sound")
        await here.press("enter")
        here.screen(TicketScreen)
        assert world.asked_for("new_ticket") == [("new_ticket", "No sound", "")]
        assert "No sound" in here.text


async def test_a_ticket_needs_a_subject(world: World) -> None:
    async with stage(world) as here:
        await here.press("n", "enter")
        here.screen(NewTicketScreen)
        assert "needs a subject" in here.text
        assert isinstance(here.app.focused, Input)
        await here.press("escape")
        here.screen(TicketsScreen)
        assert world.asked_for("new_ticket") == []


async def test_keys_typed_into_a_subject_are_no_commands(world: World) -> None:
    async with stage(world) as here:
        await here.press("n")
        await here.write("qr?")
        here.screen(NewTicketScreen)
        assert "qr?" in here.text


async def test_q_leaves_and_lets_go_of_the_relay(world: World) -> None:
    async with stage(world) as here:
        await here.press("q")
    assert world.calls[-1] == ("close desk",)


async def test_help_lists_the_keys_of_the_screen_it_was_asked_on(world: World) -> None:
    async with stage(world) as here:
        await here.press("question_mark")
        here.screen(HelpScreen)
        assert "new ticket" in here.text
        await here.press("end")
        assert "look at the computer's state" in here.text
        await here.press("escape")
        here.screen(TicketsScreen)


async def test_help_names_what_the_last_line_has_no_room_for_and_each_key_once(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("question_mark")
        for words in ("1 … 8", "next session", "also k j h l", "everything by its name", "onto the ticket"):
            assert words in here.text, words
    world.has_bundle = True
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("2", "slash")
        await here.write("a")
        await here.press("enter", "question_mark")
        inside = [line.split("│")[1].split() for line in here.text.splitlines() if line.count("│") >= 2]
        keys = [words[0] for words in inside if words and words[0] != "Keys"]
        keys = keys[: keys.index("What")]
        assert len(keys) == len(set(keys)), keys


async def test_the_palette_does_what_the_keys_do(world: World) -> None:
    async with stage(world) as here:
        await here.press("ctrl+p")
        await here.write("new")
        await here.pilot.pause(0.3)
        await here.press("enter")
        here.screen(NewTicketScreen)


async def test_the_palette_names_tabs_and_what_is_reached_from_everywhere_each_once(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        commands = [one.title for one in here.app.get_system_commands(here.app.screen)]
        assert {"Findings", "Terminal", "next session", "known issues", "review", "look", "quit"} <= set(commands)
        assert len(commands) == len(set(commands))
        await here.press("ctrl+p")
        await here.write("Chat")
        await here.pilot.pause(0.3)
        await here.press("enter")
        assert here.app.focused is not None and here.app.focused.id == "say"


async def test_a_session_named_at_start_is_opened_above_the_tickets(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        here.screen(SessionScreen)
        assert "web-07" in here.text
        assert "Alice Example (you)" in here.text
        await here.press("escape")
        here.screen(TicketsScreen)
