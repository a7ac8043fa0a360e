"""A server nobody sits at: enrolled once, called by its standing consent, mended by a worker after an alarm."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import TakenPort, World, next_line, served_world

pytestmark = [pytest.mark.slow, pytest.mark.full]

NAME = "web-1.example.com"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "world"
    folder.mkdir()
    (folder / "monitoring.secret").write_text("tell-me")
    (folder / "monitoring.secret").chmod(0o600)
    (folder / "relay.toml").write_text('[alarm_sources.site-1]\nsecret = "monitoring.secret"\n')
    with served_world(folder) as world:
        yield world


def enrol(world: World) -> str:
    """The id of the machine, enrolled by a code."""
    ticket = world.new_ticket("New server")
    inviting = world.start("remote-assist", "invite", "--ticket", ticket, "--enroll", "--plain")
    code = next_line(inviting)
    words = ("enroll", "--code", "-", "--ca", "org/ca.pub", "--yes", "--name", NAME, "--plain")
    machine = world.command(*words, home="server", stdin=code + "\n").stdout.strip()
    assert next_line(inviting) == machine
    return machine


def alarm(world: World, number: int) -> str:
    """Told by a monitoring system; the ticket it is on."""
    said = json.dumps(
        {
            "fingerprint": f"f{number}",
            "started": f"t{number}",
            "status": "firing",
            "title": "web is down",
            "agent": NAME,
        }
    )
    words = ("alert", "--from", "json", "--source", "site-1", "--secret-file", "monitoring.secret", "--plain")
    return world.command(*words, stdin=said).stdout.strip()


def standby(world: World, *options: str) -> "subprocess.Popen[str]":
    program = world.start("remote-assist", "standby", *options, home="server", log="standby.log")
    for _ in range(60):
        if NAME in world.command("enrolled").stdout and "waits" in world.command("enrolled").stdout:
            return program
    raise AssertionError(world.log("standby.log"))


def test_a_server_is_called_by_what_stands_there_and_mended_by_a_worker_after_an_alarm(
    world: World, tmp_path: Path
) -> None:
    machine = enrol(world)
    trouble = TakenPort.provoke(tmp_path / "services")
    try:
        waiting = standby(world, "--services", str(trouble.folder))
        ticket = alarm(world, 1)

        refused = world.command("call", NAME, "--ticket", ticket, expect=3)
        assert "no standing consent is in force" in refused.stderr
        said = json.loads(world.command("worker", "--once", "--json").stdout)["worked"]
        assert said["outcome"] == "refused"
        assert "may not look at this machine" in world.command("tickets", "show", ticket).stdout

        allow = ("standing", "allow", "--for", "Alice Example", "--until", "30d", "--scopes")
        world.command(*allow, "diagnose", home="server")
        session = world.command("call", machine, "--ticket", ticket, "--scopes", "diagnose,terminal").stdout.split()[-1]
        world.command("diagnose", session)
        assert "not allowed" in world.command("run", session, "--", "true", expect=255).stderr
        world.command("standing", "revoke", home="server")
        for _ in range(60):
            shown = world.command("sessions").stdout
            if "ended" in shown:
                break
        assert "ended (customer" in shown, world.log("standby.log")
        world.command("call", machine, "--ticket", ticket, expect=3)

        world.command(*allow, "diagnose,fix", home="server")
        ticket = alarm(world, 2)
        worker = ("worker", "--once", "--json", "--fix", "linux.service.free-port")
        said = json.loads(world.command(*worker, timeout=120).stdout)["worked"]
        assert said["outcome"] == "looked" and said["fixed"] == ["linux.service.free-port"]
        assert world.command(*worker).stdout == ""
        told = world.command("tickets", "show", ticket, "--json").stdout
        notes = "\n".join(note["text"] for note in json.loads(told)["notes"])
        assert "FAIL linux.service.port-taken" in notes and "standing-consent-3" in notes
        assert json.loads(told)["state"] == "open"
        story = json.loads(world.command("tickets", "story", ticket, "--json").stdout)
        assert story["mechanically"] and {"alarm", "disclosure", "verification"} <= {
            step["kind"] for step in story["steps"]
        }
        waiting.terminate()
        assert waiting.wait(60) == 0
    finally:
        trouble.close()
