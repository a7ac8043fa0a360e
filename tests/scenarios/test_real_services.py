"""nginx and apache2 for real: one holds port 80, the other cannot start; found, fixed, verified through a session.

It starts and stops the machine's own services, so it runs only where somebody said that this is wanted
(REMOTE_ASSIST_REQUIRE_ALL=1, as CI does), as root, with both servers installed and port 80 free.
"""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import served_world, wait_for_port

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
WANTED = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"

pytestmark = [pytest.mark.root, pytest.mark.slow]


def _service(name: str, verb: str) -> int:
    argv = [shutil.which("service", path=PATH) or "service", name, verb]
    return subprocess.run(argv, env={**os.environ, "PATH": PATH}, capture_output=True, check=False).returncode


def _port_80_is_free() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", 80)) != 0


@pytest.fixture
def taken_port() -> Iterator[None]:
    if not WANTED:
        pytest.skip("starts and stops nginx and apache2; set REMOTE_ASSIST_REQUIRE_ALL=1 where that is wanted")
    assert os.geteuid() == 0, "CI runs this as root"
    assert shutil.which("nginx", path=PATH) and shutil.which("apache2", path=PATH), "nginx and apache2 are needed"
    _service("nginx", "stop")
    _service("apache2", "stop")
    assert _port_80_is_free()
    try:
        assert _service("apache2", "start") == 0
        wait_for_port(80)
        assert _service("nginx", "start") != 0
        yield
    finally:
        _service("nginx", "stop")
        _service("apache2", "stop")


def test_nginx_gets_its_port_back_from_apache(taken_port: None, tmp_path: Path) -> None:
    with served_world(tmp_path) as world:
        ticket, session, _ = world.session()
        lines = world.command("findings", session, "--json").stdout.splitlines()
        found = [one for one in map(json.loads, lines) if one["issue"] == "linux.service.port-taken"]
        assert [one["parameters"] for one in found] == [{"unit": "nginx", "holder": "apache2", "port": "80"}]
        fixed = world.command("fix", session, "linux.service.free-port", "--yes")
        assert "resolved" in fixed.stdout
        assert _service("nginx", "status") == 0
        assert _service("apache2", "status") != 0
        world.command("end", session, "--note", "apache2 held port 80; nginx serves again.")
        assert "resolved" in world.command("tickets", "show", ticket).stdout
        world.command("audit", "verify", session)
