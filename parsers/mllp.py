"""Bytes from a socket in, in pieces of any size; whole frames and named faults out, in order. No I/O.

A frame is VT, content, FS, CR (HL7 MLLP release 1). What else comes, and what it is taken for:

| bytes | taken for |
|---|---|
| FS without CR, or with LF or CRLF | the end of the frame all the same |
| blanks, CR, LF, NUL between frames | nothing |
| other bytes between frames | FRAME_GARBAGE, once per run |
| VT FS | EMPTY |
| VT content VT MSH… FS | the first frame was cut: FRAME_GARBAGE; the second counts |
| VT inside a value | part of the value |
| more than `max_frame_bytes` before FS | FRAME_TOO_LARGE at once, then silence up to FS or a new VT MSH… |
| HTTP, TLS or SSH where the first frame should be | NOT_MLLP, and nothing more from this peer |

The result does not depend on how the bytes were cut into pieces. Work is linear in the bytes fed, memory is bounded
by `max_frame_bytes`.
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


@dataclass(frozen=True, slots=True)
class FrameFault:
    """Bytes that were no frame: why, how many, and the first of them, so that a NAK can be addressed."""

    code: RejectCode
    count: int
    head: bytes = field(default=b"", repr=False)


class _State(Enum):
    OUTSIDE = auto()
    INSIDE = auto()
    SKIPPING = auto()  # the rest of a frame that was too large
    OTHER_PROTOCOL = auto()


class Decoder:
    """One connection's frames."""

    __slots__ = ("_buffer", "_doubtful", "_garbage", "_garbage_head", "_max", "_seen_frame", "_start", "_state")

    def __init__(self, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._state = _State.OUTSIDE
        self._buffer = bytearray()
        self._garbage = 0
        self._garbage_head = b""
        self._seen_frame = False
        self._start = b""  # first bytes of the connection, while they may still be another protocol
        self._doubtful = False  # this frame began inside a frame that was too large: a VT in a value, or a new frame

    @property
    def open(self) -> bool:
        """Whether a frame has begun and not ended."""
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
        if self._state is _State.INSIDE and not self._doubtful:
            out.append(FrameFault(RejectCode.FRAME_GARBAGE, len(self._buffer), bytes(self._buffer[:_HEAD_BYTES])))
        self._end_garbage(out)
        self._buffer.clear()
        self._state = _State.OUTSIDE
        return [one for one in out if isinstance(one, FrameFault)]

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
        while between:
            run, mark, between = between.partition(_END)
            self._add_garbage(run, out)
            if mark:
                self._end_garbage(out)
        if start < 0:
            return end
        self._end_garbage(out)
        self._state = _State.INSIDE
        self._seen_frame = True
        return start + 1

    def _add_garbage(self, run: bytes, out: list[bytes | FrameFault]) -> None:
        if self._garbage == 0:
            run = run.lstrip(_BLANK)
        if not run:
            return
        before = self._garbage
        self._garbage += len(run)
        if before < _GARBAGE_REPORTED_AT:
            self._garbage_head += run[: _GARBAGE_REPORTED_AT - before]
            if self._garbage >= _GARBAGE_REPORTED_AT:
                out.append(FrameFault(RejectCode.FRAME_GARBAGE, _GARBAGE_REPORTED_AT, self._garbage_head))

    def _end_garbage(self, out: list[bytes | FrameFault]) -> None:
        if 0 < self._garbage < _GARBAGE_REPORTED_AT:
            out.append(FrameFault(RejectCode.FRAME_GARBAGE, self._garbage, self._garbage_head))
        self._garbage = 0
        self._garbage_head = b""

    def _inside(self, data: bytes, at: int, out: list[bytes | FrameFault]) -> int:
        end = data.find(_END, at)
        stop = len(data) if end < 0 else end
        room = self._max - len(self._buffer)
        if stop - at > room:
            self._buffer += data[at : at + room]
            if not self._doubtful:
                out.extend(self._too_large())
            self._buffer.clear()
            self._state = _State.SKIPPING
            return at + room
        self._buffer += data[at:stop]
        if end < 0:
            return stop
        content = bytes(self._buffer)
        self._buffer.clear()
        self._state = _State.OUTSIDE
        cut = _cut_at(content)
        if cut:
            out.append(FrameFault(RejectCode.FRAME_GARBAGE, cut, content[: min(cut, _HEAD_BYTES)]))
        content = content[cut:].lstrip(_START) if cut else content
        if not content.strip(_BLANK + _START):
            out.append(FrameFault(RejectCode.EMPTY, len(content)))
        elif not self._doubtful or content.lstrip(_BLANK)[:3].upper() in _MESSAGE_START:
            out.append(content)
        self._doubtful = False
        return end + 1

    def _too_large(self) -> list[FrameFault]:
        """The frame that is open, after whatever it cut off."""
        content = bytes(self._buffer)
        cut = _cut_at(content)
        faults = [FrameFault(RejectCode.FRAME_GARBAGE, cut, content[: min(cut, _HEAD_BYTES)])] if cut else []
        return [
            *faults,
            FrameFault(RejectCode.FRAME_TOO_LARGE, self._max, content[cut : cut + _HEAD_BYTES].lstrip(_START)),
        ]

    def _skip(self, data: bytes, at: int) -> int:
        end = data.find(_END, at)
        start = data.find(_START, at, len(data) if end < 0 else end)
        if start >= 0:
            self._state = _State.INSIDE
            self._doubtful = True
            return start + 1
        if end < 0:
            return len(data)
        self._state = _State.OUTSIDE
        return end + 1


def _cut_at(content: bytes) -> int:
    """Where the last message that begins after a VT inside `content` starts; 0 when there is none."""
    at = content.rfind(_START)
    while at >= 0:
        following = content[at + 1 : at + 12].lstrip(_BLANK + b"\xef\xbb\xbf")[:3].upper()
        if following in _MESSAGE_START:
            return at
        at = content.rfind(_START, 0, at)
    return 0


def frame(data: bytes) -> bytes:
    """`data` as one MLLP frame."""
    return b"\x0b" + data + b"\x1c\r"
