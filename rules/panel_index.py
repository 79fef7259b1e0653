"""Panel records in, the enrollee a patient is out: the panel as an index that is searched and changed live."""

from collections.abc import Iterable
from datetime import date

from parsers.events import Identifier, Patient, Prior
from rules.decisions import Grade, Match
from rules.matching import PanelRecord

NOBODY = Match(grade=Grade.CERTAINLY_NOT)


def _fold(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalpha())


class PanelIndex:
    """Reading while another thread calls `apply` is safe."""

    def __init__(self) -> None:
        self._records: dict[str, PanelRecord] = {}
        self._medicaid: dict[str, str] = {}
        self._ssn: dict[str, set[str]] = {}
        self._names: dict[tuple[str, str, str], set[str]] = {}
        self._crosswalk: dict[tuple[str, str], str] = {}

    @classmethod
    def build(cls, records: Iterable[PanelRecord], crosswalk: Iterable[tuple[str, str, str]] = ()) -> "PanelIndex":
        """The index of `records` and of the identifiers `(system, value, enrollee_id)` learned so far."""
        index = cls()
        index.apply(records, (), crosswalk)
        return index

    def __len__(self) -> int:
        return len(self._records)

    def apply(
        self,
        records: Iterable[PanelRecord],
        removed: Iterable[str] = (),
        crosswalk: Iterable[tuple[str, str, str | None]] = (),
    ) -> None:
        """Replace or add `records`, forget the enrollees `removed`, learn or (None) forget identifiers."""
        for enrollee_id in removed:
            self._records.pop(enrollee_id, None)
        for record in records:
            self._records[record.enrollee_id] = record
            if record.medicaid_id:
                self._medicaid[record.medicaid_id] = record.enrollee_id
            if record.ssn:
                self._ssn.setdefault(record.ssn, set()).add(record.enrollee_id)
            key = (_fold(record.last), _fold(record.first), record.birth_date)
            self._names.setdefault(key, set()).add(record.enrollee_id)
            for mrn in record.mrns:
                self._crosswalk[mrn] = record.enrollee_id
        for system, value, owner in crosswalk:
            if owner is None:
                self._crosswalk.pop((system, value), None)
            else:
                self._crosswalk[system, value] = owner

    def match(self, patient: Patient, facility: str, on: date) -> Match:
        """The enrollee `patient` is, with grade and evidence by field."""
        return self._find(patient, facility)

    def match_prior(self, prior: Prior, facility: str, on: date) -> Match | None:
        """The enrollee the identity that gives way belonged to; None when MRG names nobody."""
        if not prior.identifiers and not prior.name.family:
            return None
        return self._find(Patient(identifiers=prior.identifiers, name=prior.name), facility)

    def _find(self, patient: Patient, facility: str) -> Match:
        found: dict[str, str] = {}
        for identifier in patient.identifiers:
            owner = self._owner(identifier, facility)
            if owner in self._records:
                found[owner] = "identifier"
        if patient.ssn and len(owners := self._ssn.get(patient.ssn, set())) == 1:
            found.setdefault(next(iter(owners)), "ssn")
        birth = patient.birth_date.isoformat() if patient.birth_date else ""
        named = (
            self._names.get((_fold(patient.name.family), _fold(patient.name.given), birth), set()) if birth else set()
        )
        for owner in sorted(named):
            found.setdefault(owner, "name")
        for owner, how in found.items():
            record = self._records.get(owner)
            if record is None:
                continue
            contradicted = birth and birth != record.birth_date and _fold(patient.name.given) != _fold(record.first)
            if contradicted:
                return Match(grade=Grade.POSSIBLE, enrollee_id=owner, evidence={how: "equal", "birth_date": "differs"})
            if how != "name":
                return Match(grade=Grade.CERTAIN, enrollee_id=owner, weight=30.0, evidence={how: "equal"})
            grade = Grade.PROBABLE if record.sex == patient.sex and len(named) == 1 else Grade.POSSIBLE
            evidence = {"name": "equal", "birth_date": "equal", "sex": "equal"}
            return Match(grade=grade, enrollee_id=owner, weight=20.0, evidence=evidence)
        return NOBODY

    def _owner(self, identifier: Identifier, facility: str) -> str:
        if identifier.value in self._medicaid:
            return self._medicaid[identifier.value]
        return self._crosswalk.get((identifier.system or facility, identifier.value), "")
