"""Hospitals that send ADT about invented people."""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from streams.invented.community import COMPLAINTS, DIAGNOSES, HOSPITALS, PLACES, Person, sample_person


@dataclass(slots=True)
class _Visit:
    person: Person
    hospital: str
    number: str
    started: datetime
    patient_class: str
    complaint: str
    ended: datetime | None = None


_REGULARS_SHARE: Final = 0.25
# The mix of one large system's weekday, in percent: A08 and A31 drown what matters.
MIX: Final[Mapping[str, float]] = {
    "A08": 48.0, "A31": 30.0, "A04": 17.0, "A01": 1.2, "A02": 0.8, "A03": 1.6, "A06": 0.5, "A11": 0.2, "A13": 0.2,
    "A28": 0.3, "A40": 0.2,
}  # fmt: skip


@dataclass
class Hospitals:
    """Endless ADT traffic of all hospitals together; `next(...)` gives one message and who sends it."""

    panel_size: int
    seed: int = 1
    on_panel_share: float = 0.2
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    regulars: Sequence[int] = ()  # numbers of people on the panel whom a quarter of the visits are about
    run: str = "0"  # told apart from other runs by visit numbers and control ids

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.seed}/{self.run}")
        self._count = 0
        self._open: deque[_Visit] = deque(maxlen=5000)
        self._ended: deque[_Visit] = deque(maxlen=500)

    def next(self, at: datetime | None = None) -> tuple[str, str, bytes]:
        """(hospital, control id, message) of the next message, as sent at `at` (default: now)."""
        at = at or datetime.now(UTC)
        self._count += 1
        trigger = self._dice.choices(tuple(self.mix), tuple(self.mix.values()))[0]
        visit, trigger = self._visit_for(trigger, at)
        control_id = f"{self.run}-{self._count:09d}"
        return visit.hospital, control_id, self._message(trigger, visit, control_id, at)

    def _visit_for(self, trigger: str, at: datetime) -> tuple[_Visit, str]:
        dice = self._dice
        if trigger in {"A03", "A02", "A06", "A11"} and self._open:
            visit = dice.choice(self._open)
            if trigger in {"A03", "A11"}:
                self._open.remove(visit)
                if trigger == "A03":
                    visit.ended = at
                    self._ended.append(visit)
            if trigger == "A06":
                visit.patient_class = "I"
            return visit, trigger
        if trigger == "A13" and self._ended:
            visit = self._ended.pop()
            visit.ended = None
            self._open.append(visit)
            return visit, trigger
        if trigger == "A08" and self._open and dice.random() < 0.7:
            return dice.choice(self._open), trigger
        if trigger in {"A03", "A02", "A06", "A11", "A13"}:
            trigger = "A01"
        return self._new_visit(trigger, at), trigger

    def _new_visit(self, trigger: str, at: datetime) -> _Visit:
        dice = self._dice
        on_panel = dice.random() < self.on_panel_share
        if self.regulars and dice.random() < _REGULARS_SHARE:
            person = sample_person(dice.choice(self.regulars), on_panel=True, seed=self.seed)
        else:
            number = dice.randrange(self.panel_size if on_panel else 5 * self.panel_size)
            person = sample_person(number, on_panel=on_panel, seed=self.seed)
        emergency = trigger == "A04" and dice.random() < 0.25
        visit = _Visit(
            person=person,
            hospital=dice.choice(HOSPITALS),
            number=f"V{self.run}{self._count:09d}",
            started=at,
            patient_class="I" if trigger == "A01" else "E" if emergency else "O",
            complaint=dice.choice(COMPLAINTS),
        )
        if trigger == "A01" or emergency:
            self._open.append(visit)
        return visit

    def _message(self, trigger: str, visit: _Visit, control_id: str, at: datetime) -> bytes:
        person, hospital = visit.person, visit.hospital
        city, _county, zip_code = PLACES[person.place]
        now = _stamp(at)
        identifiers = f"{person.mrn(hospital)}^^^{hospital}^MR"
        if person.number % 3:
            identifiers += f"~{person.medicaid_id}^^^NCMEDICAID^MA"
        segments = [
            f"MSH|^~\\&|EPIC|{hospital}|HANDOFF|NC|{now}||ADT^{trigger}|{control_id}|P|2.5.1|||AL|NE||UNICODE UTF-8",
            f"EVN|{trigger}|{now}",
            f"PID|1||{identifiers}||{person.family}^{person.given}^{person.middle}"
            f"||{person.birth_date:%Y%m%d}|{person.sex}|||"
            f"{person.street}^^{city}^NC^{zip_code}^USA||{person.phone}|||||A{visit.number}^^^{hospital}^AN",
        ]
        if trigger == "A40":
            segments.append(f"MRG|T{person.mrn(hospital)}^^^{hospital}^MR")
        elif trigger not in {"A28", "A31"}:
            ended = _stamp(visit.ended) if visit.ended else ""
            disposition = "01" if visit.ended else ""
            segments.append(
                f"PV1|1|{visit.patient_class}|{'ED' if visit.patient_class == 'E' else '4W'}^12^A^{hospital}||||"
                f"1234^Adams^Ansel^^^^MD|||MED|||||||||{visit.number}^^^{hospital}^VN"
                + "|" * 17 + f"{disposition}|||||||" + f"|{_stamp(visit.started)}|{ended}"
            )  # fmt: skip
            segments.append(f"PV2|||^{visit.complaint}")
            if trigger in {"A03", "A08"} and self._dice.random() < 0.4:
                code, text = self._dice.choice(DIAGNOSES)
                segments.append(f"DG1|1||{code}^{text}^I10|||F")
        return "\r".join(segments).encode() + b"\r"


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S+0000")
