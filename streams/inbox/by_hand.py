"""What somebody entered about a person of the panel in; the ADT message a hospital would have sent out. Pure.

It has no visit number, and EVN-2 says when it happened: so what the hospital sends later is about the same stay, and is
never older than this.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.people import Enrollee
from streams.words.hl7 import sent_at, shown_as, written


class Happened(StrEnum):
    """What can be entered."""

    ED = "ed"
    ADMITTED = "admitted"
    OBSERVED = "observed"
    DISCHARGED = "discharged"


class _Sent(NamedTuple):
    trigger: str
    structure: str  # HL7 v2.5.1 table 0354
    patient_class: str  # table 0004; "" leaves it as it is known


_SENT: Final = {
    Happened.ED: _Sent("A04", "ADT_A01", "E"),
    Happened.ADMITTED: _Sent("A01", "ADT_A01", "I"),
    Happened.OBSERVED: _Sent("A01", "ADT_A01", "O"),
    Happened.DISCHARGED: _Sent("A03", "ADT_A03", ""),
}


class Entered(NamedTuple):
    """One event as it was entered."""

    happened: Happened
    hospital: str
    at: datetime
    disposition: str = ""  # HL7 table 0112, of a discharge


def message_of(entered: Entered, person: Enrollee, message_id: str, now: datetime, zone: ZoneInfo) -> bytes:
    """The message, with whom it is about as the panel knows them."""
    sent, when = _SENT[entered.happened], sent_at(entered.at, zone)
    hospital = shown_as(entered.hospital)
    visit = [""] * 46
    visit[:4] = ["PV1", "1", sent.patient_class, f"^^^{hospital}"]
    if entered.happened is Happened.DISCHARGED:
        visit[36], visit[45] = entered.disposition, when
    else:
        visit[44] = when
    kind = f"ADT^{sent.trigger}^{sent.structure}"
    header = ["MSH", "^~\\&", "BY-HAND", hospital, "WARMHANDOFF", "", sent_at(now, zone), "", kind, message_id[:20]]
    return written(
        [
            [*header, "P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8"],
            ["EVN", sent.trigger, when],
            _person_fields(person),
            visit,
        ]
    )


def _person_fields(person: Enrollee) -> list[str]:
    numbers = [f"{shown_as(mrn.value)}^^^{shown_as(mrn.system)}^{mrn.type or 'MR'}" for mrn in person.mrns]
    if person.medicaid_id:
        numbers.append(f"{shown_as(person.medicaid_id)}^^^NCMEDICAID^MA")
    numbers = numbers or [f"{shown_as(person.enrollee_id)}^^^WARMHANDOFF^PI"]
    name, home = person.name, person.address
    fields = [""] * 20
    fields[:4] = ["PID", "1", "", "~".join(numbers)]
    fields[5] = "^".join(map(shown_as, (name.family, name.given, name.middle, name.suffix))).rstrip("^")
    fields[7], fields[8] = f"{person.birth_date:%Y%m%d}", shown_as(person.sex)
    fields[11] = "^".join(map(shown_as, (home.street, "", home.city, home.state, home.zip))).rstrip("^")
    fields[13], fields[19] = person.phone, person.ssn
    return fields
