"""One event being decided: what is known and what is to be written, and the steps that lead from one to the other."""

from collections.abc import Iterable
from datetime import date
from hashlib import blake2b

from parsers.events import EncounterClass, Event, EventKind, Identifier
from rules.deciding.case import Case, World
from rules.deciding.groups import Ids
from rules.deciding.late_enrollment import goes_back_to, late
from rules.deciding.versions import became_readmission, followed_up, next_version, retraction
from rules.decisions import (
    Action,
    Alert,
    CrosswalkChange,
    Decision,
    Grade,
    History,
    Match,
    Reason,
    Stay,
    StayStatus,
)
from rules.event_kinds import NEVER_TOLD
from rules.matching.evidence import Field
from rules.matching.person import is_nobodys
from rules.stays.draft import Step
from rules.stays.find import find
from rules.stays.keys import joined, key_in, under, visit_key
from rules.stays.moves import advance
from rules.stays.places import same_facility
from rules.stays.table import DEAD, Move


class Desk:
    """One event being decided."""

    def __init__(self, event: Event, match: Match, history: History, world: World, released: bool, ids: Ids) -> None:
        self.event = event
        self.ids = ids
        self.match = match
        self.world = world
        self.stays = {stay.stay_id: stay for stay in history.stays}
        self.latest = {alert.stay_id: alert for alert in history.alerts}
        self.enrollees = {enrollee.enrollee_id: enrollee for enrollee in history.enrollees}
        self.late = late(match)
        joined = Reason.LATE_ENROLLMENT if self.late else Reason.RELEASED_BY_REVIEW
        self.extra: tuple[Reason, ...] = (joined,) if released else ()
        self.earlier = [earlier for earlier in history.earlier if goes_back_to(event, earlier)]
        self.caught_up: list[str] = []
        self.written: dict[str, Stay] = {}
        self.told: list[Alert] = []
        self.silent: list[Reason] = []
        self.crosswalk: list[CrosswalkChange] = []
        self.about = ""

    def stay(self, enrollee_id: str) -> Decision:
        event, kind = self.event, self.event.kind
        visit, updates = event.visit, self.world.policy.updates
        before = find(event, enrollee_id, self.stays.values())
        if kind is EventKind.UPDATED and before and visit and visit.discharged_at and updates.discharges:
            kind = EventKind.DISCHARGED
        unheard = before is None or before.status is StayStatus.UNKNOWN
        if kind is EventKind.UPDATED and unheard and updates.starts_alert and visit and not visit.discharged_at:
            kind = EventKind.REGISTERED
        extra: tuple[Reason, ...] = ()
        if unheard and self.catch_up(enrollee_id):
            before = find(event, enrollee_id, self.stays.values())
            unheard = before is None or before.status is StayStatus.UNKNOWN
            extra = (Reason.IDENTITY_CORRECTED,)
        came_from = visit.prior_facility if visit else ""
        if kind is EventKind.TRANSFERRED and unheard and came_from not in ("", event.facility):
            kind = EventKind.ADMITTED
        if before is None:
            if not self.enrolled(enrollee_id):
                return suppressed(Reason.NOT_ENROLLED_ON_DAY)
            before = self._taken_over(enrollee_id)
            if before is not None:
                extra = (Reason.IDENTITY_CORRECTED,)
            elif self.match.grade is Grade.CERTAIN and Field.MRN not in self.match.evidence:
                self.learn(event.patient.identifiers[:1], enrollee_id)
        step = advance(event, kind, before, enrollee_id, self.new_id())
        if kind is EventKind.ADMIT_CANCELLED and step.stay and step.stay.status not in DEAD and not step.late:
            extra = (*extra, Reason.ADMISSION_CANCELLED)
        self.apply(kind, step, before, extra)
        if kind is EventKind.DISCHARGED and step.stay and step.stay.status is StayStatus.FINISHED:
            self._readmit(step.stay)
        return self.decision()

    def catch_up(self, enrollee_id: str) -> dict[str, tuple[EventKind, Step]]:
        """What was kept of somebody who was nobody's is this enrollee's: their stays as those events left them."""
        caught_up: dict[str, tuple[EventKind, Step]] = {}
        if not self.earlier or not self.enrolled(enrollee_id):
            return caught_up
        now = self.event.patient.identifiers
        for event in self.earlier:
            before = find(event, enrollee_id, self.stays.values())
            step = advance(event, event.kind, before, enrollee_id, self.new_id())
            if step.stay is None:
                continue
            stay = step.stay.model_copy(
                update={
                    "patient_ids": joined(step.stay.patient_ids, now),
                    "keys": under(step.stay.keys, event.patient.identifiers, now[:1]),
                }
            )
            self.keep(stay)
            caught_up[stay.stay_id] = (event.kind, step._replace(stay=stay))
            self.caught_up.append(event.message_id)
        return caught_up

    def _readmit(self, ended: Stay) -> None:
        """An admission read before the late discharge of another stay becomes a readmission now."""
        for stay in list(self.stays.values()):
            later = stay.started_at and ended.ended_at and stay.started_at >= ended.ended_at
            if later and stay.enrollee_id == ended.enrollee_id and not stay.merged_into:
                case = self.case(EventKind.UPDATED, Step(stay, Move.UPDATE), stay)
                if version := became_readmission(case, self.world):
                    self.tell(version)

    def person(self, enrollee_id: str) -> Decision:
        """A31 and A29: whatever of the person's stays it concerns."""
        event = self.event
        patient = event.patient
        records = [identifier for identifier in patient.identifiers if identifier.names_a_record]  # no payer's number
        silent = patient.deceased is None and not patient.deceased_at and not event.cleared & {"PID-29", "PID-30"}
        if event.kind is EventKind.PERSON_UPDATED and silent:
            return suppressed(Reason.IDENTITY_ONLY)
        for stay in list(self.stays.values()):
            if stay.enrollee_id != enrollee_id or stay.merged_into:
                continue
            ours = same_facility(stay.facility, event.facility) or any(key_in(key, stay.patient_ids) for key in records)
            latest = self.latest.get(stay.stay_id)
            if event.kind is EventKind.PERSON_DELETED and ours:
                self.apply(event.kind, advance(event, event.kind, stay, enrollee_id, ""), stay)
            elif event.kind is EventKind.PERSON_UPDATED and latest and latest.action is not Action.RETRACT:
                running = any(clock.status == "running" and clock.due_at >= self.world.now for clock in latest.clocks)
                if running or (stay.died and not patient.deceased) or stay.status not in (StayStatus.FINISHED, *DEAD):
                    self.apply(event.kind, advance(event, event.kind, stay, enrollee_id, ""), stay)
        if not self.silent and not self.told:
            self.silent.append(Reason.IDENTITY_ONLY if event.kind is EventKind.PERSON_UPDATED else Reason.STAY_UNKNOWN)
        return self.decision()

    def of_prior(self) -> list[Stay]:
        """Stays that have run under the identifiers that give way."""
        named = self.event.prior.identifiers if self.event.prior else ()
        gone = [number for number in named if not is_nobodys(number.value)]
        return [stay for stay in self.unmerged() if any(key_in(key, gone) for key in stay.patient_ids)]

    def give_what_waited(self, target: str | None) -> bool:
        """A person has said who it is: stays this message took from somebody else before go to `target`."""
        waited = [
            stay for stay in self.unmerged() if stay.registers.was and stay.registers.waits_for == self.ids.waits_under
        ]
        for stay in waited:
            back = {
                "status": StayStatus(stay.registers.was),
                "registers": stay.registers.model_copy(update={"waits_for": "", "was": ""}),
            }
            if stay.status is not StayStatus.ENTERED_IN_ERROR or (target and self.twin(stay, target)):
                continue
            copy = self.hand_over(stay.model_copy(update=back), target)
            if copy is not None:
                self.apply(self.event.kind, Step(copy, Move.HAND_OVER), None, (Reason.IDENTITY_CORRECTED,))
        return bool(waited)

    def hand_over(self, stay: Stay, target: str | None) -> Stay | None:
        """The stay taken from whom it was told of; the same stay, under a new name, for `target`."""
        copy = None
        if target is not None and self.enrolled(target):
            copy = stay.model_copy(
                update={
                    "stay_id": self.new_id(),
                    "enrollee_id": target,
                    "patient_ids": self.event.patient.identifiers,
                    "opened_by": self.event.message_id,
                }
            )
            self.stays[copy.stay_id] = copy
        self.take_away(stay, Reason.MOVED_TO_ANOTHER_PERSON)
        self.about = copy.stay_id if copy else self.about
        return copy

    def take_away(self, stay: Stay, reason: Reason) -> None:
        after = stay.model_copy(update={"status": StayStatus.ENTERED_IN_ERROR})
        self.keep(after)
        self.about = self.about or after.stay_id
        case = self.case(self.event.kind, Step(after, Move.HAND_OVER), stay)
        if case.living:
            self.tell(retraction(case, self.world, reason))

    def twin(self, stay: Stay, enrollee_id: str) -> Stay | None:
        """Another stay of the heir that is the same visit."""
        for other in self.unmerged():
            if other.enrollee_id != enrollee_id or other.stay_id == stay.stay_id or other.status in DEAD:
                continue
            if any(key_in(key, other.keys) for key in stay.keys):
                return other
        return None

    def is_living(self, stay: Stay) -> bool:
        latest = self.latest.get(stay.stay_id)
        return latest is not None and latest.action is not Action.RETRACT

    def unmerged(self) -> list[Stay]:
        return [stay for stay in self.stays.values() if not stay.merged_into]

    def learn(self, identifiers: Iterable[Identifier], enrollee_id: str | None) -> None:
        known = {(change.identifier.system, change.identifier.value) for change in self.crosswalk}
        for identifier in identifiers:
            if (
                (identifier.system, identifier.value) not in known
                and identifier.names_a_record
                and not is_nobodys(identifier.value)
            ):
                self.crosswalk.append(CrosswalkChange(identifier=identifier, enrollee_id=enrollee_id))

    def apply(self, kind: EventKind, step: Step, before: Stay | None, extra: tuple[Reason, ...] = ()) -> None:
        """Keep the stay as the step left it and tell what is to be told of it."""
        stay = step.stay
        case = self.case(kind, step, before, extra)
        if stay is not None:
            self.about = self.about or stay.stay_id
            if before is None or stay is not before:
                self.keep(stay)
        answer = next_version(case, self.world)
        if isinstance(answer, tuple):
            self.silent += answer
        else:
            self.tell(answer)

    def case(self, kind: EventKind, step: Step, before: Stay | None, extra: tuple[Reason, ...] = ()) -> Case:
        stay = step.stay
        owner = stay.enrollee_id if stay else self.match.enrollee_id or ""
        others = tuple(
            [
                other
                for other in self.unmerged()
                if other.enrollee_id == owner and (stay is None or other.stay_id != stay.stay_id)
            ]
        )
        previous = self.latest.get(stay.stay_id) if stay else None
        return Case(
            self.event,
            kind,
            step,
            before,
            previous,
            others,
            self.enrollees.get(owner),
            self.match,
            (*extra, *self.extra),
        )

    def keep(self, stay: Stay) -> None:
        self.stays[stay.stay_id] = stay
        self.written[stay.stay_id] = stay

    def tell(self, alert: Alert) -> None:
        self.latest[alert.stay_id] = alert
        self.told.append(alert)

    def _taken_over(self, enrollee_id: str) -> Stay | None:
        """The same record's same visit was somebody else's so far: the record's identity was corrected."""
        number, ids = visit_key(self.event), self.event.patient.identifiers
        if number is None or self.match.grade is not Grade.CERTAIN:
            return None
        for stay in self.unmerged():
            same = key_in(number, stay.keys) and any(key_in(key, stay.patient_ids) for key in ids)
            if same and stay.enrollee_id != enrollee_id and stay.status is not StayStatus.ENTERED_IN_ERROR:
                return self.hand_over(stay, enrollee_id)
        return None

    def enrolled(self, enrollee_id: str) -> bool:
        enrollee = self.enrollees.get(enrollee_id)
        if enrollee is None or self.late:
            return True
        day: date = self.event.occurred_at.astimezone(self.world.policy.tz).date()
        begins, ends = enrollee.effective_from, enrollee.effective_to
        return (begins is None or begins <= day) and (ends is None or day <= ends)

    def new_id(self) -> str:
        """A stay is named by the message that opened it; a second one of the same message by a digest of both."""
        first = self.ids.stays
        number, name = 0, first
        while name in self.stays:
            number += 1
            name = blake2b(f"{first}:{number}".encode(), digest_size=16).hexdigest()
        return name

    def _follow_ups(self) -> None:
        """What has been written may end the follow-up of an earlier stay of the same enrollee, or ask for it again."""
        owners = {stay.enrollee_id for stay in self.written.values()}
        for stay in self.unmerged():
            if stay.enrollee_id in owners and self.is_living(stay):
                case = self.case(self.event.kind, Step(stay, Move.NOTHING), stay)
                if version := followed_up(case, self.world):
                    self.tell(version)

    def decision(self) -> Decision:
        self._follow_ups()
        if self.told:
            order = (Action.NOTIFY, Action.AMEND, Action.RETRACT)
            action = min((alert.action for alert in self.told), key=order.index)
            first = [alert for alert in self.told if alert.action is action]
            reasons = tuple(dict.fromkeys(reason for alert in first for reason in alert.reasons))
        else:
            action, reasons = Action.SUPPRESS, tuple(dict.fromkeys(self.silent)) or (Reason.NOTHING_NEW,)
        return Decision(
            action=action,
            reasons=reasons,
            stays=tuple(self.written.values()),
            alerts=tuple(self.told),
            crosswalk=tuple(self.crosswalk),
            stay_id=self.about,
            caught_up=tuple(self.caught_up),
        )


def has_number(stay: Stay, number: Identifier) -> bool:
    """The stay has run under this visit or account number."""
    return key_in(number, stay.keys) or any(
        key.value == number.value and key.system.partition("|")[0] in ("visit", "account") for key in stay.keys
    )


def unsaid(event: Event) -> bool:
    """A merge by numbers alone, or without a birth date: it does not say whose the surviving number is."""
    return event.kind is EventKind.PERSON_MERGED and event.patient.birth_date is None


def suppressed(*reasons: Reason) -> Decision:
    return Decision(action=Action.SUPPRESS, reasons=reasons)


def held(event: Event) -> Decision:
    """Nothing leaves on a possible match; a person is asked only when something would."""
    encounter_class = event.visit.encounter_class if event.visit else None
    if event.kind in NEVER_TOLD:
        return suppressed(Reason.POSSIBLE_MATCH)
    if encounter_class in (EncounterClass.AMBULATORY, EncounterClass.PRE_ADMISSION):
        return suppressed(Reason.POSSIBLE_MATCH, Reason.OUTPATIENT)
    return Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,))
