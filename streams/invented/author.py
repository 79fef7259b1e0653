"""Invented lives in; what their hospitals send, and what should be told, out.

One file, because everything in it draws from one generator in one order: what a seed gives must not change.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from parsers.files.panel_columns import PANEL_HEADER
from streams.invented.community import (
    COMPLAINTS,
    DIAGNOSES,
    FEMALE,
    MALE,
    PLACES,
    STREETS,
)
from streams.invented.drafts import (
    ACCENTED,
    LOCAL,
    SURNAMES,
    Draft,
    Faults,
    Hospital,
    Person,
    SentMessage,
    Stay,
    bytes_of,
    segment_of,
)

_CLASS: Final = {"E": "EMER", "I": "IMP", "O": "AMB", "OBS": "OBSENC", "P": "PRENC", "ZX": "UNK"}


class Author:
    """Writes lives into messages and truth."""

    def __init__(self, patients: int, days: int, seed: int, faults: Faults, start: datetime) -> None:
        self.dice = random.Random(f"handoff/{seed}/{patients}/{days}")
        self.faults = faults
        self.start = start
        self.end = start + timedelta(days=days)
        self.drafts: list[Draft] = []
        self.truth: list[dict[str, Any]] = []
        self.stays = 0
        self.hospitals = self._hospitals()
        self.people = self._people(patients)
        self.enrollees = [person for person in self.people if person.enrollee_id and person.to_day is None]

    def chance(self, rate: float) -> bool:
        return self.dice.random() < rate

    def _hospitals(self) -> list[Hospital]:
        made: list[Hospital] = []
        for name, facility, sender in (
            ("mission", "MISSION", "MISSION"), ("carolinas", "CMC-MAIN", "CMCHS"), ("carolinas", "CMC-NORTH", "CMCHS"),
            ("dukereg", "DUKEREG", "DUHS"), ("capefear", "CAPEFEAR", "CAPEFEAR"), ("pittmem", "PITTMEM", "ECUH"),
            ("forsyth", "FORSYTH", "NOVANT"), ("alamance", "ALAMANCE", "ALAMANCE"),
        ):  # fmt: skip
            style = random.Random(self.dice.random())
            twin = next((hospital for hospital in made if hospital.name == name), None)
            made.append(
                replace(twin, facility=facility)
                if twin
                else Hospital(
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

    def _people(self, count: int) -> list[Person]:
        dice, made = self.dice, list[Person]()
        ssns = dice.sample(range(1_000_000, 89_999_999), count)
        while len(made) < count:
            number = len(made)
            sex = dice.choice("FM")
            enrolled = dice.random() < 0.6
            person = Person(
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

    def _other_name(self, person: Person) -> str:
        names = FEMALE if person.sex == "F" else MALE
        return self.dice.choice([name for name in names if name[0] != person.given[0]])

    def _relative(
        self, relative: Person, number: int, ssns: Sequence[int], given: str, born: date, suffix: str
    ) -> Person:
        enrolled = self.dice.random() < 0.5
        return replace(
            relative,
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

    def _visit(self, person: Person, hospital: Hospital, at: datetime) -> datetime:
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

    def _open(self, person: Person, hospital: Hospital, at: datetime, code: str) -> Stay:
        self.stays += 1
        faults = set()
        number = f"V{self.stays:08d}"
        if self.chance(self.faults.no_visit_number):
            number = ""
            faults.add("no_visit_number")
        admit_time = not self.chance(self.faults.no_admit_time)
        if not admit_time:
            faults.add("no_admit_time")
        return Stay(
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

    def _arrive(self, stay: Stay, at: datetime) -> None:
        self._send(stay, "A04", at, change="ed_visit")
        self._updates(stay, at, 1)

    def _admit(self, stay: Stay, at: datetime, trigger: str, code: str) -> datetime:
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

    def _updates(self, stay: Stay, at: datetime, most: int) -> None:
        for _ in range(self.dice.randrange(most + 1)):
            self._send(stay, "A08", at + self._hours(0, 1))

    def _leave(self, stay: Stay, at: datetime) -> datetime:
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

    def _transfer(self, stay: Stay, at: datetime) -> datetime:
        """To another facility: of the same system by A02, elsewhere by discharge and admission."""
        if stay.hospital.name == "carolinas":
            other = next(
                hospital
                for hospital in self.hospitals
                if hospital.name == "carolinas" and hospital.facility != stay.hospital.facility
            )
            stay.before = f"{stay.unit}^^^{stay.hospital.facility}"
            stay.hospital = other
            self._send(stay, "A02", at, change="transfer")
            stay.before = ""
            return self._leave(stay, at + self._hours(20, 90))
        stay.disposition = "02"
        self._send(stay, "A03", at, change="discharge", ended=True)
        self._close(stay)
        other = self.dice.choice([hospital for hospital in self.hospitals if hospital.name != stay.hospital.name])
        at += self._hours(1, 4)
        following = self._open(stay.person, other, at, "I")
        return self._leave(following, self._admit(following, at, "A01", "I"))

    def _cancelled(self, stay: Stay, kind: str, at: datetime) -> datetime:
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

    def _merge(self, stay: Stay, at: datetime) -> datetime:
        """The second record gives way to the first."""
        gone, stay.mrn = stay.mrn, stay.mrn.removeprefix("D")
        trigger = self.dice.choice(("A40", "A40", "A34"))
        self._send(stay, trigger, at, prior=gone, may=True, fixed=True)
        return at + self._hours(1, 3)

    def _wrong_patient(self, person: Person, hospital: Hospital, at: datetime) -> datetime:
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

    def _close(self, stay: Stay) -> None:
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

    def _overtake(self, stay: Stay, draft: Draft) -> None:
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

    def _row(self, draft: Draft, **row: Any) -> None:
        at: datetime = row["at"]
        made = {**row, "at": at.astimezone(UTC).isoformat(), "by": [draft.control_id], "faults": []}
        draft.rows.append(made)
        self.truth.append(made)

    def _send(
        self,
        stay: Stay,
        trigger: str,
        at: datetime,
        *,
        change: str = "",
        retraction: str = "",
        may: bool = False,
        ended: bool = False,
        prior: str = "",
        fixed: bool = False,
    ) -> Draft:
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
        self, hospital: Hospital, at: datetime, segments: list[list[str]], stay: str, fixed: bool = False
    ) -> Draft:
        sent = at + timedelta(seconds=self.dice.randrange(1, 40))
        draft = Draft(sent, hospital, segments, stay, fixed=fixed, arrives=sent)
        draft.control_id = f"{hospital.name[:4].upper()}{len(self.drafts):09d}"
        self.drafts.append(draft)
        return draft

    def _noise(self, person: Person, count: int) -> None:
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
                    segment_of("PV1", {2: "O", 3: f"CLINIC^^^{self._place(hospital)}", 19: f"C{len(self.drafts):08d}"})
                )
            row["by"].append(self._post(hospital, at, segments, "").control_id)

    # segments

    def _hours(self, least: float, most: float) -> timedelta:
        return timedelta(hours=self.dice.uniform(least, most), minutes=1)

    def _time(self, at: datetime, hospital: Hospital) -> str:
        local = at.astimezone(LOCAL)
        return local.strftime("%Y%m%d%H%M%S%z" if hospital.offset else "%Y%m%d%H%M%S")

    def _place(self, hospital: Hospital) -> str:
        return hospital.facility if hospital.facility_place == "PV1-3.4" else ""

    def _evn(self, trigger: str, at: datetime, hospital: Hospital) -> list[str]:
        seventh = hospital.facility if hospital.facility_place == "EVN-7" else ""
        return segment_of("EVN", {1: trigger, 2: self._time(at, hospital), 7: seventh})

    def _pid(self, person: Person, mrn: str, hospital: Hospital, account: str, died: bool = False) -> list[str]:
        city, county, zip_code = PLACES[person.place]
        by_medicaid = person.enrollee_id and person.number % 10 < 6
        numbers = f"{mrn}^^^{hospital.sender}^MR" + (f"~{person.medicaid_id}^^^NCMEDICAID^MA" if by_medicaid else "")
        return segment_of(
            "PID",
            {
                1: "1",
                3: numbers,
                5: f"{person.family}^{person.given}^^{person.suffix}".rstrip("^"),
                7: f"{person.birth_date:%Y%m%d}",
                8: person.sex,
                11: f"{person.street}^^{city}^NC^{zip_code}",
                12: county,
                13: person.phone,
                18: f"{account}^^^{hospital.sender}^AN" if account else "",
                19: "" if by_medicaid and person.number % 3 else person.ssn,
                30: "Y" if died else "",
            },
        )

    def _segments(self, stay: Stay, trigger: str, at: datetime, prior: str) -> list[list[str]]:
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
                segment_of(
                    "MRG", {1: f"{prior}^^^{hospital.sender}^MR", 3: account, 5: visit if trigger == "A45" else ""}
                )
            )
        if trigger in ("A40", "A44"):
            return segments
        segments.append(
            segment_of(
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
            segment_of("PV2", {3: f"^{stay.complaint}", 8: expected if stay.code == "P" else "",
                             9: expected if stay.code != "P" and not stay.ended else ""})
        )  # fmt: skip
        if stay.diagnosis:
            code, text = stay.diagnosis
            segments.append(segment_of("DG1", {1: "1", 3: f"{code}^{text}^I10", 6: "F"}))
        return segments

    # what the feeds do to the messages

    def post(self) -> list[SentMessage]:
        """All messages as they arrive, copies among them."""
        faults, dice = self.faults, self.dice
        out: list[tuple[datetime, int, SentMessage]] = []
        repeats: list[str] = []
        days: dict[tuple[str, date], list[Draft]] = defaultdict(list)

        def add(at: datetime, draft: Draft, control_id: str, sent: datetime) -> None:
            message = SentMessage(at, draft.hospital.name, control_id, bytes_of(draft, control_id, sent))
            out.append((at, len(out), message))

        for draft in sorted(self.drafts, key=lambda unsent: unsent.arrives):
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
        out.sort(key=lambda message: message[:2])
        return [message for _, _, message in out]

    def panel(self) -> list[dict[str, str]]:
        rows = []
        for person in self.people:
            if not person.enrollee_id:
                continue
            city, county, zip_code = PLACES[person.place]
            values = dict.fromkeys(PANEL_HEADER, "")
            values |= {
                "enrollee_id": person.enrollee_id,
                "medicaid_id": person.medicaid_id,
                "ssn": person.ssn,
                "last_name": person.family,
                "first_name": person.given,
                "suffix": person.suffix,
                "birth_date": person.birth_date.isoformat(),
                "sex": person.sex,
                "address": person.street,
                "city": city,
                "state": "NC",
                "zip": zip_code,
                "county": county,
                "phone": person.phone,
                "practice_id": f"P{person.place + 1:02}{person.number % 12:02}",
                "risk_tier": ("high", "rising", "low", "low")[person.number % 4],
                "consent": "none",
                "effective_from": person.from_day.isoformat() if person.from_day else "",
                "effective_to": person.to_day.isoformat() if person.to_day else "",
            }
            rows.append(values)
        return rows
