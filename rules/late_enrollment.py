"""What somebody missed before they were enrolled: kept events and whose they now are in, those to be told late out.

A person who joins the panel while in hospital, or within some days after discharge, gets the alert that could not be
given before: at once on a certain or probable match, and on a possible one when a person has said that it is them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from parsers.events import Event, EventKind
from parsers.people import Enrollee
from rules.decisions import Grade, Match

EVIDENCE: Final = "enrollment"  # key in `Match.evidence`
LATE: Final = "late"  # its value: the match was made after the event, by today's panel
_ENDS: Final = frozenset({EventKind.DISCHARGED})


class Missed(NamedTuple):
    event: Event
    match: Match

    @property
    def sure(self) -> bool:
        """Whether it is to be told now; otherwise a person is to be asked first."""
        return self.match.grade is not Grade.POSSIBLE


def late(match: Match) -> bool:
    """Whether the match was made because the person was enrolled after the event."""
    return match.evidence.get(EVIDENCE) == LATE


def missed(
    candidates: Iterable[tuple[Event, Match]], enrollees: Mapping[str, Enrollee], now: datetime, days: float
) -> list[Missed]:
    """Those of `candidates` to be decided now, or asked about (not `sure`), oldest first, marked as late.

    A stay counts when no discharge is known, or when it ended less than `days` ago; a person when enrolled on the day
    of `now`, which is local to its own zone, or later.
    """
    theirs = [
        Missed(event, match)
        for event, match in candidates
        if match.grade is not Grade.CERTAINLY_NOT and _enrolled(enrollees.get(match.enrollee_id or ""), now)
    ]
    since = now - timedelta(days=days)
    over = {
        (each.match.enrollee_id, key)
        for each in theirs
        if each.event.kind in _ENDS and each.event.occurred_at < since
        for key in each.event.stay_keys
    }
    found = [
        each
        for each in theirs
        if not (each.event.kind in _ENDS and each.event.occurred_at < since)
        and not any((each.match.enrollee_id, key) in over for key in each.event.stay_keys)
    ]
    return [
        Missed(event, match.model_copy(update={"evidence": {**match.evidence, EVIDENCE: LATE}}))
        for event, match in sorted(found, key=lambda each: each.event.message_id)
    ]


def _enrolled(enrollee: Enrollee | None, now: datetime) -> bool:
    return enrollee is not None and (enrollee.effective_to is None or enrollee.effective_to >= now.date())
