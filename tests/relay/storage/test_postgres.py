"""A relay on a PostgreSQL server that is full, that restarts, or on which another node freezes with the turn."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from relay.storage import postgres as relay_postgres
from relay.storage.postgres import PostgresServer, server_url
from relay.storage.schema import tickets
from relay.storage.store import Store
from remote_assist.core.messages import Acknowledged, AppendRefused
from remote_assist.errors import AuditUnavailable, UnreachableError, UsageError
from tests.faults.test_disk_full import mount, unmount
from tests.relay.postgres import Postgres, running_postgres
from tests.relay.world import RelayWorld


@pytest.fixture
def database(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    opened = Store(PostgresServer(database), min_free_bytes=1 << 60)  # the server's disk is its own affair
    yield opened
    await opened.close()


def add(number: int) -> "object":
    def job(connection: Connection) -> int:
        row = {"id": number, "subject": "x", "description": "", "opened": "", "opened_by": ""}
        connection.execute(insert(tickets), row)
        return number

    return job


async def test_a_value_no_column_holds_is_its_own_jobs_fault_and_nobody_elses(store: Store) -> None:
    def hostile(connection: Connection) -> None:
        connection.execute(
            insert(tickets), {"id": 7, "subject": "a\0b", "description": "", "opened": "", "opened_by": ""}
        )

    work: list[Callable[[Connection], object]] = [add(1), hostile, add(2)]  # type: ignore[list-item]  # `add` says object
    jobs = [store.submit(each) for each in work]
    first, refused, second = await asyncio.gather(*jobs, return_exceptions=True)
    assert [first, second] == [1, 2]
    assert isinstance(refused, AuditUnavailable)
    assert refused.reason == "malformed"
    assert await store.read(count) == 2


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(tickets)).scalar_one()


async def test_every_commit_is_on_the_servers_disk_whatever_its_settings_say(postgres: Postgres, database: str) -> None:
    postgres.run(f"ALTER DATABASE {database.rpartition('/')[2]} SET synchronous_commit = off")
    store = Store(PostgresServer(database), min_free_bytes=0)
    shown = await store.read(lambda connection: connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())
    assert shown == "on" and store.free_bytes is None
    await store.close()


async def test_jobs_of_two_stores_see_each_others_rows_and_what_is_remembered_is_forgotten(
    store: Store, database: str
) -> None:
    other = Store(PostgresServer(database), min_free_bytes=0)
    forgotten: list[int] = []
    store.on_undo(lambda: forgotten.append(1))

    def next_number(connection: Connection) -> int:
        last = connection.execute(select(func.max(tickets.c.id))).scalar() or 0
        return int(add(last + 1)(connection))  # type: ignore[operator]

    found = await asyncio.gather(*(one.write(next_number) for _ in range(100) for one in (store, other)))
    assert sorted(found) == list(range(1, 201))
    before = len(forgotten)
    await store.write(next_number)
    await store.write(next_number)
    again = len(forgotten)
    await other.write(next_number)
    await store.write(next_number)
    assert again <= before + 1 and len(forgotten) == again + 1
    await other.close()


async def test_a_node_that_freezes_with_the_turn_loses_it(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(relay_postgres.SERVER_SETTINGS, "idle_in_transaction_session_timeout", "1s")
    frozen = PostgresServer(database)
    connection = frozen.engine.connect()
    frozen.begin(connection)
    assert await store.write(add(1)) == 1  # type: ignore[arg-type]  # waited until the server ended the other one
    connection.invalidate()
    frozen.engine.dispose()


async def test_a_server_that_restarts_costs_a_refusal_and_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with running_postgres() as own:
        async with RelayWorld(tmp_path, database=own.new_database()) as world:
            alice, token = await world.technician()
            agent = world.agent(alice, await world.ticket(token))
            await agent.open()
            own.stop()
            record = agent.record("RA1006E")
            answer = await agent.append(record)
            assert isinstance(answer, AppendRefused) and answer.reason == "store-full"
            assert (await world.call("GET", "/v1/tickets", token=token))[0] == 503
            assert (await world.call("GET", "/readyz"))[0] == 503
            await asyncio.to_thread(own.restart)
            answer = await agent.append(record)
            assert isinstance(answer, Acknowledged) and answer.acknowledgements[0].index == 1
            assert (await world.call("GET", "/readyz"))[0] == 200


@pytest.fixture
def small_disk(postgres: Postgres) -> Iterator[str]:
    """A database whose tables are on a disk of their own, of 24 MiB."""
    folder = postgres.folder / "small"
    folder.mkdir()
    if not mount(folder, 24 << 20):
        pytest.skip("no file system may be mounted here")
    try:
        owner = postgres.folder.stat()
        inside = folder / "space"
        inside.mkdir()
        for path in (folder, inside):
            os.chown(path, owner.st_uid, owner.st_gid)
        postgres.run(f"CREATE TABLESPACE small LOCATION '{inside}'")
        postgres.run("CREATE DATABASE small TABLESPACE small")
        yield postgres.url("small")
        postgres.run("DROP DATABASE small WITH (FORCE)")
        postgres.run("DROP TABLESPACE small")
    finally:
        unmount(folder)


async def test_a_full_server_refuses_records_and_nothing_is_half_stored(
    small_disk: str, postgres: Postgres, tmp_path: Path
) -> None:
    async with RelayWorld(tmp_path, database=small_disk) as world:
        alice, token = await world.technician()
        agent = world.agent(alice, await world.ticket(token))
        await agent.open()
        acknowledged = 0
        for _ in range(2000):
            answer = await agent.append(*[agent.record("RA1006E", target="x" * 8000) for _ in range(20)])
            if isinstance(answer, AppendRefused):
                break
            acknowledged += 20
        assert isinstance(answer, AppendRefused) and answer.reason == "store-full"
        subprocess.run(["mount", "-o", "remount,size=256m", postgres.folder / "small"], check=True, timeout=20)
        async with asyncio.timeout(60):
            while isinstance(answer := await agent.append(agent.record("RA1006E", advance=False)), AppendRefused):
                assert answer.reason in {"store-full", "gap"}
                if answer.reason == "gap":  # room again, and nothing of the refused Append was stored
                    break
        assert world.sql('SELECT count(*), max("index") FROM records') == [(acknowledged + 1, acknowledged)]


@pytest.mark.parametrize(
    "url", ["", "relay.db", "mysql://host/relay", "postgresql://host", "postgresql://host:x/relay"]
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        server_url(url)


async def test_a_server_that_is_not_there_is_said_so() -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        Store(PostgresServer("postgresql://tester@127.0.0.1:1/relay"), min_free_bytes=0)
