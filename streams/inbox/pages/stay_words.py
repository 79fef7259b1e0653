"""The page of one stay, in ready words for the templates. Pure."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import chain
from typing import Final

from parsers.events import Diagnosis, EncounterClass, FacilityKind
from rules.decisions import AlertKind, Change, Grade, Priority, Reason
from rules.policy.policy import Policy
from rules.telling.confidentiality import Tier
from rules.telling.views import AlertView
from streams.inbox.detail import StayDetail, ToldPerson, ToldSystem
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages import story_acts
from streams.inbox.pages.reader_stay import is_struck
from streams.inbox.pages.story_acts import StoryItem
from streams.store.delivery import DeliveryState
from streams.words import acts as act_words
from streams.words import clocks as clock_words
from streams.words import destinations as destination_words
from streams.words import diagnoses as diagnosis_words
from streams.words import matches as match_words
from streams.words import numbers as number_words
from streams.words import people as people_words
from streams.words import reasons as reason_words
from streams.words import routes as route_words
from streams.words import stays as wording
from streams.words import times as time_words

HEARD_AT_ONCE_SECONDS: Final = 90
# Of a reason that says less than the change beside it, that change's field.
_SAID_BY_CHANGE: Final = {Reason.DIAGNOSIS_ADDED: "diagnoses", Reason.CLASS_CHANGED: "encounter_class"}
_SAID_BY_HEADLINE: Final = frozenset({"kind", "status", "disposition", "started_at", "ended_at"})


@dataclass(slots=True, frozen=True)
class Fact:
    name: str
    value: str
    code: str = ""


@dataclass(slots=True, frozen=True)
class StayWords:
    """Everything the template of one stay shows."""

    row: rows.Row
    phone: str
    phone_of: str  # "Phone", or whose it is
    practice_phone: str  # "" where it is that phone, or not known
    notice: str
    withheld: str
    diagnoses: tuple[Fact, ...]
    complaint: str
    about: tuple[Fact, ...]
    contact: tuple[Fact, ...]
    clocks: tuple[Fact, ...]
    heard_late: str
    story: tuple[StoryItem, ...]
    told: tuple[Fact, ...]
    earlier: tuple[Fact, ...]
    earlier_withheld: str
    why: tuple[str, ...]
    evidence: tuple[str, ...]


def stay_words(detail: StayDetail, reader_id: str, now: datetime, zone: tzinfo = time_words.ZONE) -> StayWords:
    """The words of the page."""
    latest = detail.stay.latest
    return StayWords(
        row=rows.row(detail.stay, reader_id, now, zone),
        phone=_phone(detail),
        phone_of="Practice" if latest.kind is AlertKind.DEATH else "Phone",
        practice_phone=_practice_phone(detail),
        notice=latest.notice,
        withheld=rows.withheld_of(latest),
        diagnoses=tuple(
            Fact(diagnosis_words.diagnosis(item) or "Not named", "", diagnosis_words.code(item))
            for item in latest.diagnoses
        ),
        complaint=diagnosis_words.plain(latest.complaint),
        about=about(latest, now, zone),
        contact=_contact(detail, now, zone),
        clocks=tuple(
            Fact(
                clock_words.clock_name(clock, now, zone, detail.stay.policy),
                clock_words.clock_state(clock, now, zone, detail.stay.policy),
                " · ".join(clock_words.clock_notes(clock, now, zone)),
            )
            for clock in latest.clocks
        ),
        heard_late=clock_words.heard_late(latest.clocks),
        story=_story(detail, now, zone),
        told=tuple(
            Fact(
                "You" if told_person.person.case_manager_id == reader_id else told_person.person.name,
                people_words.ROLE_WORDS[told_person.person.role],
                _how_far(told_person, reader_id),
            )
            for told_person in detail.told
        )
        + tuple(
            Fact(system.name, destination_words.FORMS[system.form], _whether_arrived(system, now, zone))
            for system in detail.systems
        ),
        earlier=tuple(
            Fact(
                ", ".join(part for part in (rows.headline_of(item), wording.facility(item.facility)) if part),
                time_words.day(item.started_at or item.decided_at, now, zone),
                diagnosis_words.main_diagnosis(item.diagnoses, item.complaint),
            )
            for item in detail.earlier
        ),
        earlier_withheld=(
            f"{number_words.count(detail.earlier_withheld, 'earlier stay is', 'earlier stays are')} withheld from you"
            if detail.earlier_withheld
            else ""
        ),
        why=_why(latest, detail.stay.policy, detail.stay.name(reader_id)),
        evidence=match_words.compared(latest.evidence),
    )


def _whether_arrived(system: ToldSystem, now: datetime, zone: tzinfo) -> str:
    match system.state:
        case DeliveryState.DELIVERED if system.at:
            return f"arrived {time_words.time_or_moment(system.at, now, zone)}"
        case DeliveryState.WAITING if system.kept:
            return "kept until it is started again"
        case DeliveryState.WAITING if not system.failure:
            return "on its way"
        case DeliveryState.WAITING:
            return "not confirmed yet, tried again" if system.maybe else "not arrived yet, tried again"
        case DeliveryState.SUPERSEDED:
            return "not needed any more"
        case _ if system.maybe:
            return "may have arrived"
        case _:
            return "did not arrive"


def _how_far(told_person: ToldPerson, reader_id: str) -> str:
    if not told_person.owning:
        return "it is not theirs any more"
    if told_person.acknowledged:
        return "noted it"
    if told_person.person.case_manager_id == reader_id:
        return "reading now"
    return "opened" if told_person.seen else "not opened yet"


def _phone(detail: StayDetail) -> str:
    """Whom to call: the patient; of who died, nobody but the practice."""
    latest = detail.stay.latest
    if latest.kind is AlertKind.DEATH:
        return people_words.phone(detail.practice.phone) if detail.practice else ""
    return people_words.phone(latest.person.phone) if latest.person and not is_struck(latest) else ""


def _practice_phone(detail: StayDetail) -> str:
    """Whom else to call beside the patient."""
    beside = detail.stay.latest.kind is not AlertKind.DEATH and not is_struck(detail.stay.latest)
    return people_words.phone(detail.practice.phone) if detail.practice and beside else ""


def _facility_kind(kind: FacilityKind | None) -> str:
    """What a facility is; of a hospital that goes without saying."""
    return "" if kind in (None, FacilityKind.ACUTE) else wording.FACILITY_KIND_WORDS[kind]


def _came(alert: AlertView) -> str:
    inpatient = alert.encounter_class in (EncounterClass.INPATIENT, EncounterClass.OBSERVATION)
    return "Admitted" if inpatient else "Came"


def about(alert: AlertView, now: datetime, zone: tzinfo) -> tuple[Fact, ...]:
    """What is known of the stay, in the order a page shows it."""
    facts = (
        ("Facility", wording.facility(alert.facility)),
        ("Kind", _facility_kind(alert.facility_kind)),
        ("Unit", alert.unit),
        ("Doctor", alert.attending),
        (_came(alert), time_words.moment(alert.started_at, now, zone) if alert.started_at else ""),
        ("Left", time_words.moment(alert.ended_at, now, zone) if alert.ended_at else ""),
        ("Went", wording.disposition(alert.disposition)),
        ("Expected to leave", time_words.day(alert.expected_discharge, now, zone) if alert.expected_discharge else ""),
    )
    return tuple(Fact(name, value) for name, value in facts if value)


def _contact(detail: StayDetail, now: datetime, zone: tzinfo) -> tuple[Fact, ...]:
    person = detail.stay.latest.person
    if person is None:
        return ()
    practice = detail.practice
    today = now.astimezone(zone).date()
    facts = (
        ("Phone", people_words.phone(person.phone)),
        ("Born", f"{time_words.birth_date(person.birth_date)} ({people_words.age(person.birth_date, today)})"),
        ("Address", people_words.address(person.address) if person.address else ""),
        ("Language", person.language),
        ("Practice", practice.name if practice else ""),
        ("Practice phone", people_words.phone(practice.phone) if practice else ""),
        ("Programs", ", ".join(program.replace("_", " ") for program in person.programs)),
        ("Member ID", person.enrollee_id),
    )
    return tuple(Fact(name, value) for name, value in facts if value)


def _story(detail: StayDetail, now: datetime, zone: tzinfo) -> tuple[StoryItem, ...]:
    shown = detail.stay.versions
    policy = detail.stay.policy
    versions = (
        _version_item(alert, before, now, zone, policy) for before, alert in zip((None, *shown), shown, strict=False)
    )
    deeds = (
        story_acts.items(detail.following, detail.stay.name, now, zone)
        if detail.following
        else _deeds(detail, now, zone)
    )
    asked = story_acts.asked_by_rule(detail.steps, detail.stay.name, now, zone)
    return tuple(
        sorted(chain(versions, deeds, asked), key=lambda item: item.at)[::-1]
    )  # of one instant: the later version first


def _deeds(detail: StayDetail, now: datetime, zone: tzinfo) -> list[StoryItem]:
    """What people did, for who may not follow the stay."""
    return [
        StoryItem(
            deed.at,
            time_words.moment(deed.at, now, zone),
            f"{deed.name} {act_words.ACT_WORDS[deed.kind]}" + (", then took it back" if deed.undone else ""),
            (),
            "",
        )
        for deed in detail.deeds
    ]


def _version_item(alert: AlertView, before: AlertView | None, now: datetime, zone: tzinfo, policy: Policy) -> StoryItem:
    headline = rows.headline_of(alert)
    as_before = before is not None and rows.headline_of(before) == headline
    by_change = {item.field: _changed(item, alert, zone) for item in alert.changes if _worth(item)}

    def said(item: Reason) -> str:
        return by_change.get(_SAID_BY_CHANGE.get(item, "")) or reason_words.reason(item, policy)

    did = next((said(item) for item in alert.reasons), headline) if as_before or is_struck(alert) else headline
    reasons = [said(item) for item in alert.reasons if not _obvious(item, alert)]
    at, heard = alert.occurred_at or alert.decided_at, ""
    if (alert.decided_at - at).total_seconds() > HEARD_AT_ONCE_SECONDS:
        heard = f"We heard {time_words.moment(alert.decided_at, now, zone)}"
    source = wording.feed_name(alert.trigger, alert.control_id) if alert.trigger else ""
    return StoryItem(
        at,
        time_words.moment(at, now, zone),
        did or "Told",
        tuple(dict.fromkeys(part for part in (*reasons, *by_change.values(), heard) if part and part != did)),
        f"{wording.facility(alert.facility)}, {source}" if alert.facility and source else source,
    )


def _obvious(item: Reason, alert: AlertView) -> bool:
    return item in {Reason.ED_ARRIVAL, Reason.ADMITTED, Reason.OBSERVATION, Reason.DISCHARGED} and not is_struck(alert)


def _changed(item: Change, alert: AlertView, zone: tzinfo) -> str:
    """A change in words; one of diagnoses names codes, which stand beside words."""
    if item.field != "diagnoses":
        return wording.change(item, zone)
    known = {diagnosis.code: diagnosis for diagnosis in alert.diagnoses if diagnosis.code and diagnosis.text}

    def named(codes: str) -> list[str]:
        parts = (known.get(code, Diagnosis(code=code)) for code in codes.split(", ") if code)
        return [
            f"{diagnosis_words.diagnosis(diagnosis)} ({diagnosis.code})"
            if diagnosis.text
            else diagnosis_words.diagnosis(diagnosis)
            for diagnosis in parts
        ]

    before, after = named(item.before), named(item.after)
    if set(before) <= set(after):
        return f"New diagnosis: {', '.join(name for name in after if name not in before)}"
    joined = {"before": ", ".join(before), "after": ", ".join(after)}
    return wording.change(item.model_copy(update=joined), zone)


def _worth(item: Change) -> bool:
    return item.field not in _SAID_BY_HEADLINE and item.before != item.after


def _rule(alert: AlertView, policy: Policy) -> str:
    if not alert.rule or alert.priority is None:
        return ""
    if alert.priority in (Priority.URGENT, Priority.HIGH):
        return rows.because_of(alert, policy) or f"Rule: {alert.rule.replace('_', ' ')}"
    return f"{wording.PRIORITY_WORDS[alert.priority].capitalize()}: no rule makes this urgent"


def _why(alert: AlertView, policy: Policy, reader: str) -> tuple[str, ...]:
    if alert.tier is Tier.WITHHELD:
        return ()
    said = [reason_words.reason(item, policy) for item in alert.reasons]
    lines = [
        match_words.GRADE_WORDS[alert.grade] if alert.grade is not Grade.CERTAIN and alert.grade else "",
        f"What the message said: {'; '.join(said)}" if said else "",
        _rule(alert, policy),
        route_words.said_to(alert.route, reader),
    ]
    return tuple(line for line in lines if line)
