"""Sealed chunks beside the log: pieces of recordings, bundles and files (relay/log/chunks.py)."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String

revision = "0003"
down_revision = "0002"

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """One table."""
    op.create_table(
        "chunks",
        Column("session", String(18), ForeignKey("sessions.id"), primary_key=True),
        Column("seq", Number, primary_key=True, autoincrement=False),
        Column("hash", String(64), nullable=False),
        Column("size", Number, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
