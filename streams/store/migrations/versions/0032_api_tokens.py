"""Tokens of other systems that read and act in somebody's name."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _whole(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("token_hash", sa.Text(), nullable=False),
        _text("token_id"),
        _text("name"),
        _text("case_manager_id"),
        _text("scopes"),
        _whole("made_us"),
        _whole("expires_us", "0"),
        _whole("used_us", "0"),
        _whole("revoked_us", "0"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_api_tokens"),
    )
