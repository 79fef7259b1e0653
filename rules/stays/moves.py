"""The stay machine: one event and the stay it is about in, the stay as it is afterwards out.

Theory. A stay is known only through messages, which come late, twice, or never. So a stay is four registers, each
written by the newest message (by `recorded_at`, the order in which the sender learned things) that speaks of it:

    existence   a start (A01, A04, A06, A07) or a discharge against a cancel (A11); a delete (A23, A29) against starts
    discharge   A03 against A13
    leave       A21, A53 against A22, A52
    class       whatever PV1-2 says, in any message

`State` is what the registers come to. `TABLE` says for every kind of event and every state which `Move` follows when
the event is in order; an event older than the register it wants to write is late, and a late event writes no
register: it only fills what is still blank. Hence, for messages with different `recorded_at`, starts, updates,
discharges and their cancels end in the same status whatever order they arrive in. The theory does not claim this for
leaves, for plans, or for a second start after a discharge; there the order of arrival counts.

What tells nobody anything by itself (an update of a stay never heard of) is kept as `unknown`, so that the start that
comes after it finds it.
"""

from typing import Final

from parsers.events import EncounterClass, Event, EventKind
from rules.decisions import Stay, StayStatus
from rules.stays.draft import Draft, Step
from rules.stays.keys import joined
from rules.stays.places import same_facility
from rules.stays.table import DEAD, RANK, TABLE, TOLD_CLASSES, Move, state_of


def advance(event: Event, kind: EventKind, stay: Stay | None, enrollee_id: str, stay_id: str) -> Step:
    """The stay after an event of `kind` (the policy may read an update as a discharge)."""
    state = state_of(stay)
    move = TABLE[kind][state]
    if move in (Move.NOTHING, Move.HAND_OVER):
        existence = stay.registers.existence if stay else None
        return Step(stay, move, late=existence is not None and existence > event.recorded_at)
    if move is Move.NOTE and (event.visit is None or event.visit.encounter_class not in TOLD_CLASSES):
        return Step(None, move)
    if stay is None:
        stay = Stay(
            stay_id=stay_id,
            enrollee_id=enrollee_id,
            facility=event.facility,
            facility_kind=event.facility_kind,
            feed=event.feed,
            status=StayStatus.UNKNOWN,
            opened_by=event.message_id,
        )
    draft = Draft(stay, event)
    if draft.about_the_emergency_visit():
        draft.fill(content_late=True)
        return Step(draft.done(), Move.UPDATE)
    late = _MOVES[move](draft, kind)
    draft.fill(content_late=late and not draft.newest)
    return Step(draft.done(), move, late)


def folded(winner: Stay, loser: Stay) -> Stay:
    """Two stays that are one visit: the winner's word counts, the loser's fills what is blank."""
    begun = loser.status not in DEAD and loser.status not in (StayStatus.UNKNOWN, StayStatus.PLANNED)
    behind = winner.status in (StayStatus.UNKNOWN, StayStatus.PLANNED) and begun
    started = [at for at in (winner.started_at, loser.started_at) if at]
    filled = {
        name: getattr(winner, name) or getattr(loser, name)
        for name in ("disposition", "diagnoses", "complaint", "attending", "unit", "expected_discharge")
    }
    return winner.model_copy(
        update={
            **filled,
            "keys": joined(winner.keys, loser.keys),
            "patient_ids": joined(winner.patient_ids, loser.patient_ids),
            "started_at": min(started) if started else None,
            "status": loser.status if behind else winner.status,
            "ended_at": loser.ended_at if behind else winner.ended_at,
            "encounter_class": (winner if winner.registers.encounter_class else loser).encounter_class,
            "highest_class": max(winner.highest_class, loser.highest_class, key=RANK.__getitem__),
            "newborn": winner.newborn or loser.newborn,
            "planned": winner.planned or loser.planned,
            "died": winner.died or loser.died,
            "registers": winner.registers.over(loser.registers),
        }
    )


def _start(draft: Draft, kind: EventKind) -> bool:
    tie_lost = draft.registers.existence == draft.at and draft.registers.buried
    if draft.older(draft.registers.existence) or tie_lost:
        draft.put_class(kind)
        return True
    visit = draft.visit
    if visit.encounter_class is EncounterClass.PRE_ADMISSION and kind is not EventKind.CLASS_CHANGED:
        return _plan(draft, kind)
    draft.begins = True
    again = draft.stay.status in DEAD
    if draft.stay.status is StayStatus.PLANNED:
        draft.set(planned=True)
    draft.registers.existence = draft.at
    draft.registers.buried = False
    draft.registers.deleted_with_person = False
    draft.began(kind)
    began = visit.admitted_at or draft.event.occurred_at
    draft.set(status=StayStatus.IN_PROGRESS)
    if again or draft.stay.started_at is None or draft.stay.status is StayStatus.PLANNED:
        draft.set(started_at=began)
    if again:
        draft.revive()
    draft.put_class(kind)
    return False


def _repeat(draft: Draft, kind: EventKind) -> bool:
    late = draft.older(draft.registers.existence)
    if not late:
        draft.registers.existence = draft.at
    draft.began(kind)
    draft.put_class(kind)
    return late


def _restart(draft: Draft, kind: EventKind) -> bool:
    stay, visit = draft.stay, draft.visit
    sent_class = visit.encounter_class
    if kind is EventKind.CLASS_CHANGED and draft.event.trigger == "A06":
        sent_class = EncounterClass.INPATIENT
    higher = sent_class is not None and RANK[sent_class] > RANK[stay.encounter_class] and sent_class in TOLD_CLASSES
    later = bool(visit.admitted_at and stay.ended_at and visit.admitted_at >= stay.ended_at)
    if draft.older(draft.registers.discharge) or draft.older(draft.registers.existence) or not (higher or later):
        late = draft.older(draft.registers.discharge) or not draft.registers.began
        draft.began(kind)
        draft.put_class(kind)
        return late
    draft.begins = True
    draft.began(kind)
    draft.registers.existence = draft.at
    draft.registers.discharge = draft.at
    draft.revive()
    draft.set(status=StayStatus.IN_PROGRESS)
    draft.put_class(kind)
    return False


def _finish(draft: Draft, kind: EventKind) -> bool:
    status = draft.stay.status
    if draft.older(draft.registers.discharge) or (status in DEAD and draft.older(draft.registers.existence)):
        if not draft.older(draft.registers.existence):
            draft.registers.existence = draft.at
            if status is StayStatus.UNKNOWN or status in DEAD:
                draft.set(status=StayStatus.IN_PROGRESS)
        draft.put_class(kind)
        return True
    if status in DEAD and draft.registers.existence == draft.at:
        return True
    draft.registers.discharge = draft.at
    if not draft.older(draft.registers.existence):
        draft.registers.existence = draft.at
        draft.registers.buried = False
        draft.registers.deleted_with_person = False
    draft.set(status=StayStatus.FINISHED, ended_at=draft.ended() or draft.event.recorded_at)
    draft.put_class(kind)
    return False


def _update(draft: Draft, kind: EventKind) -> bool:
    if draft.stay.status is not StayStatus.PLANNED:
        draft.put_class(kind)
    if kind is EventKind.EXPECTED_CANCELLED:
        draft.set(expected_discharge=None)
    if (
        draft.stay.status is StayStatus.FINISHED
        and kind is EventKind.UPDATED
        and draft.newest
        and (ended := draft.ended())
    ):
        draft.set(ended_at=ended)
    return not draft.newest


def _plan(draft: Draft, _kind: EventKind) -> bool:
    if draft.older(draft.registers.plan) or draft.older(draft.registers.existence):
        return True
    draft.registers.plan = draft.at
    draft.set(status=StayStatus.PLANNED, planned=True)
    when = draft.visit.expected_admit or draft.visit.admitted_at or draft.event.occurred_at
    draft.set(started_at=when, encounter_class=draft.visit.encounter_class or EncounterClass.PRE_ADMISSION)
    return False


def _unplan(draft: Draft, _kind: EventKind) -> bool:
    if draft.older(draft.registers.plan):
        return True
    draft.registers.plan = draft.at
    draft.set(status=StayStatus.CANCELLED, planned=True)
    return False


def _reopen(draft: Draft, kind: EventKind) -> bool:
    if draft.older(draft.registers.discharge):
        return True
    draft.registers.discharge = draft.at
    if draft.stay.status is StayStatus.FINISHED:
        draft.revive()
        draft.set(status=StayStatus.IN_PROGRESS)
    draft.put_class(kind)
    return False


def _leave(draft: Draft, _kind: EventKind) -> bool:
    if draft.older(draft.registers.leave) or draft.older(draft.registers.discharge):
        return True
    draft.registers.leave = draft.at
    draft.set(status=StayStatus.ON_LEAVE)
    return False


def _return(draft: Draft, kind: EventKind) -> bool:
    if draft.older(draft.registers.leave):
        return True
    draft.registers.leave = draft.at
    draft.set(status=StayStatus.IN_PROGRESS)
    draft.put_class(kind)
    return False


def _change_bed(draft: Draft, kind: EventKind) -> bool:
    late = not draft.newest
    place = draft.registers.place
    elsewhere = not same_facility(draft.event.facility, draft.stay.facility)
    if not late and elsewhere and place in (None, draft.event.facility_from):
        draft.registers.facility_before = draft.stay.facility
        draft.registers.facility_kind_before = draft.stay.facility_kind
        draft.set(facility=draft.event.facility, facility_kind=draft.event.facility_kind)
    if not late:
        draft.registers.unit_before = draft.stay.unit
    draft.put_class(kind)
    return late


def _change_bed_back(draft: Draft, _kind: EventKind) -> bool:
    if not draft.newest:
        return True
    registers = draft.registers
    if registers.facility_before:
        draft.set(facility=registers.facility_before, facility_kind=registers.facility_kind_before)
        registers.facility_before, registers.facility_kind_before = "", None
    if registers.unit_before is not None:
        draft.set(unit=registers.unit_before)
        registers.unit_before = None
    return False


def _cancel(draft: Draft, kind: EventKind) -> bool:
    if draft.older(draft.registers.existence):
        return True
    if draft.registers.existence is None:
        draft.registers.buried = True
    draft.registers.existence = draft.at
    if draft.back_to_emergency():
        return False
    if draft.stay.status is not StayStatus.ENTERED_IN_ERROR:
        draft.set(status=StayStatus.CANCELLED)
    draft.put_class(kind)
    return False


def _delete(draft: Draft, kind: EventKind) -> bool:
    person = kind is EventKind.PERSON_DELETED
    if draft.older(draft.registers.started) or (person and draft.older(draft.registers.discharge)):
        return True
    if draft.registers.existence is None:
        draft.registers.buried = True
    draft.registers.existence = draft.at
    if person and draft.stay.status is not StayStatus.ENTERED_IN_ERROR:
        draft.registers.deleted_with_person = True
    elif not person:
        draft.registers.deleted_with_person = False
    draft.set(status=StayStatus.ENTERED_IN_ERROR)
    return False


_MOVES: Final = {
    Move.START: _start,
    Move.REPEAT: _repeat,
    Move.RESTART: _restart,
    Move.PLAN: _plan,
    Move.UNPLAN: _unplan,
    Move.FINISH: _finish,
    Move.UPDATE: _update,
    Move.NOTE: _update,
    Move.REOPEN: _reopen,
    Move.LEAVE: _leave,
    Move.RETURN: _return,
    Move.CHANGE_BED: _change_bed,
    Move.CHANGE_BED_BACK: _change_bed_back,
    Move.CANCEL: _cancel,
    Move.DELETE: _delete,
}
