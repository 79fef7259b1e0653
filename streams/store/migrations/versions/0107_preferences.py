"""How each person wants the pages to be."""

import sqlalchemy as sa
from alembic import op

revision = "0107"
down_revision = "0105"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "preferences",
        sa.Column("case_manager_id", sa.Text(), nullable=False),
        sa.Column("in_24_hours", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("case_manager_id", name=op.f("pk_preferences")),
    )
