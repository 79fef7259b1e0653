"""Patients opened in an emergency, and who looked at it afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0093"
down_revision = "0092"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def upgrade() -> None:
    op.create_table(
        "glass",
        sa.Column("glass_id", sa.Text(), nullable=False),
        *map(_text, ("case_manager_id", "enrollee_id", "network_id", "reason", "words")),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        _text("looked_by"),
        sa.Column("looked_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("glass_id", name=op.f("pk_glass")),
    )
    op.create_index("ix_glass_case_manager_id", "glass", ["case_manager_id", "enrollee_id"])
    op.create_index("ix_glass_looked_us", "glass", ["looked_us"])
