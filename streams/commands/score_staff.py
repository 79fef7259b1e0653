"""The month of a simulated state's staff: who was asked because nobody acted, whether in time, and what was acted on.

`handoff score --staff` adds, under `staff` (shares from 0 to 1):

- `people` by habit, `stays` that were told and how many of them `urgent`, `acts`, of them `acts_twice`;
- `clocks`: those that must be met and came due, `in_time` met or tried, `late`, `missed`; `by_habit`: in time, by the
  habit of whom the last version is for;
- `asked`, `asked_per_person_and_day` (working days of everybody) and `most_in_a_day`, `steps` by what they came to;
- what must be nothing: `asked_twice` (one person, twice by one run), `asked_off_duty` (away or outside hours, the
  central office aside), `asked_late` (more than a minute after the step was due, or after the store was back),
  `steps_missing` (due and not written), `urgent_unasked` (a run of an urgent stay that came due and asked nobody).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from parsers.people import Role
from rules.deciding.clocks import is_business_day
from rules.decisions import Alert, Priority
from rules.following.escalation import default_escalation
from rules.following.frozen import InForce
from rules.following.look import Rules
from rules.following.meets import MEETS, Verdict
from rules.following.state import FollowUpState
from rules.policy.policy import Policy
from rules.telling.directory import Directory
from streams.commands.directory import read_folder
from streams.commands.simulate import read_rows
from streams.invented.at_work import AtWork, Followed
from streams.invented.staff import Staff
from streams.run.problems import Problem

LOOKED_ON: Final = timedelta(days=21)  # after the last version: what it asks for comes due
MUST_BE_NOTHING: Final = ("asked_twice", "asked_off_duty", "asked_late", "steps_missing", "urgent_unasked")
GRACE: Final = timedelta(minutes=1)  # what a tick may be late
_EVER: Final = datetime.min.replace(tzinfo=UTC)
_IN_TIME: Final = (Verdict.MET, Verdict.TRIED)


def read_directory_of(folder: Path) -> Directory:
    """The directory of a simulated state. Raises `Problem`."""
    files = read_folder(folder / "directory")
    if not files.usable:
        raise Problem(f"{folder / 'directory'} cannot be used; `handoff directory check` says why")
    return Directory(*files[:5])


def read_staff(folder: Path) -> Staff:
    """The staff of a simulated state. Raises `Problem`."""
    path = folder / "staff.jsonl"
    try:
        return Staff.read(read_rows(path))
    except (KeyError, ValueError):
        raise Problem(f"{path} is not what `handoff simulate` writes") from None


def staff_month(
    alerts: Sequence[Alert], staff: Staff, directory: Directory, policy: Policy, practices: dict[str, str]
) -> dict[str, Any]:
    """The object under `staff`. `alerts`: every version, as decided; `practices`: of each enrollee."""
    rules = Rules((InForce(_EVER, default_escalation()),), policy, directory)
    until = max((alert.decided_at for alert in alerts), default=_EVER) + LOOKED_ON
    work = AtWork(staff, rules, practices)
    work.run(alerts, until)
    stays = list(work.stays.values())
    acts = [act for stay in stays for act in stay.acts]
    return {
        "people": dict(Counter(habit.value for habit in staff.habits.values())),
        "stays": len(stays),
        "urgent": sum(stay.newest.priority is Priority.URGENT for stay in stays),
        "acts": len(acts),
        "acts_twice": sum(act.act_id.endswith("-again") for act in acts),
        "clocks": _clocks(work, stays, staff, until),
        **_asked(work, stays, rules, len(staff.habits)),
        "steps_missing": sum(len(work.look(stay, work.loop_of(stay, until), until).due) for stay in stays),
    }


def _clocks(work: AtWork, stays: Iterable[Followed], staff: Staff, until: datetime) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    by_habit: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for stay in stays:
        loop = work.loop_of(stay, until)
        if loop.follow_up.state in (FollowUpState.VOID, FollowUpState.DIED, FollowUpState.PAUSED):
            continue
        for standing in loop.standings:
            if (
                not MEETS[standing.clock.kind].must
                or standing.clock.due_at > until
                or standing.verdict is Verdict.WITHDRAWN
            ):
                continue
            counts["due"] += 1
            in_time = standing.verdict in _IN_TIME
            counts["in_time" if in_time else "late" if standing.verdict is Verdict.MET_LATE else "missed"] += 1
            for owner in stay.newest.owners[:1]:
                tally = by_habit[staff.habits[owner.case_manager_id]]
                tally[0] += 1
                tally[1] += in_time
    return {
        "due": counts["due"],
        **{name: _share(counts[name], counts["due"]) for name in ("in_time", "late", "missed")},
        "by_habit": {habit: _share(part, whole) for habit, (whole, part) in sorted(by_habit.items())},
    }


def _asked(work: AtWork, stays: Iterable[Followed], rules: Rules, people: int) -> dict[str, Any]:
    steps: Counter[str] = Counter()
    a_day: Counter[tuple[str, date]] = Counter()
    counts: Counter[str] = Counter()
    for stay in stays:
        runs: dict[tuple[str, datetime], list[str]] = defaultdict(list)
        for at, done, since in stay.steps:
            steps[done.came_to.value] += 1
            asked = runs[done.step.run, done.step.began_at]
            if done.person is None:
                continue
            asked.append(done.person.case_manager_id)
            a_day[done.person.case_manager_id, at.astimezone(rules.policy.tz).date()] += 1
            counts["late"] += at > work.back_at(max(done.step.due_at, since)) + GRACE
            elsewhere = done.person.role is not Role.CENTRAL_OFFICE
            counts["off_duty"] += elsewhere and work.at_work(done.person, at) != at
        counts["twice"] += sum(len(asked) - len(set(asked)) for asked in runs.values())
        urgent = stay.newest.priority is Priority.URGENT
        counts["urgent_unasked"] += sum(urgent and not asked for asked in runs.values())
    days = {day for _, day in a_day}
    span = (max(days) - min(days)).days + 1 if days else 0
    first = min(days, default=date.min)
    working = sum(is_business_day(first + timedelta(days=number), rules.policy.business) for number in range(span))
    asked_of = sum(a_day.values())
    return {
        "steps": dict(sorted(steps.items())),
        "asked": asked_of,
        "asked_per_person_and_day": round(asked_of / (working * people), 3) if working and people else 0.0,
        "most_in_a_day": max(a_day.values(), default=0),
        "asked_twice": counts["twice"],
        "asked_off_duty": counts["off_duty"],
        "asked_late": counts["late"],
        "urgent_unasked": counts["urgent_unasked"],
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 1.0


def print_staff(month: dict[str, Any], out: Console) -> None:
    """The object for a person."""
    clocks, asked = month["clocks"], month["asked"]
    habits = ", ".join(f"{count} {habit}" for habit, count in month["people"].items())
    out.print(f"staff ({habits}): {month['stays']:,} stays, {month['urgent']:,} urgent, {month['acts']:,} acts")
    out.print(f"  {'clocks in time':24} {clocks['in_time']:8.4%} of {clocks['due']:,}; {clocks['late']:.2%} late")
    for habit, share in clocks["by_habit"].items():
        out.print(f"  {'of the ' + habit:24} {share:8.4%}")
    out.print(f"  {'asked':24} {asked:8,}; {month['asked_per_person_and_day']:.2f} a person and working day")
    for name in MUST_BE_NOTHING:
        out.print(f"  {name.replace('_', ' '):24} {month[name]:8,}")
