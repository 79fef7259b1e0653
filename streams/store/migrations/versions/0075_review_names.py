"""A review is found again by every record number of every patient it was about, no longer by the first alone."""

import json

import sqlalchemy as sa
from alembic import op

from parsers.events import Patient
from streams.store.questions import names_of

revision = "0075"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    made = op.create_table(
        "review_names",
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("review_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", "review_id", name=op.f("pk_review_names")),
    )
    connection = op.get_bind()
    names_made = {
        (pair, review_id) for pair, review_id in connection.execute(sa.text("SELECT pair, review_id FROM reviews"))
    }
    waiting = "SELECT r.review_id, r.enrollee_id, e.document FROM reviews r JOIN review_events e USING (review_id)"
    for review_id, enrollee_id, document in connection.execute(sa.text(waiting)):
        patient = Patient.model_validate(json.loads(document)["event"]["patient"])
        names = names_of(patient, enrollee_id)
        names_made |= {(name, review_id) for name in (*names.own, *(names.dated if patient.birth_date else ()))}
    if names_made:
        op.bulk_insert(made, [{"name": name, "review_id": review_id} for name, review_id in sorted(names_made)])
