"""One row of the list out of what one reader may see of one stay: the sentence, its group and its place. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.events import EncounterClass
from rules.decisions import AlertKind, Clock, Priority, Reason, StayStatus
from rules.following.meets import MEETS, Deed
from rules.following.state import FollowUpState
from rules.policy.policy import Policy
from rules.telling.confidentiality import Tier
from rules.telling.views import AlertView, PersonView, WhyWithheld
from streams.inbox.pages.reader_stay import (
    CALLABLE,
    OVER,
    TOUCHED,
    ReaderStay,
    clock_of,
    far_of,
    is_struck,
    state_of,
    waits_for_another,
)
from streams.words import clocks as clock_words
from streams.words import diagnoses as diagnosis_words
from streams.words import numbers as number_words
from streams.words import people as people_words
from streams.words import retractions as retraction_words
from streams.words import stays as wording
from streams.words import times as time_words


class Group(StrEnum):
    """What to do next, most urgent first; the values are the anchors on the page."""

    NOW = "now"
    TAKEN_BACK = "taken-back"
    IN_HOSPITAL = "in-hospital"
    HOME = "home"
    WAITING = "waiting"
    FINISHED = "finished"


GROUP_WORDS: Final = {
    Group.NOW: "Do now",
    Group.TAKEN_BACK: "Taken back by a hospital",
    Group.IN_HOSPITAL: "In the hospital",
    Group.HOME: "Home: follow-up open",
    Group.WAITING: "Waiting",
    Group.FINISHED: "Done",
}

_PRIORITIES: Final = tuple(Priority)
_TO_CALL: Final = frozenset({FollowUpState.TO_CALL, FollowUpState.TRYING, FollowUpState.UNABLE})


class CardLine(NamedTuple):
    """A line of a card: another stay of the same person."""

    alert_id: str
    order: str  # "Earlier"
    mark: str
    headline: str
    words: str


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
    when: str  # it happened; "" where `where` says since when
    where: str
    because: str  # why it is urgent; "" when it is not, or may not be said
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
    can_log: bool  # a call
    far: str  # how far we are with the patient
    covered: str
    speak: str  # said once to a screen reader; "" for what need not be heard at once
    alarm: bool  # urgent, and not looked at yet
    others: tuple[str, ...] = ()  # alert_ids of the person's other stays, on one card with this
    lines: tuple[CardLine, ...] = ()  # the first of them in words

    @property
    def happened(self) -> str:
        """ "Went home Sun Nov 22, 2:00 PM, against advice"."""
        return wording.with_time(self.headline, self.when)


def row(stay: ReaderStay, reader_id: str, now: datetime, zone: tzinfo = time_words.ZONE) -> Row:
    """The row of `stay` for the reader."""
    alert = stay.latest
    struck = is_struck(alert)
    clock = clock_of(stay)
    left = clock_words.left(clock, now, zone, stay.policy) if clock else None
    last_told = last_true(stay.versions) if struck else alert
    marks = marks_of(stay)
    who = who_of(alert.person, now, zone)
    headline = headline_of(last_told)
    priority = alert.priority or Priority.ROUTINE
    urgent = priority is Priority.URGENT and not struck and not stay.passed_to
    return Row(
        alert_id=alert.alert_id,
        version=alert.version,
        group=group_of(stay, clock, now, zone),
        rank=_rank(alert, priority, clock, bool(left and left.overdue), struck),
        priority=priority.value,
        priority_words=wording.PRIORITY_WORDS[priority],
        who=who,
        standing=people_words.standing(alert.risk_tier, alert.ed_visits, alert.ed_window_days, language_of(alert)),
        marks=marks,
        headline=headline,
        when="" if struck else when_of(last_told, now, zone),
        where=where_of(last_told, now, zone, why=not struck),
        because="" if struck else because_of(alert, stay.policy),
        struck=struck,
        retraction=retraction_of(alert, last_told, now, zone) if struck else "",
        step=_step(stay, clock, struck, now, zone),
        left=left.words if left else "",
        due=time_words.moment(clock.due_at, now, zone) if clock else "",
        overdue=bool(left and left.overdue),
        owner=stay.taken.name if stay.taken else "",
        taken=stay.taken is not None,
        mine=stay.taken is not None and stay.taken.case_manager_id == reader_id,
        withheld=withheld_of(alert),
        can_take=not struck and not stay.passed_to and (stay.taken is None or stay.taken.case_manager_id != reader_id),
        can_acknowledge=stay.closed < alert.version,
        can_log=not struck and not stay.passed_to and state_of(stay) in CALLABLE and alert.tier is not Tier.WITHHELD,
        far=far_of(stay, reader_id, now, zone),
        covered=stay.covered,
        speak=_sentence(stay, who, headline, bool(marks), urgent),
        alarm=urgent and bool(marks),
    )


def _sentence(stay: ReaderStay, who: str, headline: str, fresh: bool, urgent: bool) -> str:
    """What is to be heard by who does not look: "Asked of you: …", "Taken back: …", "Urgent: …"."""
    if is_struck(stay.latest):
        return f"Taken back: {who}. {headline}." if fresh else ""
    if stay.asked:
        return f"Asked of you: {who}. {stay.asked[0]}."
    return f"Urgent: {who}. {headline}." if urgent and fresh else ""


_OURS: Final = frozenset({Reason.MATCH_REJECTED, Reason.LATE_ENROLLMENT, Reason.RELEASED_BY_REVIEW})


def retraction_of(alert: AlertView, last_told: AlertView, now: datetime, zone: tzinfo = time_words.ZONE) -> str:
    """What was taken back, with the hospital's time for it; ours where a person of ours did it."""
    ours = alert.occurred_at is None or not _OURS.isdisjoint(alert.reasons)
    at = alert.decided_at if ours else alert.occurred_at or alert.decided_at
    kind, hospital = last_told.kind or AlertKind.ADMISSION, alert.facility
    return retraction_words.retraction(alert.reasons, kind, at, now, zone, hospital=hospital, heard_at=alert.decided_at)


def because_of(alert: AlertView, policy: Policy) -> str:
    """Why it is urgent, where the reader may know."""
    if alert.priority is None or not alert.rule:
        return ""
    return wording.because(alert.priority, alert.reasons, alert.risk_tier, alert.rule, policy)


def when_of(alert: AlertView, now: datetime, zone: tzinfo = time_words.ZONE) -> str:
    """When what the headline says happened; "" while the stay runs, which is said as since when."""
    if alert.status is not StayStatus.FINISHED and alert.kind is not AlertKind.DEATH:
        return ""
    at = alert.ended_at or alert.occurred_at
    return time_words.when(at, now, zone) if at else ""


def group_of(stay: ReaderStay, clock: Clock | None, now: datetime, zone: tzinfo = time_words.ZONE) -> Group:
    """Do now: overdue, due today (a call: by the next working day's end), asked of this reader, or urgent and nobody
    has done anything about it. What this reader took stays with them until they note it."""
    alert = stay.latest
    unread = stay.acknowledged < alert.version
    if is_struck(alert):
        return Group.TAKEN_BACK if max(stay.seen, stay.acknowledged) < alert.version else Group.FINISHED
    if stay.asked:
        return Group.NOW
    if stay.passed_to or waits_for_another(stay):
        return Group.HOME
    if state_of(stay) in OVER:
        return Group.FINISHED
    if stay.loop and (stay.loop.follow_up.remind_at or stay.loop.holding.offered_to or _visit_waits(stay, now, zone)):
        return Group.WAITING
    if unread and alert.priority is Priority.URGENT and state_of(stay) not in TOUCHED:
        return Group.NOW
    if clock is not None and clock.kind not in clock_words.PAPERWORK and _presses(clock, stay.policy, now, zone):
        return Group.NOW
    if alert.kind is AlertKind.DEATH:
        return Group.NOW if unread else Group.FINISHED
    if alert.status is not StayStatus.FINISHED:
        return Group.FINISHED if stay.unheard_since else Group.IN_HOSPITAL
    kept = stay.acknowledged >= alert.version > stay.closed
    to_call = state_of(stay) in _TO_CALL
    return Group.HOME if clock is not None or unread or kept or to_call else Group.FINISHED


def _presses(clock: Clock, policy: Policy, now: datetime, zone: tzinfo) -> bool:
    """Whether a clock is to be acted on today; a call by the end of the next working day, which is no day too early."""
    last = (clock_words.last_moment(clock, now, zone, policy) - timedelta(minutes=1)).astimezone(zone).date()
    until = now.astimezone(zone).date()
    if MEETS[clock.kind].deed is Deed.TALK:
        until = clock_words.next_working_day(until, policy)
    return last <= until


def _visit_waits(stay: ReaderStay, now: datetime, zone: tzinfo) -> bool:
    """The next step is a visit, and one is booked for a day that has not come and is in time."""
    clock, booked = clock_of(stay), stay.loop.follow_up.booked if stay.loop else None
    if clock is None or booked is None or booked.day is None or MEETS[clock.kind].deed is Deed.TALK:
        return False
    return now.astimezone(zone).date() < booked.day <= clock.due_at.astimezone(zone).date()


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


def who_of(person: PersonView | None, now: datetime, zone: tzinfo = time_words.ZONE) -> str:
    """ "Rosa Whitfield, 71 F"."""
    if person is None:
        return "Name withheld"
    return people_words.person_line(name_of(person), person.birth_date, person.sex, now, zone)


def name_of(person: PersonView) -> str:
    name = person.name
    return " ".join(part for part in (name.given, name.family, name.suffix) if part) or "Name not given"


def language_of(alert: AlertView) -> str:
    return alert.person.language if alert.person else ""


def headline_of(alert: AlertView) -> str:
    """What happened last; for a reader who may not know, that there is something."""
    if alert.kind is None or alert.status is None:
        return "A hospital stay"
    encounter_class = alert.encounter_class or EncounterClass.UNKNOWN
    return wording.headline(alert.kind, encounter_class, alert.status, alert.disposition, alert.reasons)


def where_of(alert: AlertView, now: datetime, zone: tzinfo = time_words.ZONE, *, why: bool = True) -> str:
    """Where, how long, why: "Mission Hospital, 3 days · heart failure"."""
    length = time_words.length(alert.started_at, alert.ended_at, now, zone)
    place = ", ".join(part for part in (wording.facility(alert.facility), length) if part)
    reason = diagnosis_words.why_there(alert.diagnoses, alert.complaint) if why else ""
    return " · ".join(part for part in (place, reason) if part)


def withheld_of(alert: AlertView) -> str:
    """What this reader does not see, and the class of reason; "" when they see everything."""
    if not alert.withheld:
        return ""
    why = alert.withheld[0].why
    if alert.tier is Tier.WITHHELD:
        reason = "it is not yours" if why is WhyWithheld.NOT_YOURS else "a protected facility, no consent on file"
        return f"You may not see who this is and what happened: {reason}"
    if alert.tier is Tier.GENERAL:
        reason = "not needed for your role" if why is WhyWithheld.MINIMUM_NECESSARY else "no consent on file"
        return f"You may not see where, why, and the medical details: {reason}"
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


def _step(stay: ReaderStay, clock: Clock | None, struck: bool, now: datetime, zone: tzinfo) -> str:
    if stay.asked and not struck:
        return stay.asked[0]
    if clock is not None:
        return clock_words.step(clock, now, zone, stay.policy)
    if not struck and not stay.passed_to and state_of(stay) in OVER:
        return "Nothing to do"
    return _step_without_clock(stay, struck, now, zone)


def _step_without_clock(stay: ReaderStay, struck: bool, now: datetime, zone: tzinfo) -> str:
    alert = stay.latest
    if struck:
        if max(stay.seen, stay.acknowledged) < alert.version:
            return "Nothing to do. Press OK, noted, so it leaves your list."
        return _who_has_not_noted(stay.not_seen_by)
    if stay.passed_to:
        return f"With {', '.join(stay.passed_to)} now; nothing for you to do"
    if stay.again is not None and waits_for_another(stay):
        where = "in the ED" if stay.again.kind is AlertKind.ED_VISIT else "in the hospital"
        return f"Back {where}: this follow-up waits"
    if alert.kind is None or alert.status is None:
        return "Nothing for you to do without consent"
    if stay.unheard_since is not None:
        return wording.unheard(stay.unheard_since, now, zone)
    return clock_words.waiting(alert.status, alert.kind, alert.expected_discharge, now, zone)


def _who_has_not_noted(names: tuple[str, ...]) -> str:
    if not names:
        return "Everyone told has noted it"
    who = names[0] if len(names) == 1 else number_words.count(len(names), "person", "people")
    return f"{who} {'has' if len(names) == 1 else 'have'} not noted it yet"


def _rank(alert: AlertView, priority: Priority, clock: Clock | None, overdue: bool, struck: bool) -> str:
    first = 2 if struck else 0 if overdue else 1
    due = clock.due_at.timestamp() if clock else 9_999_999_999
    newest_first = 9_999_999_999 - alert.decided_at.timestamp()
    return f"{first}{_PRIORITIES.index(priority)}{due:010.0f}{newest_first:010.0f}{alert.alert_id}"


def grouped(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    """All groups in their order, each most urgent first."""
    groups: dict[Group, list[Row]] = {group: [] for group in Group}
    for item in sorted(rows, key=lambda item: item.rank):
        groups[item.group].append(item)
    return groups
