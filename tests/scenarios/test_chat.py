"""`chat` with a customer who sits at a terminal: both ways, in one line, from a pipe, and never with a code in it."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.scenarios.onscreen import OnScreen
from tests.scenarios.world import World, next_line, served_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("chat")) as world:
        yield world


@pytest.fixture(scope="module")
def at_screen(world: World) -> Iterator[tuple[str, OnScreen]]:
    """A session and the customer's screen."""
    inviting, code = world.invite(world.new_ticket(), "diagnose")
    with OnScreen(world, "join", "--ca", "org/ca.pub", "--accept", "diagnose", home="customer-home") as screen:
        screen.read_until("Support code")
        screen.press(code + "\r")
        session = next_line(inviting)
        screen.read_until("c write to the technician", 60)
        yield session, screen
        screen.press("e")
        screen.finished()


def test_a_line_reaches_the_customers_screen_and_the_answer_comes_back(
    world: World, at_screen: tuple[str, OnScreen]
) -> None:
    session, screen = at_screen
    asking = world.start("remote-assist", "chat", session, "Is", "the", "shop", "closed?", "--wait", "60s", "--json")
    screen.read_until("Alice Example: Is the shop closed?", 60)
    screen.press("cyes, since 14:00\r")
    said = json.loads(next_line(asking, 60))
    assert (said["author"], said["text"]) == ("customer", "yes, since 14:00")
    assert asking.wait(30) == 0


def test_lines_from_a_pipe_are_said_and_history_shows_them_with_a_translation(
    world: World, at_screen: tuple[str, OnScreen]
) -> None:
    session, screen = at_screen
    world.command("chat", session, stdin="first\n\nsecond\n")
    screen.read_until("Alice Example: second", 60)
    screen.press("cgut\r")
    screen.read_until("you: gut", 60)
    shown = world.command("chat", session, "--history", "--plain").stdout.splitlines()
    assert [line for line in shown if line in {"first", "second", "gut"}] == ["first", "second", "gut"]
    translated = world.command("chat", session, "--history", "--json", "--translate", "tr a-z A-Z").stdout
    assert json.loads(translated.splitlines()[-1])["translation"] == "GUT"


def test_a_line_with_a_code_is_refused_and_an_answer_that_never_comes_is_said(
    world: World, at_screen: tuple[str, OnScreen]
) -> None:
    session, _ = at_screen
    refused = run(world, "chat", session, "417203-tulip-rocket-amber")
    assert refused.returncode == 3 and "contains a support code" in refused.stderr
    silent = run(world, "chat", session, "hello?", "--wait", "1s")
    assert silent.returncode == 1 and "did not answer in time" in silent.stderr


def run(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    return world.command(*words, expect=None)
