"""Deadlines of a stay: the stay, the enrollee and the policy in, clocks out, all counted from the event's own time.

Days are local days of the policy's zone, so a clock is as long on the night the clocks change as on any other. A clock
counted in days ends with its last day; one counted in business days ends with the last one's working hours, by the
federal or the state's holidays, which it names.
Sources: CPT 99495 and 99496 (contact within 2 business days and a visit within 7 or 14 days of a discharge to the
community from inpatient, skilled-nursing and hospital-observation stays); HEDIS TRC (Medicare members of 18 and over,
inpatient stays; engagement not on the day of discharge), FUH (not on the day of discharge), FUM and FUA (that day
counts; FUA: a principal diagnosis of substance use, or any of an overdose). These three end when an inpatient stay,
acute or not, begins within 30 days of the discharge.

A version that somebody of the medical home can read is itself the notice TRC asks for, dated when it was there. So the
notice of an admission is met by it, or missed because it came too late; told only to others, it is still to be given.
A discharge's information needs six elements, which no ADT message has: the notice counts, the rest stays to be got.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import holidays

from parsers.events import Diagnosis, EncounterClass, FacilityKind
from parsers.people import Enrollee, Payer, RiskTier
from rules.decisions import Clock, ClockKind, ClockStatus, DischargeElement, Reason, Stay, StayStatus
from rules.policy.icd10 import code_in
from rules.policy.policy import Business, Calendar, Policy, WhenUnknown

INPATIENT_LIKE: Final = frozenset({EncounterClass.INPATIENT, EncounterClass.OBSERVATION, EncounterClass.UNKNOWN})
# Days after the day of the discharge, as the measure sets them; those clocks that depend on the diagnoses.
MEASURES: Final[Mapping[ClockKind, int]] = {
    ClockKind.FUH_7: 7,
    ClockKind.FUH_30: 30,
    ClockKind.FUM_7: 7,
    ClockKind.FUM_30: 30,
    ClockKind.FUA_7: 7,
    ClockKind.FUA_30: 30,
}
HAPPENED: Final = frozenset({StayStatus.IN_PROGRESS, StayStatus.ON_LEAVE, StayStatus.FINISHED})
_MEASURED_DAYS: Final = 30
NOT_ACUTE: Final = frozenset({FacilityKind.SKILLED_NURSING, FacilityKind.REHABILITATION})
FEDERAL: Final = "federal"
_ADMITTING: Final = "A"  # HL7 table 0052: a diagnosis at admission, not at discharge
ADMITTED_HERE: Final = "09"  # HL7 table 0112: admitted as an inpatient to this hospital, so nothing ended
_DAY_ENDS: Final = time(23, 59, 59)
NOT_ON_THE_DAY: Final = frozenset({ClockKind.FUH_7, ClockKind.FUH_30, ClockKind.TRC_ENGAGEMENT})
_TRC: Final = frozenset(
    {
        ClockKind.TRC_ADMISSION_NOTICE,
        ClockKind.TRC_DISCHARGE_INFORMATION,
        ClockKind.TRC_ENGAGEMENT,
        ClockKind.TRC_MEDICATION_RECONCILIATION,
    }
)


class _Run(NamedTuple):
    """A clock that applies, before it is known how it stands."""

    kind: ClockKind
    starts_at: datetime
    due_at: datetime
    more: dict[str, Any] = {}


def clocks_of(
    stay: Stay,
    enrollee: Enrollee | None,
    policy: Policy,
    known_at: datetime,
    decided_at: datetime,
    *,
    others: Iterable[Stay] = (),
    readable: bool = True,
) -> tuple[Clock, ...]:
    """The clocks that should run for this stay. `known_at`: when we took the message that told of it; `others`: the
    enrollee's other stays; `readable`: from `decided_at` on somebody of the medical home can read it.
    """
    if stay.died or stay.status in (StayStatus.CANCELLED, StayStatus.ENTERED_IN_ERROR):
        return ()
    runs: list[_Run] = []
    rules, zone = policy.clocks, policy.tz
    inpatient = stay.highest_class in INPATIENT_LIKE and not only_registered(stay)
    measured = _in_trc(stay, enrollee, policy)
    if measured and stay.started_at:
        due = day_end(stay.started_at, rules.trc_receipt_days, zone)
        runs.append(_Run(ClockKind.TRC_ADMISSION_NOTICE, stay.started_at, due))
    if stay.status is StayStatus.FINISHED and stay.ended_at:
        if inpatient:
            runs += _after_inpatient(stay, enrollee, policy, stay.ended_at, measured)
        elif stay.highest_class is EncounterClass.EMERGENCY and stay.disposition != ADMITTED_HERE:
            runs += _after_emergency(stay, enrollee, policy, stay.ended_at)
        if any(run.kind in MEASURES for run in runs) and followed(stay, others, zone):
            runs = [run for run in runs if run.kind not in MEASURES]
    payer = enrollee.payer if enrollee else Payer.UNKNOWN
    return tuple(_clock(run, payer, policy, known_at, decided_at, readable) for run in runs)


def followed(stay: Stay, others: Iterable[Stay], zone: ZoneInfo) -> bool:
    """An inpatient stay that began after this one did begins within 30 days of its end."""
    end, since = stay.ended_at, stay.started_at or stay.ended_at
    if end is None or since is None:
        return False
    until = day_end(end, _MEASURED_DAYS, zone)
    return any(
        other.highest_class is EncounterClass.INPATIENT
        and other.status in HAPPENED
        and other.started_at is not None
        and since < other.started_at <= until
        for other in others
    )


def only_registered(stay: Stay) -> bool:
    """Told of by a registration (A04) under a class nobody knows: perhaps a clinic visit, not an admission."""
    return stay.highest_class is EncounterClass.UNKNOWN and stay.registers.began and not stay.registers.admitted


def _in_trc(stay: Stay, enrollee: Enrollee | None, policy: Policy) -> bool:
    """Whether the stay is one of TRC's: the class, the member's age on its first day, the payer, no hospice."""
    rules = policy.clocks
    if stay.highest_class not in INPATIENT_LIKE or stay.highest_class is EncounterClass.OBSERVATION:
        return False
    if only_registered(stay):
        return False
    at = stay.started_at or stay.ended_at
    if enrollee is None or at is None:
        return True
    if not _old_enough(enrollee, at, rules.trc_age, policy.tz):
        return False
    if stay.status is StayStatus.FINISHED and stay.disposition in rules.trc_not_after:
        return False
    if enrollee.payer is Payer.UNKNOWN:
        return rules.payer_unknown is WhenUnknown.RUN
    return enrollee.payer in rules.trc_payers


def _clock(run: _Run, payer: Payer, policy: Policy, known_at: datetime, decided_at: datetime, readable: bool) -> Clock:
    """As it stands when the version that carries it is told."""
    kind = run.kind
    in_time = decided_at <= run.due_at
    met = kind is ClockKind.TRC_ADMISSION_NOTICE and readable and in_time
    noticed = kind is ClockKind.TRC_DISCHARGE_INFORMATION and readable and in_time
    running = ClockStatus.MET if met else ClockStatus.RUNNING
    return Clock(
        kind=kind,
        starts_at=run.starts_at,
        due_at=run.due_at,
        status=running if in_time else ClockStatus.MISSED,
        met_at=decided_at if met else None,
        notice_at=decided_at if noticed else None,
        hours_lost=hours_lost(run.starts_at, known_at),
        same_day=kind not in NOT_ON_THE_DAY,
        tries=policy.clocks.tries_for(kind, payer),
        assumed=kind in _TRC and payer is Payer.UNKNOWN,
        **run.more,
    )


def _still_missing(stay: Stay) -> tuple[DischargeElement, ...]:
    """What of a discharge's six elements the messages so far did not bring; four of them no ADT message can."""
    brought = {
        DischargeElement.PRACTITIONER: bool(stay.attending),
        DischargeElement.DIAGNOSES: any(diagnosis.type != _ADMITTING for diagnosis in stay.diagnoses),
    }
    return tuple(element for element in DischargeElement if not brought.get(element, False))


def carried(before: Iterable[Clock], now: Iterable[Clock], stopped_by: Reason) -> tuple[Clock, ...]:
    """The clocks of the next version: what is unchanged keeps its status, what no longer applies is stopped.

    What a person did stays met. Our own notice of an admission that no longer counts stops with it, and counts again
    for an admission in whose window it was given. A notice once given stays given, what is missing may become less.
    """
    after = {clock.kind: clock for clock in now}
    kept: list[Clock] = []
    for clock in before:
        new = after.pop(clock.kind, None)
        if new is not None and new.starts_at == clock.starts_at and clock.status is not ClockStatus.STOPPED:
            kept.append(_kept(clock, new))
        elif new is not None:
            kept.append(_with_notice(new, clock))
        elif clock.status is ClockStatus.RUNNING or _notice_given(clock):
            kept.append(clock.model_copy(update={"status": ClockStatus.STOPPED, "stopped_by": stopped_by.value}))
        else:
            kept.append(clock)
    return (*kept, *after.values())


def _kept(clock: Clock, new: Clock) -> Clock:
    """The same clock, as it now stands."""
    if clock.status is not ClockStatus.RUNNING:
        return clock
    given = clock.notice_at or new.notice_at
    if new.due_at != clock.due_at or new.status is ClockStatus.MET:
        given = given if given is None or given <= new.due_at else None
        return new.model_copy(update={"hours_lost": clock.hours_lost, "notice_at": given})
    now = {"notice_at": given, "missing": new.missing, "assumed": new.assumed, "tries": new.tries}
    differs = any(getattr(clock, name) != value for name, value in now.items())
    return clock.model_copy(update=now) if differs else clock


def _with_notice(new: Clock, before: Clock) -> Clock:
    given = before.met_at if before.kind is ClockKind.TRC_ADMISSION_NOTICE else None
    if given is None or not new.starts_at <= given <= new.due_at:
        return new
    return new.model_copy(update={"status": ClockStatus.MET, "met_at": given, "hours_lost": before.hours_lost})


def _notice_given(clock: Clock) -> bool:
    return clock.kind is ClockKind.TRC_ADMISSION_NOTICE and clock.status is ClockStatus.MET


def hours_lost(start: datetime, known_at: datetime) -> float:
    """Hours between the event and our knowing of it, never negative."""
    return round(max(known_at.timestamp() - start.timestamp(), 0.0) / 3600, 2)


def business_days_after(start: datetime, days: int, business: Business, zone: ZoneInfo) -> datetime:
    """When the `days`-th business day after the day of `start` is over. The day of `start` is not counted."""
    return business_due(start, days, business, zone)[0]


def business_due(start: datetime, days: int, business: Business, zone: ZoneInfo) -> tuple[datetime, str]:
    """`business_days_after`, and the calendar it is counted by: of those the policy allows, the one that ends first."""
    first = start.astimezone(zone).date()
    last, calendar = min(
        ((_business_day_after(first, days, business, name), name) for name in calendars(business)),
        key=lambda counted: counted[0],
    )
    return datetime.combine(last, business.day_ends, zone).astimezone(UTC), calendar


def _business_day_after(day: date, days: int, business: Business, calendar: str) -> date:
    while days:
        day += timedelta(days=1)
        if is_business_day(day, business, calendar):
            days -= 1
    return day


def calendars(business: Business) -> tuple[str, ...]:
    """Whose holidays may be left out: "federal", a state, or both."""
    if not business.state or business.calendar is Calendar.FEDERAL:
        return (FEDERAL,)
    return (business.state,) if business.calendar is Calendar.STATE else (FEDERAL, business.state)


def is_business_day(day: date, business: Business, calendar: str = "") -> bool:
    """By one calendar; without one, a day that is a holiday in none of those the policy allows."""
    if day.weekday() >= 5 or day in business.closed:
        return False
    return not any(day in _holidays(name, day.year) for name in ((calendar,) if calendar else calendars(business)))


def day_end(start: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The last second of the local day `days` days after the local day of `start`."""
    day = start.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, _DAY_ENDS, zone).astimezone(UTC)


def age_on(birth_date: date, day: date) -> int:
    """Completed years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


@lru_cache(maxsize=256)
def _holidays(calendar: str, year: int) -> frozenset[date]:
    """Federal holidays or those of a state, with the days they are observed on."""
    of_state = None if calendar == FEDERAL else calendar
    return frozenset(holidays.country_holidays("US", subdiv=of_state, years=year))


def _after_inpatient(
    stay: Stay, enrollee: Enrollee | None, policy: Policy, end: datetime, measured: bool
) -> list[_Run]:
    rules, zone = policy.clocks, policy.tz
    runs: list[_Run] = []
    if stay.disposition in rules.tcm_dispositions:
        tier = enrollee.risk_tier if enrollee else RiskTier.UNKNOWN
        due, calendar = business_due(end, rules.tcm_contact_business_days, policy.business, zone)
        visit = day_end(end, rules.tcm_visit_days.get(tier, 14), zone)
        runs += [_Run(ClockKind.TCM_CONTACT, end, due, {"calendar": calendar}), _Run(ClockKind.TCM_VISIT, end, visit)]
    if measured:
        papers, follow_up = day_end(end, rules.trc_receipt_days, zone), day_end(end, rules.trc_follow_up_days, zone)
        runs += [
            _Run(ClockKind.TRC_DISCHARGE_INFORMATION, end, papers, {"missing": _still_missing(stay)}),
            _Run(ClockKind.TRC_ENGAGEMENT, end, follow_up),
            _Run(ClockKind.TRC_MEDICATION_RECONCILIATION, end, follow_up),
        ]
    mental = stay.facility_kind is FacilityKind.PSYCHIATRIC or _principal_in(stay.diagnoses, rules.mental_illness_codes)
    acute = stay.highest_class is not EncounterClass.OBSERVATION and stay.facility_kind not in NOT_ACUTE
    if mental and acute and _old_enough(enrollee, end, rules.mental_illness_age, zone):
        runs += [_Run(kind, end, day_end(end, MEASURES[kind], zone)) for kind in (ClockKind.FUH_7, ClockKind.FUH_30)]
    return runs


def _after_emergency(stay: Stay, enrollee: Enrollee | None, policy: Policy, end: datetime) -> list[_Run]:
    rules, zone = policy.clocks, policy.tz
    runs: list[_Run] = []
    if _principal_in(stay.diagnoses, rules.mental_illness_codes) and _old_enough(
        enrollee, end, rules.mental_illness_age, zone
    ):
        runs += [_Run(kind, end, day_end(end, MEASURES[kind], zone)) for kind in (ClockKind.FUM_7, ClockKind.FUM_30)]
    overdose = any(code_in(diagnosis, rules.overdose_codes) for diagnosis in stay.diagnoses)
    substance = overdose or _principal_in(stay.diagnoses, rules.substance_codes)
    if substance and _old_enough(enrollee, end, rules.substance_age, zone):
        runs += [_Run(kind, end, day_end(end, MEASURES[kind], zone)) for kind in (ClockKind.FUA_7, ClockKind.FUA_30)]
    return runs


def _principal_in(diagnoses: tuple[Diagnosis, ...], codes: tuple[str, ...]) -> bool:
    """The principal diagnosis (rank 1, else the first) is in the ranges."""
    principal = next((diagnosis for diagnosis in diagnoses if diagnosis.rank == 1), diagnoses[0] if diagnoses else None)
    return principal is not None and code_in(principal, codes)


def _old_enough(enrollee: Enrollee | None, at: datetime, years: int, zone: ZoneInfo) -> bool:
    return enrollee is None or age_on(enrollee.birth_date, at.astimezone(zone).date()) >= years
