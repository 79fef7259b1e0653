"""A hospital's ADT message as received in; the same for another receiver, and the message that takes it back, out.

Bytes, whatever their character set: nothing of a message is read but where its fields end. What would begin or end a
frame of MLLP (VT and FS, as a text pasted from elsewhere holds them) is a blank, or what follows would be another
message to the receiver. What was passed on is taken back by an A11 (cancel) about the patient and visit as that message
named them (PID, PV1), so that the receiver finds what it has; it holds nothing that was not in the message before.
"""

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from parsers.hl7.charsets import wide_codec
from parsers.hl7.mllp import FS, VT
from streams.tell.hl7_words import CONTROL_ID
from streams.words.hl7 import sent_at, shown_as

_LINES: Final = re.compile(rb"(\r\n|\r|\n)")
_RECEIVER: Final = (4, 5)  # places of MSH-5 and MSH-6: the separator itself is MSH-1
_NAMED: Final = (b"PID", b"PV1")
_UNFRAMED: Final = bytes.maketrans(bytes((VT, FS)), b"  ")


def passed_on(message: bytes, receiver: tuple[str, str]) -> bytes | None:
    """The message byte for byte; MSH-5 and MSH-6 are the receiver's where they are given. `None` for UTF-16 and UTF-32,
    which MLLP does not carry.
    """
    return None if wide_codec(message) else _addressed(message.translate(_UNFRAMED), receiver)


def _addressed(message: bytes, receiver: tuple[str, str]) -> bytes:
    first, end, rest = _head(message)
    fields = first.split(message[3:4])
    for place, name in zip(_RECEIVER, receiver, strict=True):
        if name and place < len(fields):
            fields[place] = shown_as(name).encode()
    return message[3:4].join(fields) + end + rest


def taken_back(
    message: bytes, receiver: tuple[str, str], delivery_id: str, at: datetime, zone: ZoneInfo
) -> bytes | None:
    """The A11 for an earlier `message`; `None` where it names no patient and visit."""
    first, _, _ = _head(message)
    separator = message[3:4]
    lines = _LINES.split(message)[::2]
    named = [next((line for line in lines if line[:4] == name + separator), None) for name in _NAMED]
    if None in named:
        return None
    fields = first.split(separator)
    fields += [b""] * (12 - len(fields))
    component = message[4:5]
    stamp = sent_at(at, zone).encode()
    fields[6], fields[9] = stamp, delivery_id[:CONTROL_ID].encode()
    fields[8] = component.join((b"ADT", b"A11", b"ADT_A09"))
    event = separator.join((b"EVN", b"A11", stamp))
    cancel = b"\r".join((separator.join(fields), event, *filter(None, named), b""))
    return _addressed(cancel.translate(_UNFRAMED), receiver)


def _head(message: bytes) -> tuple[bytes, bytes, bytes]:
    """MSH, what ends it and the rest."""
    first, end, rest = (*_LINES.split(message, maxsplit=1), b"", b"")[:3]
    return first, end, rest
