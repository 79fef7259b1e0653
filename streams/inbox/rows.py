"""One row of the list out of what one reader may see of one stay: the sentence, its group and its place. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.events import EncounterClass
from rules.confidentiality import AlertView, PersonView, Tier, WhyWithheld
from rules.decisions import Action, AlertKind, Clock, ClockStatus, Priority, StayStatus
from streams.inbox import wording


class Group(StrEnum):
    """What to do next, most urgent first; the values are the anchors on the page."""

    NOW = "now"
    IN_HOSPITAL = "in-hospital"
    HOME = "home"
    FINISHED = "finished"


GROUP_WORDS: Final = {
    Group.NOW: "Now",
    Group.IN_HOSPITAL: "In the hospital",
    Group.HOME: "Home, follow-up running",
    Group.FINISHED: "Finished",
}

_PRIORITIES: Final = tuple(Priority)


class Taken(NamedTuple):
    """Who said "this one is mine"."""

    case_manager_id: str
    name: str


class ReaderStay(NamedTuple):
    """One stay as one reader may see it. Every version here went through the confidentiality rules."""

    versions: tuple[AlertView, ...]  # oldest first, never empty
    seen: int = 0  # the latest version this reader looked at; 0: none
    acknowledged: int = 0  # the latest version this reader acknowledged; 0: none
    taken: Taken | None = None
    not_seen_by: tuple[str, ...] = ()  # names of those told who have not acknowledged the latest version

    @property
    def latest(self) -> AlertView:
        return self.versions[-1]


@dataclass(slots=True, frozen=True)
class Row:
    """Ready words; the template adds nothing but tags."""

    alert_id: str
    version: int
    group: Group
    rank: str  # sorts within the group as text
    priority: str
    priority_words: str
    who: str
    standing: str
    marks: tuple[str, ...]
    headline: str
    where: str
    struck: bool
    retraction: str
    step: str
    left: str
    due: str  # exact time, for the title
    overdue: bool
    owner: str
    taken: bool
    mine: bool
    withheld: str
    can_take: bool
    can_acknowledge: bool
    speak: str  # said once to a screen reader; "" for what is not urgent or not new


def row(stay: ReaderStay, reader_id: str, now: datetime, zone: tzinfo = wording.ZONE) -> Row:
    """The row of `stay` for the reader."""
    alert = stay.latest
    clock = wording.next_clock(alert.clocks)
    left = wording.left(clock, now, zone) if clock else None
    struck = is_struck(alert)
    told = last_true(stay.versions) if struck else alert
    marks = marks_of(stay)
    who = who_of(alert.person, now, zone)
    headline = headline_of(told)
    priority = alert.priority or Priority.ROUTINE
    kind = told.kind or AlertKind.ADMISSION
    return Row(
        alert_id=alert.alert_id,
        version=alert.version,
        group=group_of(stay, clock, now, zone),
        rank=_rank(alert, priority, clock, bool(left and left.overdue), struck),
        priority=priority.value,
        priority_words=wording.PRIORITY_WORDS[priority],
        who=who,
        standing=wording.standing(alert.risk_tier, alert.ed_visits, alert.ed_window_days),
        marks=marks,
        headline=headline,
        where=where_of(told, now, zone, why=not struck),
        struck=struck,
        retraction=wording.retraction(alert.reasons, kind, alert.decided_at, now, zone) if struck else "",
        step=wording.step(clock, now, zone) if clock and not struck else _step_without_clock(stay, struck, now, zone),
        left=left.words if left and not struck else "",
        due=wording.moment(clock.due_at, now, zone) if clock and not struck else "",
        overdue=bool(left and left.overdue and not struck),
        owner=stay.taken.name if stay.taken else "",
        taken=stay.taken is not None,
        mine=stay.taken is not None and stay.taken.case_manager_id == reader_id,
        withheld=withheld_of(alert),
        can_take=not struck and (stay.taken is None or stay.taken.case_manager_id != reader_id),
        can_acknowledge=stay.acknowledged < alert.version,
        speak=f"Urgent: {who}. {headline}." if priority is Priority.URGENT and marks and not struck else "",
    )


def is_struck(alert: AlertView) -> bool:
    """It was taken back. The stay may go on, as an outpatient's does, and a later version may open the alert again."""
    return alert.action is Action.RETRACT


def group_of(stay: ReaderStay, clock: Clock | None, now: datetime, zone: tzinfo = wording.ZONE) -> Group:
    """Now: overdue, due today, urgent and not yet dealt with by this reader, or taken back and not seen by them."""
    alert = stay.latest
    unread = stay.acknowledged < alert.version
    if is_struck(alert):
        return Group.NOW if max(stay.seen, stay.acknowledged) < alert.version else Group.FINISHED
    if unread and alert.priority is Priority.URGENT:
        return Group.NOW
    if clock is not None and clock.kind not in wording.PAPERWORK:
        last = (clock.due_at - timedelta(minutes=1)).astimezone(zone).date()
        if last <= now.astimezone(zone).date():
            return Group.NOW
    if alert.kind is AlertKind.DEATH:
        return Group.NOW if unread else Group.FINISHED
    if alert.status is not StayStatus.FINISHED:
        return Group.IN_HOSPITAL
    return Group.HOME if clock is not None or unread else Group.FINISHED


def marks_of(stay: ReaderStay) -> tuple[str, ...]:
    """A word for each version the reader has not looked at, newest first, at most three, none twice."""
    fresh = [alert for alert in stay.versions if alert.version > max(stay.seen, stay.acknowledged)]
    if fresh and fresh[0].version == 1 and not is_struck(fresh[-1]):
        return ("new",)
    if fresh and is_struck(fresh[-1]):
        fresh = fresh[-1:]
    words = [
        wording.mark(alert.action, alert.reasons, alert.encounter_class or EncounterClass.UNKNOWN, alert.version)
        for alert in reversed(fresh)
        if alert is fresh[-1] or not is_struck(alert)
    ]
    return tuple(dict.fromkeys(words))[:3]


def who_of(person: PersonView | None, now: datetime, zone: tzinfo = wording.ZONE) -> str:
    """ "Rosa Whitfield, 71 F"."""
    if person is None:
        return "Name withheld"
    return wording.person_line(name_of(person), person.birth_date, person.sex, now, zone)


def name_of(person: PersonView) -> str:
    name = person.name
    return " ".join(part for part in (name.given, name.family, name.suffix) if part) or "Name not given"


def headline_of(alert: AlertView) -> str:
    """What happened last; for a reader who may not know, that there is something."""
    if alert.kind is None or alert.status is None:
        return "A hospital stay"
    encounter_class = alert.encounter_class or EncounterClass.UNKNOWN
    return wording.headline(alert.kind, encounter_class, alert.status, alert.disposition, alert.reasons)


def where_of(alert: AlertView, now: datetime, zone: tzinfo = wording.ZONE, *, why: bool = True) -> str:
    """Where, how long, why: "Mission Hospital, 3 days · heart failure"."""
    length = wording.length(alert.started_at, alert.ended_at, now, zone)
    place = ", ".join(part for part in (wording.facility(alert.facility), length) if part)
    reason = wording.main_diagnosis(alert.diagnoses, alert.complaint) if why else ""
    return " · ".join(part for part in (place, reason) if part)


def withheld_of(alert: AlertView) -> str:
    """What this reader does not see, and the class of reason; "" when they see everything."""
    if not alert.withheld:
        return ""
    why = alert.withheld[0].why
    if alert.tier is Tier.WITHHELD:
        reason = "it is not yours" if why is WhyWithheld.NOT_YOURS else "consent is needed"
        return f"Withheld from you: who this is and what happened ({reason})"
    if alert.tier is Tier.GENERAL:
        reason = "not needed for your role" if why is WhyWithheld.MINIMUM_NECESSARY else "consent is needed"
        return f"Withheld from you: where, why, and the medical details ({reason})"
    return wording.withheld((item.part for item in alert.withheld), "not needed for your role")


def ceilinged(versions: tuple[AlertView, ...]) -> tuple[AlertView, ...]:
    """Older versions cut down to the tier of the newest, so that the story tells no more than the row may."""
    newest = versions[-1]
    if newest.tier is Tier.WITHHELD:
        return (newest,)
    if newest.tier is Tier.FULL:
        return tuple(alert for alert in versions if alert.tier is not Tier.WITHHELD)
    return tuple(
        alert if alert.tier is Tier.GENERAL else _general(alert, newest)
        for alert in versions
        if alert.tier is not Tier.WITHHELD
    )


def _general(alert: AlertView, newest: AlertView) -> AlertView:
    return AlertView(
        alert_id=alert.alert_id,
        version=alert.version,
        action=alert.action,
        decided_at=alert.decided_at,
        tier=Tier.GENERAL,
        relationship=newest.relationship,
        withheld=newest.withheld,
        person=newest.person,
        kind=alert.kind,
        encounter_class=alert.encounter_class,
        status=alert.status,
        priority=alert.priority,
        occurred_at=alert.occurred_at,
        started_at=alert.started_at,
        ended_at=alert.ended_at,
        risk_tier=newest.risk_tier,
    )


def last_true(versions: tuple[AlertView, ...]) -> AlertView:
    """The version that a retraction strikes through."""
    return next((alert for alert in reversed(versions) if not is_struck(alert)), versions[-1])


def _step_without_clock(stay: ReaderStay, struck: bool, now: datetime, zone: tzinfo) -> str:
    alert = stay.latest
    if struck:
        if max(stay.seen, stay.acknowledged) < alert.version:
            return "Mark as seen"
        others = len(stay.not_seen_by)
        return f"Seen; {wording.count(others, 'person has', 'people have')} not seen it" if others else "Seen by all"
    if alert.kind is None or alert.status is None:
        return "Ask for consent"
    return wording.waiting(alert.status, alert.kind, alert.expected_discharge, now, zone)


def _rank(alert: AlertView, priority: Priority, clock: Clock | None, overdue: bool, struck: bool) -> str:
    first = 2 if struck else 0 if overdue else 1
    due = clock.due_at.timestamp() if clock and clock.status is ClockStatus.RUNNING else 9_999_999_999
    newest_first = 9_999_999_999 - alert.decided_at.timestamp()
    return f"{first}{_PRIORITIES.index(priority)}{due:010.0f}{newest_first:010.0f}{alert.alert_id}"


def grouped(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    """All four groups in their order, each most urgent first."""
    found: dict[Group, list[Row]] = {group: [] for group in Group}
    for item in sorted(rows, key=lambda item: item.rank):
        found[item.group].append(item)
    return found
