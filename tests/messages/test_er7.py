"""The lazy reader and the look at the header: delimiters, line ends, escapes, absent, empty and deleted."""

import gc
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Finding
from parsers.hl7.er7 import Message, Peek, Segment, peek
from parsers.outcomes import Reject, RejectCode

MSH = (
    b"MSH|^~\\&|EPIC|NORTH^1.2.3^ISO|RCV|HERE|20260301120000-0500||ADT^A01^ADT_A01|MSG\\T\\1|P|2.5.1"
    b"|||AL|NE||UNICODE UTF-8"
)
PID = b"PID|1||12345^^^NORTH&1.2.3&ISO^MR~999^^^SSA^SS||O'Neil&van^Anna^M^Jr~Old^Anna||19800131|F"


def message(*segments: bytes, end: bytes = b"\r") -> bytes:
    return end.join((MSH, *segments)) + end


def parsed(data: bytes, charset: str = "") -> Message:
    read = Message.parse(data, charset)
    assert isinstance(read, Message), read.code
    return read


def glance(data: bytes) -> Peek:
    seen = peek(data)
    assert isinstance(seen, Peek), seen.code
    return seen


def test_peek_tells_what_the_listener_needs() -> None:
    seen = glance(message(b"EVN|A01", PID))
    assert seen[:13] == (
        "MSG\\T\\1", "ADT", "A01", "EPIC", "NORTH", "P", "AL", "NE", "2.5.1", "12345", "NORTH", "|", "^~\\&"
    )  # fmt: skip
    assert seen.header == MSH
    assert repr(seen) == "<Peek>"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\r"])
@pytest.mark.parametrize("before", [b"", b"\x0b", b"\xef\xbb\xbf", b" \r\n\t", b"\x0b\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("after", [b"", b"\x1c\r", b"\x1c", b"\r\n\r\n", b"\x00\x00"])
def test_whatever_stands_around_a_message_it_reads_the_same(end: bytes, before: bytes, after: bytes) -> None:
    data = before + message(PID, b"ZPI|kept", end=end) + after
    assert glance(data)[:13] == glance(message(PID))[:13]
    read = parsed(data)
    assert read.lines == parsed(message(PID, b"ZPI|kept")).lines
    assert any(note.finding is Finding.LINE_END_NOT_CR for note in read.notes) == (b"\n" in end)


@pytest.mark.parametrize(
    ("key", "pid"),
    [
        (("12", "H"), b"PID|1||12^^^H^MR~13^^^H"),
        (("12", "H"), b"pid|1||12^^^H^MR"),
        (("12", "H"), b" PID|1||12^^^H&1.2&ISO^MR"),
        (("77", ""), b"PID|1|77||"),
        (("77", "X"), b'PID|1|77^^^X|""|'),
        (("ACC", ""), b"PID|1" + b"|" * 17 + b"ACC"),
        (("", ""), b"PID|1"),
        (("", ""), b"PV1|1||12"),
    ],
)
def test_peek_finds_a_key_for_the_patient(key: tuple[str, str], pid: bytes) -> None:
    seen = glance(message(b"EVN|A01", pid, b"PV1|1|I"))
    assert (seen.patient_key, seen.patient_authority) == key


@pytest.mark.parametrize(
    ("code", "place", "data"),
    [
        (RejectCode.EMPTY, "", b""),
        (RejectCode.EMPTY, "", b"\r\n \x0b\x1c\r"),
        (RejectCode.NOT_HL7, "MSH", b"EVN|A01|2026\rPID|1"),
        (RejectCode.NOT_HL7, "MSH", b"GET / HTTP/1.1\r\n\r\n"),
        (RejectCode.NOT_HL7, "MSH", b"\xff" * 100),
        (RejectCode.NOT_ADT, "BHS", b"BHS|^~\\&|A\rMSH|^~\\&|"),
        (RejectCode.NOT_ADT, "FHS", b"FHS|^~\\&|A"),
        (RejectCode.BAD_DELIMITERS, "MSH-1", b"MSH"),
        (RejectCode.BAD_DELIMITERS, "MSH-1", b"MSH\r"),
        (RejectCode.BAD_DELIMITERS, "MSH-1", b"MSHA^~\\&A"),
        (RejectCode.BAD_DELIMITERS, "MSH-1", b"MSH ^~\\& A"),
        (RejectCode.BAD_DELIMITERS, "MSH-2", b"MSH||A|B"),
        (RejectCode.BAD_DELIMITERS, "MSH-2", b"MSH|^^^^|A"),
        (RejectCode.BAD_DELIMITERS, "MSH-2", b"MSH|abcd|A"),
        (RejectCode.BAD_DELIMITERS, "MSH-2", b"MSH|^\xe9\\&|A"),
        (RejectCode.BATCH_COUNT, "MSH", message(PID) + message(PID)),
        (RejectCode.UNDECODABLE, "PID-5", message(b"PID|1||1||\x81\x8d^A").replace(b"UNICODE UTF-8", b"")),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(code: RejectCode, place: str, data: bytes) -> None:
    read = Message.parse(data)
    assert isinstance(read, Reject)
    assert (read.code, read.place) == (code, place)


def test_a_blank_after_a_segments_name_is_read_around() -> None:
    segments = b"EVN |A01|2026", b" PID\t |1||12345", b"ZPI  |x", b"NTE|1||see", b"MSH here", b"bid | twice", b"PV1 |1"
    data = message(*segments)
    read = parsed(data.replace(b"MSH|", b"MSH |", 1))
    assert [read.get(place) for place in ("MSH-3", "EVN-1", "PID-3", "ZPI-1")] == ["EPIC", "A01", "12345", "x"]
    assert read.get("NTE-3") == "see\nMSH here\nbid "
    assert [note.place for note in read.notes if note.finding is Finding.SEGMENT_NAME_BLANK] == [
        "MSH", "EVN", "PID", "ZPI", "PV1"
    ]  # fmt: skip
    assert glance(data.replace(b"MSH|", b"MSH |", 1)).patient_key == "12345"


def test_a_header_sent_twice_is_one_message() -> None:
    assert parsed(MSH + b"\r" + message(PID)).get("PID-3") == "12345"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-3", "EPIC"),
        ("MSH-4.2", "1.2.3"),
        ("MSH-9.2", "A01"),
        ("MSH-10", "MSG&1"),
        ("PID-3", "12345"),
        ("PID-3.4", "NORTH"),
        ("PID-3.4.2", "1.2.3"),
        ("PID-3.4.9", ""),
        ("PID-3(2)", "999"),
        ("PID-3(2).5", "SS"),
        ("PID-3(3)", ""),
        ("PID-5.1", "O'Neil"),
        ("PID-5.1.2", "van"),
        ("PID-5.4", "Jr"),
        ("PID-5.9", ""),
        ("PID-5.2.2", ""),
        ("PID-99", ""),
        ("DG1-3", "I10"),
        ("DG1(2)-3.2", "Flu"),
        ("DG1(3)-3", ""),
        ("ZZZ-1", "own"),
        ("XXX-1", ""),
        ("zzz-1", "own"),
    ],
)
def test_addresses(path: str, value: str) -> None:
    assert parsed(message(PID, b"DG1|1||I10", b"dg1|2||J11^Flu", b"ZZZ|own")).get(path) == value


def test_an_address_that_is_none_is_a_programmers_mistake() -> None:
    with pytest.raises(ValueError, match="address"):
        parsed(message()).get("PID")


def test_absent_empty_and_deleted_are_three_things() -> None:
    read = parsed(message(b'PID|1||""||""^""|'))
    assert (read.get("PID-3"), read.raw("PID-3"), read.is_delete("PID-3")) == ("", '""', True)
    assert (read.get("PID-4"), read.raw("PID-4"), read.is_delete("PID-4")) == ("", "", False)
    assert (read.get("PID-40"), read.raw("PID-40"), read.is_delete("XYZ-1")) == ("", "", False)
    assert (read.get("PID-5.1"), read.get("PID-5.2")) == ("", "")


def test_segments_and_repetitions() -> None:
    read = parsed(message(PID, b"ZZ1|a~b|", b"ZZ1", b"NTE|1||x"))
    names = [segment.name for segment in read.segments("ZZ1")]
    assert names == ["ZZ1", "ZZ1"]
    assert read.segments("ZZ1")[0].repetitions(1) == ["a", "b"]
    assert read.segments("ZZ1")[0].repetitions(2) == []
    assert read.segments("ZZ1")[1].raw(1) == ""
    assert read.segments("MSH")[0].repetitions(2) == ["^~\\&"]
    assert read.first("ABC") is None
    assert "12345" not in repr(read) + repr(read.first("PID")) + str(read)
    assert isinstance(read.first("PID"), Segment)


def test_a_line_end_inside_a_value_does_not_cut_it() -> None:
    read = parsed(message(b"NTE|1||first", b"second line", b"", b"  ", b"third", b"PV1|1|I"))
    assert read.get("NTE-3") == "first\nsecond line\nthird"
    assert read.get("PV1-2") == "I"
    assert parsed(message(b"NTE|1||a", b"tail")).get("NTE-3") == "a\ntail"


@pytest.mark.parametrize(
    ("name", "sent", "read"),
    [
        ("delimiters", r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        ("highlight", r"Critical \H\value\N\ now", "Critical value now"),
        ("hexadecimal", r"J\X4F\hn \X0D0A\.", "JOhn \r\n."),
        ("hexadecimal in the message's charset", r"\XC3A9\t\XC3A9\ ", "été "),
        ("hexadecimal that fits no charset", r"\XC3\x", r"\XC3\x"),
        ("hexadecimal with an odd digit", r"\X414\x", r"\X414\x"),
        ("hexadecimal zero", r"a\X00\b", "ab"),
        ("line break", r"one\.br\two", "one\ntwo"),
        ("vertical and horizontal space", r"a\.sp2\b\.sk3\c", "a\n\nb   c"),
        ("formatting without text", r"\.in+4\a\.fi\b\.nf\c\.ti-1\d\.ce\e", "abcd\ne"),
        ("a count nobody means", r"a\.sp999\b", r"a\.sp999\b"),
        ("unknown ones stay", r"a \Z99\ b \C2842\ c \M824041\ d", r"a \Z99\ b \C2842\ c \M824041\ d"),
        ("truncation nobody declared", r"cut\P\here", r"cut\P\here"),
        ("a path", r"C:\temp\F\x", r"C:\temp|x"),
        ("lonely", "a\\", "a\\"),
        ("two in a row", "a\\\\b", "a\\\\b"),
        ("lower case is not defined", r"a\f\b", r"a\f\b"),
    ],
)
def test_escapes(name: str, sent: str, read: str) -> None:
    assert parsed(message(f"NTE|1||{sent}".encode())).get("NTE-3") == read, name


def test_escapes_follow_the_delimiters_of_the_message() -> None:
    data = b"MSH@~*#!+@A@B@@@2026@@ADT~A01@1@P@2.7\rPID@1@@9~~~H!1@@A#F#B#S#C#T#D#R#E#E#F#P#G"
    read = parsed(data)
    assert read.get("PID-5") == "A@B~C!D*E#F+G"
    assert read.get("PID-3.4.2") == "1"
    short = parsed(b"MSH|^|A|B||||ADT^A01\rPID|1||9^^^H&x~y||a\\T\\b")
    assert (short.get("PID-3.4"), short.get("PID-5")) == ("H&x~y", "a\\T\\b")
    none = parsed(b"MSH|^~|A|B||||ADT^A01\rPID|1||9~8||a\\F\\b")
    assert (none.get("PID-3(2)"), none.get("PID-5")) == ("8", "a\\F\\b")


def test_a_separator_doubled_by_somebodys_quoting_counts_once() -> None:
    assert glance(b"MSH|^~\\\\&|A|B||||ADT^A01|7\r").encoding_characters == "^~\\&"


def test_wide_encodings_are_recognized_by_their_first_bytes() -> None:
    text = message(b"PID|1||5||M\xc3\xbcller^J").decode()
    for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        data = text.encode(codec)
        assert glance(data).patient_key == "5", codec
        assert parsed(data).get("PID-5") == "Müller", codec


def test_a_wide_mark_before_rubbish_is_a_reject() -> None:
    assert isinstance(peek(b"\xff\xfe\x00\xd8\x00\xd8"), Reject)


ANY = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1).filter(lambda text: text != '""')
CODES = {"|": r"\F\\"[:-1], "^": r"\S\\"[:-1], "~": r"\R\\"[:-1], "&": r"\T\\"[:-1], "\\": r"\E\\"[:-1]}


@given(st.lists(st.lists(ANY, min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_escaped_and_sent_is_read(repetitions: list[list[str]]) -> None:
    sent = "~".join("^".join("".join(CODES.get(c, c) for c in part) for part in parts) for parts in repetitions)
    read = parsed(message(f"ZZZ|{sent}|end".encode()))
    for at, parts in enumerate(repetitions, 1):
        for number, part in enumerate(parts, 1):
            assert read.get(f"ZZZ-1({at}).{number}") == part
    assert read.get("ZZZ-2") == "end"


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_make_it_raise(data: bytes, behind_header: bool) -> None:
    data = MSH + b"\r" + data if behind_header else data
    peek(data)
    read = Message.parse(data)
    if isinstance(read, Message):
        assert read.get("PID-3.4.2") == read.get("PID-3(1).4.2")
        assert all(read.segments(line[:3].upper()) for line in read.lines)


@given(st.text(alphabet="\\FSTREXHNZ.br0A9", max_size=60))
def test_unescaping_never_raises_and_keeps_text_without_sequences(text: str) -> None:
    read = parsed(message(f"NTE|1||{text}".encode()))
    plain = text.replace("\\", "")
    assert read.values.unescape(plain) == plain
    read.get("NTE-3")


@pytest.mark.parametrize(
    "data",
    [
        message(b"PID|1||1||" + b"\\" * 1_000_000),
        message(b"PID|1||1||" + b"\\E\\" * 333_000),
        message(b"PID|1||" + b"~".join(b"%d^^^H" % n for n in range(50_000))),
        message(*[b"no segment"] * 100_000),
        message(PID, *[b"\r"] * 500_000),
        MSH + b"\r" + (MSH + b"\r") * 10_000,
        MSH + b"MSH|" * 250_000,
        b"\x0b" * 1_000_000 + MSH,
    ],
    ids=["escapes", "pairs", "repetitions", "continuations", "blank lines", "headers", "header in value", "VT"],
)
def test_hostile_input_is_read_in_no_time(data: bytes) -> None:
    start = time.process_time()
    read = Message.parse(data)
    if isinstance(read, Message):
        read.get("PID-5"), read.get("PID-3(50000)"), read.get("MSH-10")
    assert time.process_time() - start < (20 if sys.gettrace() else 1)


def test_escapes_far_inside_a_value_stay_as_sent() -> None:
    read = parsed(message(b"NTE|1||" + b"\\F\\" + b"x" * 30_000 + b"\\F\\"))
    value = read.get("NTE-3")
    assert value.startswith("|x")
    assert value.endswith("x\\F\\")


def test_peek_stays_within_the_listeners_budget() -> None:
    data = message(b"EVN|A01|20260301", PID, *[b"DG1|1||I10"] * 10)
    best = min(_seconds(lambda: peek(data)) for _ in range(7))
    assert best < 60e-6 * (20 if sys.gettrace() else 1)  # measured 7-15 µs; four times that on a busy machine


def _seconds(action: object) -> float:
    assert callable(action)
    start = time.process_time()
    for _ in range(2000):
        action()
    return (time.process_time() - start) / 2000


def test_a_message_that_nobody_holds_is_gone_without_the_cycle_collector() -> None:
    read = parsed(message(b"PV1|1|I", b"DG1|1||R06.02"))
    assert all(read.segments(name) for name in ("PV1", "DG1"))
    gc.collect()
    del read
    assert gc.collect() == 0, "a segment names its message: the collector has to free each message read"
