"""What a sender's data made us reject is kept as well: a state no program of before knows. No table changes."""

revision = "0116"
down_revision = "0107"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
