"""A person without root, real sudo, a real password: only the right one opens, no ticket is left behind."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.init_script import init_script
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.person import Person, a_sudoer
from tests.scenarios.world import founded, next_line, served_world

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with a_sudoer() as person:
        yield person


def test_only_the_right_password_makes_root(person: Person) -> None:
    wrong, right = person.elevate("not " + person.password, person.password)
    assert "did not take the password" in wrong
    assert right == "root"


def test_no_ticket_is_left_for_a_terminal_to_ride_on(person: Person) -> None:
    assert person.elevate(person.password) == ["root"]
    argv = ["runuser", "-u", person.name, "--", "sudo", "-n", "id", "-u"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd="/", check=False)
    assert done.returncode != 0, done.stdout


def test_a_fix_as_root_that_was_cut_short_is_undone_at_the_next_start(person: Person, tmp_path: Path) -> None:
    """The agent of somebody without root is killed while its helper runs as root; all of it at a real terminal."""
    home = person.folder / "home"
    home.mkdir()
    shutil.copy(founded() / "org" / "ca.pub", person.folder / "ca.pub")
    shutil.chown(home, person.name)
    tmp_path.chmod(0o755)
    join = ["join", "--ca", str(person.folder / "ca.pub"), "--accept", "fix"]
    with init_script(person.folder) as shop, served_world(tmp_path / "world") as world:
        world.extra["person"] = {"REMOTE_ASSIST_HOME": str(home), "HOME": str(home)}
        (shop.parent / "slow").touch()
        inviting, code = world.invite(world.new_ticket(), "fix")
        with OnScreen(world, *join, home="person", program=person.agent) as screen:
            screen.read_until("Support code", 60)
            screen.press(code + "\r")
            session = next_line(inviting, 60)
            words = ["fix", session, "linux.service.start-unit", "--set", f"unit={shop.name}", "--yes"]
            fixing = world.start("remote-assist", *words, log="fixing.log")
            screen.read_until("Your own password", 60)
            screen.press(person.password + "\r")
            until((shop.parent / "running").exists)
            subprocess.run(["pkill", "-KILL", "-u", person.name, "-f", "remote_assist join"], check=True)
            screen.finished()
            fixing.kill()
            until(lambda: not runs_as_root(shop.name), 10)  # its helper heard of it
        _, code = world.invite(world.new_ticket(), "fix")
        with OnScreen(world, *join, home="person", program=person.agent) as screen:
            screen.read_until("Support code", 60)
            screen.press(code + "\r")
            screen.read_until('"linux.service.start-unit" was stopped in the middle', 60)
            screen.press("y")
            screen.read_until("Your own password", 60)
            screen.press(person.password + "\r")
            screen.read_until("what the fix did was undone", 60)
        assert person.password.encode() not in screen.seen
        assert (shop.parent / "said").read_text().split() == ["start", "stop"]
        assert not (shop.parent / "running").exists()


def runs_as_root(script: str) -> bool:
    """Whether somebody still starts that service."""
    return subprocess.run(["pgrep", "-f", f"{script} start"], stdout=subprocess.DEVNULL, check=False).returncode == 0


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
