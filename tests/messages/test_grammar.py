"""Where a message departs from the typed grammar of its version; nothing of what it says is in the answer."""

from pathlib import Path

import pytest

from parsers.hl7.grammar import ELSEWHERE, SEGMENTS, departs_at

EVN = "EVN|A01|20260301120500"
PID = "PID|1||12345^^^NORTH^MR||Doe^Jane||19800131|F"
PV1 = "PV1|1|I|4W^401^B^NORTH"


def message(*segments: str, version: str = "2.5.1", kind: str = "ADT^A01", marks: str = "^~\\&") -> bytes:
    header = f"MSH|{marks}|A|B|C|D|20260301120500||{kind}|1|P|{version}"
    return "\r".join([header, *segments, ""]).encode()


@pytest.mark.parametrize("version", ["2.2", "2.3", "2.3.1", "2.4", "2.5.1", "2.8.2"])
def test_what_follows_its_grammar(version: str) -> None:
    assert departs_at(message(EVN, PID, PV1, version=version), "A01") == ""


@pytest.mark.parametrize(
    ("segments", "place"),
    [
        ((PID, PV1), "EVN"),
        ((EVN, PID), "PV1"),
        ((EVN, PV1), "PID"),
        ((EVN, "PID|1||12345^^^NORTH^MR||||19800131|F", PV1), "PID-5"),
        ((EVN, PID, "PV1|1"), "PV1-2"),
        ((EVN, PID, PV1, PV1), "PV1"),
        ((EVN + "|||||X|Y|Z", PID, PV1), "EVN"),
        ((EVN, PID, PV1, "XDO|Jane"), ELSEWHERE),
        ((EVN, PID, PV1, "MRG|1"), "MRG"),
        ((EVN, PID, PV1, "DG1|1"), "DG1-6"),
    ],
)
def test_the_first_place_is_named(segments: tuple[str, ...], place: str) -> None:
    assert departs_at(message(*segments), "A01") == place


def test_segments_of_ones_own_and_what_msh_lacks_are_no_departure() -> None:
    assert departs_at(message(EVN, PID, PV1, "ZPD|Jane"), "A01") == ""
    assert departs_at(message(EVN, PID, PV1, kind="A01^^"), "A01") == ""
    assert departs_at(b"\n".join(message(EVN, PID, PV1).split(b"\r")), "A01") == ""


@pytest.mark.parametrize(
    ("data", "trigger"),
    [
        (message(EVN, PID, PV1, version="2.9"), "A01"),
        (message(EVN, PID, PV1, version=""), "A01"),
        (message(EVN, PID, PV1, version="2.1"), "A01"),
        (message(EVN, PID, PV1), "Z99"),
        (message(EVN, PID, PV1, marks="^~"), "A01"),
        (b"not a message", "A01"),
    ],
)
def test_what_nobody_can_judge_is_not_judged(data: bytes, trigger: str) -> None:
    assert departs_at(data, trigger) is None


def test_a_place_is_one_of_few(corpus: Path) -> None:
    """Of messages nobody here wrote: a closed set of segments, and never a value."""
    paths = sorted((corpus / "adt").iterdir())[::25]
    places = {departs_at(path.read_bytes(), "A01") for path in paths} - {None, "", ELSEWHERE}
    assert places
    assert {str(place).partition("-")[0] for place in places} <= SEGMENTS
