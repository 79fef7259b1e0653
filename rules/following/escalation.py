"""Who must be asked now because nobody acted: a stay's follow-up, the rules and `now` in, steps in their order out.

A step is due at a time that is computed from events and acts, never from when somebody looked, and it has a key made of
the run, of when the run began and of its number: whoever computes it, whenever, comes to the same step, so that writing
its row once asks it once. Acting ends a run, because the facts it stands on are gone. After an outage only the last of
several overdue steps of a run asks; the ones it overtook are kept as such.
"""

import tomllib
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Final, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from parsers.hours import EXPECTED, read_hours
from parsers.people import CaseManager, RiskTier
from rules.decisions import AlertKind, ClockKind, Priority
from rules.following.holder import Holding
from rules.following.meets import MEETS, Standing, Verdict
from rules.following.spans import Office, Span
from rules.following.state import FollowUp, FollowUpState
from rules.policy.policy import Policy
from rules.policy.rule_file import RuleFault, checked
from rules.telling.directory import Directory


class When(StrEnum):
    NOBODY_TOOK = "nobody_took"
    NOTHING_TRIED = "nothing_tried"
    DUE_SOON = "due_soon"


class Ask(StrEnum):
    """Which person a step asks."""

    OWNER = "owner"  # whom the newest version is for
    HOLDER = "holder"
    COVER = "cover"  # who stands in for the owner
    TEAM = "team"
    MANAGER = "manager"
    CENTRAL_OFFICE = "central_office"


class CameTo(StrEnum):
    """What a step came to; stored, counted and said on the page."""

    ASKED = "asked"
    NOBODY_ON_DUTY = "nobody_on_duty"
    ASKED_BEFORE = "asked_before"  # the same person, for the same question
    OVERTAKEN = "overtaken"  # a later step was due as well when we looked


def _span(text: str) -> str:
    if Span.read(text) is None:
        raise ValueError('expected a length such as "20 s", "30 min", "2 working hours" or "1 working day"')
    return text


def _hours(text: str) -> str:
    if not text.strip() or read_hours(text) is None:
        raise ValueError(f"expected {EXPECTED}")
    return text


SpanText = Annotated[str, AfterValidator(_span)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StepRule(_Part):
    after: SpanText
    ask: Ask


class Run(_Part):
    """One line of escalation: for which stays, from when on, and who is asked one after the other."""

    name: str
    when: When
    priorities: tuple[Priority, ...] = ()
    kinds: tuple[AlertKind, ...] = ()
    risk_tiers: tuple[RiskTier, ...] = ()
    clocks: tuple[ClockKind, ...] = ()
    before: SpanText = "0 min"
    rouse: bool = False
    steps: Annotated[tuple[StepRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Self:
        if self.steps[-1].ask is not Ask.CENTRAL_OFFICE:
            raise ValueError("steps: the last step must ask the central office, which always answers")
        if self.clocks and self.when is not When.DUE_SOON:
            raise ValueError("clocks: only a run that is due_soon looks at clocks")
        return self

    def fits(self, facts: "Facts") -> bool:
        return (
            (not self.priorities or facts.priority in self.priorities)
            and (not self.kinds or facts.kind in self.kinds)
            and (not self.risk_tiers or facts.risk_tier in self.risk_tiers)
        )


class Escalation(_Part):
    """A checked `escalation.toml`."""

    working_hours: Annotated[str, AfterValidator(_hours)] = "Mon-Fri 08:00-17:00"
    runs: tuple[Run, ...] = ()

    @model_validator(mode="after")
    def _names_are_their_own(self) -> Self:
        names = [run.name for run in self.runs]
        if len(set(names)) != len(names):
            raise ValueError("runs: every run needs a name of its own")
        return self

    def office(self, policy: Policy) -> Office:
        return Office(read_hours(self.working_hours) or (), policy.business, policy.tz)


class Facts(NamedTuple):
    """What escalation looks at of one stay."""

    stay_id: str
    priority: Priority
    kind: AlertKind
    risk_tier: RiskTier
    practice_id: str
    owners: tuple[str, ...]
    told_at: datetime  # when the version that laid the ground was decided
    follow_up: FollowUp
    holding: Holding
    standings: tuple[Standing, ...]


class Step(NamedTuple):
    """One question that is due, or will be."""

    run: str
    began_at: datetime
    number: int  # from 1
    due_at: datetime
    ask: Ask
    rouse: bool
    clock: ClockKind | None

    @property
    def key(self) -> str:
        """Unique within the stay; the same whoever computes it."""
        about = self.clock.value if self.clock else ""
        return f"{self.run}:{about}:{int(self.began_at.timestamp() * 1_000_000)}:{self.number}"


class StepDone(NamedTuple):
    """A step and what it came to."""

    step: Step
    came_to: CameTo
    person: CaseManager | None
    because: str  # in words that name no enrollee


_NEEDS_NOBODY: Final = frozenset(
    {FollowUpState.CLOSED, FollowUpState.DONE, FollowUpState.VOID, FollowUpState.DIED, FollowUpState.PAUSED}
)


def plan(facts: Facts, rules: Escalation, policy: Policy) -> tuple[Step, ...]:
    """Every step that this stay leads to while nobody acts, by when it is due."""
    office = rules.office(policy)
    steps: list[Step] = []
    for when in When:
        for began, clock in _begins(facts, when):
            run = next((row for row in rules.runs if row.when is when and row.fits(facts) and _about(row, clock)), None)
            if run is None:
                continue
            start = office.before(began, Span.read(run.before) or Span(0)) if when is When.DUE_SOON else began
            for number, step in enumerate(run.steps, 1):
                due = office.after(start, Span.read(step.after) or Span(0))
                due = due if run.rouse else office.next_opening(due)
                steps.append(Step(run.name, start, number, due, step.ask, run.rouse, clock))
    return tuple(sorted(steps, key=lambda step: (step.due_at, step.run, step.number)))


def next_due(steps: Iterable[Step], done: Collection[str], now: datetime) -> datetime | None:
    """When somebody must look again: the due time of the first step that is neither done nor due."""
    return min((step.due_at for step in steps if step.key not in done and step.due_at > now), default=None)


def due(
    facts: Facts,
    steps: Iterable[Step],
    done: Collection[str],
    asked: Collection[tuple[str, str]],
    directory: Directory,
    now: datetime,
) -> tuple[StepDone, ...]:
    """What is due at `now` and not `done` (keys), each with whom to ask. `asked`: (run, person) of this stay so far.

    Of the steps of one run only the last one that is due asks; one that finds nobody hands the question to the next,
    at once.
    """
    runs: dict[tuple[str, datetime, ClockKind | None], list[Step]] = {}
    for step in steps:
        runs.setdefault((step.run, step.began_at, step.clock), []).append(step)
    done_now: list[StepDone] = []
    already = set(asked)
    for run in runs.values():
        waiting = [step for step in run if step.key not in done]
        late = [step for step in waiting if step.due_at <= now]
        if not late:
            continue
        done_now += [StepDone(step, CameTo.OVERTAKEN, None, "") for step in late[:-1]]
        for step in waiting[waiting.index(late[-1]) :]:
            step_done = _ask(step, facts, already, directory, now)
            done_now.append(step_done)
            if step_done.person:
                already.add((step.run, step_done.person.case_manager_id))
                break
    return tuple(done_now)


def _begins(facts: Facts, when: When) -> Iterator[tuple[datetime, ClockKind | None]]:
    follow_up, holding = facts.follow_up, facts.holding
    if follow_up.state in _NEEDS_NOBODY:
        return
    match when:
        case When.NOBODY_TOOK if not holding.holder and follow_up.state is not FollowUpState.NO_CALL:
            yield max(facts.told_at, holding.since or facts.told_at), None
        case When.NOTHING_TRIED if holding.holder and follow_up.state is FollowUpState.TO_CALL:
            yield max(facts.told_at, holding.since or facts.told_at), None
        case When.DUE_SOON:
            for standing in facts.standings:
                if standing.verdict in (Verdict.OPEN, Verdict.MISSED) and MEETS[standing.clock.kind].must:
                    yield standing.clock.due_at, standing.clock.kind
        case _:
            pass


def _about(run: Run, clock: ClockKind | None) -> bool:
    return not run.clocks or clock in run.clocks


def _ask(step: Step, facts: Facts, asked: Collection[tuple[str, str]], directory: Directory, now: datetime) -> StepDone:
    people = list(_people(step, facts, directory, now))
    fresh = next(((person, why) for person, why in people if (step.run, person.case_manager_id) not in asked), None)
    if fresh is not None:
        return StepDone(step, CameTo.ASKED, *fresh)
    return StepDone(step, CameTo.ASKED_BEFORE if people else CameTo.NOBODY_ON_DUTY, None, "")


def _people(step: Step, facts: Facts, directory: Directory, now: datetime) -> Iterator[tuple[CaseManager, str]]:
    """Who may be asked by this step, best first; nobody who is away or off duty."""
    practice = directory.practices.get(facts.practice_id)
    network_id = practice.network_id if practice else ""
    match step.ask:
        case Ask.OWNER | Ask.COVER | Ask.HOLDER:
            named = (facts.holding.holder,) if step.ask is Ask.HOLDER else facts.owners
            for person_id in named:
                person = directory.person(person_id)
                answering = directory.stand_in(person, now) if person else None
                if person and answering and (step.ask is not Ask.COVER or answering[0] != person):
                    yield answering[0], f"{person.name} has it" + answering[1]
        case Ask.TEAM:
            if answer := directory.of_practice(facts.practice_id, now, facts.stay_id):
                yield answer.case_manager, answer.because
            if answer := directory.of_network(network_id, now):
                yield answer.case_manager, answer.because
        case Ask.MANAGER:
            if answer := directory.of_network(network_id, now):
                yield answer.case_manager, answer.because
        case Ask.CENTRAL_OFFICE:
            root = directory.central_office(now)
            yield root.case_manager, root.because


def load_escalation(text: str) -> Escalation | tuple[RuleFault, ...]:
    """The escalation rules a file describes, or every fault in it at once."""
    return checked(text, Escalation)


@cache
def default_escalation() -> Escalation:
    """The rules of the shipped `escalation.toml`."""
    text = resources.files("rules.following").joinpath("escalation.toml").read_text(encoding="utf-8")
    return Escalation.model_validate(tomllib.loads(text))
