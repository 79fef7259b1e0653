"""Whom a stay stands before by what colleagues did: asked, offered, given, or taken by them."""

import sqlalchemy as sa
from alembic import op

revision = "0104"
down_revision = "0103"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alert_owners", sa.Column("given", sa.BigInteger(), server_default="0", nullable=False))
