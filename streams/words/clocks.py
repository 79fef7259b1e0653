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
from streams.words.times import ZONE, day, day_of, moment, span

_STEP_WORDS: Final[Mapping[ClockKind, str]] = {
    ClockKind.TCM_CONTACT: "Call by",
    ClockKind.TCM_VISIT: "Visit by",
    ClockKind.TRC_ADMISSION_NOTICE: "Notice of the admission by",
    ClockKind.TRC_DISCHARGE_INFORMATION: "Chart the discharge papers by",
    ClockKind.TRC_ENGAGEMENT: "See or call the patient by",
    ClockKind.TRC_MEDICATION_RECONCILIATION: "Review the medicines by",
    ClockKind.FUH_7: "Mental-health visit by",
    ClockKind.FUH_30: "Mental-health visit by",
    ClockKind.FUM_7: "Mental-health visit by",
    ClockKind.FUM_30: "Mental-health visit by",
    ClockKind.FUA_7: "Substance-use visit by",
    ClockKind.FUA_30: "Substance-use visit by",
}
CLOCK_WORDS: Final[Mapping[ClockKind, str]] = {
    ClockKind.TCM_CONTACT: "First contact after discharge (TCM)",
    ClockKind.TCM_VISIT: "Visit after discharge (TCM)",
    ClockKind.TRC_ADMISSION_NOTICE: "Notice of admission in the record (TRC)",
    ClockKind.TRC_DISCHARGE_INFORMATION: "Discharge information in the record (TRC)",
    ClockKind.TRC_ENGAGEMENT: "Contact after discharge (TRC)",
    ClockKind.TRC_MEDICATION_RECONCILIATION: "Medicines reviewed after discharge (TRC)",
    ClockKind.FUH_7: "Mental-health follow-up (FUH)",
    ClockKind.FUH_30: "Mental-health follow-up (FUH)",
    ClockKind.FUM_7: "Follow-up after the ED (FUM)",
    ClockKind.FUM_30: "Follow-up after the ED (FUM)",
    ClockKind.FUA_7: "Substance-use follow-up (FUA)",
    ClockKind.FUA_30: "Substance-use follow-up (FUA)",
}
CLOCK_STATUS_WORDS: Final[Mapping[ClockStatus, str]] = {
    ClockStatus.RUNNING: "running",
    ClockStatus.MET: "met",
    ClockStatus.MISSED: "missed",
    ClockStatus.STOPPED: "stopped",
}
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


def clock_name(clock: Clock, policy: Policy | None = None) -> str:
    """What a clock asks for, with the numbers of the policy in force, or of the measure where that sets them."""
    rules, name = (policy or default_policy()).clocks, CLOCK_WORDS[clock.kind]
    if clock.kind in MEASURES:
        what, _, measure = name.rpartition(" ")
        return f"{what} within {count(MEASURES[clock.kind], 'day')} {measure}"
    match clock.kind:
        case ClockKind.TCM_CONTACT:
            return f"{name[:-1]}, {count(rules.tcm_contact_business_days, 'working day')})"
        case ClockKind.TRC_ENGAGEMENT | ClockKind.TRC_MEDICATION_RECONCILIATION:
            return f"{name} within {count(rules.trc_follow_up_days, 'day')}"
    return name


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
    if clock.hours_lost >= 2:
        notes.append(f"{clock.hours_lost:.0f} h were lost before we heard")
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
    """What became of a clock: "2 days left", "met Tue Nov 24, 2:02 PM", "missed"."""
    if clock.status is ClockStatus.RUNNING:
        return left(clock, now, zone, policy).words
    if clock.status is ClockStatus.MET and clock.met_at:
        return f"met {moment(clock.met_at, now, zone)}"
    return CLOCK_STATUS_WORDS[clock.status]


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
        return "Press OK, noted, so that it leaves your list"
    if status is StayStatus.FINISHED:
        return "No call is required. Call if you think it helps."
    if expected is not None:
        return f"Expected to leave {day(expected, now, zone)}; follow-up starts then"
    if kind is AlertKind.ED_VISIT:
        return "Still in the ED. Follow-up starts when they leave."
    return "In the hospital. Follow-up starts the day they go home."
