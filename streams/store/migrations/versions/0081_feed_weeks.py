"""Report cards of feeds: how often each fact was so, by week."""

import sqlalchemy as sa
from alembic import op

revision = "0081"
down_revision = "0093"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_weeks",
        sa.Column("feed", sa.Text(), server_default="", nullable=False),
        sa.Column("week_us", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.Text(), server_default="", nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed", "week_us", "fact", name=op.f("pk_feed_weeks")),
    )
