"""Taking a customer's code: typed, looked at here, tried once; and what is said when it came to nothing."""

import pytest
from textual.widgets import Input

from remote_assist.errors import AssistError, CodeBurned, ConsentDenied, RefusedError, UnreachableError
from remote_assist.tui.screens.accept import AcceptScreen
from remote_assist.tui.screens.forms import PassphraseScreen, ScopesScreen
from remote_assist.tui.screens.help import HelpScreen
from remote_assist.tui.screens.invite import InviteScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import World, WorldAccepting

pytestmark = pytest.mark.slow

CODE = "417203 tulip rocket amber"
TAKEN = ("accept", "417203-tulip-rocket-amber", "4711", "diagnose", "files:read", "fix", "1800")


async def open_field(here: Stage) -> None:
    await here.press("enter", "c")
    here.screen(AcceptScreen)


async def take(here: Stage, code: str = CODE) -> WorldAccepting:
    await here.write(code)
    await here.press("enter")
    assert here.world.accepting is not None
    return here.world.accepting


def typed(here: Stage) -> str:
    return here.screen(AcceptScreen).query_one("#code", Input).value


async def settled(here: Stage) -> None:
    await here.pilot.pause()
    await here.settle()


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_field_and_a_slip_of_the_finger_as_pictures(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size) as here:
        await open_field(here)
        here.compare("accept")
        await here.write("417203 tulip rocket ambre")
        await here.press("enter")
        here.compare("accept-mistyped")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_right_code_shows_whose_computer_asks_and_the_session_opens(
    world: World, size: tuple[int, int]
) -> None:
    async with stage(world, size) as here:
        await open_field(here)
        accepting = await take(here)
        assert "checking the code" in here.text
        accepting.pair("web-07")
        await settled(here)
        assert "the code is right; web-07 asks for a yes" in here.text
        await here.pictures("accept-asking")
        accepting.allow()
        await settled(here)
        here.screen(SessionScreen)
    assert world.asked_for("accept") == [TAKEN]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("417203 tulip rocket ambre", "did you mean 'amber'?"),
        ("41720 tulip rocket amber", "begins with 6 digits"),
        ("tulip rocket amber", "a number and three words"),
        ("", "a number and three words"),
    ],
)
async def test_a_mistyped_code_stays_in_the_field_and_costs_nothing(world: World, code: str, sentence: str) -> None:
    async with stage(world) as here:
        await open_field(here)
        await here.write(code)
        await here.press("enter")
        assert sentence in " ".join(here.text.split())
        assert typed(here) == code
        await here.press("backspace" if code else "4")
        assert sentence not in " ".join(here.text.split())
    assert world.asked_for("accept") == []


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (CodeBurned("there is no such support code", reason="unknown-code", advice="Check the six digits."), True),
        (UnreachableError("the relay cannot be reached"), True),
        (RefusedError("ticket 4711 is assigned to bob", reason="assignee"), True),
        (CodeBurned("the support code was wrong; it is used up", reason="wrong-code", advice="Ask anew."), False),
        (CodeBurned("this support code was used already", reason="used"), False),
        (CodeBurned("this support code is too old", reason="expired"), False),
        (ConsentDenied("the customer said no", reason="denied", advice="Speak with them."), False),
    ],
)
async def test_what_came_to_nothing_says_why_and_a_dead_code_leaves_the_field(
    world: World, error: AssistError, kept: bool
) -> None:
    async with stage(world) as here:
        await open_field(here)
        accepting = await take(here)
        accepting.fail(error)
        await settled(here)
        assert error.message in here.text
        assert error.advice in here.text
        assert typed(here) == (CODE if kept else "")
        again = await take(here, "" if kept else CODE)
        assert again is not accepting
        again.allow()
        await settled(here)
        here.screen(SessionScreen)


async def test_a_second_enter_while_one_is_under_way_tries_nothing_twice(world: World) -> None:
    async with stage(world) as here:
        await open_field(here)
        await take(here)
        await here.press("enter", "enter")
    assert len(world.asked_for("accept")) == 1


async def test_escape_leaves_and_gives_the_code_up(world: World) -> None:
    async with stage(world) as here:
        await open_field(here)
        accepting = await take(here)
        await here.press("escape")
        here.screen(TicketScreen)
        await settled(here)
        assert accepting.answer.cancelled()


async def test_other_scopes_are_asked_for_with_the_same_code(world: World) -> None:
    async with stage(world) as here:
        await open_field(here)
        await here.write(CODE)
        await here.press("ctrl+s")
        here.screen(ScopesScreen)
        await here.press("down", "down", "down", "down", "space", "ctrl+s")
        assert "diagnose · files:read · fix · terminal   for 30m" in here.text
        assert typed(here) == CODE
        await here.press("enter")
    assert world.asked_for("accept")[0][-2] == "terminal"


async def test_a_key_with_a_passphrase_is_unlocked_and_the_code_tried_then(world: World) -> None:
    world.passphrase = b"open sesame"
    async with stage(world) as here:
        await open_field(here)
        await here.write(CODE)
        await here.press("enter")
        here.screen(PassphraseScreen)
        await here.write("open sesame")
        await here.press("enter")
        here.screen(AcceptScreen)
        assert world.accepting is not None
        world.accepting.allow()
        await settled(here)
        here.screen(SessionScreen)


async def test_from_an_invitation_the_other_order_burns_its_code_and_coming_back_makes_another(world: World) -> None:
    async with stage(world) as here:
        await here.press("enter", "i")
        here.screen(InviteScreen)
        await here.press("c")
        here.screen(AcceptScreen)
        assert world.asked_for("burn") == [("burn", "417203")]
        await here.press("escape")
        here.screen(InviteScreen)
        assert len(world.asked_for("invite")) == 2
        await here.press("c")
        accepting = await take(here)
        accepting.allow()
        await settled(here)
        here.screen(SessionScreen)


async def test_hostile_names_and_sentences_stay_text(world: World) -> None:
    async with stage(world) as here:
        await open_field(here)
        accepting = await take(here)
        accepting.pair("\x1b]52;c;AA\x07[red]web\u202e-07")
        await settled(here)
        assert "[red]web" in here.text
        assert "\x1b]52" not in here.text
        accepting.fail(CodeBurned("[bold]no\x1b[2J[/bold]", reason="used"))
        await settled(here)
        assert "[bold]no" in here.text


async def test_help_names_the_keys(world: World) -> None:
    async with stage(world) as here:
        await here.press("enter", "question_mark")
        here.screen(HelpScreen)
        assert "their code" in here.text
