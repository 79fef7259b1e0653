"""When each version left, where its delivery's row says another time: before a replay, and tries nobody answered."""

import sqlalchemy as sa
from alembic import op

revision = "0133"
down_revision = "0131"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disclosures",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), server_default="", nullable=False),
        sa.Column("arrived", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "at_us", name=op.f("pk_disclosures")),
    )
    op.execute(
        "INSERT INTO disclosures (delivery_id, at_us, tier, arrived)"
        " SELECT delivery_id, CASE WHEN ended_us > 0 THEN ended_us ELSE made_us END, tier, 0"
        " FROM deliveries WHERE maybe = 1 AND state <> 'delivered'"
    )
