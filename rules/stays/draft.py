"""A stay being rewritten by one event: registers that the newest message writes, and content it fills."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from parsers.events import Diagnosis, EncounterClass, Event, EventKind, Finding, Visit
from rules.decisions import Stay, StayStatus
from rules.event_kinds import PLACING, REGISTRATIONS
from rules.registers import Before
from rules.stays.find import DAY, RISEN, came_before, goes_up
from rules.stays.keys import joined, visit_key
from rules.stays.numbers import bare
from rules.stays.places import same_facility
from rules.stays.table import (
    ADMITTED_HERE,
    DIED_DISPOSITIONS,
    OPEN,
    RANK,
    TOLD_CLASSES,
    Move,
)

_DEATH_PLACES: Final = frozenset({"PID-29", "PID-30"})
_NO_END: Final = frozenset({EventKind.DISCHARGE_CANCELLED, EventKind.DISCHARGE_EXPECTED, EventKind.EXPECTED_CANCELLED})
_BLANK: Final[Mapping[str, Any]] = {"expected_discharge": None, "diagnoses": ()}


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
        self.at = event.recorded_at.astimezone(UTC)
        self.registers = stay.registers.opened()
        self.changed: dict[str, Any] = {}
        self.begins = False  # the event starts the stay, or starts it again
        self.newest = stay.last_recorded_at is None or event.recorded_at >= stay.last_recorded_at
        self.number, self.account = _handles_of(event)

        self._handles()

    def _handles(self) -> None:
        """The visit number and account in force; an emergency visit's give way to those of what it became."""
        registers, known = self.registers, self.stay.registers
        rises, before = goes_up(self.event, self.stay), came_before(self.event, self.stay)
        registers.number = self._in_force(known.number, self.number, rises, before)
        registers.account = self._in_force(known.account, self.account, rises, before)
        if rises and registers.former != known.former:
            stay = self.stay
            registers.before = Before(
                encounter_class=stay.encounter_class,
                ended_at=stay.ended_at,
                disposition=stay.disposition,
                number=known.number,
                account=known.account,
            )

    def _in_force(self, known: str, handle: str, rises: bool, before: bool) -> str:
        former = self.registers.former
        if not handle or handle == known or bare(handle) in map(bare, (known, *former)):
            return known
        if not known:
            return handle
        if rises:
            self.registers.former = (*former, known)
            return handle
        if before:
            self.registers.former = (*former, handle)
        return known

    def about_the_emergency_visit(self) -> bool:
        """What is said of the emergency visit that became this admission ends, reopens or cancels no admission: what
        comes under its number (else its account), and its end as "admitted here". A death is the person's."""
        if self.visit.disposition in DIED_DISPOSITIONS:
            return False
        if self._under_former_number():
            return True
        return (
            self.event.kind is EventKind.DISCHARGED
            and self.visit.disposition == ADMITTED_HERE
            and self.stay.encounter_class in RISEN
            and self.stay.status in OPEN
            and self.visit.encounter_class not in RISEN
        )

    def _under_former_number(self) -> bool:
        handle, former = self.number or self.account, self.registers.former
        return bool(handle and former) and bare(handle) in map(bare, former)

    def back_to_emergency(self) -> bool:
        """The admission that an emergency visit became is cancelled: the visit is what it was before."""
        registers, before = self.registers, self.registers.before
        if before is None:
            return False
        registers.before = None
        registers.number = before.number or registers.number
        registers.account = before.account or registers.account
        registers.former = tuple(handle for handle in registers.former if handle not in (before.number, before.account))
        self.set(
            encounter_class=before.encounter_class,
            highest_class=before.encounter_class,
            status=StayStatus.FINISHED if before.ended_at else StayStatus.IN_PROGRESS,
            ended_at=before.ended_at,
            disposition=before.disposition,
        )
        return True

    def older(self, written: datetime | None) -> bool:
        """The register has been written by a newer message."""
        return written is not None and written > self.at

    def set(self, **values: Any) -> None:
        self.changed.update(values)

    def get(self, name: str) -> Any:
        return self.changed.get(name, getattr(self.stay, name))

    def ended(self) -> datetime | None:
        """When the discharge the event speaks of happened: no day before the stay began, nor after the message."""
        discharge = self.event.kind is EventKind.DISCHARGED
        at = self.visit.discharged_at or (self.event.occurred_at if discharge else None)
        began = self.visit.admitted_at or self.stay.started_at
        impossible = at and ((began and at < began - DAY) or at > self.event.recorded_at + DAY)
        return None if impossible else at

    def began(self, kind: EventKind) -> None:
        registers = self.registers
        registers.began = True
        if not self.older(registers.started):
            registers.started = self.at
        if kind is not EventKind.REGISTERED:
            registers.admitted = True

    def put_class(self, kind: EventKind) -> None:
        registers, sent_class = self.registers, self.visit.encounter_class
        if kind is EventKind.CLASS_CHANGED and sent_class in (None, EncounterClass.UNKNOWN):
            sent_class = (
                EncounterClass.INPATIENT if self.event.trigger == "A06" else sent_class or EncounterClass.AMBULATORY
            )
        known: EncounterClass = self.get("encounter_class")
        if sent_class is None or sent_class is EncounterClass.PRE_ADMISSION or self._under_former_number():
            return
        if registers.encounter_class and self._steps_down(kind, sent_class, known):
            return
        if sent_class is EncounterClass.UNKNOWN and registers.encounter_class:
            keeps = RANK[known] > RANK[EncounterClass.EMERGENCY] or (
                kind is not EventKind.ADMITTED and known is not EncounterClass.UNKNOWN
            )
            if keeps:
                return
        if RANK[sent_class] > RANK[self.get("highest_class")] or not registers.encounter_class:
            self.set(highest_class=sent_class)
        if sent_class is EncounterClass.EMERGENCY:
            registers.emergency = True
        if sent_class in (EncounterClass.EMERGENCY, EncounterClass.OBSERVATION):
            registers.hospital = True
        if self.older(registers.encounter_class):
            return
        if self._corrects(kind, sent_class):
            self.set(highest_class=sent_class)
        self.set(encounter_class=sent_class)
        registers.encounter_class = self.at

    def _corrects(self, kind: EventKind, sent_class: EncounterClass) -> bool:
        """An update within a day of the higher class says it never was one; later, the stay has been what it was."""
        highest = self.get("highest_class")
        first = self.registers.highest = self.registers.highest or self.at
        if RANK[sent_class] >= RANK[highest]:
            if highest != self.stay.highest_class or RANK[sent_class] > RANK[self.stay.highest_class]:
                self.registers.highest = self.at
            return False
        soon = self.event.recorded_at - first <= DAY
        return kind is EventKind.UPDATED and sent_class is not EncounterClass.UNKNOWN and soon

    def _steps_down(self, kind: EventKind, sent_class: EncounterClass, known: EncounterClass) -> bool:
        """A registration said again lowers no class, and neither it nor a discharge makes an outpatient."""
        if self.begins or sent_class is EncounterClass.UNKNOWN or known not in TOLD_CLASSES:
            return False
        if kind is EventKind.DISCHARGED:
            return sent_class is EncounterClass.AMBULATORY
        return kind in REGISTRATIONS and RANK[sent_class] < RANK[known]

    def fill(self, content_late: bool) -> None:
        """Content: the newest message's word counts, an older one fills what is blank."""
        event, visit = self.event, self.visit
        overwrite = self.newest and not content_late
        own = not self.about_the_emergency_visit()
        for name, sent, place in (
            ("disposition", visit.disposition if own and self._says_how_it_ended() else "", "PV1-36"),
            ("attending", visit.attending, "PV1-7"),
            ("unit", visit.unit, "PV1-3"),
            ("complaint", visit.complaint, "PV2-3"),
            ("diagnoses", visit.diagnoses or self._without_deleted(), "DG1-3"),
            ("expected_discharge", visit.expected_discharge, "PV2-9"),
        ):
            if sent and (overwrite or not self.get(name)):
                self.changed[name] = sent
            elif overwrite and place in event.cleared:
                self.changed[name] = _BLANK.get(name, "")
        admitted = visit.admitted_at
        begun: datetime | None = self.get("started_at")
        earlier = begun is None or (admitted is not None and admitted < begun)
        by_then = self.event.recorded_at + DAY
        corrected = admitted is not None and admitted <= by_then and overwrite and self._corrects_start()
        if admitted and self.get("status") is not StayStatus.PLANNED and (earlier or corrected):
            self.set(started_at=admitted)
        if visit.newborn:
            self.set(newborn=True)
        self._put_death(overwrite)
        if self.newest:
            self.set(last_recorded_at=event.recorded_at)
        self.registers.source = self.registers.source or visit.admit_source
        if self.newest:
            self.registers.said = event.fingerprint
        self._place()
        if any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes):
            self.registers.assumed = True
        keys = event.stay_keys
        if visit.alternate_number and (number := visit_key(event)):
            keys = (*keys, number.model_copy(update={"value": visit.alternate_number.value}))
        self.set(
            keys=joined(self.stay.keys, keys),
            patient_ids=joined(self.stay.patient_ids, event.patient.identifiers),
        )

    def _says_how_it_ended(self) -> bool:
        """A start or a move may carry the disposition of a visit before, and a cancel the one it takes back."""
        kind = self.event.kind
        if kind in _NO_END:
            return False
        return kind in (EventKind.DISCHARGED, EventKind.UPDATED) or self.visit.discharged_at is not None

    def _without_deleted(self) -> tuple[Diagnosis, ...]:
        gone = {
            (diagnosis.code, diagnosis.text if not diagnosis.code else "") for diagnosis in self.visit.diagnoses_deleted
        }
        known: tuple[Diagnosis, ...] = self.get("diagnoses")
        if gone and self.newest:
            left = tuple(
                diagnosis
                for diagnosis in known
                if (diagnosis.code, diagnosis.text if not diagnosis.code else "") not in gone
            )
            if left != known:
                self.set(diagnoses=left)
        return ()

    def _corrects_start(self) -> bool:
        """An update or a discharge that names another admission time (PV1-44) of a stay that has had one class only.

        A stay that rose from the ED counts from there, and PV1-44 is then often the time of the decision to admit.
        """
        one_class = self.get("highest_class") is self.get("encounter_class")
        seen = {
            EncounterClass.INPATIENT: self.registers.hospital,
            EncounterClass.OBSERVATION: self.registers.emergency,
        }
        risen = seen.get(self.get("encounter_class"), False)
        return self.event.kind in (EventKind.UPDATED, EventKind.DISCHARGED) and one_class and not risen

    def _put_death(self, overwrite: bool) -> None:
        """Died is who is said to have (PID-30, PID-29) or left as one who did (PV1-36), until that is taken back.

        PID-30 N is often sent for everybody, so it takes back only what PID said; another disposition takes back the
        one before, with what PID said along with it.
        """
        patient, registers = self.event.patient, self.registers
        before, now = self.stay.disposition in DIED_DISPOSITIONS, self.get("disposition") in DIED_DISPOSITIONS
        dead = registers.dead or (registers.death is None and self.get("died") and not before)
        said = True if patient.deceased or patient.deceased_at else patient.deceased
        if said is None and not _DEATH_PLACES.isdisjoint(self.event.cleared):
            said = False
        if said is None and overwrite and before and not now and self.get("disposition"):
            said = False
        if said is not None and not self.older(registers.death):
            registers.death, registers.dead = self.at, said
            if dead and not said and self.visit.disposition not in DIED_DISPOSITIONS and now:
                self.set(disposition="")
                now = False
            dead = said
        self.set(died=dead or now)

    def revive(self) -> None:
        """Begun, or gone on, after its end was taken back: what was said of that end no longer counts."""
        self.registers.death, self.registers.dead = None, False
        self.set(ended_at=None, disposition="", died=False)

    def _place(self) -> None:
        """The facility, when a message that is no transfer names another one: moved, or only named more exactly.

        A place named less exactly than before (MSH-4 for PV1-3.4) is no other place.
        """
        event = self.event
        registers = self.registers
        place = registers.place = event.facility_from if registers.place is None else registers.place
        registers.sender = event.sender if registers.sender is None else registers.sender
        same = same_facility(event.facility, self.get("facility"))
        if not self.newest or event.kind not in PLACING or same:
            return
        if self.about_the_emergency_visit() or any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes):
            return
        exact = event.facility_from == "PV1-3.4"
        if place != event.facility_from:
            if not exact:
                return
            registers.named = event.facility
        registers.place = event.facility_from
        self.set(facility=event.facility, facility_kind=event.facility_kind)

    def done(self) -> Stay:
        changed = {name: value for name, value in self.changed.items() if value != getattr(self.stay, name)}
        if self.registers.__dict__ != self.stay.registers.__dict__:
            changed["registers"] = self.registers.closed()
        return self.stay.model_copy(update=changed) if changed else self.stay


def _handles_of(event: Event) -> tuple[str, str]:
    """Visit number and account of the event, "" where it names none; an account is marked as one."""
    number = visit_key(event)
    account = next((key for key in event.stay_keys if key.system.startswith("account|")), None)
    return number.value if number else "", f"account {account.value}" if account else ""
