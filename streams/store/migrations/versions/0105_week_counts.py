"""What each stay counts as in the report of its week; what is there by now is counted by the next tick."""

import sqlalchemy as sa
from alembic import op

revision = "0105"
down_revision = "0104"
branch_labels = None
depends_on = None

COUNTED = ("told", "to_call", "called_in_time", "reached", "to_visit", "visited_in_time", "unable", "taken_back")


def upgrade() -> None:
    op.create_table(
        "week_counts",
        sa.Column("alert_id", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.Text(), server_default="", nullable=False)
            for name in ("week", "practice_id", "facility")
        ),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in COUNTED),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_week_counts")),
    )
    op.create_index("ix_week_counts_week", "week_counts", ["week", "practice_id", "facility"])
