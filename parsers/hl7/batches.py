"""The bytes of a file in, whole or in pieces; its messages and what is wrong with it out, in order, as they are read.

A file holds one message or many, in MLLP frames, split at MSH, or in FHS/BHS batches, with any line ends (HL7 chapter
2, section 2.10.3). A bad message never hides the ones after it: whatever starts at MSH is an item of its own, and what
belongs to no message is named. A file in UTF-16 or UTF-32 (Windows calls it "Unicode") comes out in UTF-8. BTS-1 must
be the messages of its batch and FTS-1 the batches of the file; a header without its trailer means that the file was
cut.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from parsers.hl7.charsets import wide_codec
from parsers.outcomes import Reject, RejectCode

_AROUND: Final = b"\x0b\x1c \t\r\n\x00\xef\xbb\xbf"
_BOUNDARY: Final = re.compile(
    rb"(?:^|(?<=[\r\n\x0b\x1c]))(?:\xef\xbb\xbf)?[ \t]*(MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9 \t]|[ \t]+\||$)",
    re.IGNORECASE,
)
_LOOK_BACK: Final = 64  # longest start of a segment that may be cut by the end of a piece
_LONGEST_TRAILER: Final = 4096
DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024


class BatchItem(NamedTuple):
    """The bytes of one message as they stand in the file, or what is wrong with the file at this place."""

    message: bytes
    reject: Reject | None = None

    def __repr__(self) -> str:
        return f"<BatchItem {self.reject.code if self.reject else 'message'}>"


class _Count:
    """What a batch and its file hold so far."""

    def __init__(self) -> None:
        self.in_file = False
        self.forget()

    def forget(self) -> None:
        self.messages = 0
        self.batches = 0
        self.loose = False  # messages outside of any batch
        self.in_batch = False

    def message(self) -> None:
        self.messages += 1
        self.loose = self.loose or not self.in_batch

    def begin_batch(self) -> Reject | None:
        missing = self._no_trailer() if self.in_batch else None
        self.in_batch = True
        self.batches += 1
        self.messages = 0
        return missing

    def end_batch(self, declared: str) -> Reject | None:
        held, self.messages = self.messages, 0
        if not self.in_batch:
            self.batches += 1
            self.loose = False
        self.in_batch = False
        return None if _agrees(declared, {held}) else Reject(code=RejectCode.BATCH_COUNT, place="BTS-1")

    def begin_file(self) -> None:
        self.forget()
        self.in_file = True

    def end_file(self, declared: str) -> Reject | None:
        held = {self.batches, self.batches + 1} if self.loose else {self.batches}
        self.in_file = False
        return None if _agrees(declared, held) else Reject(code=RejectCode.BATCH_COUNT, place="FTS-1")

    def _no_trailer(self) -> Reject:
        return Reject(code=RejectCode.BATCH_COUNT, place="BTS")

    def end(self) -> list[Reject]:
        missing = [self._no_trailer()] if self.in_batch else []
        return [*missing, Reject(code=RejectCode.BATCH_COUNT, place="FTS")] if self.in_file else missing


def _agrees(declared: str, held: set[int]) -> bool:
    if not declared:
        return True
    return declared.isascii() and declared.isdigit() and len(declared) < 10 and int(declared) in held


def split(data_or_chunks: bytes | Iterable[bytes], max_bytes: int = DEFAULT_MAX_BYTES) -> Iterator[BatchItem]:
    """The items of a file. Holds no more than one message and one piece; one over `max_bytes` is FRAME_TOO_LARGE."""
    chunks = (data_or_chunks,) if isinstance(data_or_chunks, bytes) else data_or_chunks
    count = _Count()
    items = 0
    for piece in _pieces(_narrow(chunks), max_bytes):
        if piece is None:
            items += 1
            yield BatchItem(b"", Reject(code=RejectCode.FRAME_TOO_LARGE))
            continue
        for item in _item(piece, count):
            items += 1
            yield item
    for reject in count.end():
        items += 1
        yield BatchItem(b"", reject)
    if not items:
        yield BatchItem(b"", Reject(code=RejectCode.EMPTY))


def _narrow(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks, in UTF-8 where the beginning shows UTF-16 or UTF-32."""
    rest = iter(chunks)
    beginning = b""
    for chunk in rest:
        beginning += chunk
        if len(beginning) >= _LOOK_BACK:
            break
    wide = wide_codec(beginning)
    if not wide:
        yield beginning
        yield from rest
        return
    decoder = codecs.getincrementaldecoder(wide)("replace")
    yield decoder.decode(beginning).encode()
    for chunk in rest:
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _pieces(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """The file cut before each MSH, FHS, BHS, BTS and FTS; `None` in place of a piece that is too large."""
    buffer = bytearray()
    scanned = 0  # no boundary starts before here, but for the one at 0
    dropped = False
    for chunk in chunks:
        buffer += chunk
        start = 0
        for boundary in _BOUNDARY.finditer(buffer, scanned):
            at = boundary.start(1)
            if at <= start or boundary.end() == len(buffer):
                continue
            yield None if dropped or at - start > max_bytes else bytes(buffer[start:at])
            dropped = False
            start = at
        del buffer[:start]
        if len(buffer) > max_bytes:
            dropped = True
            del buffer[: len(buffer) - _LOOK_BACK]
        scanned = max(0, len(buffer) - _LOOK_BACK)
    start = 0
    for boundary in _BOUNDARY.finditer(buffer, scanned):
        at = boundary.start(1)
        if at > start:
            yield None if dropped else bytes(buffer[start:at])
            dropped = False
            start = at
    if dropped:
        yield None
    elif len(buffer) > start:
        yield bytes(buffer[start:])


def _item(piece: bytes, count: _Count) -> Iterator[BatchItem]:
    body = piece.strip(_AROUND)
    match body[:3].upper():
        case b"":
            return
        case b"MSH":
            count.message()
            message, orphan = _end_of_frame(body)
            yield BatchItem(message)
            if orphan:
                yield BatchItem(orphan, Reject(code=RejectCode.NOT_HL7, place="MSH"))
            return
        case b"FHS":
            count.begin_file()
            reject = None
        case b"BHS":
            reject = count.begin_batch()
        case b"BTS":
            reject = count.end_batch(_first_field(body))
        case b"FTS":
            reject = count.end_file(_first_field(body))
        case _:
            yield BatchItem(body, Reject(code=RejectCode.NOT_HL7, place="MSH"))
            return
    if reject:
        yield BatchItem(b"", reject)


def _end_of_frame(body: bytes) -> tuple[bytes, bytes]:
    """A message ends at FS; what follows it before the next MSH belongs to nobody."""
    message, _, rest = body.partition(b"\x1c")
    return message, rest.strip(_AROUND)


def _first_field(body: bytes) -> str:
    line = re.split(rb"[\r\n\x1c]", body[:_LONGEST_TRAILER], maxsplit=1)[0]
    fields = line.split(line[3:4], 2) if line[3:4] else [line]
    return fields[1].decode("latin-1").strip() if len(fields) > 1 else ""
