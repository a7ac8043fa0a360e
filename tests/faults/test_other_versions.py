"""F23: a program of another protocol version in each of the three places is refused by name; nothing is asked or run.

The other version is made of today's programs, told before anything else is imported that they speak version 0.
What is the same version but an earlier release: tests/core/test_wire_vectors.py.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.scenarios.world import SCOPES, World, next_line

pytestmark = [pytest.mark.slow, pytest.mark.full]

OTHER = """
import sys
from remote_assist.core import messages
messages.PROTOCOL_VERSION = 0
from {module} import main
sys.exit(main())
"""
PATIENCE_SECONDS = 60


def start(world: World, module: str, *words: str, home: str, said: str = "") -> subprocess.Popen[str]:
    """A program of version 0; everything it prints comes by its pipe."""
    program = subprocess.Popen(
        [sys.executable, "-c", OTHER.format(module=module), *words],
        cwd=world.folder,
        env=world.environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    world.programs.append(program)
    if said:
        assert program.stdin is not None
        program.stdin.write(said)
        program.stdin.flush()
    return program


def ended(program: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = program.communicate(timeout=PATIENCE_SECONDS)
    return program.returncode, out


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("versions"))
    try:
        world.take_organisation()
        world.serve()
        world.login()
        yield world
    finally:
        world.close()


JOIN = ("join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES)


def test_f23_an_agent_of_another_version_is_refused_by_name_and_its_customer_is_not_asked(world: World) -> None:
    inviting, code = world.invite(world.new_ticket())
    agent = start(world, "remote_assist.cli", *JOIN, home="other-customer", said=f"{code}\n")
    status, out = ended(agent)
    assert status == 3 and "version" in out
    assert "allowed" not in out
    assert next_line(inviting, PATIENCE_SECONDS) == ""  # no session
    assert inviting.wait(PATIENCE_SECONDS) != 0


def test_f23_a_technicians_program_of_another_version_is_refused_by_name(world: World) -> None:
    words = ("invite", "--ticket", world.new_ticket(), "--scopes", SCOPES, "--plain")
    inviting = start(world, "remote_assist.cli", *words, home="alice-home")
    code = next_line(inviting, PATIENCE_SECONDS)
    agent = world.start("remote-assist", *JOIN, home="customer-home", log="agent-of-today.log")
    assert agent.stdin is not None
    agent.stdin.write(f"{code}\n")
    agent.stdin.flush()
    assert agent.wait(PATIENCE_SECONDS) == 3
    assert "version" in world.log("agent-of-today.log")
    assert ended(inviting)[0] != 0


def test_f23_a_relay_of_another_version_is_refused_by_name_and_nothing_starts(world: World) -> None:
    relay = world.programs[0]
    relay.send_signal(signal.SIGTERM)
    relay.wait(PATIENCE_SECONDS)
    listen = ("--listen", f"127.0.0.1:{world.port}")
    start(world, "relay.__main__", "serve", "--data", "relay-data", *listen, home="operator-home")
    world.command("remote-assist-relay", "check", "--wait", "30", "--data", "relay-data")
    _, code = world.invite(world.new_ticket())
    agent = world.start("remote-assist", *JOIN, home="third-customer", log="third.log")
    assert agent.stdin is not None
    agent.stdin.write(f"{code}\n")
    agent.stdin.flush()
    assert agent.wait(PATIENCE_SECONDS) == 3
    assert "this relay speaks protocol version 0, the agent 1" in world.log("third.log")
