"""What people typed on a stay and have not sent, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("case_manager_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("kept_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_manager_id", "alert_id", "form", name=op.f("pk_drafts")),
    )
    op.create_index("ix_drafts_kept_us", "drafts", ["kept_us"])
