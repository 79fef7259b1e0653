"""A part of a large panel answers for the patients it was made for as the whole panel does."""

import random
from collections import Counter
from datetime import date

import pytest

from parsers.events import Address, Identifier, Patient, PersonName
from rules.decisions import Grade
from rules.matching.excerpt import LARGE_FROM, Excerpt
from rules.matching.index import PanelIndex
from rules.matching.person import PanelRecord, read_patient

DAY = date(2026, 11, 20)
LASTS = [*(f"{a}{b}son" for a in "Br Cl Dav Ed Fran Gar Hen Jam".split() for b in "ack el in or ut".split()), "Smith"]
LASTS += ["Garcia-Lopez", "De la Cruz", "O'Neill", "Núñez", "Smith Jr"]
FIRSTS = ["Robert", "Bob", "Maria", "María Elena", "Jean-Luc", "Anne", "Ann", "Jo", "James", "Katherine", "Kate", "Luz"]


def records(dice: random.Random) -> list[PanelRecord]:
    made = []
    for number in range(LARGE_FROM + 500):
        last, first = dice.choice([*LASTS, "Smith", "Smith"]), dice.choice(FIRSTS)
        made.append(
            PanelRecord(
                enrollee_id=f"E{number}",
                medicaid_id=f"{900_000_000 + number}K" if dice.random() < 0.7 else "",
                ssn=f"{dice.randrange(100, 400)}{dice.randrange(10, 30)}{dice.randrange(1, 9999):04d}",
                last=last,
                first=first,
                middle=dice.choice(["", "A", "Rose"]),
                birth_date=date(1940 + dice.randrange(60), dice.randrange(1, 13), dice.randrange(1, 28)).isoformat(),
                sex=dice.choice(["", "F", "M"]),
                street=f"{dice.randrange(1, 2000)} {dice.choice(['Oak Street', 'N Main St', 'Elm Ave'])}",
                city="Asheville",
                zip=f"28{dice.randrange(800, 900)}",
                phone=f"828{dice.randrange(2_000_000, 9_999_999)}",
                mrns=(("MISSION", f"00{number}"),) if dice.random() < 0.3 else (),
                former_names=((dice.choice(LASTS), ""),) if dice.random() < 0.05 else (),
                former_addresses=((f"{dice.randrange(1, 2000)} Pine St", "27601"),) if dice.random() < 0.05 else (),
                former_phones=(f"919{dice.randrange(2_000_000, 9_999_999)}",) if dice.random() < 0.05 else (),
                effective_to=dice.choice(["", "", "2026-01-01"]),
            )
        )
    return made


def patient(dice: random.Random, record: PanelRecord) -> Patient:
    """One that may be `record`: some fields of theirs, some of nobody's, some gone, some former."""
    last, first = dice.choice(
        [(record.last, record.first), (record.first, record.last), (dice.choice(LASTS), record.first)]
    )
    if record.former_names and dice.random() < 0.7:
        last = record.former_names[0][0]
    born = date.fromisoformat(record.birth_date)
    if born.day < 13 and dice.random() < 0.2:
        born = born.replace(month=born.day, day=born.month)
    street, code = dice.choice(
        [(record.street, record.zip), *record.former_addresses, ("9 Else Rd", record.zip), ("", "28999")]
    )
    numbers = [Identifier(system=system, value=value, type="MR") for system, value in record.mrns]
    if record.medicaid_id:
        numbers.append(Identifier(system="", value=record.medicaid_id, type=dice.choice(["MA", ""])))
    numbers.append(Identifier(system="MISSION", value=f"X{dice.randrange(40)}", type="MR"))
    return Patient(
        identifiers=tuple(number for number in numbers if dice.random() < 0.3),
        name=PersonName(family=last, given=dice.choice([first, first, dice.choice(FIRSTS)]), middle=record.middle),
        birth_date=dice.choice([born, born, None, date(1950, 5, 5)]),
        sex=record.sex,
        ssn=dice.choice(["", "", record.ssn, record.ssn[-4:]]),
        addresses=(Address(street=street, zip=code, city="Asheville"),),
        phones=dice.choice([(), (record.phone,), record.former_phones]),
    )


@pytest.fixture(scope="module")
def panel() -> list[PanelRecord]:
    return records(random.Random(41))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_part_answers_as_the_whole(panel: list[PanelRecord], seed: int) -> None:
    dice = random.Random(seed)
    crosswalk = [("MISSION", f"X{number}", dice.choice(panel).enrollee_id) for number in range(40)]
    patients = [patient(dice, dice.choice(panel)) for _ in range(40)]
    people = [read_patient(person, "MISSION") for person in patients]
    whole = PanelIndex.build(panel, crosswalk)
    part = Excerpt.about(people, iter(panel), iter(crosswalk))
    asked = [(whole.match(person, "MISSION", DAY), part.match(person, "MISSION", DAY)) for person in patients]
    assert [match for match, _ in asked] == [other for _, other in asked]
    assert {match.grade for match, _ in asked} == set(Grade), "the question is worth asking"
    assert len(part) == len(panel)
    assert any("large_block" in match.evidence for match, _ in asked)


def test_only_a_part_is_indexed(panel: list[PanelRecord]) -> None:
    record = panel[77]
    someone = Patient(name=PersonName(family="Zzyx", given="Qorban"), birth_date=date.fromisoformat(record.birth_date))
    part = Excerpt.about([read_patient(someone, "MISSION")], panel, [])
    assert sum(segment.count for segment in part._state.segments) < 50


def test_how_common_a_name_is_counts_every_spelling(panel: list[PanelRecord]) -> None:
    accented = [record._replace(last="NUÑEZ") for record in panel[:5000]]
    rest = [record._replace(last="Zhou") for record in panel[5000:]]
    wanted = patient(random.Random(5), accented[0])
    part = Excerpt.about([read_patient(wanted, "MISSION")], accented + rest, [])
    whole = PanelIndex.build(accented + rest)
    keys = Counter(["NUNEZ", "ZHOU", "SMITH"])
    assert [part._state.weigh_last(key) for key in keys] == [whole._state.weigh_last(key) for key in keys]


ROSA = PanelRecord(
    "E1", medicaid_id="901234567K", ssn="219551234", last="Whitfield", first="Rosa", birth_date="1955-03-04",
    street="12 Oak Street", zip="28801", phone="8285550147", mrns=(("MISSION", "0077"),),
    former_names=(("Ortiz", ""),), former_addresses=(("9 Pine St", "27601"),), former_phones=("9195550147",),
)  # fmt: skip
OTHER = PersonName(family="Xu", given="Qiu")
ALONE = {
    "street": (Patient(name=OTHER, addresses=(Address(street="12 oak st"),)), True),
    "former street": (Patient(name=OTHER, addresses=(Address(street="9 Pine St"),)), True),
    "phone": (Patient(name=OTHER, phones=("(828) 555-0147",)), True),
    "former phone": (Patient(name=OTHER, phones=("9195550147",)), True),
    "SSN": (Patient(name=OTHER, ssn="219-55-1234"), True),
    "Medicaid id": (Patient(name=OTHER, identifiers=(Identifier(system="", value="901234567K"),)), True),
    "MRN": (Patient(name=OTHER, identifiers=(Identifier(system="MISSION", value="77"),)), True),
    "former name and first name": (Patient(name=PersonName(family="ORTIZ", given="Rosa")), True),
    "names swapped": (Patient(name=PersonName(family="Rosa", given="Whitfield")), True),
    "ZIP and last name": (Patient(name=PersonName(family="Whitfield"), addresses=(Address(zip="28801"),)), True),
    "birth date and initials": (
        Patient(name=PersonName(family="Wu", given="Ria"), birth_date=date(1955, 3, 4)), True),
    "month and day swapped": (
        Patient(name=PersonName(family="Whitfield", given="Ann"), birth_date=date(1955, 4, 3)), True),
    "birth date and last four": (Patient(name=OTHER, ssn="1234", birth_date=date(1955, 3, 4)), True),
    "birth date only": (Patient(name=OTHER, birth_date=date(1955, 3, 4)), False),
    "ZIP only": (Patient(name=OTHER, addresses=(Address(zip="28801"),)), False),
    "last name only": (Patient(name=PersonName(family="Whitfield", given="Qiu")), False),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_one_block_in_common_is_enough(name: str) -> None:
    patient_, there = ALONE[name]
    stranger = ROSA._replace(enrollee_id="E2", last="Zed", first="Yves", ssn="", medicaid_id="", mrns=(), street="",
                             zip="", phone="", birth_date="1901-02-03", former_names=(), former_addresses=(),
                             former_phones=())  # fmt: skip
    part = Excerpt.about([read_patient(patient_, "MISSION")], [ROSA, stranger], [])
    enrollee_ids = [segment.enrollee_id(row) for segment in part._state.segments for row in range(segment.count)]
    assert enrollee_ids == (["E1"] if there else [])
