"""What a stay counts as in a week's report, act by act."""

from datetime import UTC, date, datetime, timedelta

import pytest

from rules.decisions import Action, AlertKind, ClockKind, ClockStatus, StayStatus
from rules.following.acts import Act, ActKind, Outcome
from rules.following.counted import Counted, counted, week_of
from tests.following.test_following import ADMITTED, HOME, ZONE, act, clock, tried, version

C = Counted
CALLED = {C.TOLD, C.TO_CALL, C.CALLED_IN_TIME}
TALKED = tried(60, Outcome.REACHED)
VISIT = version(clocks=(clock(ClockKind.TCM_VISIT), clock(ClockKind.FUH_7)))
KEPT = act(ActKind.VISIT_KEPT, 2 * 24 * 60, day=date(2026, 11, 22))
CANCELLED = {"action": Action.RETRACT, "status": StayStatus.CANCELLED}
LATE = 10 * 24 * 60


@pytest.mark.parametrize(
    ("versions", "acts", "expected"),
    [
        ([version()], [], {C.TOLD, C.TO_CALL}),
        ([version(clocks=())], [], {C.TOLD}),
        ([version(clocks=(clock(status=ClockStatus.STOPPED),))], [], {C.TOLD}),
        ([version()], [TALKED], CALLED | {C.REACHED}),
        ([version()], [tried(60, Outcome.DECLINED)], {C.TOLD, C.TO_CALL, C.REACHED}),
        ([version()], [tried(10), tried(20)], {C.TOLD, C.TO_CALL}),  # so close together they are one
        ([version()], [tried(10), tried(90)], CALLED),
        ([version()], [tried(LATE, Outcome.REACHED)], {C.TOLD, C.TO_CALL, C.REACHED}),
        ([version()], [tried(-60, Outcome.REACHED)], {C.TOLD, C.TO_CALL}),  # before they went home
        ([version()], [act(ActKind.UNABLE)], {C.TOLD, C.TO_CALL}),  # nobody tried
        ([version()], [tried(10), act(ActKind.UNABLE, 90)], {C.TOLD, C.TO_CALL, C.UNABLE}),
        ([version()], [tried(10), act(ActKind.UNABLE, 90), tried(LATE, Outcome.REACHED)],
         {C.TOLD, C.TO_CALL, C.REACHED}),
        ([version()], [TALKED, act(ActKind.UNDO, 61, supersedes=TALKED.act_id)], {C.TOLD, C.TO_CALL}),
        ([VISIT], [], {C.TOLD, C.TO_VISIT}),
        ([VISIT], [KEPT], {C.TOLD, C.TO_VISIT, C.VISITED_IN_TIME}),
        ([VISIT], [KEPT.model_copy(update={"day": date(2026, 12, 9)})], {C.TOLD, C.TO_VISIT}),
        ([version(clocks=(clock(ClockKind.TCM_VISIT), clock(ClockKind.FUH_7, HOME - timedelta(days=1))))], [KEPT],
         {C.TOLD, C.TO_VISIT}),  # one of two is late
        ([version(**ADMITTED)], [TALKED], {C.TOLD}),
        ([version(kind=AlertKind.DEATH, clocks=())], [TALKED], {C.TOLD}),
        ([version(), version(2, **CANCELLED)], [TALKED, KEPT], {C.TOLD, C.TAKEN_BACK}),
    ],
)  # fmt: skip
def test_a_stay_counts_as_what_was_done_about_it(versions: list, acts: list[Act], expected: set[Counted]) -> None:
    assert counted(versions, acts, ZONE) == expected
    assert counted(versions, reversed(acts), ZONE) == expected


def test_a_week_begins_on_its_local_monday() -> None:
    sunday = datetime(2026, 11, 23, 4, 59, tzinfo=UTC)  # before midnight in North Carolina
    assert week_of(sunday, ZONE) == date(2026, 11, 16)
    assert week_of(sunday + timedelta(minutes=1), ZONE) == date(2026, 11, 23)
