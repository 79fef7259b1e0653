"""What we know of a frame and how it ended in; the HL7 acknowledgment's bytes out.

MSA-2 repeats MSH-10 byte by byte as it came, escapes included, as far as HL7 lets a control id go. Sender and receiver
change places; version, delimiters and character set stay the sender's. ERR names a place, a code of HL7 table 0357 and
our own reject code, never a value. HL7 chapter 2, sections 2.9 (protocols), 2.15.1 (ACK), 2.15.5 (ERR), 2.15.8 (MSA).
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from parsers.hl7.er7 import LONGEST_ID, Peek
from parsers.outcomes import Reject, RejectCode

LONGEST_ECHO: Final = 4 * LONGEST_ID  # bytes of a field of the sender's: 199 characters in any encoding
OUR_NAME: Final = b"WARM-HANDOFF"


class AckCode(StrEnum):
    """HL7 table 0008: A… answers in original mode, C… in enhanced mode (MSH-15 or MSH-16 valued)."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"


# HL7 table 0357 (message error condition codes)
CONDITIONS: Final[dict[RejectCode, tuple[str, str]]] = {
    RejectCode.EMPTY: ("100", "Segment sequence error"),
    RejectCode.NOT_HL7: ("100", "Segment sequence error"),
    RejectCode.BAD_DELIMITERS: ("102", "Data type error"),
    RejectCode.NOT_ADT: ("200", "Unsupported message type"),
    RejectCode.TRIGGER_MISSING: ("201", "Unsupported event code"),
    RejectCode.UNDECODABLE: ("102", "Data type error"),
    RejectCode.SEGMENT_MISSING: ("100", "Segment sequence error"),
    RejectCode.PATIENT_MISSING: ("101", "Required field missing"),
    RejectCode.TIME_MISSING: ("101", "Required field missing"),
    RejectCode.SENDER_UNKNOWN: ("207", "Application internal error"),
    RejectCode.OTHER_FACILITY: ("103", "Table value not found"),
    RejectCode.FRAME_TOO_LARGE: ("207", "Application internal error"),
    RejectCode.FRAME_TIMEOUT: ("207", "Application internal error"),
    RejectCode.FRAME_GARBAGE: ("100", "Segment sequence error"),
    RejectCode.NOT_MLLP: ("100", "Segment sequence error"),
    RejectCode.BATCH_COUNT: ("100", "Segment sequence error"),
}
UNAVAILABLE: Final = ("207", "Application internal error")


def acknowledge(
    peek: Peek | None, code: AckCode, *, reject: Reject | None, control_id: str, at: datetime, away: str = ""
) -> bytes:
    """One acknowledgment without MLLP framing. `control_id` is ours, for its MSH-10; `at` an aware time, for MSH-7.

    `peek` is `None` when the frame could not be read: then MSA-2 is empty and the delimiters are the usual ones.
    A character that MSH-2 sent twice is said once, for no parser takes such an answer.
    AE, AR, CE and CR carry ERR; without `reject` it says that we could not keep the message just now, and MSA-3 `away`,
    a word for why. What is repeated is cut where it is longer than HL7 lets any of these fields be.
    """
    separator = peek.field_separator.encode("latin-1") if peek else b"|"
    encoding = bytes(dict.fromkeys(peek.encoding_characters.encode("latin-1"))) if peek else b"^~\\&"
    theirs = peek.header.split(separator, 18) if peek else []
    component = encoding[:1]
    version = _field(theirs, 11) or b"2.5"
    number = _version(version.split(component)[0])
    trigger = _field(theirs, 8).split(component)[1:2]
    kind = b"ACK"
    if number >= (2, 2) and trigger and trigger[0]:
        kind += component + trigger[0] + (component + b"ACK" if number >= (2, 3, 1) else b"")
    stamp = at.astimezone(UTC).strftime("%Y%m%d%H%M%S").encode() + (b"+0000" if number >= (2, 2) else b"")
    header = [b"MSH", encoding, _field(theirs, 4) or OUR_NAME, _field(theirs, 5), _field(theirs, 2), _field(theirs, 3),
              stamp, b"", kind, control_id.encode("ascii", "replace"), _field(theirs, 10) or b"P", version]  # fmt: skip
    if charset := _field(theirs, 17):
        header += [b"", b"", b"", b"", b"", charset]
    failed = code not in (AckCode.AA, AckCode.CA)
    msa = [b"MSA", code.encode(), _field(theirs, 9)]
    segments = [header, msa]
    if failed:
        word = reject.code.value.encode() if reject else b"unavailable"
        condition, text = CONDITIONS[reject.code] if reject else UNAVAILABLE
        place = reject.place if reject else ""
        msa.append(word + (f": {away}".encode() if away and not reject else b""))
        segments.append(_err(place, condition, text, word, encoding, (number >= (2, 5))))
    return b"".join(separator.join(segment).rstrip(separator) + b"\r" for segment in segments)


def _field(fields: list[bytes], index: int) -> bytes:
    return fields[index].strip(b" \t\x0b\x1c")[:LONGEST_ECHO] if index < len(fields) else b""


def _version(raw: bytes) -> tuple[int, ...]:
    """2.3.1 as (2, 3, 1); what cannot be read counts as 2.5, where most receivers are."""
    parts = raw.strip().split(b".")[:3]
    return tuple(int(part) for part in parts) if all(p.isdigit() and len(p) < 4 for p in parts) else (2, 5)


def _err(place: str, condition: str, text: str, word: bytes, encoding: bytes, coded: bool) -> list[bytes]:
    """ERR of 2.5 and later (ERR-2 location, ERR-3 code, ERR-4 severity, ERR-5 our code), or ERR-1 of earlier ones."""
    component, inner = encoding[:1], encoding[3:4] or encoding[:1]
    name, _, number = place.partition("-")
    field_number, _, component_number = number.partition(".")
    where = [part.encode() for part in (name, "1" if name else "", field_number, "", component_number)]
    if coded:
        location = component.join(where[:3] + ([b"1", where[4]] if where[4] else [])).rstrip(component)
        error = component.join((condition.encode(), text.encode(), b"HL70357"))
        return [b"ERR", b"", location, error, b"E", word]
    error = inner.join((condition.encode(), text.encode(), b"HL70357"))
    return [b"ERR", component.join((*where[:3], error))]
