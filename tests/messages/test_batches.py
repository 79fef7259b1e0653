"""Files of one message or many: frames, MSH, FHS/BHS, any line ends, any cut, counts that do not add up."""

import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.hl7.batches import BatchItem, split
from parsers.hl7.mllp import frame
from parsers.outcomes import Reject, RejectCode

A = b"MSH|^~\\&|A|F\rPID|1||1"
B = b"MSH|^~\\&|B|F\rPID|1||2"
BTS = RejectCode.BATCH_COUNT, "BTS-1"
FTS = RejectCode.BATCH_COUNT, "FTS-1"

FILES: dict[str, tuple[bytes, list[object]]] = {
    "one message": (A, [A]),
    "two messages": (A + b"\r" + B + b"\r", [A, B]),
    "blank lines between": (A + b"\r\r\n\n" + B, [A, B]),
    "frames": (frame(A) + frame(B), [A, B]),
    "frames and line ends": (frame(A) + b"\n" + frame(B) + b"\r\n", [A, B]),
    "byte-order mark": (b"\xef\xbb\xbf" + A, [A]),
    "marks between": (A + b"\r\n\xef\xbb\xbf" + B, [A, B]),
    "indented": (b"  " + A + b"\r   " + B, [A, B]),
    "lower case": (A.lower() + b"\r" + b"bts|1\r", [A.lower()]),
    "batch": (b"BHS|^~\\&|X\r" + A + b"\r" + B + b"\rBTS|2\r", [A, B]),
    "batch without a count": (b"BHS|^~\\&\r" + A + b"\rBTS", [A]),
    "batch with another separator": (b"BHS*^~\\&\r" + A + b"\rBTS*2\r", [A, BTS]),
    "batch count wrong": (b"BHS|^~\\&|X\r" + A + b"\r" + B + b"\rBTS|3|c\r", [A, B, BTS]),
    "batch count in words": (b"BHS|^~\\&|X\r" + A + b"\rBTS|lots\r", [A, BTS]),
    "batch count gigantic": (b"BHS|^~\\&|X\r" + A + b"\rBTS|" + b"9" * 5000 + b"\r", [A, BTS]),
    "batch cut off": (b"BHS|^~\\&|X\r" + A + b"\r", [A, (RejectCode.BATCH_COUNT, "BTS")]),
    "batch begun twice": (b"BHS|1\r" + A + b"\rBHS|2\r" + B + b"\rBTS|1\r",
                          [A, (RejectCode.BATCH_COUNT, "BTS"), B]),
    "file": (b"FHS|^~\\&\rBHS|1\r" + A + b"\rBTS|1\rBHS|2\r" + B + b"\rBTS|1\rFTS|2\r", [A, B]),
    "file of loose messages": (b"FHS|^~\\&\r" + A + b"\r" + B + b"\rBTS|2\rFTS|1\r", [A, B]),
    "file with a loose message before a batch": (b"FHS|1\r" + A + b"\rBHS|1\r" + B + b"\rBTS|1\rFTS|1\r", [A, B]),
    "file count wrong": (b"FHS|1\rBHS|1\r" + A + b"\rBTS|1\rFTS|3\r", [A, FTS]),
    "file cut off": (b"FHS|1\rBHS|1\r" + A, [A, (RejectCode.BATCH_COUNT, "BTS"), (RejectCode.BATCH_COUNT, "FTS")]),
    "two files": (b"FHS|1\rBHS\r" + A + b"\rBTS|1\rFTS|1\rFHS|2\rBHS\r" + B + b"\rBTS|1\rFTS|1\r", [A, B]),
    "a bad message hides nothing": (b"BHS|1\r" + A + b"\rMSH|^~\r" + B + b"\rBTS|3\r", [A, b"MSH|^~", B]),
    "a message that mentions MSH": (A + b"|see MSH|x\rNTE|1||MSHX", [A + b"|see MSH|x\rNTE|1||MSHX"]),
    "text before": (b"hello\r" + A, [(RejectCode.NOT_HL7, "MSH"), A]),
    "text after a frame": (frame(A) + b"tail\r" + frame(B), [A, (RejectCode.NOT_HL7, "MSH"), B]),
    "no message": (b"EVN|A01\rPID|1", [(RejectCode.NOT_HL7, "MSH")]),
    "nothing": (b"", [(RejectCode.EMPTY, "")]),
    "blanks": (b"\r\n \x0b\x1c\r", [(RejectCode.EMPTY, "")]),
}  # fmt: skip


def shape(items: list[BatchItem]) -> list[object]:
    return [(item.reject.code, item.reject.place) if item.reject else item.message for item in items]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_files(name: str, end: bytes) -> None:
    data, expected = FILES[name]
    if b"\n" not in data:
        data = data.replace(b"\r", end)
        expected = [piece.replace(b"\r", end) if isinstance(piece, bytes) else piece for piece in expected]
    assert shape(list(split(data))) == expected


@given(st.sampled_from(sorted(FILES)), st.sampled_from(sorted(FILES)), st.integers(1, 40))
def test_pieces_do_not_matter(first: str, second: str, size: int) -> None:
    data = FILES[first][0] + b"\r" + FILES[second][0]
    assert list(split(data[at : at + size] for at in range(0, len(data), size))) == list(split(data))


def test_a_message_that_is_too_large_is_named_and_the_next_one_read() -> None:
    data = A + b"\rNTE|1||" + b"x" * 5000 + b"\r" + B
    pieces = [data[at : at + 100] for at in range(0, len(data), 100)]
    too_large = (RejectCode.FRAME_TOO_LARGE, "")
    assert shape(list(split(pieces, 1000))) == [too_large, B]
    assert shape(list(split(data, 1000))) == [too_large, B]
    assert shape(list(split(pieces[:-1], 1000)))[0] == too_large


def test_reading_is_streaming_and_linear() -> None:
    def endless() -> object:
        while True:
            yield A + b"\r"

    items = split(endless())  # type: ignore[arg-type]
    assert [next(items).message for _ in range(100)] == [A] * 100
    data = A + b"|" + b"x" * 2_000_000
    start = time.process_time()
    assert len(list(split(data[at : at + 500] for at in range(0, len(data), 500)))) == 1
    assert time.process_time() - start < (20 if sys.gettrace() else 3)


def test_an_item_shows_nothing_of_the_patient() -> None:
    assert repr(BatchItem(b"PID|1||SECRET")) == "<BatchItem message>"
    assert "SECRET" not in repr(BatchItem(b"SECRET", Reject(code=RejectCode.NOT_HL7)))


CORPUS_BATCHES = {
    "ts__197": 1, "ts__206": 1, "ts__260": 1, "ts__270": 1, "ts__323": 1, "ts__336": 2, "ts__379": 2, "ts__396": 2,
    "count-mismatch-hl7__0": 2, "multi-batch-file-hl7__0": 3, "single-batch-hl7__0": 2,
}  # fmt: skip
CORPUS_FAULTS = {"ts__206": "BTS-1", "ts__270": "FTS-1", "count-mismatch-hl7__0": "BTS-1"}


def test_the_batches_of_the_corpus(corpus: Path) -> None:
    seen = set()
    for path in sorted((corpus / "batch").iterdir()):
        name = next(name for name in CORPUS_BATCHES if path.stem.endswith(name))
        items = list(split(path.read_bytes()))
        assert sum(item.reject is None for item in items) == CORPUS_BATCHES[name], name
        assert [item.reject.place for item in items if item.reject] == (
            [CORPUS_FAULTS[name]] if name in CORPUS_FAULTS else []
        ), name
        seen.add(name)
    assert seen == set(CORPUS_BATCHES)


def test_the_stream_of_the_corpus(corpus: Path) -> None:
    items = list(split((corpus / "streams" / "simhospital_north.hl7").read_bytes()))
    assert len(items) == 1332
    assert not any(item.reject for item in items)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_file_in_utf_16_is_read_like_any_other(codec: str, size: int) -> None:
    first, second = A.decode() + "\r\nPID|1||1||Müller", B.decode()
    data = f"{first}\r\n{second}\r\n".encode(codec)
    items = list(split(data[at : at + size] for at in range(0, len(data), size)))
    assert [item.message.strip() for item in items] == [first.encode(), second.encode()]


def test_a_blank_after_msh_begins_a_message_and_the_word_does_not() -> None:
    data = A + b"\rNTE|1||text\rMSH means header\r" + B.replace(b"MSH|", b"MSH |")
    assert len(list(split(data))) == 2
