"""Decide: one event, whose it is and what is known in; what to tell whom, and what to remember, out.

Nothing here reads a clock or a store: the same arguments always give the same decision.
"""

from collections.abc import Sequence

from parsers.events import Event, EventKind
from rules.deciding.case import World
from rules.deciding.groups import KNOWN, Ids, Whose, known_after, part_id, together, unsure
from rules.deciding.merges import merge
from rules.deciding.moves import move, take_back
from rules.deciding.workspace import Desk, held, suppressed, unsaid
from rules.decisions import (
    Action,
    Decision,
    Grade,
    History,
    Match,
    Reason,
)
from rules.event_kinds import KINDS, About
from rules.stays.find import anew

__all__ = ["World", "decide", "unsure", "worth_asking"]


def decide(
    event: Event,
    match: Match,
    prior_match: Match | None,
    history: History,
    world: World,
    *,
    released: bool = False,
    further: Sequence[Whose] = (),
) -> Decision:
    """What `event` comes to. `released`: a person has decided a possible match, and `match` holds what they said.
    `further`: whose the groups of a message of several are, beyond the first."""
    if not event.groups:
        return _decide(event, match, prior_match, history, world, released, Ids(event.message_id, event.message_id))
    if history.seen and not released:
        return Decision(action=Action.SUPPRESS, reasons=(Reason.NOTHING_NEW,), duplicate=True)
    decisions: list[Decision] = []
    waiting: dict[int, str] = {}
    for number, (part, whose) in enumerate(zip(event.parts(), ((match, prior_match), *further), strict=True)):
        own = part_id(event.message_id, number)
        under = own if waiting else event.message_id
        decision = _decide(part, *whose, history, world, released, Ids(under, own))
        if decision.waits or decision.action is Action.HOLD:
            waiting[number] = under
        history = known_after(history, decision)
        decisions.append(decision)
    return together(decisions, waiting)


def _decide(
    event: Event,
    match: Match,
    prior_match: Match | None,
    history: History,
    world: World,
    released: bool,
    ids: Ids,
) -> Decision:
    """One event, or one group of it."""
    known, about = _enrollee_id(match, released), KINDS[event.kind].about
    if history.seen and not released and not (known and anew(event, known, history.stays)):
        return Decision(action=Action.SUPPRESS, reasons=(Reason.NOTHING_NEW,), duplicate=True)
    prior_known = _enrollee_id(prior_match, released) if prior_match else None
    if event.kind is EventKind.PERSON_MERGED and prior_known is not None and not released:
        known = _survivor(event, match, prior_match, prior_known)
    if known is None and match.grade is Grade.POSSIBLE and not released and not unsaid(event):
        former = prior_known if prior_known not in (match.enrollee_id, match.runner_up) else None
        if former and (event.kind is EventKind.PERSON_MERGED or about is About.MOVE):
            return take_back(Desk(event, match, history, world, released, ids), former)
        return held(event)
    if known is None and prior_known is None:
        return suppressed(Reason.MATCH_REJECTED if released else Reason.NOT_ON_PANEL)
    desk = Desk(event, match, history, world, released, ids)
    if about is About.MERGE:
        return merge(desk, known, prior_known)
    if about is About.MOVE:
        return move(desk, known, prior_known)
    if known is None:
        return suppressed(Reason.NOT_ON_PANEL)
    if about is About.LINK:
        return suppressed(Reason.IDENTITY_ONLY)
    if about is About.PERSON:
        return desk.person(known)
    return desk.stay(known)


def _enrollee_id(match: Match, released: bool) -> str | None:
    if match.grade in KNOWN or (released and match.grade is Grade.POSSIBLE):
        return match.enrollee_id
    return None


def _survivor(event: Event, match: Match, prior_match: Match | None, prior: str) -> str | None:
    """Whose the number that survives is by itself, None when it is not said: only what is certain overrules whose the
    number was that gives way, and a possible match with that same enrollee confirms it."""
    if match.grade is Grade.CERTAIN or prior_match is None:
        return _enrollee_id(match, released=False)
    if prior in (match.enrollee_id, match.runner_up) and match.grade is Grade.POSSIBLE:
        return prior
    if match.grade is Grade.PROBABLE and (not unsaid(event) or prior_match.grade is not Grade.CERTAIN):
        return match.enrollee_id
    return None


def worth_asking(event: Event) -> bool:
    """Whether a person is asked when `event` is only possibly about an enrollee."""
    return held(event).action is Action.HOLD
