"""Whom a list showed to somebody, so that the audit can say it of each person."""

import sqlalchemy as sa
from alembic import op

revision = "0092"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shown_sets",
        sa.Column("set_id", sa.Text(), server_default="", nullable=False),
        sa.Column("enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("set_id", "enrollee_id", name=op.f("pk_shown_sets")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_shown_sets_enrollee_id", "shown_sets", ["enrollee_id"])
