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
from rules.policy.policy import Policy


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
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_ACCOUNT_REUSED: Final = timedelta(hours=1)  # a start without PV1-44 so long after the discharge, same account
_ACCOUNT_OPEN: Final = timedelta(days=3)
_BOARDING: Final = timedelta(days=30)  # how long an emergency visit may wait for a bed under one visit number
_ARRIVALS_APART: Final = timedelta(hours=4)
_ADMISSIONS_APART: Final = timedelta(hours=12)
_RISEN: Final = frozenset({EncounterClass.OBSERVATION, EncounterClass.INPATIENT})
_BEFORE_ADMISSION: Final = frozenset({EncounterClass.EMERGENCY, EncounterClass.OBSERVATION})
_GOING_ON: Final = _STARTS | {EventKind.UPDATED, EventKind.TRANSFERRED, EventKind.DISCHARGED}
_ABOUT_ONE_STAY: Final = (
    _STARTS
    | _CANCELS
    | {
        EventKind.DISCHARGED,
        EventKind.TRANSFERRED,
        EventKind.UPDATED,
        EventKind.PLANNED,
        EventKind.DISCHARGE_EXPECTED,
        EventKind.EXPECTED_CANCELLED,
        EventKind.LEFT_ON_LEAVE,
        EventKind.BACK_FROM_LEAVE,
        EventKind.VISIT_DELETED,
    }
)
_MEANWHILE: Final = _TRANSFERS | {EventKind.UPDATED, EventKind.LEFT_ON_LEAVE, EventKind.BACK_FROM_LEAVE}
_PLACING: Final = _STARTS | {EventKind.UPDATED, EventKind.DISCHARGED, EventKind.TRANSFERRED}
_PERSON_DELETED: Final = "person_deleted"  # in a stay's memory: undone by an A29 only
_FORMER: Final = "former"  # in a stay's memory: numbers and accounts of the emergency visit that became the admission
_BEFORE: Final = "before"  # and what that visit was, for when the admission is cancelled
_SEPARATOR: Final = "\x1f"
SAID: Final = "said"  # and the fingerprint of the newest message applied
ADMITTED_HERE: Final = "09"  # HL7 table 0112: admitted as an inpatient to this hospital
FROM_EMERGENCY: Final = "7"  # HL7 table 0023: admission source emergency room


class Step(NamedTuple):
    """What an event came to on its stay."""

    stay: Stay | None  # None: nothing is to be kept
    move: Move
    late: bool = False  # older than what the stay already knows: it wrote no register


def state_of(stay: Stay | None) -> State:
    """Of a record that was deleted with its person (A29) the hospital may go on: it is as one that was cancelled."""
    if stay is not None and stay.status is StayStatus.ENTERED_IN_ERROR and _PERSON_DELETED in stay.memory:
        return State.CANCELLED
    return State.UNSEEN if stay is None else State(stay.status.value)


def find(event: Event, enrollee_id: str, stays: Iterable[Stay]) -> Stay | None:
    """The stay of this enrollee the event is about: by its keys, best first, then the emergency visit it goes on from,
    then by what is open at the facility.

    Where the line is drawn. Another visit number is another stay, so is another account where a visit number is
    missing, and so is an admission (PV1-44, else when a start happened) too far from the stay's: under the same visit
    number days, without one hours. The one exception is an emergency or observation visit that becomes an admission
    under a number of its own: one stay while the first is still open, and a day after it ended where it ended as
    "admitted here" (disposition 09), or without any disposition and the account, the admission source or the hour
    say that it went on. Days between them, or a way home in between, are two stays.
    """
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
    begun = next((key for key in event.stay_keys if key.system.startswith("admitted|")), None)
    for key in event.stay_keys:
        found = [
            stay
            for stay in own
            if _has_key(key, stay) and not _other_number(number, stay) and not _another_time(event, stay, key)
        ]
        if found:
            return next((stay for stay in found if begun and key_in(begun, stay.keys)), found[0])
    for stay in own:
        if _also_numbered(event, stay) and not _another_time(event, stay, number):
            return stay
    near = [stay for stay in own if _near(event, stay)]
    same = [
        stay
        for stay in near
        if not _other_number(number, stay) and not _other_account(event, stay) and _same_sort(event, stay)
    ]
    if event.visit and event.visit.encounter_class in TOLD_CLASSES:  # a clinic visit that is open, too, comes last
        same.sort(key=lambda stay: "class" in stay.memory and stay.encounter_class not in TOLD_CLASSES)
    if admitted := event.visit.admitted_at if event.visit else None:
        same.sort(key=lambda stay: abs(admitted - (stay.started_at or admitted)))
    for among, fits in (
        (same, _ended_then),
        (near, _goes_on),
        (near, _came_before),
        (same, _while_it_lasted),
        (same, _is_open),
        (same, _just_finished),
        (same, _planned_now),
        (near, _was_planned),
        (same, _cancelled_just_now),
        (same, _deleted_with_the_person),
        ([stay for stay in own if _moved_and_left(event, stay)], _is_open),
    ):
        for stay in among:
            if fits(event, stay):
                return stay
    return None


def anew(event: Event, enrollee_id: str, stays: Sequence[Stay]) -> bool:
    """Whether an event that says word for word what one said before is no repeat: something else about the stay was
    decided since, and this was learned after that (a feed without EVN-2 that cancels, and admits again)."""
    if event.kind not in _ABOUT_ONE_STAY or event.recorded_from == "EVN-2":
        return False
    stay = find(event, enrollee_id, stays)
    known = [
        other.last_recorded_at
        for other in stays
        if other.enrollee_id == enrollee_id and other.last_recorded_at and (other is stay or _near(event, other))
    ]
    if not known or event.recorded_at <= max(known):
        return False
    return event.kind in _STARTS if stay is None else stay.memory.get(SAID, "") not in ("", event.fingerprint)


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
    (`parsers.hl7.adt`).
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
    if draft.about_the_emergency_visit():
        draft.fill(content_late=True)
        return Step(draft.done(), Move.UPDATE)
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

        self._handles()

    def _handles(self) -> None:
        """The visit number and account in force; an emergency visit's give way to those of what it became."""
        rises, before = _rises(self.event, self.stay), _came_before(self.event, self.stay)
        for name, handle in _handles_of(self.event).items():
            known = self.memory.get(name, "")
            if handle in (known, *self.former):
                continue
            if not known:
                self.memory[name] = handle
            elif rises:
                self._former(known)
                self.memory[name] = handle
                ended = self.stay.ended_at.isoformat() if self.stay.ended_at else ""
                was = (self.stay.encounter_class.value, ended, self.stay.disposition)
                self.memory[_BEFORE] = _SEPARATOR.join(
                    (*was, self.stay.memory.get("number", ""), self.stay.memory.get("account", ""))
                )
            elif before:
                self._former(handle)

    def _former(self, handle: str) -> None:
        self.memory[_FORMER] = _SEPARATOR.join((*self.former, handle))

    @property
    def former(self) -> tuple[str, ...]:
        """Visit numbers and accounts of the emergency visit that became this admission."""
        return tuple(filter(None, self.memory.get(_FORMER, "").split(_SEPARATOR)))

    def about_the_emergency_visit(self) -> bool:
        """What is said of the emergency visit that became this admission ends, reopens or cancels no admission: what
        comes under its number (else its account), and its end as "admitted here"."""
        handles = _handles_of(self.event)
        handle = handles.get("number") or handles.get("account")
        if handle and handle in self.former:
            return True
        return (
            self.event.kind is EventKind.DISCHARGED
            and self.visit.disposition == ADMITTED_HERE
            and self.stay.encounter_class in _RISEN
            and self.stay.status in OPEN
            and self.visit.encounter_class not in _RISEN
        )

    def back_to_emergency(self) -> bool:
        """The admission that an emergency visit became is cancelled: the visit is what it was before."""
        before = self.memory.pop(_BEFORE, "")
        if not before:
            return False
        found, ended, disposition, number, account = before.split(_SEPARATOR)
        for name, handle in (("number", number), ("account", account)):
            if handle:
                self.memory[name] = handle
        self.memory[_FORMER] = _SEPARATOR.join(one for one in self.former if one not in (number, account))
        self.set(
            encounter_class=EncounterClass(found),
            highest_class=EncounterClass(found),
            status=StayStatus.FINISHED if ended else StayStatus.IN_PROGRESS,
            ended_at=datetime.fromisoformat(ended) if ended else None,
            disposition=disposition,
        )
        return True

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
        if found is EncounterClass.EMERGENCY:
            self.memory["ed"] = "1"
        if found in (EncounterClass.EMERGENCY, EncounterClass.OBSERVATION):
            self.memory["hospital"] = "1"
        if self.older("class"):
            return
        if self._corrects(kind, found):
            self.set(highest_class=found)
        self.set(encounter_class=found)
        self.write("class")

    def _corrects(self, kind: EventKind, found: EncounterClass) -> bool:
        """An update within a day of the higher class says it never was one; later, the stay has been what it was."""
        highest = self.get("highest_class")
        first = self.memory.setdefault("highest", self.at)
        if RANK[found] >= RANK[highest]:
            if highest != self.stay.highest_class or RANK[found] > RANK[self.stay.highest_class]:
                self.memory["highest"] = self.at
            return False
        soon = self.event.recorded_at - datetime.fromisoformat(first) <= _DAY
        return kind is EventKind.UPDATED and found is not EncounterClass.UNKNOWN and soon

    def _steps_down(self, kind: EventKind, found: EncounterClass, known: EncounterClass) -> bool:
        """A registration said again lowers no class, and neither it nor a discharge makes an outpatient."""
        if self.begins or found is EncounterClass.UNKNOWN or known not in TOLD_CLASSES:
            return False
        if kind is EventKind.DISCHARGED:
            return found is EncounterClass.AMBULATORY
        return kind in _REGISTRATIONS and RANK[found] < RANK[known]

    def fill(self, content_late: bool) -> None:
        """Content: the newest message's word counts, an older one fills what is blank."""
        event, visit = self.event, self.visit
        overwrite = self.newest and not content_late
        own = not self.about_the_emergency_visit()
        for name, found, place in (
            ("disposition", visit.disposition if own else "", "PV1-36"),
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
        if self.newest:
            self.memory[SAID] = event.fingerprint
        self._place()
        if any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes):
            self.memory["assumed"] = "1"
        keys = event.stay_keys
        if visit.alternate_number and (number := visit_key(event)):
            keys = (*keys, number.model_copy(update={"value": visit.alternate_number.value}))
        self.set(
            keys=joined(self.stay.keys, keys),
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

    def _place(self) -> None:
        """The facility, when a message that is no transfer names another one: moved, or only named more exactly.

        A place named less exactly than before (MSH-4 for PV1-3.4) is no other place.
        """
        event = self.event
        place = self.memory.setdefault("place", event.facility_from)
        self.memory.setdefault("sender", event.sender)
        if not self.newest or event.kind not in _PLACING or event.facility == self.get("facility"):
            return
        if self.about_the_emergency_visit() or any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes):
            return
        exact = event.facility_from == "PV1-3.4"
        if place != event.facility_from:
            if not exact:
                return
            self.memory["named"] = event.facility
        self.memory["place"] = event.facility_from
        self.set(facility=event.facility, facility_kind=event.facility_kind)

    def done(self) -> Stay:
        changed = {name: value for name, value in self.changed.items() if value != getattr(self.stay, name)}
        if self.memory != self.stay.memory:
            changed["memory"] = self.memory
        return self.stay.model_copy(update=changed) if changed else self.stay


def unheard_since(stay: Stay, policy: Policy, now: datetime) -> datetime | None:
    """When a stay was last heard of whose end the hospital never sent: open, and silent for longer than the policy's
    hours for its class. `None` while it still counts as going on.

    Nothing of the stay changes by it: it stands out of the way, and any message about it is taken as before. So what
    is open too long is no place for keyless messages either (`find` has narrower bounds than this).
    """
    if stay.status not in OPEN:
        return None
    heard = max((at for at in (stay.last_recorded_at, stay.started_at) if at), default=None)
    if heard is None or now - heard <= timedelta(hours=policy.unheard.hours(stay.encounter_class)):
        return None
    return heard


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
    draft.memory.pop(_PERSON_DELETED, None)
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
            if status is StayStatus.UNKNOWN or status in DEAD:
                draft.set(status=StayStatus.IN_PROGRESS)
        draft.put_class(kind)
        return True
    if status in DEAD and draft.memory.get("existence") == draft.at:
        return True
    draft.write("discharge")
    if not draft.older("existence"):
        draft.write("existence")
        draft.memory.pop("buried", None)
        draft.memory.pop(_PERSON_DELETED, None)
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
    place = draft.memory.get("place", draft.event.facility_from)
    if not late and draft.event.facility != draft.stay.facility and place == draft.event.facility_from:
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
    if draft.back_to_emergency():
        return False
    if draft.stay.status is not StayStatus.ENTERED_IN_ERROR:
        draft.set(status=StayStatus.CANCELLED)
    draft.put_class(kind)
    return False


def _delete(draft: _Draft, kind: EventKind) -> bool:
    person = kind is EventKind.PERSON_DELETED
    if draft.older("started") or (person and draft.older("discharge")):
        return True
    if "existence" not in draft.memory:
        draft.memory["buried"] = "1"
    draft.write("existence")
    if person and draft.stay.status is not StayStatus.ENTERED_IN_ERROR:
        draft.memory[_PERSON_DELETED] = "1"
    elif not person:
        draft.memory.pop(_PERSON_DELETED, None)
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
    return bool(number and known and known != number.value and not _has_key(number, stay))


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


def _has_key(key: Identifier, stay: Stay) -> bool:
    """The stay has run under the key; a visit number's authority may be missing on one of the two."""
    if key_in(key, stay.keys):
        return True
    sort, _, rest = key.system.partition("|")
    place, _, authority = rest.rpartition("|")
    if sort not in ("visit", "visit+patient"):
        return False
    return any(
        other.value == key.value
        and other.system.startswith(f"{sort}|{place}|")
        and "" in (authority, other.system.rpartition("|")[2])
        for other in stay.keys
    )


def _also_numbered(event: Event, stay: Stay) -> bool:
    """PV1-50 says which visit number this visit has had, too."""
    other = event.visit.alternate_number if event.visit else None
    if other is None:
        return False
    return _near(event, stay) and any(key.value == other.value and key.system.startswith("visit|") for key in stay.keys)


def _handles_of(event: Event) -> dict[str, str]:
    """Visit number and account of the event, as a stay's memory names them; an account is marked as one."""
    number = visit_key(event)
    account = next((key for key in event.stay_keys if key.system.startswith("account|")), None)
    found = {"number": number.value if number else "", "account": f"account {account.value}" if account else ""}
    return {name: handle for name, handle in found.items() if handle}


def _other_account(event: Event, stay: Stay) -> bool:
    """PID-18 names an account, and the stay ran under another one of the same authority."""
    account = next((key for key in event.stay_keys if key.system.startswith("account|")), None)
    if account is None or key_in(account, stay.keys):
        return False
    return any(key.system == account.system for key in stay.keys)


def _same_account(event: Event, stay: Stay) -> bool:
    return any(key.system.startswith("account|") and key_in(key, stay.keys) for key in event.stay_keys)


def _said_class(event: Event) -> EncounterClass | None:
    found = event.visit.encounter_class if event.visit else None
    if event.trigger == "A06" and found in (None, EncounterClass.UNKNOWN):
        return EncounterClass.INPATIENT
    return found


def _rises(event: Event, stay: Stay) -> bool:
    """The event speaks of a higher class of hospital care than the stay had so far."""
    found = _said_class(event)
    return found is not None and found in _RISEN and RANK[found] > RANK[stay.encounter_class]


def _admission(event: Event) -> datetime | None:
    """When the visit the event is about began: PV1-44, else when a start happened."""
    admitted = event.visit.admitted_at if event.visit else None
    return admitted or (event.occurred_at if event.kind in _STARTS else None)


def _another_time(event: Event, stay: Stay, key: Identifier | None) -> bool:
    """The event's visit began when the stay under its key cannot have begun: numbers and accounts do get used again."""
    sort = key.system.partition("|")[0] if key else ""
    at, admitted = _admission(event), event.visit.admitted_at if event.visit else None
    if sort == "admitted":
        return False
    numbered = sort.startswith("visit")
    ended = stay.ended_at if stay.status is StayStatus.FINISHED else None
    if ended and not numbered and event.kind is EventKind.DISCHARGED and admitted is None:
        return _discharged(event) > ended + _NUMBER_REUSED
    if at is None:
        return False
    if ended and at > ended + (_NUMBER_REUSED if numbered else timedelta() if admitted else _ACCOUNT_REUSED):
        return True
    if stay.status in DEAD and event.kind in _STARTS and stay.last_recorded_at:
        return at > stay.last_recorded_at + _NUMBER_REUSED
    if stay.started_at is None or stay.status in DEAD or stay.status is StayStatus.PLANNED:
        return False
    if stay.encounter_class is not EncounterClass.EMERGENCY:
        limit = _ACCOUNT_OPEN if not numbered and admitted and not _rises(event, stay) else _OPEN_LONG
    elif numbered:
        limit = _BOARDING if admitted is None or _rises(event, stay) else _OPEN_FOR[EncounterClass.EMERGENCY]
    else:
        limit = _OPEN_FOR[EncounterClass.EMERGENCY] if admitted is None or _rises(event, stay) else _DAY
    return abs(at - stay.started_at) > limit


def _near(event: Event, stay: Stay) -> bool:
    """The stay is, or may be, at the place the event is about."""
    left = event.visit.prior_facility if event.visit and event.kind in _TRANSFERS else ""
    return stay.facility in (event.facility, left or event.facility) or _assumed(event, stay)


def _goes_on(event: Event, stay: Stay) -> bool:
    """An emergency or observation visit, open or just over, that becomes the admission the event is about."""
    if event.kind not in _GOING_ON or not _rises(event, stay) or stay.encounter_class not in _BEFORE_ADMISSION:
        return False
    at, since = _admission(event), stay.started_at or stay.ended_at
    if at is None or since is None or at < since - _HOUR:
        return False
    account, source = _same_account(event, stay), event.visit.admit_source if event.visit else ""
    if stay.status in OPEN or stay.status is StayStatus.UNKNOWN:
        known = account or source == FROM_EMERGENCY
        return at - since <= (_OPEN_FOR[EncounterClass.EMERGENCY] if known else _DAY)
    if stay.status is not StayStatus.FINISHED or stay.ended_at is None or stay.died:
        return False
    if stay.disposition == ADMITTED_HERE:
        return at - stay.ended_at <= _DAY
    if stay.disposition:
        return False
    return at - stay.ended_at <= (_DAY if account or source == FROM_EMERGENCY else _HOUR)


def _came_before(event: Event, stay: Stay) -> bool:
    """An emergency visit that we hear of late, after the admission that it became."""
    number, found = visit_key(event), _said_class(event)
    late = stay.last_recorded_at is not None and event.recorded_at <= stay.last_recorded_at
    closes = event.kind is EventKind.DISCHARGED
    if found is not EncounterClass.EMERGENCY or number is None or not _other_number(number, stay):
        return False
    if stay.encounter_class not in _RISEN or stay.status in DEAD or stay.started_at is None or "ed" in stay.memory:
        return False
    if closes:
        disposition = event.visit.disposition if event.visit else ""
        near = _DAY if disposition == ADMITTED_HERE or _same_account(event, stay) else _HOUR
        return disposition in ("", ADMITTED_HERE) and abs(_discharged(event) - stay.started_at) <= near
    at = _admission(event)
    if not late or at is None or event.kind not in (*_REGISTRATIONS, EventKind.UPDATED):
        return False
    return -_HOUR <= stay.started_at - at <= _DAY


def _assumed(event: Event, stay: Stay) -> bool:
    """The place of one of the two is only a guess: not named at all, or named less exactly than the other's."""
    if stay.feed != event.feed:
        return False
    if "assumed" in stay.memory or any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes):
        return True
    place = stay.memory.get("place", event.facility_from)
    return place != event.facility_from and stay.memory.get("sender") == event.sender


def _discharged(event: Event) -> datetime:
    return (event.visit.discharged_at if event.visit else None) or event.occurred_at


def _ended_then(event: Event, stay: Stay) -> bool:
    """An update that names the minute a stay ended is about that one, whatever has begun since."""
    ended = event.visit.discharged_at if event.visit else None
    if event.kind is not EventKind.UPDATED or stay.status is not StayStatus.FINISHED or not (ended and stay.ended_at):
        return False
    return abs(ended - stay.ended_at) < timedelta(minutes=1)


def _is_open(event: Event, stay: Stay) -> bool:
    if stay.status not in OPEN and stay.status is not StayStatus.UNKNOWN:
        return False
    since = stay.started_at or stay.last_recorded_at
    admitted = event.visit.admitted_at if event.visit else None
    if admitted and stay.started_at and not _rises(event, stay) and _elsewhen(event, stay, admitted):
        return False
    if event.kind is EventKind.DISCHARGED:
        return stay.started_at is None or _discharged(event) >= stay.started_at - _HOUR
    clinic = stay.encounter_class is EncounterClass.AMBULATORY and _said_class(event) in TOLD_CLASSES
    if since is None or not (event.kind in _STARTS or clinic):
        return True
    limit = _OPEN_FOR.get(stay.encounter_class, _OPEN_LONG)
    if stay.encounter_class in _RISEN and _said_class(event) is EncounterClass.EMERGENCY:
        limit = _OPEN_FOR[EncounterClass.EMERGENCY]  # nobody arrives in the emergency department from a ward
    return abs((admitted or event.occurred_at) - since) <= limit


def _elsewhen(event: Event, stay: Stay, admitted: datetime) -> bool:
    """Without a number in common: an admission hours from the open stay's is another one."""
    again = event.kind in _STARTS and stay.encounter_class is EncounterClass.EMERGENCY
    return abs(admitted - (stay.started_at or admitted)) > (_ARRIVALS_APART if again else _ADMISSIONS_APART)


def _while_it_lasted(event: Event, stay: Stay) -> bool:
    """What its discharge overtook."""
    if stay.status is not StayStatus.FINISHED or not (stay.started_at and stay.ended_at):
        return False
    admitted = event.visit.admitted_at if event.visit else None
    if event.kind not in _MEANWHILE or (admitted and _elsewhen(event, stay, admitted)):
        return False
    return stay.started_at <= event.occurred_at <= stay.ended_at


def _deleted_with_the_person(event: Event, stay: Stay) -> bool:
    """A discharge without a number, though the person was deleted (A29): the hospital went on with the visit."""
    gone = stay.status is StayStatus.ENTERED_IN_ERROR and _PERSON_DELETED in stay.memory
    began = stay.started_at is None or _discharged(event) >= stay.started_at - _HOUR
    return gone and event.kind is EventKind.DISCHARGED and _said_class(event) is stay.encounter_class and began


def _moved_and_left(event: Event, stay: Stay) -> bool:
    """A discharge without a number from another facility of the sender: the transfer there is missing, or late."""
    return (
        event.kind is EventKind.DISCHARGED
        and bool(event.sender)
        and stay.memory.get("sender") == event.sender
        and _said_class(event) is stay.encounter_class
        and not _other_number(visit_key(event), stay)
        and not _other_account(event, stay)
    )


def _just_finished(event: Event, stay: Stay) -> bool:
    if stay.status is not StayStatus.FINISHED or stay.ended_at is None:
        return False
    if event.visit and event.visit.admitted_at and event.visit.admitted_at > stay.ended_at:
        return False
    if event.kind is EventKind.DISCHARGED:
        return abs(_discharged(event) - stay.ended_at) <= _SAME_DISCHARGE
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
    found = event.visit.encounter_class if event.visit else None
    if event.kind is EventKind.UPDATED and found not in (None, stay.encounter_class, EncounterClass.UNKNOWN):
        return False
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


def _was_planned(event: Event, stay: Stay) -> bool:
    """A plan that comes after the admission without a number that it was for."""
    late = stay.last_recorded_at is not None and event.recorded_at <= stay.last_recorded_at
    if event.kind is not EventKind.PLANNED or not late or stay.status in DEAD or stay.started_at is None:
        return False
    if stay.memory.get("number") or _other_account(event, stay) or stay.encounter_class not in TOLD_CLASSES:
        return False
    visit = event.visit or Visit()
    return abs((visit.expected_admit or visit.admitted_at or event.occurred_at) - stay.started_at) <= _PLAN_NEAR


def _cancelled_just_now(event: Event, stay: Stay) -> bool:
    """A start without a key, soon after the cancel of a stay of its class that never had one: that one is on again."""
    if event.kind not in _REGISTRATIONS or event.stay_keys or stay.keys or stay.status is not StayStatus.CANCELLED:
        return False
    same = event.visit is not None and event.visit.encounter_class is stay.encounter_class
    cancelled_at = stay.last_recorded_at
    return same and cancelled_at is not None and timedelta() < event.recorded_at - cancelled_at <= _AFTER_CANCEL
