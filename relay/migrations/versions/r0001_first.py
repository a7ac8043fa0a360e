"""The tables of the first releases. What is there already stays: files of before revisions had these tables too."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, UniqueConstraint, inspect, text

revision = "0001"
down_revision = None

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Sessions, records and what belongs to them; tickets; logins."""
    _tickets()
    _sessions()
    _log()
    _logins()


def _tickets() -> None:
    op.create_table(
        "tickets",
        Column("id", Number, primary_key=True, autoincrement=False),
        Column("subject", String, nullable=False),
        Column("description", String, nullable=False),
        Column("opened", String, nullable=False),
        Column("opened_by", String, nullable=False),
        Column("closed", String),
        if_not_exists=True,
    )
    op.create_table(
        "notes",
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
        if_not_exists=True,
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        Column("id", String(18), primary_key=True),
        Column("ticket", Number, ForeignKey("tickets.id"), nullable=False),
        Column("subject", String, nullable=False),
        Column("technician", String, nullable=False),
        Column("technician_key", String, nullable=False),
        Column("serial", Number, nullable=False),
        Column("host_key", String, nullable=False),
        Column("journal_key", String, nullable=False),
        Column("opened", String, nullable=False),
        Column("until", String, nullable=False),
        Column("streams", Number, nullable=False),
        Column("ended", String),
        Column("end_reason", String, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_sessions_ticket", "sessions", ["ticket"], if_not_exists=True)
    op.create_index("ix_sessions_technician_key", "sessions", ["technician_key"], if_not_exists=True)
    op.create_table(
        "wraps",
        Column("session", String(18), ForeignKey("sessions.id"), primary_key=True),
        Column("key_id", String, primary_key=True),
        Column("reviewer", String, primary_key=True),
        Column("sealed", LargeBinary, nullable=False),
        if_not_exists=True,
    )


def _log() -> None:
    # Every record belonged to a session once, and the table said so; SQLite needs it made anew to forget that.
    before = inspect(op.get_bind()).has_table("records")
    if before:
        op.rename_table("records", "records_before")
    op.create_table(
        "records",
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
    if before:
        op.execute(text("INSERT INTO records SELECT * FROM records_before"))
        op.drop_table("records_before")
    op.create_table(
        "chains",
        Column("id", String(18), primary_key=True),
        Column("owner", String, nullable=False),
        Column("role", String, nullable=False),
        Column("key", String, nullable=False),
        Column("serial", Number, nullable=False),
        Column("valid_after", String, nullable=False),
        Column("valid_before", String, nullable=False),
        Column("opened", String, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "tiles",
        Column("level", Number, primary_key=True, autoincrement=False),
        Column("number", Number, primary_key=True, autoincrement=False),
        Column("root", LargeBinary, nullable=False),
        Column("hashes", LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "outbox",
        Column("id", Number, primary_key=True),
        Column("session", String(18), nullable=False),
        Column("seq", Number, nullable=False),
        Column("ticket", Number, nullable=False),
        Column("visibility", String, nullable=False),
        Column("note", Number),
        UniqueConstraint("session", "seq"),
        if_not_exists=True,
    )
    untold = text("note IS NULL")
    op.create_index(
        "outbox_waiting", "outbox", ["ticket", "id"], if_not_exists=True, sqlite_where=untold, postgresql_where=untold
    )


def _logins() -> None:
    op.create_table(
        "tokens",
        Column("hash", LargeBinary, primary_key=True),
        Column("name", String, nullable=False),
        Column("key", String, nullable=False),
        Column("serial", Number, nullable=False),
        Column("role", String, nullable=False),
        Column("expires", String, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "logins",
        Column("id", Number, primary_key=True),
        Column("time", String, nullable=False),
        Column("name", String, nullable=False),
        Column("key", String, nullable=False),
        Column("serial", Number, nullable=False),
        Column("role", String, nullable=False),
        if_not_exists=True,
    )
