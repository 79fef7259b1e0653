"""A move of a person, an account or a visit: whose stays go where, who hears it was not them, and who hears now."""

from parsers.events import EventKind
from rules.deciding.workspace import Desk, has_number, held
from rules.decisions import (
    Action,
    Decision,
    Reason,
    Stay,
    StayStatus,
)
from rules.stays.draft import Step
from rules.stays.find import find
from rules.stays.keys import joined, key_in
from rules.stays.moves import advance
from rules.stays.places import same_facility
from rules.stays.table import OPEN, Move


def move(desk: Desk, target: str | None, source: str | None) -> Decision:
    """What was told of the wrong person is taken back there, and told here of the right one."""
    event = desk.event
    gone = event.prior.identifiers if event.prior else ()
    if event.kind is EventKind.PERSON_MOVED and target != source:
        desk.learn(gone, target)
    waited = desk.give_what_waited(target)
    caught_up = desk.catch_up(target) if target is not None else {}
    for kind, step in caught_up.values():
        desk.apply(kind, step, None, (Reason.IDENTITY_CORRECTED,))
    affected = moved(desk, source)
    for stay in affected:
        if stay.enrollee_id == target:
            own = joined(stay.patient_ids, event.patient.identifiers)
            if own != stay.patient_ids:
                desk.keep(stay.model_copy(update={"patient_ids": own}))
            desk.silent.append(Reason.IDENTITY_ONLY)
            continue
        copy = desk.hand_over(stay, target)
        if copy is not None:
            desk.apply(event.kind, Step(copy, Move.HAND_OVER), None, (Reason.IDENTITY_CORRECTED,))
    visit = event.visit
    if (
        not (affected or waited or caught_up)
        and target is not None
        and visit
        and visit.encounter_class
        and desk.enrolled(target)
    ):
        kind = EventKind.DISCHARGED if visit.discharged_at else EventKind.ADMITTED
        before = find(event, target, desk.stays.values())
        step = advance(event, kind, before, target, desk.new_id())
        desk.apply(kind, step, before, (Reason.IDENTITY_CORRECTED,))
    desk.silent.append(Reason.NOT_ON_PANEL if target is None else Reason.STAY_UNKNOWN)
    return desk.decision()


def moved(desk: Desk, source: str | None) -> list[Stay]:
    event = desk.event
    gone = event.prior.identifiers if event.prior else ()
    alive = [stay for stay in desk.unmerged() if stay.status is not StayStatus.ENTERED_IN_ERROR]
    of_source = [
        stay for stay in alive if stay.enrollee_id == source or any(key_in(key, gone) for key in stay.patient_ids)
    ]
    if event.kind is EventKind.PERSON_MOVED:
        return [stay for stay in desk.of_prior() if stay.status is not StayStatus.ENTERED_IN_ERROR]
    if event.kind is EventKind.ACCOUNT_MOVED:
        numbers = [event.patient.account, event.prior.account if event.prior else None]
    else:
        numbers = [event.visit.number if event.visit else None, event.prior.visit if event.prior else None]
    named = [number for number in numbers if number]
    numbered = [stay for stay in of_source or alive if any(has_number(stay, number) for number in named)]
    if numbered:
        return numbered
    here = [stay for stay in of_source if same_facility(stay.facility, event.facility) and stay.status in OPEN]
    return here if len(here) == 1 else []


def take_back(desk: Desk, former: str) -> Decision:
    """A move, or a merge, to somebody only possibly known: whoever was told of the former enrollee hears at once
    that it was not them; what the other is to be told waits."""
    event = desk.event
    merged = event.kind is EventKind.PERSON_MERGED
    for stay in desk.of_prior() if merged else moved(desk, former):
        if stay.enrollee_id == former:
            update = {"waits_for": desk.ids.waits_under, "was": stay.status.value}
            reason = Reason.MERGED if merged else Reason.MOVED_TO_ANOTHER_PERSON
            desk.take_away(stay.model_copy(update={"registers": stay.registers.model_copy(update=update)}), reason)
    if not desk.written:
        return held(event)
    if event.prior and event.kind in (EventKind.PERSON_MERGED, EventKind.PERSON_MOVED):
        desk.learn(event.prior.identifiers, None)
    taken = desk.decision()
    reasons = (Reason.POSSIBLE_MATCH, *(taken.reasons if taken.alerts else ()))
    action = Action.RETRACT if taken.alerts else Action.HOLD
    return taken.model_copy(update={"action": action, "reasons": reasons, "waits": True})
