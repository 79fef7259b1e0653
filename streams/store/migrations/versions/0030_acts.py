"""Acts of a follow-up; what was done in the older words is taken over."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: Final[dict[str, dict[str, str]]] = {  # the old word: fields of the act
    "taken": {"kind": "take"},
    "acknowledged": {"kind": "noted"},
    "reached": {"kind": "attempt", "outcome": "reached", "mode": "phone", "with_whom": "patient"},
    "left_message": {"kind": "attempt", "outcome": "left_message", "mode": "phone"},
    "not_reached": {"kind": "attempt", "outcome": "no_answer", "mode": "phone"},
    "visit_booked": {"kind": "note", "text": "A visit was booked."},  # the day was not kept
    "medication_reconciled": {"kind": "medicines_reconciled"},
    "handed_over": {"kind": "note", "text": "Handed over."},  # to whom was not kept
    "not_our_patient": {"kind": "not_ours"},
    "undone": {"kind": "undo"},
}


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    table = op.create_table(
        "acts",
        sa.Column("act_id", sa.Text(), nullable=False),
        _whole("position"),
        _text("alert_id"),
        _text("enrollee_id"),
        _text("kind"),
        _text("case_manager_id"),
        _whole("version"),
        _whole("happened_us"),
        _whole("recorded_us"),
        _text("document"),
        sa.PrimaryKeyConstraint("act_id", name="pk_acts"),
    )
    op.create_index("ix_acts_position", "acts", ["position"], unique=True)
    op.create_index("ix_acts_alert_id", "acts", ["alert_id"])
    op.create_index("ix_acts_enrollee_id", "acts", ["enrollee_id"])
    connection = op.get_bind()
    before = connection.execute(
        sa.text(
            "SELECT d.position, d.alert_id, d.case_manager_id, d.action, d.version, d.at_us, d.note, d.undone, "
            "a.enrollee_id, p.role FROM actions d LEFT JOIN alerts a ON a.alert_id = d.alert_id "
            "LEFT JOIN case_managers p ON p.case_manager_id = d.case_manager_id ORDER BY d.position"
        )
    ).all()
    undone: dict[tuple[str, str, str, int], str] = {}
    for row in before:
        act = _act(row, undone)
        connection.execute(
            table.insert().values(
                act_id=act["act_id"],
                position=row.position,
                alert_id=row.alert_id,
                enrollee_id=row.enrollee_id or "",
                kind=act["kind"],
                case_manager_id=row.case_manager_id,
                version=row.version,
                happened_us=row.at_us,
                recorded_us=row.at_us,
                document=json.dumps(act, separators=(",", ":")),
            )
        )
    op.drop_table("actions")


def _act(row: Any, undone: dict[tuple[str, str, str, int], str]) -> dict[str, Any]:
    """The act of one old row; `undone`: by person, alert, word and version the last one that was taken back."""
    at = (_EPOCH + timedelta(microseconds=row.at_us)).isoformat()
    act: dict[str, Any] = {
        "act_id": f"before-{row.position}",
        "by": row.case_manager_id,
        "role": row.role or "nurse",
        "version": row.version,
        "happened_at": at,
        "recorded_at": at,
        **_KINDS[row.action],
    }
    if row.action == "undone":
        act["supersedes"] = undone.get((row.case_manager_id, row.alert_id, row.note, row.version), "")
    elif row.note:
        act["text"] = f"{act.get('text', '')} {row.note}".strip()[:1000]
    if row.undone:
        undone[row.case_manager_id, row.alert_id, row.action, row.version] = act["act_id"]
    return act
