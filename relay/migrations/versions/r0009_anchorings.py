"""Checkpoints that outside witnesses got, and what they answered (relay/witness/anchors.py)."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String

revision = "0009"
down_revision = "0008"

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """One table."""
    op.create_table(
        "anchorings",
        Column("record", Number, primary_key=True, autoincrement=False),
        Column("anchor", String, nullable=False),
        Column("kind", String, nullable=False),
        Column("receiver", String, nullable=False),
        Column("time", String, nullable=False),
        Column("size", Number, nullable=False),
        Column("checkpoint", String, nullable=False),
        Column("receipt", LargeBinary, nullable=False),
    )
