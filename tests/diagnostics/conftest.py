"""Real services of a folder, a real machine, and a clock."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from os import kill
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.requests import Progress
from remote_assist.diagnostics.catalog_loader import load_catalog
from tests.diagnostics.real_target import RealTarget

SERVER = """
import http.server, os, sys
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(log, 1); os.dup2(log, 2)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
"""A web server that logs to a file, as services do."""


def now() -> datetime:
    return datetime.now(UTC)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture
def target() -> RealTarget:
    return RealTarget()


class Journal:
    """Keeps undo records in memory, in the order they were noted beside what the target did."""

    def __init__(self, target: RealTarget) -> None:
        self.target = target
        self.records: list[tuple[str, dict[str, object]]] = []

    async def note(self, step: str, undo: dict[str, object]) -> None:
        self.target.log.append(("noted", step))
        self.records.append((step, undo))


@pytest.fixture
def journal(target: RealTarget) -> Journal:
    return Journal(target)


class Services:
    """A folder of unit files with real processes behind them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._started: list[subprocess.Popen[bytes]] = []

    def write(self, name: str, argv: list[str] | None = None, port: int | None = None) -> None:
        log = self.folder / f"{name}.log"
        port = self.port if port is None else port
        unit = {
            "argv": argv or [sys.executable, "-c", SERVER, str(port), str(log)],
            "pidfile": str(self.folder / f"{name}.pid"),
            "port": port,
            "log": str(log),
        }
        (self.folder / f"{name}.json").write_text(json.dumps(unit))

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """As an init system would: start it and write its pid, whether or not it lives."""
        unit = json.loads((self.folder / f"{name}.json").read_text())
        process = subprocess.Popen(unit["argv"], start_new_session=True)
        self._started.append(process)
        Path(unit["pidfile"]).write_text(str(process.pid))
        for _ in range(500):
            if process.poll() is not None or connects(unit["port"]):
                return process
            time.sleep(0.01)
        raise AssertionError(f"{name} neither listens nor ended")

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def stop(self, name: str) -> None:
        """End a service and wait until its port is free."""
        kill(self.pid(name), signal.SIGKILL)
        for process in self._started:
            if process.pid == self.pid(name):
                process.wait()

    def stop_all(self) -> None:
        for file in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                kill(int(file.read_text()), signal.SIGKILL)
        for process in self._started:
            process.kill()
            process.wait()


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    folder = Services(tmp_path)
    yield folder
    folder.stop_all()


@pytest.fixture
def port_taken(services: Services) -> Services:
    """web-a holds the port, web-b could not bind it."""
    services.write("web-a")
    services.write("web-b")
    services.start("web-a")
    assert services.start("web-b").wait() != 0
    return services


@pytest.fixture
def seen() -> list[Progress]:
    return []
