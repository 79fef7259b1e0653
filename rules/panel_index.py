"""Panel records in, the enrollee a patient is out: the panel as an index that is searched and changed live.

The panel lies in flat columns (numpy: a million enrollees take about 200 MB and ten million still fit, which no
structure of Python objects does; hashing and sorting the blocks is vectorized for the same reason). A block is a
hash of a few fields, for example birth date and last name, sorted beside the rows that have it. A search looks up
some twenty blocks, compares whoever is in them, and grades the best.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from enum import IntEnum
from math import log2
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.events import Patient, PersonName, Prior
from rules.decisions import Grade, Match
from rules.matching import (
    Comparison,
    PanelRecord,
    Person,
    compare,
    first_name,
    grade,
    last_name,
    lower,
    rank,
    read_birth,
    read_identifier,
    read_patient,
    read_phone,
    read_sex,
    read_ssn,
    read_street,
    read_suffix,
    read_zip,
)
from rules.names import Name, first_shares, fold, last_shares

NOBODY: Final = Match(grade=Grade.CERTAINLY_NOT)
CONTEST_BITS: Final = 6.0  # a second enrollee this close makes the first one a question
LARGE_BLOCK: Final = 48  # rows; of a larger one only those that agree in another element are compared
SMALL_PANEL: Final = 17_000  # people; up to here a birth date or a ZIP code alone makes a block
_RARE_LAST: Final = 2.0**-13
_RARE_FIRST: Final = 2.0**-11
_EMPTY_NAME: Final = Name("")
_UNIT: Final = "\x1f"
_ITEM: Final = "\x1e"
_PART: Final = "\x1d"
_SHORT_SSN: Final = 1_000_000_000  # added to a Social Security number of which only the last four are known
_A: Final = 0x9E3779B97F4A7C15
_B: Final = 0xC2B2AE3D27D4EB4F
_MASK: Final = (1 << 64) - 1
_SUFFIXES: Final = ("", "JR", "SR", "II", "III", "IV")
_SEXES: Final = ("", "F", "M")
_SEX_CODES: Final = {"F": 1, "M": 2}

Numbers = npt.NDArray[Any]


class Block(IntEnum):
    """What the members of a block have in common."""

    ENROLLEE_ID = 0
    MEDICAID_ID = 1
    SSN = 2
    MRN = 3
    BIRTH_LAST = 4
    BIRTH_FIRST = 5
    BIRTH_INITIALS = 6
    LAST_FIRST = 7
    PHONE = 8
    STREET = 9
    ZIP_LAST = 10
    ZIP_FIRST = 11
    BIRTH_SSN4 = 12
    BIRTH = 13  # this one and the next on small panels only, where they are small too
    ZIP = 14


_WORDS: Final = {
    Block.ENROLLEE_ID: "enrollee id",
    Block.MEDICAID_ID: "Medicaid id",
    Block.SSN: "SSN",
    Block.MRN: "MRN",
    Block.BIRTH_LAST: "birth date and last name",
    Block.BIRTH_FIRST: "birth date and first name",
    Block.BIRTH_INITIALS: "birth date and initials",
    Block.LAST_FIRST: "last and first name",
    Block.PHONE: "phone",
    Block.STREET: "address",
    Block.ZIP_LAST: "ZIP and last name",
    Block.ZIP_FIRST: "ZIP and first name",
    Block.BIRTH_SSN4: "birth date and last four of the SSN",
    Block.BIRTH: "birth date",
    Block.ZIP: "ZIP",
}


_LAST_FIRST_BIT: Final = 1 << Block.LAST_FIRST
_BIRTH_BITS: Final = 1 << Block.BIRTH_LAST | 1 << Block.BIRTH_FIRST | 1 << Block.BIRTH_INITIALS


def _hash(text: str) -> int:
    """The same in every process, never 0 for a text that is there."""
    return (zlib.crc32(text.encode()) or 1) if text else 0


def _mix(one: int, other: int) -> int:
    return ((one * _A + other * _B) & _MASK) >> 32


def _mix_all(one: Numbers, other: Numbers) -> Numbers:
    """`_mix` of two columns."""
    left = one.astype(np.uint64) * np.uint64(_A)
    left += other.astype(np.uint64) * np.uint64(_B)
    return (left >> np.uint64(32)).astype(np.uint32)


class _Names:
    """Spellings in, codes out; for each code the compared form and the hashes of the whole and of its initial."""

    def __init__(self, read: Any) -> None:
        self.read = read
        self.code: dict[str, int] = {"": 0}
        self.names: list[Name] = [_EMPTY_NAME]
        self.whole = array("I", [0])
        self.initial = array("I", [0])

    def add(self, text: str) -> int:
        name: Name = self.read(text)
        self.names.append(name)
        self.whole.append(_hash(name.key))
        self.initial.append(ord(name.key[0]) if name.key else 0)
        code = self.code[text] = len(self.names) - 1
        return code


class _Words:
    """Texts in, codes out."""

    def __init__(self) -> None:
        self.code: dict[str, int] = {"": 0}
        self.words: list[str] = [""]

    def add(self, text: str) -> int:
        folded = fold(text)
        self.words.append(folded)
        code = self.code[text] = len(self.words) - 1
        return code


class _Pools:
    def __init__(self) -> None:
        self.last = _Names(last_name)
        self.first = _Names(first_name)
        self.middle = _Words()
        self.city = _Words()
        self.births: dict[str, int] = {"": 0}
        self.days: dict[str, int] = {"": 0}
        self.zips: dict[str, tuple[str, int]] = {"": ("", 0)}


_COLUMNS: Final = (
    *(("last", "I"), ("first", "I"), ("middle", "I"), ("city", "I"), ("birth", "I"), ("ssn", "I")),
    *(("sex", "B"), ("suffix", "B"), ("street", "I"), ("zip", "I"), ("phone", "I"), ("ident", "I"), ("medicaid", "I")),
    *(("starts", "I"), ("ends", "I"), ("size", "I")),
)
_GROUPS: Final = (
    ("name_row", "name_last", "name_first"),
    ("place_row", "place_street", "place_zip"),
    ("phone_row", "phone_hash"),
    ("mrn_row", "mrn_hash"),
)
_EXTRAS: Final = tuple(name for group in _GROUPS for name in group)


class _Columns(NamedTuple):
    """The panel, or a part of it, before its blocks are made. `text` holds what is only needed to compare."""

    columns: dict[str, Numbers]
    extras: dict[str, Numbers]  # further names, addresses, phones and MRNs: a row and a hash each
    text: bytes

    @property
    def count(self) -> int:
        return len(self.columns["last"])

    def keep(self, kept: Numbers) -> _Columns:
        """Only the rows where `kept` is true."""
        place = np.cumsum(kept, dtype=np.int64) - 1
        columns = {name: column[kept] for name, column in self.columns.items()}
        extras: dict[str, Numbers] = {}
        for group in _GROUPS:
            rows = self.extras[group[0]]
            stay = kept[rows]
            extras[group[0]] = place[rows[stay]].astype(np.uint32)
            for name in group[1:]:
                extras[name] = self.extras[name][stay]
        view = np.frombuffer(self.text, dtype=np.uint8)
        text = view[np.repeat(kept, self.columns["size"])].tobytes()
        return _Columns(columns, extras, text)

    def join(self, other: _Columns) -> _Columns:
        """These rows, then those of `other`."""
        shift = np.uint32(self.count)
        columns = {name: np.concatenate((self.columns[name], other.columns[name])) for name in self.columns}
        extras = {
            name: np.concatenate(
                (self.extras[name], other.extras[name] + shift if name.endswith("_row") else other.extras[name])
            )
            for name in self.extras
        }
        return _Columns(columns, extras, self.text + other.text)


def _encode(records: Iterable[PanelRecord], pools: _Pools) -> _Columns:
    columns = {name: array(kind) for name, kind in _COLUMNS}
    extras = {name: array("I") for name in _EXTRAS}
    text = bytearray()
    add_last, add_first, add_middle, add_city, add_birth, add_ssn = (columns[name].append for name, _ in _COLUMNS[:6])
    add_sex, add_suffix, add_street, add_zip, add_phone, add_ident = (
        columns[name].append for name, _ in _COLUMNS[6:12]
    )
    add_medicaid, add_starts, add_ends, add_size = (columns[name].append for name, _ in _COLUMNS[12:])
    lasts, firsts, middles, cities = pools.last, pools.first, pools.middle, pools.city
    last_codes, first_codes, middle_codes, city_codes = lasts.code, firsts.code, middles.code, cities.code
    births, zips = pools.births, pools.zips
    last_names, first_names = lasts.names, firsts.names
    crc = zlib.crc32
    last_get, first_get, middle_get, city_get = last_codes.get, first_codes.get, middle_codes.get, city_codes.get
    days = pools.days
    for row, record in enumerate(records):
        enrollee_id, medicaid, ssn, last, first, middle, suffix, born, sex, street, city = record[:11]
        code, phone, _, mrns, former_names, former_addresses, former_phones, starts, ends = record[12:]
        if (last_code := last_get(last)) is None:
            last_code = lasts.add(last)
        if (first_code := first_get(first)) is None:
            first_code = firsts.add(first)
        add_last(last_code)
        add_first(first_code)
        add_middle(middle_get(middle) or middles.add(middle) if middle else 0)
        add_city(city_get(city) or cities.add(city) if city else 0)
        if born not in births:
            births[born] = read_birth(born)
        add_birth(births[born])
        if ssn and (ssn := read_ssn(ssn)):
            add_ssn(int(ssn) if len(ssn) == 9 else int(ssn) + _SHORT_SSN)
        else:
            add_ssn(0)
        add_sex(_SEX_CODES.get(sex) or _SEXES.index(read_sex(sex)))
        last_read, first_read = last_names[last_code], first_names[first_code]
        inside = last_read.suffix or first_read.suffix
        add_suffix(_SUFFIXES.index(read_suffix(suffix) or inside) if suffix or inside else 0)
        street = read_street(street) if street else ""
        add_street(crc(street.encode()) if street else 0)
        if code not in zips:
            read = read_zip(code)
            zips[code] = (read, _hash(read))
        code, zip_hash = zips[code]
        add_zip(zip_hash)
        phone = read_phone(phone) if phone else ""
        add_phone(crc(phone.encode()) if phone else 0)
        add_ident(crc(enrollee_id.encode()))
        medicaid = read_identifier("", medicaid)[1] if medicaid else ""
        add_medicaid(crc(medicaid.encode()) if medicaid else 0)
        if starts not in days:
            days[starts] = _day(starts)
        add_starts(days[starts])
        if ends not in days:
            days[ends] = _day(ends)
        add_ends(days[ends])
        further = ""
        if mrns or former_names or former_addresses or former_phones:
            further = _encode_further(row, record, extras, pools, first_code, last_code)
        if last_read.parts or first_read.parts:
            _encode_parts(row, last_read, first_read, extras)
        item = f"{enrollee_id}{_UNIT}{medicaid}{_UNIT}{street}{_UNIT}{code}{_UNIT}{phone}{_UNIT}{further}".encode()
        add_size(len(item))
        text += item
    kinds = {"I": np.uint32, "B": np.uint8}
    return _Columns(
        {
            name: np.frombuffer(columns[name], dtype=kinds[kind]) if columns[name] else np.empty(0, kinds[kind])
            for name, kind in _COLUMNS
        },
        {
            name: np.frombuffer(extra, dtype=np.uint32) if extra else np.empty(0, np.uint32)
            for name, extra in extras.items()
        },
        bytes(text),
    )


def _day(text: str) -> int:
    digits = text[:10].replace("-", "")
    return int(digits) if digits.isdigit() else 0


def _encode_further(
    row: int, record: PanelRecord, extras: dict[str, array[int]], pools: _Pools, first_code: int, last_code: int
) -> str:
    mrns = [read_identifier(system, value) for system, value in record.mrns]
    for system, value in mrns:
        extras["mrn_row"].append(row)
        extras["mrn_hash"].append(_hash(f"{system}{_PART}{value}"))
    names: list[str] = []
    for last, first in record.former_names:
        last_read = last_name(last) if last else pools.last.names[last_code]
        first_read = first_name(first) if first else pools.first.names[first_code]
        names.append(f"{last or record.last}{_PART}{first or record.first}")
        _append_name(row, last_read.key, first_read.key, extras)
        _encode_parts(row, last_read, first_read, extras)
    places: list[str] = []
    for street, code in record.former_addresses:
        place = read_street(street), read_zip(code)
        places.append(_PART.join(place))
        extras["place_row"].append(row)
        extras["place_street"].append(_hash(place[0]))
        extras["place_zip"].append(_hash(place[1]))
    phones = [read for phone in record.former_phones if (read := read_phone(phone))]
    for phone in phones:
        extras["phone_row"].append(row)
        extras["phone_hash"].append(_hash(phone))
    lists = ((_PART.join(mrn) for mrn in mrns), names, places, phones)
    return _UNIT.join(_ITEM.join(items) for items in lists)


def _encode_parts(row: int, last: Name, first: Name, extras: dict[str, array[int]]) -> None:
    """Every part of a compound name is a way to be found."""
    for one in (last.key, *last.parts):
        for other in (first.key, *first.parts):
            if (one, other) != (last.key, first.key):
                _append_name(row, one, other, extras)


def _append_name(row: int, last: str, first: str, extras: dict[str, array[int]]) -> None:
    extras["name_row"].append(row)
    extras["name_last"].append(_hash(last))
    extras["name_first"].append(_hash(first))


class _Segment:
    """Rows with their blocks: everything but `dead` is never changed once made."""

    def __init__(self, data: _Columns, pools: _Pools) -> None:
        self.data = data
        self.count = data.count
        self.dead = bytearray(self.count)
        self.offsets = np.zeros(self.count + 1, dtype=np.uint64)
        np.cumsum(data.columns["size"], out=self.offsets[1:])
        self.offset = memoryview(self.offsets)
        for name in ("last", "first", "middle", "city", "birth", "ssn", "sex", "suffix", "starts", "ends"):
            setattr(self, name, memoryview(data.columns[name]))
        aliased = np.zeros(self.count, dtype=np.uint8)
        aliased[data.extras["name_row"]] = 1
        self.aliased = memoryview(aliased)
        self.keys: list[array[int]] = []
        self.rows: list[Numbers] = []
        for keys, rows in self._blocks(pools):
            order = np.argsort(keys, kind="stable")
            sorted_keys = array("I")
            sorted_keys.frombytes(keys[order].tobytes())
            self.keys.append(sorted_keys)
            self.rows.append(rows[order])

    last: Any
    first: Any
    middle: Any
    city: Any
    birth: Any
    ssn: Any
    sex: Any
    suffix: Any
    starts: Any
    ends: Any

    def _blocks(self, pools: _Pools) -> Iterator[tuple[Numbers, Numbers]]:
        """Keys and rows of every block, in the order of `Block`."""
        columns, extras = self.data.columns, self.data.extras
        all_rows = np.arange(self.count, dtype=np.uint32)

        def single(keys: Numbers) -> tuple[Numbers, Numbers]:
            there = keys != 0
            return keys[there], all_rows[there]

        def pair(one: Numbers, other: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
            there = (one != 0) & (other != 0)
            return _mix_all(one[there], other[there]), rows[there]

        birth, ssn, code = columns["birth"], columns["ssn"], columns["zip"]
        whole_last = np.frombuffer(pools.last.whole, dtype=np.uint32)[columns["last"]]
        whole_first = np.frombuffer(pools.first.whole, dtype=np.uint32)[columns["first"]]
        initial = np.frombuffer(pools.last.initial, dtype=np.uint32)[columns["last"]]
        first_initial = np.frombuffer(pools.first.initial, dtype=np.uint32)[columns["first"]]
        initials = np.where((initial != 0) & (first_initial != 0), initial * np.uint32(256) + first_initial, 0)
        name_rows = np.concatenate((all_rows, extras["name_row"]))
        lasts = np.concatenate((whole_last, extras["name_last"]))
        firsts = np.concatenate((whole_first, extras["name_first"]))
        yield columns["ident"], all_rows
        yield single(columns["medicaid"])
        yield single(np.where(ssn < _SHORT_SSN, ssn, 0).astype(np.uint32))
        yield extras["mrn_hash"], extras["mrn_row"]
        yield pair(birth[name_rows], lasts, name_rows)
        yield pair(birth[name_rows], firsts, name_rows)
        yield pair(birth, initials, all_rows)
        yield pair(lasts, firsts, name_rows)
        phones, phone_rows = single(columns["phone"])
        yield np.concatenate((phones, extras["phone_hash"])), np.concatenate((phone_rows, extras["phone_row"]))
        streets, street_rows = single(columns["street"])
        former = extras["place_street"] != 0
        yield (
            np.concatenate((streets, extras["place_street"][former])),
            np.concatenate((street_rows, extras["place_row"][former])),
        )
        yield pair(code[name_rows], lasts, name_rows)
        yield pair(code[name_rows], firsts, name_rows)
        yield pair(birth, np.where(ssn != 0, ssn % 10000 + 1, 0), all_rows)
        small = self.count <= SMALL_PANEL
        yield single(birth) if small else (birth[:0], all_rows[:0])
        yield single(code) if small else (code[:0], all_rows[:0])

    def look(self, block: Block, key: int) -> Numbers | None:
        """Rows in that block, dead ones and chance collisions of the hash among them."""
        keys = self.keys[block]
        start = bisect_left(keys, key)
        if start == len(keys) or keys[start] != key:
            return None
        stop = start + 1
        length = len(keys)
        while stop < length and keys[stop] == key:
            stop += 1
            if stop - start > LARGE_BLOCK:
                stop = bisect_left(keys, key + 1, stop)
                break
        return self.rows[block][start:stop]

    def texts(self, row: int) -> list[str]:
        """enrollee id, Medicaid id, street, ZIP, phone, then MRNs, former names, addresses and phones if any."""
        return self.data.text[self.offset[row] : self.offset[row + 1]].decode().split(_UNIT)

    def enrollee_id(self, row: int) -> str:
        return self.texts(row)[0]

    def find(self, enrollee_id: str) -> int:
        """Row of an enrollee, -1 when not here."""
        rows = self.look(Block.ENROLLEE_ID, zlib.crc32(enrollee_id.encode()))
        if rows is not None:
            for row in rows.tolist():
                if not self.dead[row] and self.enrollee_id(row) == enrollee_id:
                    return int(row)
        return -1

    def doubles(self) -> list[int]:
        """Rows whose enrollee comes again later."""
        keys = np.frombuffer(self.keys[Block.ENROLLEE_ID], dtype=np.uint32) if self.count else np.empty(0, np.uint32)
        found: list[int] = []
        rows = self.rows[Block.ENROLLEE_ID]
        for place in np.flatnonzero(keys[1:] == keys[:-1]).tolist():
            same = rows[place : place + 2].tolist()
            if self.enrollee_id(same[0]) == self.enrollee_id(same[1]):
                found.append(min(same))
        return found


class _Candidate(NamedTuple):
    enrollee_id: str
    comparison: Comparison
    grade: Grade
    enrolled: bool


class _State(NamedTuple):
    """One consistent view of the panel; replaced as a whole by every change."""

    segments: tuple[_Segment, ...]
    size: int
    last_weights: dict[str, float]
    first_weights: dict[str, float]


class PanelIndex:
    """Reading while another thread calls `apply` is safe: a search sees the panel before or after a change."""

    def __init__(self) -> None:
        self._pools = _Pools()
        self._last_counts: dict[str, int] = {}
        self._first_counts: dict[str, int] = {}
        self._crosswalk: dict[tuple[str, str], str] = {}
        self._state = _State((), 0, {}, {})

    @classmethod
    def build(cls, records: Iterable[PanelRecord], crosswalk: Iterable[tuple[str, str, str]] = ()) -> PanelIndex:
        """The index of `records` and of the identifiers `(system, value, enrollee_id)` learned so far."""
        index = cls()
        segment = _Segment(_encode(records, index._pools), index._pools)
        for row in segment.doubles():
            segment.dead[row] = 1
        index._learn(crosswalk)
        index._replace((segment,))
        return index

    def __len__(self) -> int:
        return self._state.size

    def _learn(self, crosswalk: Iterable[tuple[str, str, str | None]]) -> None:
        for system, value, owner in crosswalk:
            if owner is None:
                self._crosswalk.pop(read_identifier(system, value), None)
            else:
                self._crosswalk[read_identifier(system, value)] = owner

    def _replace(self, segments: tuple[_Segment, ...]) -> None:
        """Make `segments` what is searched. How common a name is on this panel is counted anew."""
        self._last_counts = self._count(segments, "last", self._pools.last)
        self._first_counts = self._count(segments, "first", self._pools.first)
        size = sum(segment.count - sum(segment.dead) for segment in segments)
        self._state = _State(segments, size, {}, {})

    @staticmethod
    def _count(segments: Sequence[_Segment], column: str, pool: _Names) -> dict[str, int]:
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
        main, *rest = self._state.segments or (_Segment(_encode((), self._pools), self._pools),)
        fresh = _encode(changed.values(), self._pools)
        main = _without(main, gone | changed.keys())
        if rest:
            delta = _without(rest[0], gone | changed.keys())
            fresh = delta.data.keep(np.frombuffer(delta.dead, dtype=np.uint8) == 0).join(fresh)
        if fresh.count > max(20_000, main.count // 8):
            kept = main.data.keep(np.frombuffer(main.dead, dtype=np.uint8) == 0)
            self._replace((_Segment(kept.join(fresh), self._pools),))
        else:
            self._replace((main, _Segment(fresh, self._pools)))

    # --- searching ------------------------------------------------------------------------------------------------

    def match(self, patient: Patient, facility: str, on: date) -> Match:
        """The enrollee `patient` is on day `on`, with grade and evidence by field.

        An identifier without an authority is compared within `facility` only. An enrollee who is not enrolled on
        that day can be found, but does not contest one who is.
        """
        return self.match_person(read_patient(patient, facility), on)

    def match_prior(self, prior: Prior, facility: str, on: date) -> Match | None:
        """The enrollee the identity that gives way belonged to; None when MRG names nobody."""
        if not prior.identifiers and prior.name == PersonName():
            return None
        return self.match(Patient(identifiers=prior.identifiers, name=prior.name), facility, on)

    def match_person(self, person: Person, on: date) -> Match:
        """As `match`, for a person whose fields are read already."""
        state = self._state
        day = on.year * 10000 + on.month * 100 + on.day
        large: dict[str, str] = {}
        found: list[_Candidate] = []
        owners = {mrn: owner for mrn in person.mrns if (owner := self._crosswalk.get(mrn))}
        ssn_holders = 0
        if len(person.ssn) == 9:
            for segment in state.segments:
                holders = segment.look(Block.SSN, int(person.ssn))
                ssn_holders += 0 if holders is None else sum(not segment.dead[row] for row in holders.tolist())
        weigh_last = _Weigh(state.last_weights, self._last_counts, last_shares(), state.size, _RARE_LAST)
        weigh_first = _Weigh(state.first_weights, self._first_counts, first_shares(), state.size, _RARE_FIRST)
        for segment in state.segments:
            known, others = _gather(segment, person, large)
            for owner in owners.values():
                if (row := segment.find(owner)) >= 0:
                    known.add(row)
            if state.size > SMALL_PANEL:
                others = self._screen(segment, others, person)
            for row in known.union(others):
                if segment.dead[row]:
                    continue
                enrollee_id, other = self._person(segment, row, owners)
                comparison = compare(person, other, weigh_last, weigh_first, ssn_shared=ssn_holders > 1)
                graded = grade(comparison, state.size)
                if graded is not Grade.CERTAINLY_NOT:
                    enrolled = segment.starts[row] <= day and (not segment.ends[row] or day <= segment.ends[row])
                    found.append(_Candidate(enrollee_id, comparison, graded, enrolled))
        if not found:
            return Match(grade=Grade.CERTAINLY_NOT, evidence=large) if large else NOBODY
        return _choose(found, large, state.size)

    def _screen(self, segment: _Segment, rows: dict[int, int], person: Person) -> list[int]:
        """Of rows that share no identifier, those that can come to anything on a large panel.

        They share more than one block (or one that leaves little doubt), and birth date or first name agrees at all: two parts of the date, or the
        initial of a first or middle name. Where one of these is not known the row stays.
        """
        births = _births(person.birth)
        initials = {name.key[0] for pair in person.names for name in pair if name.key} | set(person.middle[:1])
        unnamed = not all(first.key for _, first in person.names)
        year, month, day = person.birth // 10000, person.birth // 100 % 100, person.birth % 100
        first, middle, born, aliased = segment.first, segment.middle, segment.birth, segment.aliased
        firsts, middles = self._pools.first.names, self._pools.middle.words
        kept: list[int] = []
        for row, blocks in rows.items():
            birth = born[row]
            near = (
                not birth
                or birth in births
                or (birth // 10000 == year) + (birth // 100 % 100 == month) + (birth % 100 == day) > 1
            )
            if blocks & (blocks - 1) == 0:
                if (
                    near
                    and birth
                    and (
                        blocks == _LAST_FIRST_BIT
                        or (blocks & _BIRTH_BITS and middle[row] and middles[middle[row]][:1] == person.middle[:1])
                    )
                ):
                    kept.append(row)
            elif (
                near
                or unnamed
                or not births
                or (name := firsts[first[row]].key)[:1] in initials
                or not name
                or aliased[row]
                or (middle[row] and middles[middle[row]][:1] in initials)
            ):
                kept.append(row)
        return kept

    def _person(self, segment: _Segment, row: int, owners: dict[tuple[str, str], str]) -> tuple[str, Person]:
        """An enrollee as the comparison wants one; the crosswalk overrules the MRNs on the panel."""
        pools = self._pools
        enrollee_id, medicaid, street, code, phone, *further = segment.texts(row)
        names = ((pools.last.names[segment.last[row]], pools.first.names[segment.first[row]]),)
        addresses = ((street, code),) if street or code else ()
        phones = (phone,) if phone else ()
        mrns: tuple[tuple[str, str], ...] = ()
        if len(further) == 4:
            mrns = tuple(
                (pair[0], pair[1])
                for pair in _split(further[0])
                if owners.get((pair[0], pair[1]), enrollee_id) == enrollee_id
            )
            names += tuple((last_name(pair[0]), first_name(pair[1])) for pair in _split(further[1]))
            addresses += tuple((pair[0], pair[1]) for pair in _split(further[2]))
            phones += tuple(filter(None, further[3].split(_ITEM)))
        if owners:
            mrns += tuple(mrn for mrn, owner in owners.items() if owner == enrollee_id)
        ssn = segment.ssn[row]
        return enrollee_id, Person(
            names,
            pools.middle.words[segment.middle[row]].replace(" ", ""),
            _SUFFIXES[segment.suffix[row]],
            segment.birth[row],
            _SEXES[segment.sex[row]],
            ("" if not ssn else f"{ssn:09d}" if ssn < _SHORT_SSN else f"{ssn - _SHORT_SSN:04d}"),
            (medicaid,) if medicaid else (),
            (),
            mrns,
            addresses,
            pools.city.words[segment.city[row]],
            phones,
        )


class _Weigh:
    """A name's weight in bits, by the larger of its shares in the census and on this panel."""

    __slots__ = ("counts", "known", "rare", "shares", "size")

    def __init__(
        self, known: dict[str, float], counts: dict[str, int], shares: dict[str, float], size: int, rare: float
    ) -> None:
        self.known, self.counts, self.shares, self.size, self.rare = known, counts, shares, size, rare

    def __call__(self, key: str) -> float:
        weight = self.known.get(key)
        if weight is None:
            here = (self.counts.get(key, 1) - 1) / self.size if self.size > 1000 else 0.0
            weight = self.known[key] = -log2(max(here, self.shares.get(key, 0.0), self.rare))
        return weight


def _split(items: str) -> Iterator[list[str]]:
    return (item.split(_PART) for item in items.split(_ITEM) if item)


def _without(segment: _Segment, gone: Iterable[str]) -> _Segment:
    """The same rows with those enrollees dead; the original stays as it is for whoever reads it."""
    rows = [row for enrollee_id in gone if (row := segment.find(enrollee_id)) >= 0]
    if not rows:
        return segment
    copy = object.__new__(_Segment)
    copy.__dict__.update(segment.__dict__)
    copy.dead = bytearray(segment.dead)
    for row in rows:
        copy.dead[row] = 1
    return copy


def _gather(segment: _Segment, person: Person, large: dict[str, str]) -> tuple[set[int], dict[int, int]]:
    """Rows that share an identifier with `person`, and other rows with the blocks they share, a bit each."""
    known: set[int] = set()
    others: dict[int, int] = {}
    for block, key in _keys(person):
        here = segment.look(block, key)
        if here is None:
            continue
        if len(here) > LARGE_BLOCK:
            before = len(here)
            here = _narrow(segment, here, person, block)
            large["large_block"] = f"{_WORDS[block]}: {before} people, {len(here)} compared"
        if block <= Block.MRN:
            known.update(here.tolist())
        else:
            bit = 1 << block
            for row in here.tolist():
                others[row] = others.get(row, 0) | bit
    return known, others


def _narrow(segment: _Segment, rows: Numbers, person: Person, block: Block) -> Numbers:
    """Of a large block, the rows that agree in one more element than the block's own, every one of them."""
    columns = segment.data.columns
    birth = columns["birth"][rows]
    agree = np.zeros(len(rows), dtype=bool)
    if person.birth and block not in (Block.BIRTH_LAST, Block.BIRTH_FIRST, Block.BIRTH_INITIALS, Block.BIRTH_SSN4):
        year, month, day = person.birth // 10000, person.birth // 100 % 100, person.birth % 100
        parts = (birth // 10000 == year).astype(np.uint8)
        parts += birth // 100 % 100 == month
        parts += birth % 100 == day
        agree |= parts >= 2
    if block not in (Block.STREET,):
        for street, _ in person.addresses:
            if street:
                agree |= columns["street"][rows] == _hash(street)
    if block is not Block.PHONE:
        for phone in person.phones:
            agree |= columns["phone"][rows] == _hash(phone)
    if block in (Block.LAST_FIRST, Block.BIRTH_LAST, Block.BIRTH_FIRST, Block.BIRTH_INITIALS):
        for _, code in person.addresses:
            if code:
                agree |= columns["zip"][rows] == _hash(code)
    if len(person.ssn) == 9:
        agree |= columns["ssn"][rows] == int(person.ssn)
    return rows[agree]


def _keys(person: Person) -> Iterator[tuple[Block, int]]:
    """Every block `person` belongs to, swapped names and month and day among them, each once."""
    seen: set[tuple[int, int]] = set()
    for item in _all_keys(person):
        if item not in seen:
            seen.add(item)
            yield item


def _all_keys(person: Person) -> Iterator[tuple[Block, int]]:
    for medicaid in (*person.medicaid, *person.maybe_medicaid):
        yield Block.MEDICAID_ID, _hash(medicaid)
    if len(person.ssn) == 9:
        yield Block.SSN, int(person.ssn)
    for system, value in person.mrns:
        yield Block.MRN, _hash(f"{system}{_PART}{value}")
    births = _births(person.birth)
    for birth in births:
        yield Block.BIRTH, birth
    zips = {_hash(code) for _, code in person.addresses if code}
    for code in zips:
        yield Block.ZIP, code
    for last, first in person.names:
        lasts = [_hash(part) for part in dict.fromkeys((last.key, *last.parts)) if part]
        firsts = [_hash(part) for part in dict.fromkeys((first.key, *first.parts)) if part]
        for one in lasts:
            for birth in births:
                yield Block.BIRTH_LAST, _mix(birth, one)
            for other in firsts:
                yield Block.LAST_FIRST, _mix(one, other)
                yield Block.LAST_FIRST, _mix(other, one)
            for code in zips:
                yield Block.ZIP_LAST, _mix(code, one)
        for other in firsts:
            for birth in births:
                yield Block.BIRTH_FIRST, _mix(birth, other)
            for code in zips:
                yield Block.ZIP_FIRST, _mix(code, other)
        if last.key and first.key:
            one, other = ord(last.key[0]), ord(first.key[0])
            for birth in births:
                yield Block.BIRTH_INITIALS, _mix(birth, one * 256 + other)
        if births and lasts:
            yield Block.BIRTH_FIRST, _mix(births[0], lasts[0])
        if births and firsts:
            yield Block.BIRTH_LAST, _mix(births[0], firsts[0])
    for phone in person.phones:
        yield Block.PHONE, _hash(phone)
    for street, _ in person.addresses:
        if street:
            yield Block.STREET, _hash(street)
    if person.ssn:
        for birth in births:
            yield Block.BIRTH_SSN4, _mix(birth, int(person.ssn[-4:]) + 1)


def _births(birth: int) -> tuple[int, ...]:
    if not birth:
        return ()
    year, rest = divmod(birth, 10000)
    month, day = divmod(rest, 100)
    return (birth, year * 10000 + day * 100 + month) if day <= 12 and day != month else (birth,)


def _choose(found: list[_Candidate], large: dict[str, str], size: int) -> Match:
    """The best of them, its grade held down when another enrollee might as well be meant.

    What contests is judged without the penalties of disagreeing identifiers, so that one more of them on the
    patient's side can never settle a question.
    """
    found.sort(key=lambda each: (-each.comparison.weight, not each.enrolled, each.enrollee_id))
    best, *others = found
    others = [each for each in others if each.enrollee_id != best.enrollee_id]
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
            evidence["contested"] = "another enrollee agrees as well"
    return Match(
        grade=graded,
        enrollee_id=best.enrollee_id,
        runner_up=runner_up,
        weight=round(best.comparison.weight - log2(max(size, 1)), 2),
        evidence=evidence,
    )
