"""Rules that changed in mid-run: a stay and every rule file there was in, the steps of each run by its own rules out.

The rules in force when a run began are its rules to the end: a run is on by the first set that was in force when it
began by that set's own reckoning, and where no set says so (its beginning moved past the change) by the newest.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from rules.decisions import ClockKind
from rules.following.escalation import Escalation, Facts, Step, When, plan
from rules.policy.policy import Policy


class InForce(NamedTuple):
    """A set of rules, and since when it holds."""

    since: datetime
    rules: Escalation


def plan_frozen(facts: Facts, history: Sequence[InForce], policy: Policy) -> tuple[Step, ...]:
    """Every step that this stay leads to while nobody acts, by when it is due. `history`: oldest first, at least one.

    The first set holds for whatever began before it, too.
    """
    chosen: dict[tuple[When, ClockKind | None], tuple[Step, ...]] = {}
    for number, (since, rules) in enumerate(history):
        until = history[number + 1].since if number + 1 < len(history) else None
        for question, steps in _by_question(facts, rules, policy).items():
            began = steps[0].began_at
            held = (number == 0 or began >= since) and (until is None or began < until)
            if question not in chosen and held:
                chosen[question] = steps
    for question, steps in _by_question(facts, history[-1].rules, policy).items():
        chosen.setdefault(question, steps)
    return tuple(sorted((step for steps in chosen.values() for step in steps), key=_order))


def _by_question(
    facts: Facts, rules: Escalation, policy: Policy
) -> dict[tuple[When, ClockKind | None], tuple[Step, ...]]:
    when = {run.name: run.when for run in rules.runs}
    questions: dict[tuple[When, ClockKind | None], tuple[Step, ...]] = {}
    for step in plan(facts, rules, policy):
        question = when[step.run], step.clock
        questions[question] = (*questions.get(question, ()), step)
    return questions


def _order(step: Step) -> tuple[datetime, str, int]:
    return step.due_at, step.run, step.number
