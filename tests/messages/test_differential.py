"""Our reading held against two parsers nobody here wrote, on messages nobody here wrote and on invented ones.

Where we differ on purpose, a row of `ON_PURPOSE` says why; a difference without a row fails.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from parsers.feeds import Feed
from parsers.hl7.adt import read_adt
from parsers.hl7.batches import split
from parsers.hl7.er7 import Message
from parsers.hl7.fields import FIELDS, read_fields
from parsers.outcomes import Reject, RejectCode
from tests.messages.test_adt import AT

EXPECTED_NAMES = {
    "msh3": "MSH-3", "msh4": "MSH-4", "type": "MSH-9.1", "event": "MSH-9.2", "ctrl": "MSH-10", "ver": "MSH-12",
    "evn2": "EVN-2", "family": "PID-5.1", "given": "PID-5.2", "dob": "PID-7", "sex": "PID-8", "zip": "PID-11.5",
    "acct": "PID-18", "ssn": "PID-19", "pclass": "PV1-2", "poc": "PV1-3.1", "visit": "PV1-19", "dispo": "PV1-36",
    "admit": "PV1-44", "disch": "PV1-45", "mrg1": "MRG-1", "pid3": "PID-3",
}  # fmt: skip

# end of a file's name -> the addresses that differ, and why
ON_PURPOSE: dict[str, tuple[frozenset[str], str]] = {
    "vendor-quirks-segment-case-hl7__0": (
        frozenset({"PID-5.1", "PID-5.2", "PID-7", "PID-8", "PID-3"}),
        "`pid` in lower case is PID: leaving a patient unread because of it would lose an admission",
    ),
}


def purpose(path: Path) -> frozenset[str]:
    return next((fields for end, (fields, _) in ON_PURPOSE.items() if path.stem.endswith(end)), frozenset())


def adt_files(corpus: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted((corpus / "adt").iterdir()):
        yield path, path.read_bytes()


def test_the_fields_two_parsers_agree_on(corpus: Path) -> None:
    pairs, different = 0, []
    for line in (corpus / "adt_expected.jsonl").read_text().splitlines():
        row = json.loads(line)
        path = corpus / row["file"]
        values = read_fields(path.read_bytes())
        for name, address in EXPECTED_NAMES.items():
            if name in row:
                pairs += 1
                if values[address] != row[name] and address not in purpose(path):
                    different.append((path.stem, address))
    assert pairs > 7000
    assert different == []


def by_python_hl7(message: hl7.Message, address: str) -> str:
    segment, _, rest = address.partition("-")
    number, _, component = rest.partition(".")
    try:
        return str(message.extract_field(segment, 1, int(number), 1, int(component or 1), 1) or "")
    except (KeyError, IndexError, LookupError):
        return ""


def text_of(data: bytes) -> str:
    """As python-hl7 wants it: text, CR, nothing around."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    return text.strip("\ufeff\x0b\x1c\r\n ").replace("\r\n", "\r").replace("\n", "\r")


# files python-hl7 reads differently, and why ours is right
PYTHON_HL7_DIFFERS = {
    "simhospital__emb__ADT-A01__pkg-starter-pathway-starter-test-go__49":
        r"MSH-2 is ^~\\&: python-hl7 takes the second backslash for the sub-component separator",
    "cosyte__raw__ADT-A01__test-fixtures-vendor-quirks-segment-case-hl7__0": "segment names in lower case",
    "cosyte__emb__ADT-A01__test-parser-batch-test-ts__307": "a blank line between segments: python-hl7 reads nothing",
    "cosyte__emb__ADT-A01__test-parser-charset-test-ts__157":
        "escapes that switch character sets: python-hl7 drops them, we keep what we do not know as sent",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")
def test_python_hl7_reads_the_same(corpus: Path) -> None:
    compared, different = 0, []
    for path, data in adt_files(corpus):
        if path.stem in PYTHON_HL7_DIFFERS:
            continue
        try:
            theirs = hl7.parse(text_of(data))
        except (hl7.HL7Exception, ValueError, IndexError, KeyError):
            continue
        ours = read_fields(data)
        for address in FIELDS:
            compared += 1
            if by_python_hl7(theirs, address) != ours[address]:
                different.append((path.stem, address, by_python_hl7(theirs, address), ours[address]))
    assert compared > 6000
    assert different == []


def by_hl7apy(message: object, address: str) -> str:
    """First repetition, component and sub-component of a field, as hl7apy took it apart; "" when absent."""
    segment, _, rest = address.partition("-")
    number, _, component = rest.partition(".")
    try:
        fields = getattr(getattr(message, segment.lower()), f"{segment.lower()}_{number}")
        raw = fields[0].to_er7()
    except Exception:  # hl7apy raises its own, AttributeError and IndexError for what is not there
        return ""
    parts = raw.split("^")
    part = parts[int(component or 1) - 1] if len(parts) >= int(component or 1) else ""
    return part.split("&")[0]


def test_hl7apy_reads_the_same_where_it_reads(corpus: Path) -> None:
    """On messages with the usual delimiters and without escapes: hl7apy keeps escapes as sent."""
    compared, different = 0, []
    for path, data in adt_files(corpus):
        text = text_of(data)
        if not text.startswith("MSH|^~\\&|") or text.count("\\") > 1 or purpose(path):
            continue
        try:
            theirs = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
        except Exception:  # it refuses what is not in its grammar
            continue
        ours = read_fields(data)
        for address in FIELDS:
            if address.startswith("MSH-") and address in ("MSH-3", "MSH-4", "MSH-12"):
                continue
            compared += 1
            if by_hl7apy(theirs, address) != ours[address]:
                different.append((path.stem, address, by_hl7apy(theirs, address), ours[address]))
    assert compared > 1500
    assert different == []


VALUE = st.text(st.characters(exclude_characters='|^~\\&"', exclude_categories=("C", "Z")), min_size=1, max_size=12)
COMPONENT = st.lists(VALUE | st.just(""), min_size=1, max_size=3).map("&".join)
REPETITION = st.lists(COMPONENT, min_size=1, max_size=5).map("^".join)
FIELD = st.lists(REPETITION, min_size=1, max_size=3).map("~".join)
SEGMENT = st.tuples(st.sampled_from(["PID", "PV1", "PV2", "ZXY"]), st.lists(FIELD, min_size=1, max_size=20))


@given(st.lists(SEGMENT, min_size=1, max_size=5))
def test_python_hl7_reads_invented_messages_the_same(segments: list[tuple[str, list[str]]]) -> None:
    text = "\r".join(["MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5", *("|".join([n, *fields]) for n, fields in segments)])
    theirs = hl7.parse(text)
    ours = Message.parse(text.encode())
    assert isinstance(ours, Message)
    for name in {name for name, _ in segments}:
        for number in range(1, 21):
            for component in (1, 2, 3):
                assert ours.get(f"{name}-{number}.{component}") == by_python_hl7(theirs, f"{name}-{number}.{component}")


MALFORMED = {
    "batch-malformed-mid-batch": ["event", RejectCode.TRIGGER_MISSING, "event"],
    "malformed-invalid-encoding-characters": [RejectCode.SEGMENT_MISSING],
    "malformed-msh-too-short": [RejectCode.TRIGGER_MISSING],
    "malformed-no-msh-segment": [RejectCode.NOT_HL7],
    "stream-malformed-mid-stream": ["event", RejectCode.TRIGGER_MISSING, "event"],
    "stream-large-batch-nd": ["event"] * 12,
    "stream-mixed-terminators": ["event"] * 2,
    "stream-split-across-chunks": ["event"] * 2,
    "vendor-quirks-duplicate-required-segment": [RejectCode.SEGMENT_MISSING, "event"],
    "vendor-quirks-unknown-escape-sequence": [RejectCode.NOT_ADT],
    "edge-cases-decoded-br": [RejectCode.NOT_ADT],
    "edge-cases-escape-formatting": [RejectCode.NOT_ADT],
    "edge-cases-escape-highlight": [RejectCode.NOT_ADT],
    "edge-cases-truncation-char-msh2": [RejectCode.NOT_ADT],
    "edge-cases-unknown-escapes": [RejectCode.NOT_ADT],
}


def ending(data: bytes) -> str:
    reading = read_adt(data, lambda _a, _f: Feed(), message_id="0" * 32, received_at=AT)
    return reading.code if isinstance(reading, Reject) else type(reading).__name__.lower()


def test_each_malformed_file_ends_by_name(corpus: Path) -> None:
    files = sorted((corpus / "malformed").iterdir())
    assert len(files) == 42
    for path in files:
        named = next((endings for part, endings in MALFORMED.items() if part in path.stem), ["event"])
        items = split(path.read_bytes())
        assert [item.reject.code if item.reject else ending(item.message) for item in items] == named, path.stem


ADT_ENDINGS = {
    "event": 281, "notransition": 6, RejectCode.SEGMENT_MISSING: 22, RejectCode.PATIENT_MISSING: 10,
}  # fmt: skip


def test_each_message_of_the_corpus_has_one_ending(corpus: Path) -> None:
    counted: dict[str, int] = {}
    for _, data in adt_files(corpus):
        reading = read_adt(data, lambda _a, _f: Feed(), message_id="0" * 32, received_at=AT, test_mode=True)
        name = reading.code if isinstance(reading, Reject) else type(reading).__name__.lower()
        counted[name] = counted.get(name, 0) + 1
    assert counted == ADT_ENDINGS


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_change_no_field_of_the_corpus(corpus: Path, end: str) -> None:
    for path, data in adt_files(corpus):
        if b"\n" not in data:
            assert read_fields(data.replace(b"\r", end.encode())) == read_fields(data), path.stem
