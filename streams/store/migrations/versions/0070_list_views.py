"""Lists that people keep under a name."""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "list_views",
        sa.Column("view_id", sa.Text(), nullable=False),
        sa.Column("case_manager_id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("document", sa.Text(), server_default="", nullable=False),
        sa.Column("kept_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("view_id", name="pk_list_views"),
    )
    op.create_index("ix_list_views_case_manager_id", "list_views", ["case_manager_id", "name"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_list_views_case_manager_id", table_name="list_views")
    op.drop_table("list_views")
