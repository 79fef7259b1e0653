"""FHIR clients, their sign-ins, and the numbers of the events of their subscriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("number", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("destinations", sa.Column("events", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "fhir_clients",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_fhir_clients")),
    )
    op.create_table(
        "fhir_assertions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fhir_assertions")),
    )
