"""Enrolled machines, and which worker took which alarm (relay/links/standby.py, relay/pages/alarm_work.py)."""

from alembic import op
from sqlalchemy import Column, LargeBinary, String

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """One table; three columns with defaults."""
    op.create_table(
        "machines",
        Column("id", String, primary_key=True),
        Column("name", String, nullable=False),
        Column("signed", LargeBinary, nullable=False),
        Column("seen", String, nullable=False),
    )
    for name in ("worker", "claimed", "worked"):
        op.add_column("alarms", Column(name, String, nullable=False, server_default=""))
