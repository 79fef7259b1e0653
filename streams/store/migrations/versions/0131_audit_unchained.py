"""How many rows of the audit are of before it was a chain: one put in among them shows."""

from alembic import op

revision = "0131"
down_revision = "0123"
branch_labels = None
depends_on = None


def upgrade() -> None:
    counted = "SELECT 'audit_unchained', CAST(count(*) AS TEXT) FROM audit WHERE hash = ''"
    op.execute(f"INSERT INTO facts (name, value) {counted}")
