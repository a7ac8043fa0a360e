"""The relay's tables as they are now, in the common subset of SQLite and PostgreSQL.

    sessions ─┬─< records >─ outbox ─▶ notes >─ tickets
    chains ───┘   wraps, chunks >─ sessions          tokens   logins
    participants >─ sessions (technicians besides the one who paired, as the agent's records let them in)
    records ─▶ tiles (full tiles of the Merkle tree), anchorings (checkpoints that witnesses got)

How a database comes to have them: relay/migrations. A test holds both against each other.

Rule 1: what the customer's side said is stored as it came (`records.record`); every other column of a record is a copy
of a clear field, for look-ups.
Rule 2: states (live, away, ended; open, active, closed) are derived, never stored.
Times are RFC 3339 UTC text with microseconds, so that text order is time order.
"""

from collections.abc import Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

metadata = MetaData()

Number = BigInteger().with_variant(Integer, "sqlite")
"""64 bits in both; only SQLite's INTEGER numbers rows by itself."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(18), primary_key=True),
    Column("ticket", Number, ForeignKey("tickets.id"), nullable=False, index=True),
    Column("subject", String, nullable=False),
    Column("technician", String, nullable=False),
    Column("technician_key", String, nullable=False, index=True),
    Column("serial", Number, nullable=False),
    Column("host_key", String, nullable=False),
    Column("journal_key", String, nullable=False),
    Column("opened", String, nullable=False),
    Column("until", String, nullable=False),
    Column("streams", Number, nullable=False, default=0),
    Column("ended", String),
    Column("end_reason", String, nullable=False, default=""),
    Column("connections", Number, nullable=False, server_default=text("0")),
)

chains = Table(
    "chains",
    metadata,
    Column("id", String(18), primary_key=True),
    Column("owner", String, nullable=False),
    Column("role", String, nullable=False),
    Column("key", String, nullable=False),
    Column("serial", Number, nullable=False),
    Column("valid_after", String, nullable=False),
    Column("valid_before", String, nullable=False),
    Column("opened", String, nullable=False),
)
"""Chains of records that belong to no session. `key`: the owner's public line; the relay's own has no times."""

records = Table(
    "records",
    metadata,
    Column("index", Number, primary_key=True, autoincrement=False),
    Column("session", String(18), nullable=False),
    Column("seq", Number, nullable=False),
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
    Column("level", Number, primary_key=True, autoincrement=False),
    Column("number", Number, primary_key=True, autoincrement=False),
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

participants = Table(
    "participants",
    metadata,
    Column("session", String(18), ForeignKey("sessions.id"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("part", String, nullable=False),
    Column("until", String, nullable=False),
    Column("gone", Number, nullable=False),
)
Index("participants_key", participants.c.key)

chunks = Table(
    "chunks",
    metadata,
    Column("session", String(18), ForeignKey("sessions.id"), primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("size", Number, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("about", String, primary_key=True),
    Column("set_by", String, nullable=False),
    Column("since", String, nullable=False),
)

anchorings = Table(
    "anchorings",
    metadata,
    Column("record", Number, primary_key=True, autoincrement=False),
    Column("anchor", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("receiver", String, nullable=False),
    Column("time", String, nullable=False),
    Column("size", Number, nullable=False),
    Column("checkpoint", String, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
)
"""Checkpoints that outside witnesses got, with what they answered. `record`: the leaf that says so (RA2024E)."""

tickets = Table(
    "tickets",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("subject", String, nullable=False),
    Column("description", String, nullable=False),
    Column("opened", String, nullable=False),
    Column("opened_by", String, nullable=False),
    Column("closed", String),
)

notes = Table(
    "notes",
    metadata,
    Column("id", Number, primary_key=True),
    Column("ticket", Number, ForeignKey("tickets.id"), nullable=False),
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
    Column("id", Number, primary_key=True),
    Column("session", String(18), nullable=False),
    Column("seq", Number, nullable=False),
    Column("ticket", Number, nullable=False),
    Column("visibility", String, nullable=False),
    Column("note", Number),
    UniqueConstraint("session", "seq"),
)
_UNTOLD = outbox.c.note.is_(None)
Index("outbox_waiting", outbox.c.ticket, outbox.c.id, sqlite_where=_UNTOLD, postgresql_where=_UNTOLD)

# Tickets of other systems, and what is on its way to them (relay/storage/foreign.py, relay/tickets/deliveries.py).

foreign_tickets = Table(
    "foreign_tickets",
    metadata,
    Column("ticket", Number, ForeignKey("tickets.id"), primary_key=True, autoincrement=False),
    Column("system", String, nullable=False),
    Column("remote", String, nullable=False),
    Column("url", String, nullable=False),
    Column("status", String, nullable=False),
    Column("requester", String, nullable=False),
    Column("assignee", String, nullable=False),
    Column("seen", String, nullable=False),
    UniqueConstraint("system", "remote"),
)

ticket_keys = Table(
    "ticket_keys",
    metadata,
    Column("key", String, primary_key=True),
    Column("ticket", Number, ForeignKey("tickets.id"), nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Number, primary_key=True),
    Column("source", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("started", String, nullable=False),
    Column("status", String, nullable=False),
    Column("title", String, nullable=False),
    Column("host", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("text", String, nullable=False),
    Column("url", String, nullable=False),
    Column("ticket", String, nullable=False),
    Column("told", String, nullable=False),
    Column("seen", String, nullable=False),
    Column("ended", String),
    Column("settled", String),
    Column("worker", String, nullable=False, server_default=""),
    Column("claimed", String, nullable=False, server_default=""),
    Column("worked", String, nullable=False, server_default=""),
    UniqueConstraint("source", "fingerprint", "started"),
)
"""`worker`: the key of the worker that took it, at `claimed`; `worked`: when they were done."""
machines = Table(
    "machines",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("seen", String, nullable=False),
)
"""Enrolled machines that were here once. `signed`: the enrolment as a technician signed it."""

Index("alarms_of_ticket", alarms.c.ticket)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Number, primary_key=True),
    Column("system", String, nullable=False),
    Column("ticket", Number, ForeignKey("tickets.id"), nullable=False),
    Column("remote", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("note", Number, ForeignKey("notes.id")),
    Column("words", String, nullable=False),
    Column("key", String(32), nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("attempts", Number, nullable=False),
    Column("due", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("result", String, nullable=False),
    Column("fault", String, nullable=False),
    Column("queued", String, nullable=False),
    Column("settled", String),
)
Index("deliveries_waiting", deliveries.c.system, deliveries.c.state, deliveries.c.id)
Index("deliveries_of_ticket", deliveries.c.ticket)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("name", String, nullable=False),
    Column("key", String, nullable=False),
    Column("serial", Number, nullable=False),
    Column("role", String, nullable=False),
    Column("expires", String, nullable=False),
)

logins = Table(
    "logins",
    metadata,
    Column("id", Number, primary_key=True),
    Column("time", String, nullable=False),
    Column("name", String, nullable=False),
    Column("key", String, nullable=False),
    Column("serial", Number, nullable=False),
    Column("role", String, nullable=False),
)

turns = Table("turns", metadata, Column("id", Number, primary_key=True), Column("number", Number, nullable=False))
"""One row: how often a node of several has begun to write (relay/storage/postgres.py)."""

nameplates = Table(
    "nameplates",
    metadata,
    Column("number", String(6), primary_key=True),
    Column("owner", String, nullable=False),
    Column("node", String, nullable=False),
    Column("until", String, nullable=False),
)
"""Numbers that nodes gave out (relay/links/directory.py); those that are used up have no owner."""

spent_nonces = Table(
    "spent_nonces",
    metadata,
    Column("nonce", LargeBinary, primary_key=True),
    Column("until", String, nullable=False),
)
"""Login nonces that came back to one of several nodes (relay/access.py)."""


def insert_missing(connection: Connection, table: Table, *rows: Mapping[str, object]) -> bool:
    """Insert the rows whose keys are not there yet; whether all of them were inserted."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing().returning(*table.primary_key)
    return len(connection.execute(statement, rows).all()) == len(rows)
