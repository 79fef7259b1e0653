"""Messages made of what people entered by hand, until they have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0098"
down_revision = "0094"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hand_events",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("published_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_hand_events")),
    )
