"""Support codes that open nothing: wrong, reused, too old, mistyped, or shown to other users of the machine."""

import asyncio
import contextlib
import subprocess
from pathlib import Path

import pytest

from remote_assist.core.consent import Moment
from remote_assist.errors import AssistError, CodeBurned
from tests.agent.world import Customer, agent_world
from tests.scenarios.refusals import Refusal, refusal, typed
from tests.scenarios.world import SCOPES, World

JOIN = ("join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES)


def join(world: World, code: str, home: str = "customer-home") -> "subprocess.CompletedProcess[str]":
    """A customer who types `code`."""
    return typed(world, *JOIN, home=home, stdin=f"{code}\n")


def other_words(code: str) -> str:
    """The same nameplate with three words that are on the list, and not these."""
    nameplate, *words = code.split("-")
    return "-".join([nameplate, "amber" if words[0] != "amber" else "tulip", *words[1:]])


@pytest.mark.slow
def test_a_wrong_code_burns_for_both_and_the_right_one_comes_too_late(world: World) -> None:
    inviting, code = world.invite(world.new_ticket())
    wrong = refusal(join(world, other_words(code)))
    assert wrong == Refusal(
        3,
        "the technician's program ended the pairing: the code was mistyped, used up or too old",
        "Ask the technician for a new support code.",
    )
    assert inviting.wait(10) == 3
    assert inviting.stdout is not None
    assert inviting.stdout.read() == ""
    assert "the support code was wrong, or somebody is in between; the code is used up" in world.log("programs.log")
    same_customer = refusal(join(world, code))
    assert same_customer == Refusal(3, "this support code was used here already", "Ask the technician for a new one.")
    other_customer = refusal(join(world, code, home="another-home"))
    assert other_customer == Refusal(
        3, "this support code was used already", "Ask the technician for a new support code."
    )
    assert list((world.folder / "customer-home" / "sessions").iterdir()) == []
    assert typed(world, "sessions", "--plain", expect=0).stdout == ""


def test_a_number_that_routes_nowhere_is_said(world: World) -> None:
    assert refusal(join(world, "000000-tulip-rocket-amber")) == Refusal(
        3, "there is no such support code", "Check the six digits."
    )


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("", "a support code is a number and three words"),
        ("417203-tulip-rocket", "a support code is a number and three words"),
        ("41720-tulip-rocket-amber", "a support code begins with 6 digits"),
        ("417203-tulop-rocket-amber", "'tulop' is not a word of support codes; did you mean 'tulip'?"),
        ("417203-tulip-\x1b[2J-amber", "'\\x1b[2j' is not a word of support codes"),
    ],
    ids=["nothing", "two words", "five digits", "a word misheard", "a control sequence"],
)
def test_a_mistyped_code_costs_nothing_and_says_which_part(world: World, code: str, sentence: str) -> None:
    done = join(world, code, home="mistyping-home")
    assert refusal(done).exit == 2
    assert refusal(done).sentence == sentence
    assert not (world.folder / "mistyping-home" / "attempts.json").exists()


@pytest.mark.parametrize("words", [("417203-tulip-rocket-amber",), ("--code", "417203-tulip-rocket-amber")])
def test_a_code_on_the_command_line_is_refused_and_not_repeated(world: World, words: tuple[str, ...]) -> None:
    done = world.command("join", *words, home="careless-home", expect=2)
    told = refusal(done)
    assert (
        told.sentence
        == "a support code does not go on the command line, where other users of this computer can read it"
    )
    assert "should not be used any more" in told.advice
    assert "tulip" not in done.stderr + done.stdout


@pytest.mark.parametrize("line", ["Waiting for the technician …", "Checking the code with the technician …"])
async def test_a_code_that_gets_too_old_meanwhile_opens_nothing(tmp_path: Path, line: str) -> None:
    """The technician's ten minutes are in tests/technician/test_invite.py, the relay's in tests/relay."""
    async with agent_world(tmp_path) as world:
        age = [0.0]

        class Slow(Customer):
            def show(self, shown: str) -> None:
                if shown == line:
                    age[0] = 600.0

        world.customer = Slow()
        world.moment = lambda: Moment(world.relay.clock(), age[0])
        joining = world.join(await world.technician.make_code())
        with contextlib.suppress(AssistError, AssertionError):
            await asyncio.wait_for(world.technician.greet(), 5)
        with pytest.raises(CodeBurned, match="this support code is too old") as burned:
            await asyncio.wait_for(joining, 10)
        assert burned.value.exit_code == 3
        assert world.customer.questions == []
