"""Steps of escalation, the rules they were asked under, when each stay is looked at next, and who runs what."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _whole(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def upgrade() -> None:
    op.create_table(
        "escalation_steps",
        _text("alert_id"),
        _text("step_key"),
        _whole("position"),
        _text("run"),
        _whole("number"),
        _text("clock"),
        _whole("began_us"),
        _whole("due_us"),
        _whole("at_us"),
        _text("came_to"),
        _text("case_manager_id"),
        _text("because"),
        _whole("ended_us", "0"),
        sa.PrimaryKeyConstraint("alert_id", "step_key", name="pk_escalation_steps"),
    )
    op.create_index("ix_escalation_steps_position", "escalation_steps", ["position"], unique=True)
    op.create_table(
        "escalation_rules",
        sa.Column("rules_hash", sa.Text(), nullable=False),
        _whole("since_us"),
        _text("document"),
        sa.PrimaryKeyConstraint("since_us", name="pk_escalation_rules"),
    )
    op.create_table(
        "escalation_looks",
        sa.Column("alert_id", sa.Text(), nullable=False),
        _whole("look_us"),
        sa.PrimaryKeyConstraint("alert_id", name="pk_escalation_looks"),
    )
    op.create_index("ix_escalation_looks_look_us", "escalation_looks", ["look_us"])
    op.create_table(
        "ticks",
        sa.Column("name", sa.Text(), nullable=False),
        _text("holder"),
        _whole("token", "0"),
        _whole("beat", "0"),
        _whole("ran_us", "0"),
        _whole("cursor", "0"),
        sa.PrimaryKeyConstraint("name", name="pk_ticks"),
    )
    op.add_column("alert_owners", _whole("asked", "0"))
    op.add_column("deliveries", _text("step_key"))
    # What was told before nobody is asked about: the page shows it, and a flood of old questions would drown today's.
    op.execute(
        "INSERT INTO ticks (name, cursor) SELECT 'escalation', COALESCE(MAX(value), 0) FROM counters "
        "WHERE name = 'position'"
    )
