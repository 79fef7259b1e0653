"""Bytes from a socket in, in pieces of any size; whole frames and named faults out, in order. No I/O.

A frame is VT, content, FS, CR (HL7 MLLP release 1). What else comes, and what it is taken for:

| bytes | taken for |
|---|---|
| FS without CR, or with LF or CRLF | the end of the frame all the same |
| blanks, CR, LF, NUL between frames | nothing |
| other bytes between frames | FRAME_GARBAGE, once per run; a run that holds MSH when it ends, with FS as `unframed` |
| VT FS | EMPTY |
| VT content VT MSH… FS | the first frame was cut: FRAME_GARBAGE; the second counts |
| VT inside a value | part of the value |
| more than `max_frame_bytes` before FS | FRAME_TOO_LARGE at once, then silence up to FS, or a new VT MSH… |
| HTTP, TLS or SSH where the first frame should be | NOT_MLLP, and nothing more from this peer |

The result does not depend on how the bytes were cut into pieces. Work is linear in the bytes of each piece, whatever
came before; memory is bounded by `max_frame_bytes`.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from parsers.outcomes import RejectCode

VT: Final = 0x0B
FS: Final = 0x1C
_START: Final = b"\x0b"
_END: Final = b"\x1c"
_BLANK: Final = b" \t\r\n\x00"
_HEAD_BYTES: Final = 4096
_GARBAGE_REPORTED_AT: Final = 4096
_OTHER_PROTOCOL: Final = re.compile(
    rb"(?:GET|PUT|POST|HEAD|DELETE|OPTIONS|CONNECT|TRACE|PATCH|PRI) |SSH-|\x16\x03[\x00-\x04]", re.IGNORECASE
)
_LONGEST_SIGNATURE: Final = 8
_MESSAGE_START: Final = (b"MSH", b"FHS", b"BHS")
_CUT: Final = re.compile(rb"\x0b[ \t\r\n\x00\xef\xbb\xbf]{0,8}(?:MSH|FHS|BHS)", re.IGNORECASE)
_LONGEST_CUT: Final = 12  # bytes from VT to the end of the name
_CONTENT: Final = re.compile(rb"[^ \t\r\n\x00\x0b]")
_HEADER: Final = re.compile(rb"MSH[^A-Za-z0-9\s]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FrameFault:
    """Bytes that were no frame: why, how many, and the first of them, so that a NAK can be addressed."""

    code: RejectCode
    count: int
    head: bytes = field(default=b"", repr=False)
    unframed: bool = False  # a header was sent, then FS, but no VT before: somebody waits for an answer


class _State(Enum):
    OUTSIDE = auto()
    INSIDE = auto()
    SKIPPING = auto()  # the rest of a frame that was too large
    OTHER_PROTOCOL = auto()


class Decoder:
    """One connection's frames."""

    __slots__ = (
        *("_buffer", "_content", "_cut", "_doubtful", "_garbage", "_garbage_head", "_header"),
        *("_max", "_seen_frame", "_start", "_state"),
    )

    def __init__(self, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._state = _State.OUTSIDE
        self._buffer = bytearray()
        self._garbage = 0
        self._garbage_head = b""
        self._header = False  # whether the garbage holds a message header
        self._cut = 0  # where in the buffer the last message that begins after a VT starts
        self._content = False  # whether the buffer holds more than blanks
        self._seen_frame = False
        self._start = b""  # first bytes of the connection, while they may still be another protocol
        self._doubtful = False  # this frame began inside a frame that was too large: a VT in a value, or a new frame

    @property
    def open(self) -> bool:
        """Whether a frame, or a message that nobody framed, has begun and not ended."""
        return self._header or self._state in (_State.INSIDE, _State.SKIPPING)

    @property
    def in_frame(self) -> bool:
        """Whether a frame has begun with its VT and not ended."""
        return self._state in (_State.INSIDE, _State.SKIPPING)

    @property
    def buffered(self) -> int:
        """Bytes held of the frame that is open."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes | FrameFault]:
        """What these bytes complete: the content of frames, and faults, in order."""
        out: list[bytes | FrameFault] = []
        at, size = 0, len(data)
        while at < size:
            match self._state:
                case _State.OUTSIDE:
                    at = self._outside(data, at, out)
                case _State.INSIDE:
                    at = self._inside(data, at, out)
                case _State.SKIPPING:
                    at = self._skip(data, at)
                case _State.OTHER_PROTOCOL:
                    return out
        return out

    def finish(self) -> list[FrameFault]:
        """At the end of the connection: what was left unfinished."""
        out: list[bytes | FrameFault] = []
        if self._state is _State.INSIDE and self._wanted():
            out.append(FrameFault(RejectCode.FRAME_GARBAGE, len(self._buffer), self._head(0, _HEAD_BYTES)))
        self._end_garbage(out)
        self._begin()
        self._state = _State.OUTSIDE
        return [fault for fault in out if isinstance(fault, FrameFault)]

    def _outside(self, data: bytes, at: int, out: list[bytes | FrameFault]) -> int:
        start = data.find(_START, at)
        end = len(data) if start < 0 else start
        between = data[at:end]
        if not self._seen_frame and between:
            self._start = (self._start + between[:_LONGEST_SIGNATURE])[:_LONGEST_SIGNATURE]
            if other := _OTHER_PROTOCOL.match(self._start):
                self._state = _State.OTHER_PROTOCOL
                self._garbage = 0
                out.append(FrameFault(RejectCode.NOT_MLLP, other.end()))
                return end
        if between:
            *ended, rest = between.split(_END)
            for run in ended:
                if run or self._garbage:
                    self._add_garbage(run, out)
                    self._end_garbage(out, unframed=True)
            self._add_garbage(rest, out)
        if start < 0:
            return end
        if self._garbage:
            self._end_garbage(out)
        self._state = _State.INSIDE
        self._seen_frame = True
        return start + 1

    def _begin(self, *, doubtful: bool = False) -> None:
        self._buffer.clear()
        self._cut = 0
        self._content = False
        self._doubtful = doubtful

    def _add_garbage(self, run: bytes, out: list[bytes | FrameFault]) -> None:
        if self._garbage == 0:
            run = run.lstrip(_BLANK)
        if not run:
            return
        before = self._garbage
        self._garbage += len(run)
        if before < _GARBAGE_REPORTED_AT:
            self._garbage_head += run[: _GARBAGE_REPORTED_AT - before]
            self._header = self._header or _HEADER.search(self._garbage_head, max(0, before - 3)) is not None
            if self._garbage >= _GARBAGE_REPORTED_AT and not self._header:
                out.append(FrameFault(RejectCode.FRAME_GARBAGE, _GARBAGE_REPORTED_AT, self._garbage_head))

    def _end_garbage(self, out: list[bytes | FrameFault], *, unframed: bool = False) -> None:
        if self._header:
            head = self._garbage_head
            if unframed and (header := _HEADER.search(head)):
                head = head[header.start() :]
            out.append(FrameFault(RejectCode.FRAME_GARBAGE, self._garbage, head, unframed))
        elif 0 < self._garbage < _GARBAGE_REPORTED_AT:
            out.append(FrameFault(RejectCode.FRAME_GARBAGE, self._garbage, self._garbage_head))
        self._garbage = 0
        self._garbage_head = b""
        self._header = False

    def _inside(self, data: bytes, at: int, out: list[bytes | FrameFault]) -> int:
        end = data.find(_END, at)
        stop = len(data) if end < 0 else end
        room = self._max - len(self._buffer)
        if stop - at > room:
            self._add(data[at : at + room])
            if self._wanted():
                out.extend(self._too_large())
            self._begin()
            self._state = _State.SKIPPING
            return at + room
        self._add(data[at:stop])
        if end < 0:
            return stop
        self._state = _State.OUTSIDE
        cut = self._cut
        if cut and self._wanted():
            out.append(FrameFault(RejectCode.FRAME_GARBAGE, cut, self._head(0, cut)))
        if not self._content:
            out.append(FrameFault(RejectCode.EMPTY, len(self._buffer)))
        elif self._wanted():
            out.append(bytes(memoryview(self._buffer)[cut + 1 :]) if cut else bytes(self._buffer))
        self._begin()
        return end + 1

    def _add(self, piece: bytes) -> None:
        """Adds to the frame that is open; looks at nothing but the piece and the few bytes before it."""
        before = len(self._buffer)
        self._buffer += piece
        self._content = self._content or _CONTENT.search(piece) is not None
        back = max(0, before - _LONGEST_CUT)
        if self._buffer.find(_START, back) >= 0:
            for cut in _CUT.finditer(self._buffer, back):
                self._cut = cut.start()

    def _wanted(self) -> bool:
        """Whether what is open is a frame, and not the rest of one that was too large and had a VT inside."""
        return not self._doubtful or self._cut > 0 or self._head(0, 64).lstrip(_BLANK)[:3].upper() in _MESSAGE_START

    def _head(self, start: int, stop: int) -> bytes:
        return bytes(memoryview(self._buffer)[start : min(stop, start + _HEAD_BYTES)])

    def _too_large(self) -> list[FrameFault]:
        """The frame that is open, after whatever it cut off."""
        cut = self._cut
        faults = [FrameFault(RejectCode.FRAME_GARBAGE, cut, self._head(0, cut))] if cut else []
        head = self._head(cut, len(self._buffer)).lstrip(_START)
        return [*faults, FrameFault(RejectCode.FRAME_TOO_LARGE, self._max, head)]

    def _skip(self, data: bytes, at: int) -> int:
        end = data.find(_END, at)
        start = data.find(_START, at, len(data) if end < 0 else end)
        if start >= 0:
            self._begin(doubtful=True)
            self._state = _State.INSIDE
            return start + 1
        if end < 0:
            return len(data)
        self._state = _State.OUTSIDE
        return end + 1


def frame(data: bytes) -> bytes:
    """`data` as one MLLP frame."""
    return b"\x0b" + data + b"\x1c\r"
