"""Deadlines of a stay: the stay, the enrollee and the policy in, clocks out, all counted from the event's own time.

Days are local days of the policy's zone, so a clock is as long on the night the clocks change as on any other. A clock
counted in days ends with its last day; one counted in business days ends with the last one's working hours.
Sources: CPT 99495 and 99496 (contact within 2 business days and a visit within 7 or 14 days of a discharge to the
community); HEDIS TRC, FUH, FUM and FUA (days counted from the event; a follow-up on the same day does not count).

The version that tells of an admission is itself the notice TRC asks for, dated when it was decided. So that clock never
runs: it is met by the notice, or missed because we knew too late.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from parsers.events import Diagnosis, EncounterClass, FacilityKind
from parsers.people import Enrollee, RiskTier
from rules.decisions import Clock, ClockKind, ClockStatus, Reason, Stay, StayStatus
from rules.policy import Business, Policy, code_in

INPATIENT_LIKE: Final = frozenset({EncounterClass.INPATIENT, EncounterClass.OBSERVATION, EncounterClass.UNKNOWN})
MEASURES: Final = frozenset(
    {ClockKind.FUH_7, ClockKind.FUH_30, ClockKind.FUM_7, ClockKind.FUM_30, ClockKind.FUA_7, ClockKind.FUA_30}
)  # those that depend on the diagnoses
FEDERAL: Final = ""
_DAY_ENDS: Final = time(23, 59, 59)


def clocks_of(
    stay: Stay, enrollee: Enrollee | None, policy: Policy, known_at: datetime, decided_at: datetime
) -> tuple[Clock, ...]:
    """The clocks that should run for this stay. `known_at`: when we took the message that told of it."""
    if stay.died or stay.status in (StayStatus.CANCELLED, StayStatus.ENTERED_IN_ERROR):
        return ()
    found: list[tuple[ClockKind, datetime, datetime]] = []
    rules, zone = policy.clocks, policy.tz
    inpatient = stay.highest_class in INPATIENT_LIKE and not only_registered(stay)
    if inpatient and stay.started_at:
        due = day_end(stay.started_at, rules.trc_receipt_days, zone)
        found.append((ClockKind.TRC_ADMISSION_NOTICE, stay.started_at, due))
    if stay.status is StayStatus.FINISHED and stay.ended_at:
        end = stay.ended_at
        if inpatient:
            found += _after_inpatient(stay, enrollee, policy, end)
        elif stay.highest_class is EncounterClass.EMERGENCY:
            found += _after_emergency(stay, enrollee, policy, end)
    return tuple(_clock(kind, start, due, known_at, decided_at) for kind, start, due in found)


def only_registered(stay: Stay) -> bool:
    """Told of by a registration (A04) under a class nobody knows: perhaps a clinic visit, not an admission."""
    return stay.highest_class is EncounterClass.UNKNOWN and "began" in stay.memory and "admitted" not in stay.memory


def _clock(kind: ClockKind, start: datetime, due: datetime, known_at: datetime, decided_at: datetime) -> Clock:
    """As it stands when the version that carries it is told."""
    met = kind is ClockKind.TRC_ADMISSION_NOTICE and decided_at <= due
    in_time = ClockStatus.MET if met else ClockStatus.RUNNING
    return Clock(
        kind=kind,
        starts_at=start,
        due_at=due,
        status=in_time if decided_at <= due else ClockStatus.MISSED,
        met_at=decided_at if met else None,
        hours_lost=hours_lost(start, known_at),
    )


def carried(before: Iterable[Clock], now: Iterable[Clock], stopped_by: Reason) -> tuple[Clock, ...]:
    """The clocks of the next version: what is unchanged keeps its status, what no longer applies is stopped.

    What a person did stays met. Our own notice of an admission that no longer counts stops with it, and counts again
    for an admission in whose window it was given.
    """
    after = {clock.kind: clock for clock in now}
    kept: list[Clock] = []
    for clock in before:
        new = after.pop(clock.kind, None)
        if new is not None and new.starts_at == clock.starts_at and clock.status is not ClockStatus.STOPPED:
            same = new.due_at == clock.due_at or clock.status is not ClockStatus.RUNNING
            kept.append(clock if same else new.model_copy(update={"hours_lost": clock.hours_lost}))
        elif new is not None:
            kept.append(_with_notice(new, clock))
        elif clock.status is ClockStatus.RUNNING or _notice_given(clock):
            kept.append(clock.model_copy(update={"status": ClockStatus.STOPPED, "stopped_by": stopped_by.value}))
        else:
            kept.append(clock)
    return (*kept, *after.values())


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
    day = start.astimezone(zone).date()
    while days:
        day += timedelta(days=1)
        if is_business_day(day, business):
            days -= 1
    return datetime.combine(day, business.day_ends, zone).astimezone(UTC)


def is_business_day(day: date, business: Business) -> bool:
    return day.weekday() < 5 and day not in business.closed and day not in _holidays(business.state, day.year)


def day_end(start: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The last second of the local day `days` days after the local day of `start`."""
    day = start.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, _DAY_ENDS, zone).astimezone(UTC)


def age_on(birth_date: date, day: date) -> int:
    """Completed years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


@lru_cache(maxsize=256)
def _holidays(state: str, year: int) -> frozenset[date]:
    """Federal holidays and those of the state, with the days they are observed on."""
    federal = holidays.country_holidays("US", years=year)
    of_state = holidays.country_holidays("US", subdiv=state, years=year) if state else {}
    return frozenset(federal) | frozenset(of_state)


def _after_inpatient(
    stay: Stay, enrollee: Enrollee | None, policy: Policy, end: datetime
) -> list[tuple[ClockKind, datetime, datetime]]:
    rules, zone = policy.clocks, policy.tz
    found = [
        (ClockKind.TRC_DISCHARGE_INFORMATION, end, day_end(end, rules.trc_receipt_days, zone)),
        (ClockKind.TRC_ENGAGEMENT, end, day_end(end, rules.trc_follow_up_days, zone)),
        (ClockKind.TRC_MEDICATION_RECONCILIATION, end, day_end(end, rules.trc_follow_up_days, zone)),
    ]
    if stay.disposition in rules.tcm_dispositions:
        tier = enrollee.risk_tier if enrollee else RiskTier.UNKNOWN
        contact = business_days_after(end, rules.tcm_contact_business_days, policy.business, zone)
        visit = day_end(end, rules.tcm_visit_days.get(tier, 14), zone)
        found[:0] = [(ClockKind.TCM_CONTACT, end, contact), (ClockKind.TCM_VISIT, end, visit)]
    mental = stay.facility_kind is FacilityKind.PSYCHIATRIC or _principal_in(stay.diagnoses, rules.mental_illness_codes)
    inpatient = stay.highest_class is not EncounterClass.OBSERVATION
    if mental and inpatient and _old_enough(enrollee, end, rules.mental_illness_age, zone):
        found += [(ClockKind.FUH_7, end, day_end(end, 7, zone)), (ClockKind.FUH_30, end, day_end(end, 30, zone))]
    return found


def _after_emergency(
    stay: Stay, enrollee: Enrollee | None, policy: Policy, end: datetime
) -> list[tuple[ClockKind, datetime, datetime]]:
    rules, zone = policy.clocks, policy.tz
    found: list[tuple[ClockKind, datetime, datetime]] = []
    if _principal_in(stay.diagnoses, rules.mental_illness_codes) and _old_enough(
        enrollee, end, rules.mental_illness_age, zone
    ):
        found += [(ClockKind.FUM_7, end, day_end(end, 7, zone)), (ClockKind.FUM_30, end, day_end(end, 30, zone))]
    substance = any(code_in(diagnosis, rules.substance_codes) for diagnosis in stay.diagnoses)
    if substance and _old_enough(enrollee, end, rules.substance_age, zone):
        found += [(ClockKind.FUA_7, end, day_end(end, 7, zone)), (ClockKind.FUA_30, end, day_end(end, 30, zone))]
    return found


def _principal_in(diagnoses: tuple[Diagnosis, ...], codes: tuple[str, ...]) -> bool:
    """The principal diagnosis (rank 1, else the first) is in the ranges."""
    principal = next((found for found in diagnoses if found.rank == 1), diagnoses[0] if diagnoses else None)
    return principal is not None and code_in(principal, codes)


def _old_enough(enrollee: Enrollee | None, at: datetime, years: int, zone: ZoneInfo) -> bool:
    return enrollee is None or age_on(enrollee.birth_date, at.astimezone(zone).date()) >= years
