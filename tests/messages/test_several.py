"""Two messages in one frame are two; one that only looks so is one."""

import pytest

from parsers.hl7.er7 import Peek, peek
from parsers.hl7.several import MOST_MESSAGES, messages_in
from parsers.outcomes import Reject, RejectCode

PID = b"PID|1||12^^^H^MR||Roe^Ann\r"


def message(control_id: bytes, *segments: bytes, kind: bytes = b"ADT^A04") -> bytes:
    header = b"MSH|^~\\&|EPIC|H|WH|WH|20261110101500||" + kind + b"|" + control_id + b"|P|2.5.1\r"
    return header + b"".join(segments or (PID,))


def ids(data: bytes) -> list[str]:
    glances = [peek(part) for part in messages_in(data)]
    return [glance.control_id if isinstance(glance, Peek) else glance.code for glance in glances]


A, B, C = message(b"A"), message(b"B"), message(b"C")


@pytest.mark.parametrize(
    ("expected", "data"),
    [
        (["A"], A),
        (["A", "B"], A + B),
        (["A", "B"], (A + B).replace(b"\r", b"\n")),
        (["A", "B"], (A + B).replace(b"\r", b"\r\n")),
        (["A", "B"], A + b"\r\n\r\n" + B),
        (["A", "B"], A + b"  " + B),
        (["A", "B"], A + b"\xef\xbb\xbf" + B),
        (["A", "B"], A[:-1] + b"\x1c\r\x0b" + B),  # as two frames that came as one, by HTTP
        (["A", "B"], A + b"\x0b" + B),
        (["A", "B"], b"\r\n" + A + B),
        (["A", "B"], b"\x0b" + A + b"\x1c\r\x0b" + B + b"\x1c\r"),  # MLLP frames where one message is due
        (["A", "B"], A + B.lower().replace(b"|b|", b"|B|")),
        (["A", "B"], A + B.replace(b"|", b"#").replace(b"^", b"$")),
        (["A", "B", "C"], A + B + C),
        (["A", "A"], A + A),  # the same id over two people's segments
        (["A", "B"], A + message(b"B", b"MFI|PRA\r", kind=b"MFN^M02")),
        (["A", "B"], message(b"A", b"QRD|1\r", kind=b"ADT^A19") + B),
        (["A", "B"], (A + B).decode().encode("utf-16")),
        (["A"], message(b"A")[: message(b"A").find(b"\r") + 1] + A),  # a header sent twice
        (["A"], message(b"A", PID, b"NTE|1||a value\rMSH is the first segment\r")),
        (["A"], message(b"A", PID, b"NTE|1||a value\rMSH|of a line\r")),
        (["A"], message(b"A", PID, b"MRG|1\r", PID, b"MRG|2\r")),
        (["A"], message(b"A")[: message(b"A").find(b"\r") + 1] + message(b"A", PID, b"MRG|1\r", PID)),
    ],
)
def test_each_whole_message_of_a_frame_is_one(expected: list[str], data: bytes) -> None:
    assert ids(data) == expected
    if len(expected) == 1:
        assert messages_in(data) == (data,)


def test_what_holds_more_than_a_frame_may_is_left_whole_and_refused() -> None:
    data = b"".join(message(b"%d" % n) for n in range(MOST_MESSAGES + 1))
    assert messages_in(data) == (data,)
    assert peek(data) == Reject(code=RejectCode.BATCH_COUNT, place="MSH")


@pytest.mark.parametrize(
    "data", [b"", b"MSH", b"MSH|", b"\rMSH", b"\xff\xfe", b"\x00\x00\xfe\xff\xff", b"\r\r\r", b"PID|1"]
)
def test_what_is_no_message_comes_out_as_it_was(data: bytes) -> None:
    assert messages_in(data) == (data,)
