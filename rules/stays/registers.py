"""A stay being rewritten by one event: registers that the newest message writes, and content it fills."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from parsers.events import Diagnosis, EncounterClass, Event, EventKind, Finding, Visit
from rules.decisions import Stay, StayStatus
from rules.stays.find import DAY, RISEN, came_before, goes_up
from rules.stays.keys import SAID, joined, visit_key
from rules.stays.table import (
    ADMITTED_HERE,
    DIED_DISPOSITIONS,
    OPEN,
    RANK,
    REGISTRATIONS,
    STARTS,
    TOLD_CLASSES,
    Move,
)

_DEATH_PLACES: Final = frozenset({"PID-29", "PID-30"})
_BLANK: Final[Mapping[str, Any]] = {"expected_discharge": None, "diagnoses": ()}
_PLACING: Final = STARTS | {EventKind.UPDATED, EventKind.DISCHARGED, EventKind.TRANSFERRED}
_FORMER: Final = "former"  # in a stay's memory: numbers and accounts of the emergency visit that became the admission
_BEFORE: Final = "before"  # and what that visit was, for when the admission is cancelled
_SEPARATOR: Final = "\x1f"


class Step(NamedTuple):
    """What an event came to on its stay."""

    stay: Stay | None  # None: nothing is to be kept
    move: Move
    late: bool = False  # older than what the stay already knows: it wrote no register


class Draft:
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
        rises, before = goes_up(self.event, self.stay), came_before(self.event, self.stay)
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
            and self.stay.encounter_class in RISEN
            and self.stay.status in OPEN
            and self.visit.encounter_class not in RISEN
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
        soon = self.event.recorded_at - datetime.fromisoformat(first) <= DAY
        return kind is EventKind.UPDATED and found is not EncounterClass.UNKNOWN and soon

    def _steps_down(self, kind: EventKind, found: EncounterClass, known: EncounterClass) -> bool:
        """A registration said again lowers no class, and neither it nor a discharge makes an outpatient."""
        if self.begins or found is EncounterClass.UNKNOWN or known not in TOLD_CLASSES:
            return False
        if kind is EventKind.DISCHARGED:
            return found is EncounterClass.AMBULATORY
        return kind in REGISTRATIONS and RANK[found] < RANK[known]

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


def _handles_of(event: Event) -> dict[str, str]:
    """Visit number and account of the event, as a stay's memory names them; an account is marked as one."""
    number = visit_key(event)
    account = next((key for key in event.stay_keys if key.system.startswith("account|")), None)
    found = {"number": number.value if number else "", "account": f"account {account.value}" if account else ""}
    return {name: handle for name, handle in found.items() if handle}
