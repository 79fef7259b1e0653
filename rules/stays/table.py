"""What an event does to a stay in each state: a total table, and what the states and classes are worth."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from parsers.events import EncounterClass, EventKind
from rules.decisions import Stay, StayStatus


class State(StrEnum):
    """Where a stay is before an event; every status, and that there is none yet."""

    UNSEEN = "unseen"
    UNKNOWN = "unknown"
    PLANNED = "planned"
    IN_PROGRESS = "in-progress"
    ON_LEAVE = "onleave"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered-in-error"


class Move(StrEnum):
    """What an event does to a stay."""

    START = "start"  # it begins, or begins again after it was cancelled
    REPEAT = "repeat"  # a start of a stay that has begun: its content counts
    RESTART = "restart"  # a start after the discharge: another start if it says so, else a repeat
    PLAN = "plan"
    UNPLAN = "unplan"
    FINISH = "finish"
    UPDATE = "update"  # content only
    NOTE = "note"  # content of a stay nobody has told us the start of; an outpatient's is not worth keeping
    REOPEN = "reopen"
    LEAVE = "leave"
    RETURN = "return"
    CHANGE_BED = "change_bed"
    CHANGE_BED_BACK = "change_bed_back"
    CANCEL = "cancel"
    DELETE = "delete"
    HAND_OVER = "hand_over"  # a merge or a move: `rules.deciding.decide` gives the stay to whoever it belongs to
    NOTHING = "nothing"


_STATES: Final = tuple(State)
_OF_STATUS: Final = {status: State(status) for status in StayStatus}


def _row(*moves: Move) -> Mapping[State, Move]:
    return dict(zip(_STATES, moves, strict=True))


# fmt: off
_S, _R, _A, _P, _F, _U, _N = Move.START, Move.REPEAT, Move.RESTART, Move.PLAN, Move.FINISH, Move.UPDATE, Move.NOTE
_O, _L, _B, _X, _Y = Move.REOPEN, Move.LEAVE, Move.RETURN, Move.CHANGE_BED, Move.CHANGE_BED_BACK
_C, _D, _Q, _H, __ = Move.CANCEL, Move.DELETE, Move.UNPLAN, Move.HAND_OVER, Move.NOTHING
TABLE: Final[Mapping[EventKind, Mapping[State, Move]]] = {
    # kind                             unseen unkn. plan. in-p. leave fin.  canc. error
    EventKind.ADMITTED:            _row(_S,   _S,   _S,   _R,   _B,   _A,   _S,   _S),
    EventKind.REGISTERED:          _row(_S,   _S,   _S,   _R,   _B,   _A,   _S,   _S),
    EventKind.CLASS_CHANGED:       _row(_S,   _S,   _S,   _R,   _R,   _A,   _S,   __),
    EventKind.DISCHARGED:          _row(_F,   _F,   _F,   _F,   _F,   _F,   _F,   __),
    EventKind.TRANSFERRED:         _row(_N,   _X,   _X,   _X,   _X,   _U,   __,   __),
    EventKind.TRANSFER_CANCELLED:  _row(__,   _Y,   _Y,   _Y,   _Y,   _Y,   __,   __),
    EventKind.UPDATED:             _row(_N,   _U,   _U,   _U,   _U,   _U,   _U,   __),
    EventKind.DISCHARGE_EXPECTED:  _row(_N,   _U,   _U,   _U,   _U,   _U,   __,   __),
    EventKind.EXPECTED_CANCELLED:  _row(__,   _U,   _U,   _U,   _U,   _U,   __,   __),
    EventKind.LEFT_ON_LEAVE:       _row(_N,   _U,   _U,   _L,   _L,   __,   __,   __),
    EventKind.BACK_FROM_LEAVE:     _row(_N,   _U,   _U,   _U,   _B,   __,   __,   __),
    EventKind.ADMIT_CANCELLED:     _row(_C,   _C,   _C,   _C,   _C,   _C,   _C,   __),
    EventKind.DISCHARGE_CANCELLED: _row(_O,   _O,   _O,   _O,   _O,   _O,   _O,   __),
    EventKind.PLANNED:             _row(_P,   _P,   _P,   _U,   _U,   __,   _P,   __),
    EventKind.PLAN_CANCELLED:      _row(_Q,   _Q,   _Q,   __,   __,   __,   __,   __),
    EventKind.VISIT_DELETED:       _row(_D,   _D,   _D,   _D,   _D,   _D,   _D,   __),
    EventKind.PERSON_DELETED:      _row(__,   _D,   _D,   _D,   _D,   _D,   _D,   __),
    EventKind.PERSON_UPDATED:      _row(__,   __,   __,   _U,   _U,   _U,   __,   __),
    EventKind.PERSON_MERGED:       _row(__,   _H,   _H,   _H,   _H,   _H,   _H,   __),
    EventKind.ACCOUNT_MERGED:      _row(__,   _H,   _H,   _H,   _H,   _H,   _H,   __),
    EventKind.VISIT_MERGED:        _row(__,   _H,   _H,   _H,   _H,   _H,   _H,   __),
    EventKind.PERSON_MOVED:        _row(__,   _H,   _H,   _H,   _H,   _H,   _H,   __),
    EventKind.ACCOUNT_MOVED:       _row(__,   _H,   _H,   _H,   _H,   _H,   _H,   __),
    EventKind.VISIT_MOVED:         _row(__,   _H,   _H,   _H,   _H,   _H,   _H,   __),
    EventKind.LINKED:              _row(__,   __,   __,   __,   __,   __,   __,   __),
    EventKind.UNLINKED:            _row(__,   __,   __,   __,   __,   __,   __,   __),
}
# fmt: on
assert TABLE.keys() == set(EventKind), "a kind of event without its moves"
TOLD_CLASSES: Final = frozenset(
    {EncounterClass.EMERGENCY, EncounterClass.OBSERVATION, EncounterClass.INPATIENT, EncounterClass.UNKNOWN}
)
RANK: Final[Mapping[EncounterClass, int]] = {
    EncounterClass.PRE_ADMISSION: 0,
    EncounterClass.AMBULATORY: 1,
    EncounterClass.UNKNOWN: 2,
    EncounterClass.EMERGENCY: 3,
    EncounterClass.OBSERVATION: 4,
    EncounterClass.INPATIENT: 5,
}
DEAD: Final = frozenset({StayStatus.CANCELLED, StayStatus.ENTERED_IN_ERROR})
OPEN: Final = frozenset({StayStatus.IN_PROGRESS, StayStatus.ON_LEAVE})
DIED_DISPOSITIONS: Final = frozenset({"20", "40", "41", "42"})  # HL7 table 0112, UB-04 form locator 17
ADMITTED_HERE: Final = "09"  # HL7 table 0112: admitted as an inpatient to this hospital
FROM_EMERGENCY: Final = "7"  # HL7 table 0023: admission source emergency room


def state_of(stay: Stay | None) -> State:
    """Of a record that was deleted with its person (A29) the hospital may go on: it is as one that was cancelled."""
    if stay is not None and stay.status is StayStatus.ENTERED_IN_ERROR and stay.registers.deleted_with_person:
        return State.CANCELLED
    return State.UNSEEN if stay is None else _OF_STATUS[stay.status]
