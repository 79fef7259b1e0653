"""When it is looked whether a discharge has its diagnosis by then."""

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0098"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "diagnosis_marks",
        sa.Column("stay_id", sa.Text(), nullable=False),
        sa.Column("days", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stay_id", "days", name=op.f("pk_diagnosis_marks")),
    )
    op.create_index("ix_diagnosis_marks_due_us", "diagnosis_marks", ["due_us"])


def downgrade() -> None:
    op.drop_table("diagnosis_marks")
