"""A merge: the stays of what gives way go to what stays, and nobody is told twice."""

from parsers.events import EventKind, Identifier
from rules.deciding.versions import handed_on, retraction
from rules.deciding.workspace import Desk, has_number, unsaid
from rules.decisions import (
    Decision,
    Grade,
    Reason,
    Stay,
    StayStatus,
)
from rules.stays.draft import Step
from rules.stays.keys import joined, key_in, under
from rules.stays.moves import folded
from rules.stays.table import Move


def merge(desk: Desk, survivor: str | None, prior: str | None) -> Decision:
    """The stays of the identity, account or visit that gives way go to the one that stays; nobody is told twice."""
    event = desk.event
    if event.kind is EventKind.PERSON_MERGED:
        merge_person(desk, survivor, prior)
    else:
        merge_number(desk)
    desk.silent.append(Reason.MERGED if desk.written else Reason.IDENTITY_ONLY)
    return desk.decision()


def merge_person(desk: Desk, survivor: str | None, prior: str | None) -> None:
    """The number that survives belongs to whom the number that gives way belongs, unless it is said whose it is."""
    event = desk.event
    gone = event.prior.identifiers if event.prior else ()
    affected = desk.of_prior()
    if survivor is None and not unsaid(event):
        for stay in affected:
            if stay.enrollee_id == prior or prior is None:
                desk.take_away(stay, Reason.MERGED)
        desk.learn(gone, None)
        return
    heir = survivor or prior
    if heir is None:
        return
    desk.learn(gone, heir)
    if survivor is None or survivor == prior or desk.match.grade is Grade.CERTAIN:
        desk.learn(event.patient.identifiers, heir)
    desk.give_what_waited(heir)
    for kind, step in desk.catch_up(heir).values():
        desk.apply(kind, step, None, (Reason.IDENTITY_CORRECTED,))
    for stay in affected:
        if stay.registers.waits_for and stay.status is StayStatus.ENTERED_IN_ERROR:
            continue
        twin = desk.twin(stay, heir)
        if twin is not None:
            fold(desk, twin, stay)
            continue
        moved = stay.model_copy(
            update={
                "enrollee_id": heir,
                "patient_ids": joined(stay.patient_ids, event.patient.identifiers),
                "keys": joined(under(stay.keys, gone, event.patient.identifiers[:1]), renumbered(desk, stay)),
            }
        )
        if moved != stay:
            desk.keep(moved)
            desk.about = desk.about or moved.stay_id
        if stay.enrollee_id != heir:
            case = desk.case(event.kind, Step(moved, Move.HAND_OVER), stay)
            if case.living and (version := handed_on(case, desk.world)):
                desk.tell(version)


def renumbered(desk: Desk, stay: Stay) -> tuple[Identifier, ...]:
    """What a stay is called from now on, whose account gives way together with its person's number (A36)."""
    account = desk.event.prior.account if desk.event.prior else None
    if account is None or not has_number(stay, account):
        return ()
    return tuple(key for key in desk.event.stay_keys if key.system.startswith("account"))


def merge_number(desk: Desk) -> None:
    """A35, A41, A49: an account; A42, A50: a visit number."""
    event = desk.event
    visits = event.kind is EventKind.VISIT_MERGED
    gone = event.prior and (event.prior.visit if visits else event.prior.account)
    number = event.visit.number if visits and event.visit else event.patient.account
    if not gone or not number:
        return
    keys = tuple(key for key in event.stay_keys if number.value in (key.value, key.value.partition("@")[0]))
    losers = [stay for stay in desk.unmerged() if has_number(stay, gone)]
    winner = next((stay for stay in desk.unmerged() if any(key_in(key, stay.keys) for key in keys)), None)
    for stay in losers:
        if winner is not None and winner.stay_id != stay.stay_id:
            if winner.enrollee_id == stay.enrollee_id:
                winner = fold(desk, winner, stay)
            continue
        registers = stay.registers.model_copy(update={"number": number.value}) if visits else stay.registers
        desk.keep(stay.model_copy(update={"keys": joined(stay.keys, keys), "registers": registers}))
        desk.about = desk.about or stay.stay_id


def fold(desk: Desk, stay: Stay, other: Stay) -> Stay:
    """Two stays turn out to be one: the one people were told of stays, the first where both were."""
    living = [desk.is_living(stay), desk.is_living(other)]
    winner, loser = (other, stay) if living == [False, True] else (stay, other)
    merged = folded(winner, loser).model_copy(update={"enrollee_id": stay.enrollee_id})
    desk.keep(merged)
    gone = loser.model_copy(update={"status": StayStatus.ENTERED_IN_ERROR, "merged_into": winner.stay_id})
    desk.keep(gone)
    desk.about = desk.about or merged.stay_id
    if all(living):
        case = desk.case(desk.event.kind, Step(gone, Move.HAND_OVER), loser)
        desk.tell(retraction(case, desk.world, Reason.MERGED))
    return merged
