"""A seed, a number of people and of days in; invented lives, what their hospitals send, and what should be told, out.

The truth comes from the lives: a person arrives, is admitted, goes home, and for each of these changes the row says who
should hear of it and which messages say so. Nothing here knows how we decide. Faults are then done to the messages, and
the truth keeps track: a message sent twice makes no second change, one that arrives late may be overtaken.

`truth.jsonl` holds one row a line, each with `row`:

| row | says |
|---|---|
| `stay` | `stay`, `hospital`, `enrollee` ("": tell nobody), `class` and `status` at the end, `messages`, `faults` |
| `change` | `enrollee` should be told `what` of `stay` (at `at`) by one of the messages `by` |
| `retraction` | what `enrollee` was told of `stay` should be taken back by one of `by`; `why` |
| `may` | a version of `stay` that one of `by` causes is neither asked for nor wrong |
| `noise` | `by` are messages about `enrollee` that belong to no stay we follow |
| `repeat` | `by` are copies of messages sent before: they should tell nothing |
"""

import csv
import json
import random
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from parsers.events import Value
from parsers.hl7.mllp import frame
from streams.invented.community import (
    COMPLAINTS,
    DIAGNOSES,
    FAMILY,
    FEMALE,
    MALE,
    PLACES,
    STREETS,
    Community,
    sample_directory,
)
from streams.run.problems import Problem

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
PANEL_HEADER: Final = (
    "enrollee_id medicaid_id ssn last_name first_name middle_name suffix birth_date sex address city state zip county "
    "phone mother_enrollee_id mrns practice_id pcp_npi risk_tier programs consent effective_from effective_to"
).split()


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


class Simulation(NamedTuple):
    """Everything of one run. `messages` are in order of arrival, hospitals together."""

    panel: list[dict[str, str]]
    directory: Community
    messages: list[SentMessage]
    truth: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Hospital:
    name: str
    facility: str  # as PV1-3.4 names it
    sender: str  # MSH-4
    version: str
    end: str
    encoding: str
    offset: bool
    facility_place: str  # PV1-3.4, EVN-7 or MSH-4


@dataclass(frozen=True, slots=True)
class _Person:
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
class _Draft:
    """A message before the faults: when it was sent, what it says, and the truth rows that lean on it."""

    sent: datetime
    hospital: _Hospital
    segments: list[list[str]]
    stay: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    fixed: bool = False  # must not be overtaken
    control_id: str = ""
    arrives: datetime = START


@dataclass(slots=True)
class _Stay:
    """A stay as its hospital's registration sees it just now."""

    stay_id: str
    person: _Person  # whose record it runs under
    mrn: str
    hospital: _Hospital
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
    drafts: list[_Draft] = field(default_factory=list)


_CLASS: Final = {"E": "EMER", "I": "IMP", "O": "AMB", "OBS": "OBSENC", "P": "PRENC", "ZX": "UNK"}


class _Author:
    """Writes lives into messages and truth."""

    def __init__(self, patients: int, days: int, seed: int, faults: Faults, start: datetime) -> None:
        self.dice = random.Random(f"handoff/{seed}/{patients}/{days}")
        self.faults = faults
        self.start = start
        self.end = start + timedelta(days=days)
        self.drafts: list[_Draft] = []
        self.truth: list[dict[str, Any]] = []
        self.stays = 0
        self.hospitals = self._hospitals()
        self.people = self._people(patients)
        self.enrollees = [one for one in self.people if one.enrollee_id and one.to_day is None]

    def chance(self, rate: float) -> bool:
        return self.dice.random() < rate

    def _hospitals(self) -> list[_Hospital]:
        made: list[_Hospital] = []
        for name, facility, sender in (
            ("mission", "MISSION", "MISSION"), ("carolinas", "CMC-MAIN", "CMCHS"), ("carolinas", "CMC-NORTH", "CMCHS"),
            ("dukereg", "DUKEREG", "DUHS"), ("capefear", "CAPEFEAR", "CAPEFEAR"), ("pittmem", "PITTMEM", "ECUH"),
            ("forsyth", "FORSYTH", "NOVANT"), ("alamance", "ALAMANCE", "ALAMANCE"),
        ):  # fmt: skip
            style = random.Random(self.dice.random())
            twin = next((one for one in made if one.name == name), None)
            made.append(
                replace(twin, facility=facility)
                if twin
                else _Hospital(
                    name=name,
                    facility=facility,
                    sender=sender,
                    version=style.choice(("2.3", "2.3.1", "2.4", "2.5.1")),
                    end=style.choice(("\n", "\r\n")) if style.random() < self.faults.line_feed else "\r",
                    encoding="latin-1" if style.random() < self.faults.charset else "utf-8",
                    offset=style.random() >= self.faults.no_offset,
                    facility_place="PV1-3.4" if name == "carolinas" else style.choice(("PV1-3.4", "MSH-4", "EVN-7")),
                )
            )
        return made

    def _people(self, count: int) -> list[_Person]:
        dice, made = self.dice, list[_Person]()
        ssns = dice.sample(range(1_000_000, 89_999_999), count)
        while len(made) < count:
            number = len(made)
            sex = dice.choice("FM")
            enrolled = dice.random() < 0.6
            person = _Person(
                number=number,
                given=dice.choice(FEMALE if sex == "F" else MALE),
                family=dice.choice(ACCENTED) if dice.random() < 0.03 else dice.choice(SURNAMES),
                suffix="",
                birth_date=date(1936, 1, 2) + timedelta(days=dice.randrange(365 * 88)),
                sex=sex,
                street=f"{dice.randrange(1, 9999)} {dice.choice(STREETS)} St",
                place=dice.randrange(len(PLACES)),
                phone=f"919{dice.randrange(2_000_000, 9_999_999)}",
                ssn=f"{100_000_000 + ssns[number]:09d}",
                medicaid_id=f"9{number:08d}{'KLMNPQRST'[number % 9]}",
                enrollee_id=f"E{number:07d}" if enrolled else "",
                from_day=date(2020, 1, 1) if enrolled else None,
                to_day=self.start.date() - timedelta(days=dice.randrange(1, 300)) if dice.random() < 0.03 else None,
            )
            made.append(person)
            kin = dice.random()
            if kin < 0.01 and len(made) < count:  # a twin, who may be on the panel or not
                made.append(self._relative(person, len(made), ssns, self._other_name(person), person.birth_date, ""))
            elif kin < 0.02 and len(made) < count and sex == "M":  # a son of the same name
                born = person.birth_date + timedelta(days=365 * 25)
                if born.year < 2024:
                    made[-1] = replace(person, suffix="Sr")
                    made.append(self._relative(person, len(made), ssns, person.given, born, "Jr"))
        return made

    def _other_name(self, person: _Person) -> str:
        names = FEMALE if person.sex == "F" else MALE
        return self.dice.choice([name for name in names if name[0] != person.given[0]])

    def _relative(self, one: _Person, number: int, ssns: Sequence[int], given: str, born: date, suffix: str) -> _Person:
        enrolled = self.dice.random() < 0.5
        return replace(
            one,
            number=number,
            given=given,
            suffix=suffix,
            birth_date=born,
            ssn=f"{100_000_000 + ssns[number]:09d}",
            medicaid_id=f"9{number:08d}{'KLMNPQRST'[number % 9]}",
            enrollee_id=f"E{number:07d}" if enrolled else "",
            from_day=date(2020, 1, 1) if enrolled else None,
            to_day=None,
        )

    # lives

    def live(self) -> None:
        dice = self.dice
        for person in self.people:
            pace = timedelta(days=dice.choice((40, 150, 150, 400)))
            at = self.start + dice.expovariate(1) * pace
            while at < self.end:
                home = (person.place + person.number % 2) % len(self.hospitals)
                hospital = self.hospitals[home] if dice.random() < 0.8 else dice.choice(self.hospitals)
                at = self._visit(person, hospital, at) + timedelta(days=2) + dice.expovariate(1) * pace
        each = self.faults.noise * len(self.drafts) / max(1, len(self.people))
        for person in self.people:
            self._noise(person, int(each) + (dice.random() < each % 1))

    def _visit(self, person: _Person, hospital: _Hospital, at: datetime) -> datetime:
        dice = self.dice
        if self.chance(self.faults.wrong_patient):
            return self._wrong_patient(person, hospital, at)
        kind = dice.choices(
            ("ed", "ed_inpatient", "ed_observation", "direct", "planned", "transfer", "outpatient"),
            (56, 14, 7, 8, 4, 3, 8),
        )[0]
        code = {"direct": "I", "planned": "P", "outpatient": "O", "transfer": "I"}.get(kind, "E")
        stay = self._open(person, hospital, at, code)
        if self.chance(self.faults.cancelled) and kind in ("ed", "direct", "planned"):
            return self._cancelled(stay, kind, at)
        merged = kind != "planned" and self.chance(self.faults.merges)
        if merged:
            stay.mrn = f"D{stay.mrn}"
            stay.faults.add("merges")
        match kind:
            case "ed":
                self._arrive(stay, at)
                at += self._hours(1, 9)
            case "ed_inpatient":
                self._arrive(stay, at)
                at = self._admit(stay, at + self._hours(1, 8), dice.choice(("A01", "A06")), "I")
            case "ed_observation":
                self._arrive(stay, at)
                at = self._admit(stay, at + self._hours(1, 8), "A01", "OBS")
                if dice.random() < 0.25:
                    at = self._admit(stay, at, "A06", "I")
            case "direct" | "transfer":
                at = self._admit(stay, at, "A01", "I")
            case "planned":
                stay.expected = at + timedelta(days=dice.randrange(1, 10))
                self._send(stay, dice.choice(("A05", "A14")), at)
                stay.begun = at = stay.expected + self._hours(0, 3)
                at = self._admit(stay, at, "A01", "I")
            case _:
                self._send(stay, "A04", at)
                self._send(stay, "A03", at + self._hours(1, 4), ended=True)
                self._close(stay)
                return at
        if merged:
            at = self._merge(stay, at + self._hours(0, 1))
        if self.chance(self.faults.update_storms):
            stay.faults.add("update_storms")
            for _ in range(100):
                at += timedelta(seconds=dice.randrange(2, 50))
                self._send(stay, "A08", at)
        if kind == "transfer":
            return self._transfer(stay, at)
        return self._leave(stay, at)

    def _open(self, person: _Person, hospital: _Hospital, at: datetime, code: str) -> _Stay:
        self.stays += 1
        faults = set()
        number = f"V{self.stays:08d}"
        if self.chance(self.faults.no_visit_number):
            number = ""
            faults.add("no_visit_number")
        admit_time = not self.chance(self.faults.no_admit_time)
        if not admit_time:
            faults.add("no_admit_time")
        return _Stay(
            stay_id=f"S{self.stays:07d}",
            person=person,
            mrn=f"{person.number:08d}",
            hospital=hospital,
            code=code,
            number=number,
            account="" if self.chance(self.faults.no_account) else f"A{self.stays:08d}",
            admit_time=admit_time,
            complaint=self.dice.choice(COMPLAINTS),
            begun=at,
            unit="ED" if code == "E" else self.dice.choice(("4W", "5E", "ICU")),
            faults=faults,
        )

    def _arrive(self, stay: _Stay, at: datetime) -> None:
        self._send(stay, "A04", at, change="ed_visit")
        self._updates(stay, at, 1)

    def _admit(self, stay: _Stay, at: datetime, trigger: str, code: str) -> datetime:
        """Admission or observation, and the days until the end."""
        dice = self.dice
        stay.code = code
        stay.patient_type = "OBS" if code == "OBS" else "INPT"
        stay.unit = dice.choice(("4W", "5E", "ICU", "CDU"))
        if code == "I" and trigger == "A01" and self.chance(self.faults.wrong_class):
            stay.code = "ZX"
            stay.faults.add("wrong_class")
        self._send(stay, trigger, at, change="observation" if code == "OBS" else "admission")
        last = at + timedelta(hours=dice.randrange(8, 40) if code == "OBS" else dice.randrange(20, 150))
        steps = sorted(at + (last - at) * dice.uniform(0.1, 0.9) for _ in range(dice.randrange(0, 4)))
        for step in steps:
            match dice.choices(("update", "move", "leave", "expected"), (6, 3, 0.3, 1))[0]:
                case "move":
                    stay.before, stay.unit = stay.unit, dice.choice(("4W", "5E", "ICU", "6S"))
                    self._send(stay, "A02", step)
                    if dice.random() < 0.03:
                        stay.before, stay.unit = "", stay.before
                        self._send(stay, "A12", step + self._hours(0, 1))
                case "leave":
                    self._send(stay, "A21", step, fixed=True)
                    self._send(stay, "A22", step + (last - step) * 0.05, fixed=True)
                case "expected":
                    stay.expected = last
                    self._send(stay, "A16", step, may=True)
                case _:
                    self._send(stay, "A08", step)
        return last

    def _updates(self, stay: _Stay, at: datetime, most: int) -> None:
        for _ in range(self.dice.randrange(most + 1)):
            self._send(stay, "A08", at + self._hours(0, 1))

    def _leave(self, stay: _Stay, at: datetime) -> datetime:
        """Discharge, perhaps taken back and made again; the diagnosis with it or days later."""
        dice = self.dice
        inpatient = stay.code in ("I", "ZX")
        if inpatient and dice.random() < 0.03:
            stay.disposition, stay.died = "20", True
        elif dice.random() < 0.02:
            stay.disposition = "07"
        else:
            stay.disposition = dice.choice(("01", "01", "01", "06", "03")) if inpatient else "01"
        late = self.chance(self.faults.late_diagnosis)
        if not late:
            stay.diagnosis = dice.choice(DIAGNOSES)
        what = "death" if stay.died else "discharge"
        if not stay.died and self.chance(self.faults.cancelled_discharge):
            stay.faults.add("cancelled_discharge")
            self._send(stay, "A03", at, change=what, ended=True, fixed=True)
            at += self._hours(1, 5)
            disposition, stay.disposition, stay.ended, stay.status = stay.disposition, "", None, "in-progress"
            self._send(stay, "A13", at, retraction="cancelled_discharge", fixed=True)
            at += self._hours(2, 40)
            stay.disposition = disposition
        self._send(stay, "A03", at, change=what, ended=True)
        if late:
            stay.faults.add("late_diagnosis")
            stay.diagnosis = dice.choice(DIAGNOSES)
            self._send(stay, "A08", at + timedelta(days=dice.uniform(1, 6)), change="diagnosis")
        self._close(stay)
        return at

    def _transfer(self, stay: _Stay, at: datetime) -> datetime:
        """To another facility: of the same system by A02, elsewhere by discharge and admission."""
        if stay.hospital.name == "carolinas":
            other = next(
                one for one in self.hospitals if one.name == "carolinas" and one.facility != stay.hospital.facility
            )
            stay.before = f"{stay.unit}^^^{stay.hospital.facility}"
            stay.hospital = other
            self._send(stay, "A02", at, change="transfer")
            stay.before = ""
            return self._leave(stay, at + self._hours(20, 90))
        stay.disposition = "02"
        self._send(stay, "A03", at, change="discharge", ended=True)
        self._close(stay)
        other = self.dice.choice([one for one in self.hospitals if one.name != stay.hospital.name])
        at += self._hours(1, 4)
        following = self._open(stay.person, other, at, "I")
        return self._leave(following, self._admit(following, at, "A01", "I"))

    def _cancelled(self, stay: _Stay, kind: str, at: datetime) -> datetime:
        stay.faults.add("cancelled")
        if kind == "planned":
            stay.expected = at + timedelta(days=5)
            trigger = self.dice.choice(("A05", "A14"))
            self._send(stay, trigger, at, fixed=True)
            self._send(stay, "A38" if trigger == "A05" else "A27", at + self._hours(2, 40), fixed=True)
        else:
            if kind == "ed":
                self._send(stay, "A04", at, change="ed_visit", fixed=True)
            else:
                self._send(stay, "A01", at, change="admission", fixed=True)
            deleted = self.dice.random() < 0.15
            trigger, why = ("A23", "deleted") if deleted else ("A11", "cancelled_admission")
            self._send(stay, trigger, at + self._hours(0, 2), retraction=why, fixed=True)
        stay.status = "cancelled"
        self._close(stay)
        return at

    def _merge(self, stay: _Stay, at: datetime) -> datetime:
        """The second record gives way to the first."""
        gone, stay.mrn = stay.mrn, stay.mrn.removeprefix("D")
        trigger = self.dice.choice(("A40", "A40", "A34"))
        self._send(stay, trigger, at, prior=gone, may=True, fixed=True)
        return at + self._hours(1, 3)

    def _wrong_patient(self, person: _Person, hospital: _Hospital, at: datetime) -> datetime:
        """Registered under somebody else's record; the account or visit moves to the right one later."""
        other = self.dice.choice(self.enrollees)
        if other.number == person.number:
            return at
        stay = self._open(other, hospital, at, "E")
        stay.faults.add("wrong_patient")
        stay.account = stay.account or f"A{self.stays:08d}"
        stay.number = stay.number or f"V{self.stays:08d}"
        stay.faults.discard("no_visit_number")
        self._send(stay, "A04", at, change="ed_visit", fixed=True)
        at += self._hours(0, 2)
        gone = stay.mrn
        stay.person, stay.mrn = person, f"{person.number:08d}"
        trigger = self.dice.choice(("A44", "A45"))
        draft = self._send(stay, trigger, at, prior=gone, change="ed_visit", fixed=True)
        if enrollee := other.enrolled(at):
            self._row(draft, row="retraction", stay=stay.stay_id, enrollee=enrollee, why="moved", at=at)
        return self._leave(stay, at + self._hours(1, 6))

    def _close(self, stay: _Stay) -> None:
        for draft in stay.drafts[:-1]:
            if not draft.fixed and self.chance(self.faults.reordered):
                self._overtake(stay, draft)
        for draft in stay.drafts:
            for row in draft.rows:
                row["faults"] = sorted(stay.faults)
        self.truth.append(
            {
                "row": "stay",
                "stay": stay.stay_id,
                "hospital": stay.hospital.name,
                "enrollee": stay.person.enrolled(stay.begun),
                "class": _CLASS[stay.code],
                "status": "finished" if stay.ended else stay.status,
                "messages": [draft.control_id for draft in stay.drafts],
                "faults": sorted(stay.faults),
            }
        )

    def _overtake(self, stay: _Stay, draft: _Draft) -> None:
        """The next message of the stay arrives first, and may tell what this one says."""
        following = stay.drafts[stay.drafts.index(draft) + 1]
        if following.fixed or following.arrives != following.sent or draft.hospital != following.hospital:
            return
        stay.faults.add("reordered")
        draft.arrives = following.sent + timedelta(seconds=self.dice.randrange(1, 90))
        for row in draft.rows:
            row["by"].append(following.control_id)
        if any(row["row"] == "change" and row["what"] == "diagnosis" for row in following.rows):
            for row in following.rows:
                row["by"].append(draft.control_id)

    def _row(self, draft: _Draft, **row: Any) -> None:
        at: datetime = row["at"]
        made = {**row, "at": at.astimezone(UTC).isoformat(), "by": [draft.control_id], "faults": []}
        draft.rows.append(made)
        self.truth.append(made)

    def _send(
        self,
        stay: _Stay,
        trigger: str,
        at: datetime,
        *,
        change: str = "",
        retraction: str = "",
        may: bool = False,
        ended: bool = False,
        prior: str = "",
        fixed: bool = False,
    ) -> _Draft:
        """One message of the stay at `at`, and the truth that leans on it."""
        if ended:
            stay.ended, stay.status = at, "finished"
        segments = self._segments(stay, trigger, at, prior)
        draft = self._post(stay.hospital, at, segments, stay.stay_id, fixed=fixed)
        stay.drafts.append(draft)
        enrollee = stay.person.enrolled(stay.begun)
        if enrollee:
            common = {"stay": stay.stay_id, "enrollee": enrollee, "at": at}
            if change:
                self._row(draft, row="change", what=change, **common)
            if retraction:
                self._row(draft, row="retraction", why=retraction, **common)
            if may:
                self._row(draft, row="may", **common)
        return draft

    def _post(
        self, hospital: _Hospital, at: datetime, segments: list[list[str]], stay: str, fixed: bool = False
    ) -> _Draft:
        sent = at + timedelta(seconds=self.dice.randrange(1, 40))
        draft = _Draft(sent, hospital, segments, stay, fixed=fixed, arrives=sent)
        draft.control_id = f"{hospital.name[:4].upper()}{len(self.drafts):09d}"
        self.drafts.append(draft)
        return draft

    def _noise(self, person: _Person, count: int) -> None:
        """What nobody needs to hear of: people's data changing, clinics, allergies."""
        dice = self.dice
        row: dict[str, Any] = {"row": "noise", "enrollee": person.enrollee_id, "by": []}
        if count and person.enrollee_id:
            self.truth.append(row)
        for _ in range(count):
            at = self.start + (self.end - self.start) * dice.random()
            hospital = dice.choice(self.hospitals)
            trigger = dice.choices(("A31", "A28", "A04", "A60", "A08"), (60, 2, 24, 2, 12))[0]
            pid = self._pid(person, f"{person.number:08d}", hospital, "")
            segments = [self._evn(trigger, at, hospital), pid]
            if trigger in ("A04", "A08"):
                segments.append(
                    _segment("PV1", {2: "O", 3: f"CLINIC^^^{self._place(hospital)}", 19: f"C{len(self.drafts):08d}"})
                )
            row["by"].append(self._post(hospital, at, segments, "").control_id)

    # segments

    def _hours(self, least: float, most: float) -> timedelta:
        return timedelta(hours=self.dice.uniform(least, most), minutes=1)

    def _time(self, at: datetime, hospital: _Hospital) -> str:
        local = at.astimezone(LOCAL)
        return local.strftime("%Y%m%d%H%M%S%z" if hospital.offset else "%Y%m%d%H%M%S")

    def _place(self, hospital: _Hospital) -> str:
        return hospital.facility if hospital.facility_place == "PV1-3.4" else ""

    def _evn(self, trigger: str, at: datetime, hospital: _Hospital) -> list[str]:
        seventh = hospital.facility if hospital.facility_place == "EVN-7" else ""
        return _segment("EVN", {1: trigger, 2: self._time(at, hospital), 7: seventh})

    def _pid(self, one: _Person, mrn: str, hospital: _Hospital, account: str, died: bool = False) -> list[str]:
        city, county, zip_code = PLACES[one.place]
        by_medicaid = one.enrollee_id and one.number % 10 < 6
        numbers = f"{mrn}^^^{hospital.sender}^MR" + (f"~{one.medicaid_id}^^^NCMEDICAID^MA" if by_medicaid else "")
        return _segment(
            "PID",
            {
                1: "1",
                3: numbers,
                5: f"{one.family}^{one.given}^^{one.suffix}".rstrip("^"),
                7: f"{one.birth_date:%Y%m%d}",
                8: one.sex,
                11: f"{one.street}^^{city}^NC^{zip_code}",
                12: county,
                13: one.phone,
                18: f"{account}^^^{hospital.sender}^AN" if account else "",
                19: "" if by_medicaid and one.number % 3 else one.ssn,
                30: "Y" if died else "",
            },
        )

    def _segments(self, stay: _Stay, trigger: str, at: datetime, prior: str) -> list[list[str]]:
        hospital = stay.hospital
        number = stay.number
        if number and not prior and self.chance(self.faults.dropped_visit_number):
            number = ""
            stay.faults.add("dropped_visit_number")
        visit = f"{number}^^^{hospital.sender}^VN" if number else ""
        segments = [
            self._evn(trigger, at, hospital),
            self._pid(stay.person, stay.mrn, hospital, stay.account, stay.died),
        ]
        if prior:
            account = f"{stay.account}^^^{hospital.sender}^AN" if trigger == "A44" else ""
            segments.append(
                _segment(
                    "MRG", {1: f"{prior}^^^{hospital.sender}^MR", 3: account, 5: visit if trigger == "A45" else ""}
                )
            )
        if trigger in ("A40", "A44"):
            return segments
        segments.append(
            _segment(
                "PV1",
                {
                    1: "1",
                    2: "O" if stay.code == "OBS" else stay.code,
                    3: f"{stay.unit}^{at.minute % 20 + 1}^A^{self._place(hospital)}".rstrip("^"),
                    6: stay.before,
                    7: "1234^Adams^Ansel^^^^MD",
                    18: stay.patient_type,
                    19: visit,
                    36: stay.disposition if stay.ended else "",
                    44: self._time(stay.begun, hospital) if stay.admit_time and stay.code != "P" else "",
                    45: self._time(stay.ended, hospital) if stay.ended else "",
                },
            )
        )
        expected = self._time(stay.expected, hospital) if stay.expected else ""
        segments.append(
            _segment("PV2", {3: f"^{stay.complaint}", 8: expected if stay.code == "P" else "",
                             9: expected if stay.code != "P" and not stay.ended else ""})
        )  # fmt: skip
        if stay.diagnosis:
            code, text = stay.diagnosis
            segments.append(_segment("DG1", {1: "1", 3: f"{code}^{text}^I10", 6: "F"}))
        return segments

    # what the feeds do to the messages

    def post(self) -> list[SentMessage]:
        """All messages as they arrive, copies among them."""
        faults, dice = self.faults, self.dice
        out: list[tuple[datetime, int, SentMessage]] = []
        repeats: list[str] = []
        days: dict[tuple[str, date], list[_Draft]] = defaultdict(list)

        def add(at: datetime, draft: _Draft, control_id: str, sent: datetime) -> None:
            message = SentMessage(at, draft.hospital.name, control_id, _bytes(draft, control_id, sent))
            out.append((at, len(out), message))

        for draft in sorted(self.drafts, key=lambda one: one.arrives):
            add(draft.arrives, draft, draft.control_id, draft.sent)
            days[draft.hospital.name, draft.arrives.astimezone(LOCAL).date()].append(draft)
            if self.chance(faults.duplicates):
                add(draft.arrives + timedelta(seconds=1), draft, draft.control_id, draft.sent)
            if self.chance(faults.resends):
                repeats.append(f"{draft.control_id}R")
                at = draft.arrives + timedelta(hours=dice.uniform(1, 60))
                add(at, draft, repeats[-1], at)
        for (_name, day), drafts in sorted(days.items()):
            if self.chance(faults.resent_days):
                at = datetime(day.year, day.month, day.day, 5, tzinfo=LOCAL) + timedelta(days=1)
                for draft in drafts:
                    at += timedelta(milliseconds=500)
                    repeats.append(f"{draft.control_id}D")
                    add(at, draft, repeats[-1], at)
        self.truth.append({"row": "repeat", "by": repeats})
        out.sort(key=lambda one: one[:2])
        return [message for _, _, message in out]

    def panel(self) -> list[dict[str, str]]:
        rows = []
        for one in self.people:
            if not one.enrollee_id:
                continue
            city, county, zip_code = PLACES[one.place]
            values = dict.fromkeys(PANEL_HEADER, "")
            values |= {
                "enrollee_id": one.enrollee_id,
                "medicaid_id": one.medicaid_id,
                "ssn": one.ssn,
                "last_name": one.family,
                "first_name": one.given,
                "suffix": one.suffix,
                "birth_date": one.birth_date.isoformat(),
                "sex": one.sex,
                "address": one.street,
                "city": city,
                "state": "NC",
                "zip": zip_code,
                "county": county,
                "phone": one.phone,
                "practice_id": f"P{one.place + 1:02}{one.number % 12:02}",
                "risk_tier": ("high", "rising", "low", "low")[one.number % 4],
                "consent": "none",
                "effective_from": one.from_day.isoformat() if one.from_day else "",
                "effective_to": one.to_day.isoformat() if one.to_day else "",
            }
            rows.append(values)
        return rows


def _segment(name: str, fields: dict[int, str]) -> list[str]:
    last = max((number for number, value in fields.items() if value), default=0)
    return [name, *(fields.get(number, "") for number in range(1, last + 1))]


def _bytes(draft: _Draft, control_id: str, sent: datetime) -> bytes:
    hospital = draft.hospital
    trigger = draft.segments[0][1]
    stamp = sent.astimezone(LOCAL).strftime("%Y%m%d%H%M%S%z" if hospital.offset else "%Y%m%d%H%M%S")
    header = ["MSH", "^~\\&", "ADT", hospital.sender, "HANDOFF", "NC", stamp, "", f"ADT^{trigger}", control_id, "P",
              hospital.version]  # fmt: skip
    if hospital.encoding == "utf-8":
        header += ["", "", "", "", "", "UNICODE UTF-8"]
    lines = ["|".join(segment) for segment in (header, *draft.segments)]
    return (hospital.end.join(lines) + hospital.end).encode(hospital.encoding, "replace")


def simulate(patients: int, days: int, seed: int, faults: Faults | None = None, start: datetime = START) -> Simulation:
    """The same lives, messages and truth for the same arguments, on every machine. `start` is an aware time."""
    author = _Author(patients, days, seed, faults or Faults(), start)
    author.live()
    messages = author.post()
    return Simulation(author.panel(), sample_directory(seed), messages, author.truth)


def load_faults(path: Path) -> Faults:
    """The rates of a TOML file; what it leaves out stays at its default. Raises `Problem` naming every fault."""
    try:
        return Faults.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise Problem(f"{path.name} is not valid TOML: check quotes and brackets") from None
    except ValidationError as error:
        known = ", ".join(Faults.model_fields)
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
        )
        raise Problem(f"{path.name}: {wrong} (known: {known})") from None


def write(simulation: Simulation, out: Path) -> None:
    """`<hospital>.hl7` (MLLP frames as they arrive), `panel.csv`, `directory/*.csv` and `truth.jsonl` into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    by_hospital: dict[str, list[bytes]] = defaultdict(list)
    for message in simulation.messages:
        by_hospital[message.hospital].append(frame(message.data))
    for name, frames in by_hospital.items():
        (out / f"{name}.hl7").write_bytes(b"".join(frames))
    _write_csv(out / "panel.csv", PANEL_HEADER, simulation.panel)
    with (out / "truth.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in simulation.truth)
    (out / "directory").mkdir(exist_ok=True)
    for kind, values in _directory_rows(simulation.directory):
        if values:
            _write_csv(out / "directory" / f"{kind}.csv", list(values[0]), values)


def _directory_rows(community: Community) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for kind, values in zip(community._fields, community, strict=True):
        yield (
            kind,
            [
                {name: ";".join(one) if isinstance(one, tuple) else str(one or "") for name, one in value}
                for value in values
            ],
        )


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def run_simulate(patients: int, days: int, seed: int, out: Path, faults: Path | None = None) -> dict[str, Any]:
    """`handoff simulate`: writes the files and gives `{"messages", "patients", "enrollees", "stays", "changes",
    "retractions", "hospitals", "folder"}`. Raises `Problem` for faults that cannot be used."""
    made = simulate(patients, days, seed, load_faults(faults) if faults else None)
    write(made, out)
    rows = [row["row"] for row in made.truth]
    return {
        "messages": len(made.messages),
        "patients": patients,
        "enrollees": len(made.panel),
        "stays": rows.count("stay"),
        "changes": rows.count("change"),
        "retractions": rows.count("retraction"),
        "hospitals": len({message.hospital for message in made.messages}),
        "folder": str(out),
    }
