"""A customer who says no, says nothing, or takes it back: nothing is done, and both sides are told."""

import asyncio
import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from remote_assist.agent.join import join
from remote_assist.agent.prompt.terminal import PromptTerminal
from remote_assist.errors import ConsentDenied
from tests.agent.keyboard import Keyboard
from tests.agent.world import agent_world
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.refusals import Refusal, refusal, told_by_run, typed, wait_until
from tests.scenarios.world import SCOPES, World, next_line

ENDED = "the customer ended the session"


@pytest.mark.parametrize("words", [("join",), ("join", "--code", "-")])
def test_without_a_terminal_and_without_accept_the_answer_is_no(world: World, words: tuple[str, ...]) -> None:
    done = typed(world, *words, home="customer-home", stdin="417203-tulip-rocket-amber\n", expect=3)
    assert refusal(done) == Refusal(
        3,
        "there is no terminal to ask at, and --accept was not given, so the answer is no",
        "Start it in a terminal window, or say beforehand what you allow with --accept.",
    )


@pytest.mark.slow
def test_n_at_the_terminal_is_a_no_for_both_and_for_the_log(world: World) -> None:
    ticket = world.new_ticket("Denied")
    inviting, code = world.invite(ticket)
    with OnScreen(world, "join", "--ca", "org/ca.pub", home="customer-home") as screen:
        screen.read_until("Support code")
        screen.press(code + "\r")
        screen.read_until("press n.")
        screen.press("n")
        assert screen.finished() == 3
    assert b"You said no. Nothing was done." in screen.seen
    assert b"remote-assist: the answer was no; nothing was done" in screen.seen
    assert inviting.wait(10) == 3
    assert "remote-assist: the customer said no" in world.log("programs.log")
    assert "customer: The customer said no; denied" in " ".join(_notes(world, ticket))


@pytest.mark.slow
async def test_nobody_answering_is_a_no_for_both_and_for_the_log(tmp_path: Path) -> None:
    async with agent_world(tmp_path) as world:
        world.limit(pairing=replace(world.settings.pairing, consent_deadline_seconds=60))
        ticks = iter([0.0, 0.0, 60.0])
        screen = PromptTerminal(Keyboard(), steady=lambda: next(ticks, 60.0))
        code = await world.technician.make_code()
        ca_line = (world.relay.organisation.data / "ca.pub").read_text()
        joining = asyncio.create_task(join(world.around, code, screen, ca_line=ca_line))
        await world.technician.greet()
        await world.technician.ask()
        verdict = await asyncio.wait_for(world.technician.verdict(), 10)
        assert (verdict.grants, verdict.reason) == ((), "timed-out")
        with pytest.raises(ConsentDenied) as denied:
            await asyncio.wait_for(joining, 10)
        assert denied.value.exit_code == 3
        assert denied.value.message == "nobody answered, so the answer is no; nothing was done"
        [said_no] = [record for record in world.journal() if record.code == "RA1002E"]
        assert said_no.outcome is not None
        assert said_no.outcome.reason == "timed-out"
        assert len(await world.logged()) == 3


@pytest.mark.slow
def test_the_key_e_ends_what_runs_at_once_and_every_later_command_says_so(world: World) -> None:
    inviting, code = world.invite(world.new_ticket())
    with OnScreen(world, "join", "--ca", "org/ca.pub", "--accept", SCOPES, home="customer-home") as screen:
        screen.read_until("Support code")
        screen.press(code + "\r")
        screen.read_until("Press e")
        session = next_line(inviting)
        pid_file = world.folder / "sleeper"
        running = _start_sleeper(world, session, pid_file)
        screen.press("e")
        wait_until(lambda: not _lives(pid_file), 2)
        assert screen.finished() == 0
        assert b"You ended the session." in screen.seen
    assert running.wait(10) == 255
    _check_every_verb_says_so(world, session)


@pytest.mark.slow
def test_sigterm_at_the_agent_takes_everything_back(world: World) -> None:
    _, session, agent = world.session()
    pid_file = world.folder / "another-sleeper"
    running = _start_sleeper(world, session, pid_file)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(10) == 0
    assert not _lives(pid_file)
    assert running.wait(10) == 255
    assert "This program was told to stop; the session has ended." in world.log("agent.log")
    _check_every_verb_says_so(world, session)


def _check_every_verb_says_so(world: World, session: str) -> None:
    expected = Refusal(3, ENDED, "Invite the customer again.")
    assert refusal(world.command("ls", session, "/", expect=None)) == expected
    told = told_by_run(typed(world, "run", session, "--json", "--", "true"))
    assert (told["error"], told["reason"], told["cause"]) == (ENDED, "ended", 3)


def _start_sleeper(world: World, session: str, pid_file: Path) -> "subprocess.Popen[str]":
    """A program at the customer's that says its number and stays."""
    words = ("run", session, "--", "sh", "-c", f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60")
    running = world.start("remote-assist", *words)
    wait_until(pid_file.exists)
    return running


def _lives(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def _notes(world: World, ticket: str) -> list[str]:
    shown = json.loads(typed(world, "tickets", "show", ticket, "--json", expect=0).stdout)
    return [note["text"] for note in shown["notes"]]
