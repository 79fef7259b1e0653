"""The audit says from where, and its rows are chained from here on."""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("origin", "prev_hash", "hash"):
        op.add_column("audit", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.create_index("ix_audit_case_manager_id", "audit", ["case_manager_id", "at_us"])
