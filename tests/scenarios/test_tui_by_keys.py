"""What `make demo` opens, used by keys in real terminals: the whole job from ticket to log; small and without colour.

One demo serves the file; the last test leaves it.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.tmux import TmuxScreen
from tests.scenarios.world import World, find_program

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("tmux") and shutil.which("make")) and os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1",
        reason="tmux or make is missing",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[TmuxScreen]:
    """`make demo` at a terminal, by the Python these tests run in."""
    argv = ["make", "-C", str(ROOT), f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.installed", "demo"]
    with TmuxScreen(folder, argv, {**os.environ, "TMPDIR": str(folder)}) as screen:
        screen.wait_for("▲ ")
        yield screen


@pytest.fixture(scope="module")
def world(demo: TmuxScreen, folder: Path) -> World:
    """The demo's small organisation, for the commands of further terminals."""
    (script,) = folder.glob("remote-assist-demo-*/customer")
    port = re.search(r"127\.0\.0\.1:(\d+)", script.read_text())
    assert port
    return World(script.parent, int(port[1]))


def _down_to(screen: TmuxScreen, text: str) -> None:
    """Down the list to what shows `text`: whatever else is wrong with the machine this runs on may come before."""
    for _ in range(8):
        try:
            screen.wait_for(text, seconds=2)
            return
        except AssertionError:
            screen.press("Down")
    screen.wait_for(text)


def test_small_and_without_colour_it_can_still_be_used(world: World, tmp_path: Path) -> None:
    environment = {**world.environment("alice-home"), "NO_COLOR": "1"}
    with TmuxScreen(tmp_path, [find_program("remote-assist"), "tui"], environment, columns=80, rows=24) as screen:
        screen.wait_for("▲ ")  # what is open in the demo's is open in this one too
        screen.press("o")
        screen.wait_for("remote-assist · sessions")
        screen.press("Escape", "?")
        screen.wait_for("Keys here")
        screen.press("Escape", "C-q")
        assert screen.wait_until_over() == 0


def test_the_whole_job_is_done_by_keys_and_the_log_tells_it(demo: TmuxScreen, world: World, tmp_path: Path) -> None:
    """Ticket, invitation, join, bundle, finding, fix, file, chat, shell, end; each side at a terminal of its own."""
    demo.press("Escape")
    demo.wait_for("tickets · all")
    demo.press("n")
    demo.wait_for("New ticket")
    demo.write("The shop does not start")
    demo.press("Enter")
    demo.wait_for("None yet")
    demo.press("i")
    demo.wait_for("waiting …")
    demo.press("s")  # ask for a terminal too
    demo.wait_for("What to ask the customer for")
    demo.press("Down", "Down", "Down", "Down", "Space", "C-s")
    code = _code(demo.wait_for("fix · terminal"))
    with TmuxScreen(tmp_path, [str(world.folder / "customer")], dict(os.environ)) as customer:
        _say_yes(customer, code)
        _mend(demo)
        _look_around(demo)
        _end(demo)
        assert customer.wait_until_over() == 0
    _check(world)
    demo.press("Escape")
    demo.wait_for("tickets · all")
    demo.press("q")
    assert demo.wait_until_over() == 0
    assert "every step held" in demo.text


def _say_yes(customer: TmuxScreen, code: str) -> None:
    customer.wait_for("Support code")
    customer.write(code)
    customer.press("Enter")
    customer.wait_for("The shop does not start")
    customer.press("3", "4")
    customer.wait_for("4 [x] run programs as you")
    customer.wait_for("y allow what is ticked   ")  # not before it was up for some seconds
    customer.press("y")
    customer.wait_for("runs until")


def _mend(demo: TmuxScreen) -> None:
    demo.wait_for("Nothing was looked at yet")
    demo.wait_for("▲ ")
    demo.press("d")
    demo.wait_for("A service failed because")
    _down_to(demo, "linux.service.free-port")
    demo.press("Enter")
    demo.wait_for("[y] run exactly this plan")
    demo.press("y")
    demo.wait_for("resolved")
    demo.press("Escape")


def _look_around(demo: TmuxScreen) -> None:
    demo.press("3")
    demo.press("Enter")
    demo.wait_for("✔ ls /var/log")
    demo.press("End", "c")
    demo.wait_for("✔ ↓")
    demo.press("6")
    demo.write("It runs again.")
    demo.press("Enter")
    demo.wait_for("you       It runs again.")
    demo.press("Escape")
    demo.press("8")
    demo.wait_for("No terminal is open")
    demo.press("t")
    demo.wait_for("[^]] out")
    demo.write("echo $((6*7)) && tput cols")
    demo.press("Enter")
    demo.wait_for("\n42")
    demo.wait_for("\n120")
    demo.press("C-]")
    demo.press("7")
    demo.wait_for("Applies a planned fix")


def _end(demo: TmuxScreen) -> None:
    demo.press("e")
    demo.wait_for("End the session on")
    demo.write("Port was taken; freed and verified.")
    demo.press("Enter")
    demo.wait_for("– ended")
    demo.wait_for("│ Port was taken; freed and verified.")


def _check(world: World) -> None:
    """What the technician's other programs say of it."""
    lines = world.command("sessions", "--json").stdout.splitlines()
    (session,) = (one["id"] for one in map(json.loads, lines) if one["ticket"] == "1002")
    assert "Port was taken; freed and verified." in world.command("tickets", "show", "1002").stdout
    fetched = list((world.folder / "alice-home" / "collected" / session / "files").iterdir())
    assert [one.name for one in fetched if (Path("/var/log") / one.name).is_file()], fetched
    told = world.command("audit", "show", session).stdout
    for done in (
        "Collects a diagnostic bundle",
        "Applies a planned fix",
        "Reads a file",
        "Says a line",
        "Opens a shell",
    ):
        assert done in told, done
    assert "verified" in world.command("audit", "verify", session).stdout
    assert (world.folder / "services" / "shop-web.pid").exists()


def _code(screen: str) -> str:
    found = re.search(r"(\d) (\d) (\d)  (\d) (\d) (\d)    ([a-z]+)   ([a-z]+)   ([a-z]+)", screen)
    assert found, screen
    return f"{''.join(found.groups()[:6])}-{'-'.join(found.groups()[6:])}"
