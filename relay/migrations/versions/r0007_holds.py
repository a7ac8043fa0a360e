"""Legal holds in force, as records of the organisation set them (relay/log/retention.py)."""

from alembic import op
from sqlalchemy import Column, String

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """One table."""
    op.create_table(
        "holds",
        Column("about", String, primary_key=True),
        Column("set_by", String, nullable=False),
        Column("since", String, nullable=False),
    )
