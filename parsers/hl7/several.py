"""The content of one frame or request in; the whole messages it holds out, in order.

Some senders put two messages into one frame (HL7 2.10.3 has batches for that). Read as one, the second would be lost
behind the first one's acknowledgment. A message begins at a line that is a header: MSH, usable delimiters, and fields
as far as MSH-9; what ends and begins a frame (FS, VT) may stand before it. A header that repeats the control id before
it opens another message only where both have a PID of their own; a doubled MSH segment is none.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from parsers.hl7.charsets import Decoded, decode, wide_codec

MOST_MESSAGES: Final = 100  # in one frame; what holds more is a batch in the wrong place, and left whole
_LINE: Final = re.compile(rb"[\r\n](?:\xef\xbb\xbf)?[ \t\x0b\x1c]*(MSH|PID)[ \t]*[^\sA-Za-z0-9]", re.IGNORECASE)
_LINE_END: Final = re.compile(rb"[\r\n]")
_FIELDS: Final = 9
_MOST_LINES: Final = 10_000  # MSH and PID that are looked at
_LONGEST_HEADER: Final = 16_384


class _Header(NamedTuple):
    at: int
    control_id: bytes


def messages_in(data: bytes) -> tuple[bytes, ...]:
    """Each whole message in `data`; `data` itself, untouched, when it is one message, or none, or too many.

    Several in UTF-16 or UTF-32 come out in UTF-8.
    """
    if wide_codec(data):
        decoded = decode(data, "", "")
        narrow = decoded.text.lstrip("\ufeff").encode("utf-8", "replace") if isinstance(decoded, Decoded) else b""
        messages = messages_in(narrow) if narrow and not wide_codec(narrow) else ()
        return messages if len(messages) > 1 else (data,)
    cuts: list[int] = []
    for at in _cuts(data):
        cuts.append(at)
        if len(cuts) >= MOST_MESSAGES:
            return (data,)
    ends = [*cuts, len(data)]
    return tuple(data[begin:end] for begin, end in zip([0, *cuts], ends, strict=True))


def holds_several(data: bytes) -> bool:
    """Whether `data`, which is not UTF-16 or UTF-32, holds more than one message; cheap where MSH comes once."""
    return data.find(b"MSH", 3) > 0 and next(_cuts(data), None) is not None


def _cuts(data: bytes) -> Iterator[int]:
    """Where each message after the first begins."""
    current = _header(data, max(0, data[:64].upper().find(b"MSH")))
    candidate: _Header | None = None
    has_pid = False  # of the message before `candidate`
    for line in islice(_LINE.finditer(data), _MOST_LINES):
        at = line.start(1)
        if data[at : at + 3].upper() == b"PID":
            if candidate and has_pid:
                yield candidate.at
                current = candidate
            candidate, has_pid = None, True
            continue
        if not (header := _header(data, at)):
            continue
        if current is None or header.control_id != current.control_id:
            yield at
            current, candidate, has_pid = header, None, False
        else:
            candidate = header


def _header(data: bytes, at: int) -> _Header | None:
    """The message header at a place; `None` when the line there is none."""
    at, begins = at + 3, at
    while data[at : at + 1] in (b" ", b"\t"):
        at += 1
    separator, mark = data[at : at + 1], data[at + 1 : at + 2]
    if not mark.isascii() or mark.isalnum() or mark in (b"", b" ", b"\r", b"\n", separator):
        return None
    end = _LINE_END.search(data, at + 1, at + _LONGEST_HEADER)
    fields = data[at : end.start() if end else at + _LONGEST_HEADER].split(separator, _FIELDS + 1)
    if len(fields) < _FIELDS:
        return None
    return _Header(begins, fields[_FIELDS].strip() if len(fields) > _FIELDS else b"")
