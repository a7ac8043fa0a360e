"""Where the relay's tables are. The store (relay/storage/store.py) does the rest in one way for both.

Rule: one writer at a time. `begin` waits until nobody else writes and tells whether somebody did since the last time.
"""

import shutil
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_MILLISECONDS = 5000
POOL = 4
"""Connections a store holds: its writer's and its readers'."""


class Database(Protocol):
    """A place with the relay's tables."""

    @property
    def engine(self) -> Engine:
        """Connections to it."""

    @property
    def free_bytes(self) -> int | None:
        """Free space on its disk; None when that is on another machine."""

    def begin(self, connection: Connection) -> bool:
        """Begin a transaction as the only writer. True when another program wrote since this one did."""


class SqliteFile:
    """A file: WAL, every commit fsynced, transactions begun by us. One relay holds it (storage/data_folder.py)."""

    def __init__(self, path: Path) -> None:
        self.engine = open_engine(str(path))
        self._folder = path.parent

    @property
    def free_bytes(self) -> int | None:
        return shutil.disk_usage(self._folder).free

    def begin(self, connection: Connection) -> bool:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return False


def open_engine(path: str) -> Engine:
    """An engine on the database file."""
    engine = create_engine(f"sqlite:///{path}", pool_size=POOL, max_overflow=0)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver's own idea of when to begin would commit in the middle of ours.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_MILLISECONDS}",
            "journal_size_limit=16777216",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def open_read_only(path: Path) -> Engine:
    """An engine that cannot change the file, nor make one that is not there."""
    return create_engine(f"sqlite:///file:{quote(str(path.resolve()))}?mode=ro&uri=true")
