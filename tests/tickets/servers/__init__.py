"""Real ticket systems from Debian, each a private instance on loopback in a folder of the test."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

WANTED = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"


def need(*paths: str) -> None:
    """Skip, or in CI fail, unless these parts of Debian packages are installed."""
    missing = [path for path in paths if not Path(path).exists()]
    if missing and WANTED:
        pytest.fail(f"{missing[0]} is not installed, and REMOTE_ASSIST_REQUIRE_ALL=1")
    if missing:
        pytest.skip(f"{missing[0]} is not installed (docs/tickets.md names the packages)")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_served(url: str, headers: dict[str, str], server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for a 200 at `url`; a server that ended fails with the end of its log."""
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} is not served: {log.read_text(errors='replace')[-1500:]}")
