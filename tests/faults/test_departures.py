"""F20: the customer kills the agent, lets the machine sleep past the consent's end, or starts it anew after a crash."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import World, next_line, served_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals, process groups"),
]

PATIENCE_SECONDS = 60.0
FAMILY = "sleep 3000 & echo $$ $!; wait"
"""A program with a child in its own process group; prints both numbers."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("departures")) as world:
        yield world


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def is_alive(process_id: int) -> bool:
    """Whether it runs; a zombie nobody has reaped does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    with contextlib.suppress(OSError):
        os.kill(process_id, 0)
        return not Path("/proc/self").exists()
    return False


def started(world: World, session: str, script: str) -> list[int]:
    """The numbers a program prints that was started on the session and runs on."""
    program = world.start("remote-assist", "run", session, "--", "sh", "-c", script)
    return [int(word) for word in next_line(program, PATIENCE_SECONDS).split()]


def listed(world: World, session: str) -> dict[str, object]:
    """What the relay tells of a session."""
    lines = world.command("sessions", "--json").stdout.splitlines()
    found: dict[str, object] = next(one for one in map(json.loads, lines) if one["id"] == session)
    return found


def test_f20_a_killed_agent_takes_its_programs_with_it_and_lets_nobody_in(world: World) -> None:
    _, session, agent = world.session()
    family = started(world, session, FAMILY)
    assert len(family) == 2 and all(map(is_alive, family))
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_SECONDS)
    wait_until(lambda: not any(map(is_alive, family)))
    wait_until(lambda: listed(world, session)["state"] == "away")  # what the relay infers: nobody is there
    refused = world.command("run", session, "--", "true", expect=None)
    assert refused.returncode != 0 and refused.stderr


def test_f20_after_a_crash_the_next_start_ends_what_left_its_group_and_records_why(world: World) -> None:
    _, session, agent = world.session()
    escaped = started(world, session, "setsid sh -c 'echo $$; exec sleep 3000'")
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE_SECONDS)
    _, second, again = world.session()
    wait_until(lambda: listed(world, session)["state"] == "ended")
    assert not any(map(is_alive, escaped))
    shown = world.command("audit", "show", session, "--json").stdout.splitlines()
    records = {record["code"]: record for record in map(json.loads, shown)}
    assert "RA1902E" in records  # the survivor is named
    assert "agent-stopped" in json.dumps(records["RA1990E"])
    assert "verified" in world.command("audit", "verify", session).stdout
    world.command("end", second, "--note", "done")
    assert again.wait(PATIENCE_SECONDS) == 0


def test_f20_a_machine_that_slept_past_the_consents_end_lets_nobody_in_when_it_wakes(world: World) -> None:
    _, session, agent = world.session("--until", "8s")
    family = started(world, session, FAMILY)
    agent.send_signal(signal.SIGSTOP)
    time.sleep(9.0)
    agent.send_signal(signal.SIGCONT)
    wait_until(lambda: not any(map(is_alive, family)))
    assert agent.wait(PATIENCE_SECONDS) == 0
    assert "The time you allowed is over; the session has ended." in world.log("agent.log")
    assert listed(world, session)["state"] == "ended"
    assert "expired" in world.command("audit", "show", session, "--json").stdout
    assert "the consent ran out at" in world.command("ls", session, "/", expect=3).stderr
