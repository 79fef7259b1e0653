"""Whose patient: former homes, panel loads, reviews, recent unmatched events, absences, LME/MCOs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "absences",
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("backup_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("case_manager_id", "starts_us", name=op.f("pk_absences")),
    )
    op.create_table(
        "event_outbox",
        sa.Column("outbox_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("written_us", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_event_outbox")),
    )
    op.create_table(
        "homes",
        sa.Column("enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.Text(), server_default="", nullable=False),
        sa.Column("until", sa.Text(), server_default="", nullable=False),
        sa.Column("practice_id", sa.Text(), server_default="", nullable=False),
        sa.Column("effective_from", sa.Text(), server_default="", nullable=False),
        sa.Column("effective_to", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("enrollee_id", "since", name=op.f("pk_homes")),
    )
    op.create_table(
        "lme_mcos",
        sa.Column("lme_mco_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("counties", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("lme_mco_id", name=op.f("pk_lme_mcos")),
    )
    op.create_table(
        "panel_loads",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("loaded_us", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), server_default="", nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_panel_loads")),
    )
    op.create_table(
        "review_events",
        sa.Column("review_id", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("review_id", "message_id", name=op.f("pk_review_events")),
    )
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.Text(), nullable=False),
        sa.Column("pair", sa.Text(), server_default="", nullable=False),
        sa.Column("enrollee_id", sa.Text(), server_default="", nullable=False),
        sa.Column("verdict", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("decided_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("weight", sa.Float(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_reviews")),
    )
    op.create_index("ix_reviews_pair", "reviews", ["pair"], unique=True)
    op.create_index("ix_reviews_verdict", "reviews", ["verdict", "opened_us"], unique=False)
    op.create_table(
        "unmatched",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_unmatched")),
    )
    op.create_index("ix_unmatched_received_us", "unmatched", ["received_us"], unique=False)
    op.create_table(
        "unmatched_keys",
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key", "message_id", name=op.f("pk_unmatched_keys")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_unmatched_keys_message_id", "unmatched_keys", ["message_id"], unique=False)
