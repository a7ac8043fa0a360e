"""One writer, many jobs a commit; what fails is undone, what is answered is durable, nothing is half stored."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from relay.migrations import migrate
from relay.storage.database import SqliteFile, open_engine
from relay.storage.schema import tickets
from relay.storage.store import Store
from remote_assist.errors import AuditUnavailable, ContentError, RefusedError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    engine = open_engine(str(tmp_path / "relay.db"))
    migrate(engine)
    engine.dispose()
    return tmp_path / "relay.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = Store(SqliteFile(path), min_free_bytes=0)
    yield opened
    await opened.close()


def add(number: int, subject: str = "x") -> Callable[[Connection], int]:
    def job(connection: Connection) -> int:
        row = {"id": number, "subject": subject, "description": "", "opened": "", "opened_by": ""}
        connection.execute(insert(tickets), row)
        return number

    return job


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(tickets)).scalar_one()


async def test_what_was_written_is_read_at_once(store: Store) -> None:
    assert await store.write(add(1)) == 1
    assert await store.read(count) == 1


async def test_many_jobs_are_all_kept_and_answered_in_order(store: Store) -> None:
    assert await asyncio.gather(*(store.write(add(number)) for number in range(1000))) == list(range(1000))
    assert await store.read(count) == 1000


async def test_a_job_that_refuses_undoes_only_its_own_changes(store: Store) -> None:
    undone: list[str] = []
    store.on_undo(lambda: undone.append("forget"))

    def refuses(connection: Connection) -> None:
        add(2)(connection)
        raise RefusedError("no")

    results = await asyncio.gather(
        store.write(add(1)),
        store.write(refuses),
        store.write(add(3)),
        return_exceptions=True,
    )
    assert [type(one) for one in results] == [int, RefusedError, int]
    assert await store.read(count) == 2
    assert undone == ["forget"]


async def test_a_bug_in_a_job_reaches_its_caller_and_nobody_else(store: Store) -> None:
    def breaks(_: Connection) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await store.write(breaks)
    assert await store.write(add(1)) == 1


async def test_a_full_file_refuses_and_the_next_write_starts_afresh(store: Store) -> None:
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1").fetchall())
    with pytest.raises(AuditUnavailable) as caught:
        await store.write(add(1, "x" * 100_000))
    assert caught.value.reason == "store-full"
    assert await store.read(count) == 0
    assert await store.write(add(1, "x" * 100_000)) == 1


async def test_below_the_reserve_of_free_bytes_nothing_is_written(path: Path) -> None:
    store = Store(SqliteFile(path), min_free_bytes=1 << 60)
    with pytest.raises(AuditUnavailable, match="disk is full"):
        await store.write(add(1))
    assert await store.read(count) == 0
    await store.close()


async def test_more_jobs_than_the_queue_holds_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.storage.store.MAX_WAITING", 0)
    with pytest.raises(AuditUnavailable, match="more to write"):
        await store.write(add(1))


async def test_closing_finishes_what_is_queued_and_takes_nothing_more(path: Path) -> None:
    store = Store(SqliteFile(path), min_free_bytes=0)
    waiting = [store.submit(add(number)) for number in range(100)]
    await store.close()
    assert [await one for one in waiting] == list(range(100))
    with pytest.raises(AuditUnavailable):
        await store.write(add(200))
    await store.close()


async def test_a_caller_that_stops_waiting_does_not_stop_the_write(store: Store) -> None:
    task = asyncio.ensure_future(store.write(add(1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.write(add(2))
    assert await store.read(count) == 2


async def test_every_commit_is_synced(store: Store) -> None:
    assert await store.read(lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar_one()) == 2
    assert await store.read(lambda connection: connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()) == "wal"


def test_a_database_of_another_version_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=7")
    database.close()

    async def open_it() -> None:
        Store(SqliteFile(path), min_free_bytes=0)

    with pytest.raises(ContentError, match="version 7"):
        asyncio.run(open_it())
