"""Decide: one event, whose it is and what is known in; what to tell whom, and what to remember, out.

Nothing here reads a clock or a store: the same arguments always give the same decision.
"""

from datetime import date
from hashlib import blake2b
from typing import Final

from parsers.events import EncounterClass, Event, EventKind
from rules.alerts import Case, World, next_version
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
from rules.stays import DEAD, Step, advance, find, key_in

__all__ = ["World", "decide"]

_IDENTITY: Final = frozenset({EventKind.LINKED, EventKind.UNLINKED})
_MERGES: Final = frozenset({EventKind.PERSON_MERGED, EventKind.ACCOUNT_MERGED, EventKind.VISIT_MERGED})
_MOVES: Final = frozenset({EventKind.PERSON_MOVED, EventKind.ACCOUNT_MOVED, EventKind.VISIT_MOVED})
_NEVER_TOLD: Final = _IDENTITY | {EventKind.PERSON_UPDATED, EventKind.PLANNED, EventKind.PLAN_CANCELLED}
_KNOWN: Final = frozenset({Grade.CERTAIN, Grade.PROBABLE})


def decide(
    event: Event,
    match: Match,
    prior_match: Match | None,
    history: History,
    world: World,
    *,
    released: bool = False,
) -> Decision:
    """What `event` comes to. `released`: a person has decided a possible match, and `match` holds what they said."""
    if history.seen and not released:
        return Decision(action=Action.SUPPRESS, reasons=(Reason.NOTHING_NEW,), duplicate=True)
    known = _enrollee_id(match, released)
    prior_known = _enrollee_id(prior_match, released) if prior_match else None
    if known is None and match.grade is Grade.POSSIBLE and not released:
        return _possible(event)
    if known is None and prior_known is None:
        return _silent(Reason.MATCH_REJECTED if released else Reason.NOT_ON_PANEL)
    desk = _Desk(event, match, history, world, released)
    if event.kind in _MERGES:
        return desk.merge(known, prior_known)
    if event.kind in _MOVES:
        return desk.move(known, prior_known)
    if known is None:
        return _silent(Reason.NOT_ON_PANEL)
    if event.kind in _IDENTITY:
        return _silent(Reason.IDENTITY_ONLY)
    if event.kind in (EventKind.PERSON_UPDATED, EventKind.PERSON_DELETED):
        return desk.person(known)
    return desk.stay(known)


class _Desk:
    """One event being decided."""

    def __init__(self, event: Event, match: Match, history: History, world: World, released: bool) -> None:
        self.event = event
        self.match = match
        self.world = world
        self.stays = {stay.stay_id: stay for stay in history.stays}
        self.latest = {alert.stay_id: alert for alert in history.alerts}
        self.enrollees = {enrollee.enrollee_id: enrollee for enrollee in history.enrollees}
        self.extra: tuple[Reason, ...] = (Reason.RELEASED_BY_REVIEW,) if released else ()
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
        if (
            kind is EventKind.UPDATED
            and updates.starts_alert
            and visit
            and visit.admitted_at
            and not visit.discharged_at
        ):
            unheard = before is None or before.status is StayStatus.UNKNOWN
            kind = EventKind.REGISTERED if unheard else kind
        if (
            kind is EventKind.TRANSFERRED
            and before is None
            and visit
            and visit.prior_facility not in ("", event.facility)
        ):
            kind = EventKind.ADMITTED
        if before is None:
            if not self._enrolled(enrollee_id):
                return _silent(Reason.NOT_ENROLLED_ON_DAY)
            self._take_back_elsewhere(enrollee_id)
        step = advance(event, kind, before, enrollee_id, self._new_id())
        self._apply(kind, step, before)
        return self._decision()

    def person(self, enrollee_id: str) -> Decision:
        """A31 and A29: whatever of the person's stays it concerns."""
        event = self.event
        ids = event.patient.identifiers
        if event.kind is EventKind.PERSON_UPDATED and not event.patient.deceased and not event.patient.deceased_at:
            return _silent(Reason.IDENTITY_ONLY)
        for stay in list(self.stays.values()):
            if stay.enrollee_id != enrollee_id or stay.merged_into:
                continue
            ours = stay.facility == event.facility or any(key_in(key, stay.patient_ids) for key in ids)
            latest = self.latest.get(stay.stay_id)
            if event.kind is EventKind.PERSON_DELETED and ours:
                self._apply(event.kind, advance(event, event.kind, stay, enrollee_id, ""), stay)
            elif event.kind is EventKind.PERSON_UPDATED and latest and latest.action is not Action.RETRACT:
                running = any(clock.status == "running" for clock in latest.clocks)
                if running or stay.status not in (StayStatus.FINISHED, *DEAD):
                    self._apply(event.kind, advance(event, event.kind, stay, enrollee_id, ""), stay)
        if not self.silent and not self.told:
            self.silent.append(Reason.IDENTITY_ONLY if event.kind is EventKind.PERSON_UPDATED else Reason.STAY_UNKNOWN)
        return self._decision()

    def merge(self, survivor: str | None, prior: str | None) -> Decision:
        return _silent(Reason.IDENTITY_ONLY)

    def move(self, target: str | None, source: str | None) -> Decision:
        return _silent(Reason.IDENTITY_ONLY)

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

    def _take_back_elsewhere(self, enrollee_id: str) -> None:
        """The hospital now says that a visit we told of as somebody else's is this person's."""

    def _enrolled(self, enrollee_id: str) -> bool:
        enrollee = self.enrollees.get(enrollee_id)
        if enrollee is None:
            return True
        day: date = self.event.occurred_at.astimezone(self.world.policy.tz).date()
        begins, ends = enrollee.effective_from, enrollee.effective_to
        return (begins is None or begins <= day) and (ends is None or day <= ends)

    def _new_id(self) -> str:
        """A stay is named by the message that opened it; a second one of the same message by a digest of both."""
        first = self.event.message_id
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
        )


def _enrollee_id(match: Match, released: bool) -> str | None:
    if match.grade in _KNOWN or (released and match.grade is Grade.POSSIBLE):
        return match.enrollee_id
    return None


def _silent(*reasons: Reason) -> Decision:
    return Decision(action=Action.SUPPRESS, reasons=reasons)


def _possible(event: Event) -> Decision:
    """Nothing leaves on a possible match; a person is asked only when something would."""
    found = event.visit.encounter_class if event.visit else None
    if event.kind in _NEVER_TOLD:
        return _silent(Reason.POSSIBLE_MATCH)
    if found in (EncounterClass.AMBULATORY, EncounterClass.PRE_ADMISSION):
        return _silent(Reason.POSSIBLE_MATCH, Reason.OUTPATIENT)
    return Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,))
