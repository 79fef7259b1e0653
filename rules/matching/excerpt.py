"""A large panel and a few patients in, an index of the part they can be compared with out.

It answers as that of the whole panel does: of a million enrollees only those matter that share a block with one of the
patients, and the number of people and how common a name is are still those of all.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rules.matching.blocks import SMALL_PANEL, Segment, births_of
from rules.matching.index import PanelIndex
from rules.matching.names import Name
from rules.matching.person import (
    PanelRecord,
    Person,
    first_name,
    last_name,
    read_birth,
    read_identifier,
    read_phone,
    read_ssn,
    read_street,
    read_zip,
)

Learned = Iterable[tuple[str, str, str]]
LARGE_FROM: Final = SMALL_PANEL + 1  # people; on a smaller panel more is compared, and all of it is indexed quickly


class _Memo(dict[str, tuple[str, ...]]):
    """Spellings of a name in, its compared form and the parts of it out, each spelling read once."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self._read = last_name if last else first_name

    def __missing__(self, text: str) -> tuple[str, ...]:
        keys = self[text] = _keys(self._read(text))
        return keys


class _Sought:
    """What some patients share blocks by."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.medicaid: set[str] = set()
        self.ssns: set[str] = set()
        self.mrns: set[tuple[str, str]] = set()
        self.phones: set[str] = set()
        self.streets: set[str] = set()
        self.births: set[int] = set()
        self.of_birth: set[tuple[int, str]] = set()  # with a name, with initials, with the last four of an SSN
        self.names: set[tuple[str, str]] = set()
        self.of_zip: set[tuple[str, str]] = set()
        for person in people:
            self._add(person)

    def _add(self, person: Person) -> None:
        self.medicaid.update(person.medicaid, person.maybe_medicaid)
        if len(person.ssn) == 9:
            self.ssns.add(person.ssn)
        self.mrns.update(person.mrns)
        self.phones.update(person.phones)
        self.streets.update(street for street, _ in person.addresses if street)
        births = births_of(person.birth)
        zips = [code for _, code in person.addresses if code]
        self.births.update(births)
        words = [person.ssn[-4:]] if person.ssn else []
        for last, first in person.names:
            lasts, firsts = _keys(last), _keys(first)
            words += [*lasts, *firsts]
            if lasts and firsts:
                words.append(last.key[:1] + first.key[:1])
            self.names.update((family, given) for family in lasts for given in firsts)
            self.names.update((given, family) for family in lasts for given in firsts)
            self.of_zip.update((code, word) for code in zips for word in (*lasts, *firsts))
        self.of_birth.update((birth, word) for birth in births for word in words)

    def among(self, records: Iterable[PanelRecord], owners: set[str]) -> Iterator[PanelRecord]:
        """Those of `records` that share a block with somebody sought, and the `owners`; seldom others."""
        lasts, firsts = _Memo(last=True), _Memo(last=False)
        for record in records:
            family, given = lasts[record.last], firsts[record.first]
            if record.former_names:
                former = [(last or record.last, first or record.first) for last, first in record.former_names]
                family += tuple(key for last, _ in former for key in lasts[last])
                given += tuple(key for _, first in former for key in firsts[first])
            if self._shares(record, family, given) or record.enrollee_id in owners:
                yield record

    def _shares(self, record: PanelRecord, lasts: Sequence[str], firsts: Sequence[str]) -> bool:
        """Whether `record` with these names shares a block."""
        code = read_zip(record.zip)
        names, of_zip = self.names, self.of_zip
        for last in lasts:
            if (code, last) in of_zip:
                return True
            for first in firsts:
                if (last, first) in names or (code, first) in of_zip:
                    return True
        if not lasts and any((code, first) in of_zip for first in firsts):
            return True
        if record.phone and read_phone(record.phone) in self.phones:
            return True
        if record.street and read_street(record.street) in self.streets:
            return True
        ssn = read_ssn(record.ssn) if record.ssn else ""
        if ssn in self.ssns or (record.medicaid_id and read_identifier("", record.medicaid_id)[1] in self.medicaid):
            return True
        if record.mrns and not self.mrns.isdisjoint(read_identifier(*mrn) for mrn in record.mrns):
            return True
        birth = read_birth(record.birth_date)
        if birth in self.births:
            words = {*lasts, *firsts, ssn[-4:], *(last[0] + first[0] for last in lasts for first in firsts)}
            if any((birth, word) in self.of_birth for word in words):
                return True
        return any(read_street(street) in self.streets for street, _ in record.former_addresses) or any(
            read_phone(phone) in self.phones for phone in record.former_phones
        )


class Excerpt(PanelIndex):
    """Answers for the patients it was made for as the index of the whole panel does."""

    def __init__(self, size: int, lasts: Counter[str], firsts: Counter[str]) -> None:
        super().__init__()
        self._whole = size
        self._lasts, self._firsts = lasts, firsts

    @classmethod
    def about(cls, people: Iterable[Person], records: Iterable[PanelRecord], crosswalk: Learned) -> PanelIndex:
        """The index for `people` of a panel of `LARGE_FROM` or more `records`, each enrollee once."""
        sought = _Sought(people)
        learned = [entry for entry in crosswalk if read_identifier(*entry[:2]) in sought.mrns]
        lasts: Counter[str] = Counter()
        firsts: Counter[str] = Counter()

        def counted() -> Iterator[PanelRecord]:
            for record in records:
                lasts[record.last] += 1
                firsts[record.first] += 1
                yield record

        near = list(sought.among(counted(), {owner for _, _, owner in learned}))
        index = cls(lasts.total(), _by_key(lasts, last=True), _by_key(firsts, last=False))
        index.apply(near, (), learned)
        return index

    def _replace(self, segments: tuple[Segment, ...]) -> None:
        super()._replace(segments)
        state = self._state
        for weigh, counts in ((state.weigh_last, self._lasts), (state.weigh_first, self._firsts)):
            weigh.counts, weigh.size = counts, self._whole
        self._state = state._replace(size=self._whole)


def _keys(name: Name) -> tuple[str, ...]:
    return (name.key, *name.parts) if name.key else ()


def _by_key(spellings: Counter[str], *, last: bool) -> Counter[str]:
    """How many people have each name, whatever its spelling."""
    read = last_name if last else first_name
    total: Counter[str] = Counter()
    for text, count in spellings.items():
        total[read(text).key] += count
    return total
