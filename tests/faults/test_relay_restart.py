"""A relay that is killed and started again: sessions of real programs resume, nobody is asked again (F3, small)."""

import contextlib
import hashlib
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.tcp_proxy import TcpProxy
from tests.scenarios.world import SCOPES, World, free_port

pytestmark = pytest.mark.slow

AGENTS = 4
RESUMED_SECONDS = 60.0
"""F3: every session has to be back so soon after the port is open again."""

COUNTING = "import time\nfor n in range(120): print(n * 7919, flush=True); time.sleep(0.05)"
COUNTED = b"".join(b"%d\n" % (n * 7919) for n in range(120))


@dataclass
class Remote:
    """One customer's machine, its session, and the log its agent writes."""

    session: str
    program: "subprocess.Popen[str]"
    log: Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, front_port=free_port())
    try:
        world.take_organisation()
        with TcpProxy(world.front_port, world.port) as proxy:
            proxy.bytes_per_second = 4 << 20  # so that a `get` lasts long enough to be killed in its middle
            world.serve()
            world.login()
            yield world
    finally:
        world.close()


def customer(world: World, number: int) -> Remote:
    inviting, code = world.invite(world.new_ticket())
    log = f"agent-{number}.log"
    words = ("join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES)
    program = world.start("remote-assist", *words, home=f"customer-{number}", log=log)
    assert program.stdin is not None and inviting.stdout is not None
    program.stdin.write(code + "\n")
    program.stdin.close()
    program.stdin = None
    session = inviting.stdout.readline().strip()
    assert session.startswith("s-"), world.log(log)
    return Remote(session, program, world.folder / log)


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def test_four_agents_and_their_technicians_outlive_a_relay_that_is_killed(world: World) -> None:
    remotes = [customer(world, number) for number in range(AGENTS)]
    big = world.folder / "big.bin"
    big.write_bytes(secrets.token_bytes(24 << 20))
    runs, gets = [], []
    for number, remote in enumerate(remotes):
        out = world.folder / f"run-{number}.out"
        words = ("run", remote.session, "--", sys.executable, "-c", COUNTING)
        with out.open("wb") as sink, (world.folder / f"run-{number}.err").open("wb") as errors:
            program = subprocess.Popen(
                [Path(sys.executable).parent / "remote-assist", *words],
                stdout=sink, stderr=errors, stdin=subprocess.DEVNULL, env=world.environment("alice-home"),
            )  # fmt: skip
        runs.append((program, out))
        folder = world.folder / f"got-{number}"
        folder.mkdir()
        fetching = world.start("remote-assist", "get", remote.session, str(big), str(folder), log=f"get-{number}.err")
        gets.append((fetching, folder / "big.bin"))
    wait_until(lambda: all(out.stat().st_size > 30 for _, out in runs))
    wait_until(lambda: all(list(copy.parent.iterdir()) for _, copy in gets))
    assert not any(copy.exists() for _, copy in gets)  # only parts so far

    relay = world.programs[0]
    relay.send_signal(signal.SIGKILL)
    relay.wait(10)
    time.sleep(1.0)
    assert all(program.poll() is None for program, _ in runs)
    world.serve()
    opened = time.monotonic()

    # written by the agents themselves, when a technician's stream is back
    wait_until(lambda: all("the technician's connection is back" in one.log.read_text() for one in remotes))
    assert time.monotonic() - opened < RESUMED_SECONDS
    for program, out in runs:
        assert program.wait(60) == 0
        assert out.read_bytes() == COUNTED
    expected = hashlib.sha256(big.read_bytes()).hexdigest()
    for fetching, copy in gets:
        assert fetching.wait(60) == 0
        assert hashlib.sha256(copy.read_bytes()).hexdigest() == expected
    for number, remote in enumerate(remotes):
        assert remote.log.read_text().count("allowed: ") == 1  # consent once, before the cut
        assert re.search(r"reconnecting… since \d\d:\d\d:\d\d", (world.folder / f"run-{number}.err").read_text())
        world.command("end", remote.session, "--note", "The relay was restarted meanwhile.")
        assert "verified" in world.command("audit", "verify", remote.session).stdout
        with contextlib.suppress(subprocess.TimeoutExpired):
            remote.program.wait(10)
        assert remote.program.returncode == 0
