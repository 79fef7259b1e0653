"""Acknowledgments as bytes, read back by python-hl7, a parser nobody here wrote."""

from datetime import UTC, datetime, timedelta, timezone

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.hl7.acks import CONDITIONS, LONGEST_ECHO, AckCode, acknowledge
from parsers.hl7.er7 import Peek, peek
from parsers.outcomes import Reject, RejectCode

AT = datetime(2026, 3, 1, 7, 30, 5, tzinfo=timezone(timedelta(hours=-5)))


def glance(header: bytes) -> Peek:
    seen = peek(header)
    assert isinstance(seen, Peek)
    return seen


def ack(header: bytes | None, code: AckCode = AckCode.AA, reject: Reject | None = None) -> bytes:
    return acknowledge(glance(header) if header else None, code, reject=reject, control_id="OURS1", at=AT)


@pytest.mark.parametrize(
    ("version", "kind", "stamp"),
    [
        ("2.1", "ACK", "20260301123005"),
        ("2.2", "ACK^A01", "20260301123005+0000"),
        ("2.3", "ACK^A01", "20260301123005+0000"),
        ("2.3.1", "ACK^A01^ACK", "20260301123005+0000"),
        ("2.5.1", "ACK^A01^ACK", "20260301123005+0000"),
        ("2.9", "ACK^A01^ACK", "20260301123005+0000"),
        ("2.5^USA", "ACK^A01^ACK", "20260301123005+0000"),
        ("odd", "ACK^A01^ACK", "20260301123005+0000"),
    ],
)
def test_a_positive_answer(version: str, kind: str, stamp: str) -> None:
    header = f"MSH|^~\\&|EPIC^1|NORTH|RCV|HERE^2|2026||ADT^A01^ADT_A01|MSG1|T|{version}".encode()
    assert ack(header) == f"MSH|^~\\&|RCV|HERE^2|EPIC^1|NORTH|{stamp}||{kind}|OURS1|T|{version}\rMSA|AA|MSG1\r".encode()


@pytest.mark.parametrize("code", AckCode)
def test_each_code_says_itself_and_only_refusals_carry_err(code: AckCode) -> None:
    answer = ack(b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5", code)
    assert f"\rMSA|{code.value}|7".encode() in answer
    assert (b"\rERR|" in answer) == (code not in (AckCode.AA, AckCode.CA))


@pytest.mark.parametrize(
    ("version", "place", "err"),
    [
        ("2.5", "PID-3", "ERR||PID^1^3|101^Required field missing^HL70357|E|patient_missing"),
        ("2.5", "MSH-9.2", "ERR||MSH^1^9^1^2|101^Required field missing^HL70357|E|patient_missing"),
        ("2.5", "PID", "ERR||PID^1|101^Required field missing^HL70357|E|patient_missing"),
        ("2.8", "", "ERR|||101^Required field missing^HL70357|E|patient_missing"),
        ("2.3", "PID-3", "ERR|PID^1^3^101&Required field missing&HL70357"),
        ("2.4", "", "ERR|^^^101&Required field missing&HL70357"),
    ],
)
def test_a_refusal_names_place_and_code(version: str, place: str, err: str) -> None:
    reject = Reject(code=RejectCode.PATIENT_MISSING, place=place)
    answer = ack(f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|{version}".encode(), AckCode.AR, reject)
    assert answer.split(b"\r")[1:3] == [b"MSA|AR|7|patient_missing", err.encode()]


def test_without_a_reject_the_refusal_is_ours() -> None:
    answer = ack(b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5", AckCode.AE)
    assert b"MSA|AE|7|unavailable\rERR|||207^Application internal error^HL70357|E|unavailable\r" in answer


def test_a_refusal_is_possible_when_nothing_could_be_read() -> None:
    answer = ack(None, AckCode.AR, Reject(code=RejectCode.NOT_HL7, place="MSH"))
    assert answer == (
        b"MSH|^~\\&|WARM-HANDOFF||||20260301123005+0000||ACK|OURS1|P|2.5\rMSA|AR||not_hl7\r"
        b"ERR||MSH^1|100^Segment sequence error^HL70357|E|not_hl7\r"
    )


def test_a_header_of_two_fields_can_be_answered() -> None:
    assert ack(b"MSH|^~\\&") == (b"MSH|^~\\&|WARM-HANDOFF||||20260301123005+0000||ACK|OURS1|P|2.5\rMSA|AA\r")


@pytest.mark.parametrize("code", RejectCode)
def test_every_reject_has_a_condition_of_table_0357(code: RejectCode) -> None:
    number, text = CONDITIONS[code]
    assert number in {"100", "101", "102", "103", "200", "201", "202", "203", "204", "205", "206", "207"}
    assert text


def test_delimiters_charset_and_control_id_stay_the_senders_byte_by_byte() -> None:
    header = b"MSH#*!+%#A#B#C#D#2026##ADT*A08*ADT_A01#id\xe9+E+ \xff#P#2.6######8859/1"
    answer = ack(header, AckCode.CR, Reject(code=RejectCode.BATCH_COUNT, place="MSH"))
    assert answer == (
        b"MSH#*!+%#C#D#A#B#20260301123005+0000##ACK*A08*ACK#OURS1#P#2.6######8859/1\r"
        b"MSA#CR#id\xe9+E+ \xff#batch_count\rERR##MSH*1#100*Segment sequence error*HL70357#E#batch_count\r"
    )


def test_a_delimiter_sent_twice_is_said_once() -> None:
    answer = ack(b"MSH|^~\\\\&|A|B|C|D|20260301||ADT^A01|7|P|2.5\r")
    assert answer.startswith(b"MSH|^~\\&|")
    assert b"MSA|AA|7\r" in answer


def test_no_answer_can_break_its_own_frame() -> None:
    answer = ack(b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|\x1c7\x0b|P|2.5", AckCode.AA)
    assert b"\x0b" not in answer
    assert b"\x1c" not in answer


CONTROL_IDS = st.text(st.characters(exclude_characters="|\r\n\x0b\x1c\x00", exclude_categories=("Cs",)), min_size=1)


@given(CONTROL_IDS.filter(lambda text: text.strip(" \t") == text), st.sampled_from(list(AckCode)))
def test_python_hl7_reads_back_what_was_sent(control_id: str, code: AckCode) -> None:
    header = f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|{control_id}|P|2.5".encode()
    answer = ack(header, code)
    assert answer.split(b"\r")[1].split(b"|")[2] == control_id.encode()
    read = hl7.parse(answer.decode())
    assert str(read.segment("MSA")[1]) == code.value
    assert str(read.segment("MSH")[3]) == "C"


def test_no_value_of_the_message_but_the_header_comes_back() -> None:
    message = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|7|P|2.5\rPID|1||SECRETID||SECRETNAME\r"
    for code in AckCode:
        assert b"SECRET" not in ack(message, code, Reject(code=RejectCode.UNDECODABLE, place="PID-5"))


def test_the_time_is_utc_whatever_zone_it_came_in() -> None:
    utc = acknowledge(None, AckCode.AA, reject=None, control_id="x", at=AT.astimezone(UTC))
    assert utc == acknowledge(None, AckCode.AA, reject=None, control_id="x", at=AT)


def test_why_it_was_not_kept_is_said_and_nothing_long_is_repeated() -> None:
    header = b"MSH|^~\\&|" + b"A" * 5000 + b"|B|C|D|2026||ADT^A01|" + b"7" * 5_000_000 + b"|P|2.3" + b"|" * 5_000_000
    answer = acknowledge(glance(header), AckCode.AE, reject=None, control_id="OURS1", at=AT, away="disk")
    assert b"|unavailable: disk\r" in answer
    assert len(answer) < 4_000


def test_a_control_id_beyond_any_real_one_is_not_echoed_whole() -> None:
    answer = ack(b"MSH|^~\\&|A|" + b"B" * 5_000 + b"|C|D|2026||ADT^A01|" + b"9" * 5_000_000 + b"|P|2.5", AckCode.AA)
    assert len(answer) < 4_000
    assert b"MSA|AA|" + b"9" * LONGEST_ECHO + b"\r" in answer


@pytest.mark.parametrize("sent", ['""', ' "" '])
def test_a_delete_in_msh_15_and_16_is_no_condition(sent: str) -> None:
    seen = peek(f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5|||{sent}|{sent}".encode())
    assert isinstance(seen, Peek)
    assert (seen.accept_ack, seen.application_ack) == ("", "")
