"""The customer first, over a real relay: the code is this machine's, one guess, shown until it is taken (back)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from remote_assist.agent.prompt.code_screen import Offer, code_lines
from remote_assist.agent.prompt.columns import cells, wrapped
from remote_assist.agent.prompt.terminal import PromptTerminal
from remote_assist.agent.texts import LANGUAGES, use_language
from remote_assist.core.codes import SupportCode
from remote_assist.core.words import WORDS
from remote_assist.errors import CodeBurned, ConsentDenied, RefusedError, UnreachableError, UsageError
from tests.agent.asking import PATIENCE_SECONDS, Asking
from tests.agent.keyboard import NOW, Keyboard
from tests.agent.world import AgentWorld, agent_world

CODE = SupportCode("417203", "tulip-rocket-amber")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(tmp_path) as made:
        yield made


def other(code: SupportCode) -> SupportCode:
    first, *rest = code.words.split("-")
    return SupportCode(code.nameplate, "-".join([WORDS[(WORDS.index(first) + 1) % len(WORDS)], *rest]))


async def test_a_session_begins_with_the_customers_code_and_their_message_is_the_first_line(world: AgentWorld) -> None:
    asking = Asking(world, "The shop is down")
    technician = world.technician
    await technician.take_code(await asking.code())
    await technician.greet()
    await technician.ask()
    assert (await technician.verdict()).grants
    while not any("The shop is down" in line for line in world.customer.lines):
        await asyncio.sleep(0.01)
    assert asking.wiped and asking.sessions == [technician.session]
    (question,) = world.customer.questions
    assert question.asked and question.verified
    world.customer.press_end()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asking.task == 0
    assert "RA1601E" in world.codes()


async def test_a_technicians_guess_burns_the_code_on_this_disk_and_the_right_words_come_too_late(
    world: AgentWorld,
) -> None:
    asking = Asking(world)
    code = await asking.code()
    await world.technician.take_code(other(code))
    with pytest.raises(CodeBurned):
        await world.technician.greet()
    used = world.home.attempts(world.settings.pairing)
    assert [nameplate for nameplate, _ in used.used] == [code.nameplate] and len(used.failures) == 1
    await world.technician.burn("wrong-code")
    error = await asking.failed()
    assert isinstance(error, CodeBurned) and "not this code" in error.message and "remote-assist ask" in error.advice
    assert world.customer.questions == []
    assert await world.technician.is_refused(code) == "used"


async def test_after_three_guesses_within_an_hour_this_machine_makes_no_code(world: AgentWorld) -> None:
    for _ in range(3):
        asking = Asking(world)
        await world.technician.take_code(other(await asking.code()))
        with pytest.raises(CodeBurned):
            await world.technician.greet()
        await world.technician.link.close()
        assert isinstance(await asking.failed(), CodeBurned)
    error = await Asking(world).failed()
    assert isinstance(error, RefusedError) and error.reason == "too-many-failures"


async def test_the_code_waits_on_when_a_technician_leaves_before_the_first_message(world: AgentWorld) -> None:
    asking = Asking(world)
    code = await asking.code()
    for _ in range(2):
        await world.technician.take_code(code)
        await world.technician.wait_for_agent()
        await world.technician.link.close()
        world.relay.clock.turn(seconds=30)  # leaving costs the address a little
        assert not asking.task.done() and not asking.wiped
        await asyncio.sleep(0.1)
    assert world.home.attempts(world.settings.pairing).failures == ()
    await world.technician.take_code(code)
    await world.technician.greet()
    asking.task.cancel()


async def test_the_customer_takes_the_code_back(world: AgentWorld) -> None:
    asking = Asking(world)
    code = await asking.code()
    asking.back.set()
    error = await asking.failed()
    assert isinstance(error, ConsentDenied) and error.reason == "taken-back"
    assert await world.technician.is_refused(code) == "used"
    assert world.home.attempts(world.settings.pairing).failures == ()


async def test_a_code_nobody_takes_is_too_old_by_this_machines_own_clock(world: AgentWorld) -> None:
    world.limit(pairing=replace(world.settings.pairing, code_lifetime_seconds=1))
    asking = Asking(world)
    assert (await asking.shown).seconds == 1
    error = await asking.failed()
    assert isinstance(error, CodeBurned) and error.reason == "expired"
    assert "nobody took the code" in error.message and "remote-assist ask" in error.advice


async def test_a_relay_that_goes_away_says_that_the_code_works_no_more(world: AgentWorld) -> None:
    asking = Asking(world)
    await asking.code()
    await world.relay.relay.stop()
    error = await asking.failed()
    assert isinstance(error, UnreachableError) and "the code works no more" in error.message


async def test_a_technician_who_leaves_while_the_customer_decides_takes_the_question_away(world: AgentWorld) -> None:
    world.customer.decides.clear()
    asking = Asking(world)
    await world.technician.take_code(await asking.code())
    await world.technician.greet()
    await world.technician.ask()
    while not world.customer.questions:
        await asyncio.sleep(0.01)
    await world.technician.link.close()
    error = await asking.failed()
    assert "left before you answered" in error.message


@pytest.mark.parametrize("message", ["   ", "x" * 2001])
async def test_a_message_no_chat_takes_makes_no_code(world: AgentWorld, message: str) -> None:
    assert isinstance(await Asking(world, message).failed(), UsageError)


async def test_a_message_with_a_code_is_refused_before_anything_is_dialled(world: AgentWorld) -> None:
    error = await Asking(world, "it is 417203-tulip-rocket-amber").failed()
    assert isinstance(error, RefusedError) and error.reason == "live-code"


async def test_a_relay_that_offers_customers_no_codes_says_what_to_do(tmp_path: Path) -> None:
    async with agent_world(tmp_path, asks=0) as world:
        error = await Asking(world).failed()
        assert (
            isinstance(error, RefusedError) and error.reason == "not-offered" and "remote-assist join" in error.advice
        )


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_the_code_and_its_warning_fit_in_every_language(code: str, width: int) -> None:
    use_language(code)
    try:
        lines = code_lines(Offer(CODE, 581.0), 0.5, width)
    finally:
        use_language("en")
    for line in lines:
        assert all(cells(part) <= width for part in wrapped(line, width))
    frame = [line for line in lines if line.strip()[:1] in {"┌", "│", "└"}]
    assert len({cells(line) for line in frame}) == 1 and cells(frame[0]) <= max(width, 23)
    assert "9:40" in lines[-1]
    assert len([one for one in lines if "417203" in one.replace(" ", "") or "tulip" in one]) >= 2


def test_the_spoken_form_has_ten_digits_in_every_language() -> None:
    for code in LANGUAGES:
        use_language(code)
        try:
            spoken = (
                Offer(SupportCode("012345", "tulip-rocket-amber"), 1).spoken
                + Offer(SupportCode("678999", "tulip-rocket-amber"), 1).spoken
            )
        finally:
            use_language("en")
        assert len(set(spoken.replace(",", "").split())) == 10 + 3


@pytest.mark.parametrize("key", ["escape", "interrupt"])
async def test_the_terminal_shows_the_code_until_it_is_taken_back_and_wipes_it(key: str) -> None:
    keyboard = Keyboard()
    prompt = PromptTerminal(keyboard, steady=lambda: keyboard.now, now=lambda: NOW)
    offering = asyncio.create_task(prompt.offer_code(Offer(CODE, 600)))
    await asyncio.sleep(0)
    await keyboard.press("y", "n", "e", " ")
    assert not offering.done()
    assert "4 1 7  2 0 3   tulip   rocket   amber" in "".join(keyboard.written)
    assert "Never give this code to somebody who called you" in "".join(keyboard.written)
    await keyboard.press(key)
    await offering
    assert "\x1b[J" in keyboard.written[-1] and "tulip" not in keyboard.written[-1]


async def test_the_terminal_wipes_the_code_when_it_was_taken() -> None:
    keyboard = Keyboard()
    prompt = PromptTerminal(keyboard, steady=lambda: keyboard.now, now=lambda: NOW)
    offering = asyncio.create_task(prompt.offer_code(Offer(CODE, 600)))
    await asyncio.sleep(0)
    await keyboard.press("x")
    offering.cancel()
    await asyncio.gather(offering, return_exceptions=True)
    assert "\x1b[J" in keyboard.written[-1] and "tulip" not in keyboard.written[-1]
