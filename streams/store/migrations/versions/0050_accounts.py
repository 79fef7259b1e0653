"""Accounts of an OpenID provider; and of each session how, from where and with what it was opened."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0021"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def upgrade() -> None:
    op.create_table(
        "identities",
        _text("issuer"),
        _text("subject"),
        _text("case_manager_id"),
        sa.Column("bound_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index("ix_identities_case_manager_id", "identities", ["case_manager_id", "issuer"], unique=True)
    for name in ("way", "device", "address", "issuer", "subject", "sid", "id_token"):
        op.add_column("sessions", _text(name))
    op.create_index("ix_sessions_case_manager_id", "sessions", ["case_manager_id"])
