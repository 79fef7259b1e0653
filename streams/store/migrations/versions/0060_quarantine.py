"""What our own code failed on, with its bytes, so that it can be decided after all."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0032"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def upgrade() -> None:
    op.create_table(
        "quarantine",
        sa.Column("message_id", sa.Text(), nullable=False),
        _text("state"),
        _text("stage"),
        _text("code"),
        _text("place"),
        _text("sender"),
        _text("feed"),
        _text("release"),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="1", nullable=False),
        _text("why"),
        _text("key"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("corrected", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_quarantine")),
    )
    op.create_index("ix_quarantine_state", "quarantine", ["state", "message_id"])
