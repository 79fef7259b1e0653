"""What one stay counts as in a week's report: its versions and what people did in, a set of words out.

A stay belongs to the week in which it was first told, and counts there for good: what is done about it later still
changes what it counts as, and a clock that the hospital corrects is corrected in the report too. A call made in time is
one in which two people talked, or two separate tries, as Medicare counts them (`rules.following.meets`).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from rules.decisions import Alert, ClockKind
from rules.following.acts import Act, Word, effective, word
from rules.following.meets import Verdict, standings
from rules.following.state import Ground, laid_by


class Counted(StrEnum):
    """One column of a report."""

    TOLD = "told"
    TO_CALL = "to_call"  # a call within two working days was asked for
    CALLED_IN_TIME = "called_in_time"
    REACHED = "reached"  # two people talked, whenever
    TO_VISIT = "to_visit"  # one or more visits were asked for
    VISITED_IN_TIME = "visited_in_time"  # every one of them
    UNABLE = "unable"  # somebody declared that the patient cannot be reached
    TAKEN_BACK = "taken_back"  # by the hospital; then it counts as nothing else


CALLS: Final = frozenset({ClockKind.TCM_CONTACT})
VISITS: Final = frozenset({ClockKind.TCM_VISIT, ClockKind.FUH_7, ClockKind.FUM_7, ClockKind.FUA_7})
_IN_TIME: Final = frozenset({Verdict.MET, Verdict.TRIED})
_UNABLE: Final = frozenset({Word.TRY, Word.UNABLE})  # only after a try
_TALKED: Final = frozenset({Word.CONTACT, Word.DECLINED})


def counted(versions: Sequence[Alert], acts: Iterable[Act], zone: ZoneInfo) -> frozenset[Counted]:
    """`versions`: all of the stay's alert, oldest first; `zone`: of the policy."""
    ground, since, _ = laid_by(versions)
    acts = tuple(acts)
    if ground is Ground.VOID:
        return frozenset({Counted.TOLD, Counted.TAKEN_BACK})
    newest = versions[-1]
    verdicts = {  # whether a clock is open or missed is all the same here, and so is the time
        standing.clock.kind: standing.verdict
        for standing in standings(newest.clocks, acts, newest.decided_at, zone)
        if standing.verdict is not Verdict.WITHDRAWN
    }
    calls = [verdict for kind, verdict in verdicts.items() if kind in CALLS]
    visits = [verdict for kind, verdict in verdicts.items() if kind in VISITS]
    home = ground in (Ground.CALL, Ground.NO_CALL)
    words = {word(act) for act in effective(acts) if home and act.happened_at >= since}
    reached = not words.isdisjoint(_TALKED)
    is_so = {
        Counted.TOLD: True,
        Counted.TO_CALL: bool(calls),
        Counted.CALLED_IN_TIME: bool(calls) and _IN_TIME.issuperset(calls),
        Counted.REACHED: reached,
        Counted.TO_VISIT: bool(visits),
        Counted.VISITED_IN_TIME: bool(visits) and set(visits) == {Verdict.MET},
        Counted.UNABLE: words >= _UNABLE and not reached,
        Counted.TAKEN_BACK: False,
    }
    return frozenset(each for each in Counted if is_so[each])


def week_of(at: datetime, zone: ZoneInfo) -> date:
    """The Monday of the local week."""
    return monday_of(at.astimezone(zone).date())


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())
