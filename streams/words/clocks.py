"""Deadlines in words: what to do next, by when, and how much time is left."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from rules.deciding.clocks import MEASURES, is_business_day
from rules.decisions import (
    AlertKind,
    Clock,
    ClockKind,
    ClockStatus,
    DischargeElement,
    StayStatus,
)
from rules.policy.policy import Policy, default_policy
from rules.stays.table import DEAD
from streams.words.numbers import count
from streams.words.reasons import REASON_WORDS
from streams.words.times import ZONE, day, day_of, moment, span, when

_STEP_WORDS: Final[Mapping[ClockKind, str]] = {
    ClockKind.TCM_CONTACT: "Call by",
    ClockKind.TCM_VISIT: "Visit by",
    ClockKind.TRC_ADMISSION_NOTICE: "Notice of the admission by",
    ClockKind.TRC_DISCHARGE_INFORMATION: "File the discharge papers by",
    ClockKind.TRC_ENGAGEMENT: "See or call the patient by",
    ClockKind.TRC_MEDICATION_RECONCILIATION: "Go over the medicines by",
    ClockKind.FUH_7: "Mental-health visit by",
    ClockKind.FUH_30: "Mental-health visit by",
    ClockKind.FUM_7: "Mental-health visit by",
    ClockKind.FUM_30: "Mental-health visit by",
    ClockKind.FUA_7: "Substance-use visit by",
    ClockKind.FUA_30: "Substance-use visit by",
}
MEASURE_WORDS: Final[Mapping[ClockKind, str]] = {
    ClockKind.TCM_CONTACT: "Medicare TCM",
    ClockKind.TCM_VISIT: "Medicare TCM",
    ClockKind.TRC_ADMISSION_NOTICE: "quality measure TRC",
    ClockKind.TRC_DISCHARGE_INFORMATION: "quality measure TRC",
    ClockKind.TRC_ENGAGEMENT: "quality measure TRC",
    ClockKind.TRC_MEDICATION_RECONCILIATION: "quality measure TRC",
    ClockKind.FUH_7: "quality measure FUH",
    ClockKind.FUH_30: "quality measure FUH",
    ClockKind.FUM_7: "quality measure FUM",
    ClockKind.FUM_30: "quality measure FUM",
    ClockKind.FUA_7: "quality measure FUA",
    ClockKind.FUA_30: "quality measure FUA",
}
assert MEASURE_WORDS.keys() == set(ClockKind)
LATE_HOURS: Final = 2.0
_CALLS: Final = frozenset({ClockKind.TCM_CONTACT, ClockKind.TRC_ENGAGEMENT})
_STOPPED_BY: Final[Mapping[str, str]] = {item.value: words for item, words in REASON_WORDS.items()}
ELEMENT_WORDS: Final[Mapping[DischargeElement, str]] = {
    DischargeElement.PRACTITIONER: "the doctor in charge",
    DischargeElement.PROCEDURES: "procedures or treatment",
    DischargeElement.DIAGNOSES: "diagnoses at discharge",
    DischargeElement.MEDICINES: "current medicines and allergies",
    DischargeElement.TEST_RESULTS: "test results, or that none are pending",
    DischargeElement.INSTRUCTIONS: "instructions for care",
}
# Met by keeping dated evidence, not by reaching anybody: never the next step while another clock runs.
PAPERWORK: Final = frozenset({ClockKind.TRC_ADMISSION_NOTICE, ClockKind.TRC_DISCHARGE_INFORMATION})
_WORKING_DAY_CLOCKS: Final = frozenset({ClockKind.TCM_CONTACT})


class Left(NamedTuple):
    """What is left of a clock, and whether it is over."""

    words: str
    overdue: bool


def next_clock(clocks: Iterable[Clock]) -> Clock | None:
    """The clock a person acts on next: the earliest due, paperwork only when nothing else asks. One that was missed
    before we heard of it still asks: nobody has done it."""
    asking = [
        clock
        for clock in clocks
        if clock.status is ClockStatus.RUNNING or (clock.status is ClockStatus.MISSED and clock.kind not in PAPERWORK)
    ]
    return min(asking, key=lambda clock: (clock.kind in PAPERWORK, clock.due_at), default=None)


def step(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> str:
    """ "Call by Tue Nov 24, 5:00 PM"; a clock that ends at midnight is said as its last day, or where nobody works
    then as the last working day before it."""
    meant = last_moment(clock, now, zone, policy)
    words = f"{_STEP_WORDS[clock.kind]} {due(meant, now, zone)}"
    return words if meant == clock.due_at else f"{words}, the last working day before {day_of(clock, now, zone)}"


def last_moment(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> datetime:
    """When a clock is to be acted on at the latest: calendar days end on a day that people work, as long as one is left
    (else, and for working days and paperwork, when it is due)."""
    if clock.kind in _WORKING_DAY_CLOCKS | PAPERWORK:
        return clock.due_at
    last = meant = (clock.due_at - timedelta(minutes=1)).astimezone(zone).date()
    business = (policy or default_policy()).business
    while not is_business_day(meant, business):
        meant -= timedelta(days=1)
    if meant == last or meant < now.astimezone(zone).date():
        return clock.due_at
    return datetime(meant.year, meant.month, meant.day, 23, 59, 59, tzinfo=zone).astimezone(UTC)


def next_working_day(after: date, policy: Policy | None = None) -> date:
    """The first working day later than `after`."""
    business, day = (policy or default_policy()).business, after + timedelta(days=1)
    while not is_business_day(day, business):
        day += timedelta(days=1)
    return day


def due(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """A due time; one that falls on midnight or the minute before belongs to the day that ends there."""
    local = at.astimezone(zone)
    if (local.hour, local.minute) == (0, 0):
        return day(at - timedelta(minutes=1), now, zone)
    if (local.hour, local.minute) == (23, 59):
        return day(at, now, zone)
    return moment(at, now, zone)


def left(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> Left:
    """What is left: "1 working day left", "3 h left", "6 days left", "overdue 1 working day"."""
    if clock.due_at <= now:
        return Left(_overdue(clock, now, zone, policy), True)
    meant = last_moment(clock, now, zone, policy)
    today = now.astimezone(zone).date()
    last = (meant - timedelta(minutes=1)).astimezone(zone).date()
    if last == today:
        return Left(f"due today, {span((meant - now).total_seconds())} left", False)
    if clock.kind in _WORKING_DAY_CLOCKS:
        days = working_days_between(today, last, policy, clock.calendar)
        return Left(f"{count(days, 'working day')} left" if days else "due next working day", False)
    return Left(f"{count((last - today).days, 'day')} left", False)


def _overdue(clock: Clock, now: datetime, zone: tzinfo, policy: Policy | None) -> str:
    """By the unit the clock is counted in, so that no night and no holiday counts as work not done."""
    ended, today = (clock.due_at - timedelta(minutes=1)).astimezone(zone).date(), now.astimezone(zone).date()
    if ended == today:
        return f"{span((now - clock.due_at).total_seconds())} overdue"
    if clock.kind not in _WORKING_DAY_CLOCKS:
        return f"overdue {count((today - ended).days, 'day')}"
    days = working_days_between(ended, today, policy, clock.calendar)
    return f"overdue {count(days, 'working day')}" if days else f"overdue since {day(clock.due_at, now, zone)}"


def clock_name(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> str:
    """What a clock asks for, with the numbers of the policy in force, or of the measure where that sets them: "Call by
    Tue Nov 24, 5:00 PM (Medicare TCM, 2 working days)"."""
    parts = (MEASURE_WORDS[clock.kind], _window(clock.kind, policy or default_policy()))
    return f"{step(clock, now, zone, policy)} ({', '.join(part for part in parts if part)})"


def _window(kind: ClockKind, policy: Policy) -> str:
    if kind in MEASURES:
        return count(MEASURES[kind], "day")
    match kind:
        case ClockKind.TCM_CONTACT:
            return count(policy.clocks.tcm_contact_business_days, "working day")
        case ClockKind.TRC_ENGAGEMENT | ClockKind.TRC_MEDICATION_RECONCILIATION:
            return count(policy.clocks.trc_follow_up_days, "day")
    return ""


def clock_notes(clock: Clock, now: datetime, zone: tzinfo = ZONE) -> list[str]:
    """What else is true of a clock: what is missing, what counts, which calendar, what is assumed."""
    notes = []
    if clock.missing and clock.status is not ClockStatus.STOPPED:
        notice = (
            f"notice in time ({moment(clock.notice_at, now, zone)}), information still to get"
            if (clock.notice_at)
            else "no notice in time; to get"
        )
        notes.append(f"{notice}: {'; '.join(ELEMENT_WORDS[element] for element in clock.missing)}")
    if not clock.same_day:
        notes.append("the day of the discharge does not count")
    if clock.calendar:
        whose = "federal holidays" if clock.calendar == "federal" else f"the holidays of {clock.calendar}"
        notes.append(f"working days without {whose}")
    if clock.tries:
        notes.append(f"{clock.tries} separate tries in time count as tried")
    if clock.assumed:
        notes.append("assumed: the panel does not say who pays, and the measure asks for some payers only")
    return notes


def clock_state(clock: Clock, now: datetime, zone: tzinfo = ZONE, policy: Policy | None = None) -> str:
    """What became of a clock: "2 days left", "done Tue Nov 24, 2:02 PM", "passed without a call"."""
    match clock.status:
        case ClockStatus.RUNNING:
            return left(clock, now, zone, policy).words
        case ClockStatus.MET:
            at = f" {when(clock.met_at, now, zone)}" if clock.met_at else ""
            notice = clock.kind is ClockKind.TRC_ADMISSION_NOTICE
            return f"admission noted for you{at}; nothing to do" if notice else f"done{at}"
        case ClockStatus.MISSED:
            return "passed without a call" if clock.kind in _CALLS else "passed, and it was not done"
        case ClockStatus.STOPPED:
            why = _STOPPED_BY.get(clock.stopped_by, "")
            return f"no longer needed: {why[0].lower()}{why[1:]}" if why else "no longer needed"


def heard_late(clocks: Iterable[Clock]) -> str:
    """ "We heard 3 days late." where hours of a clock were gone before we knew; "" else."""
    hours = max((clock.hours_lost for clock in clocks), default=0.0)
    return f"We heard {span(hours * 3600)} late." if hours >= LATE_HOURS else ""


def working_days_between(after: date, through: date, policy: Policy | None = None, calendar: str = "") -> int:
    """Working days later than `after` up to and including `through`, as the policy in force counts them; by one
    calendar of it, or by all of them."""
    business = (policy or default_policy()).business
    days = (after + timedelta(days=number) for number in range(1, (through - after).days + 1))
    return sum(1 for on in days if is_business_day(on, business, calendar))


def waiting(status: StayStatus, kind: AlertKind, expected: datetime | None, now: datetime, zone: tzinfo = ZONE) -> str:
    """The next step when no clock runs."""
    if kind is AlertKind.DEATH:
        return "Do not call the patient"
    if status in DEAD:
        return "Nothing to do. Press OK, noted, so it leaves your list."
    if status is StayStatus.FINISHED:
        return "No call is required. Call if you think it helps."
    if expected is not None:
        return f"Expected to leave {day(expected, now, zone)}; follow-up starts then"
    if kind is AlertKind.ED_VISIT:
        return "Still in the ED. Follow-up starts when they leave."
    return "In the hospital. Follow-up starts the day they go home."
