"""One event being decided: what is known and what is to be written, and the steps that lead from one to the other."""

from collections.abc import Iterable
from datetime import date
from hashlib import blake2b
from typing import Final

from parsers.events import RECORD_NUMBERS, EncounterClass, Event, EventKind, Identifier
from rules.deciding.case import Case, World
from rules.deciding.groups import Ids
from rules.deciding.late_enrollment import goes_back_to, late
from rules.deciding.versions import became_readmission, handed_on, next_version, retraction
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
from rules.matching.person import is_nobodys
from rules.stays.find import find
from rules.stays.keys import joined, key_in, under, visit_key
from rules.stays.moves import advance, folded
from rules.stays.registers import Step
from rules.stays.table import DEAD, OPEN, Move

IDENTITY: Final = frozenset({EventKind.LINKED, EventKind.UNLINKED})
MERGES: Final = frozenset({EventKind.PERSON_MERGED, EventKind.ACCOUNT_MERGED, EventKind.VISIT_MERGED})
MOVES: Final = frozenset({EventKind.PERSON_MOVED, EventKind.ACCOUNT_MOVED, EventKind.VISIT_MOVED})
_NEVER_TOLD: Final = IDENTITY | {EventKind.PERSON_UPDATED, EventKind.PLANNED, EventKind.PLAN_CANCELLED}
_WAITS_FOR: Final = "waits_for"  # in a stay's memory: the message that took it from one person and waits for another
_WAS: Final = "was"  # and the status the stay had


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
        self.earlier = [one for one in history.earlier if goes_back_to(event, one)]
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
        if unheard and self._catch_up(enrollee_id):
            before = find(event, enrollee_id, self.stays.values())
            unheard = before is None or before.status is StayStatus.UNKNOWN
            extra = (Reason.IDENTITY_CORRECTED,)
        came_from = visit.prior_facility if visit else ""
        if kind is EventKind.TRANSFERRED and unheard and came_from not in ("", event.facility):
            kind = EventKind.ADMITTED
        if before is None:
            if not self._enrolled(enrollee_id):
                return suppressed(Reason.NOT_ENROLLED_ON_DAY)
            before = self._taken_over(enrollee_id)
            if before is not None:
                extra = (Reason.IDENTITY_CORRECTED,)
            elif self.match.grade is Grade.CERTAIN and "mrn" not in self.match.evidence:
                self._learn(event.patient.identifiers[:1], enrollee_id)
        step = advance(event, kind, before, enrollee_id, self._new_id())
        if kind is EventKind.ADMIT_CANCELLED and step.stay and step.stay.status not in DEAD and not step.late:
            extra = (*extra, Reason.ADMISSION_CANCELLED)
        self._apply(kind, step, before, extra)
        if kind is EventKind.DISCHARGED and step.stay and step.stay.status is StayStatus.FINISHED:
            self._readmit(step.stay)
        return self._decision()

    def _catch_up(self, enrollee_id: str) -> dict[str, tuple[EventKind, Step]]:
        """What was kept of somebody who was nobody's is this enrollee's: their stays as those events left them."""
        found: dict[str, tuple[EventKind, Step]] = {}
        if not self.earlier or not self._enrolled(enrollee_id):
            return found
        now = self.event.patient.identifiers
        for event in self.earlier:
            before = find(event, enrollee_id, self.stays.values())
            step = advance(event, event.kind, before, enrollee_id, self._new_id())
            if step.stay is None:
                continue
            stay = step.stay.model_copy(
                update={
                    "patient_ids": joined(step.stay.patient_ids, now),
                    "keys": under(step.stay.keys, event.patient.identifiers, now[:1]),
                }
            )
            self._keep(stay)
            found[stay.stay_id] = (event.kind, step._replace(stay=stay))
            self.caught_up.append(event.message_id)
        return found

    def _readmit(self, ended: Stay) -> None:
        """An admission read before the late discharge of another stay becomes a readmission now."""
        for stay in list(self.stays.values()):
            later = stay.started_at and ended.ended_at and stay.started_at >= ended.ended_at
            if later and stay.enrollee_id == ended.enrollee_id and not stay.merged_into:
                case = self._case(EventKind.UPDATED, Step(stay, Move.UPDATE), stay)
                if version := became_readmission(case, self.world):
                    self._tell(version)

    def take_back(self, former: str) -> Decision:
        """A move, or a merge, to somebody only possibly known: whoever was told of the former enrollee hears at once
        that it was not them; what the other is to be told waits."""
        event = self.event
        merged = event.kind is EventKind.PERSON_MERGED
        for stay in self._of_prior() if merged else self._moved(former):
            if stay.enrollee_id == former:
                memory = {**stay.memory, _WAITS_FOR: self.ids.waits_under, _WAS: stay.status.value}
                reason = Reason.MERGED if merged else Reason.MOVED_TO_ANOTHER_PERSON
                self._take_away(stay.model_copy(update={"memory": memory}), reason)
        if not self.written:
            return held(event)
        if event.prior and event.kind in (EventKind.PERSON_MERGED, EventKind.PERSON_MOVED):
            self._learn(event.prior.identifiers, None)
        taken = self._decision()
        reasons = (Reason.POSSIBLE_MATCH, *(taken.reasons if taken.alerts else ()))
        action = Action.RETRACT if taken.alerts else Action.HOLD
        return taken.model_copy(update={"action": action, "reasons": reasons, "waits": True})

    def person(self, enrollee_id: str) -> Decision:
        """A31 and A29: whatever of the person's stays it concerns."""
        event = self.event
        ids = event.patient.identifiers
        patient = event.patient
        silent = patient.deceased is None and not patient.deceased_at and not event.cleared & {"PID-29", "PID-30"}
        if event.kind is EventKind.PERSON_UPDATED and silent:
            return suppressed(Reason.IDENTITY_ONLY)
        for stay in list(self.stays.values()):
            if stay.enrollee_id != enrollee_id or stay.merged_into:
                continue
            ours = stay.facility == event.facility or any(key_in(key, stay.patient_ids) for key in ids)
            latest = self.latest.get(stay.stay_id)
            if event.kind is EventKind.PERSON_DELETED and ours:
                self._apply(event.kind, advance(event, event.kind, stay, enrollee_id, ""), stay)
            elif event.kind is EventKind.PERSON_UPDATED and latest and latest.action is not Action.RETRACT:
                running = any(clock.status == "running" for clock in latest.clocks)
                if running or (stay.died and not patient.deceased) or stay.status not in (StayStatus.FINISHED, *DEAD):
                    self._apply(event.kind, advance(event, event.kind, stay, enrollee_id, ""), stay)
        if not self.silent and not self.told:
            self.silent.append(Reason.IDENTITY_ONLY if event.kind is EventKind.PERSON_UPDATED else Reason.STAY_UNKNOWN)
        return self._decision()

    def merge(self, survivor: str | None, prior: str | None) -> Decision:
        """The stays of the identity, account or visit that gives way go to the one that stays; nobody is told twice."""
        event = self.event
        if event.kind is EventKind.PERSON_MERGED:
            self._merge_person(survivor, prior)
        else:
            self._merge_number()
        self.silent.append(Reason.MERGED if self.written else Reason.IDENTITY_ONLY)
        return self._decision()

    def _merge_person(self, survivor: str | None, prior: str | None) -> None:
        """The number that survives belongs to whom the number that gives way belongs, unless it is said whose it is."""
        event = self.event
        gone = event.prior.identifiers if event.prior else ()
        affected = self._of_prior()
        if survivor is None and not unsaid(event):
            for stay in affected:
                if stay.enrollee_id == prior or prior is None:
                    self._take_away(stay, Reason.MERGED)
            self._learn(gone, None)
            return
        heir = survivor or prior
        if heir is None:
            return
        self._learn(gone, heir)
        if survivor is None or survivor == prior or self.match.grade is Grade.CERTAIN:
            self._learn(event.patient.identifiers, heir)
        self._give_what_waited(heir)
        for kind, step in self._catch_up(heir).values():
            self._apply(kind, step, None, (Reason.IDENTITY_CORRECTED,))
        for stay in affected:
            if _WAITS_FOR in stay.memory and stay.status is StayStatus.ENTERED_IN_ERROR:
                continue
            twin = self._twin(stay, heir)
            if twin is not None:
                self._fold(twin, stay)
                continue
            moved = stay.model_copy(
                update={
                    "enrollee_id": heir,
                    "patient_ids": joined(stay.patient_ids, event.patient.identifiers),
                    "keys": under(stay.keys, gone, event.patient.identifiers[:1]),
                }
            )
            if moved != stay:
                self._keep(moved)
                self.about = self.about or moved.stay_id
            if stay.enrollee_id != heir:
                case = self._case(event.kind, Step(moved, Move.HAND_OVER), stay)
                if case.living and (version := handed_on(case, self.world)):
                    self._tell(version)

    def _of_prior(self) -> list[Stay]:
        """Stays that have run under the identifiers that give way."""
        named = self.event.prior.identifiers if self.event.prior else ()
        gone = [number for number in named if not is_nobodys(number.value)]
        return [stay for stay in self._unmerged() if any(key_in(key, gone) for key in stay.patient_ids)]

    def _give_what_waited(self, target: str | None) -> bool:
        """A person has said who it is: stays this message took from somebody else before go to `target`."""
        waited = [stay for stay in self._unmerged() if stay.memory.get(_WAITS_FOR) == self.ids.waits_under]
        for stay in waited:
            memory = {name: value for name, value in stay.memory.items() if name not in (_WAITS_FOR, _WAS)}
            status = StayStatus(stay.memory[_WAS])
            if stay.status is not StayStatus.ENTERED_IN_ERROR or (target and self._twin(stay, target)):
                continue
            copy = self._hand_over(stay.model_copy(update={"status": status, "memory": memory}), target)
            if copy is not None:
                self._apply(self.event.kind, Step(copy, Move.HAND_OVER), None, (Reason.IDENTITY_CORRECTED,))
        return bool(waited)

    def _merge_number(self) -> None:
        """A35, A41, A49: an account; A42, A50: a visit number."""
        event = self.event
        visits = event.kind is EventKind.VISIT_MERGED
        gone = event.prior and (event.prior.visit if visits else event.prior.account)
        number = event.visit.number if visits and event.visit else event.patient.account
        if not gone or not number:
            return
        keys = tuple(key for key in event.stay_keys if number.value in (key.value, key.value.partition("@")[0]))
        losers = [stay for stay in self._unmerged() if _has_number(stay, gone)]
        winner = next((stay for stay in self._unmerged() if any(key_in(key, stay.keys) for key in keys)), None)
        for stay in losers:
            if winner is not None and winner.stay_id != stay.stay_id:
                if winner.enrollee_id == stay.enrollee_id:
                    winner = self._fold(winner, stay)
                continue
            memory = {**stay.memory, "number": number.value} if visits else stay.memory
            self._keep(stay.model_copy(update={"keys": joined(stay.keys, keys), "memory": memory}))
            self.about = self.about or stay.stay_id

    def move(self, target: str | None, source: str | None) -> Decision:
        """What was told of the wrong person is taken back there, and told here of the right one."""
        event = self.event
        gone = event.prior.identifiers if event.prior else ()
        if event.kind is EventKind.PERSON_MOVED and target != source:
            self._learn(gone, target)
        waited = self._give_what_waited(target)
        affected = self._moved(source)
        for stay in affected:
            if stay.enrollee_id == target:
                own = joined(stay.patient_ids, event.patient.identifiers)
                if own != stay.patient_ids:
                    self._keep(stay.model_copy(update={"patient_ids": own}))
                self.silent.append(Reason.IDENTITY_ONLY)
                continue
            copy = self._hand_over(stay, target)
            if copy is not None:
                self._apply(event.kind, Step(copy, Move.HAND_OVER), None, (Reason.IDENTITY_CORRECTED,))
        visit = event.visit
        if (
            not (affected or waited)
            and target is not None
            and visit
            and visit.encounter_class
            and self._enrolled(target)
        ):
            kind = EventKind.DISCHARGED if visit.discharged_at else EventKind.ADMITTED
            before = find(event, target, self.stays.values())
            step = advance(event, kind, before, target, self._new_id())
            self._apply(kind, step, before, (Reason.IDENTITY_CORRECTED,))
        self.silent.append(Reason.NOT_ON_PANEL if target is None else Reason.STAY_UNKNOWN)
        return self._decision()

    def _moved(self, source: str | None) -> list[Stay]:
        event = self.event
        gone = event.prior.identifiers if event.prior else ()
        alive = [stay for stay in self._unmerged() if stay.status is not StayStatus.ENTERED_IN_ERROR]
        of_source = [
            stay for stay in alive if stay.enrollee_id == source or any(key_in(key, gone) for key in stay.patient_ids)
        ]
        if event.kind is EventKind.PERSON_MOVED:
            return [stay for stay in self._of_prior() if stay.status is not StayStatus.ENTERED_IN_ERROR]
        if event.kind is EventKind.ACCOUNT_MOVED:
            numbers = [event.patient.account, event.prior.account if event.prior else None]
        else:
            numbers = [event.visit.number if event.visit else None, event.prior.visit if event.prior else None]
        named = [number for number in numbers if number]
        found = [stay for stay in of_source or alive if any(_has_number(stay, number) for number in named)]
        if found:
            return found
        here = [stay for stay in of_source if stay.facility == event.facility and stay.status in OPEN]
        return here if len(here) == 1 else []

    def _hand_over(self, stay: Stay, target: str | None) -> Stay | None:
        """The stay taken from whom it was told of; the same stay, under a new name, for `target`."""
        copy = None
        if target is not None and self._enrolled(target):
            copy = stay.model_copy(
                update={
                    "stay_id": self._new_id(),
                    "enrollee_id": target,
                    "patient_ids": self.event.patient.identifiers,
                    "opened_by": self.event.message_id,
                }
            )
            self.stays[copy.stay_id] = copy
        self._take_away(stay, Reason.MOVED_TO_ANOTHER_PERSON)
        self.about = copy.stay_id if copy else self.about
        return copy

    def _take_away(self, stay: Stay, reason: Reason) -> None:
        after = stay.model_copy(update={"status": StayStatus.ENTERED_IN_ERROR})
        self._keep(after)
        self.about = self.about or after.stay_id
        case = self._case(self.event.kind, Step(after, Move.HAND_OVER), stay)
        if case.living:
            self._tell(retraction(case, self.world, reason))

    def _twin(self, stay: Stay, enrollee_id: str) -> Stay | None:
        """Another stay of the heir that is the same visit."""
        for other in self._unmerged():
            if other.enrollee_id != enrollee_id or other.stay_id == stay.stay_id or other.status in DEAD:
                continue
            if any(key_in(key, other.keys) for key in stay.keys):
                return other
        return None

    def _fold(self, one: Stay, other: Stay) -> Stay:
        """Two stays turn out to be one: the one people were told of stays, the first where both were."""
        living = [self._is_living(one), self._is_living(other)]
        winner, loser = (other, one) if living == [False, True] else (one, other)
        merged = folded(winner, loser).model_copy(update={"enrollee_id": one.enrollee_id})
        self._keep(merged)
        gone = loser.model_copy(update={"status": StayStatus.ENTERED_IN_ERROR, "merged_into": winner.stay_id})
        self._keep(gone)
        self.about = self.about or merged.stay_id
        if all(living):
            case = self._case(self.event.kind, Step(gone, Move.HAND_OVER), loser)
            self._tell(retraction(case, self.world, Reason.MERGED))
        return merged

    def _is_living(self, stay: Stay) -> bool:
        latest = self.latest.get(stay.stay_id)
        return latest is not None and latest.action is not Action.RETRACT

    def _unmerged(self) -> list[Stay]:
        return [stay for stay in self.stays.values() if not stay.merged_into]

    def _learn(self, identifiers: Iterable[Identifier], enrollee_id: str | None) -> None:
        known = {(one.identifier.system, one.identifier.value) for one in self.crosswalk}
        for identifier in identifiers:
            if (
                (identifier.system, identifier.value) not in known
                and identifier.type.upper() in RECORD_NUMBERS
                and not is_nobodys(identifier.value)
            ):
                self.crosswalk.append(CrosswalkChange(identifier=identifier, enrollee_id=enrollee_id))

    def _apply(self, kind: EventKind, step: Step, before: Stay | None, extra: tuple[Reason, ...] = ()) -> None:
        """Keep the stay as the step left it and tell what is to be told of it."""
        stay = step.stay
        case = self._case(kind, step, before, extra)
        if stay is not None:
            self.about = self.about or stay.stay_id
            if before is None or stay is not before:
                self._keep(stay)
        answer = next_version(case, self.world)
        if isinstance(answer, tuple):
            self.silent += answer
        else:
            self._tell(answer)

    def _case(self, kind: EventKind, step: Step, before: Stay | None, extra: tuple[Reason, ...] = ()) -> Case:
        stay = step.stay
        owner = stay.enrollee_id if stay else self.match.enrollee_id or ""
        others = tuple(
            other
            for other in self.stays.values()
            if other.enrollee_id == owner and (stay is None or other.stay_id != stay.stay_id) and not other.merged_into
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

    def _keep(self, stay: Stay) -> None:
        self.stays[stay.stay_id] = stay
        self.written[stay.stay_id] = stay

    def _tell(self, alert: Alert) -> None:
        self.latest[alert.stay_id] = alert
        self.told.append(alert)

    def _taken_over(self, enrollee_id: str) -> Stay | None:
        """The same record's same visit was somebody else's so far: the record's identity was corrected."""
        number, ids = visit_key(self.event), self.event.patient.identifiers
        if number is None or self.match.grade is not Grade.CERTAIN:
            return None
        for stay in self._unmerged():
            same = key_in(number, stay.keys) and any(key_in(key, stay.patient_ids) for key in ids)
            if same and stay.enrollee_id != enrollee_id and stay.status is not StayStatus.ENTERED_IN_ERROR:
                return self._hand_over(stay, enrollee_id)
        return None

    def _enrolled(self, enrollee_id: str) -> bool:
        enrollee = self.enrollees.get(enrollee_id)
        if enrollee is None or self.late:
            return True
        day: date = self.event.occurred_at.astimezone(self.world.policy.tz).date()
        begins, ends = enrollee.effective_from, enrollee.effective_to
        return (begins is None or begins <= day) and (ends is None or day <= ends)

    def _new_id(self) -> str:
        """A stay is named by the message that opened it; a second one of the same message by a digest of both."""
        first = self.ids.stays
        number, name = 0, first
        while name in self.stays:
            number += 1
            name = blake2b(f"{first}:{number}".encode(), digest_size=16).hexdigest()
        return name

    def _decision(self) -> Decision:
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


def _has_number(stay: Stay, number: Identifier) -> bool:
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
    found = event.visit.encounter_class if event.visit else None
    if event.kind in _NEVER_TOLD:
        return suppressed(Reason.POSSIBLE_MATCH)
    if found in (EncounterClass.AMBULATORY, EncounterClass.PRE_ADMISSION):
        return suppressed(Reason.POSSIBLE_MATCH, Reason.OUTPATIENT)
    return Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,))
