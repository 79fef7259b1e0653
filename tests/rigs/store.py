"""Events, decisions and panel lines for the tests of the store, and a store on each database."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from parsers.events import EncounterClass, Event, EventKind, Identifier, Patient, PersonName, Visit
from parsers.files.panel_columns import PanelRow
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Decision,
    Grade,
    History,
    Match,
    Owner,
    Priority,
    Reason,
    Stay,
    StayStatus,
)
from streams.kafka.records import EventRecord
from streams.store import Store

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


def url_of(backend: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if backend == "sqlite":
        return f"sqlite:///{folder / 'data' / 'handoff.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return url_of(request.param, tmp_path, request)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url, migrate=True)
    yield opened
    opened.close()


def message_id(number: int) -> str:
    return f"{number:032x}"


def record(
    number: int,
    enrollee: str = "E1",
    *,
    kind: EventKind = EventKind.ADMITTED,
    visit: str = "V1",
    mrn: str = "M1",
    facility: str = "MISSION",
    grade: Grade = Grade.CERTAIN,
    at: datetime = NOW,
    fingerprint: str = "",
    name: str = "WHITFIELD",
    born: date | None = date(1955, 3, 2),
    **event: Any,
) -> EventRecord:
    match = Match(grade=grade, enrollee_id=enrollee, evidence={"birth_date": "equal"}, weight=9.5)
    prior_match = event.pop("prior_match", None)
    return EventRecord(
        event=Event(
            message_id=message_id(number),
            kind=kind,
            trigger="A01",
            feed="mission",
            facility=facility,
            occurred_at=at,
            recorded_at=at,
            received_at=at,
            patient=Patient(
                identifiers=(Identifier(system=facility, value=mrn, type="MR"),) if mrn else (),
                name=PersonName(family=name, given="ROSA"),
                birth_date=born,
            ),
            visit=Visit(),
            stay_keys=(Identifier(system=facility, value=visit),),
            fingerprint=fingerprint or f"print-{number}",
            **event,
        ),
        match=match,
        prior_match=prior_match,
    )


def alert_of(stay: Stay, version: int, event: Event, action: Action = Action.NOTIFY, **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "alert_id": stay.stay_id,
        "version": version,
        "stay_id": stay.stay_id,
        "enrollee_id": stay.enrollee_id,
        "kind": AlertKind.ADMISSION,
        "encounter_class": EncounterClass.INPATIENT,
        "status": stay.status,
        "priority": Priority.HIGH,
        "owners": (Owner(case_manager_id="ortiz", because="practice"),),
        "told": ("ortiz",),
        "action": action,
        "reasons": (Reason.ADMITTED,),
        "facility": event.facility,
        "occurred_at": event.occurred_at,
        "decided_at": event.received_at,
        "message_id": event.message_id,
        "trigger": event.trigger,
        "started_at": stay.started_at,
    }
    return Alert(**{**values, **changes})


def decide(event_record: EventRecord, history: History) -> Decision:
    """The smallest rules: the first event of a stay alerts, each further one amends, what was seen is a duplicate."""
    event = event_record.event
    if history.seen:
        return Decision(action=Action.SUPPRESS, reasons=(Reason.NOTHING_NEW,), duplicate=True)
    if event_record.match.grade is Grade.POSSIBLE:
        return Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,))
    known = next((stay for stay in history.stays if set(stay.keys) & set(event.stay_keys)), None)
    stay = known or Stay(
        stay_id=event.message_id,
        enrollee_id=event_record.match.enrollee_id or "",
        facility=event.facility,
        keys=event.stay_keys,
        patient_ids=event.patient.identifiers,
        started_at=event.occurred_at,
    )
    status = StayStatus.FINISHED if event.kind is EventKind.DISCHARGED else stay.status
    stay = stay.model_copy(update={"last_recorded_at": event.recorded_at, "status": status})
    last = next((alert.version for alert in history.alerts if alert.alert_id == stay.stay_id), 0)
    action = Action.AMEND if last else Action.NOTIFY
    return Decision(
        action=action,
        reasons=(Reason.ADMITTED,),
        stays=(stay,),
        alerts=(alert_of(stay, last + 1, event, action),),
    )


def line(enrollee: str = "E1", **changes: str) -> PanelRow:
    row = PanelRow(
        enrollee_id=enrollee,
        medicaid_id="901234567L",
        ssn="123121234",
        last_name="WHITFIELD",
        first_name="ROSA",
        middle_name="M",
        suffix="",
        birth_date="1955-03-02",
        sex="F",
        address="12 Oak St",
        city="Asheville",
        state="NC",
        zip="28801",
        county="Buncombe",
        phone="8285550101",
        mother_enrollee_id="",
        mrns="MISSION:M1",
        practice_id="P1",
        pcp_npi="",
        risk_tier="high",
        programs="asthma;diabetes",
        consent="none",
        effective_from="2024-01-01",
        effective_to="",
        language="en",
    )
    return row._replace(**changes)


def panel(count: int) -> list[PanelRow]:
    return [line(f"E{number}", mrns=f"MISSION:M{number}") for number in range(count)]


def days(count: float) -> timedelta:
    return timedelta(days=count)
