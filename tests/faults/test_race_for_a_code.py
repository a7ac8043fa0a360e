"""F16: two customers race for one support code: one gets the session, one a clear no, and nothing is left half."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.scenarios.world import SCOPES, World, next_line, served_world

pytestmark = pytest.mark.slow

HOMES = ("first-home", "second-home")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("race")) as world:
        yield world


def joining(world: World, home: str) -> "subprocess.Popen[str]":
    """A customer's program that waits for its code to be typed."""
    words = ["join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES]
    return world.start("remote-assist", *words, home=home, log=f"{home}.log")


def type_code(program: "subprocess.Popen[str]", code: str) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{code}\n")
    program.stdin.close()
    program.stdin = None


def test_f16_of_two_who_race_for_a_code_one_wins_and_nothing_is_left_half(world: World) -> None:
    inviting, code = world.invite(world.new_ticket())
    racing = {home: joining(world, home) for home in HOMES}
    for program in racing.values():
        type_code(program, code)
    session = next_line(inviting, 60)
    assert session.startswith("s-")
    winner = next(home for home in HOMES if (world.folder / home / "sessions" / session).is_dir())
    loser = next(home for home in HOMES if home != winner)
    assert racing[loser].wait(60) == 3
    assert "this support code was used already" in world.log(f"{loser}.log")
    assert racing[winner].poll() is None
    sessions = world.folder / loser / "sessions"
    assert not sessions.exists() or list(sessions.iterdir()) == []
    late = world.command(
        "join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES, home="late-home", stdin=f"{code}\n", expect=3
    )
    assert "used" in late.stderr  # burned for everybody
    told = [json.loads(line) for line in world.command("sessions", "--json").stdout.splitlines()]
    assert [one["id"] for one in told] == [session]
    assert world.command("run", session, "--", "echo", "won").stdout == "won\n"
    world.command("end", session, "--note", "done")
    assert racing[winner].wait(60) == 0
    assert "verified" in world.command("audit", "verify", session).stdout
