"""A patient in, whose they are out: as the worker finds them in a panel, or enrolled whoever they are without one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from parsers.events import Event, Identifier, PersonName
from parsers.people import Enrollee
from rules.deciding.history import Number
from rules.decisions import Grade, Match
from rules.matching.evidence import Field, Note
from rules.matching.index import PanelIndex
from rules.matching.person import PanelRecord

NO_PANEL: Final = {Field.PANEL: Note.NONE_GIVEN}
_NOT_A_PERSON: Final = frozenset({"AN", "VN", "SS", "SSN", "DL", "NI"})  # HL7 table 0203


class Everyone:
    """No panel: whoever the hospital names is enrolled, under the first identifier it used for them."""

    def __init__(self) -> None:
        self._known: dict[Number, str] = {}

    def find(self, event: Event, _day: date) -> tuple[Match, Match | None]:
        prior = event.prior
        gone = self._person(prior.identifiers, prior.name, event) if prior and prior.identifiers else ""
        here = self._person(event.patient.identifiers, event.patient.name, event)
        return _certain(here), _certain(gone) if gone else None

    def get(self, _enrollee_id: str) -> Enrollee | None:
        return None

    def learn(self, numbers: Mapping[Number, str]) -> None:
        self._known |= {number: enrollee_id for number, enrollee_id in numbers.items() if enrollee_id}

    def _person(self, identifiers: Sequence[Identifier], name: PersonName, event: Event) -> str:
        own = [
            (identifier.system, identifier.value)
            for identifier in identifiers
            if identifier.type.upper() not in _NOT_A_PERSON
        ]
        if not own:
            patient = event.patient
            own = [(event.facility, f"{name.family}^{name.given}^{patient.birth_date}")]
        person = next((self._known[identifier] for identifier in own if identifier in self._known), "|".join(own[0]))
        for identifier in own:
            self._known.setdefault(identifier, person)
        return person


class PanelFile:
    """The people of a panel file, found as the worker finds them."""

    def __init__(self, people: Iterable[Enrollee]) -> None:
        self._people = {person.enrollee_id: person for person in people}
        self._index = PanelIndex.build(record_of(person) for person in self._people.values())

    def find(self, event: Event, day: date) -> tuple[Match, Match | None]:
        match = self._index.match(event.patient, event.facility, day)
        return match, self._index.match_prior(event.prior, event.facility, day) if event.prior else None

    def get(self, enrollee_id: str) -> Enrollee | None:
        return self._people.get(enrollee_id)

    def learn(self, numbers: Mapping[Number, str]) -> None:
        if numbers:
            self._index.apply((), (), [(*number, enrollee_id or None) for number, enrollee_id in numbers.items()])


def record_of(person: Enrollee) -> PanelRecord:
    """An enrollee as the index wants one."""
    return PanelRecord(
        enrollee_id=person.enrollee_id,
        medicaid_id=person.medicaid_id,
        ssn=person.ssn,
        last=person.name.family,
        first=person.name.given,
        middle=person.name.middle,
        suffix=person.name.suffix,
        birth_date=person.birth_date.isoformat(),
        sex=person.sex,
        street=person.address.street,
        city=person.address.city,
        state=person.address.state,
        zip=person.address.zip,
        phone=person.phone,
        mother_enrollee_id=person.mother_enrollee_id,
        mrns=tuple((mrn.system, mrn.value) for mrn in person.mrns),
        effective_from=person.effective_from.isoformat() if person.effective_from else "",
        effective_to=person.effective_to.isoformat() if person.effective_to else "",
    )


def _certain(enrollee_id: str) -> Match:
    return Match(grade=Grade.CERTAIN, enrollee_id=enrollee_id, evidence=NO_PANEL)
