"""A private NATS server for tests: real, on loopback."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.scenarios.world import free_port

ALL_WANTED = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"
START_SECONDS = 60.0


class Nats:
    """A running server."""

    def __init__(self, program: str, port: int) -> None:
        self.port = port
        self._argv = [program, "-a", "127.0.0.1", "-p", str(port)]
        self.start()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, "nats-server does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(30)


@contextmanager
def running_nats() -> Iterator[Nats]:
    """A server that runs inside the `with`; skips (or fails where all is wanted) when there is none."""
    program = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        if ALL_WANTED:
            pytest.fail("nats-server is not installed, and REMOTE_ASSIST_REQUIRE_ALL=1")
        pytest.skip("nats-server is not installed (Debian package of that name)")
    server = Nats(program, free_port())
    try:
        yield server
    finally:
        server.stop()
