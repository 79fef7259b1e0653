"""An event and the stays of its enrollee in; the one it is about, or that it is about none of them, out."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from parsers.events import EncounterClass, Event, EventKind, Identifier, Visit
from rules.decisions import Stay, StayStatus
from rules.event_kinds import ABOUT, CANCELS, MEANWHILE, PLACING, REGISTRATIONS, STARTS, About
from rules.stays.keys import key_in, visit_key
from rules.stays.numbers import (
    also_numbered,
    has_key,
    of_many_visits,
    other_account,
    other_number,
    same_account,
)
from rules.stays.places import is_near
from rules.stays.table import (
    ADMITTED_HERE,
    DEAD,
    FROM_EMERGENCY,
    OPEN,
    RANK,
    TOLD_CLASSES,
)

_NUMBER_REUSED: Final = timedelta(days=3)  # a start so long after the discharge is another stay under the same number
_OPEN_FOR: Final = {
    EncounterClass.EMERGENCY: timedelta(days=3),
    EncounterClass.AMBULATORY: timedelta(days=1),
}  # how long an open stay takes in keyless starts
_OPEN_LONG: Final = timedelta(days=120)
_SAME_DISCHARGE: Final = timedelta(hours=12)
_AFTER_DISCHARGE: Final = timedelta(days=7)
_PLAN_NEAR: Final = timedelta(days=3)
_AFTER_CANCEL: Final = timedelta(hours=12)
_HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_ACCOUNT_REUSED: Final = timedelta(hours=1)  # a start without PV1-44 so long after the discharge, same account
_ACCOUNT_OPEN: Final = timedelta(days=3)
_BOARDING: Final = timedelta(days=30)  # how long an emergency visit may wait for a bed under one visit number
_ARRIVALS_APART: Final = timedelta(hours=4)
_ADMISSIONS_APART: Final = timedelta(hours=12)
RISEN: Final = frozenset({EncounterClass.OBSERVATION, EncounterClass.INPATIENT})
_BEFORE_ADMISSION: Final = frozenset({EncounterClass.EMERGENCY, EncounterClass.OBSERVATION})


def find(event: Event, enrollee_id: str, stays: Iterable[Stay]) -> Stay | None:
    """The stay of this enrollee the event is about: by its keys, best first, then the emergency visit it goes on from,
    then by what is open at the facility.

    Where the line is drawn. Another visit number is another stay, so is another account where a visit number is
    missing, and so is an admission (PV1-44, else when a start happened) too far from the stay's: under the same visit
    number days, without one hours. The one exception is an emergency or observation visit that becomes an admission
    under a number of its own: one stay while the first is still open, and a day after it ended where it ended as
    "admitted here" (disposition 09), or without any disposition and the account, the admission source or the hour
    say that it went on. Days between them, or a way home in between, are two stays.
    """
    own = [stay for stay in stays if stay.enrollee_id == enrollee_id and not stay.merged_into]
    if not own:
        return None
    if len(own) > 1:
        own.sort(key=lambda stay: (stay.status is not StayStatus.ENTERED_IN_ERROR, _begin(stay)), reverse=True)
    return (
        _that_became_this(event, own)
        or _by_key(event, own)
        or _by_another_number(event, own)
        or _by_place_and_time(event, own)
    )


def _that_became_this(event: Event, own: Sequence[Stay]) -> Stay | None:
    """An A06 may say in MRG which visit became this one."""
    if not event.prior or event.kind not in STARTS:
        return None
    former = [key for key in (event.prior.visit, event.prior.account) if key]
    return next((stay for key in former for stay in own if key_in(key, stay.keys)), None)


def _by_key(event: Event, own: Sequence[Stay]) -> Stay | None:
    """Of several stays under one key the one that began in the same minute."""
    number = visit_key(event)
    for key in event.stay_keys:
        keyed = [
            stay
            for stay in own
            if has_key(key, stay)
            and (not other_number(number, stay) or _renumbered(event, stay, key))
            and not _another_time(event, stay, key)
        ]
        if len(keyed) == 1:
            return keyed[0]
        if keyed:
            begun = next((key for key in event.stay_keys if key.system.startswith("admitted|")), None)
            return next((stay for stay in keyed if begun and key_in(begun, stay.keys)), keyed[0])
    return None


def _by_another_number(event: Event, own: Sequence[Stay]) -> Stay | None:
    for stay in own:
        if (also := also_numbered(event, stay)) and not _another_time(event, stay, also):
            return stay
    return None


def _by_place_and_time(event: Event, own: Sequence[Stay]) -> Stay | None:
    """What fits at the facility, the first of these that does; `same`: nothing they say makes it another stay."""
    near = [stay for stay in own if is_near(event, stay)]
    same = _likeliest_first(event, near)
    moved = [stay for stay in own if _moved_and_left(event, stay)]
    for among, fits in (
        (same, _ended_then),
        (near, _goes_on),
        (near, came_before),
        (same, _while_it_lasted),
        (same, _is_open),
        (same, _just_finished),
        (same, _planned_now),
        (near, _was_planned),
        (same, _cancelled_just_now),
        (same, _deleted_with_the_person),
        (moved, _is_open),
    ):
        for stay in among:
            if fits(event, stay):
                return stay
    return None


def _likeliest_first(event: Event, near: Iterable[Stay]) -> list[Stay]:
    """Of stays near by, those of no other number, account or sort; who began nearest to PV1-44 first, and a clinic
    visit that is open, too, last."""
    number, visit = visit_key(event), event.visit
    same = [
        stay
        for stay in near
        if not other_number(number, stay) and not other_account(event, stay) and _same_sort(event, stay)
    ]
    if visit and visit.encounter_class in TOLD_CLASSES:
        same.sort(key=lambda stay: bool(stay.registers.encounter_class) and stay.encounter_class not in TOLD_CLASSES)
    if visit and (admitted := visit.admitted_at):
        same.sort(key=lambda stay: abs(admitted - (stay.started_at or admitted)))
    return same


def anew(event: Event, enrollee_id: str, stays: Sequence[Stay]) -> bool:
    """Whether an event that says word for word what one said before is no repeat: something else about the stay was
    decided since, and this was learned after that (a feed without EVN-2 that cancels, and admits again)."""
    if event.kind not in ABOUT[About.STAY] or event.recorded_from == "EVN-2":
        return False
    stay = find(event, enrollee_id, stays)
    known = [
        other.last_recorded_at
        for other in stays
        if other.enrollee_id == enrollee_id and other.last_recorded_at and (other is stay or is_near(event, other))
    ]
    if not known or event.recorded_at <= max(known):
        return False
    return event.kind in STARTS if stay is None else stay.registers.said not in ("", event.fingerprint)


def _begin(stay: Stay) -> float:
    at = stay.started_at or stay.ended_at or stay.last_recorded_at
    return at.timestamp() if at else 0.0


def _renumbered(event: Event, stay: Stay, key: Identifier) -> bool:
    """The same record's visit of the same class, begun in the same minute, goes on under another visit number. On a
    full hour it may be a day without a time, and two visits have one day."""
    if not key.system.startswith("admitted|") or key.value.endswith("00"):
        return False
    if not is_near(event, stay) or other_account(event, stay):
        return False
    overtaken = stay.last_recorded_at is not None and event.recorded_at <= stay.last_recorded_at
    if stay.status is StayStatus.FINISHED and event.kind in STARTS and not overtaken:
        return False
    said = _said_class(event)
    alike = said in (None, stay.encounter_class) or (said in RISEN and stay.encounter_class in RISEN)
    return alike and (stay.status in OPEN or stay.status in (StayStatus.FINISHED, StayStatus.UNKNOWN))


def _same_sort(event: Event, stay: Stay) -> bool:
    """A clinic visit is not the hospital stay that happens to be open, or was, at the same place."""
    sent = event.visit.encounter_class if event.visit else None
    keyless_cancel = event.kind in CANCELS and not (event.visit and event.visit.number)
    if sent is None or event.kind is EventKind.CLASS_CHANGED or keyless_cancel or not stay.registers.encounter_class:
        return True
    in_hospital = stay.encounter_class in TOLD_CLASSES
    if stay.status is StayStatus.FINISHED:
        return in_hospital is (sent in TOLD_CLASSES)
    return sent in TOLD_CLASSES or not in_hospital


def _said_class(event: Event) -> EncounterClass | None:
    sent_class = event.visit.encounter_class if event.visit else None
    if event.trigger == "A06" and sent_class in (None, EncounterClass.UNKNOWN):
        return EncounterClass.INPATIENT
    return sent_class


def goes_up(event: Event, stay: Stay) -> bool:
    """The event speaks of a higher class of hospital care than the stay had so far."""
    sent_class = _said_class(event)
    return sent_class is not None and sent_class in RISEN and RANK[sent_class] > RANK[stay.encounter_class]


def _admission(event: Event) -> datetime | None:
    """When the visit the event is about began: PV1-44, else when a start happened."""
    admitted = event.visit.admitted_at if event.visit else None
    return admitted or (event.occurred_at if event.kind in STARTS else None)


def _another_time(event: Event, stay: Stay, key: Identifier | None) -> bool:
    """The event's visit began when the stay under its key cannot have begun: numbers and accounts do get used again."""
    sort = key.system.partition("|")[0] if key else ""
    at, admitted = _admission(event), event.visit.admitted_at if event.visit else None
    if sort == "admitted":
        return False
    numbered = sort.startswith("visit") and key is not None and not of_many_visits(event, stay, key)
    ended = stay.ended_at if stay.status is StayStatus.FINISHED else None
    if ended and event.kind is EventKind.DISCHARGED and admitted is None:
        return _discharged(event) > ended + (_OPEN_LONG if numbered else _NUMBER_REUSED)
    if at is None:
        return False
    if ended and at > ended + (_NUMBER_REUSED if numbered else timedelta() if admitted else _ACCOUNT_REUSED):
        return True
    if stay.status in DEAD and event.kind in STARTS and stay.last_recorded_at:
        return at > stay.last_recorded_at + _NUMBER_REUSED
    if stay.started_at is None or stay.status in DEAD or stay.status is StayStatus.PLANNED:
        return False
    if stay.encounter_class is not EncounterClass.EMERGENCY:
        limit = _ACCOUNT_OPEN if not numbered and admitted and not goes_up(event, stay) else _OPEN_LONG
    elif numbered:
        limit = _BOARDING if admitted is None or goes_up(event, stay) else _OPEN_FOR[EncounterClass.EMERGENCY]
    else:
        limit = _OPEN_FOR[EncounterClass.EMERGENCY] if admitted is None or goes_up(event, stay) else DAY
    if numbered and stay.registers.started and abs(at - stay.registers.started) <= limit:
        return False  # the PV1-44 it began with was mistyped
    return abs(at - stay.started_at) > limit


def _goes_on(event: Event, stay: Stay) -> bool:
    """An emergency or observation visit, open or just over, that becomes the admission the event is about."""
    if event.kind not in PLACING or not goes_up(event, stay) or stay.encounter_class not in _BEFORE_ADMISSION:
        return False
    at, since = _admission(event), stay.started_at or stay.ended_at
    if at is None or since is None or at < since - _HOUR:
        return False
    account, source = same_account(event, stay), event.visit.admit_source if event.visit else ""
    if stay.status in OPEN or stay.status is StayStatus.UNKNOWN:
        known = account or source == FROM_EMERGENCY
        return at - since <= (_OPEN_FOR[EncounterClass.EMERGENCY] if known else DAY)
    if stay.status is not StayStatus.FINISHED or stay.ended_at is None or stay.died:
        return False
    if stay.disposition == ADMITTED_HERE:
        return at - stay.ended_at <= DAY
    if stay.disposition:
        return False
    return at - stay.ended_at <= (DAY if account or source == FROM_EMERGENCY else _HOUR)


def came_before(event: Event, stay: Stay) -> bool:
    """An emergency visit that we hear of late, after the admission that it became."""
    number, sent_class = visit_key(event), _said_class(event)
    late = stay.last_recorded_at is not None and event.recorded_at <= stay.last_recorded_at
    closes = event.kind is EventKind.DISCHARGED
    if sent_class is not EncounterClass.EMERGENCY or number is None or not other_number(number, stay):
        return False
    if stay.encounter_class not in RISEN or stay.status in DEAD or stay.started_at is None or stay.registers.emergency:
        return False
    if closes:
        disposition = event.visit.disposition if event.visit else ""
        near = DAY if disposition == ADMITTED_HERE or same_account(event, stay) else _HOUR
        return disposition in ("", ADMITTED_HERE) and abs(_discharged(event) - stay.started_at) <= near
    at = _admission(event)
    if not late or at is None or event.kind not in (*REGISTRATIONS, EventKind.UPDATED):
        return False
    return -_HOUR <= stay.started_at - at <= DAY


def _discharged(event: Event) -> datetime:
    return (event.visit.discharged_at if event.visit else None) or event.occurred_at


def _ended_then(event: Event, stay: Stay) -> bool:
    """An update that names the minute a stay ended is about that one, whatever has begun since."""
    ended = event.visit.discharged_at if event.visit else None
    if event.kind is not EventKind.UPDATED or stay.status is not StayStatus.FINISHED or not (ended and stay.ended_at):
        return False
    return abs(ended - stay.ended_at) < timedelta(minutes=1)


def _is_open(event: Event, stay: Stay) -> bool:
    if stay.status not in OPEN and stay.status is not StayStatus.UNKNOWN:
        return False
    since = stay.started_at or stay.last_recorded_at
    admitted = event.visit.admitted_at if event.visit else None
    if admitted and stay.started_at and not goes_up(event, stay) and _elsewhen(event, stay, admitted):
        return False
    if event.kind is EventKind.DISCHARGED:
        return stay.started_at is None or _discharged(event) >= stay.started_at - _HOUR
    clinic = stay.encounter_class is EncounterClass.AMBULATORY and _said_class(event) in TOLD_CLASSES
    if since is None or not (event.kind in STARTS or clinic):
        return True
    limit = _OPEN_FOR.get(stay.encounter_class, _OPEN_LONG)
    if stay.encounter_class in RISEN and _said_class(event) is EncounterClass.EMERGENCY:
        limit = _OPEN_FOR[EncounterClass.EMERGENCY]  # nobody arrives in the emergency department from a ward
    return abs((admitted or event.occurred_at) - since) <= limit


def _elsewhen(event: Event, stay: Stay, admitted: datetime) -> bool:
    """Without a number in common: an admission hours from the open stay's is another one."""
    again = event.kind in STARTS and stay.encounter_class is EncounterClass.EMERGENCY
    return abs(admitted - (stay.started_at or admitted)) > (_ARRIVALS_APART if again else _ADMISSIONS_APART)


def _while_it_lasted(event: Event, stay: Stay) -> bool:
    """What its discharge overtook."""
    if stay.status is not StayStatus.FINISHED or not (stay.started_at and stay.ended_at):
        return False
    admitted = event.visit.admitted_at if event.visit else None
    if event.kind not in MEANWHILE or (admitted and _elsewhen(event, stay, admitted)):
        return False
    return stay.started_at <= event.occurred_at <= stay.ended_at


def _deleted_with_the_person(event: Event, stay: Stay) -> bool:
    """A discharge without a number, though the person was deleted (A29): the hospital went on with the visit."""
    gone = stay.status is StayStatus.ENTERED_IN_ERROR and stay.registers.deleted_with_person
    began = stay.started_at is None or _discharged(event) >= stay.started_at - _HOUR
    return gone and event.kind is EventKind.DISCHARGED and _said_class(event) is stay.encounter_class and began


def _moved_and_left(event: Event, stay: Stay) -> bool:
    """A discharge without a number from another facility of the sender: the transfer there is missing, or late."""
    return (
        event.kind is EventKind.DISCHARGED
        and bool(event.sender)
        and stay.registers.sender == event.sender
        and _said_class(event) is stay.encounter_class
        and not other_number(visit_key(event), stay)
        and not other_account(event, stay)
    )


def _just_finished(event: Event, stay: Stay) -> bool:
    if stay.status is not StayStatus.FINISHED or stay.ended_at is None:
        return False
    if event.visit and event.visit.admitted_at and event.visit.admitted_at > stay.ended_at:
        return False
    if event.kind is EventKind.DISCHARGED:
        return abs(_discharged(event) - stay.ended_at) <= _SAME_DISCHARGE
    if event.kind in REGISTRATIONS:
        admitted = event.visit.admitted_at if event.visit else None
        if not stay.registers.began and stay.started_at is None:  # its discharge overtook it
            stayed = stay.ended_at - (admitted or event.occurred_at)
            return timedelta() <= stayed <= _OPEN_FOR.get(stay.encounter_class, _OPEN_LONG)
        return (
            admitted is not None
            and stay.started_at is not None
            and abs(admitted - stay.started_at) < timedelta(minutes=1)
        )
    sent_class = event.visit.encounter_class if event.visit else None
    if event.kind is EventKind.UPDATED and sent_class not in (None, stay.encounter_class, EncounterClass.UNKNOWN):
        return False
    if event.kind in (EventKind.UPDATED, EventKind.DISCHARGE_CANCELLED, EventKind.ADMIT_CANCELLED):
        return timedelta() <= event.recorded_at - stay.ended_at <= _AFTER_DISCHARGE
    return False


def _planned_now(event: Event, stay: Stay) -> bool:
    if stay.status is not StayStatus.PLANNED:
        return False
    if event.kind is EventKind.PLAN_CANCELLED:
        return True
    if event.kind not in (EventKind.ADMITTED, EventKind.PLANNED) or stay.started_at is None:
        return False
    return abs(event.occurred_at - stay.started_at) <= _PLAN_NEAR


def _was_planned(event: Event, stay: Stay) -> bool:
    """A plan that comes after the admission without a number that it was for."""
    late = stay.last_recorded_at is not None and event.recorded_at <= stay.last_recorded_at
    if event.kind is not EventKind.PLANNED or not late or stay.status in DEAD or stay.started_at is None:
        return False
    if stay.registers.number or other_account(event, stay) or stay.encounter_class not in TOLD_CLASSES:
        return False
    visit = event.visit or Visit()
    return abs((visit.expected_admit or visit.admitted_at or event.occurred_at) - stay.started_at) <= _PLAN_NEAR


def _cancelled_just_now(event: Event, stay: Stay) -> bool:
    """A start without a key, soon after the cancel of a stay of its class that never had one: that one is on again."""
    if event.kind not in REGISTRATIONS or event.stay_keys or stay.keys or stay.status is not StayStatus.CANCELLED:
        return False
    same = event.visit is not None and event.visit.encounter_class is stay.encounter_class
    cancelled_at = stay.last_recorded_at
    return same and cancelled_at is not None and timedelta() < event.recorded_at - cancelled_at <= _AFTER_CANCEL
