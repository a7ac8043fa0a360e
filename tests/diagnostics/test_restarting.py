"""The shipped fix that restarts the computer, as far as a namespace can restart: everything in it is ended."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.diagnostics.test_provoked import NAMESPACES, ROOT, _possible

pytestmark = pytest.mark.skipif(not _possible(), reason="namespaces need root and a kernel that allows them")

SHUTDOWN = f"""#!{sys.executable}
import ctypes, sys
assert sys.argv[1:] == ["-r", "now"]
ctypes.CDLL(None).reboot(0x01234567)
"""


def run(folder: Path, part: str) -> "subprocess.CompletedProcess[str]":
    argv = [*NAMESPACES, sys.executable, "-m", "tests.diagnostics.restarting", str(folder), part]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
def test_the_restart_is_asked_for_done_and_looked_at_by_the_next_start(tmp_path: Path) -> None:
    shutdown = tmp_path / "bin" / "shutdown"
    shutdown.parent.mkdir()
    shutdown.write_text(SHUTDOWN)
    shutdown.chmod(0o755)
    down = run(tmp_path, "before")
    assert down.returncode == -signal.SIGHUP, down.stderr[-2000:]
    assert "saved" in (tmp_path / "asked").read_text()
    up = run(tmp_path, "after")
    assert up.returncode == 0, up.stderr[-2000:]
    assert json.loads(up.stdout) == {"fix": "linux.updates.restart", "over": True, "why_not": ""}
