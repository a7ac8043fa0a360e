"""The customer first, from the screen, at a real relay and agent: their code is typed, and the session opens."""

from pathlib import Path

import pytest

from remote_assist.core.words import WORDS
from remote_assist.tui.screens.accept import AcceptScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from tests.tui.real_world import SUBJECT, RealStage, real_stage, real_world

pytestmark = pytest.mark.slow


async def open_field(here: RealStage) -> AcceptScreen:
    async with await here.world.desk() as desk:
        await desk.new_ticket(SUBJECT)
    here.screen(TicketsScreen)
    await here.press("r")
    await here.see(SUBJECT)
    await here.press("enter")
    await here.see("None yet")
    await here.press("c")
    await here.see("They run remote-assist ask")
    return here.screen(AcceptScreen)


def other_words(code: str) -> str:
    number, first, *rest = code.split("-")
    return "-".join([number, WORDS[(WORDS.index(first) + 1) % len(WORDS)], *rest])


async def test_a_code_is_typed_and_the_session_opens_with_the_customers_first_words(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world, real_stage(world) as here:
        await open_field(here)
        world.customer.decides.clear()
        await here.write(await world.ask("The shop is down"))
        await here.press("enter")
        await here.see("the code is right; ", " asks for a yes")
        world.customer.decides.set()
        await here.until(lambda: isinstance(here.app.screen, SessionScreen), "the session")
        await here.see("6 Chat 1")
        await here.press("6")
        await here.see("customer  The shop is down")


async def test_a_wrong_word_uses_the_code_up_and_the_next_one_is_taken(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world, real_stage(world) as here:
        await open_field(here)
        code = await world.ask()
        await here.write(other_words(code))
        await here.press("enter")
        await here.see("the support code was wrong", "Ask the customer for a new code")
        assert world.customer.questions == []
        await here.write(code)
        await here.press("enter")
        await here.see("tried here already")
        await here.write(await world.ask())
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, SessionScreen), "the session")


async def test_leaving_while_the_customer_decides_takes_the_question_away(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world, real_stage(world) as here:
        await open_field(here)
        world.customer.decides.clear()
        await here.write(await world.ask())
        await here.press("enter")
        await here.until(lambda: world.customer.questions, "the customer's question")
        await here.press("escape")
        await here.see("None yet")
        await here.until(lambda: all(task.done() for task in world._agents), "the end of asking")
        assert "left before you answered" in str(world._agents[0].exception())
