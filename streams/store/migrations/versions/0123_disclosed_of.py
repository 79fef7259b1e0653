"""Whom a delivery is about, as of its version: what left of a stay stays about the first whose it was."""

import sqlalchemy as sa
from alembic import op

revision = "0123"
down_revision = "0116"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("enrollee_id", sa.Text, server_default="", nullable=False))
    postgresql = op.get_bind().dialect.name == "postgresql"
    whose = "document::json ->> 'enrollee_id'" if postgresql else "json_extract(document, '$.enrollee_id')"
    op.execute(
        f"UPDATE deliveries SET enrollee_id = coalesce((SELECT {whose} FROM alert_versions"  # noqa: S608
        " WHERE alert_versions.alert_id = deliveries.alert_id AND alert_versions.version = deliveries.version), '')"
    )
    op.create_index("ix_deliveries_enrollee_id", "deliveries", ["enrollee_id"])
