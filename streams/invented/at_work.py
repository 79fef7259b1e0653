"""Versions of alerts and the staff in; what people did in their own time, whom escalation asked meanwhile, out.

Time is simulated: what happens next is taken from a heap. Acts follow the staff's habits, steps follow the rules of
`rules.following.look`, as the store's ticks do. While the store is away nothing is written and nobody acts in it.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from itertools import count
from typing import Any, Final, NamedTuple

from parsers.hours import DAY, WEEK, read_hours, within
from parsers.people import CaseManager, Role
from rules.decisions import Alert, StayStatus
from rules.following.acts import CLINICAL, MAY_RECONCILE, Act, ActKind, Mode, Outcome
from rules.following.escalation import CameTo, StepDone
from rules.following.look import PAUSED_FOR, Look, Rules, Written, look
from rules.following.loop import Loop, loop
from rules.following.meets import MEETS, Deed, Verdict
from rules.following.state import FollowUpState
from rules.stays.open import goes_on
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.invented.staff import Habit, Staff

_TO_CALL: Final = (FollowUpState.TO_CALL, FollowUpState.TRYING)
_REACHED: Final = 0.6  # of the calls
_KEPT: Final = 0.85  # of the visits
_TRIES: Final = 5


class What(IntEnum):
    """What comes next at one time, in this order."""

    TOLD = 0
    DEED = 1
    LOOK = 2


class StepAt(NamedTuple):
    """A step that was written, when, and since when what it stands on held without a pause."""

    at: datetime
    done: StepDone
    since: datetime


class Followed:
    """One stay."""

    def __init__(self) -> None:
        self.versions: list[Alert] = []
        self.acts: list[Act] = []
        self.written: list[Written] = []
        self.steps: list[StepAt] = []
        self.look_at: datetime | None = None
        self.held_since = datetime.min.replace(tzinfo=UTC)
        self.plans: dict[str, datetime] = {}  # case_manager_id -> when she does something about it

    @property
    def newest(self) -> Alert:
        return self.versions[-1]


class AtWork:
    """The staff at work on what is told. `practices`: the practice of each enrollee."""

    def __init__(self, staff: Staff, rules: Rules, practices: Mapping[str, str], seed: int = 1) -> None:
        self.stays: dict[str, Followed] = {}
        self._staff = staff
        self._rules = rules
        self._practices = practices
        self._seed = seed
        self._everybody = rules.directory.case_managers.keys() | {BUILT_IN_CENTRAL_OFFICE.case_manager_id}
        self._of_person: defaultdict[str, set[str]] = defaultdict(set)  # enrollee -> alerts
        self._heap: list[tuple[datetime, What, int, str, Any]] = []
        self._turn = count()

    def run(self, versions: Iterable[Alert], until: datetime) -> None:
        """All of it, up to a time. `versions`: in the order in which they were decided."""
        now = datetime.min.replace(tzinfo=UTC)
        for alert in versions:
            now = max(now, alert.decided_at)
            self._put(now, What.TOLD, alert.alert_id, alert.model_copy(update={"decided_at": now}))
        while self._heap and self._heap[0][0] <= until:
            at, what, _, alert_id, about = heapq.heappop(self._heap)
            stay = self.stays.setdefault(alert_id, Followed())
            match what:
                case What.TOLD:
                    self._told(stay, about, at)
                case What.DEED if stay.plans.get(about) == at:
                    del stay.plans[about]
                    self._deed(stay, about, at)
                case What.LOOK if stay.look_at == at:
                    self._look(stay, at)

    def loop_of(self, stay: Followed, at: datetime) -> Loop:
        """How far the stay is."""
        return loop(
            stay.versions,
            stay.acts,
            self._everybody,
            at,
            self._rules.policy.tz,
            in_hospital_again=self._in_hospital_again(stay.newest, at),
            at_plans=self._rules.directory.at_plans,
        )

    def look(self, stay: Followed, stay_loop: Loop, at: datetime) -> Look:
        """What a look at the stay comes to, as far as it is."""
        practice_id = self._practices.get(stay.newest.enrollee_id, "")
        return look(stay.versions, stay_loop, practice_id, stay.written, self._rules, at)

    def at_work(self, person: CaseManager, at: datetime) -> datetime:
        """The time itself, or when somebody is next neither away nor outside working hours, by their own lines."""
        absences = self._rules.directory.absences.get(person.case_manager_id, ())
        hours = read_hours(person.hours) or ()
        while True:
            back = max((absence.ends for absence in absences if absence.starts <= at < absence.ends), default=None)
            if back is not None:
                at = back
                continue
            local = at.astimezone(self._rules.directory.zone)
            if within(hours, local):
                return at
            minute = local.weekday() * DAY + local.hour * 60 + local.minute
            at += timedelta(minutes=min((start - minute) % WEEK or WEEK for start, _ in hours))

    def back_at(self, at: datetime) -> datetime:
        """The time itself, or when the store is back."""
        return next((ends for starts, ends in self._staff.outages if starts <= at < ends), at)

    def _in_hospital_again(self, alert: Alert, at: datetime) -> bool:
        ended = alert.ended_at or alert.occurred_at
        others = (self.stays[alert_id].newest for alert_id in self._of_person[alert.enrollee_id])
        return alert.status is StayStatus.FINISHED and any(
            other.alert_id != alert.alert_id
            and goes_on(other.action, other.status)
            and other.occurred_at > ended
            and at - other.occurred_at <= timedelta(hours=self._rules.policy.unheard.hours(other.encounter_class))
            for other in others
        )

    def _told(self, stay: Followed, alert: Alert, at: datetime) -> None:
        stay.versions.append(alert)
        self._of_person[alert.enrollee_id].add(alert.alert_id)
        for owner in alert.owners:
            self._wake(stay, owner.case_manager_id, at)
        self._look_again(alert.enrollee_id, at)

    def _look_again(self, enrollee_id: str, at: datetime) -> None:
        """What changes one stay may change every stay of the person."""
        for alert_id in sorted(self._of_person[enrollee_id]):
            self.stays[alert_id].held_since = at
            self._look_at(self.stays[alert_id], at)

    def _look_at(self, stay: Followed, at: datetime | None) -> None:
        stay.look_at = self.back_at(at) if at else None
        if stay.look_at:
            self._put(stay.look_at, What.LOOK, stay.newest.alert_id, None)

    def _look(self, stay: Followed, at: datetime) -> None:
        stay_loop = self.loop_of(stay, at)
        seen = self.look(stay, stay_loop, at)
        if stay_loop.follow_up.state is FollowUpState.PAUSED:
            stay.held_since = at + PAUSED_FOR
        stay.written = [step._replace(over=step.over or step.key in seen.over) for step in stay.written]
        for done in seen.due:
            person = done.person.case_manager_id if done.person else ""
            over = done.came_to is not CameTo.ASKED
            stay.written.append(Written(done.step.key, done.step.run, done.step.began_at, done.came_to, person, over))
            stay.steps.append(StepAt(at, done, stay.held_since))
            if person:
                self._wake(stay, person, at)
        self._look_at(stay, seen.again_at)

    def _wake(self, stay: Followed, person: str, at: datetime) -> None:
        """Somebody was told or asked: when she does something about it, if ever."""
        habit = self._staff.habits.get(person, Habit.PROMPT)
        dice = self._dice(stay, person, "wakes")
        match habit:
            case Habit.NEVER:
                return
            case Habit.LATE:
                after = timedelta(hours=dice.uniform(20, 72))
            case _:
                after = timedelta(minutes=dice.uniform(3, 60))
        planned = stay.plans.get(person)
        if planned is None or at + after < planned:
            self._plan(stay, person, at + after)

    def _plan(self, stay: Followed, person: str, at: datetime) -> None:
        stay.plans[person] = at
        self._put(at, What.DEED, stay.newest.alert_id, person)

    def _deed(self, stay: Followed, person_id: str, at: datetime) -> None:
        """The next thing that `person_id` does about the stay, when she is at work."""
        person = self._rules.directory.person(person_id)
        if person is None:
            return
        if (later := self.at_work(person, self.back_at(at))) != at:
            self._plan(stay, person_id, later)
            return
        stay_loop = self.loop_of(stay, at)
        if person.role is Role.CENTRAL_OFFICE:
            self._give(stay, person, stay_loop, at)
            return
        asked = any(step.person == person_id and not step.over for step in stay.written)
        deeds = self._deeds(stay, person, stay_loop, asked, at)
        if not deeds:
            return
        for act in deeds:
            stay.acts.append(act)
            if self._staff.habits.get(person_id) is Habit.TWICE:
                again = act.recorded_at + timedelta(seconds=1)
                stay.acts.append(act.model_copy(update={"act_id": f"{act.act_id}-again", "recorded_at": again}))
        self._look_again(stay.newest.enrollee_id, at)
        if self.loop_of(stay, at).follow_up.state in (*_TO_CALL, FollowUpState.REACHED):
            hours = self._dice(stay, person_id, "goes on").uniform(20, 30)
            self._plan(stay, person_id, at + timedelta(hours=hours))

    def _give(self, stay: Followed, office: CaseManager, stay_loop: Loop, at: datetime) -> None:
        """The central office calls nobody: it gives the stay to somebody of the practice or its network at work."""
        if stay_loop.follow_up.state not in (*_TO_CALL, FollowUpState.REACHED, FollowUpState.IN_HOSPITAL):
            return
        directory, practice_id = self._rules.directory, self._practices.get(stay.newest.enrollee_id, "")
        practice = directory.practices.get(practice_id)
        team = [
            case_manager
            for case_manager in directory.case_managers.values()
            if practice
            and case_manager.network_id == practice.network_id
            and case_manager.case_manager_id != stay_loop.holding.holder
            and self.at_work(case_manager, at) == at
        ]
        carriers = [carrier for carrier in team if practice_id in carrier.practices]
        if not team:
            self._plan(stay, office.case_manager_id, at + timedelta(hours=1))
            return
        other = self._dice(stay, office.case_manager_id, "gives").choice(carriers or team)
        stay.acts.append(self._act(stay, office, at, ActKind.ASSIGN, for_id=other.case_manager_id))
        self._wake(stay, other.case_manager_id, at)
        self._look_again(stay.newest.enrollee_id, at)

    def _deeds(self, stay: Followed, person: CaseManager, stay_loop: Loop, asked: bool, at: datetime) -> list[Act]:
        holder, state = stay_loop.holding.holder, stay_loop.follow_up.state
        dice = self._dice(stay, person.case_manager_id, "does")
        deeds: list[Act] = []
        if holder != person.case_manager_id:
            if holder and not asked:
                return []
            deeds.append(self._act(stay, person, at, ActKind.TAKE))
        if state in _TO_CALL and stay_loop.follow_up.tries < _TRIES:
            reached = dice.random() < _REACHED
            outcome = Outcome.REACHED if reached else dice.choice((Outcome.NO_ANSWER, Outcome.LEFT_MESSAGE))
            deeds.append(self._act(stay, person, at, ActKind.ATTEMPT, outcome=outcome, mode=Mode.PHONE))
        elif state in _TO_CALL:
            deeds.append(self._act(stay, person, at, ActKind.UNABLE))
        elif state is FollowUpState.REACHED:
            deeds += self._rest(stay, person, stay_loop, at, dice)
        elif state is FollowUpState.NO_CALL or (state in (FollowUpState.VOID, FollowUpState.DIED) and not deeds):
            deeds.append(self._act(stay, person, at, ActKind.NOTED))
        return deeds

    def _rest(
        self, stay: Followed, person: CaseManager, stay_loop: Loop, at: datetime, dice: random.Random
    ) -> list[Act]:
        """After somebody was reached: the medicines, and the visit on a day not long after."""
        left = {
            MEETS[standing.clock.kind].deed
            for standing in stay_loop.standings
            if MEETS[standing.clock.kind].must and standing.verdict in (Verdict.OPEN, Verdict.TRIED, Verdict.MISSED)
        }
        deeds: list[Act] = []
        if Deed.MEDICINES in left and person.role in MAY_RECONCILE:
            deeds.append(self._act(stay, person, at, ActKind.MEDICINES_RECONCILED))
        if left & {Deed.VISIT, Deed.VISIT_OR_TALK}:
            kind = ActKind.VISIT_KEPT if dice.random() < _KEPT else ActKind.VISIT_MISSED
            deeds.append(self._act(stay, person, at, kind, day=at.astimezone(self._rules.policy.tz).date()))
        if Deed.TALK in left and person.role in CLINICAL:
            deeds.append(self._act(stay, person, at, ActKind.ATTEMPT, outcome=Outcome.REACHED, mode=Mode.PHONE))
        return deeds

    def _act(self, stay: Followed, person: CaseManager, at: datetime, kind: ActKind, **more: Any) -> Act:
        return Act(
            act_id=f"{stay.newest.alert_id}-{len(stay.acts)}-{kind}",
            kind=kind,
            by=person.case_manager_id,
            role=person.role,
            version=stay.newest.version,
            happened_at=at,
            recorded_at=at,
            **more,
        )

    def _dice(self, stay: Followed, person: str, why: str) -> random.Random:
        return random.Random(f"{self._seed}/{stay.newest.alert_id}/{person}/{why}/{len(stay.acts)}/{len(stay.steps)}")

    def _put(self, at: datetime, what: What, alert_id: str, about: Any) -> None:
        heapq.heappush(self._heap, (at, what, next(self._turn), alert_id, about))
