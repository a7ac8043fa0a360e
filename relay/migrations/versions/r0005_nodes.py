"""What several nodes share: numbers given out, which connection of an agent is its newest, nonces spent."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, text

revision = "0005"
down_revision = "0004"

Number = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """One column, two tables."""
    op.add_column("sessions", Column("connections", Number, nullable=False, server_default=text("0")))
    op.create_table(
        "nameplates",
        Column("number", String(6), primary_key=True),
        Column("owner", String, nullable=False),
        Column("node", String, nullable=False),
        Column("until", String, nullable=False),
    )
    op.create_table(
        "spent_nonces",
        Column("nonce", LargeBinary, primary_key=True),
        Column("until", String, nullable=False),
    )
