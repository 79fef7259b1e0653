"""Messages of one size in every shape that could make reading slow; run it to see the seconds each takes.

`python -m tests.rigs.hostile_shapes [BYTES]` reads one of each, 10 MB by default.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from parsers.feeds import Feed
from parsers.hl7.adt import read_adt
from parsers.hl7.fields import read_fields

HEADER: Final = b"MSH|^~\\&|EPIC|MISSION|WH|WH|20261110101500||ADT^A01^ADT_A01|%s|P|2.5.1\rEVN|A01|20261110101500\r"
PID: Final = b"PID|1||MR1^^^MISSION^MR||Roe^Ann||19580314|F|||12 Oak Lane^^Durham^NC^27701"
PV1: Final = b"PV1|1|I|4W^401^A^MISSION||||||||||||||||V1|||||||||||||||||||||||||20261110101000"


def _fill(size: int, unit: bytes) -> bytes:
    return unit * (size // len(unit))


def _in_pid(unit: bytes, field: int = 5) -> Callable[[int], bytes]:
    before = {3: b"PID|1||", 5: b"PID|1||MR1^^^MISSION^MR||", 11: PID[: PID.rindex(b"|") + 1]}[field]
    return lambda size: HEADER % b"S" + before + _fill(size, unit) + b"\r" + PV1


def _after_pid(unit: bytes) -> Callable[[int], bytes]:
    return lambda size: HEADER % b"S" + PID + _fill(size, unit) + b"\r" + PV1


def _after(unit: bytes) -> Callable[[int], bytes]:
    return lambda size: HEADER % b"S" + PID + b"\r" + PV1 + b"\r" + _fill(size, unit)


def _merge(unit: bytes) -> Callable[[int], bytes]:
    header = (HEADER % b"S").replace(b"A01", b"A40").replace(b"ADT_A40", b"ADT_A39")
    return lambda size: header + PID + b"\r" + _fill(size, unit)


SHAPES: Final[dict[str, Callable[[int], bytes]]] = {
    "separators in PID": _after_pid(b"|"),
    "escapes by field": _after_pid(b"|\\Q\\"),
    "known escapes by field": _after_pid(b"|\\T\\"),
    "nulls by field": _after_pid(b'|""'),
    "letters by field": _after_pid(b"|a"),
    "PID-3 repeated": _in_pid(b"1^^^H^MR~", 3),
    "PID-3 repetition marks": _in_pid(b"~", 3),
    "PID-3 components": _in_pid(b"^", 3),
    "PID-5 repetition marks": _in_pid(b"~"),
    "PID-5 names": _in_pid(b"A^B~"),
    "PID-5 components": _in_pid(b"^"),
    "PID-5 subcomponents": _in_pid(b"&"),
    "PID-5 unknown escapes": _in_pid(b"\\Q\\"),
    "PID-5 known escapes": _in_pid(b"\\F\\"),
    "PID-5 escape marks": _in_pid(b"\\"),
    "PID-5 hexadecimal": _in_pid(b"\\X0D\\"),
    "PID-5 one hexadecimal": lambda size: HEADER % b"S" + b"PID|1||1||\\X" + b"0D" * (size // 2) + b"\\\r" + PV1,
    "PID-5 skips": _in_pid(b"\\.sp99\\"),
    "PID-5 control characters": _in_pid(b"\x01"),
    "PID-5 letters": _in_pid(b"A"),
    "PID-5 accents": _in_pid("é".encode()),
    "PID-5 in windows-1252": _in_pid(b"\xe9"),
    "PID-5 combining accents": _in_pid("\u0301".encode()),
    "PID-5 blanks": _in_pid(b" "),
    "PID-5 VT": _in_pid(b"\x0b"),
    "PID-5 NUL": _in_pid(b"\x00"),
    "PID-11 addresses": _in_pid(b"1 A^^B^NC^27701~", 11),
    "one field of digits": _after_pid(b"1"),
    "lines": _after(b"\r"),
    "line feeds": _after(b"\n"),
    "lines ended twice": _after(b"\r\n"),
    "lines of a value": _after(b"x\r"),
    "lines of blanks": _after(b" \r"),
    "blanks": _after(b" "),
    "segment names": _after(b"ZZZ\r"),
    "segments": _after(b"Z|\r"),
    "segments Z": _after(b"ZZZ|1\r"),
    "indented segments": _after(b" ZZZ|1\r"),
    "other names": lambda size: HEADER % b"S" + b"".join(b"%03X|\r" % (n % 4096) for n in range(size // 5)),
    "diagnoses": _after(b"DG1|1||I10^Hypertension^I10||20261110|A\r"),
    "short diagnoses": _after(b"DG1|||A\r"),
    "diagnoses with escapes": _after(b"DG1|1||\\Q\\|\\Q\\\r"),
    "notes": _after(b"NTE|1||a note of a nurse\r"),
    "observations": _after(b"OBX|1|ST|1^A||2|||||F\r"),
    "patients": _after(b"PID|1||2\r"),
    "visits": _after(b"PV1|1|I\r"),
    "events": _after(b"EVN|A01|2026\r"),
    "headers": _after(b"MSH|\r"),
    "whole headers": _after(b"MSH|^~\\&|||||||ADT|S\r"),
    "whole messages": lambda size: (HEADER % b"S" + PID + b"\r") * (size // 130),
    "merges": _merge(b"MRG|1^^^H^MR\r"),
    "merged pairs": _merge(b"PID|1||1^^^H^MR\rMRG|2^^^H^MR\r"),
    "merge with repetitions": _merge(b"MRG|" + b"1^^^H^MR~" * 100 + b"\r"),
    "long header": lambda size: (HEADER % b"S").replace(b"\rEVN", _fill(size, b"|x") + b"\rEVN") + PID + b"\r" + PV1,
    "long control id": lambda size: HEADER % _fill(size, b"S") + PID + b"\r" + PV1,
    "long message type": lambda size: (HEADER % b"S").replace(b"ADT_A01", _fill(size, b"^")) + PID + b"\r" + PV1,
    "long character set": lambda size: (
        (HEADER % b"S").replace(b"|2.5.1", b"|2.5.1||||||" + _fill(size, b"X~")) + PID + b"\r" + PV1
    ),
    "long encoding characters": lambda size: (HEADER % b"S").replace(b"^~\\&", b"^~\\&" + _fill(size, b"#")) + PID,
    "before MSH": lambda size: _fill(size, b"\r") + HEADER % b"S" + PID + b"\r" + PV1,
    "UTF-16": lambda size: (
        (HEADER % b"S" + b"PID|1||1||" + _fill(size // 2, b"\\Q\\|") + b"\r").decode().encode("utf-16")
    ),
    "nothing but MSH": lambda size: _fill(size, b"MSH"),
    "nothing but bytes": lambda size: _fill(size, bytes(range(256))),
}


def seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def read(data: bytes) -> object:
    return read_adt(data, lambda _a, _f: Feed(), message_id="0" * 32, received_at=datetime(2026, 11, 25, tzinfo=UTC))


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    for name, make in SHAPES.items():
        data = make(size)
        reading, fields = seconds(partial(read, data)), seconds(partial(read_fields, data))
        mark = "  <<<" if max(reading, fields) > 0.5 else ""
        sys.stdout.write(f"{name:36} {len(data):>9}  read {reading:7.3f}  fields {fields:7.3f}{mark}\n")
        sys.stdout.flush()
