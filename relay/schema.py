"""The relay's tables, in the common subset of SQLite and PostgreSQL. Version 3.

    sessions ─┬─< records >─ outbox ─▶ notes >─ tickets
    chains ───┘   wraps >─ sessions                  tokens   logins
    records ─▶ tiles (full tiles of the Merkle tree; version 1 had none, they are made from the records)

Rule 1: what the customer's side said is stored as it came (`records.record`); every other column of a record is a copy
of a clear field, for look-ups.
Rule 2: states (live, away, ended; open, active, closed) are derived, never stored.
Times are RFC 3339 UTC text with microseconds, so that text order is time order.
"""

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from remote_assist.errors import ContentError

VERSION = 3
WITHOUT_TILES = 1
SESSIONS_ONLY = 2
BUSY_MILLISECONDS = 5000

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(18), primary_key=True),
    Column("ticket", Integer, ForeignKey("tickets.id"), nullable=False, index=True),
    Column("subject", String, nullable=False),
    Column("technician", String, nullable=False),
    Column("technician_key", String, nullable=False, index=True),
    Column("serial", Integer, nullable=False),
    Column("host_key", String, nullable=False),
    Column("journal_key", String, nullable=False),
    Column("opened", String, nullable=False),
    Column("until", String, nullable=False),
    Column("streams", Integer, nullable=False, default=0),
    Column("ended", String),
    Column("end_reason", String, nullable=False, default=""),
)

chains = Table(
    "chains",
    metadata,
    Column("id", String(18), primary_key=True),
    Column("owner", String, nullable=False),
    Column("role", String, nullable=False),
    Column("key", String, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("valid_after", String, nullable=False),
    Column("valid_before", String, nullable=False),
    Column("opened", String, nullable=False),
)
"""Chains of records that belong to no session. `key`: the owner's public line; the relay's own has no times."""

records = Table(
    "records",
    metadata,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("session", String(18), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("code", String(8), nullable=False),
    Column("action", String, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("head", String, nullable=False),
    Column("time", String, nullable=False),
    Column("signature", String, nullable=False),
    UniqueConstraint("session", "seq"),
)

tiles = Table(
    "tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

wraps = Table(
    "wraps",
    metadata,
    Column("session", String(18), ForeignKey("sessions.id"), primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("reviewer", String, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("subject", String, nullable=False),
    Column("description", String, nullable=False),
    Column("opened", String, nullable=False),
    Column("opened_by", String, nullable=False),
    Column("closed", String),
)

notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket", Integer, ForeignKey("tickets.id"), nullable=False),
    Column("key", String, nullable=False),
    Column("time", String, nullable=False),
    Column("author", String, nullable=False),
    Column("text", String, nullable=False),
    Column("visibility", String, nullable=False),
    Column("session", String, nullable=False),
    Column("events", LargeBinary, nullable=False),
    UniqueConstraint("ticket", "key"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session", String(18), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("ticket", Integer, nullable=False),
    Column("visibility", String, nullable=False),
    Column("note", Integer),
    UniqueConstraint("session", "seq"),
)
Index("outbox_waiting", outbox.c.ticket, outbox.c.id, sqlite_where=outbox.c.note.is_(None))

tokens = Table(
    "tokens",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("name", String, nullable=False),
    Column("key", String, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("role", String, nullable=False),
    Column("expires", String, nullable=False),
)

logins = Table(
    "logins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time", String, nullable=False),
    Column("name", String, nullable=False),
    Column("key", String, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("role", String, nullable=False),
)


def open_engine(path: str) -> Engine:
    """An engine on the database file: WAL, every commit fsynced, transactions begun by us."""
    engine = create_engine(f"sqlite:///{path}", pool_size=4, max_overflow=0)

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


def create_tables(engine: Engine) -> None:
    """Create the tables in an empty database file."""
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")


def check_version(engine: Engine) -> None:
    """Add what an earlier version lacks. Raise ContentError for a file of a version that is not known here."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if found == VERSION:
        return
    if found not in {WITHOUT_TILES, SESSIONS_ONLY}:
        raise ContentError(
            f"relay.db has tables of version {found}, this program knows version {VERSION}",
            advice="Run the remote-assist release that wrote it.",
        )
    with engine.begin() as connection:
        metadata.create_all(connection, tables=[tiles, chains])
        _let_chains_hold_records(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")


def _let_chains_hold_records(connection: Connection) -> None:
    """Before version 3 every record belonged to a session, and the table said so; SQLite needs it made anew."""
    connection.exec_driver_sql("ALTER TABLE records RENAME TO records_before")
    metadata.create_all(connection, tables=[records])
    connection.exec_driver_sql("INSERT INTO records SELECT * FROM records_before")
    connection.exec_driver_sql("DROP TABLE records_before")
