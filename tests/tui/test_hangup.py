"""A terminal that goes away ends the program, also where no SIGHUP comes with it."""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 60


def test_where_there_is_no_sighup_nobody_waits_for_one() -> None:
    words = (
        "import select, signal, sys, threading; del signal.SIGHUP, select.poll; sys.platform = 'win32'\n"
        "from remote_assist.tui.hangup import end_on_hang_up\n"
        "end_on_hang_up(0)\n"
        "print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, timeout=PATIENCE_SECONDS)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [b"1"], b"")


@pytest.mark.slow
@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_is_not_the_controlling_one_ends_the_program_too(tmp_path: Path, *, ignored: bool) -> None:
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "tests.security.hostile_screens", "harmless", str(tmp_path / "calls")]
    as_told = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"] if ignored else []
    child = subprocess.Popen(
        [*as_told, *words], stdin=slave, stdout=slave, stderr=slave, cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        seen = b""
        while b"tickets" not in seen:
            assert select.select([master], [], [], PATIENCE_SECONDS)[0], seen
            seen += os.read(master, 65536)
        os.close(master)
        assert child.wait(PATIENCE_SECONDS) == (128 + signal.SIGHUP if ignored else -signal.SIGHUP)
    finally:
        child.kill()
        child.wait()
