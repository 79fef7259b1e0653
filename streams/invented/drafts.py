"""What an invented hospital is about to send: drafts, their bytes, and how often a feed does what it should not."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field

from parsers.events import Value
from streams.invented.community import (
    FAMILY,
)

LOCAL: Final = ZoneInfo("America/New_York")
START: Final = datetime(2026, 2, 2, tzinfo=LOCAL)  # sixty days from here hold the night the clocks change
ACCENTED: Final = "Peña Núñez Muñoz García Ibáñez Zúñiga Müller Françoise".split()
SURNAMES: Final = (
    *FAMILY,
    *(
        begin + end
        for begin in "Ash Black Brad Bran Carl Chad Clay Cole Dal Ed Farn Gar Had Hal Har Hol Ken Kirk Lang Lin".split()
        for end in "berg born bury by combe croft den field ford gate ham hurst land ley man more ridge stead ton "
        "ville wick wood worth".split()
    ),
)


class Faults(Value):
    """How often a feed does what it should not; shares of messages, stays, hospital-days or people, from 0 to 1.

    Defaults are near what the literature and one large system's feed show.
    """

    duplicates: float = Field(0.01, ge=0, le=1, description="messages sent twice in a row, byte by byte")
    resends: float = Field(
        0.005, ge=0, le=1, description="messages sent again hours later under a new MSH-7 and MSH-10"
    )
    resent_days: float = Field(
        0.02, ge=0, le=1, description="days of a hospital sent again as a whole the next morning"
    )
    reordered: float = Field(0.01, ge=0, le=1, description="messages overtaken by the next one of their stay")
    late_diagnosis: float = Field(
        0.6, ge=0, le=1, description="stays whose diagnosis comes one to six days after the end"
    )
    no_visit_number: float = Field(0.05, ge=0, le=1, description="stays without PV1-19")
    dropped_visit_number: float = Field(0.005, ge=0, le=1, description="single messages without PV1-19")
    no_account: float = Field(0.3, ge=0, le=1, description="stays without PID-18")
    no_admit_time: float = Field(0.05, ge=0, le=1, description="stays without PV1-44")
    wrong_class: float = Field(0.01, ge=0, le=1, description="admissions under a local class code nobody mapped")
    cancelled: float = Field(0.02, ge=0, le=1, description="stays that are cancelled or deleted")
    cancelled_discharge: float = Field(0.02, ge=0, le=1, description="discharges taken back and made again")
    merges: float = Field(0.01, ge=0, le=1, description="stays under a second record, merged in mid-stay")
    wrong_patient: float = Field(0.004, ge=0, le=1, description="stays under somebody else's record, moved later")
    update_storms: float = Field(0.002, ge=0, le=1, description="stays with a hundred updates that say nothing new")
    line_feed: float = Field(0.3, ge=0, le=1, description="hospitals that end lines with LF or CRLF")
    charset: float = Field(0.3, ge=0, le=1, description="hospitals that send Latin-1 without saying so")
    no_offset: float = Field(0.4, ge=0, le=1, description="hospitals that send local times without an offset")
    noise: float = Field(1.0, ge=0, le=20, description="messages about nothing we follow, per message of a stay")


class SentMessage(NamedTuple):
    """One message as it reaches us."""

    at: datetime  # of arrival
    hospital: str
    control_id: str
    data: bytes

    def __repr__(self) -> str:
        return f"<SentMessage {self.control_id}>"


@dataclass(frozen=True, slots=True)
class Hospital:
    name: str
    facility: str  # as PV1-3.4 names it
    sender: str  # MSH-4
    version: str
    end: str
    encoding: str
    offset: bool
    facility_place: str  # PV1-3.4, EVN-7 or MSH-4


@dataclass(frozen=True, slots=True)
class Person:
    number: int
    given: str
    family: str
    suffix: str
    birth_date: date
    sex: str
    street: str
    place: int
    phone: str
    ssn: str
    medicaid_id: str
    enrollee_id: str = ""
    from_day: date | None = None
    to_day: date | None = None

    def enrolled(self, at: datetime) -> str:
        """Enrollee id on the day of `at`, else ""."""
        day = at.astimezone(LOCAL).date()
        inside = (self.from_day is None or self.from_day <= day) and (self.to_day is None or day <= self.to_day)
        return self.enrollee_id if inside else ""


@dataclass(slots=True)
class Draft:
    """A message before the faults: when it was sent, what it says, and the truth rows that lean on it."""

    sent: datetime
    hospital: Hospital
    segments: list[list[str]]
    stay: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    fixed: bool = False  # must not be overtaken
    control_id: str = ""
    arrives: datetime = START


@dataclass(slots=True)
class Stay:
    """A stay as its hospital's registration sees it just now."""

    stay_id: str
    person: Person  # whose record it runs under
    mrn: str
    hospital: Hospital
    code: str
    number: str
    account: str
    admit_time: bool
    complaint: str
    begun: datetime
    patient_type: str = ""
    unit: str = ""
    before: str = ""
    ended: datetime | None = None
    disposition: str = ""
    died: bool = False
    diagnosis: tuple[str, str] | None = None
    expected: datetime | None = None
    told: bool = False  # an alert of this stay should be standing
    faults: set[str] = field(default_factory=set)
    status: str = "in-progress"
    drafts: list[Draft] = field(default_factory=list)


def segment_of(name: str, fields: dict[int, str]) -> list[str]:
    last = max((number for number, value in fields.items() if value), default=0)
    return [name, *(fields.get(number, "") for number in range(1, last + 1))]


def bytes_of(draft: Draft, control_id: str, sent: datetime) -> bytes:
    hospital = draft.hospital
    trigger = draft.segments[0][1]
    stamp = sent.astimezone(LOCAL).strftime("%Y%m%d%H%M%S%z" if hospital.offset else "%Y%m%d%H%M%S")
    header = ["MSH", "^~\\&", "ADT", hospital.sender, "HANDOFF", "NC", stamp, "", f"ADT^{trigger}", control_id, "P",
              hospital.version]  # fmt: skip
    if hospital.encoding == "utf-8":
        header += ["", "", "", "", "", "UNICODE UTF-8"]
    lines = ["|".join(segment) for segment in (header, *draft.segments)]
    return (hospital.end.join(lines) + hospital.end).encode(hospital.encoding, "replace")
