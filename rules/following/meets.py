"""Which act stops which clock, as rows of data: the clocks of a stay and what people did in, a verdict for each out.

Sources: CPT 99495 and 99496 and the Medicare TCM rules (two-way contact within two business days; two or more separate,
documented attempts in time count as tried; a visit face to face); HEDIS TRC, FUH, FUM and FUA, measurement year 2026.
`same_day`: whether an act on the local day of the event counts. An act counts by when it happened, whenever it was
written down. A clock that is late stays open for the act that ends it, and its verdict then says that it came late.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.people import Role
from rules.decisions import Clock, ClockKind, ClockStatus
from rules.following.acts import CLINICAL, MAY_RECONCILE, Act, ActKind, Mode, Outcome, Word, effective, word


class Verdict(StrEnum):
    """How a clock stands, or how it ended."""

    OPEN = "open"
    MET = "met"
    MET_LATE = "met_late"
    TRIED = "tried"  # enough separate tries in time; the call itself stays to be made
    MISSED = "missed"
    WITHDRAWN = "withdrawn"


class Deed(StrEnum):
    """What kind of act a clock asks for."""

    TALK = "talk"
    VISIT = "visit"
    VISIT_OR_TALK = "visit_or_talk"
    MEDICINES = "medicines"
    PAPERS = "papers"
    NOTICE = "notice"  # nobody does it: the notice itself, see `rules.deciding.clocks`


class Row(NamedTuple):
    deed: Deed
    roles: frozenset[Role] | None  # who may do it; `None`: anybody
    same_day: bool
    tries: int  # so many separate tries in time count as tried; 0: never
    must: bool  # a follow-up is not done before it


_ANYBODY: Final = None
MEETS: Final[Mapping[ClockKind, Row]] = {
    ClockKind.TCM_CONTACT: Row(Deed.TALK, CLINICAL, same_day=True, tries=2, must=True),
    ClockKind.TCM_VISIT: Row(Deed.VISIT, _ANYBODY, same_day=True, tries=0, must=True),
    ClockKind.TRC_ADMISSION_NOTICE: Row(Deed.NOTICE, _ANYBODY, same_day=True, tries=0, must=False),
    ClockKind.TRC_DISCHARGE_INFORMATION: Row(Deed.PAPERS, _ANYBODY, same_day=True, tries=0, must=False),
    ClockKind.TRC_ENGAGEMENT: Row(Deed.VISIT_OR_TALK, CLINICAL, same_day=False, tries=0, must=False),
    ClockKind.TRC_MEDICATION_RECONCILIATION: Row(Deed.MEDICINES, MAY_RECONCILE, same_day=True, tries=0, must=True),
    ClockKind.FUH_7: Row(Deed.VISIT, _ANYBODY, same_day=False, tries=0, must=True),
    ClockKind.FUH_30: Row(Deed.VISIT, _ANYBODY, same_day=False, tries=0, must=False),
    ClockKind.FUM_7: Row(Deed.VISIT_OR_TALK, CLINICAL, same_day=True, tries=0, must=True),
    ClockKind.FUM_30: Row(Deed.VISIT_OR_TALK, CLINICAL, same_day=True, tries=0, must=False),
    ClockKind.FUA_7: Row(Deed.VISIT_OR_TALK, CLINICAL, same_day=True, tries=0, must=True),
    ClockKind.FUA_30: Row(Deed.VISIT_OR_TALK, CLINICAL, same_day=True, tries=0, must=False),
}
assert MEETS.keys() == set(ClockKind)

APART: Final = timedelta(minutes=30)  # tries closer together are one
_TWO_WAY: Final = frozenset({Mode.PHONE, Mode.VIDEO, Mode.IN_PERSON, Mode.PORTAL, Mode.TEXT, Mode.THROUGH_ANOTHER})


class Standing(NamedTuple):
    """One clock, how it stands at `now`, and the act that made it so."""

    clock: Clock
    verdict: Verdict
    act: Act | None
    tries: int  # separate ones, in time


def standings(clocks: Iterable[Clock], acts: Iterable[Act], now: datetime, zone: ZoneInfo) -> tuple[Standing, ...]:
    """Every clock of a stay with its verdict. `zone`: of the policy, in which an event's day is a day."""
    done = effective(acts)
    return tuple(_standing(clock, done, now, zone) for clock in clocks)


def steps_left(standing: Iterable[Standing]) -> bool:
    """Whether something that must be done is not done and can still be done."""
    return any(
        MEETS[clock_standing.clock.kind].must and clock_standing.verdict in _STILL_TO_DO for clock_standing in standing
    )


_STILL_TO_DO: Final = frozenset({Verdict.OPEN, Verdict.TRIED, Verdict.MISSED})


def _standing(clock: Clock, acts: Sequence[Act], now: datetime, zone: ZoneInfo) -> Standing:
    row = MEETS[clock.kind]
    if clock.status is ClockStatus.STOPPED:
        return Standing(clock, Verdict.WITHDRAWN, None, 0)
    if clock.status is ClockStatus.MET:
        return Standing(clock, Verdict.MET, None, 0)
    since = [act for act in acts if _counts(act, clock, row, zone)]
    tried = [act for act in since if word(act) is Word.TRY and act.happened_at <= clock.due_at]
    tries = _separate(act.happened_at for act in tried)
    act = next((act for act in since if _does(act, row)), None)
    if act is not None:
        return Standing(clock, Verdict.MET if _in_time(act, clock, zone) else Verdict.MET_LATE, act, tries)
    if row.tries and tries >= row.tries:
        return Standing(clock, Verdict.TRIED, tried[-1], tries)
    return Standing(clock, Verdict.OPEN if now <= clock.due_at else Verdict.MISSED, None, tries)


def _counts(act: Act, clock: Clock, row: Row, zone: ZoneInfo) -> bool:
    """Done after the clock began; a visit and papers by their own day, which has no hour."""
    day, start = _day(act, zone), clock.starts_at.astimezone(zone).date()
    after = day >= start if act.day is not None else act.happened_at >= clock.starts_at
    return after and (row.same_day or day > start)


def _in_time(act: Act, clock: Clock, zone: ZoneInfo) -> bool:
    if act.day is not None:
        return act.day <= clock.due_at.astimezone(zone).date()
    return act.happened_at <= clock.due_at


def _day(act: Act, zone: ZoneInfo) -> date:
    return act.day or act.happened_at.astimezone(zone).date()


def _does(act: Act, row: Row) -> bool:
    if row.roles is not None and act.role not in row.roles and act.kind is not ActKind.VISIT_KEPT:
        return False
    talked = act.kind is ActKind.ATTEMPT and word(act) is Word.CONTACT and (act.mode is None or act.mode in _TWO_WAY)
    match row.deed:
        case Deed.TALK:
            return talked
        case Deed.VISIT:
            return act.kind is ActKind.VISIT_KEPT or (
                talked and act.mode is Mode.IN_PERSON and act.outcome is Outcome.REACHED
            )
        case Deed.VISIT_OR_TALK:
            return talked or act.kind is ActKind.VISIT_KEPT
        case Deed.MEDICINES:
            return act.kind is ActKind.MEDICINES_RECONCILED
        case Deed.PAPERS:
            return act.kind is ActKind.PAPERS_FILED
        case Deed.NOTICE:
            return False


def _separate(times: Iterable[datetime]) -> int:
    """How many tries there were, those within `APART` of the one counted last being one."""
    count, last = 0, None
    for at in sorted(times):
        if last is None or at - last >= APART:
            count, last = count + 1, at
    return count
