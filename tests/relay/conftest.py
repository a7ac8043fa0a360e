"""A running relay for every test that asks for one; in the modules named below on both databases."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.relay.postgres import Postgres, running_postgres
from tests.relay.world import RelayWorld

ON_BOTH = {
    "test_alarm_work",
    "test_chains",
    "test_checkpoints",
    "test_limits",
    "test_limits_of_room",
    "test_limits_of_time",
    "test_log",
    "test_login",
    "test_shared",
    "test_tickets",
}
"""Modules whose worlds keep something in the database."""

SQLITE, POSTGRESQL = "sqlite", "postgresql"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ON_BOTH:
        metafunc.parametrize("database", [SQLITE, POSTGRESQL], indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database on a server, or nothing: the file in the data folder."""
    if getattr(request, "param", SQLITE) == SQLITE:
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def world(tmp_path: Path, database: str) -> AsyncIterator[RelayWorld]:
    async with RelayWorld(tmp_path, database=database) as running:
        yield running


@pytest.fixture
def started(tmp_path: Path, database: str) -> Callable[..., AbstractAsyncContextManager[RelayWorld]]:
    """A relay with settings of the test's choice."""

    @contextlib.asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[RelayWorld]:
        async with RelayWorld(tmp_path, database=database, **settings) as world:
            yield world

    return start
