"""Whose turn it is to write, for relays that share a PostgreSQL server."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer

revision = "0002"
down_revision = "0001"

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """A table of one row, which exists from the start."""
    turns = op.create_table("turns", Column("id", Number, primary_key=True), Column("number", Number, nullable=False))
    op.bulk_insert(turns, [{"id": 1, "number": 0}])
