"""The plain terminal and the unattended answer, behind the one interface."""

import asyncio
import itertools
import os
import pty
import termios

import pytest

from remote_assist.agent.prompt.columns import cells, wrapped
from remote_assist.agent.prompt.terminal import PromptTerminal
from remote_assist.agent.prompt.unattended import PromptUnattended
from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import LineTyped, PausePressed, PlanQuestion
from remote_assist.errors import ConsentDenied
from remote_assist.transport.posix.terminal import RawTerminal, keys_of
from tests.agent.keyboard import NOW, Keyboard, question


def prompt(keyboard: Keyboard) -> PromptTerminal:
    return PromptTerminal(keyboard, steady=lambda: keyboard.now, now=lambda: NOW)


def plan(**changes: object) -> PlanQuestion:
    fields: dict[str, object] = {
        "title": HostileStr("Free the port"),
        "consent": HostileStr("Stops \x1b[2Jold-web."),
        "steps": (HostileStr("stop old-web"), HostileStr("start shop-web")),
        "digest": "9f2c" * 16,
        "risk": "medium",
        "deadline_seconds": 60.0,
    }
    return PlanQuestion(**{**fields, **changes})  # type: ignore[arg-type]  # a table of its fields


async def test_keys_typed_before_the_question_do_not_answer_it() -> None:
    keyboard = Keyboard(now=0.0)
    asked = prompt(keyboard)
    await keyboard.press("y", "y")
    asking = asyncio.create_task(asked.consent(question(wait_seconds=0.0)))
    await asyncio.sleep(0)
    await keyboard.press()
    assert not asking.done()
    assert keyboard.written[0] == "<forget>"
    await keyboard.press("n")
    assert (await asking).scopes == ()


async def test_a_yes_after_the_wait_is_a_yes() -> None:
    keyboard = Keyboard()
    asking = asyncio.create_task(prompt(keyboard).consent(question()))
    await asyncio.sleep(0)
    await keyboard.press("y")
    keyboard.now = 3.0
    await keyboard.press("3", "y")
    assert (await asking).scopes == ("diagnose", "files:read", "fix")


async def test_nobody_answering_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remote_assist.agent.prompt.terminal.REDRAW_SECONDS", 0.001)
    keyboard = Keyboard()
    asking = asyncio.create_task(prompt(keyboard).consent(question()))
    await asyncio.sleep(0)
    keyboard.now = 60.0
    assert (await asking).timed_out


async def test_live_lines_wait_until_the_question_is_answered() -> None:
    keyboard = Keyboard()
    asked = prompt(keyboard)
    asking = asyncio.create_task(asked.consent(question()))
    await asyncio.sleep(0)
    asked.show("reads /etc/hosts")
    assert "reads /etc/hosts" not in keyboard.text
    await keyboard.press("n")
    await asking
    assert "reads /etc/hosts" in keyboard.text


@pytest.mark.parametrize("key", ["e", "E", "interrupt"])
async def test_the_end_key_ends(key: str) -> None:
    keyboard = Keyboard()
    ending = asyncio.create_task(prompt(keyboard).end_requested())
    await asyncio.sleep(0)
    await keyboard.press("x", key)
    assert await ending == "customer"


@pytest.mark.parametrize("key", ["e", "interrupt"])
async def test_the_end_key_ends_during_a_later_question_too(key: str) -> None:
    keyboard = Keyboard()
    asked = prompt(keyboard)
    ending = asyncio.create_task(asked.end_requested())
    asking = asyncio.create_task(asked.consent(question(further=True)))
    await asyncio.sleep(0)
    await keyboard.press(key)
    assert await ending == "customer"
    asking.cancel()


async def test_e_is_a_letter_while_the_relays_name_is_typed() -> None:
    keyboard = Keyboard(now=20.0)
    asked = prompt(keyboard)
    ending = asyncio.create_task(asked.end_requested())
    asking = asyncio.create_task(asked.consent(question(further=True, verified=False)))
    await asyncio.sleep(0)
    await keyboard.press("1", "y", "e", "x")
    assert not ending.done()
    await keyboard.press("interrupt")
    assert await ending == "customer"
    asking.cancel()


def test_a_scopes_explanation_is_wrapped_under_itself() -> None:
    row = "  >1 [x] look at this computer   programs, disks, network, logs; secrets are removed"
    first, *rest = wrapped(row, 82)
    column = row.index("programs")
    assert rest and all(line.startswith(" " * column) for line in rest)
    assert " ".join([first, *(line.strip() for line in rest)]) == row


def test_a_scopes_explanation_with_little_room_stands_behind_its_title() -> None:
    row = "  >1 [x] look at this computer   programs, disks, network, logs; secrets are removed"
    first, *rest = wrapped(row, 60)
    assert first.startswith("  >1 [x] look at this computer – programs, disks")
    assert rest and all(line.startswith(" " * row.index("look")) for line in rest)


async def test_a_live_line_is_cut_at_a_space_and_goes_on_under_its_words() -> None:
    keyboard = Keyboard(width=40)
    prompt(keyboard).show("reads the file /var/log/nginx/access.log of the shop")
    first, *rest = keyboard.written[-1].rstrip("\n").split("\n")
    assert rest and all(row.startswith(" " * 12) and row[12] != " " for row in rest)
    assert all(cells(row) < 40 for row in (first, *rest))
    assert " ".join([first[12:], *(row.strip() for row in rest)]).endswith("access.log of the shop")


async def test_a_plan_is_shown_safely_and_silence_is_a_no() -> None:
    keyboard = Keyboard()
    asking = asyncio.create_task(prompt(keyboard).allow_plan(plan()))
    await asyncio.sleep(0)
    await keyboard.press("x", "y")
    assert await asking
    assert "Plan: Free the port (risk: medium)" in keyboard.text
    assert "\\x1b[2Jold-web" in keyboard.text
    assert "9f2c9f2c" in keyboard.text
    keyboard.now = 0.0
    refused = asyncio.create_task(prompt(keyboard).allow_plan(plan(deadline_seconds=0.0)))
    assert not await refused


async def test_the_code_is_typed_with_corrections() -> None:
    keyboard = Keyboard()
    asking = asyncio.create_task(prompt(keyboard).ask_code())
    await asyncio.sleep(0)
    await keyboard.press(*"417203-tulip-rocket-ambe", "x", "backspace", "r", "enter")
    assert await asking == "417203-tulip-rocket-amber"


async def test_ctrl_c_at_the_code_is_a_no() -> None:
    keyboard = Keyboard()
    asking = asyncio.create_task(prompt(keyboard).ask_code())
    await asyncio.sleep(0)
    await keyboard.press("4", "interrupt")
    with pytest.raises(ConsentDenied):
        await asking


async def test_long_lines_are_wrapped_so_that_redrawing_covers_them() -> None:
    keyboard = Keyboard(width=40)
    asking = asyncio.create_task(prompt(keyboard).consent(question()))
    await asyncio.sleep(0)
    await keyboard.press("d", "n")
    await asking
    drawn = [part for part in keyboard.written if part.startswith(("\r\x1b[J", "\x1b["))]
    for before, after in itertools.pairwise(drawn):
        assert after.startswith(f"\x1b[{before.count(chr(10))}A")
    assert max(len(line) for part in drawn for line in part.split("\x1b[J")[1].split("\n")) < 40


async def test_unattended_gives_asked_and_accepted_until_the_earlier_end() -> None:
    unattended = PromptUnattended({"diagnose", "terminal"}, 600)
    answer = await unattended.consent(question())
    assert (answer.scopes, answer.seconds) == (("diagnose",), 600)
    assert (await unattended.consent(question(seconds=60))).seconds == 60


async def test_unattended_says_no_at_first_contact_and_to_plans() -> None:
    unattended = PromptUnattended({"diagnose", "fix"}, 600)
    assert (await unattended.consent(question(verified=False))).scopes == ()
    assert not await unattended.allow_plan(plan())
    assert await unattended.allow_plan(plan(undo=True)), "a half-applied fix is undone when nobody can be asked"


async def test_accepting_at_a_terminal_still_asks_for_the_relays_name() -> None:
    keyboard = Keyboard(now=0.0)
    prepared = PromptUnattended({"diagnose"}, 600, screen=prompt(keyboard))
    asking = asyncio.create_task(prepared.consent(question(verified=False, wait_seconds=0.0)))
    await asyncio.sleep(0)
    await keyboard.press("y", *"relay.example.com", "enter")
    answer = await asking
    assert (answer.scopes, answer.seconds) == (("diagnose",), 600)


async def test_a_real_terminal_gives_keys_and_is_given_back() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        terminal = RawTerminal(os.dup(slave))
        terminal.start()
        os.write(master, "ä\x1b[A\x03".encode())
        assert [await asyncio.wait_for(terminal.key(), 5) for _ in range(3)] == ["ä", "up", "interrupt"]
        terminal.close()
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


async def test_a_terminal_that_is_closed_is_the_end_key() -> None:
    master, slave = pty.openpty()
    terminal = RawTerminal(slave)
    terminal.start()
    os.close(master)
    assert await asyncio.wait_for(terminal.key(), 5) == "interrupt"
    terminal.write("into the void")
    terminal.close()


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("abc", ["a", "b", "c"]),
        ("\r\n", ["enter", "enter"]),
        ("\x1b", ["escape"]),
        ("\x1b[A\x1bOB", ["up", "down"]),
        ("\x1b[1;5Cy", ["y"]),
        ("\x1b[200~y\x1b[201~", ["y"]),
        ("\x7f\x08", ["backspace", "backspace"]),
        ("\x00\x01", []),
    ],
)
def test_what_a_terminal_sends_becomes_keys(sent: str, keys: list[str]) -> None:
    assert keys_of(sent) == keys


async def test_the_foot_names_the_keys_and_stays_the_last_line() -> None:
    keyboard = Keyboard()
    asked = prompt(keyboard)
    ending = asyncio.create_task(asked.end_requested())
    await asyncio.sleep(0)
    assert "e end at once" in keyboard.written[-1]
    asked.show("reads /etc/hosts")
    assert keyboard.written[-1].startswith("\r\x1b[J") and "reads /etc/hosts\n" in keyboard.written[-1]
    assert keyboard.written[-1].rstrip().endswith("c write to the technician")
    await keyboard.press("interrupt")
    await ending
    assert keyboard.written[-1] == "\r\x1b[J", "the foot goes with the session"


async def test_a_line_to_the_technician_is_typed_corrected_and_sent() -> None:
    keyboard = Keyboard()
    asked = prompt(keyboard)
    ending = asyncio.create_task(asked.end_requested())
    await asyncio.sleep(0)
    await keyboard.press("c", *"he sees mee", "backspace")
    assert not ending.done(), "e is a letter now"
    assert "he sees me▏" in keyboard.written[-1]
    await keyboard.press("enter")
    assert await asyncio.wait_for(asked.act(), 5) == LineTyped("he sees me")
    await keyboard.press("c", "x", "escape", "p", "p")
    assert [await asyncio.wait_for(asked.act(), 5) for _ in range(2)] == [PausePressed(True), PausePressed(False)]
    ending.cancel()


async def test_a_question_interrupts_a_line_and_gives_it_back() -> None:
    keyboard = Keyboard()
    asked = prompt(keyboard)
    ending = asyncio.create_task(asked.end_requested())
    await asyncio.sleep(0)
    await keyboard.press("c", *"half a ")
    asking = asyncio.create_task(asked.allow_plan(plan()))
    await asyncio.sleep(0)
    await keyboard.press("n")
    assert not await asking
    await keyboard.press(*"line", "enter")
    assert await asyncio.wait_for(asked.act(), 5) == LineTyped("half a line")
    ending.cancel()


@pytest.mark.parametrize("width", [12, 30, 80])
async def test_the_foot_never_wraps(width: int) -> None:
    keyboard = Keyboard(width=width)
    ending = asyncio.create_task(prompt(keyboard).end_requested())
    await asyncio.sleep(0)
    await keyboard.press("c", *("漢字" * 60))
    foot = keyboard.written[-1].split("\x1b[J")[1]
    assert cells(foot) < width and foot.endswith("字▏")
    ending.cancel()


async def test_large_letters_take_two_columns_each_and_every_line_asks_for_them() -> None:
    keyboard = Keyboard(width=80)
    asked = PromptTerminal(keyboard, large=True, steady=lambda: keyboard.now, now=lambda: NOW)
    asking = asyncio.create_task(asked.consent(question()))
    await asyncio.sleep(0)
    rows = keyboard.written[-1].split("\x1b[J")[1].rstrip("\n").split("\n")
    assert all(row.startswith("\x1b#6") and cells(row[3:]) < 40 for row in rows)
    await keyboard.press("n")
    await asking
    asked.show("reads " + "x" * 60)
    assert keyboard.written[-1].count("\x1b#6") == 4
