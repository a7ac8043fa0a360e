"""A relay that is killed and started again: sessions of real programs resume, nobody is asked again (F3, small).

Two hundred sessions: test_crowds.py.
"""

import contextlib
import hashlib
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.remotes import RealRun, Remote, wait_until
from tests.faults.tcp_proxy import TcpProxy
from tests.scenarios.world import World, free_port

pytestmark = pytest.mark.slow

AGENTS = 4
RESUMED_SECONDS = 60.0
"""F3: every session has to be back so soon after the port is open again."""


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


def test_four_agents_and_their_technicians_outlive_a_relay_that_is_killed(world: World) -> None:
    remotes = [Remote.join(world, number) for number in range(AGENTS)]
    big = world.folder / "big.bin"
    big.write_bytes(secrets.token_bytes(24 << 20))
    runs, gets = [], []
    for number, remote in enumerate(remotes):
        runs.append(RealRun.start(world, remote, number, count=120, pause=0.05))
        folder = world.folder / f"got-{number}"
        folder.mkdir()
        fetching = world.start("remote-assist", "get", remote.session, str(big), str(folder), log=f"get-{number}.err")
        gets.append((fetching, folder / "big.bin"))
    wait_until(lambda: all(run.has_begun for run in runs))
    wait_until(lambda: all(list(copy.parent.iterdir()) for _, copy in gets))
    assert not any(copy.exists() for _, copy in gets)  # only parts so far

    relay = world.programs[0]
    relay.send_signal(signal.SIGKILL)
    relay.wait(10)
    time.sleep(1.0)
    assert all(run.program.poll() is None for run in runs)
    world.serve()
    opened = time.monotonic()

    wait_until(lambda: all(one.is_back() for one in remotes))
    assert time.monotonic() - opened < RESUMED_SECONDS
    for run in runs:
        run.check()
    expected = hashlib.sha256(big.read_bytes()).hexdigest()
    for fetching, copy in gets:
        assert fetching.wait(60) == 0
        assert hashlib.sha256(copy.read_bytes()).hexdigest() == expected
    for remote, run in zip(remotes, runs, strict=True):
        assert remote.consents == 1  # before the cut
        assert re.search(r"reconnecting… since \d\d:\d\d:\d\d", run.errors.read_text())
        world.command("end", remote.session, "--note", "The relay was restarted meanwhile.")
        assert "verified" in world.command("audit", "verify", remote.session).stdout
        with contextlib.suppress(subprocess.TimeoutExpired):
            remote.program.wait(10)
        assert remote.program.returncode == 0
