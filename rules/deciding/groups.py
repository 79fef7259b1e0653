"""A message that carries several groups: an id for each, what is known after one, and one answer out of all."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from parsers.events import Event, Finding
from rules.decisions import (
    Action,
    Decision,
    Grade,
    History,
    Match,
    Reason,
)
from rules.matching.evidence import Field, Note

_FOREMOST: Final = (Action.NOTIFY, Action.AMEND, Action.RETRACT, Action.HOLD, Action.SUPPRESS)
KNOWN: Final = frozenset({Grade.CERTAIN, Grade.PROBABLE})
Whose = tuple[Match, Match | None]  # whose a group's patient is, and whose the identity that gives way


class Ids(NamedTuple):
    """Of one event or group: the message id it waits under if a person is to decide, and what names its stays."""

    waits_under: str
    stays: str


def part_id(message_id: str, number: int) -> str:
    """An id for one group of a message of several; it sorts by time of receipt as the message's own does."""
    return f"{message_id[:12]}{blake2b(f'{message_id}:{number}'.encode(), digest_size=10).hexdigest()}"


def known_after(history: History, decision: Decision) -> History:
    """What is known once a group is decided, to the next one of its message."""
    stays = {stay.stay_id: stay for stay in (*history.stays, *decision.stays)}
    alerts = {alert.alert_id: alert for alert in (*history.alerts, *decision.alerts)}
    return history._replace(stays=tuple(stays.values()), alerts=tuple(alerts.values()))


def together(decisions: Sequence[Decision], waiting: dict[int, str]) -> Decision:
    """One answer to a message of several groups: the foremost action, and everything that is to be written."""
    action = min((decision.action for decision in decisions), key=_FOREMOST.index)
    first = [decision for decision in decisions if decision.action is action]
    reasons = sorted((reason for decision in first for reason in decision.reasons), key=Reason.NOT_ON_PANEL.__eq__)
    return Decision(
        action=action,
        reasons=tuple(dict.fromkeys([Reason.POSSIBLE_MATCH, *reasons] if waiting else reasons)),
        stays=tuple({stay.stay_id: stay for decision in decisions for stay in decision.stays}.values()),
        alerts=tuple(alert for decision in decisions for alert in decision.alerts),
        crosswalk=tuple(change for decision in decisions for change in decision.crosswalk),
        stay_id=next((decision.stay_id for decision in first if decision.stay_id), ""),
        waits=bool(waiting),
        caught_up=tuple(message_id for each in decisions for message_id in each.caught_up),
        waiting=waiting,
    )


def unsure(event: Event, match: Match) -> Match:
    """The match of a message that names two patients though it is about one: the visit may be the other one's, so a
    person is asked."""
    two = any(note.finding is Finding.STRUCTURE_WRONG and note.place == "PID" for note in event.notes)
    if not two or match.grade not in KNOWN:
        return match
    return match.model_copy(
        update={"grade": Grade.POSSIBLE, "evidence": {**match.evidence, Field.MESSAGE: Note.TWO_PATIENTS}}
    )
