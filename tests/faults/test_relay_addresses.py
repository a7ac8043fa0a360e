"""One relay at two addresses: when one is gone, a running session and new commands go on over the other."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.tcp_proxy import TcpProxy
from tests.scenarios.world import World, free_port, next_line

SAYING = "read one; echo $one; read two; echo $two"


@pytest.fixture
def roads(tmp_path: Path) -> Iterator[tuple[World, TcpProxy, TcpProxy]]:
    """The organisation, and the two roads to its relay."""
    world = World(tmp_path, front_port=free_port(), other_ports=(free_port(),))
    try:
        world.take_organisation()
        with TcpProxy(world.front_port, world.port) as first, TcpProxy(world.other_ports[0], world.port) as second:
            world.serve()
            world.login()
            yield world, first, second
    finally:
        world.close()


def say(program: "subprocess.Popen[str]", line: str) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{line}\n")
    program.stdin.flush()


@pytest.mark.slow
def test_when_one_address_is_gone_both_ends_go_on_over_the_next(roads: tuple[World, TcpProxy, TcpProxy]) -> None:
    world, first, second = roads
    _, session, agent = world.session()
    assert first.wires and not second.wires
    talking = world.start("remote-assist", "run", session, "-i", "--", "sh", "-c", SAYING)
    say(talking, "before")
    assert next_line(talking) == "before"
    first.cut(refuse=True)
    say(talking, "after")
    assert next_line(talking, 60) == "after"
    assert talking.wait(60) == 0
    assert second.wires
    assert world.command("run", session, "--", "echo", "anew").stdout == "anew\n"
    second.cut(refuse=True)
    first.restore()
    assert world.command("run", session, "--", "echo", "back", timeout=90).stdout == "back\n"
    world.command("end", session, "--note", "done")
    with contextlib.suppress(subprocess.TimeoutExpired):
        agent.wait(30)
    assert agent.returncode == 0
