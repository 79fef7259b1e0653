"""All that is remembered in, as much of it as one event may look at out, and what the decision adds to it.

One rule for whoever decides: the store fills `Remembered` from its tables with what a batch can touch (`Sought` says
by what), `explain`, `score` and the benches keep everything in it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from parsers.events import Event, Identifier
from parsers.people import Enrollee
from rules.deciding.groups import KNOWN, Whose
from rules.deciding.late_enrollment import looks_back
from rules.decisions import Alert, Decision, Grade, History, Stay
from rules.matching.person import is_nobodys, read_identifier
from rules.stays.places import same_facility

HISTORY: Final = timedelta(days=400)  # a year of stays for the rules and the page, and room for late messages
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
Number = tuple[str, str]  # authority and value


class Sought(NamedTuple):
    """By what an event finds stays."""

    enrollee_ids: frozenset[str]  # of these people all that were active since
    since: datetime
    anywhere: frozenset[str]  # under one of these keys
    here: frozenset[str]  # under one of these, at the event's facility: its patient may be somebody else's there


class Learned(NamedTuple):
    """Whose record numbers are, by authority and value; "" is nobody's."""

    said: dict[Number, str]  # by a rule: takes the place of what was known
    shown: dict[Number, str]  # by an automatic match: never takes a place, nor one that the panel gives


def sought(event: Event, whose: Iterable[Whose]) -> Sought:
    """By what `event`, about these people, finds stays."""
    anywhere: set[str] = set()
    here: set[str] = set()
    for part in event.parts():
        anywhere.update(map(_of_visit, part.stay_keys))
        if part.prior:
            anywhere.update(map(_of_record, part.prior.identifiers))
            anywhere.update(_of_visit(key) for key in (part.prior.account, part.prior.visit) if key)
        here.update(map(_of_record, part.patient.identifiers))
    ids = frozenset([match.enrollee_id for pair in whose for match in pair if match and match.enrollee_id])
    return Sought(ids, event.occurred_at - HISTORY, frozenset(anywhere), frozenset(here))


def keys_of(stay: Stay) -> set[str]:
    """By what keys a stay is found."""
    return {*map(_of_visit, stay.keys), *map(_of_record, stay.patient_ids)}


def _of_visit(key: Identifier) -> str:
    return f"v\x1f{key.system}\x1f{key.value}"


def _of_record(number: Identifier) -> str:
    return f"p\x1f{number.system}\x1f{number.value}"


def active_at(stay: Stay) -> datetime | None:
    """When a stay was last heard of, or went on: the latest time known of it."""
    return max(filter(None, (stay.started_at, stay.ended_at, stay.last_recorded_at)), default=None)


def learnable(identifiers: Sequence[Identifier]) -> list[Identifier]:
    """Those that name a person within their authority (HL7 table 0203): no account, visit, license or SSN, and nothing
    that stands for a number that is not known."""
    return [
        number for number in identifiers if number.system and number.names_a_record and not is_nobodys(number.value)
    ]


def owner_of(whose: Iterable[Whose]) -> str | None:
    """The first enrollee an event is, or may be, about; of one about none of them nothing is decided."""
    for pair in whose:
        for match in pair:
            if match and match.enrollee_id and match.grade is not Grade.CERTAINLY_NOT:
                return match.enrollee_id
    return None


class Remembered:
    """Stays, the latest versions of their alerts, fingerprints decided upon, whose record numbers are, and events that
    were nobody's so far. `kept_for`: how long those count, where nobody else ends their keeping."""

    def __init__(self, kept_for: timedelta = timedelta.max) -> None:
        self.stays: dict[str, Stay] = {}
        self.alerts: dict[str, Alert] = {}
        self.seen: set[str] = set()
        self.numbers: dict[Number, str] = {}
        self._of_enrollee: defaultdict[str, set[str]] = defaultdict(set)
        self._of_key: defaultdict[str, set[str]] = defaultdict(set)
        self._nobodys: defaultdict[Number, dict[str, Event]] = defaultdict(dict)
        self._kept_for = kept_for

    def history(self, event: Event, whose: Sequence[Whose], enrollee: Callable[[str], Enrollee | None]) -> History:
        """What `event`, about these people, may look at; the same whatever else is remembered. `enrollee`: the line of
        somebody on the panel, as of the event's day."""
        wanted = sought(event, whose)
        stay_ids = {
            stay_id
            for enrollee_id in wanted.enrollee_ids
            for stay_id in self._of_enrollee.get(enrollee_id, ())
            if (active_at(self.stays[stay_id]) or _NEVER) >= wanted.since
        }
        for key in wanted.anywhere:
            stay_ids.update(self._of_key.get(key, ()))
        for key in wanted.here:
            for stay_id in self._of_key.get(key, ()):
                if same_facility(self.stays[stay_id].facility, event.facility):
                    stay_ids.add(stay_id)
        stays = [self.stays[stay_id] for stay_id in stay_ids]
        if len(stays) > 1:
            stays.sort(key=lambda stay: (active_at(stay) or _NEVER, stay.stay_id))
        people = sorted(wanted.enrollee_ids.union([stay.enrollee_id for stay in stays]))
        return History(
            earlier=self._earlier(event),
            stays=tuple(stays),
            alerts=tuple([self.alerts[stay.stay_id] for stay in stays if stay.stay_id in self.alerts]),
            seen=event.fingerprint in self.seen,
            enrollees=tuple([line for enrollee_id in people if (line := enrollee(enrollee_id)) is not None]),
        )

    def _earlier(self, event: Event) -> tuple[Event, ...]:
        if not self._nobodys:
            return ()
        kept = {
            message_id: earlier
            for part in event.parts()
            for number in looks_back(part)
            for message_id, earlier in self._nobodys.get((number.system, number.value), {}).items()
            if event.received_at - earlier.received_at <= self._kept_for
        }
        return tuple(kept[message_id] for message_id in sorted(kept))

    def take_stay(self, stay: Stay) -> None:
        """A stay as it is now."""
        before = self.stays.get(stay.stay_id)
        if before:
            self._of_enrollee[before.enrollee_id].discard(stay.stay_id)
        self.stays[stay.stay_id] = stay
        self._of_enrollee[stay.enrollee_id].add(stay.stay_id)
        if before and (before.keys, before.patient_ids) == (stay.keys, stay.patient_ids):
            return
        was, keys = keys_of(before) if before else set(), keys_of(stay)
        for key in was - keys:
            self._of_key[key].discard(stay.stay_id)
        for key in keys - was:
            self._of_key[key].add(stay.stay_id)

    def take(self, event: Event, whose: Sequence[Whose], decision: Decision) -> Learned:
        """What was decided of `event`; gives what it says of record numbers."""
        for stay in decision.stays:
            self.take_stay(stay)
        for alert in decision.alerts:
            self.alerts[alert.alert_id] = alert
        if event.fingerprint:
            self.seen.add(event.fingerprint)
        if decision.caught_up:
            for kept in self._nobodys.values():
                for message_id in decision.caught_up:
                    kept.pop(message_id, None)
        said = {
            (change.identifier.system, change.identifier.value): change.enrollee_id or ""
            for change in decision.crosswalk
        }
        self.numbers |= said
        shown = self._shown(event, whose)
        self.numbers |= shown
        return Learned(said, shown)

    def _shown(self, event: Event, whose: Sequence[Whose]) -> dict[Number, str]:
        shown: dict[Number, str] = {}
        for part, (match, prior) in zip(event.parts(), whose, strict=True):
            former = part.prior.identifiers if part.prior else ()
            for person_match, numbers in ((match, part.patient.identifiers), (prior, former)):
                if person_match and person_match.enrollee_id and person_match.grade in KNOWN:
                    new = [number for number in numbers if (number.system, number.value) not in self.numbers]
                    for number in learnable(new):
                        if read_identifier(number.system, number.value) not in person_match.others:
                            shown.setdefault((number.system, number.value), person_match.enrollee_id)
        return shown

    def keep(self, event: Event) -> None:
        """An event that is nobody's so far."""
        for number in (*event.patient.identifiers, *event.stay_keys[:1]):
            self._nobodys[number.system, number.value][event.message_id] = event
