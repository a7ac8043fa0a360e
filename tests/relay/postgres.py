"""A private PostgreSQL server for tests: real, on loopback, in a folder of its own, gone afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.scenarios.world import free_port

DEBIAN = Path("/usr/lib/postgresql")
ALL_WANTED = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"
START_SECONDS = 60.0
NUMBERS = count(1)

QUICK = ("fsync=off", "full_page_writes=off", "max_connections=60", "shared_buffers=16MB", "listen_addresses=127.0.0.1")
"""Nobody cuts the power of a test; that commits are synced is asked of the relay's own connections."""


class Postgres:
    """A running server. Every test takes a database of its own."""

    def __init__(self, folder: Path, port: int, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        self.folder = folder
        self.port = port
        self._start = start
        self.process = start()
        self.wait()

    def url(self, name: str) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/{name}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"relay_{next(NUMBERS)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.run("SELECT 1")
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        """As `pg_ctl stop -m immediate` does."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def restart(self) -> None:
        self.process = self._start()
        self.wait()


def copy_database(url: str, source: str, target: str) -> None:
    """Make the database named in `url` with `target` behind its name what the one with `source` behind it is."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}{target} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}{target} TEMPLATE {name}{source}".encode())


def postgres_programs() -> Path:
    """The folder with initdb and postgres; skips (or fails where all is wanted) when there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(DEBIAN.glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    if ALL_WANTED:
        pytest.fail("PostgreSQL is not installed, and REMOTE_ASSIST_REQUIRE_ALL=1")
    pytest.skip("PostgreSQL is not installed (Debian package postgresql)")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that runs inside the `with`. It will not run as root, so root lends it another user."""
    programs, port = postgres_programs(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="relay-postgres-"))
    user: int | None = None
    if os.geteuid() == 0:
        names = {one.pw_name: one.pw_uid for one in pwd.getpwall()}
        user = names.get("postgres", names["nobody"])
        os.chown(folder, user, -1)
    made = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "tester", "-A", "trust", "-E", "UTF8", "-N"]
    done = subprocess.run([*made, "--locale=C.UTF-8"], user=user, capture_output=True, text=True, cwd="/", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    settings = [word for one in (*QUICK, f"port={port}", f"unix_socket_directories={folder}") for word in ("-c", one)]

    def start() -> "subprocess.Popen[bytes]":
        argv = [str(programs / "postgres"), "-D", str(folder / "data"), *settings]
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(argv, user=user, stdout=log, stderr=log, cwd="/")

    server = Postgres(folder, port, start)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
