"""Two technicians in one session, by their commands: share, attach, transfer, and everything that is refused."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import World, next_line, served_world

pytestmark = pytest.mark.slow

BOB = "bob-home"
SCOPES = "diagnose,files:read,terminal"


def add_bob(world: World, *, ca: str = "org") -> None:
    """A second technician with key, certificate and login."""
    world.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "bob")
    world.command("ca", "sign", "bob.pub", "--dir", ca, "--name", "Bob Example", "--role", "technician")
    world.command("login", "--key", "bob", home=BOB)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("two")) as world:
        add_bob(world)
        yield world


@pytest.fixture
def session(world: World) -> Iterator[str]:
    """A session of Alice's, whose customer lets second technicians in."""
    _, session, agent = world.session("--accept-second", scopes=SCOPES)
    yield session
    agent.terminate()
    agent.wait(30)


def refused(done: "subprocess.CompletedProcess[str]", status: int = 3) -> str:
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr


def test_a_second_technician_comes_acts_and_is_named(world: World, session: str) -> None:
    said = world.command("share", session, "bob-cert.pub")
    assert f"remote-assist attach {session}" in said.stdout
    entered = world.command("attach", session, "--json", home=BOB)
    told = json.loads(entered.stdout)
    assert (told["part"], told["scopes"]) == ("active", ["diagnose", "files:read", "terminal"])
    assert world.command("run", session, "--", "echo", "by-bob", home=BOB).stdout == "by-bob\n"
    assert world.command("run", session, "--", "echo", "by-alice").stdout == "by-alice\n"
    assert f"{session}  live, shared with you (active)" in world.command("sessions", home=BOB).stdout
    assert "shared" not in world.command("sessions").stdout
    shown = world.command("audit", "show", session, home=BOB).stdout
    acted = [line for line in shown.splitlines() if "Runs a program" in line]
    assert ["Bob Example" in line for line in acted] == [True, False]
    assert ["Alice Example" in line for line in acted] == [False, True]
    assert "watches" not in world.log("agent.log")
    assert "Bob Example is here and takes part" in world.log("agent.log")
    world.command("end", session, "--note", "mended together", home=BOB)
    world.command("audit", "verify", session, "--ca", "org/ca.pub")


def test_an_observer_sees_the_log_and_acts_through_no_door(world: World, session: str, tmp_path: Path) -> None:
    world.command("share", session, "bob-cert.pub", "--observe")
    assert "you only watch" in world.command("attach", session, home=BOB).stdout
    (tmp_path / "note.txt").write_text("note")
    for words in (
        ("ls", session, "/tmp"),
        ("put", session, str(tmp_path / "note.txt"), "/tmp"),
        ("diagnose", session),
        ("request", session, "terminal"),
        ("end", session, "--note", "no"),
    ):
        assert "you watch this session" in refused(world.command(*words, home=BOB, expect=None)), words
    assert "you watch" in refused(world.command("run", session, "--", "true", home=BOB, expect=None), 255)
    shown = world.command("audit", "show", session, home=BOB).stdout
    assert shown.count("An action was refused") == 5, shown
    assert "Bob Example is here and watches" in world.log("agent.log")
    assert world.command("run", session, "--", "echo", "still").stdout == "still\n"
    world.command("share", session, "bob-cert.pub")
    world.command("attach", session, home=BOB)
    assert world.command("run", session, "--", "echo", "now", home=BOB).stdout == "now\n"


def test_a_transfer_ends_the_first_technicians_access_and_nothing_else(world: World, session: str) -> None:
    talking = world.start("remote-assist", "run", session, "-i", "--", "sh", "-c", "echo up; cat")
    assert next_line(talking) == "up"
    world.command("transfer", session, "bob-cert.pub", "--until", "20m")
    assert world.command("run", session, "--", "echo", "mine").stdout == "mine\n"
    world.command("attach", session, home=BOB)
    assert talking.wait(60) != 0
    assert "handed this session over" in refused(world.command("run", session, "--", "true", expect=None), 255)
    assert world.command("run", session, "--", "echo", "his", home=BOB).stdout == "his\n"
    assert "Alice Example is out of the session" in world.log("agent.log")
    world.command("end", session, "--note", "mended by Bob", home=BOB)
    world.command("audit", "verify", session, "--ca", "org/ca.pub")


def test_nobody_comes_without_the_customers_yes(world: World) -> None:
    _, session, agent = world.session(scopes=SCOPES)
    said = refused(world.command("share", session, "bob-cert.pub", expect=None))
    assert "did not let them in" in said
    done = world.command("attach", session, home=BOB, expect=2)
    assert "there is no such session" in done.stderr
    agent.terminate()
    agent.wait(30)


def test_a_certificate_of_another_organisation_is_not_even_asked_about(world: World, session: str) -> None:
    world.command("ca", "init", "--dir", "other")
    world.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "mallory")
    world.command("ca", "sign", "mallory.pub", "--dir", "other", "--name", "Mallory", "--role", "technician")
    assert "another CA" in world.command("share", session, "mallory-cert.pub", expect=5).stderr
    assert "not for technician" in world.command("share", session, "rita-cert.pub", expect=5).stderr
    assert "8 hours at most" in world.command("share", session, "bob-cert.pub", "--until", "9h", expect=2).stderr


def test_an_invitation_that_expired_opens_nothing(world: World, session: str) -> None:
    world.command("share", session, "bob-cert.pub", "--until", "1s")
    time.sleep(1.5)  # the second it was good for
    done = world.command("attach", session, home=BOB, expect=3)
    assert "over" in done.stderr or "expired" in done.stderr or "does not take" in done.stderr
