"""Columns in, blocks to look candidates up in out: hashes of a few fields, sorted beside the rows that have them."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import numpy as np

from rules.identity import Person
from rules.panel_columns import PART, SHORT_SSN, UNIT, Columns, Numbers, Pools, hash_text

LARGE_BLOCK: Final = 48  # rows; of a larger one only those that agree in another element are compared
SMALL_PANEL: Final = 17_000  # people; up to here a birth date or a ZIP code alone makes a block
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
    BIRTH = 13  # this one and the next on small panels only, where they are small too
    ZIP = 14


BLOCK_WORDS: Final = {
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


_hash = lru_cache(maxsize=1 << 16)(hash_text)
(_MEDICAID_ID, _SSN, _MRN, _BIRTH_LAST, _BIRTH_FIRST, _BIRTH_INITIALS, _LAST_FIRST, _PHONE, _STREET, _ZIP_LAST) = (
    int(block) for block in list(Block)[1:11]
)
(_ZIP_FIRST, _BIRTH_SSN4, _BIRTH, _ZIP) = (int(block) for block in list(Block)[11:])


def _mix(one: int, other: int) -> int:
    return ((one * _A + other * _B) & _MASK) >> 32


def _mix_all(one: Numbers, other: Numbers) -> Numbers:
    """`_mix` of two columns."""
    left = one.astype(np.uint64) * np.uint64(_A)
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
    starts: Any
    ends: Any

    def __init__(self, data: Columns, pools: Pools) -> None:
        self.data = data
        self.count = data.height
        self.dead = bytearray(self.count)
        self.offsets = np.zeros(self.count + 1, dtype=np.uint64)
        np.cumsum(data.columns["size"], out=self.offsets[1:])
        self.offset = self.offsets.data
        for name in ("last", "first", "middle", "city", "birth", "ssn", "sex", "suffix", "starts", "ends"):
            setattr(self, name, data.columns[name].data)
        aliased = np.zeros(self.count, dtype=np.uint8)
        aliased[data.extras["name_row"]] = 1
        self.aliased = aliased.data
        self.keys: list[array[int]] = []
        self.starts_at: list[tuple[int, Any]] = []
        self.rows: list[Numbers] = []
        for keys, rows in self._blocks(pools):
            both = np.sort(
                keys.astype(np.uint64) << np.uint64(32) | rows
            )  # one sort of numbers is the fastest there is
            sorted_keys = array("I")
            sorted_keys.frombytes((both >> np.uint64(32)).astype(np.uint32).tobytes())
            self.keys.append(sorted_keys)
            self.starts_at.append(_bucket_starts(sorted_keys))
            self.rows.append((both & np.uint64(0xFFFFFFFF)).astype(np.uint32))

    def _blocks(self, pools: Pools) -> Iterator[tuple[Numbers, Numbers]]:
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

    def span(self, block: int, key: int) -> tuple[int, int]:
        """Where in `rows[block]` the members of that block stand: from the first to before the second number."""
        shift, starts = self.starts_at[block]
        bucket = key >> shift
        low, high = starts[bucket], starts[bucket + 1]
        if low == high:
            return 0, 0
        keys = self.keys[block]
        low = bisect_left(keys, key, low, high)
        return low, bisect_right(keys, key, low, high)

    def look(self, block: int, key: int) -> list[int]:
        """Rows in that block that are still on the panel, chance collisions of the hash among them."""
        start, stop = self.span(block, key)
        dead = self.dead
        return [row for row in self.rows[block][start:stop].tolist() if not dead[row]]

    def alive(self, rows: Numbers) -> Numbers:
        """Those of `rows` that are still on the panel."""
        kept: Numbers = rows[np.frombuffer(self.dead, dtype=np.uint8)[rows] == 0]
        return kept

    def texts(self, row: int) -> list[str]:
        """enrollee id, Medicaid id, street, ZIP, phone, then MRNs, former names, addresses and phones if any."""
        return self.data.text[self.offset[row] : self.offset[row + 1]].decode().split(UNIT)

    def enrollee_id(self, row: int) -> str:
        return self.texts(row)[0]

    def find(self, enrollee_id: str) -> int:
        """Row of an enrollee, -1 when not here."""
        rows = self.look(Block.ENROLLEE_ID, hash_text(enrollee_id))
        return next((row for row in rows if self.enrollee_id(row) == enrollee_id), -1)

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


def _bucket_starts(keys: array[int]) -> tuple[int, Any]:
    """By their leading bits, where keys start: a search then looks at one or two of them instead of twenty."""
    bits = max(len(keys).bit_length() - 1, 1)
    shift = 32 - bits
    edges = np.arange((1 << bits) + 1, dtype=np.uint64) << np.uint64(shift)
    sorted_keys = np.frombuffer(keys, dtype=np.uint32) if keys else np.empty(0, np.uint32)
    return shift, np.searchsorted(sorted_keys, edges).astype(np.uint32).data


def without(segment: Segment, gone: Iterable[str]) -> Segment:
    """The same rows with those enrollees dead; the original stays as it is for whoever reads it."""
    rows = [row for enrollee_id in gone if (row := segment.find(enrollee_id)) >= 0]
    if not rows:
        return segment
    copy = object.__new__(Segment)
    copy.__dict__.update(segment.__dict__)
    copy.dead = bytearray(segment.dead)
    for row in rows:
        copy.dead[row] = 1
    return copy


def narrow(segment: Segment, rows: Numbers, person: Person, block: int) -> Numbers:
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
    if block != Block.STREET:
        for street, _ in person.addresses:
            if street:
                agree |= columns["street"][rows] == hash_text(street)
    if block != Block.PHONE:
        for phone in person.phones:
            agree |= columns["phone"][rows] == hash_text(phone)
    if block in (Block.LAST_FIRST, Block.BIRTH_LAST, Block.BIRTH_FIRST, Block.BIRTH_INITIALS):
        for _, code in person.addresses:
            if code:
                agree |= columns["zip"][rows] == hash_text(code)
    if len(person.ssn) == 9:
        agree |= columns["ssn"][rows] == int(person.ssn)
    return rows[agree]


def block_keys(person: Person) -> Iterable[tuple[int, int]]:
    """Every block `person` belongs to, swapped names and month and day among them, each once."""
    keys: list[tuple[int, int]] = []
    add = keys.append
    for medicaid in (*person.medicaid, *person.maybe_medicaid):
        add((_MEDICAID_ID, _hash(medicaid)))
    if len(person.ssn) == 9:
        add((_SSN, int(person.ssn)))
    for system, value in person.mrns:
        add((_MRN, hash_text(f"{system}{PART}{value}")))
    births = births_of(person.birth)
    zips = [_hash(code) for _, code in person.addresses if code]
    for birth in births:
        add((_BIRTH, birth))
    for code in zips:
        add((_ZIP, code))
    for last, first in person.names:
        lasts = [_hash(part) for part in (last.key, *last.parts) if part]
        firsts = [_hash(part) for part in (first.key, *first.parts) if part]
        for one in lasts:
            for birth in births:
                add((_BIRTH_LAST, _mix(birth, one)))
            for other in firsts:
                add((_LAST_FIRST, _mix(one, other)))
                add((_LAST_FIRST, _mix(other, one)))
            for code in zips:
                add((_ZIP_LAST, _mix(code, one)))
        for other in firsts:
            for birth in births:
                add((_BIRTH_FIRST, _mix(birth, other)))
            for code in zips:
                add((_ZIP_FIRST, _mix(code, other)))
        if births and lasts and firsts:
            initials = ord(last.key[0]) * 256 + ord(first.key[0])
            for birth in births:
                add((_BIRTH_INITIALS, _mix(birth, initials)))
        if births and lasts:
            add((_BIRTH_FIRST, _mix(births[0], lasts[0])))
        if births and firsts:
            add((_BIRTH_LAST, _mix(births[0], firsts[0])))
    for phone in person.phones:
        add((_PHONE, hash_text(phone)))
    for street, _ in person.addresses:
        if street:
            add((_STREET, hash_text(street)))
    if person.ssn:
        for birth in births:
            add((_BIRTH_SSN4, _mix(birth, int(person.ssn[-4:]) + 1)))
    return dict.fromkeys(keys)


def births_of(birth: int) -> tuple[int, ...]:
    if not birth:
        return ()
    year, rest = divmod(birth, 10000)
    month, day = divmod(rest, 100)
    return (birth, year * 10000 + day * 100 + month) if day <= 12 and day != month else (birth,)
