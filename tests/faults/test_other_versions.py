"""F23: a program of another protocol version in each of the three places is refused by name; nothing is asked or run.

Both ends are told in words. What is the same version but another minor: test_other_minors.py, and
tests/core/test_wire_vectors.py for the bytes.
"""

import signal
from collections.abc import Iterator

import pytest

from tests.faults.other_programs import OTHER_VERSION, PATIENCE_SECONDS, SAYS_ANOTHER_VERSION, ended, serve, start
from tests.scenarios.world import SCOPES, World, next_line

pytestmark = [pytest.mark.slow, pytest.mark.full]


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


def join_today(world: World, code: str, log: str) -> int:
    """Today's agent; its exit status, and its words in `log`."""
    agent = world.start("remote-assist", *JOIN, home="customer-home", log=log)
    assert agent.stdin is not None
    agent.stdin.write(f"{code}\n")
    agent.stdin.flush()
    return agent.wait(PATIENCE_SECONDS)


def test_f23_an_agent_of_another_version_is_refused_by_name_and_its_customer_is_not_asked(world: World) -> None:
    inviting, code = world.invite(world.new_ticket())
    agent = start(world, OTHER_VERSION, *JOIN, home="other-customer", said=f"{code}\n")
    status, out = ended(agent)
    assert (
        status == 3
        and "the technician's program speaks protocol version 1, this program 0: this program is older" in out
    )
    assert "allowed" not in out
    assert next_line(inviting, PATIENCE_SECONDS) == ""  # no session
    assert inviting.wait(PATIENCE_SECONDS) == 3
    told = "the customer's program speaks protocol version 0, this program 1: the customer's program is older"
    assert told in world.log("programs.log")


def test_f23_a_technicians_program_of_another_version_is_refused_by_name(world: World) -> None:
    words = ("invite", "--ticket", world.new_ticket(), "--scopes", SCOPES, "--plain")
    inviting = start(world, OTHER_VERSION, *words, home="alice-home")
    code = next_line(inviting, PATIENCE_SECONDS)
    assert join_today(world, code, "agent-of-today.log") == 3
    assert "the technician's program speaks protocol version 0, this program 1" in world.log("agent-of-today.log")
    status, out = ended(inviting)
    assert status == 3 and "the customer's program speaks protocol version 1, this program 0" in out


def test_f23_a_technicians_program_that_says_another_version_hears_of_it_at_its_first_question(world: World) -> None:
    status, out = ended(start(world, SAYS_ANOTHER_VERSION, "tickets", "list", home="alice-home"))
    assert status == 3 and "the relay speaks protocol version 1, this program 0: this program is older" in out


def test_f23_a_relay_of_another_version_is_refused_by_name_and_nothing_starts(world: World) -> None:
    relay = world.programs[0]
    relay.send_signal(signal.SIGTERM)
    relay.wait(PATIENCE_SECONDS)
    relay = serve(world, OTHER_VERSION)
    _, code = world.invite(world.new_ticket())
    assert join_today(world, code, "third.log") == 3
    assert "the agent speaks protocol version 1, this relay 0: this relay is older" in world.log("third.log")
    relay.terminate()
    relay.wait(PATIENCE_SECONDS)
    serve(world, SAYS_ANOTHER_VERSION)
    done = world.command("tickets", "list", expect=3)
    assert "the relay speaks protocol version 0, this program 1: the relay is older" in done.stderr
