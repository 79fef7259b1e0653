"""Absences that people say on the page."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "absences_said",
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("backup_id", sa.Text(), server_default="", nullable=False),
        sa.Column("said_by", sa.Text(), server_default="", nullable=False),
        sa.Column("said_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_manager_id", "starts_us", name="pk_absences_said"),
    )


def downgrade() -> None:
    op.drop_table("absences_said")
