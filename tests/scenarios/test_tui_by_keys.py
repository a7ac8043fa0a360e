"""The whole job by keys in a real terminal: ticket, invitation, look, fix, file, chat, shell, end; then the log."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.tmux import TmuxScreen
from tests.scenarios.world import TakenPort, World, find_program, served_world

SCOPES = "diagnose,files:read,fix,terminal"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("tmux") is None and os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1", reason="tmux is missing"
    ),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("keys")) as world:
        yield world


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TakenPort]:
    trouble = TakenPort.provoke(tmp_path_factory.mktemp("trouble") / "services")
    yield trouble
    trouble.close()


def _down_to(screen: TmuxScreen, text: str) -> None:
    """Down the list to what shows `text`: whatever else is wrong with the machine this runs on may come before."""
    for _ in range(8):
        try:
            screen.wait_for(text, seconds=2)
            return
        except AssertionError:
            screen.press("Down")
    screen.wait_for(text)


def tui(world: World, *words: str, columns: int = 120, rows: int = 36) -> TmuxScreen:
    argv = [find_program("remote-assist"), "tui", *words]
    return TmuxScreen(world.folder, argv, world.environment("alice-home"), columns=columns, rows=rows)


def test_the_whole_job_is_done_by_keys_and_the_log_tells_it(world: World, trouble: TakenPort) -> None:
    with tui(world) as screen:
        screen.wait_for("No tickets yet")
        screen.press("n")
        screen.wait_for("New ticket")
        screen.write("The shop does not start")
        screen.press("Enter")
        screen.wait_for("None yet")
        screen.press("i")
        screen.wait_for("waiting …")
        screen.press("s")  # ask for a terminal too
        screen.wait_for("What to ask the customer for")
        screen.press("Down", "Down", "Down", "Down", "Space", "C-s")
        code = _code(screen.wait_for("fix · terminal"))
        agent = world.join(code, "--services", str(trouble.folder), accept=SCOPES)
        screen.wait_for("Nothing was looked at yet")
        screen.wait_for("▲ ")
        screen.press("d")
        screen.wait_for("A service failed because")
        _down_to(screen, "linux.service.free-port")
        screen.press("Enter")
        screen.wait_for("[y] run exactly this plan")
        screen.press("y")
        screen.wait_for("resolved")
        assert trouble.holder() == "shop-web"
        screen.press("Escape")
        screen.press("3")
        screen.press("Enter")
        screen.wait_for("✔ ls /var/log")
        screen.press("End", "c")
        screen.wait_for("✔ ↓")
        screen.press("6")
        screen.write("It runs again.")
        screen.press("Enter")
        screen.wait_for("you       It runs again.")
        screen.press("Escape")
        screen.press("8")
        screen.wait_for("No terminal is open")
        screen.press("t")
        screen.wait_for("[^]] out")
        screen.write("echo $((6*7)) && tput cols")
        screen.press("Enter")
        screen.wait_for("\n42")
        screen.wait_for("\n120")
        screen.press("C-]")
        screen.press("7")
        screen.wait_for("Applies a planned fix")
        screen.press("e")
        screen.wait_for("End the session on")
        screen.write("Port was taken; freed and verified.")
        screen.press("Enter")
        screen.wait_for("– ended")
        session = _session(world)
        screen.press("Escape")
        screen.wait_for("tickets · all")
        screen.press("q")
        assert screen.wait_until_over() == 0
    assert agent.wait(60) == 0
    assert "Port was taken; freed and verified." in world.command("tickets", "show", "1001").stdout
    fetched = list((world.folder / "alice-home" / "collected" / session / "files").iterdir())
    assert [one.name for one in fetched if (Path("/var/log") / one.name).is_file()], fetched
    told = world.command("audit", "show", session, home="alice-home").stdout
    for done in (
        "Collects a diagnostic bundle",
        "Applies a planned fix",
        "Reads a file",
        "Says a line",
        "Opens a shell",
    ):
        assert done in told, done
    assert "verified" in world.command("audit", "verify", session).stdout


def test_small_and_without_colour_it_can_still_be_used(world: World) -> None:
    environment = {**world.environment("alice-home"), "NO_COLOR": "1"}
    argv = [find_program("remote-assist"), "tui"]
    folder = world.folder / "small"
    folder.mkdir()
    with TmuxScreen(folder, argv, environment, columns=80, rows=24) as screen:
        screen.wait_for("tickets · all")
        screen.press("o")
        screen.wait_for("remote-assist · sessions")
        screen.press("Escape", "?")
        screen.wait_for("Keys here")
        screen.press("Escape", "q")
        assert screen.wait_until_over() == 0


def _code(screen: str) -> str:
    found = re.search(r"(\d) (\d) (\d)  (\d) (\d) (\d)    ([a-z]+)   ([a-z]+)   ([a-z]+)", screen)
    assert found, screen
    return f"{''.join(found.groups()[:6])}-{'-'.join(found.groups()[6:])}"


def _session(world: World) -> str:
    return world.command("sessions", "--plain").stdout.split()[0]
