"""Signing in without a provider: passkeys, passwords with a second factor, recovery codes, and tries counted."""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0070"
branch_labels = None
depends_on = None


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _whole(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def upgrade() -> None:
    op.add_column("sign_in_links", _text("purpose", "enter"))
    op.create_table(
        "passkeys",
        sa.Column("credential_id", sa.Text(), nullable=False),
        _text("case_manager_id"),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        _whole("sign_count"),
        _text("name"),
        _whole("made_us"),
        _whole("used_us", "0"),
        sa.PrimaryKeyConstraint("credential_id", name=op.f("pk_passkeys")),
    )
    op.create_index("ix_passkeys_case_manager_id", "passkeys", ["case_manager_id"])
    op.create_table(
        "passwords",
        sa.Column("case_manager_id", sa.Text(), nullable=False),
        _text("hash"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _whole("step"),
        _whole("made_us"),
        sa.PrimaryKeyConstraint("case_manager_id", name=op.f("pk_passwords")),
    )
    op.create_table(
        "recovery_codes",
        _text("case_manager_id"),
        _text("code_hash"),
        _whole("used_us", "0"),
        sa.PrimaryKeyConstraint("case_manager_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "guesses",
        sa.Column("key", sa.Text(), nullable=False),
        _whole("tries", "0"),
        _whole("last_us", "0"),
        _whole("until_us", "0"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_guesses")),
    )
    op.create_index("ix_guesses_last_us", "guesses", ["last_us"])
