"""Technicians besides the one who paired, as the agent's records let them in (relay/log/participants.py)."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String

revision = "0006"
down_revision = "0005"

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """One table."""
    op.create_table(
        "participants",
        Column("session", String(18), ForeignKey("sessions.id"), primary_key=True),
        Column("key", String, primary_key=True),
        Column("part", String, nullable=False),
        Column("until", String, nullable=False),
        Column("gone", Number, nullable=False),
    )
    op.create_index("participants_key", "participants", ["key"])
