import random
import threading
from datetime import date

import pytest

from parsers.events import Address, Identifier, Patient, PersonName, Prior
from rules.decisions import Grade
from rules.matching.grades import rank
from rules.matching.index import PanelIndex
from rules.matching.person import PanelRecord, read_patient, read_record
from tests.matching.test_compare import BLANKS, POOL

DAY = date(2026, 6, 1)
ROSA = PanelRecord(
    "E1", "900123456K", "245671234", "Whitfield", "Rosalind", "Marie", "", "1954-03-07", "F", "12 Oak St",
    "Asheville", "NC", "28801", "8285550142", "", (("NORTH", "12345"),),
)  # fmt: skip
BARE = ROSA._replace(medicaid_id="", ssn="", mrns=())
SON = PanelRecord(
    "E2", "900123457L", "501234567", "Whitfield", "James", "", "Jr", "1984-05-02", "M", "12 Oak St", "Asheville",
    "NC", "28801", "8285550142", "E1",
)  # fmt: skip


def matched(index: PanelIndex, record: PanelRecord):
    return index.match_person(read_record(record), DAY)


def crowd(count: int, seed: int = 1) -> list[PanelRecord]:
    rng = random.Random(seed)
    lasts, firsts = ("Adams", "Baker", "Clark", "Davis", "Evans"), ("Ann", "Bob", "Carol", "Dan", "Eve", "Frank")
    return [
        PanelRecord(
            f"C{number}",
            f"8{number:08d}T",
            f"{rng.randint(100, 599)}{rng.randint(10, 99)}{rng.randint(1000, 9999)}",
            rng.choice(lasts),
            rng.choice(firsts),
            birth_date=f"{rng.randint(1930, 2020)}-{rng.randint(1, 12):02d}-{rng.randint(10, 28)}",
            sex="F",
            street=f"{rng.randint(1, 99)} Elm Rd",
            city="Cary",
            zip=f"{rng.randint(27000, 27099)}",
            phone=f"919{rng.randint(2000000, 9999999)}",
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def index() -> PanelIndex:
    return PanelIndex.build([ROSA, SON, *crowd(300)])


@pytest.fixture(scope="module")
def large() -> PanelIndex:
    return PanelIndex.build([ROSA, SON, *crowd(20_000)])


def test_a_message_finds_its_enrollee_with_words(index):
    patient = Patient(
        identifiers=(Identifier(system="", value="12345", type="MR"),),
        name=PersonName(family="WHITFIELD", given="ROSALIND"),
        birth_date=date(1954, 3, 7),
        sex="F",
        addresses=(Address(street="12 Oak Street", zip="28801"),),
    )
    match = index.match(patient, "North", DAY)
    assert (match.grade, match.enrollee_id) == (Grade.CERTAIN, "E1")
    assert match.evidence["mrn"] == match.evidence["birth_date"] == "equal"
    elsewhere = index.match(patient, "South", DAY)
    assert "mrn" not in elsewhere.evidence  # without an authority it is the facility's own number


def test_a_number_of_somebody_else_is_named(index):
    theirs, own = Identifier(system="NORTH", value="0012345", type="MR"), Identifier(system="NORTH", value="5")
    patient = Patient(
        identifiers=(theirs, own),
        name=PersonName(family="WHITFIELD", given="JAMES", suffix="JR"),
        birth_date=date(1984, 5, 2),
        sex="M",
        ssn="501-23-4567",
    )
    match = index.match(patient, "North", DAY)
    assert (match.enrollee_id, match.others) == ("E2", (("NORTH", "12345"),))
    moved = PanelIndex.build([ROSA, SON, *crowd(300)], [("NORTH", "12345", "E2")])
    assert moved.match(patient, "North", DAY).others == ()


def test_nobody(index):
    match = matched(index, PanelRecord("", last="Ito", first="Ken", birth_date="1999-09-09"))
    assert match.model_dump() == {
        "grade": Grade.CERTAINLY_NOT, "enrollee_id": None, "runner_up": None, "weight": 0.0, "evidence": {},
        "others": (),
    }  # fmt: skip
    assert matched(PanelIndex.build([]), ROSA).grade is Grade.CERTAINLY_NOT


def test_crosswalk_is_learned_corrected_and_forgotten():
    index = PanelIndex.build([ROSA, SON], [("Mission", "0777", "E2")])
    asked = Patient(identifiers=(Identifier(system="MISSION", value="777"),))
    assert index.match(asked, "Mission", DAY).enrollee_id == "E2"
    index.apply([], [], [("Mission", "777", "E1")])
    assert index.match(asked, "Mission", DAY).enrollee_id == "E1"
    index.apply([], [], [("Mission", "777", None)])
    assert index.match(asked, "Mission", DAY).grade is Grade.CERTAINLY_NOT


def test_crosswalk_overrules_the_panel():
    index = PanelIndex.build([ROSA, SON], [("NORTH", "12345", "E2")])
    match = index.match(Patient(identifiers=(Identifier(system="NORTH", value="12345"),)), "x", DAY)
    assert (match.enrollee_id, match.runner_up) == ("E2", None)


def test_a_crosswalk_hit_still_has_to_be_plausible():
    index = PanelIndex.build([ROSA, SON], [("NORTH", "9", "E1")])
    reused = Patient(
        identifiers=(Identifier(system="NORTH", value="9"),),
        name=PersonName(family="Ito", given="Ken"),
        birth_date=date(1999, 9, 9),
    )
    newborn = reused.model_copy(
        update={"name": PersonName(family="Whitfield", given="Amy"), "birth_date": date(2026, 5, 31)}
    )
    assert index.match(reused, "NORTH", DAY).grade is Grade.CERTAINLY_NOT
    assert index.match(newborn, "NORTH", DAY).grade is Grade.POSSIBLE


def test_merge_prior(index):
    assert index.match_prior(Prior(), "North", DAY) is None
    by_number = index.match_prior(Prior(identifiers=(Identifier(system="NORTH", value="12345"),)), "x", DAY)
    assert by_number is not None
    assert by_number.enrollee_id == "E1"
    unknown = index.match_prior(Prior(name=PersonName(family="Whitfield", given="Rosalind")), "x", DAY)
    assert unknown is not None
    assert unknown.grade in (Grade.POSSIBLE, Grade.CERTAINLY_NOT)


def test_two_who_fit_alike_are_a_question():
    twice = PanelIndex.build([ROSA, ROSA._replace(enrollee_id="E9", ssn="", mrns=(), medicaid_id=""), *crowd(50)])
    match = matched(twice, BARE)
    assert match.grade is Grade.POSSIBLE
    assert {match.enrollee_id, match.runner_up} == {"E1", "E9"}
    assert "contested" in match.evidence
    assert matched(twice, ROSA).enrollee_id == "E1"
    assert matched(twice, ROSA).grade is Grade.CERTAIN


def test_someone_no_longer_enrolled_does_not_contest():
    old = ROSA._replace(enrollee_id="E9", ssn="", mrns=(), medicaid_id="", effective_to="2020-12-31")
    match = matched(PanelIndex.build([ROSA, old]), BARE)
    assert (match.grade, match.enrollee_id) == (Grade.CERTAIN, "E1")


def test_twins_both_on_the_panel_are_told_apart():
    twin = ROSA._replace(enrollee_id="E9", first="Margaret", middle="", medicaid_id="", ssn="", mrns=())
    index = PanelIndex.build([ROSA, twin])
    assert matched(index, BARE).enrollee_id == "E1"
    assert matched(index, twin).enrollee_id == "E9"
    assert matched(index, BARE).grade is matched(index, twin).grade is Grade.CERTAIN
    assert matched(index, BARE._replace(first="", middle="")).grade is Grade.POSSIBLE


def test_family_that_shares_an_ssn():
    index = PanelIndex.build([ROSA, SON._replace(ssn=ROSA.ssn)])
    match = matched(index, PanelRecord("", ssn=ROSA.ssn, last="Whitfield", first="Amy", birth_date="2001-01-09"))
    assert match.grade in (Grade.POSSIBLE, Grade.CERTAINLY_NOT)


@pytest.mark.parametrize(
    "changed",
    [
        {"last": "Rosalind", "first": "Whitfield"},
        {"birth_date": "1954-07-03"},
        {"last": "Whitfield-Mora"},
        {"last": "Whitfeild"},
        {"first": "Rosalnd", "phone": ""},
        {"birth_date": "1955-03-07", "street": ""},
        {"last": "Mora"},
        {"street": "", "phone": "", "ssn": "1234"},
        {"medicaid_id": "900123456K", "street": "", "phone": ""},
    ],
    ids=str,
)
def test_found_by_some_block_on_a_large_panel(large, changed):
    match = matched(large, BARE._replace(**changed))
    assert match.enrollee_id == "E1"
    assert match.grade in (Grade.CERTAIN, Grade.PROBABLE)


def test_a_city_finds_people_on_a_short_list():
    there = ROSA._replace(city="Green Point")
    slips = BARE._replace(last="Whitfeild", birth_date="1954-30-07", street="12Oak Stret", zip="28810", phone="")
    match = matched(PanelIndex.build([there, SON, *crowd(300)]), slips._replace(city="Greenpoint", first="Rosalnd"))
    assert (match.grade, match.enrollee_id) == (Grade.PROBABLE, "E1")
    moved = matched(PanelIndex.build([there, SON]), there._replace(street="9 Elm Rd"))
    assert moved.evidence["city"] == "equal"


def test_order_of_the_panel_changes_nothing():
    people = [ROSA, SON, ROSA._replace(enrollee_id="E9", first="Roz"), *crowd(200)]
    asked = [*people[:80], *(each._replace(ssn="", medicaid_id="", phone="") for each in people[:80]), BARE]
    in_order = PanelIndex.build(people)
    random.Random(3).shuffle(people)
    other = PanelIndex.build(people)
    assert [matched(in_order, each) for each in asked] == [matched(other, each) for each in asked]


def test_a_changed_panel_answers_like_one_built_anew():
    people = crowd(400)
    index = PanelIndex.build(people[:300])
    index.apply(people[250:400], ["C3", "C7", "nobody"], [])
    moved = [people[0]._replace(last="Mora", former_names=((people[0].last, ""),)), ROSA]
    index.apply(moved, ["C399"])
    left = [each for each in people[1:399] if each.enrollee_id not in ("C3", "C7")]
    anew = PanelIndex.build([*left, *moved])
    assert len(index) == len(anew) == 398
    some = people[:10] + people[245:305] + people[395:]
    asked = [*some, *(each._replace(ssn="", medicaid_id="") for each in some), *moved, BARE]
    assert [matched(index, each) for each in asked] == [matched(anew, each) for each in asked]
    index.apply([], [])
    assert len(index) == 398


def test_a_large_change_becomes_part_of_the_main_columns():
    index = PanelIndex.build(crowd(1000))
    index.apply([ROSA])
    index.apply([each._replace(enrollee_id=f"N{number}") for number, each in enumerate(crowd(20_001, 2))], ["C5"])
    assert len(index) == 1000 + 1 + 20_001 - 1
    assert matched(index, ROSA).enrollee_id == "E1"
    index.apply([], ["E1"])
    assert matched(index, ROSA).grade is Grade.CERTAINLY_NOT


def test_an_index_that_starts_empty_can_grow():
    index = PanelIndex.build([])
    assert len(index) == 0
    index.apply([ROSA], ["E5"], [("X", "1", "E1")])
    assert matched(index, BARE).enrollee_id == "E1"


def test_a_repeated_enrollee_counts_once_the_last_one():
    index = PanelIndex.build([ROSA._replace(last="Mora"), ROSA, SON])
    assert len(index) == 2
    assert matched(index, BARE).evidence["last_name"] == "equal"


def test_a_large_block_is_counted_and_named():
    same = [
        PanelRecord(
            f"S{number}", last="Adams", first="Ann", birth_date=f"{1930 + number % 80}-{number % 12 + 1:02d}-11"
        )
        for number in range(2_000)
    ]
    index = PanelIndex.build([*same, ROSA._replace(last="Adams", first="Ann")])
    asked = BARE._replace(last="Adams", first="Ann")
    match = matched(index, asked)
    assert match.enrollee_id == "E1"
    assert match.evidence["large_block"].startswith("last and first name: 2001 people, ")
    missing = matched(index, PanelRecord("", last="Adams", first="Ann", birth_date="1800-02-02"))
    assert "2001 people" in missing.evidence["large_block"]


def test_one_of_a_crowd_of_one_name_and_zip_is_found_by_another_block():
    same = [
        ROSA._replace(
            enrollee_id=f"W{number}", medicaid_id="", ssn="", mrns=(), phone="", middle="", first=f"Zed{number}",
            birth_date=f"19{number:02d}-11-{number % 20 + 10}", street=f"{number} Elm Rd",
        )
        for number in range(10, 80)
    ]  # fmt: skip
    index = PanelIndex.build([ROSA, *same, *crowd(18_000)])
    asked = BARE._replace(first="Marie", middle="", street="", phone="")
    match = matched(index, asked)
    assert (match.grade, match.enrollee_id) == (Grade.POSSIBLE, "E1")
    assert match.evidence["large_block"] == "ZIP and last name: 71 people, 1 compared"
    index.apply([], ["E1"])
    assert matched(index, asked).enrollee_id is None


def test_reading_while_it_changes_sees_one_panel_or_the_other():
    index = PanelIndex.build([ROSA, *crowd(300)])
    moved = ROSA._replace(street="9 Elm Rd", zip="27601", phone="9195550100")
    stop = threading.Event()
    answers: set[tuple[str | None, str]] = set()

    def read() -> None:
        while not stop.is_set():
            match = matched(index, ROSA)
            answers.add((match.enrollee_id, match.evidence["address"]))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        index.apply([moved if turn % 2 else ROSA])
    stop.set()
    reader.join()
    assert answers <= {("E1", "equal"), ("E1", "differs")}


def test_texts_of_any_script_are_kept():
    name = PanelRecord(
        "Éè", last="Núñez Łódź", first="José", birth_date="1990-02-03", street="1 Río", phone="8285550199"
    )
    index = PanelIndex.build([name, ROSA])
    assert matched(index, name).enrollee_id == "Éè"
    assert matched(index, BARE).enrollee_id == "E1"
    index.apply([SON], ["Éè"])
    assert matched(index, name).grade is Grade.CERTAINLY_NOT


def _variant(rng: random.Random, enrollee_id: str = "") -> PanelRecord:
    """Mostly one person, with some fields as in somebody else."""
    return PanelRecord(
        enrollee_id,
        **{field: values[1] if rng.random() < 0.75 else rng.choice(values) for field, values in POOL.items()},
    )


@pytest.mark.parametrize("seed", range(3))
def test_neither_less_nor_wrong_knowledge_makes_a_match_surer(seed):
    rng = random.Random(seed)
    for _ in range(40):
        index = PanelIndex.build([_variant(rng, f"E{number}") for number in range(rng.choice((1, 2, 4)))])
        for _ in range(6):
            asked = _variant(rng)
            match = matched(index, asked)
            for added in (
                {"ssn": "601457788"},
                {"medicaid_id": "955555555T"},
                {"mrns": (*asked.mrns, ("NORTH", "42"))},
            ):
                if "mrns" in added or not getattr(asked, next(iter(added))):
                    assert rank(matched(index, asked._replace(**added)).grade) <= rank(match.grade)
            if match.grade is Grade.CERTAINLY_NOT:
                for field, blank in BLANKS.items():
                    assert matched(index, asked._replace(**{field: blank})).grade is not Grade.CERTAIN


def test_an_answer_given_again_is_that_of_the_panel_the_day_and_the_crosswalk_of_now():
    index = PanelIndex.build([BARE])
    patient = Patient(
        name=PersonName(family="Whitfield", given="Rosalind"),
        birth_date=date(1954, 3, 7),
        addresses=(Address(street="12 Oak St", zip="28801"),),
        identifiers=(Identifier(value="77", system="NORTH", type="MR"),),
    )
    first = index.match(patient, "NORTH", DAY)
    assert first.enrollee_id == "E1"
    assert index.match(patient, "NORTH", DAY) is first
    index.apply([], crosswalk=[("NORTH", "77", "E1")])
    learned = index.match(patient, "NORTH", DAY)
    assert learned.evidence["mrn"] == "equal"
    assert "mrn" not in first.evidence
    index.apply([], crosswalk=[("NORTH", "77", None)])
    assert index.match(patient, "NORTH", DAY) == first
    index.apply([BARE._replace(enrollee_id="E2", effective_to="2026-06-02"), ROSA], removed=["E1"])
    index.apply([], removed=["E1"])
    assert index.match(patient, "NORTH", DAY).enrollee_id == "E2"


def test_answers_kept_are_bounded(monkeypatch):
    monkeypatch.setattr("rules.matching.index._ANSWERS", 2)
    index = PanelIndex.build([BARE])
    patients = [Patient(name=PersonName(family="Whitfield", given=name)) for name in ("Ann", "Bea", "Cy", "Rosalind")]
    assert [index.match(each, "NORTH", DAY).grade for each in patients * 2] == [
        index.match_person(read_patient(each, "NORTH"), DAY).grade for each in patients * 2
    ]
    assert len(index._state.answers) <= 2


def test_two_large_blocks_with_the_same_people_are_compared_whole():
    people = [
        PanelRecord(f"S{n}", last="Smith", first="John", birth_date=f"19{n + 30}-04-09", street="5 Shelter Rd")
        for n in range(60)
    ]
    index = PanelIndex.build(
        [*people, *(each._replace(enrollee_id=f"T{n}", street="") for n, each in enumerate(people))]
    )
    asked = PanelRecord("", last="Smith", first="John", street="5 Shelter Rd")
    said = index.match_person(read_record(asked), DAY).evidence["large_block"]
    assert said == "last and first name: 120 people, 60 compared; address: 60 people, 60 compared"
