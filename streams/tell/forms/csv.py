"""Alert views in, the rows of a CSV file (RFC 4180, UTF-8, CRLF) with its header out.

Columns are stable: new ones are added at the end. Cells that a spreadsheet would take for a formula are defused with an
apostrophe. Times carry their offset.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from rules.telling.views import AlertView
from streams.words.spreadsheet import csv_of

COLUMNS: Final = (
    "alert_id", "version", "action", "tier", "enrollee_id", "family", "given", "birth_date", "phone", "language",
    "practice_id", "risk_tier", "kind", "status", "encounter_class", "priority", "reasons", "facility", "occurred_at",
    "started_at", "ended_at", "disposition", "diagnoses", "complaint", "clocks", "withheld", "notice", "decided_at",
)  # fmt: skip


def header() -> bytes:
    """The first line."""
    return _line(COLUMNS)


def row(seen: AlertView) -> bytes:
    """One version, or the newest one of a stay, as one line."""
    person = seen.person
    cells = {
        "alert_id": seen.alert_id,
        "version": str(seen.version),
        "action": seen.action,
        "tier": seen.tier,
        "enrollee_id": person.enrollee_id if person else "",
        "family": person.name.family if person else "",
        "given": person.name.given if person else "",
        "birth_date": person.birth_date.isoformat() if person else "",
        "phone": person.phone if person else "",
        "language": person.language if person else "",
        "practice_id": person.practice_id if person else "",
        "risk_tier": person.risk_tier if person else "",
        "kind": seen.kind or "",
        "status": seen.status or "",
        "encounter_class": seen.encounter_class or "",
        "priority": seen.priority or "",
        "reasons": ";".join(seen.reasons),
        "facility": seen.facility,
        "occurred_at": _time(seen.occurred_at),
        "started_at": _time(seen.started_at),
        "ended_at": _time(seen.ended_at),
        "disposition": seen.disposition,
        "diagnoses": ";".join(diagnosis.code or diagnosis.text for diagnosis in seen.diagnoses),
        "complaint": seen.complaint,
        "clocks": ";".join(f"{clock.kind}={clock.status}:{_time(clock.due_at)}" for clock in seen.clocks),
        "withheld": ";".join(part.part for part in seen.withheld),
        "notice": seen.notice,
        "decided_at": _time(seen.decided_at),
    }
    return _line(cells[name] for name in COLUMNS)


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _line(cells: Iterable[str]) -> bytes:
    return csv_of([cells]).encode()
