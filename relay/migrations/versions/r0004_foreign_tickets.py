"""Tickets of other systems, and what is on its way to them."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, UniqueConstraint

revision = "0004"
down_revision = "0003"

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Mirrors of foreign tickets, keys of opened ones, deliveries."""
    _tickets()
    op.create_table(
        "deliveries",
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
    op.create_index("deliveries_waiting", "deliveries", ["system", "state", "id"])
    op.create_index("deliveries_of_ticket", "deliveries", ["ticket"])


def _tickets() -> None:
    op.create_table(
        "foreign_tickets",
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
    op.create_table(
        "ticket_keys",
        Column("key", String, primary_key=True),
        Column("ticket", Number, ForeignKey("tickets.id"), nullable=False),
    )
