"""Alarms of monitoring systems."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String, UniqueConstraint

revision = "0008"
down_revision = "0007"

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """One row an alarm; `told` is the status its ticket has heard of."""
    op.create_table(
        "alarms",
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
        UniqueConstraint("source", "fingerprint", "started"),
    )
    op.create_index("alarms_of_ticket", "alarms", ["ticket"])
