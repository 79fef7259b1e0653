"""Bytes of one HL7 v2 message in; its header at a glance (`peek`) or a lazy reader of its fields (`Message`) out.

Reads versions 2.1 to 2.9 as they come: the delimiters of MSH-1 and MSH-2, segments ended by CR, LF or CRLF, a byte
order mark, blanks or MLLP bytes around the message, segment names in any case, a line end inside a value (a line that
does not begin like a segment belongs to the one before). NUL is dropped: no store takes it and no name needs it.
Absent is "", a field sent as `""` (delete) reads as "" and `is_delete` tells. HL7 chapter 2, sections 2.5 to 2.8.

Whatever comes, reading is linear in its bytes and what is read is bounded by the `MOST_…` and `LONGEST_…` below, each
well beyond any real message; what lies past a bound is not read, and `Message.cut` names where.

One file, because the glance and the reader see the same delimiters, line ends and bounds, and must never differ.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from parsers.events import Finding, Note
from parsers.hl7.charsets import Decoded, decode, wide_codec
from parsers.hl7.several import holds_several
from parsers.outcomes import Reject, RejectCode

NULL: Final = '""'
_AROUND: Final = b"\x0b\x1c \t\r\n\x00\xef\xbb\xbf"
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16, before what is none
_BEFORE: Final = "\ufeff\x0b\x1c \t\r\n\x00"
_HEADERS: Final = (b"MSH", b"FHS", b"BHS")
_ABSENT: Final = [b""] * 16  # fields of MSH that a glance may look for, beside those that were sent
_OTHER_LINE_END: Final = re.compile(  # NEL, form feed, separators of records and groups; or CR and LF spelled out
    rb"(?:\xc2\x85|[\x85\x0c\x1d\x1e]|\\r\\n|\\[rn]|<CR>)[ \t]*(?=[A-Z][A-Z0-9]{2}[^\sA-Za-z0-9])", re.IGNORECASE
)
_PID: Final = re.compile(rb"[\r\n][ \t]*PID", re.IGNORECASE)
_PATH: Final = re.compile(r"([A-Za-z][A-Za-z0-9]{2})(?:\((\d+)\))?-(\d+)(?:\((\d+)\))?(?:\.(\d+)(?:\.(\d+))?)?")
_BLANK_LINES: Final = re.compile(r"\r[\r \t]*\r")
_BLANK_NAMED: Final = re.compile(  # of the segments of an ADT message; in others it may well be text
    r"(MSH|SFT|EVN|PID|PD1|NK1|PV[12]|ROL|DB1|OBX|AL1|DG1|DRG|PR1|GT1|IN[123]|ACC|UB[12]|PDA|MRG|NTE|ARV|IAM|NPU|Z[A-Z0-9]{2})"
    r"[ \t]+(?=\W)",
    re.IGNORECASE,
)
_FORMAT: Final = re.compile(r"\.(br|sp|sk|ce|fi|nf|in|ti)([+-]?\d{1,2})?")

MOST_LINES: Final = 20_000  # a long inpatient stay with all its results and notes has some thousands
MOST_SEGMENTS: Final = 1_000  # of one name; the longest lists in the field are a few hundred diagnoses or notes
MOST_FIELDS: Final = 256  # of one segment; the standard's longest (PV1, IN1, OM1) end at about 60, local ones below 200
MOST_REPETITIONS: Final = 100  # of one field; a much merged patient has some dozen record numbers
MOST_COMPONENTS: Final = 40  # of one repetition; the standard's longest type (XCN) has 23
LONGEST_FIELD: Final = 65_536  # characters of one field with its repetitions; HL7 2.5 allows no more than 64 K
LONGEST_VALUE: Final = 4_096  # characters of one value whose escapes are resolved; people read 500 of them
LONGEST_HEADER: Final = 16_384  # bytes of MSH that a glance keeps; HL7 2.5 allows its fields some 2,000
LONGEST_ID: Final = 199  # characters of MSH-10 (HL7 2.7 and later; 20 before) and of a patient's key


class Peek(NamedTuple):
    """What the listener must know about a frame before it keeps it. `header` holds MSH as received."""

    control_id: str
    message_type: str
    trigger: str
    application: str
    facility: str
    processing_id: str
    accept_ack: str  # MSH-15
    application_ack: str  # MSH-16
    version: str
    patient_key: str  # first PID-3.1, else PID-2, else PID-18
    patient_authority: str
    field_separator: str
    encoding_characters: str
    header: bytes
    application_id: str = ""  # MSH-3 and MSH-4 by universal id (HD.2); by name where they have none
    facility_id: str = ""

    def __repr__(self) -> str:
        return "<Peek>"


class Delimiters(NamedTuple):
    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    truncation: str


def peek(data: bytes) -> Peek | Reject:
    """The header of a message, and whom it is about, without reading the rest."""
    data = _in_lines(data)
    if data[:3] != b"MSH":
        data = _narrow(data) if wide_codec(data) else _unmarked(data).strip(_AROUND)
        if reject := _not_a_message(data):
            return reject
    if data[3:4] in (b" ", b"\t") and (after := data[3:].lstrip(b" \t")).startswith(b"|"):
        data = data[:3] + after
    separator = data[3:4]
    if not separator:
        return Reject(code=RejectCode.BAD_DELIMITERS, place="MSH-1")
    end = _line_end(data, 3)
    header = data[:end] if end <= LONGEST_HEADER else data[:LONGEST_HEADER]
    fields = header.split(separator)
    if len(fields) < 2:
        return Reject(code=RejectCode.BAD_DELIMITERS, place="MSH-1")
    encoding = _encoding(separator, fields[1][:16])
    if isinstance(encoding, str):
        return Reject(code=RejectCode.BAD_DELIMITERS, place=encoding)
    if holds_several(data):
        return Reject(code=RejectCode.BATCH_COUNT, place="MSH")
    fields += _ABSENT
    component = encoding[:1]
    application, facility = _authority(fields[2], component), _authority(fields[3], component)
    message_type, _, structure = fields[8].partition(component)
    pid = b""
    at = data.find(b"\rPID" + separator, end)
    if at < 0 and (pid_line := _PID.search(data, max(end - 1, 0))):
        at = pid_line.end() - 4
    if at >= 0:
        pid = data[at + 1 : min(_line_end(data, at + 1), at + LONGEST_FIELD)]
    key, authority = _patient_key(pid, separator, encoding)
    return Peek(
        _text(fields[9]),
        _text(message_type),
        _text(structure.partition(component)[0]),
        application[0] or application[1],
        facility[0] or facility[1],
        _text(fields[10].partition(component)[0]),
        _condition(fields[14]),
        _condition(fields[15]),
        _text(fields[11].partition(component)[0]),
        key,
        authority,
        separator.decode("latin-1"),
        encoding.decode("latin-1"),
        header,
        (application[1] or application[0]) if application[1] or facility[1] else "",
        (facility[1] or facility[0]) if application[1] or facility[1] else "",
    )


def _text(raw: bytes) -> str:
    raw = raw[:LONGEST_ID]
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()


@lru_cache(maxsize=256)
def _authority(raw: bytes, component: bytes) -> tuple[str, str]:
    """Name and universal id in a field of type HD."""
    if component not in raw:
        return _text(raw), ""
    name, universal_id, *_ = raw.split(component, 2)
    return _text(name), _text(universal_id)


def _condition(raw: bytes) -> str:
    """MSH-15 or MSH-16; a delete is no condition."""
    return "" if raw.strip() == b'""' else _text(raw)


def _in_lines(data: bytes) -> bytes:
    """A message without a CR or LF anywhere, cut where something else ends its segments."""
    if b"\r" in data or b"\n" in data or b"\0" in data[:8]:
        return data
    return _OTHER_LINE_END.sub(b"\n", data)


def _unmarked(data: bytes) -> bytes:
    return data[2:] if data[:2] in _MARKS else data


def _narrow(data: bytes) -> bytes:
    """UTF-16 and UTF-32 as UTF-8."""
    decoded = decode(data, "", "")
    return decoded.text.encode("utf-8", "replace").strip(_AROUND) if isinstance(decoded, Decoded) else b""


def _not_a_message(data: bytes) -> Reject | None:
    if not data:
        return Reject(code=RejectCode.EMPTY)
    name = data[:3].upper()
    if name == b"MSH":
        return None
    if name in _HEADERS:
        return Reject(code=RejectCode.NOT_ADT, place=name.decode())
    return Reject(code=RejectCode.NOT_HL7, place="MSH")


@lru_cache(maxsize=256)
def _encoding(separator: bytes, sent: bytes) -> bytes | str:
    r"""The usable characters of MSH-2, each once, or the address of what is unusable.

    HL7 2.5.4: escape and subcomponent may be left out. A character sent twice (`^~\\&`) counts once.
    """
    if not _is_delimiter(separator):
        return "MSH-1"
    encoding = bytes(dict.fromkeys(sent[:8]))[:5]
    four = encoding[:4]
    usable = four and all(_is_delimiter(four[at : at + 1]) for at in range(len(four))) and separator not in four
    return encoding if usable and sent[:1] != sent[1:2] else "MSH-2"


def _is_delimiter(character: bytes) -> bool:
    return (
        len(character) == 1
        and character.isascii()
        and not character.isalnum()
        and character not in b" \r\n\x00\x0b\x1c"
    )


def _line_end(data: bytes, start: int) -> int:
    cr = data.find(b"\r", start)
    lf = data.find(b"\n", start, cr if cr >= 0 else len(data))
    return lf if lf >= 0 else cr if cr >= 0 else len(data)


def _patient_key(pid: bytes, separator: bytes, encoding: bytes) -> tuple[str, str]:
    if not pid:
        return "", ""
    fields = pid.split(separator, 19)
    for index in (3, 2, 18):
        if len(fields) > index and fields[index]:
            first = fields[index].split(encoding[1:2], 1)[0] if encoding[1:2] else fields[index]
            parts = first.split(encoding[:1])
            if parts[0] and parts[0] != b'""':
                authority = parts[3] if len(parts) > 3 else b""
                if encoding[3:4]:
                    authority = authority.split(encoding[3:4], 1)[0]
                return _text(parts[0]), _text(authority)
    return "", ""


class Values:
    """How values are written in one message, and what of it could not be read.

    Segments share it with their message, and know nothing else of it: a message that nobody holds is gone at once.
    """

    __slots__ = ("charset", "cut", "delimiters", "unknown_escape")

    def __init__(self, delimiters: Delimiters, charset: str) -> None:
        self.delimiters = delimiters
        self.charset = charset
        self.cut: dict[str, None] = {}  # places of which not all was read; "" the message
        self.unknown_escape = False  # an escape sequence nobody defines was read, and kept as sent

    def part(self, raw: str, component: int = 1, subcomponent: int = 1) -> str:
        """Unescaped component of one raw repetition; "" when absent or `""`."""
        marks = self.delimiters
        if marks.component in raw:
            parts = raw.split(marks.component, component)
            if len(parts) < component:
                return ""
            raw = parts[component - 1]
        elif component != 1:
            return ""
        if marks.subcomponent and marks.subcomponent in raw:
            parts = raw.split(marks.subcomponent, subcomponent)
            if len(parts) < subcomponent:
                return ""
            raw = parts[subcomponent - 1]
        elif subcomponent != 1:
            return ""
        if raw == NULL:
            return ""
        return self.unescape(raw) if marks.escape and marks.escape in raw else raw

    def parts(self, raw: str) -> list[str]:
        """The components of one raw repetition, each unescaped and cut to its first sub-component."""
        marks = self.delimiters
        components = raw.split(marks.component, MOST_COMPONENTS)
        if len(components) > MOST_COMPONENTS:
            components.pop()
        if marks.subcomponent and marks.subcomponent in raw:
            components = [component.split(marks.subcomponent, 1)[0] for component in components]
        if marks.escape and marks.escape in raw:
            components = [self.unescape(component) for component in components]
        return ["" if component == NULL else component for component in components] if NULL in raw else components

    def unescape(self, raw: str) -> str:
        """`raw` with its escape sequences resolved; those nobody defines stay as sent. HL7 2.7.

        So do those past the first `LONGEST_VALUE` characters.
        """
        if len(raw) > LONGEST_VALUE:
            return self.unescape(raw[:LONGEST_VALUE]) + raw[LONGEST_VALUE:]
        mark = self.delimiters.escape
        text, known = _escapes(mark).subn(self._escaped, raw)
        if raw.count(mark) != 2 * known:
            self.unknown_escape = True
        return text

    def _escaped(self, match: re.Match[str]) -> str:
        """What stands for one escape sequence."""
        marks = self.delimiters
        sequence = match[1]
        meaning: str | None = None
        if len(sequence) == 1:
            meaning = {
                "F": marks.field,
                "S": marks.component,
                "T": marks.subcomponent or None,
                "R": marks.repetition or None,
                "E": marks.escape,
                "P": marks.truncation or None,
            }.get(sequence, "")
        elif sequence[0] == "X":
            try:
                meaning = bytes.fromhex(sequence[1:]).decode(self.charset).replace("\x00", "")
            except UnicodeDecodeError:
                meaning = None
        elif format_command := _FORMAT.fullmatch(sequence):
            count = abs(int(format_command[2] or 1))
            meaning = {"br": "\n", "ce": "\n", "sp": "\n" * count, "sk": " " * count}.get(format_command[1], "")
        if meaning is None:
            self.unknown_escape = True
            return match[0]
        return meaning


class Segment:
    """One segment. Its raw `fields` are numbered as in HL7: 0 is the segment's name, MSH-1 the separator."""

    __slots__ = ("_values", "fields", "line", "name")

    def __init__(self, name: str, line: str, values: Values) -> None:
        self.name = name
        self.line = line
        self._values = values
        separator = values.delimiters.field
        self.fields = fields = line.split(separator, MOST_FIELDS)
        if name in ("MSH", "FHS", "BHS"):
            fields.insert(1, separator)
        if len(line) > LONGEST_FIELD or len(fields) > MOST_FIELDS:
            self._bound(fields)

    def _bound(self, fields: list[str]) -> None:
        cut = self._values.cut
        if len(fields) > MOST_FIELDS:
            del fields[MOST_FIELDS:]
            cut[self.name] = None
        for number, raw in enumerate(fields):
            if len(raw) > LONGEST_FIELD:
                fields[number] = raw[:LONGEST_FIELD]
                cut[f"{self.name}-{number}"] = None

    def __repr__(self) -> str:
        return f"<Segment {self.name}>"

    def raw(self, number: int) -> str:
        """The field as sent, with all its repetitions; "" when absent."""
        fields = self.fields
        return fields[number] if number < len(fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """The raw repetitions of a field, at most `MOST_REPETITIONS`; empty when the field is."""
        raw = self.raw(number)
        if not raw:
            return []
        mark = self._values.delimiters.repetition
        if not mark or (number == 2 and self.name == "MSH"):
            return [raw]
        sent = raw.split(mark, MOST_REPETITIONS)
        if len(sent) > MOST_REPETITIONS:
            self._values.cut[f"{self.name}-{number}"] = None
            sent.pop()
        return sent

    def get(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """Unescaped value of the first repetition; "" when absent or sent as `""`."""
        fields = self.fields
        if number >= len(fields) or not (raw := fields[number]) or raw == NULL:
            return ""
        if raw.isalnum():  # and so without any delimiter
            return raw if component == subcomponent == 1 else ""
        if number <= 2 and self.name == "MSH":
            return raw
        mark = self._values.delimiters.repetition
        if mark and mark in raw:
            raw = raw[: raw.index(mark)]
        return self._values.part(raw, component, subcomponent)


class Message:
    """One message, decoded and cut into segments; everything finer is read when asked for."""

    __slots__ = (
        "_by_name",
        "_lines_of",
        "lines",
        "notes",
        "unread",
        "values",
    )

    def __init__(self, lines: list[str], values: Values, notes: list[Note], unread: str = "") -> None:
        self.lines = lines
        self.values = values
        self.notes = notes
        self.unread = unread  # what follows the first `MOST_LINES` lines
        if unread:
            values.cut[""] = None
        by_name: dict[str, list[str]] = {}
        for line in lines:
            by_name.setdefault(line[:3].upper(), []).append(line)
        self._lines_of = by_name
        self._by_name: dict[str, list[Segment]] = {}

    def __repr__(self) -> str:
        return f"<Message of {len(self.lines)} segments>"

    @classmethod
    def parse(cls, data: bytes, charset: str = "", glance: Peek | None = None) -> "Message | Reject":
        """The message in `data`; `charset` (a codec name) overrides MSH-18, `glance` spares a second look at MSH."""
        if glance is None:
            looked = peek(data)
            if isinstance(looked, Reject):
                return looked
            glance = looked
        data = _in_lines(data)
        separator, encoding = glance.field_separator, glance.encoding_characters
        fields = glance.header.split(separator.encode("latin-1"))
        declared = fields[17].decode("latin-1") if len(fields) > 17 else ""
        if data[:3] != b"MSH" and not wide_codec(data):
            data = _unmarked(data).lstrip(_AROUND)
        decoded = decode(data, declared, encoding[1:2], charset)
        if isinstance(decoded, Decoded) and not _begins(decoded.text, separator):
            again = decode(data, "", encoding[1:2])  # not what was claimed, or configured
            decoded = again._replace(finding=Finding.CHARSET_LYING) if isinstance(again, Decoded) else again
            if isinstance(decoded, Decoded) and not _begins(decoded.text, separator):
                return Reject(code=RejectCode.UNDECODABLE, place="MSH")
        if not isinstance(decoded, Decoded):
            return Reject(code=RejectCode.UNDECODABLE, place=_place(data, decoded.offset, separator))
        notes = [note(decoded.finding, "MSH-18")] if decoded.finding else []
        delimiters = Delimiters(separator, encoding[:1], encoding[1:2], encoding[2:3], encoding[3:4], encoding[4:5])
        text = decoded.text.lstrip(_BEFORE).rstrip("\r\n\x0b\x1c\x00")
        if "\x00" in text:
            text = text.replace("\x00", "")
        if "\n" in text:
            text = text.replace("\r\n", "\r").replace("\n", "\r")
            notes.append(note(Finding.LINE_END_NOT_CR, ""))
        if text[3:4] != separator:
            text = text[:3] + text[3:].lstrip(" \t")
            notes.append(note(Finding.SEGMENT_NAME_BLANK, "MSH"))
        unread = ""
        if text.count("\r") >= MOST_LINES:
            text, unread = _first_lines(text)
        padded: dict[str, None] = {}
        lines = _segments(text, separator, padded)
        notes += [note(Finding.SEGMENT_NAME_BLANK, name) for name in padded]
        return cls(lines, Values(delimiters, decoded.codec), notes, unread)

    def segments(self, name: str) -> list[Segment]:
        """The segments of that name, in order, at most `MOST_SEGMENTS`; Z-segments are kept like any other."""
        named = self._by_name.get(name)
        if named is None:
            lines = self._lines_of.get(name, ())
            if len(lines) > MOST_SEGMENTS:
                self.values.cut[name] = None
                lines = lines[:MOST_SEGMENTS]
            named = self._by_name[name] = [Segment(name, line, self.values) for line in lines]
        return named

    def first(self, name: str) -> Segment | None:
        named = self.segments(name)
        return named[0] if named else None

    def get(self, path: str) -> str:
        """Unescaped value at an address such as `PID-5.1`, `PID-3(2).4.2` or `DG1(2)-3`; "" when absent."""
        name, occurrence, number, repetition, component, subcomponent = _address(path)
        named = self.segments(name)
        if len(named) < occurrence:
            return ""
        segment = named[occurrence - 1]
        if repetition == 1:
            return segment.get(number, component, subcomponent)
        repetitions = segment.repetitions(number)
        return (
            self.values.part(repetitions[repetition - 1], component, subcomponent)
            if len(repetitions) >= repetition
            else ""
        )

    def raw(self, path: str) -> str:
        """The whole field at an address such as `PID-5`, as sent."""
        name, occurrence, number, *_ = _address(path)
        named = self.segments(name)
        return named[occurrence - 1].raw(number) if len(named) >= occurrence else ""

    def is_delete(self, path: str) -> bool:
        """Whether the field was sent as `""`: forget what you had (HL7 2.5.3.6)."""
        return self.raw(path) == NULL


@lru_cache(maxsize=64)
def _escapes(mark: str) -> re.Pattern[str]:
    """Delimiters, highlighting, hexadecimal and formatting; and, to be kept whole, Z…, C… and M… of the standard."""
    known = r"[FSTREPHN]|X(?:[0-9A-Fa-f]{2})+|\.[a-z]{2}[+-]?\d{0,9}|Z\w{0,20}|C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4,6}"
    return re.compile(f"{re.escape(mark)}({known}){re.escape(mark)}")


@lru_cache(maxsize=1024)
def _address(path: str) -> tuple[str, int, int, int, int, int]:
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError("not an HL7 address")
    name, *numbers = match.groups()
    occurrence, number, repetition, component, subcomponent = (int(digits) if digits else 1 for digits in numbers)
    return name.upper(), occurrence, number, repetition, component, subcomponent


@lru_cache(maxsize=4096)
def note(finding: Finding, place: str) -> Note:
    """The same note for the same finding: thousands of messages share their faults."""
    return Note(finding=finding, place=place)


def _begins(text: str, separator: str) -> bool:
    """Whether a header comes first."""
    if text[:3] != "MSH":
        text = text.lstrip(_BEFORE)
    if text[3:4] in (" ", "\t"):
        text = text[:3] + text[3:].lstrip(" \t")
    return text[:3].upper() == "MSH" and text[3:4] == separator


def _first_lines(text: str) -> tuple[str, str]:
    """The first `MOST_LINES` lines that are not blank, and the rest."""
    lines = _BLANK_LINES.sub("\r", text).split("\r", MOST_LINES)
    return "\r".join(lines[:MOST_LINES]), "".join(lines[MOST_LINES:])


def _segments(text: str, separator: str, padded: dict[str, None]) -> list[str]:
    """A blank line is nothing, a bare name an empty segment, an indented segment one, all else goes on with a value.

    So is a segment with a blank after its name; its name goes into `padded`.
    """
    lines: list[str] = []
    going_on: list[str] = []
    for line in text.split("\r"):
        if line[3:4] != separator or not line[:3].isalnum():
            bare = line.strip()
            if not bare:
                continue
            if (blank := _BLANK_NAMED.match(bare)) and bare[blank.end()] == separator:
                padded[blank[1].upper()] = None
                bare = blank[1] + bare[blank.end() :]
            named = bare[:3].isalnum() and bare.isascii() if len(bare) == 3 else bare[3:4] == separator
            if not (named and bare[:3].isalnum()):
                going_on.append(line)
                continue
            line = bare  # noqa: PLW2901
        if going_on:
            lines[-1] = "\n".join((lines[-1], *going_on))
            going_on = []
        lines.append(line)
    if going_on and lines:
        lines[-1] = "\n".join((lines[-1], *going_on))
    return lines


def _place(data: bytes, offset: int, separator: str) -> str:
    """Segment and field of a byte, for example `PID-5`."""
    before = data[:offset].replace(b"\n", b"\r")
    segment = before.rsplit(b"\r", 1)[-1].lstrip(b" \t")
    name = segment[:3].upper().decode("latin-1")
    if not (name.isascii() and name.isalnum() and len(name) == 3):
        return ""
    number = segment.count(separator.encode("latin-1"))
    return f"{name}-{number + (name == 'MSH')}"
