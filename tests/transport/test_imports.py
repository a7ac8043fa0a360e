"""How the room loads: where a system has no POSIX modules, and without starting programs."""

import subprocess
import sys

import pytest

BLOCKED = """
import sys
import asyncio, asyncssh, subprocess, websockets  # theirs choose by system; here it is ours that is asked
for name in ("pty", "fcntl", "resource", "termios", "tty", "pwd", "grp"):
    sys.modules[name] = None
from remote_assist.transport import channel, doors, link, local_target, private_files, ssh, streams
"""


def test_the_room_loads_with_posix_modules_blocked() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


STARTED = """
import sys
started = []
PROGRAMS = ("subprocess.", "os.posix_spawn", "os.system", "os.exec")
sys.addaudithook(lambda event, detail: started.append(detail) if event.startswith(PROGRAMS) else None)
import {module}
assert "asyncssh" in sys.modules
assert not started, started
"""


@pytest.mark.parametrize("module", ["remote_assist.technician.agent_link", "remote_assist.agent.session"])
def test_loading_ssh_starts_no_other_program(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED.format(module=module)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
