"""The enrollee's payer, which says which measures they are counted in; what is open, quick to count."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("enrollees", sa.Column("payer", sa.Text(), server_default="", nullable=False))
    counted = ["status", "action", "version", "acknowledged_version", "decided_us", "enrollee_id", "alert_id"]
    op.create_index("ix_alerts_status", "alerts", counted)
