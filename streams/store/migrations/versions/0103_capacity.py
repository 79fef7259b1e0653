"""How many open stays a person can carry, and each person's last act found without reading all acts."""

import sqlalchemy as sa
from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("case_managers", sa.Column("capacity", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_acts_case_manager_id", "acts", ["case_manager_id", "recorded_us"])
