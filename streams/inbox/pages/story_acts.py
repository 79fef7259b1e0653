"""What people did, as entries of a stay's story. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from rules.following.acts import Act, ActKind
from rules.following.guides.guide import Guide
from streams.inbox.following import Following
from streams.store.escalations import StepRow
from streams.words import acts as act_words
from streams.words import times as time_words


@dataclass(slots=True, frozen=True)
class StoryItem:
    """One entry of the timeline: a version, or what a person did."""

    at: datetime
    when: str
    did: str
    details: tuple[str, ...]
    source: str
    act_id: str = ""  # of what this reader may correct
    press: str = ""  # and as what


def items(following: Following, name: Callable[[str], str], now: datetime, zone: tzinfo) -> list[StoryItem]:
    """An entry for every act that was written; one that was taken back or corrected stays, and says so."""
    acts = [act for act in following.acts if act.kind is not ActKind.UNDO]
    return [_item(act, following, name, now, zone) for act in acts]


def _item(act: Act, following: Following, name: Callable[[str], str], now: datetime, zone: tzinfo) -> StoryItem:
    counts = act.act_id in following.counting
    mine = counts and act.by == following.reader.case_manager_id and act.kind in CORRECTABLE
    corrects = "corrects what was written before" if act.supersedes else ""
    return StoryItem(
        act.recorded_at,
        time_words.moment(act.recorded_at, now, zone),
        act_words.did(act, name) + ("" if counts else _gone(act, following.acts)),
        tuple(
            line
            for line in (
                corrects,
                *act_words.details(act, now, zone),
                *_answers(act, following.scripts.guide(act.guide)),
            )
            if line
        ),
        "",
        act.act_id if mine else "",
        press_of(act) if mine else "",
    )


def asked_by_rule(steps: Iterable[StepRow], name: Callable[[str], str], now: datetime, zone: tzinfo) -> list[StoryItem]:
    """An entry for every step of escalation: who was asked and why, or what it came to instead."""
    return [
        StoryItem(
            step.at,
            time_words.moment(step.at, now, zone),
            f"{name(step.person)} was asked" if step.person else f"Escalation: {act_words.CAME_TO_WORDS[step.came_to]}",
            tuple(line for line in (f"because: {step.run.replace('_', ' ')}", step.because) if line),
            "",
        )
        for step in steps
    ]


CORRECTABLE = frozenset(
    {
        ActKind.ATTEMPT, ActKind.VISIT_BOOKED, ActKind.VISIT_KEPT, ActKind.VISIT_MISSED, ActKind.MEDICINES_RECONCILED,
        ActKind.PAPERS_FILED, ActKind.NOTE,
    }
)  # fmt: skip


def _gone(act: Act, acts: Iterable[Act]) -> str:
    undone = any(later.kind is ActKind.UNDO and later.supersedes == act.act_id for later in acts)
    return ", then took it back" if undone else " (corrected later)"


def press_of(act: Act) -> str:
    """The press that would write such an act again."""
    if act.kind is not ActKind.ATTEMPT or act.outcome is None:
        return act.kind.value
    if act.outcome.value == "reached":
        return "talked_helper" if act.with_whom == "caregiver" else "talked"
    return "letter_sent" if act.outcome.value == "sent" else act.outcome.value


def _answers(act: Act, guide: Guide | None) -> list[str]:
    """The answers to a call guide, in English; by their ids those that it asks no more."""
    asked = {
        (question.id, answer.id): f"{question.en} {answer.en}"
        for question in (guide.questions if guide else ())
        for answer in question.answers
    }
    known = [words for (question, answer), words in asked.items() if act.answers.get(question) == answer]
    return known + [
        f"{question}: {answer}" for question, answer in act.answers.items() if (question, answer) not in asked
    ]
