"""Of whose hospital an integration analyst is."""

import sqlalchemy as sa
from alembic import op

revision = "0094"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("case_managers", sa.Column("feeds", sa.Text(), server_default="", nullable=False))
