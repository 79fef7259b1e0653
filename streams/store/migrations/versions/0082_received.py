"""Messages as received, encrypted, for the destinations that they are passed on to."""

import sqlalchemy as sa
from alembic import op

revision = "0082"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "received",
        sa.Column("received_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kept_us", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("received_id", name=op.f("pk_received")),
    )
    op.create_index("ix_received_alert_id", "received", ["alert_id", "version"])
    op.create_index("ix_received_kept_us", "received", ["kept_us"])
