"""One alert version as its recipient may read it in; a JSON body, or one line of NDJSON, out.

The published contract: `StayEvent`, whose JSON Schema lies for each type in `streams/tell/schemas/`. Within version 1
fields are only added, and a receiver must ignore those it does not know. Absent is not known or withheld; `withheld`
names what was.
"""

from datetime import date
from typing import Any, Final, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rules.decisions import Action, AlertKind, StayStatus
from rules.telling.views import AlertView
from streams.run.published import published_schema

VERSION: Final = 1
MOST: Final = 20_000  # bytes; Standard Webhooks asks for less
MOST_DIAGNOSES: Final = 25
MOST_TEXT: Final = 500  # characters of a text of the hospital's


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Person(_Part):
    """Whom it is about."""

    enrollee_id: str
    family: str = ""
    given: str = ""
    middle: str = ""
    suffix: str = ""
    birth_date: date
    sex: str = Field("", description="HL7 table 0001")
    phone: str = Field("", description="digits")
    language: str = ""
    practice_id: str = ""
    risk_tier: str = ""
    programs: tuple[str, ...] = ()


class Diagnosis(_Part):
    code: str = ""
    system: str = ""
    text: str = ""


class Clock(_Part):
    """A deadline that runs, or how it ended."""

    kind: str
    starts_at: AwareDatetime
    due_at: AwareDatetime
    status: str


class Change(_Part):
    field: str
    before: str = ""
    after: str = ""


class Withheld(_Part):
    part: str
    why: str


class Stay(_Part):
    """One version of the living alert of one hospital stay. (alert_id, version) tells versions apart."""

    alert_id: str
    version: int
    action: Literal["notify", "amend", "retract"]
    decided_at: AwareDatetime
    tier: str = Field(description="full, general or withheld: how much of it this recipient reads")
    notice: str = Field("", description="to be shown wherever the content is (42 CFR 2.32)")
    withheld: tuple[Withheld, ...] = ()
    person: Person | None = None
    kind: str = ""
    status: str = Field("", description="FHIR R4 Encounter.status")
    encounter_class: str = Field("", description="HL7 v3 ActEncounterCode")
    priority: str = ""
    reasons: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    clocks: tuple[Clock, ...] = ()
    facility: str = ""
    occurred_at: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    expected_discharge: AwareDatetime | None = None
    disposition: str = Field("", description="HL7 table 0112, UB-04 patient discharge status")
    diagnoses: tuple[Diagnosis, ...] = ()
    complaint: str = ""
    attending: str = ""
    unit: str = ""
    ed_visits: int = 0
    ed_window_days: int = 0


EventType = Literal["stay.started", "stay.changed", "stay.discharged", "stay.died", "stay.retracted"]
TYPES: Final[tuple[str, ...]] = get_args(EventType)


class StayEvent(_Part):
    """The body."""

    type: EventType
    timestamp: AwareDatetime = Field(description="when what it tells happened")
    schema_version: Literal[1] = VERSION
    test: bool = Field(False, description="a sample that `handoff destination test` sends; nobody is meant")
    data: Stay


def event_type(seen: AlertView) -> EventType:
    """The word a receiver filters by. What is withheld tells no more than that something began or changed."""
    if seen.action is Action.RETRACT:
        return "stay.retracted"
    if seen.kind is AlertKind.DEATH:
        return "stay.died"
    if seen.status is StayStatus.FINISHED:
        return "stay.discharged"
    return "stay.started" if seen.action is Action.NOTIFY else "stay.changed"


def stay_event(seen: AlertView, *, test: bool = False, most: int = MOST_TEXT) -> StayEvent:
    """The view as the published value. `most`: characters of each of the hospital's texts."""
    person = seen.person
    return StayEvent(
        type=event_type(seen),
        timestamp=seen.occurred_at or seen.decided_at,
        test=test,
        data=Stay(
            alert_id=seen.alert_id,
            version=seen.version,
            action=_action(seen.action),
            decided_at=seen.decided_at,
            tier=seen.tier,
            notice=seen.notice,
            withheld=tuple(Withheld(part=part.part, why=part.why) for part in seen.withheld),
            person=Person(
                enrollee_id=person.enrollee_id,
                family=person.name.family,
                given=person.name.given,
                middle=person.name.middle,
                suffix=person.name.suffix,
                birth_date=person.birth_date,
                sex=person.sex,
                phone=person.phone,
                language=person.language,
                practice_id=person.practice_id,
                risk_tier=person.risk_tier,
                programs=person.programs,
            )
            if person
            else None,
            kind=seen.kind or "",
            status=seen.status or "",
            encounter_class=seen.encounter_class or "",
            priority=seen.priority or "",
            reasons=seen.reasons,
            changes=tuple(
                Change(field=change.field, before=_short(change.before, most), after=_short(change.after, most))
                for change in seen.changes
            ),
            clocks=tuple(
                Clock(kind=clock.kind, starts_at=clock.starts_at, due_at=clock.due_at, status=clock.status)
                for clock in seen.clocks
            ),
            facility=seen.facility,
            occurred_at=seen.occurred_at,
            started_at=seen.started_at,
            ended_at=seen.ended_at,
            expected_discharge=seen.expected_discharge,
            disposition=seen.disposition,
            diagnoses=tuple(
                Diagnosis(code=diagnosis.code, system=diagnosis.system, text=_short(diagnosis.text, most))
                for diagnosis in seen.diagnoses[:MOST_DIAGNOSES]
            ),
            complaint=_short(seen.complaint, most),
            attending=_short(seen.attending, most),
            unit=_short(seen.unit, most),
            ed_visits=seen.ed_visits,
            ed_window_days=seen.ed_window_days,
        ),
    )


def body(seen: AlertView, *, test: bool = False) -> bytes:
    """The webhook's body, under 20 kB; also, with a line end, one line of NDJSON."""
    made = b""
    for most in (MOST_TEXT, MOST_TEXT // 5, MOST_TEXT // 25):
        made = stay_event(seen, test=test, most=most).model_dump_json(exclude_defaults=True).encode()
        if len(made) < MOST:
            break
    return made


def schema(only: str = "") -> dict[str, Any]:
    """The JSON Schema (2020-12) of the body, as published; of one type when `only` names it."""
    made = published_schema(StayEvent, f"Warm Handoff {only or 'stay event'}, version {VERSION}")
    if only:
        made["properties"]["type"] = {"const": only, "title": "Type", "type": "string"}
    return made


def _action(action: Action) -> Literal["notify", "amend", "retract"]:
    match action:
        case Action.RETRACT:
            return "retract"
        case Action.NOTIFY:
            return "notify"
        case _:
            return "amend"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
