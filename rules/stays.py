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

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from parsers.events import Diagnosis, EncounterClass, Event, EventKind, FacilityKind, Finding, Identifier, Visit
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
    HAND_OVER = "hand_over"  # a merge or a move: `rules.decide` gives the stay to whoever it belongs to
    NOTHING = "nothing"


_STATES: Final = tuple(State)


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

_DEATH_PLACES: Final = frozenset({"PID-29", "PID-30"})
_BLANK: Final[Mapping[str, Any]] = {"expected_discharge": None, "diagnoses": ()}

_STARTS: Final = frozenset({EventKind.ADMITTED, EventKind.REGISTERED, EventKind.CLASS_CHANGED})
_REGISTRATIONS: Final = frozenset({EventKind.ADMITTED, EventKind.REGISTERED})
_CANCELS: Final = frozenset(
    {EventKind.ADMIT_CANCELLED, EventKind.DISCHARGE_CANCELLED, EventKind.PLAN_CANCELLED, EventKind.TRANSFER_CANCELLED}
)
_TRANSFERS: Final = frozenset({EventKind.TRANSFERRED, EventKind.TRANSFER_CANCELLED})
_NUMBER_REUSED: Final = timedelta(days=3)  # a start so long after the discharge is another stay under the same number
_OPEN_FOR: Final = {
    EncounterClass.EMERGENCY: timedelta(days=3),
    EncounterClass.AMBULATORY: timedelta(days=1),
}  # how long an open stay takes in keyless starts
_OPEN_LONG: Final = timedelta(days=120)
_SAME_DISCHARGE: Final = timedelta(hours=12)
_AFTER_DISCHARGE: Final = timedelta(days=7)
_PLAN_NEAR: Final = timedelta(days=3)
_AFTER_CANCEL: Final = timedelta(hours=12)


class Step(NamedTuple):
    """What an event came to on its stay."""

    stay: Stay | None  # None: nothing is to be kept
    move: Move
    late: bool = False  # older than what the stay already knows: it wrote no register


def state_of(stay: Stay | None) -> State:
    return State.UNSEEN if stay is None else State(stay.status.value)


def find(event: Event, enrollee_id: str, stays: Iterable[Stay]) -> Stay | None:
    """The stay of this enrollee the event is about: by its keys, best first, then by what is open at the facility."""
    own = sorted(
        (stay for stay in stays if stay.enrollee_id == enrollee_id and not stay.merged_into),
        key=lambda stay: (stay.status != StayStatus.ENTERED_IN_ERROR, _begin(stay)),
        reverse=True,
    )
    number = visit_key(event)
    if event.prior and event.kind in _STARTS:  # A06 may say in MRG which visit became this one
        for former in (event.prior.visit, event.prior.account):
            for stay in own:
                if former and key_in(former, stay.keys):
                    return stay
    for key in event.stay_keys:
        for stay in own:
            if key_in(key, stay.keys) and not _other_number(number, stay) and not _used_again(event, stay, key, number):
                return stay
    places = {
        event.facility,
        event.visit.prior_facility if event.visit and event.kind in _TRANSFERS else event.facility,
    }
    near = [stay for stay in own if stay.facility in places or _assumed(event, stay)]
    for fits in (_ended_then, _is_open, _just_finished, _planned_now, _cancelled_just_now):
        for stay in near:
            if not _other_number(number, stay) and _same_sort(event, stay) and fits(event, stay):
                return stay
    return None


def visit_key(event: Event) -> Identifier | None:
    """The event's PV1-19 as a stay key, when it has one."""
    number = event.visit.number if event.visit else None
    if number is None or not event.stay_keys or event.stay_keys[0].value != number.value:
        return None
    return event.stay_keys[0]


def key_in(key: Identifier, keys: Iterable[Identifier]) -> bool:
    return any(key.value == other.value and key.system == other.system for other in keys)


def under(
    keys: tuple[Identifier, ...], former: Iterable[Identifier], now: Iterable[Identifier]
) -> tuple[Identifier, ...]:
    """The keys, and those of them that hold a former record number also with the one that takes its place.

    `visit+patient` and `account+patient` keys read `number@record number`, `admitted` keys `record number@time`
    (`parsers.adt`).
    """
    gone = {one.value for one in former}
    more: list[Identifier] = []
    for key in keys:
        head, _, tail = key.value.rpartition("@")
        sort = key.system.partition("|")[0]
        for one in now:
            if sort in ("visit+patient", "account+patient") and tail in gone:
                more.append(key.model_copy(update={"value": f"{head}@{one.value}"}))
            elif sort == "admitted" and head in gone:
                more.append(key.model_copy(update={"value": f"{one.value}@{tail}"}))
    return joined(keys, more)


def advance(event: Event, kind: EventKind, stay: Stay | None, enrollee_id: str, stay_id: str) -> Step:
    """The stay after an event of `kind` (the policy may read an update as a discharge)."""
    state = state_of(stay)
    move = TABLE[kind][state]
    if move in (Move.NOTHING, Move.HAND_OVER):
        return Step(stay, move, late=stay is not None and _Draft(stay, event).older("existence"))
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
    draft = _Draft(stay, event)
    late = _MOVES[move](draft, kind)
    draft.fill(content_late=late and not draft.newest)
    return Step(draft.done(), move, late)


class _Draft:
    """A stay being rewritten by one event."""

    def __init__(self, stay: Stay, event: Event) -> None:
        self.stay = stay
        self.event = event
        self.visit = event.visit or Visit()
        self.at = event.recorded_at.astimezone(UTC).isoformat()
        self.memory = dict(stay.memory)
        self.changed: dict[str, Any] = {}
        self.begins = False  # the event starts the stay, or starts it again
        self.newest = stay.last_recorded_at is None or event.recorded_at >= stay.last_recorded_at

    def older(self, register: str) -> bool:
        """The register has been written by a newer message."""
        return self.memory.get(register, "") > self.at

    def write(self, register: str, value: str = "") -> None:
        self.memory[register] = self.at
        if value:
            self.memory[f"{register}_is"] = value

    def set(self, **values: Any) -> None:
        self.changed.update(values)

    def get(self, name: str) -> Any:
        return self.changed.get(name, getattr(self.stay, name))

    def began(self, kind: EventKind) -> None:
        self.memory["began"] = "1"
        if not self.older("started"):
            self.write("started")
        if kind is not EventKind.REGISTERED:
            self.memory["admitted"] = "1"

    def put_class(self, kind: EventKind) -> None:
        found = self.visit.encounter_class
        if kind is EventKind.CLASS_CHANGED and found in (None, EncounterClass.UNKNOWN):
            found = EncounterClass.INPATIENT if self.event.trigger == "A06" else found or EncounterClass.AMBULATORY
        known: EncounterClass = self.get("encounter_class")
        if found is None or found is EncounterClass.PRE_ADMISSION:
            return
        if "class" in self.memory and self._steps_down(kind, found, known):
            return
        if found is EncounterClass.UNKNOWN and "class" in self.memory:
            keeps = RANK[known] > RANK[EncounterClass.EMERGENCY] or (
                kind is not EventKind.ADMITTED and known is not EncounterClass.UNKNOWN
            )
            if keeps:
                return
        if RANK[found] > RANK[self.get("highest_class")] or "class" not in self.memory:
            self.set(highest_class=found)
        was_in_ed = "ed" in self.memory
        if found is EncounterClass.EMERGENCY:
            self.memory["ed"] = "1"
        if found in (EncounterClass.EMERGENCY, EncounterClass.OBSERVATION):
            self.memory["hospital"] = "1"
        if self.older("class"):
            return
        if not was_in_ed and self._never_inpatient(kind, found, known):
            self.set(highest_class=found)
        self.set(encounter_class=found)
        self.write("class")

    def _steps_down(self, kind: EventKind, found: EncounterClass, known: EncounterClass) -> bool:
        """A registration said again lowers no class, and neither it nor a discharge makes an outpatient."""
        if self.begins or found is EncounterClass.UNKNOWN or known not in TOLD_CLASSES:
            return False
        if kind is EventKind.DISCHARGED:
            return found is EncounterClass.AMBULATORY
        return kind in _REGISTRATIONS and RANK[found] < RANK[known]

    @staticmethod
    def _never_inpatient(kind: EventKind, found: EncounterClass, known: EncounterClass) -> bool:
        """An update that turns an admission into an emergency visit corrects it: nobody goes from a ward to the ED."""
        return (
            kind is EventKind.UPDATED
            and found is EncounterClass.EMERGENCY
            and known in (EncounterClass.INPATIENT, EncounterClass.UNKNOWN)
        )

    def fill(self, content_late: bool) -> None:
        """Content: the newest message's word counts, an older one fills what is blank."""
        event, visit = self.event, self.visit
        overwrite = self.newest and not content_late
        for name, found, place in (
            ("disposition", visit.disposition, "PV1-36"),
            ("attending", visit.attending, "PV1-7"),
            ("unit", visit.unit, "PV1-3"),
            ("complaint", visit.complaint, "PV2-3"),
            ("diagnoses", visit.diagnoses or self._without_deleted(), "DG1-3"),
            ("expected_discharge", visit.expected_discharge, "PV2-9"),
        ):
            if found and (overwrite or not self.get(name)):
                self.set(**{name: found})
            elif overwrite and place in event.cleared:
                self.set(**{name: _BLANK.get(name, "")})
        admitted = visit.admitted_at
        begun: datetime | None = self.get("started_at")
        earlier = begun is None or (admitted is not None and admitted < begun)
        corrected = admitted is not None and overwrite and self._corrects_start()
        if admitted and self.get("status") is not StayStatus.PLANNED and (earlier or corrected):
            self.set(started_at=admitted)
        if visit.newborn:
            self.set(newborn=True)
        self._put_death(overwrite)
        if self.newest:
            self.set(last_recorded_at=event.recorded_at)
        if visit.admit_source:
            self.memory.setdefault("source", visit.admit_source)
        if number := visit_key(event):
            self.memory.setdefault("number", number.value)
        if any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes):
            self.memory["assumed"] = "1"
        self.set(
            keys=joined(self.stay.keys, event.stay_keys),
            patient_ids=joined(self.stay.patient_ids, event.patient.identifiers),
        )

    def _without_deleted(self) -> tuple[Diagnosis, ...]:
        gone = {(one.code, one.text if not one.code else "") for one in self.visit.diagnoses_deleted}
        known: tuple[Diagnosis, ...] = self.get("diagnoses")
        if gone and self.newest:
            left = tuple(one for one in known if (one.code, one.text if not one.code else "") not in gone)
            if left != known:
                self.set(diagnoses=left)
        return ()

    def _corrects_start(self) -> bool:
        """An update or a discharge that names another admission time (PV1-44) of a stay that has had one class only.

        A stay that rose from the ED counts from there, and PV1-44 is then often the time of the decision to admit.
        """
        one_class = self.get("highest_class") is self.get("encounter_class")
        seen = {EncounterClass.INPATIENT: "hospital", EncounterClass.OBSERVATION: "ed"}
        risen = seen.get(self.get("encounter_class"), "") in self.memory
        return self.event.kind in (EventKind.UPDATED, EventKind.DISCHARGED) and one_class and not risen

    def _put_death(self, overwrite: bool) -> None:
        """Died is who is said to have (PID-30, PID-29) or left as one who did (PV1-36), until that is taken back.

        PID-30 N is often sent for everybody, so it takes back only what PID said; another disposition takes back the
        one before, with what PID said along with it.
        """
        patient, memory = self.event.patient, self.memory
        before, now = self.stay.disposition in DIED_DISPOSITIONS, self.get("disposition") in DIED_DISPOSITIONS
        told = memory.get("death_is") == "Y" or ("death" not in memory and self.get("died") and not before)
        said = True if patient.deceased or patient.deceased_at else patient.deceased
        if said is None and not _DEATH_PLACES.isdisjoint(self.event.cleared):
            said = False
        if said is None and overwrite and before and not now and self.get("disposition"):
            said = False
        if said is not None and not self.older("death"):
            self.write("death", "Y" if said else "N")
            if told and not said and self.visit.disposition not in DIED_DISPOSITIONS and now:
                self.set(disposition="")
                now = False
            told = said
        self.set(died=told or now)

    def revive(self) -> None:
        """Begun, or gone on, after its end was taken back: what was said of that end no longer counts."""
        self.memory.pop("death", None)
        self.memory.pop("death_is", None)
        self.set(ended_at=None, disposition="", died=False)

    def done(self) -> Stay:
        changed = {name: value for name, value in self.changed.items() if value != getattr(self.stay, name)}
        if self.memory != self.stay.memory:
            changed["memory"] = self.memory
        return self.stay.model_copy(update=changed) if changed else self.stay


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
            "encounter_class": loser.encounter_class if "class" not in winner.memory else winner.encounter_class,
            "highest_class": max(winner.highest_class, loser.highest_class, key=RANK.__getitem__),
            "newborn": winner.newborn or loser.newborn,
            "planned": winner.planned or loser.planned,
            "died": winner.died or loser.died,
            "memory": {**loser.memory, **winner.memory},
        }
    )


MOST_KEYS: Final = 300  # of one stay; thrice what one message may name, and far beyond any real visit


def joined(known: tuple[Identifier, ...], more: Sequence[Identifier]) -> tuple[Identifier, ...]:
    new = [key for key in more if not key_in(key, known)]
    return (*known, *dict.fromkeys(new))[: max(MOST_KEYS, len(known))] if new else known


def _start(draft: _Draft, kind: EventKind) -> bool:
    tie_lost = draft.memory.get("existence") == draft.at and draft.memory.get("buried") == "1"
    if draft.older("existence") or tie_lost:
        draft.put_class(kind)
        return True
    visit = draft.visit
    if visit.encounter_class is EncounterClass.PRE_ADMISSION and kind is not EventKind.CLASS_CHANGED:
        return _plan(draft, kind)
    draft.begins = True
    again = draft.stay.status in DEAD
    if draft.stay.status is StayStatus.PLANNED:
        draft.set(planned=True)
    draft.write("existence")
    draft.memory.pop("buried", None)
    draft.began(kind)
    began = visit.admitted_at or draft.event.occurred_at
    draft.set(status=StayStatus.IN_PROGRESS)
    if again or draft.stay.started_at is None or draft.stay.status is StayStatus.PLANNED:
        draft.set(started_at=began)
    if again:
        draft.revive()
    draft.put_class(kind)
    return False


def _repeat(draft: _Draft, kind: EventKind) -> bool:
    late = draft.older("existence")
    if not late:
        draft.write("existence")
    draft.began(kind)
    draft.put_class(kind)
    return late


def _restart(draft: _Draft, kind: EventKind) -> bool:
    stay, visit = draft.stay, draft.visit
    found = visit.encounter_class
    if kind is EventKind.CLASS_CHANGED and draft.event.trigger == "A06":
        found = EncounterClass.INPATIENT
    higher = found is not None and RANK[found] > RANK[stay.encounter_class] and found in TOLD_CLASSES
    later = bool(visit.admitted_at and stay.ended_at and visit.admitted_at >= stay.ended_at)
    if draft.older("discharge") or draft.older("existence") or not (higher or later):
        late = draft.older("discharge") or "began" not in draft.memory
        draft.began(kind)
        draft.put_class(kind)
        return late
    draft.begins = True
    draft.began(kind)
    draft.write("existence")
    draft.write("discharge")
    draft.revive()
    draft.set(status=StayStatus.IN_PROGRESS)
    draft.put_class(kind)
    return False


def _finish(draft: _Draft, kind: EventKind) -> bool:
    status = draft.stay.status
    if draft.older("discharge") or (status in DEAD and draft.older("existence")):
        if not draft.older("existence"):
            draft.write("existence")
            if status in (StayStatus.UNKNOWN, StayStatus.CANCELLED):
                draft.set(status=StayStatus.IN_PROGRESS)
        draft.put_class(kind)
        return True
    if status in DEAD and draft.memory.get("existence") == draft.at:
        return True
    draft.write("discharge")
    if not draft.older("existence"):
        draft.write("existence")
        draft.memory.pop("buried", None)
    draft.set(status=StayStatus.FINISHED, ended_at=draft.visit.discharged_at or draft.event.occurred_at)
    draft.put_class(kind)
    return False


def _update(draft: _Draft, kind: EventKind) -> bool:
    if draft.stay.status is not StayStatus.PLANNED:
        draft.put_class(kind)
    if kind is EventKind.EXPECTED_CANCELLED:
        draft.set(expected_discharge=None)
    if (
        draft.stay.status is StayStatus.FINISHED
        and kind is EventKind.UPDATED
        and draft.newest
        and draft.visit.discharged_at
    ):
        draft.set(ended_at=draft.visit.discharged_at)
    return not draft.newest


def _plan(draft: _Draft, _kind: EventKind) -> bool:
    if draft.older("plan") or draft.older("existence"):
        return True
    draft.write("plan")
    draft.set(status=StayStatus.PLANNED, planned=True)
    when = draft.visit.expected_admit or draft.visit.admitted_at or draft.event.occurred_at
    draft.set(started_at=when, encounter_class=draft.visit.encounter_class or EncounterClass.PRE_ADMISSION)
    return False


def _unplan(draft: _Draft, _kind: EventKind) -> bool:
    if draft.older("plan"):
        return True
    draft.write("plan")
    draft.set(status=StayStatus.CANCELLED, planned=True)
    return False


def _reopen(draft: _Draft, kind: EventKind) -> bool:
    if draft.older("discharge"):
        return True
    draft.write("discharge")
    if draft.stay.status is StayStatus.FINISHED:
        draft.revive()
        draft.set(status=StayStatus.IN_PROGRESS)
    draft.put_class(kind)
    return False


def _leave(draft: _Draft, _kind: EventKind) -> bool:
    if draft.older("leave") or draft.older("discharge"):
        return True
    draft.write("leave")
    draft.set(status=StayStatus.ON_LEAVE)
    return False


def _return(draft: _Draft, kind: EventKind) -> bool:
    if draft.older("leave"):
        return True
    draft.write("leave")
    draft.set(status=StayStatus.IN_PROGRESS)
    draft.put_class(kind)
    return False


def _change_bed(draft: _Draft, kind: EventKind) -> bool:
    late = not draft.newest
    if not late and draft.event.facility != draft.stay.facility:
        draft.memory["facility_before"] = draft.stay.facility
        draft.memory["facility_kind_before"] = draft.stay.facility_kind.value
        draft.set(facility=draft.event.facility, facility_kind=draft.event.facility_kind)
    if not late:
        draft.memory["unit_before"] = draft.stay.unit
    draft.put_class(kind)
    return late


def _change_bed_back(draft: _Draft, _kind: EventKind) -> bool:
    if not draft.newest:
        return True
    before = draft.memory.pop("facility_before", "")
    if before:
        kind_before = FacilityKind(draft.memory.pop("facility_kind_before"))
        draft.set(facility=before, facility_kind=kind_before)
    draft.set(unit=draft.memory.pop("unit_before", draft.stay.unit))
    return False


def _cancel(draft: _Draft, kind: EventKind) -> bool:
    if draft.older("existence"):
        return True
    if "existence" not in draft.memory:
        draft.memory["buried"] = "1"
    draft.write("existence")
    draft.set(status=StayStatus.CANCELLED)
    draft.put_class(kind)
    return False


def _delete(draft: _Draft, _kind: EventKind) -> bool:
    if draft.older("started"):
        return True
    if "existence" not in draft.memory:
        draft.memory["buried"] = "1"
    draft.write("existence")
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


def _begin(stay: Stay) -> float:
    at = stay.started_at or stay.ended_at or stay.last_recorded_at
    return at.timestamp() if at else 0.0


def _other_number(number: Identifier | None, stay: Stay) -> bool:
    known = stay.memory.get("number", "")
    return bool(number and known and known != number.value and not key_in(number, stay.keys))


def _same_sort(event: Event, stay: Stay) -> bool:
    """A clinic visit is not the hospital stay that happens to be open, or was, at the same place."""
    found = event.visit.encounter_class if event.visit else None
    keyless_cancel = event.kind in _CANCELS and not (event.visit and event.visit.number)
    if found is None or event.kind is EventKind.CLASS_CHANGED or keyless_cancel or "class" not in stay.memory:
        return True
    in_hospital = stay.encounter_class in TOLD_CLASSES
    if stay.status is StayStatus.FINISHED:
        return in_hospital is (found in TOLD_CLASSES)
    return found in TOLD_CLASSES or not in_hospital


def _used_again(event: Event, stay: Stay, key: Identifier, number: Identifier | None) -> bool:
    """A start under a key of a stay that ended before it: account numbers and visit numbers do get re-used."""
    admitted = event.visit.admitted_at if event.visit else None
    if event.kind not in _STARTS or stay.status is not StayStatus.FINISHED or not (admitted and stay.ended_at):
        return False
    if key == number:
        return admitted > stay.ended_at + _NUMBER_REUSED
    return admitted > stay.ended_at


def _assumed(event: Event, stay: Stay) -> bool:
    if stay.feed != event.feed:
        return False
    return "assumed" in stay.memory or any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes)


def _ended_then(event: Event, stay: Stay) -> bool:
    """An update that names the minute a stay ended is about that one, whatever has begun since."""
    ended = event.visit.discharged_at if event.visit else None
    if event.kind is not EventKind.UPDATED or stay.status is not StayStatus.FINISHED or not (ended and stay.ended_at):
        return False
    return abs(ended - stay.ended_at) < timedelta(minutes=1)


def _is_open(event: Event, stay: Stay) -> bool:
    if stay.status not in OPEN and stay.status is not StayStatus.UNKNOWN:
        return False
    at = event.visit.admitted_at if event.visit and event.visit.admitted_at else event.occurred_at
    if event.kind is EventKind.DISCHARGED:
        at = event.visit.discharged_at if event.visit and event.visit.discharged_at else event.occurred_at
        return stay.started_at is None or at >= stay.started_at - timedelta(hours=1)
    since = stay.started_at or stay.last_recorded_at
    if since is None or event.kind not in _STARTS:
        return True
    return abs(at - since) <= _OPEN_FOR.get(stay.encounter_class, _OPEN_LONG)


def _just_finished(event: Event, stay: Stay) -> bool:
    if stay.status is not StayStatus.FINISHED or stay.ended_at is None:
        return False
    if event.kind is EventKind.DISCHARGED:
        at = event.visit.discharged_at if event.visit and event.visit.discharged_at else event.occurred_at
        return abs(at - stay.ended_at) <= _SAME_DISCHARGE
    if event.kind in _REGISTRATIONS:
        admitted = event.visit.admitted_at if event.visit else None
        if "began" not in stay.memory and stay.started_at is None:  # its discharge overtook it
            stayed = stay.ended_at - (admitted or event.occurred_at)
            return timedelta() <= stayed <= _OPEN_FOR.get(stay.encounter_class, _OPEN_LONG)
        return (
            admitted is not None
            and stay.started_at is not None
            and abs(admitted - stay.started_at) < timedelta(minutes=1)
        )
    if event.kind in (EventKind.UPDATED, EventKind.DISCHARGE_CANCELLED, EventKind.ADMIT_CANCELLED):
        return timedelta() <= event.recorded_at - stay.ended_at <= _AFTER_DISCHARGE
    return False


def _planned_now(event: Event, stay: Stay) -> bool:
    if stay.status is not StayStatus.PLANNED:
        return False
    if event.kind is EventKind.PLAN_CANCELLED:
        return True
    if event.kind not in (EventKind.ADMITTED, EventKind.PLANNED) or stay.started_at is None:
        return False
    return abs(event.occurred_at - stay.started_at) <= _PLAN_NEAR


def _cancelled_just_now(event: Event, stay: Stay) -> bool:
    """A start without a key, soon after the cancel of a stay of its class that never had one: that one is on again."""
    if event.kind not in _REGISTRATIONS or event.stay_keys or stay.keys or stay.status is not StayStatus.CANCELLED:
        return False
    same = event.visit is not None and event.visit.encounter_class is stay.encounter_class
    cancelled_at = stay.last_recorded_at
    return same and cancelled_at is not None and timedelta() < event.recorded_at - cancelled_at <= _AFTER_CANCEL
