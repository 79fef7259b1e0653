"""A trigger event in; the event it means, or the name of why it changes nothing, out.

Total: every trigger of HL7 chapter 3 (A01 to A62) has its row, and whatever else comes is `Still.UNKNOWN`. The message
structure each trigger travels in is HL7 table 0354 (version 2.8, chapter 3).
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from parsers.events import EventKind, Finding


class Still(StrEnum):
    """Why a trigger changes nothing we follow."""

    TRACKING = "tracking"
    PENDING_TRANSFER = "pending_transfer"
    BED_SWAP = "bed_swap"
    QUERY = "query"
    BED_STATUS = "bed_status"
    ALTERNATE_IDENTIFIER = "alternate_identifier"
    CONSULTING_DOCTOR = "consulting_doctor"
    ALLERGY = "allergy"
    UNKNOWN = "unknown"


TRIGGERS: Final[dict[str, EventKind | Still]] = {
    "A01": EventKind.ADMITTED,
    "A02": EventKind.TRANSFERRED,
    "A03": EventKind.DISCHARGED,
    "A04": EventKind.REGISTERED,
    "A05": EventKind.PLANNED,  # pre-admit
    "A06": EventKind.CLASS_CHANGED,  # outpatient to inpatient
    "A07": EventKind.CLASS_CHANGED,  # inpatient to outpatient
    "A08": EventKind.UPDATED,
    "A09": Still.TRACKING,  # patient departing
    "A10": Still.TRACKING,  # patient arriving
    "A11": EventKind.ADMIT_CANCELLED,
    "A12": EventKind.TRANSFER_CANCELLED,
    "A13": EventKind.DISCHARGE_CANCELLED,
    "A14": EventKind.PLANNED,  # pending admit
    "A15": Still.PENDING_TRANSFER,
    "A16": EventKind.DISCHARGE_EXPECTED,
    "A17": Still.BED_SWAP,
    "A18": EventKind.PERSON_MERGED,
    "A19": Still.QUERY,
    "A20": Still.BED_STATUS,
    "A21": EventKind.LEFT_ON_LEAVE,
    "A22": EventKind.BACK_FROM_LEAVE,
    "A23": EventKind.VISIT_DELETED,
    "A24": EventKind.LINKED,
    "A25": EventKind.EXPECTED_CANCELLED,
    "A26": Still.PENDING_TRANSFER,  # its cancel
    "A27": EventKind.PLAN_CANCELLED,
    "A28": EventKind.PERSON_UPDATED,
    "A29": EventKind.PERSON_DELETED,
    "A30": EventKind.PERSON_MERGED,
    "A31": EventKind.PERSON_UPDATED,
    "A32": Still.TRACKING,  # cancel patient arriving
    "A33": Still.TRACKING,  # cancel patient departing
    "A34": EventKind.PERSON_MERGED,
    "A35": EventKind.ACCOUNT_MERGED,
    "A36": EventKind.PERSON_MERGED,  # and account
    "A37": EventKind.UNLINKED,
    "A38": EventKind.PLAN_CANCELLED,
    "A39": EventKind.PERSON_MERGED,
    "A40": EventKind.PERSON_MERGED,
    "A41": EventKind.ACCOUNT_MERGED,
    "A42": EventKind.VISIT_MERGED,
    "A43": EventKind.PERSON_MOVED,
    "A44": EventKind.ACCOUNT_MOVED,
    "A45": EventKind.VISIT_MOVED,
    "A46": EventKind.PERSON_MERGED,  # change patient ID
    "A47": EventKind.PERSON_MERGED,  # change patient identifier list
    "A48": Still.ALTERNATE_IDENTIFIER,
    "A49": EventKind.ACCOUNT_MERGED,  # change patient account number
    "A50": EventKind.VISIT_MERGED,  # change visit number
    "A51": Still.ALTERNATE_IDENTIFIER,
    "A52": EventKind.BACK_FROM_LEAVE,  # cancel leave of absence
    "A53": EventKind.LEFT_ON_LEAVE,  # cancel return from leave
    "A54": EventKind.UPDATED,  # change attending doctor
    "A55": EventKind.UPDATED,  # cancel change of attending doctor
    "A56": Still.UNKNOWN,  # never assigned
    "A57": Still.UNKNOWN,  # never assigned
    "A58": Still.UNKNOWN,  # never assigned
    "A59": Still.UNKNOWN,  # never assigned
    "A60": Still.ALLERGY,
    "A61": Still.CONSULTING_DOCTOR,
    "A62": Still.CONSULTING_DOCTOR,  # its cancel
}

STRUCTURES: Final[dict[str, str]] = {
    **dict.fromkeys(("A01", "A04", "A08", "A13"), "ADT_A01"),
    **dict.fromkeys(("A05", "A14", "A28", "A31"), "ADT_A05"),
    **dict.fromkeys(("A06", "A07"), "ADT_A06"),
    **dict.fromkeys(("A09", "A10", "A11", "A12"), "ADT_A09"),
    **dict.fromkeys(("A21", "A22", "A23", "A25", "A26", "A27", "A29", "A32", "A33"), "ADT_A21"),
    **dict.fromkeys(("A34", "A36", "A46", "A48"), "ADT_A30"),
    **dict.fromkeys(("A35", "A47", "A49"), "ADT_A30"),
    **dict.fromkeys(("A40", "A41", "A39", "A42"), "ADT_A39"),
    **dict.fromkeys(("A43", "A44"), "ADT_A43"),
    **dict.fromkeys(("A50", "A51"), "ADT_A50"),
    **dict.fromkeys(("A52", "A53"), "ADT_A52"),
    **dict.fromkeys(("A54", "A55"), "ADT_A54"),
    **dict.fromkeys(("A61", "A62"), "ADT_A61"),
    **{trigger: f"ADT_{trigger}" for trigger in ("A02", "A03", "A15", "A16", "A17", "A18", "A20", "A24", "A30", "A37",
                                                 "A38", "A45", "A60")},
}  # fmt: skip

MERGES: Final = frozenset(
    {
        EventKind.PERSON_MERGED,
        EventKind.ACCOUNT_MERGED,
        EventKind.VISIT_MERGED,
        EventKind.PERSON_MOVED,
        EventKind.ACCOUNT_MOVED,
        EventKind.VISIT_MOVED,
    }
)

_TRIGGER: Final = re.compile(r"[A-Z][0-9]{2}|Z[0-9A-Z]{2}", re.ASCII)
_STRUCTURE: Final = re.compile(r"ADT_([A-Z][0-9]{2}|Z[0-9A-Z]{2})", re.ASCII)
_NAMED: Final = re.compile(
    r"(?:ADT[\W_]*)?(A[0-9]{2})(?:[\W_].*)?", re.ASCII | re.DOTALL
)  # ADT^A01, ADT-A01, A01 Admit
_LONGEST: Final = 200


class Trigger(NamedTuple):
    """What happened, by which code, and where the code was found."""

    code: str  # A01…
    meaning: EventKind | Still
    finding: Finding | None = None


def meaning(code: str) -> EventKind | Still:
    """The event of a trigger, or the name of why there is none."""
    return TRIGGERS.get(code, Still.UNKNOWN)


def is_adt(kind: str) -> bool:
    """Whether MSH-9.1 says ADT, also where it holds the trigger or the structure as well (ADT_A01, ADTA01, A01)."""
    kind = kind.strip().upper()
    return kind == "ADT" or kind.startswith("ADT_") or _code(kind) in TRIGGERS


def _code(sent: str) -> str:
    """The code in what was sent: itself, or the one of the table that it begins with, after ADT or not; else ""."""
    text = sent.strip()[:_LONGEST].upper()
    if _TRIGGER.fullmatch(text):
        return text
    match = _NAMED.fullmatch(text) or _STRUCTURE.fullmatch(text)
    return match[1] if match else ""


@lru_cache(maxsize=256)
def find_trigger(from_header: str, from_event: str, structure: str) -> Trigger | None:
    """The trigger out of MSH-9.2, else EVN-1, else MSH-9.3; `None` when none of them says one."""
    header, event = _code(from_header), _code(from_event)
    if header:
        return Trigger(header, meaning(header), Finding.TRIGGER_DISAGREES if event and event != header else None)
    if event:
        return Trigger(event, meaning(event), Finding.TRIGGER_FROM_EVN)
    if match := _STRUCTURE.fullmatch(structure.strip().upper()):
        return Trigger(match[1], meaning(match[1]), Finding.TRIGGER_FROM_STRUCTURE)
    return None


def structure_finding(code: str, structure: str, version: str) -> Finding | None:
    """Whether MSH-9.3 is the structure of the trigger; versions before 2.3.1 have none."""
    if not structure:
        return Finding.STRUCTURE_MISSING if version not in ("", "2.1", "2.2", "2.3") else None
    expected = STRUCTURES.get(code)
    return Finding.STRUCTURE_WRONG if expected and structure.strip().upper() != expected else None
