"""Columns in, blocks to look candidates up in out: hashes of a few fields, sorted beside the rows that have them.

One file, because what writes a block and what looks one up must agree on its keys.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import numpy as np

from rules.matching.columns import PART, SHORT_SSN, UNIT, Columns, Numbers, Pools, hash_text
from rules.matching.names import Name
from rules.matching.person import Person

LARGE_BLOCK: Final = 48  # rows; of a larger one only those that agree in another element are compared
SMALL_PANEL: Final = 17_000  # people; up to here a birth date, a ZIP code or a city alone makes a block
_A: Final = 0x9E3779B97F4A7C15
_B: Final = 0xC2B2AE3D27D4EB4F
_MASK: Final = (1 << 64) - 1


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
    BIRTH = 13  # this one and the next two on small panels only, where they are small too
    ZIP = 14
    CITY = 15


BLOCK_WORDS: Final[dict[int, str]] = {
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
    Block.CITY: "city",
}


hash_often = lru_cache(maxsize=1 << 16)(hash_text)
(_MEDICAID_ID, _SSN, _MRN, _BIRTH_LAST, _BIRTH_FIRST, _BIRTH_INITIALS, _LAST_FIRST, _PHONE, _STREET, _ZIP_LAST) = (
    int(block) for block in list(Block)[1:11]
)
(_ZIP_FIRST, _BIRTH_SSN4, _BIRTH, _ZIP, _CITY) = (int(block) for block in list(Block)[11:])
_OF_BIRTH: Final = frozenset((_BIRTH_LAST, _BIRTH_FIRST, _BIRTH_INITIALS, _BIRTH_SSN4))
_OF_NAME: Final = frozenset((_LAST_FIRST, _BIRTH_LAST, _BIRTH_FIRST, _BIRTH_INITIALS))
MONTH_AND_DAY: Final = (1 << 14) - 1  # in a date as year, month and day in 14, 7 and 7 bits
YEAR_AND_DAY: Final = 0x3FFF << 14 | 0x7F
YEAR_AND_MONTH: Final = 0x3FFF << 14 | 0x7F << 7
_TWO_PARTS: Final = np.array([[MONTH_AND_DAY], [YEAR_AND_DAY], [YEAR_AND_MONTH]], dtype=np.uint32)
_ZERO: Final = np.uint32(0)
_COLUMN_OF: Final = {_STREET: "street", _PHONE: "phone", _SSN: "ssn"}  # blocks of one column, its values their keys
Span = tuple[int, int, int]  # a block and where some of its members stand, from the first place to before the second


def _mix_all(column: Numbers, other: Numbers) -> Numbers:
    """Two columns of hashes in, the hash of both out; of single values that is `(a * _A + b * _B & _MASK) >> 32`."""
    left = column.astype(np.uint64) * np.uint64(_A)
    left += other.astype(np.uint64) * np.uint64(_B)
    return (left >> np.uint64(32)).astype(np.uint32)


class Segment:
    """Rows with their blocks: everything but `dead` is never changed once made."""

    last: Any
    first: Any
    middle: Any
    city: Any
    birth: Any
    ssn: Any
    sex: Any
    suffix: Any
    zip: Any
    starts: Any
    ends: Any

    def __init__(self, data: Columns, pools: Pools) -> None:
        self.data = data
        self.count = data.height
        self.dead = bytearray(self.count)
        self.lost = 0
        self.offsets = np.zeros(self.count + 1, dtype=np.uint64)
        np.cumsum(data.columns["size"], out=self.offsets[1:])
        self.offset = self.offsets.data
        for name in ("last", "first", "middle", "city", "birth", "ssn", "sex", "suffix", "zip", "starts", "ends"):
            setattr(self, name, data.columns[name].data)
        aliased = np.zeros(self.count, dtype=np.uint8)
        aliased[data.extras["name_row"]] = 1
        self.aliased = aliased.data
        birth = data.columns["birth"]
        self.dates = birth // 10000 << np.uint32(14) | birth // 100 % 100 << np.uint32(7) | birth % 100
        self.packed = self.dates.data
        self.keys: list[array[int]] = []
        self.tables: list[tuple[int, bytes, int, Any, array[int]]] = []
        self.rows: list[Numbers] = []
        self.members: list[Any] = []  # `rows` as Python reads them fastest
        for keys, rows in self._blocks(pools):
            both = np.sort(
                keys.astype(np.uint64) << np.uint64(32) | rows
            )  # one sort of numbers is the fastest there is
            sorted_keys = array("I")
            sorted_keys.frombytes((both >> np.uint64(32)).astype(np.uint32).tobytes())
            self.keys.append(sorted_keys)
            self.tables.append((*_key_bits(sorted_keys), *_bucket_starts(sorted_keys), sorted_keys))
            self.rows.append((both & np.uint64(0xFFFFFFFF)).astype(np.uint32))
            self.members.append(self.rows[-1].data)
        namesakes = self.rows[_LAST_FIRST]
        self.named_dates = self.dates[namesakes]  # beside `rows` of this block, so that a large one is read in a row
        self.named_zips = data.columns["zip"][namesakes]
        self.named = self.named_dates.data, self.named_zips.data

    def _blocks(self, pools: Pools) -> Iterator[tuple[Numbers, Numbers]]:
        """Keys and rows of every block, in the order of `Block`."""
        columns, extras = self.data.columns, self.data.extras
        all_rows = np.arange(self.count, dtype=np.uint32)

        def single(keys: Numbers) -> tuple[Numbers, Numbers]:
            there = keys != 0
            return keys[there], all_rows[there]

        def pair(column: Numbers, other: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
            there = (column != 0) & (other != 0)
            return _mix_all(column[there], other[there]), rows[there]

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
        yield single(np.where(ssn < SHORT_SSN, ssn, 0).astype(np.uint32))
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
        words = pools.city.words if small else []
        cities = np.fromiter(map(hash_text, words), dtype=np.uint32, count=len(words))
        yield single(cities[columns["city"]]) if small else (code[:0], all_rows[:0])

    def spans(self, keys: Iterable[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
        """Of the blocks asked for those that have members: block, key, and where in `rows[block]` they stand.

        They stand from the first place to before the second.
        """
        met: list[tuple[int, int, int, int]] = []
        tables = self.tables
        for block, key in keys:
            bit_shift, bits, shift, starts, sorted_keys = tables[block]
            bit = key >> bit_shift
            if bits[bit >> 3] >> (bit & 7) & 1:
                bucket = key >> shift
                low, high = starts[bucket], starts[bucket + 1]
                if low != high:
                    low = bisect_left(sorted_keys, key, low, high)
                    if low < high and sorted_keys[low] == key:
                        met.append((block, key, low, bisect_right(sorted_keys, key, low, high)))
        return met

    def look(self, block: int, key: int) -> list[int]:
        """Rows in that block that are still on the panel, chance collisions of the hash among them."""
        dead = self.dead
        spans = self.spans(((block, key),))
        return [row for _, _, start, stop in spans for row in self.members[block][start:stop] if not dead[row]]

    def namesakes(
        self, start: int, stop: int, shared: dict[int, int], dates: Sequence[int], zips: Collection[int]
    ) -> None:
        """Enter in `shared`, of a part of the block of last and first name, who can pass the screen.

        Those who share another block already, and those with two parts of a birth date or a ZIP code alike; `dates`
        are packed.
        """
        packed, codes = self.named
        bit = 1 << _LAST_FIRST
        asked = dates[0] if dates else 0
        for place, row in enumerate(self.members[_LAST_FIRST][start:stop].tolist(), start):
            if row in shared:
                shared[row] |= bit
            elif codes[place] in zips:
                shared[row] = bit
            elif dates:
                apart = packed[place] ^ asked
                if not (apart & MONTH_AND_DAY and apart & YEAR_AND_DAY and apart & YEAR_AND_MONTH) or (
                    packed[place] in dates
                ):
                    shared[row] = bit

    def holds(self, row: int, block: int, start: int, stop: int) -> bool:
        """Whether `row` stands in `rows[block]` between two places of one key; there they are in order."""
        rows = self.members[block]
        place = bisect_left(rows, row, start, stop)
        return place < stop and rows[place] == row

    def alive(self, rows: Numbers) -> Numbers:
        """Those of `rows` that are still on the panel."""
        if not self.lost:
            return rows
        kept: Numbers = rows[np.frombuffer(self.dead, dtype=np.uint8)[rows] == 0]
        return kept

    def texts(self, row: int) -> list[str]:
        """enrollee id, Medicaid id, street, ZIP, phone, then MRNs, former names, addresses and phones if any."""
        return self.data.text[self.offset[row] : self.offset[row + 1]].decode().split(UNIT)

    def lose(self, rows: Iterable[int]) -> None:
        """Take rows off the panel; only before anybody reads this segment."""
        for row in rows:
            self.lost += not self.dead[row]
            self.dead[row] = 1

    def enrollee_id(self, row: int) -> str:
        return self.texts(row)[0]

    def find(self, enrollee_id: str) -> int:
        """Row of an enrollee, -1 when not here."""
        rows = self.look(Block.ENROLLEE_ID, hash_text(enrollee_id))
        return next((row for row in rows if self.enrollee_id(row) == enrollee_id), -1)

    def doubles(self) -> list[int]:
        """Rows whose enrollee comes again later."""
        keys = np.frombuffer(self.keys[Block.ENROLLEE_ID], dtype=np.uint32) if self.count else np.empty(0, np.uint32)
        earlier: list[int] = []
        rows = self.rows[Block.ENROLLEE_ID]
        for place in np.flatnonzero(keys[1:] == keys[:-1]).tolist():
            same = rows[place : place + 2].tolist()
            if self.enrollee_id(same[0]) == self.enrollee_id(same[1]):
                earlier.append(min(same))
        return earlier


def _bucket_starts(keys: array[int]) -> tuple[int, Any]:
    """By their leading bits, where keys start: a search then looks at one or two of them instead of twenty."""
    bits = max(len(keys).bit_length() - 1, 1)
    shift = 32 - bits
    edges = np.arange((1 << bits) + 1, dtype=np.uint64) << np.uint64(shift)
    sorted_keys = np.frombuffer(keys, dtype=np.uint32) if keys else np.empty(0, np.uint32)
    return shift, np.searchsorted(sorted_keys, edges).astype(np.uint32).data


def _key_bits(keys: array[int]) -> tuple[int, bytes]:
    """By their leading bits, whether any key is there: most searches of a block end here."""
    bits = min(max(len(keys).bit_length() + 3, 3), 32)
    there = np.zeros(1 << bits, dtype=np.uint8)
    if keys:
        there[np.frombuffer(keys, dtype=np.uint32) >> np.uint32(32 - bits)] = 1
    return 32 - bits, np.packbits(there, bitorder="little").tobytes()


def without(segment: Segment, gone: Iterable[str]) -> Segment:
    """The same rows with those enrollees dead; the original stays as it is for whoever reads it."""
    rows = [row for enrollee_id in gone if (row := segment.find(enrollee_id)) >= 0]
    if not rows:
        return segment
    copy = object.__new__(Segment)
    copy.__dict__.update(segment.__dict__)
    copy.dead = bytearray(segment.dead)
    copy.lose(rows)
    return copy


def narrow(segment: Segment, span: Span, person: Person, met: Sequence[tuple[int, int, int, int]]) -> list[int]:
    """Of a large block, the rows that agree in one more element than the block's own, every one of them.

    `met`: the blocks of `person` that have any member in this segment, as `spans` gives them. Whoever agrees in an
    element with a block of its own is looked up there: going through a few members is faster than through many.
    """
    block, start, stop = span
    rows = segment.rows[block][start:stop]
    columns = segment.data.columns
    named = block == _LAST_FIRST
    agreements: list[Numbers] = []
    few: list[int] = []
    if person.birth and block not in _OF_BIRTH:
        apart = segment.named_dates[start:stop] if named else segment.dates[rows]
        agreements.append(np.logical_or.reduce((apart ^ np.uint32(pack_date(person.birth))) & _TWO_PARTS == _ZERO))
    if block in _OF_NAME:
        zips = segment.named_zips[start:stop] if named else columns["zip"][rows]
        agreements += [zips == hash_often(code) for _, code in person.addresses if code]
    for other, key, since, to in met:
        if (column := _COLUMN_OF.get(other)) and (other != block or other == _SSN):
            if to - since > LARGE_BLOCK:
                agreements.append(columns[column][rows] == key)
            else:
                values = columns[column].data
                members = segment.members[other][since:to].tolist()
                few += [row for row in members if values[row] == key and segment.holds(row, block, start, stop)]
    if agreements:
        agree, *others = agreements
        for more in others:
            agree |= more
        few += rows[agree].tolist()
    return few


def block_keys(person: Person, *, small: bool) -> list[tuple[int, int]]:
    """Every block `person` belongs to, swapped names and month and day among them; seldom one of them twice.

    `small`: also the blocks that only small panels have.
    """
    keys: list[tuple[int, int]] = [
        (_MEDICAID_ID, hash_often(text)) for text in (*person.medicaid, *person.maybe_medicaid)
    ]
    add = keys.append
    if len(person.ssn) == 9:
        add((_SSN, int(person.ssn)))
    for system, value in person.mrns:
        add((_MRN, hash_text(f"{system}{PART}{value}")))
    dates = _lefts_of(person.birth)
    zips = [hash_often(code) for _, code in person.addresses if code]
    if small:
        keys += [(_BIRTH, birth) for birth in births_of(person.birth)]
        keys += [(_ZIP, code) for code in zips]
        if person.city:
            add((_CITY, hash_often(person.city)))
    places = [code * _A for code in zips]
    for last, first in person.names:
        _add_names(add, last, first, dates, places)
    for phone in person.phones:
        add((_PHONE, hash_text(phone)))
    for street, _ in person.addresses:
        if street:
            add((_STREET, hash_text(street)))
    if person.ssn:
        serial = (int(person.ssn[-4:]) + 1) * _B
        for date in dates:
            add((_BIRTH_SSN4, (date + serial & _MASK) >> 32))
    return keys


def _add_names(
    add: Callable[[tuple[int, int]], None], last: Name, first: Name, dates: Sequence[int], places: Sequence[int]
) -> None:
    """The blocks of a last and a first name, each of their parts a name, too: with each other, with a birth date (the
    first of `dates` also as if they were swapped) and with a ZIP code. `dates`, `places`: the left halves of these."""
    lasts = [_halves(last.key)] if last.key else []
    firsts = [_halves(first.key)] if first.key else []
    if last.parts:
        lasts += map(_halves, last.parts)
    if first.parts:
        firsts += map(_halves, first.parts)
    for left, right in lasts:
        for date in dates:
            add((_BIRTH_LAST, (date + right & _MASK) >> 32))
        for code in places:
            add((_ZIP_LAST, (code + right & _MASK) >> 32))
        for other_left, other_right in firsts:
            add((_LAST_FIRST, (left + other_right & _MASK) >> 32))
            add((_LAST_FIRST, (other_left + right & _MASK) >> 32))
    for _, right in firsts:
        for date in dates:
            add((_BIRTH_FIRST, (date + right & _MASK) >> 32))
        for code in places:
            add((_ZIP_FIRST, (code + right & _MASK) >> 32))
    if not dates:
        return
    if lasts and firsts:
        initials = (ord(last.key[0]) * 256 + ord(first.key[0])) * _B
        for date in dates:
            add((_BIRTH_INITIALS, (date + initials & _MASK) >> 32))
    if lasts:
        add((_BIRTH_FIRST, (dates[0] + lasts[0][1] & _MASK) >> 32))
    if firsts:
        add((_BIRTH_LAST, (dates[0] + firsts[0][1] & _MASK) >> 32))


@lru_cache(maxsize=1 << 16)
def _halves(text: str) -> tuple[int, int]:
    """The hash of `text` as the left and as the right half of `_mix_all`."""
    hashed = hash_text(text)
    return hashed * _A, hashed * _B


@lru_cache(maxsize=1 << 16)
def _lefts_of(birth: int) -> tuple[int, ...]:
    """Every date of `births_of` as the left half of `_mix_all`."""
    return tuple([each * _A for each in births_of(birth)])


def pack_date(birth: int) -> int:
    """yyyymmdd as year, month and day in 14, 7 and 7 bits: the bits of one part change with that part only."""
    return birth // 10000 << 14 | birth // 100 % 100 << 7 | birth % 100


@lru_cache(maxsize=1 << 16)
def births_of(birth: int) -> tuple[int, ...]:
    """A birth date, and the same with month and day swapped when that is another date; () when there is none."""
    if not birth:
        return ()
    year, rest = divmod(birth, 10000)
    month, day = divmod(rest, 100)
    return (birth, year * 10000 + day * 100 + month) if day <= 12 and day != month else (birth,)
