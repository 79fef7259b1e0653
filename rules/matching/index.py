"""Panel records in, the enrollee a patient is out: the panel as an index that is searched and changed live.

A search looks up some twenty blocks, compares whoever is in them, and grades the best.

One file, because a search reads what an index keeps as it keeps it; this is the hot path of matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from math import log2
from typing import Final, NamedTuple

import numpy as np

from parsers.events import Patient, PersonName, Prior
from rules.decisions import Grade, Match
from rules.matching.blocks import (
    BLOCK_WORDS,
    LARGE_BLOCK,
    MONTH_AND_DAY,
    SMALL_PANEL,
    YEAR_AND_DAY,
    YEAR_AND_MONTH,
    Block,
    Segment,
    Span,
    births_of,
    block_keys,
    hash_often,
    narrow,
    pack_date,
    without,
)
from rules.matching.ceilings import ceiling_of
from rules.matching.columns import ITEM, PART, SEXES, SHORT_SSN, SUFFIXES, NamePool, Pools, encode
from rules.matching.compare import Comparison, compare
from rules.matching.evidence import Agreement, Field
from rules.matching.grades import hold_down, lower, rank
from rules.matching.names import Name, first_shares, known_first, last_shares
from rules.matching.person import PanelRecord, Person, first_name, is_nobodys, last_name, read_identifier, read_patient

NOBODY: Final = Match(grade=Grade.CERTAINLY_NOT)
CONTEST_BITS: Final = 6.0  # a second enrollee this close makes the first one a question
_ANSWERS: Final = 1 << 13  # answers kept; some 20 MB
_RARE_LAST: Final = 2.0**-13
_RARE_FIRST: Final = 2.0**-11
_SEVERAL: Final = 3  # enrollees of one first name: none of them was misspelled
_SSN, _LAST_FIRST, _ZIP_LAST, _ZIP_FIRST = map(int, (Block.SSN, Block.LAST_FIRST, Block.ZIP_LAST, Block.ZIP_FIRST))
_OF_ZIP: Final = (_ZIP_LAST, _ZIP_FIRST)
_IDENTIFIERS: Final = 1 << Block.MEDICAID_ID | 1 << Block.SSN | 1 << Block.MRN  # blocks as bits, here and below
_PHONE: Final = 1 << Block.PHONE
_HOME: Final = 1 << Block.STREET | _PHONE
_TELLING: Final = 1 << Block.LAST_FIRST | _HOME  # with a birth date like it they leave little doubt
_ALONE: Final = _TELLING | 1 << Block.BIRTH_LAST | 1 << Block.BIRTH_FIRST | 1 << Block.BIRTH_INITIALS


class _Candidate(NamedTuple):
    enrollee_id: str
    comparison: Comparison
    grade: Grade
    enrolled: bool


class _State(NamedTuple):
    """One consistent view of the panel; replaced as a whole by every change.

    `answers` are the last ones given about patients, by all they depend on but this view: the person, the day, and
    whose the person's MRNs are. Hospitals send most patients again and again.
    """

    segments: tuple[Segment, ...]
    size: int
    weigh_last: _Weigh
    weigh_first: _Weigh
    answers: dict[tuple[Person, date, tuple[str | None, ...]], Match]


class PanelIndex:
    """Reading while another thread calls `apply` is safe: a search sees the panel before or after a change."""

    def __init__(self) -> None:
        self._pools = Pools()
        self._crosswalk: dict[tuple[str, str], str] = {}
        self._state = _State((), 0, _Weigh({}, {}, 0, _RARE_LAST), _Weigh({}, {}, 0, _RARE_FIRST), {})

    @classmethod
    def build(cls, records: Iterable[PanelRecord], crosswalk: Iterable[tuple[str, str, str]] = ()) -> PanelIndex:
        """The index of `records` and of the identifiers `(system, value, enrollee_id)` learned so far."""
        index = cls()
        known_first("")  # reads the tables of names now and not in the first search
        segment = Segment(encode(records, index._pools), index._pools)
        segment.lose(segment.doubles())
        index._learn(crosswalk)
        index._replace((segment,))
        return index

    def __len__(self) -> int:
        return self._state.size

    def _learn(self, crosswalk: Iterable[tuple[str, str, str | None]]) -> None:
        for system, value, owner in crosswalk:
            if is_nobodys(value):
                continue
            if owner is None:
                self._crosswalk.pop(read_identifier(system, value), None)
            else:
                self._crosswalk[read_identifier(system, value)] = owner

    def _replace(self, segments: tuple[Segment, ...]) -> None:
        """Make `segments` what is searched. How common a name is on this panel is counted anew."""
        size = sum(segment.count - segment.lost for segment in segments)
        lasts = self._count(segments, "last", self._pools.last)
        firsts = self._count(segments, "first", self._pools.first)
        self._state = _State(
            segments,
            size,
            _Weigh(lasts, last_shares(), size, _RARE_LAST),
            _Weigh(firsts, first_shares(), size, _RARE_FIRST),
            {},
        )

    @staticmethod
    def _count(segments: Sequence[Segment], column: str, pool: NamePool) -> dict[str, int]:
        counts = np.zeros(len(pool.names), dtype=np.int64)
        for segment in segments:
            codes = segment.data.columns[column]
            alive = np.frombuffer(segment.dead, dtype=np.uint8) == 0
            counts += np.bincount(codes[alive], minlength=len(counts))
        total: dict[str, int] = {}
        for code in np.flatnonzero(counts).tolist():
            key = pool.names[code].key
            total[key] = total.get(key, 0) + int(counts[code])
        return {key: count for key, count in total.items() if count > 1}

    def apply(
        self,
        records: Iterable[PanelRecord],
        removed: Iterable[str] = (),
        crosswalk: Iterable[tuple[str, str, str | None]] = (),
    ) -> None:
        """Replace or add `records`, forget the enrollees `removed`, learn or (None) forget identifiers."""
        self._learn(crosswalk)
        changed = {record.enrollee_id: record for record in records}
        gone = set(removed)
        if not changed and not gone:
            return
        main, *rest = self._state.segments or (Segment(encode((), self._pools), self._pools),)
        fresh = encode(changed.values(), self._pools)
        main = without(main, gone | changed.keys())
        if rest:
            delta = without(rest[0], gone | changed.keys())
            fresh = delta.data.keep(np.frombuffer(delta.dead, dtype=np.uint8) == 0).join(fresh)
        if fresh.height > max(20_000, main.count // 8):
            kept = main.data.keep(np.frombuffer(main.dead, dtype=np.uint8) == 0)
            self._replace((Segment(kept.join(fresh), self._pools),))
        else:
            self._replace((main, Segment(fresh, self._pools)))

    # --- searching ------------------------------------------------------------------------------------------------

    def match(self, patient: Patient, facility: str, on: date) -> Match:
        """The enrollee `patient` is on day `on`, with grade and evidence by field.

        An identifier without an authority is compared within `facility` only. An enrollee who is not enrolled on
        that day can be found, but does not contest one who is.
        """
        person = read_patient(patient, facility)
        state = self._state
        holders = tuple(map(self._crosswalk.get, person.mrns))
        asked = person, on, holders
        answer = state.answers.get(asked)
        if answer is None:
            if len(state.answers) >= _ANSWERS:
                state.answers.clear()
            answer = state.answers[asked] = self._search(state, person, holders, on)
        return answer

    def match_prior(self, prior: Prior, facility: str, on: date) -> Match | None:
        """The enrollee the identity that gives way belonged to; None when MRG names nobody."""
        if not prior.identifiers and prior.name == PersonName():
            return None
        return self.match(Patient(identifiers=prior.identifiers, name=prior.name), facility, on)

    def match_person(self, person: Person, on: date) -> Match:
        """As `match`, for a person whose fields are read already; searched every time."""
        return self._search(self._state, person, tuple(map(self._crosswalk.get, person.mrns)), on)

    def _search(self, state: _State, person: Person, holders: tuple[str | None, ...], on: date) -> Match:
        size, borne = state.size, state.weigh_first.borne
        day = on.year * 10000 + on.month * 100 + on.day
        owners = {mrn: owner for mrn, owner in zip(person.mrns, holders, strict=True) if owner}
        screened = size > SMALL_PANEL
        gathered, large = _gather(state.segments, person, screened=screened)
        ssn_shared: bool | None = None  # not looked up yet
        held_by: dict[str, list[tuple[str, str]]] = {}
        candidates: list[_Candidate] = []
        for segment, (shared, crowds) in zip(state.segments, gathered, strict=True):
            some = set(self._screen(segment, shared, crowds, person) if screened and shared else shared)
            for owner in owners.values() if owners else ():
                if (row := segment.find(owner)) >= 0:
                    some.add(row)
            if some:
                for each in large:
                    each.count(segment, some)
            for row in some:
                if segment.dead[row]:
                    continue
                if ssn_shared is None:
                    ssn_shared = len(person.ssn) == 9 and _holders(state.segments, person.ssn) > 1
                enrollee_id, other = self._person(segment, row, owners)
                if shared_numbers := [mrn for mrn in person.mrns if mrn in other.mrns]:
                    held_by[enrollee_id] = shared_numbers
                comparison = compare(
                    person, other, state.weigh_last, state.weigh_first, ssn_shared=ssn_shared, borne=borne, on=day
                )
                if (graded := _graded(comparison, size)) is not None:
                    enrolled = segment.starts[row] <= day and (not segment.ends[row] or day <= segment.ends[row])
                    candidates.append(_Candidate(enrollee_id, comparison, graded, enrolled))
        said: dict[str, str] = {Field.LARGE_BLOCK: "; ".join(map(str, large))} if large else {}
        if all(each.grade is Grade.CERTAINLY_NOT for each in candidates):
            return Match(grade=Grade.CERTAINLY_NOT, evidence=said) if said else NOBODY
        best = _choose(candidates, said, size)
        own = held_by.pop(best.enrollee_id or "", [])
        others = {mrn for mrns in held_by.values() for mrn in mrns}.difference(own)
        return best.model_copy(update={"others": tuple(sorted(others))}) if others else best

    def _screen(
        self, segment: Segment, shared: dict[int, int], crowds: Sequence[Span], person: Person
    ) -> Iterator[int]:
        """Of rows and the blocks they share, as bits, those that can come to anything on a large panel.

        They share an identifier; or more than one block (or one that leaves little doubt), and birth date or first
        name agrees at all: two parts of the date, or the initial of a first or middle name. Where one of these is not
        known the row stays. `crowds` are the blocks of one ZIP code and name, too large to go through: who is in two
        of them shares both names, and so is in a block of those, too.
        """
        births = births_of(person.birth)
        asked, dates, born = pack_date(person.birth), segment.packed, segment.birth
        middle, middles = segment.middle, self._pools.middle.words
        codes = [hash_often(code) for _, code in person.addresses if code] if crowds else ()
        initials: set[str] | None = None
        known = False
        for row, blocks in shared.items():
            if blocks & _IDENTIFIERS:
                yield row
                continue
            apart = dates[row] ^ asked
            near = (
                not (apart & MONTH_AND_DAY and apart & YEAR_AND_DAY and apart & YEAR_AND_MONTH) or born[row] in births
            )
            if blocks & blocks - 1 or (
                codes and segment.zip[row] in codes and any(segment.holds(row, *crowd) for crowd in crowds)
            ):
                if near:
                    yield row
                    continue
                if initials is None:
                    initials = {name.key[0] for pair in person.names for name in pair if name.key}
                    initials.update(person.middle[:1])
                    known = bool(births) and all(first.key for _, first in person.names)
                if (
                    not known
                    or not born[row]
                    or (name := self._pools.first.names[segment.first[row]].key)[:1] in initials
                    or not name
                    or segment.aliased[row]
                    or (middle[row] and middles[middle[row]][:1] in initials)
                ):
                    yield row
            elif blocks & _ALONE and (
                ((near and born[row]) or (blocks == _PHONE and not births))
                and (blocks & _TELLING or (middle[row] and middles[middle[row]][:1] == person.middle[:1]))
            ):
                yield row

    def _person(self, segment: Segment, row: int, owners: dict[tuple[str, str], str]) -> tuple[str, Person]:
        """An enrollee as the comparison wants one; the crosswalk overrules the MRNs on the panel."""
        pools = self._pools
        enrollee_id, medicaid, street, code, phone, mother, *further = segment.texts(row)
        names: tuple[tuple[Name, Name], ...] = (
            (pools.last.names[segment.last[row]], pools.first.names[segment.first[row]]),
        )
        addresses: tuple[tuple[str, str], ...] = ((street, code),) if street or code else ()
        phones: tuple[str, ...] = (phone,) if phone else ()
        mrns: tuple[tuple[str, str], ...] = ()
        if len(further) == 4:
            mrns = tuple(
                (pair[0], pair[1])
                for pair in _split(further[0])
                if owners.get((pair[0], pair[1]), enrollee_id) == enrollee_id
            )
            names += tuple((last_name(pair[0]), first_name(pair[1])) for pair in _split(further[1]))
            addresses += tuple((pair[0], pair[1]) for pair in _split(further[2]))
            phones += tuple(filter(None, further[3].split(ITEM)))
        if owners:
            mrns += tuple(mrn for mrn, owner in owners.items() if owner == enrollee_id)
        ssn = segment.ssn[row]
        return enrollee_id, Person(
            names,
            pools.middle.words[segment.middle[row]],
            SUFFIXES[segment.suffix[row]],
            segment.birth[row],
            SEXES[segment.sex[row]],
            ("" if not ssn else f"{ssn:09d}" if ssn < SHORT_SSN else f"{ssn - SHORT_SSN:04d}"),
            (medicaid,) if medicaid else (),
            (),
            mrns,
            addresses,
            pools.city.words[segment.city[row]],
            phones,
            mother,
        )


class _Weigh:
    """A name's weight in bits, by the larger of its shares in the census and on this panel."""

    __slots__ = ("counts", "known", "rare", "shares", "size")

    def __init__(self, counts: dict[str, int], shares: dict[str, float], size: int, rare: float) -> None:
        self.known: dict[str, float] = {}
        self.counts, self.shares, self.size, self.rare = counts, shares, size, rare

    def __call__(self, key: str) -> float:
        weight = self.known.get(key)
        if weight is None:
            here = (self.counts.get(key, 1) - 1) / self.size if self.size > 1000 else 0.0
            weight = self.known[key] = -log2(max(here, self.shares.get(key, 0.0), self.rare))
        return weight

    def borne(self, key: str) -> bool:
        """Whether people bear this first name: it is known, or several enrollees have it."""
        return known_first(key) or self.counts.get(key, 0) >= _SEVERAL


def _split(items: str) -> Iterator[list[str]]:
    return (item.split(PART) for item in items.split(ITEM) if item)


def _holders(segments: Sequence[Segment], ssn: str) -> int:
    """How many enrollees have this whole Social Security number."""
    return sum([len(segment.look(_SSN, int(ssn))) for segment in segments])


class _Large:
    """A block of many people, where they stand in each segment, and how many of them were compared."""

    __slots__ = ("block", "compared", "people", "spans")

    def __init__(self, block: int, people: int, spans: dict[Segment, Span]) -> None:
        self.block, self.people, self.spans, self.compared = block, people, spans, 0

    def count(self, segment: Segment, compared: set[int]) -> None:
        if span := self.spans.get(segment):
            dead = segment.dead
            self.compared += sum([segment.holds(row, *span) for row in compared if not dead[row]])

    def __str__(self) -> str:
        return f"{BLOCK_WORDS[self.block]}: {self.people} people, {self.compared} compared"


def _gather(
    segments: Sequence[Segment], person: Person, *, screened: bool
) -> tuple[list[tuple[dict[int, int], list[Span]]], list[_Large]]:
    """By segment: the rows that share a block with `person`, the blocks as bits, and its crowds; all large blocks.

    Of a large block only those that agree in one more element. If they will be `screened`, everybody in a ZIP code
    of one name is a crowd: not gone through, since who comes to anything is in another block as well; and namesakes
    whom the screen cannot pass are left out here.
    """
    keys = block_keys(person, small=not screened)
    spans = [segment.spans(keys) for segment in segments]
    crowded = _crowded(spans)
    gathered: list[tuple[dict[int, int], list[Span]]] = []
    namesakes: list[tuple[Segment, dict[int, int], list[Span], int, int]] = []
    for segment, met in zip(segments, spans, strict=True):
        shared: dict[int, int] = {}
        crowds: list[Span] = []
        members = segment.members
        for block, key, start, stop in met:
            if screened and block in _OF_ZIP:
                crowds.append((block, start, stop))
            elif crowded and (block, key) in crowded:
                continue
            elif screened and block == _LAST_FIRST:
                namesakes.append((segment, shared, crowds, start, stop))
            else:
                bit = 1 << block
                for row in members[block][start:stop]:
                    shared[row] = shared.get(row, 0) | bit
        gathered.append((shared, crowds))
    large = _add_crowded(segments, person, spans, crowded, gathered, screened=screened) if crowded else []
    if namesakes:
        dates = tuple(map(pack_date, births_of(person.birth)))
        zips = {hash_often(code) for _, code in person.addresses if code}
        for segment, shared, crowds, start, stop in namesakes:
            segment.namesakes(start, stop, shared, dates, zips if crowds else ())
    return gathered, large


def _add_crowded(
    segments: Sequence[Segment],
    person: Person,
    spans: list[list[tuple[int, int, int, int]]],
    crowded: dict[tuple[int, int], list[Span]],
    gathered: list[tuple[dict[int, int], list[Span]]],
    *,
    screened: bool,
) -> list[_Large]:
    """Adds the rows of crowded blocks to what is gathered, of a large one those that agree in one more element; which
    are large."""
    large: list[_Large] = []
    for (block, _), stands in sorted(crowded.items()):
        people = 0
        for place, start, stop in stands:
            segment = segments[place]
            people += len(segment.alive(segment.rows[block][start:stop])) if segment.lost else stop - start
        if not screened or block not in _OF_ZIP:
            bit = 1 << block
            for place, start, stop in stands:
                segment, (shared, _) = segments[place], gathered[place]
                if people > LARGE_BLOCK:
                    rows = narrow(segment, (block, start, stop), person, spans[place])
                else:
                    rows = segment.members[block][start:stop].tolist()
                for row in rows:
                    shared[row] = shared.get(row, 0) | bit
        if people > LARGE_BLOCK:
            large.append(_Large(block, people, {segments[place]: (block, since, to) for place, since, to in stands}))
    return large


def _crowded(spans: list[list[tuple[int, int, int, int]]]) -> dict[tuple[int, int], list[Span]]:
    """Blocks of more than `LARGE_BLOCK` rows in all segments together: the segment and where they stand, for each."""
    places: dict[tuple[int, int], list[Span]] = {}
    if len(spans) == 1:
        for block, key, start, stop in spans[0]:
            if stop - start > LARGE_BLOCK:
                places[block, key] = [(0, start, stop)]
        return places
    for place, met in enumerate(spans):
        for block, key, start, stop in met:
            stands = places.setdefault((block, key), [])
            if (place, start, stop) not in stands:
                stands.append((place, start, stop))
    return {key: stands for key, stands in places.items() if sum([to - since for _, since, to in stands]) > LARGE_BLOCK}


def _graded(comparison: Comparison, size: int) -> Grade | None:
    """What the comparison comes to; `None` for whoever is surely not meant, not even but for identifiers that disagree:
    who might be, makes another one a question."""
    ceiling = ceiling_of(comparison, size)
    graded = hold_down(ceiling, comparison, comparison.weight, size)
    if graded is not Grade.CERTAINLY_NOT:
        return graded
    if not comparison.penalty:
        return None
    but_for_penalty = hold_down(ceiling, comparison, comparison.weight + comparison.penalty, size)
    return None if but_for_penalty is Grade.CERTAINLY_NOT else graded


def _choose(candidates: list[_Candidate], large: dict[str, str], size: int) -> Match:
    """The best of them, its grade held down when another enrollee might as well be meant.

    What contests is judged without the penalties of disagreeing identifiers, so that one more of them on the
    patient's side can never settle a question.
    """
    candidates.sort(key=lambda each: (-each.comparison.weight, not each.enrolled, each.enrollee_id))
    best = next(each for each in candidates if each.grade is not Grade.CERTAINLY_NOT)
    others = [each for each in candidates if each.enrollee_id != best.enrollee_id]
    graded = best.grade
    evidence = {**best.comparison.evidence, **large}
    runner_up: str | None = None
    if others:
        rival = max(others, key=lambda each: each.comparison.weight + each.comparison.penalty)
        runner_up = rival.enrollee_id
        near = rival.comparison.weight + rival.comparison.penalty > best.comparison.weight - CONTEST_BITS
        contests = near and (rival.enrolled or not best.enrolled)
        if contests and rank(graded) > rank(Grade.POSSIBLE):
            graded = lower(graded, Grade.POSSIBLE)
            evidence[Field.CONTESTED] = Agreement.ANOTHER_ENROLLEE
    return Match(
        grade=graded,
        enrollee_id=best.enrollee_id,
        runner_up=runner_up,
        weight=round(best.comparison.weight - log2(max(size, 1)), 2),
        evidence=evidence,
    )
