"""One table of byte streams and what they come to, run whole, byte by byte and in every cut Hypothesis finds."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.hl7.er7 import Peek, peek
from parsers.hl7.mllp import Decoder, FrameFault, frame
from parsers.outcomes import Reject, RejectCode

A = b"MSH|^~\\&|A\rPID|1"
B = b"MSH|^~\\&|B\nPID|2\r"
BIG = b"MSH|" + b"x" * 200

Item = bytes | tuple[RejectCode, int]

STREAMS: dict[str, tuple[bytes, list[Item]]] = {
    "one frame": (frame(A), [A]),
    "two frames in one write": (frame(A) + frame(B), [A, B]),
    "LF after FS": (b"\x0b" + A + b"\x1c\n" + frame(B), [A, B]),
    "CRLF after FS": (b"\x0b" + A + b"\x1c\r\n" + frame(B), [A, B]),
    "FS without CR": (b"\x0b" + A + b"\x1c" + frame(B), [A, B]),
    "blanks between frames": (b"\r\n " + frame(A) + b"\r\n\x00\t" + frame(B), [A, B]),
    "garbage between frames": (frame(A) + b"junk" + frame(B), [A, (RejectCode.FRAME_GARBAGE, 4), B]),
    "garbage with blanks inside counts them": (b"\r ab c" + frame(A), [(RejectCode.FRAME_GARBAGE, 4), A]),
    "a message nobody framed": (b"MSH|x\x1c\r" + frame(A), [(RejectCode.FRAME_GARBAGE, 5), A]),
    "much garbage is told once": (b"z" * 9000 + frame(A), [(RejectCode.FRAME_GARBAGE, 4096), A]),
    "two runs of garbage": (b"xx" + frame(A) + b"yyy" + frame(B),
                            [(RejectCode.FRAME_GARBAGE, 2), A, (RejectCode.FRAME_GARBAGE, 3), B]),
    "stray ends": (b"\x1c\r\x1c\r" + frame(A), [A]),
    "empty frame": (frame(b"") + frame(A), [(RejectCode.EMPTY, 0), A]),
    "frame of blanks": (frame(b" \r\n") + frame(A), [(RejectCode.EMPTY, 3), A]),
    "start sent twice": (b"\x0b" + frame(A) + frame(B), [b"\x0b" + A, B]),
    "first frame cut": (b"\x0bMSH|cut" + frame(A), [(RejectCode.FRAME_GARBAGE, 7), A]),
    "two frames cut": (b"\x0bMSH|cut\x0bMSH|again" + frame(A), [(RejectCode.FRAME_GARBAGE, 17), A]),
    "cut before a byte-order mark": (b"\x0bMSH|cut\x0b\xef\xbb\xbf\r\n" + A + b"\x1c\r",
                                     [(RejectCode.FRAME_GARBAGE, 7), b"\xef\xbb\xbf\r\n" + A]),
    "VT inside a value": (frame(b"MSH|a\x0bb\x0bc"), [b"MSH|a\x0bb\x0bc"]),
    "too large": (frame(BIG) + frame(A), [(RejectCode.FRAME_TOO_LARGE, 100), A]),
    "too large twice": (frame(BIG) + frame(BIG) + frame(A),
                        [(RejectCode.FRAME_TOO_LARGE, 100), (RejectCode.FRAME_TOO_LARGE, 100), A]),
    "too large without an end": (b"\x0b" + BIG + frame(A), [(RejectCode.FRAME_TOO_LARGE, 100), A]),
    "too large with VT inside": (frame(BIG + b"\x0bno message") + frame(A), [(RejectCode.FRAME_TOO_LARGE, 100), A]),
    "two too large with a VT inside": (frame(BIG + b"\x0b" + b"n" * 300) + frame(BIG) + frame(A),
                                       [(RejectCode.FRAME_TOO_LARGE, 100), (RejectCode.FRAME_TOO_LARGE, 100), A]),
    "too large with a VT inside, then no message": (frame(BIG + b"\x0b" + b"n" * 300) + frame(b"hello") + frame(A),
                                                    [(RejectCode.FRAME_TOO_LARGE, 100), b"hello", A]),
    "too large without an end, twice": (b"\x0b" + BIG + frame(BIG) + frame(A),
                                        [(RejectCode.FRAME_TOO_LARGE, 100), (RejectCode.FRAME_TOO_LARGE, 100), A]),
    "a message nobody framed is told whole": (b"MSH|" + b"x" * 9000 + b"\x1c\r" + frame(A),
                                              [(RejectCode.FRAME_GARBAGE, 9004), A]),
    "too large with much after VT": (frame(BIG + b"\x0b" + b"n" * 300) + frame(A),
                                     [(RejectCode.FRAME_TOO_LARGE, 100), A]),
    "cut, then too large": (b"\x0bMSH|cut" + frame(BIG) + frame(A),
                            [(RejectCode.FRAME_GARBAGE, 7), (RejectCode.FRAME_TOO_LARGE, 100), A]),
    "exactly the largest": (frame(b"M" * 100), [b"M" * 100]),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", [(RejectCode.NOT_MLLP, 4)]),
    "HTTP post with a frame in it": (b"POST /hl7 HTTP/1.1\r\n\r\n" + frame(A), [(RejectCode.NOT_MLLP, 5)]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [(RejectCode.NOT_MLLP, 3)]),
    "SSH": (b"SSH-2.0-OpenSSH_9.9\r\n", [(RejectCode.NOT_MLLP, 4)]),
    "HTTP after a frame is garbage": (frame(A) + b"GET / HTTP/1.1" + frame(B),
                                      [A, (RejectCode.FRAME_GARBAGE, 14), B]),
}  # fmt: skip


def run(pieces: list[bytes], max_bytes: int = 100) -> list[Item]:
    decoder = Decoder(max_bytes)
    out: list[Item] = []
    for piece in pieces:
        for item in decoder.feed(piece):
            out.append(item if isinstance(item, bytes) else (item.code, item.count))
        assert decoder.buffered <= max_bytes
    return out


@pytest.mark.parametrize("name", STREAMS)
def test_streams_whole_and_byte_by_byte(name: str) -> None:
    stream, expected = STREAMS[name]
    assert run([stream]) == expected
    assert run([stream[at : at + 1] for at in range(len(stream))]) == expected
    assert run([stream[at : at + 10] for at in range(0, len(stream), 10)]) == expected


@given(st.sampled_from(sorted(STREAMS)), st.sampled_from(sorted(STREAMS)), st.lists(st.integers(1, 60)))
def test_any_cut_gives_the_same(first: str, second: str, sizes: list[int]) -> None:
    stream = STREAMS[first][0] + STREAMS[second][0]
    pieces, at = [], 0
    for size in sizes:
        pieces.append(stream[at : at + size])
        at += size
    assert run([*pieces, stream[at:]]) == run([stream])


@given(st.lists(st.binary(max_size=40)), st.data())
def test_any_bytes_in_any_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.sampled_from([part, b"\x0b" + part, part + b"\x1c", frame(part)])) for part in parts)
    cut = data.draw(st.integers(0, len(stream)))
    assert run([stream[:cut], stream[cut:]], 16) == run([stream], 16)


@given(st.lists(st.binary(min_size=1).filter(lambda b: not set(b) & {0x0B, 0x1C} and b.strip(b" \t\r\n\0"))))
def test_frames_come_back_as_they_went(messages: list[bytes]) -> None:
    assert run([b"".join(map(frame, messages))], 10_000) == messages


def test_it_knows_whether_a_frame_is_open() -> None:
    decoder = Decoder(100)
    assert (decoder.open, decoder.buffered) == (False, 0)
    decoder.feed(b"\x0bMSH|")
    assert (decoder.open, decoder.buffered) == (True, 4)
    decoder.feed(b"x" * 200)
    assert (decoder.open, decoder.buffered) == (True, 0)
    decoder.feed(b"\x1c\r")
    assert (decoder.open, decoder.buffered) == (False, 0)


@pytest.mark.parametrize(
    ("stream", "left"),
    [
        (frame(A), []),
        (b"\x0bMSH|abc", [(RejectCode.FRAME_GARBAGE, 7)]),
        (frame(A) + b"abc", [(RejectCode.FRAME_GARBAGE, 3)]),
        (b"\x0b" + BIG, []),
        (b"\x0b" + BIG + b"\x0bab", []),
        (b"z" * 5000, []),
        (b"MSH|abc", [(RejectCode.FRAME_GARBAGE, 7)]),
        (b"\x0b" + BIG + b"\x0bMSH|ab", [(RejectCode.FRAME_GARBAGE, 6)]),
        (b"GET / HTTP/1.1\r\n", []),
    ],
)
def test_the_end_of_a_connection_names_what_was_left(stream: bytes, left: list[Item]) -> None:
    decoder = Decoder(100)
    decoder.feed(stream)
    assert [(fault.code, fault.count) for fault in decoder.finish()] == left
    assert not decoder.open
    assert decoder.finish() == []


def test_a_fault_keeps_the_head_for_the_answer_but_never_shows_it() -> None:
    (fault,) = Decoder(100).feed(b"\x0bMSH|^~\\&|SECRET" + b"x" * 500)
    assert isinstance(fault, FrameFault)
    assert fault.head.startswith(b"MSH|^~\\&|SECRET")
    assert len(fault.head) <= 4096
    assert "SECRET" not in repr(fault)


def test_a_message_without_a_start_waits_for_an_answer_where_one_that_was_cut_does_not() -> None:
    (ended,) = Decoder(100).feed(b"\x02\r\nMSH|^~\\&|SECRET\x1c\r")
    assert isinstance(ended, FrameFault)
    assert (ended.unframed, ended.head) == (True, b"MSH|^~\\&|SECRET")
    decoder = Decoder(100)
    assert decoder.feed(b"MSH|^~\\&|SECRET") == []
    assert decoder.open
    cut, _ = decoder.feed(frame(A))
    assert isinstance(cut, FrameFault)
    assert not cut.unframed
    (noise,) = Decoder(100).feed(b"noise\x1c\r")
    assert isinstance(noise, FrameFault)
    assert not noise.unframed


HOSTILE: tuple[bytes, ...] = (
    *(b"", b"\x0b", b"\x0b\x0b\x0b", b"MSH", b"MSH|", b"MSH|^~\\&|", b"\rMSH|^~\\&|A\rPID|1", b"\x0bMSH|^~\\&|B\rPID|"),
    *(b"\r", b"\n", b" ", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"x" * 90, b"n" * 300, b"FHS|", b"GET / HTTP/1.1\r\n"),
    *(b"\\Q\\", b"|" * 50, b"^" * 50, b"\x16\x03\x01", b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\r", b'""', b"\x85"),
)


def test_a_hundred_thousand_hostile_frames_each_have_a_named_end() -> None:
    """One decoder for all, so that nothing of one is held against the next; noise and floods between them."""
    dice = random.Random(20261125)
    decoder = Decoder(400)
    for _ in range(100_000):
        content = b"".join(dice.choices(HOSTILE, k=dice.randint(0, 6)))
        noise = dice.choice((b"", b"", b"\r\n", b"\x1c\x1c", b"zz", b"MSH|"))
        ended = decoder.feed(noise + b"\x0b" + content[: len(content) // 2])
        ended += decoder.feed(content[len(content) // 2 :] + b"\x1c")
        named = [item for item in ended if isinstance(item, bytes) or item.code is not RejectCode.FRAME_GARBAGE]
        assert named, content
        for frame_or_fault in named:
            if isinstance(frame_or_fault, bytes):
                assert isinstance(peek(frame_or_fault), Peek | Reject)
        assert (decoder.open, decoder.buffered) == (False, 0)
    assert decoder.feed(frame(A)) == [A]


@pytest.mark.parametrize(
    "stream", [b"\x0b" * 10_000_000, b"\x1c" * 10_000_000, b"\x0bMSH" * 2_500_000, b" \x0b" * 5_000_000]
)
def test_ten_megabytes_of_control_bytes_take_nobody_s_time(stream: bytes) -> None:
    """No piece may hold the loop of all connections, the last one of a frame neither."""
    decoder = Decoder(20_000_000)
    slowest = 0.0
    decoder.feed(b"\x0b")
    for at in range(0, len(stream), 65536):
        began = time.process_time()
        decoder.feed(stream[at : at + 65536])
        slowest = max(slowest, time.process_time() - began)
    began = time.process_time()
    decoder.feed(b"\x1c")
    assert max(slowest, time.process_time() - began) < 0.15


@pytest.mark.parametrize("piece", [1, 1000, 65536])
@pytest.mark.parametrize(
    "unit",
    [b"x", b"\x0b", b"g", b"\x0b\x1c", b"\x0bMSH", b"\x1c", b"g\x1c"],
    ids=["no end", "starts", "garbage", "empty frames", "cut frames", "ends", "garbage with ends"],
)
def test_work_is_linear(unit: bytes, piece: int) -> None:
    """Eight times the bytes take about eight times as long; sixty-four would be quadratic."""
    small = 4000 * piece if piece == 1 else 100_000
    begin = b"" if unit == b"g" else b"\x0b"
    assert (
        _seconds(begin + unit * (8 * small // len(unit)), piece)
        < 30 * _seconds(begin + unit * (small // len(unit)), piece) + 0.05
    )


def _seconds(stream: bytes, piece: int) -> float:
    best = 1e9
    for _ in range(2):
        decoder = Decoder(10_000_000)
        start = time.process_time()
        for at in range(0, len(stream), piece):
            decoder.feed(stream[at : at + piece])
        decoder.feed(b"\x1c")
        best = min(best, time.process_time() - start)
    return best
