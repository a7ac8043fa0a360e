"""The database: one thread writes, a few read.

    event loop ── write(job) ──▶ queue ──▶ writer thread: BEGIN · job · job · … · COMMIT (one fsync) ──▶ answers

Rule 1: an answer is given only after the commit that holds it.
Rule 2: after a failed commit nothing of its jobs counts; the connection is thrown away and opened anew.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError

from relay.migrations import bring_up_to_date, words_of
from relay.storage.database import Database
from remote_assist.errors import AuditUnavailable

T = TypeVar("T")

MAX_WAITING = 4096
"""Jobs waiting for the writer; beyond, a job is refused as `store-full`."""

MAX_BATCH = 512
"""Jobs in one transaction."""

RESERVE_SHARE = 2
"""The last part of `min_free_bytes` that not even what concludes may use."""

READERS = 3
"""One less than the connections a database gives (relay/storage/database.py): the writer has one."""


@dataclass(slots=True)
class Job(Generic[T]):
    """Something to do in the writer's transaction, and who waits for it."""

    work: Callable[[Connection], T]
    concludes: bool
    answer: "asyncio.Future[T]"
    result: T | None = None
    error: BaseException | None = None


class Store:
    """Reads and writes of one database, brought to this release's tables. Open it inside a running event loop."""

    def __init__(self, database: Database, *, min_free_bytes: int) -> None:
        """Raises ContentError when the database is ahead of this program, UnreachableError when it does not answer."""
        before = bring_up_to_date(database.engine)
        if before.is_behind:
            structlog.get_logger("store").info("migrated", from_=before.found, to=before.newest)
        self._database = database
        self._engine = database.engine
        self._min_free_bytes = min_free_bytes
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job[object] | None] = queue.SimpleQueue()
        self._undone: list[Callable[[], None]] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="relay-read")
        self._closed = False
        self._thread = threading.Thread(target=self._write_forever, name="relay-write", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Jobs the writer has not begun."""
        return self._jobs.qsize()

    @property
    def free_bytes(self) -> int | None:
        """Free space on the database's disk; None when that is on another machine."""
        return self._database.free_bytes

    def on_undo(self, forget: Callable[[], None]) -> None:
        """Have `forget` called in the writer thread when written things were undone, or another node wrote."""
        self._undone.append(forget)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the writer's next transaction and wait for its commit; see `submit`."""
        return await self.submit(work)

    def submit(self, work: Callable[[Connection], T], *, concludes: bool = False) -> "asyncio.Future[T]":
        """Queue `work` for the writer's next transaction, after all that was submitted before.

        What `concludes` may use the reserve: half of `min_free_bytes`.

        The future gives its result after the commit. An error of `work` undoes only its own changes and is raised
        by the future; AuditUnavailable (`store-full`) when the disk is full or the commit failed: then nothing counts.
        """
        if self._closed or self._jobs.qsize() >= MAX_WAITING:
            raise _store_full("the relay has more to write than it can")
        job: Job[T] = Job(work, concludes, self._loop.create_future())
        self._jobs.put(job)  # type: ignore[arg-type]  # the queue holds jobs of any answer
        return job.answer

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` in a reader thread; it sees every commit made before. AuditUnavailable: the database is gone."""
        return await self._loop.run_in_executor(self._readers, self._query, query)

    async def close(self) -> None:
        """Finish what is queued, then let go of the file."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._readers.shutdown)
        self._engine.dispose()

    def _query(self, query: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return query(connection)
        except OperationalError as error:
            structlog.get_logger("store").error("read-failed", cause=words_of(error))
            raise AuditUnavailable("the relay cannot read its database", reason="store-gone") from error

    # --- the writer thread ------------------------------------------------------------------------

    def _write_forever(self) -> None:
        connection: Connection | None = None
        more = True
        while more:
            batch, more = self._next_batch()
            if not batch:
                break
            connection = self._commit(connection, batch)
            # Uvloop may be gone when a program is torn down in mid-write; nobody waits any more then.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, batch)
        if connection is not None:
            connection.close()

    def _next_batch(self) -> tuple[list[Job[object]], bool]:
        batch: list[Job[object]] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) >= MAX_BATCH:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, connection: Connection | None, batch: list[Job[object]]) -> Connection | None:
        """One transaction for all jobs. Returns the connection to go on with: None to open a new one."""
        fitting = self._fitting(batch)
        if not fitting:
            return connection
        try:
            connection = connection or self._engine.connect()
            if self._database.begin(connection):
                self._undo()
            for job in fitting:
                self._perform(connection, job)
            connection.commit()
        except Exception as error:
            # Whatever it was, this thread goes on: nobody else writes.
            self._undo()
            cause = words_of(error) if isinstance(error, SQLAlchemyError) else type(error).__name__
            structlog.get_logger("store").error("commit-failed", jobs=len(fitting), cause=cause)
            for job in fitting:
                job.error = error if isinstance(error, AuditUnavailable) else _store_full("the relay could not write")
            if connection is not None:
                connection.invalidate()
                connection.close()
            return None
        return connection

    def _perform(self, connection: Connection, job: Job[object]) -> None:
        _say(connection, "SAVEPOINT job")
        try:
            job.result = job.work(connection)
        except DataError:
            # A value no column holds, such as a zero byte: the job's own fault, and nobody else's.
            job.error = AuditUnavailable("a value that the relay's database cannot hold", reason="malformed")
            _say(connection, "ROLLBACK TO job")
            self._undo()
        except SQLAlchemyError:
            raise  # the file is in doubt, not the job
        except Exception as error:
            job.error = error
            _say(connection, "ROLLBACK TO job")
            self._undo()
        _say(connection, "RELEASE job")

    def _undo(self) -> None:
        for forget in self._undone:
            forget()

    def _fitting(self, batch: list[Job[object]]) -> list[Job[object]]:
        """The jobs there is room for; the others are refused. The reserve is for what concludes."""
        free = self.free_bytes
        if free is None or free >= self._min_free_bytes:
            return batch
        room_for = [job for job in batch if job.concludes and free >= self._min_free_bytes // RESERVE_SHARE]
        for job in batch:
            if job not in room_for:
                job.error = _store_full("the relay's disk is full")
        return room_for


def _say(connection: Connection, sentence: str) -> None:
    """Tell the driver itself: twice a job, the toolkit's own way costs more than many a job does."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sentence)
    finally:
        cursor.close()


def _settle(batch: list[Job[object]]) -> None:
    for job in batch:
        if job.answer.done():
            continue
        if job.error is not None:
            job.answer.set_exception(job.error)
        else:
            job.answer.set_result(job.result)


def _store_full(sentence: str) -> AuditUnavailable:
    return AuditUnavailable(sentence, reason="store-full", advice="Ask the relay's operator to free disk space.")
