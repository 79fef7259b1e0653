"""Places outside that are told, their secrets, and what is due to each."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0005"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _whole(name: str, default: str | None = "0") -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def upgrade() -> None:
    op.create_table(
        "destinations",
        sa.Column("destination_id", sa.Text(), nullable=False),
        _text("state"),
        _text("document"),
        _text("why"),
        _whole("changed_us", None),
        _whole("rests_until_us"),
        _whole("failures"),
        _whole("first_failed_us"),
        _whole("last_failed_us"),
        _whole("succeeded_us"),
        _text("last_failure"),
        _whole("sequence"),
        sa.PrimaryKeyConstraint("destination_id", name=op.f("pk_destinations")),
    )
    op.create_table(
        "destination_secrets",
        _text("destination_id"),
        _text("name"),
        _whole("made_us", None),
        _whole("until_us"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "name", "made_us", name=op.f("pk_destination_secrets")),
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        _text("destination_id"),
        _text("alert_id"),
        _whole("version", None),
        _whole("position", None),
        _text("state"),
        _whole("due_us", None),
        _whole("tries"),
        _whole("claimed_until_us"),
        _text("claimed_by"),
        _whole("batch"),
        _whole("maybe"),
        _text("failure"),
        _text("status"),
        _text("tier"),
        _whole("made_us", None),
        _whole("ended_us"),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state", "destination_id", "due_us"])
    op.create_index("ix_deliveries_destination_id", "deliveries", ["destination_id", "made_us"])
    op.create_index("ix_deliveries_alert_id", "deliveries", ["alert_id", "destination_id", "version"])
    op.execute("INSERT INTO counters (name, value) VALUES ('destinations', 0)")
