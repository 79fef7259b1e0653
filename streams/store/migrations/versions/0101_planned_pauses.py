"""Until when a feed is paused as planned."""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed_talk", sa.Column("until_us", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("feed_talk", "until_us")
