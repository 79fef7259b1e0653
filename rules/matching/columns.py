"""Panel records in, flat columns out: numbers in numpy arrays, texts coded or in one pool of bytes.

A million enrollees take about 200 MB this way and ten million still fit, which no structure of Python objects does;
that, and sorting and hashing in C, is what numpy is here for.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from rules.matching.names import ABSENT, Name, fold, read_suffix
from rules.matching.person import (
    PanelRecord,
    first_name,
    is_nobodys,
    last_name,
    read_birth,
    read_identifier,
    read_mrns,
    read_phone,
    read_sex,
    read_ssn,
    read_street,
    read_zip,
)

UNIT: Final = "\x1f"  # between the texts of a row
ITEM: Final = "\x1e"  # between the items of a text
PART: Final = "\x1d"  # between the parts of an item
SHORT_SSN: Final = 1_000_000_000  # added to a Social Security number of which only the last four are known
SUFFIXES: Final = ("", "JR", "SR", "II", "III", "IV")
SEXES: Final = ("", "F", "M")
_AT_ONCE: Final = 4096

Numbers = npt.NDArray[Any]


def hash_text(text: str) -> int:
    """The same in every process, never 0 for a text that is there."""
    return (zlib.crc32(text.encode()) or 1) if text else 0


def _hash_all(texts: list[str]) -> Iterable[int]:
    """`hash_text` of each."""
    hashes = array("I", map(zlib.crc32, map(str.encode, texts)))
    return hashes if hashes.count(0) == texts.count("") else map(hash_text, texts)


class _Memo(dict[str, int]):
    """Texts in, numbers out, each text read once."""

    def __init__(self, read: Callable[[str], int]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> int:
        number = self[text] = self._read(text)
        return number


class NamePool:
    """Spellings in, codes out; for each code the compared form and the hashes of the whole and of its initial."""

    def __init__(self, read: Callable[[str], Name]) -> None:
        self.names: list[Name] = [ABSENT]
        self.whole = array("I", [0])
        self.initial = array("I", [0])
        self._read = read
        self.code = _Memo(self._add)
        self.code[""] = 0

    def _add(self, text: str) -> int:
        name = self._read(text)
        self.names.append(name)
        self.whole.append(hash_text(name.key))
        self.initial.append(ord(name.key[0]) if name.key else 0)
        return len(self.names) - 1


class WordPool:
    """Texts in, codes out."""

    def __init__(self) -> None:
        self.words: list[str] = [""]
        self.code = _Memo(self._add)
        self.code[""] = 0

    def _add(self, text: str) -> int:
        self.words.append(fold(text).replace(" ", ""))
        return len(self.words) - 1


class Pools:
    """What the codes of all columns mean; grows, never changes."""

    def __init__(self) -> None:
        self.last = NamePool(last_name)
        self.first = NamePool(first_name)
        self.middle = WordPool()
        self.city = WordPool()
        self.births = _Memo(read_birth)
        self.days = _Memo(read_day)
        self.sexes = _Memo(lambda text: SEXES.index(read_sex(text)))
        self.suffixes = _Memo(lambda text: SUFFIXES.index(read_suffix(text)))
        self.zips: dict[str, str] = {}


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
_KINDS: Final[dict[str, Any]] = {"I": np.uint32, "B": np.uint8}


class Columns(NamedTuple):
    """The panel, or a part of it, before its blocks are made. `text` holds what is only needed to compare."""

    columns: dict[str, Numbers]
    extras: dict[str, Numbers]  # further names, addresses, phones and MRNs: a row and a hash each
    text: bytes

    @property
    def height(self) -> int:
        return len(self.columns["last"])

    def keep(self, kept: Numbers) -> Columns:
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
        return Columns(columns, extras, text)

    def join(self, other: Columns) -> Columns:
        """These rows, then those of `other`."""
        shift = np.uint32(self.height)
        columns = {name: np.concatenate((self.columns[name], other.columns[name])) for name in self.columns}
        extras = {
            name: np.concatenate(
                (self.extras[name], other.extras[name] + shift if name.endswith("_row") else other.extras[name])
            )
            for name in self.extras
        }
        return Columns(columns, extras, self.text + other.text)


def encode(records: Iterable[PanelRecord], pools: Pools) -> Columns:
    """The columns of `records`, some thousands of records at a time and a column at a time."""
    columns = {name: array(kind) for name, kind in _COLUMNS}
    extras = {name: array("I") for group in _GROUPS for name in group}
    text = bytearray()
    source = iter(records)
    while some := list(islice(source, _AT_ONCE)):
        _encode_some(some, pools, columns, extras, text)
    return Columns(
        {name: np.frombuffer(columns[name].tobytes(), dtype=_KINDS[kind]) for name, kind in _COLUMNS},
        {name: np.frombuffer(extra.tobytes(), dtype=np.uint32) for name, extra in extras.items()},
        bytes(text),
    )


def _encode_some(
    records: list[PanelRecord],
    pools: Pools,
    columns: dict[str, array[int]],
    extras: dict[str, array[int]],
    text: bytearray,
) -> None:
    start = len(columns["last"])
    fields: list[Any] = list(zip(*records, strict=True))
    enrollee_ids, medicaids, ssns, lasts, firsts, middles, suffixes, births, sexes, streets, cities = fields[:11]
    codes, phones, mothers, mrns, former_names, former_addresses, former_phones, starts, ends = fields[12:]
    last_codes = list(map(pools.last.code.__getitem__, lasts))
    first_codes = list(map(pools.first.code.__getitem__, firsts))
    columns["last"].extend(last_codes)
    columns["first"].extend(first_codes)
    columns["middle"].extend(map(pools.middle.code.__getitem__, middles))
    columns["city"].extend(map(pools.city.code.__getitem__, cities))
    columns["birth"].extend(map(pools.births.__getitem__, births))
    columns["sex"].extend(map(pools.sexes.__getitem__, sexes))
    columns["starts"].extend(map(pools.days.__getitem__, starts))
    columns["ends"].extend(map(pools.days.__getitem__, ends))
    columns["ssn"].extend(map(_ssn_number, map(read_ssn, ssns)))
    streets = [read_street(street) if street else "" for street in streets]
    columns["street"].extend(_hash_all(streets))
    known = pools.zips
    codes = [known[code] if code in known else known.setdefault(code, read_zip(code)) for code in codes]
    columns["zip"].extend(_hash_all(codes))
    phones = [read_phone(phone) if phone else "" for phone in phones]
    columns["phone"].extend(_hash_all(phones))
    columns["ident"].extend(_hash_all(enrollee_ids))
    medicaids = [
        "" if not medicaid or is_nobodys(medicaid) else read_identifier("", medicaid)[1] for medicaid in medicaids
    ]
    columns["medicaid"].extend(_hash_all(medicaids))
    columns["suffix"].extend(map(pools.suffixes.__getitem__, suffixes))
    further = [""] * len(records)
    for place, more in enumerate(zip(mrns, former_names, former_addresses, former_phones, strict=True)):
        if any(more):
            further[place] = _encode_further(start + place, records[place], extras)
    _encode_inside(start, last_codes, first_codes, pools, columns["suffix"], extras)
    items = list(map(UNIT.join, zip(enrollee_ids, medicaids, streets, codes, phones, mothers, further, strict=True)))
    whole = "".join(items)
    text += whole.encode()
    columns["size"].extend(map(len, items) if whole.isascii() else (len(item.encode()) for item in items))


def _ssn_number(digits: str) -> int:
    if not digits:
        return 0
    return int(digits) if len(digits) == 9 else int(digits) + SHORT_SSN


def read_day(text: str) -> int:
    """`YYYY-MM-DD` as the number yyyymmdd; 0 when absent."""
    digits = text[:10].replace("-", "")
    return int(digits) if digits.isdigit() else 0


def _encode_inside(
    start: int,
    last_codes: list[int],
    first_codes: list[int],
    pools: Pools,
    suffixes: array[int],
    extras: dict[str, array[int]],
) -> None:
    """What is inside a name: a suffix, and parts that each are a way to be found."""
    lasts, firsts = pools.last.names, pools.first.names
    plain = {code for code in {*last_codes} if not lasts[code].parts and not lasts[code].suffix}
    simple = {code for code in {*first_codes} if not firsts[code].parts and not firsts[code].suffix}
    for row, (last_code, first_code) in enumerate(zip(last_codes, first_codes, strict=True), start):
        if last_code in plain and first_code in simple:
            continue
        last, first = lasts[last_code], firsts[first_code]
        _append_parts(row, last, first, extras)
        suffixes[row] = suffixes[row] or SUFFIXES.index(last.suffix or first.suffix)


def _encode_further(row: int, record: PanelRecord, extras: dict[str, array[int]]) -> str:
    mrns = read_mrns(record)
    for system, value in mrns:
        extras["mrn_row"].append(row)
        extras["mrn_hash"].append(hash_text(f"{system}{PART}{value}"))
    names = [(last or record.last, first or record.first) for last, first in record.former_names]
    for last, first in names:
        _append_name(row, last_name(last).key, first_name(first).key, extras)
        _append_parts(row, last_name(last), first_name(first), extras)
    places = [(read_street(street), read_zip(code)) for street, code in record.former_addresses]
    for street, code in places:
        extras["place_row"].append(row)
        extras["place_street"].append(hash_text(street))
        extras["place_zip"].append(hash_text(code))
    phones = [read for phone in record.former_phones if (read := read_phone(phone))]
    for phone in phones:
        extras["phone_row"].append(row)
        extras["phone_hash"].append(hash_text(phone))
    pairs = (ITEM.join(map(PART.join, pairs)) for pairs in (mrns, names, places))
    return UNIT.join((*pairs, ITEM.join(phones)))


def _append_parts(row: int, last: Name, first: Name, extras: dict[str, array[int]]) -> None:
    for last_key in (last.key, *last.parts):
        for first_key in (first.key, *first.parts):
            if (last_key, first_key) != (last.key, first.key):
                _append_name(row, last_key, first_key, extras)


def _append_name(row: int, last: str, first: str, extras: dict[str, array[int]]) -> None:
    extras["name_row"].append(row)
    extras["name_last"].append(hash_text(last))
    extras["name_first"].append(hash_text(first))
