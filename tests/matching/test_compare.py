from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.events import Address, Identifier, Patient, PersonName
from rules.decisions import Grade
from rules.matching import evidence
from rules.matching.compare import compare
from rules.matching.grades import grade, rank
from rules.matching.person import (
    PanelRecord,
    is_nobodys,
    read_birth,
    read_identifier,
    read_patient,
    read_phone,
    read_record,
    read_sex,
    read_ssn,
    read_street,
    read_zip,
)

MILLION = 1_000_000
ROSA = PanelRecord(
    "E1", "900123456K", "245671234", "Whitfield", "Rosalind", "Marie", "", "1954-03-07", "F", "12 Oak Street Apt 4",
    "Asheville", "NC", "28801-1234", "(828) 555-0142", "", (("NORTH", "0012345"),),
)  # fmt: skip
BARE = ROSA._replace(medicaid_id="", ssn="", mrns=())


def graded(record: PanelRecord, other: PanelRecord = ROSA, size: int = MILLION) -> Grade:
    return grade(compare(read_record(record), read_record(other)), size)


def test_values_do_not_show_who_they_are_about():
    assert (
        f"{ROSA!r} {ROSA} {read_record(ROSA)!r} {read_record(ROSA)}" == "<PanelRecord> <PanelRecord> <Person> <Person>"
    )


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("245-67-1234", "245671234"),
        ("1234", "1234"),
        ("0000", ""),
        ("999999999", ""),
        ("000121234", ""),
        ("123456789", ""),
        ("666121234", ""),
        ("912121234", ""),
        ("245001234", ""),
        ("245670000", ""),
        ("111111111", ""),
        ("24567", ""),
        ("", ""),
    ],
)
def test_ssn(text, digits):
    assert read_ssn(text) == digits


@pytest.mark.parametrize(
    ("text", "number"),
    [("1954-03-07", 19540307), ("1900-01-01", 0), ("1970-01-01", 0), ("", 0), ("unknown", 0), ("1944-87-20", 19448720)],
)
def test_birth_date(text, number):
    assert read_birth(text) == number


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (read_phone, "+1 (828) 555-0142", "8285550142"),
        (read_phone, "9999999999", ""),
        (read_phone, "1234567890", ""),
        (read_phone, "411", ""),
        (read_street, "12 North Oak Street, Apt. 4B", "12 N OAK ST"),
        (read_street, "12 N. Oak St", "12 N OAK ST"),
        (read_street, "12 Élm Ave #3", "12 ELM AVE 3"),
        (read_street, "12Oak St", "12 OAK ST"),
        (read_street, "9th St", "9TH ST"),
        (read_street, "12B Oak St", "12B OAK ST"),
        (read_street, "homeless", ""),
        (read_zip, "28801-1234", "28801"),
        (read_zip, "k1a 0b1", "K1A0B1"),
        (read_sex, "female", "F"),
        (read_sex, "U", ""),
    ],
)
def test_fields(read, text, expected):
    assert read(text) == expected


def test_identifier_ignores_case_space_and_leading_zeros():
    assert read_identifier(" north ", "0012345") == ("NORTH", "12345")
    assert read_identifier("N", "000") == ("N", "000")


@pytest.mark.parametrize(
    ("value", "nobodys"),
    [
        *dict.fromkeys(("UNKNOWN", "unknown", "N/A", "000000", "0", "0-0", "-", "99999999"), True).items(),
        *dict.fromkeys(("XXXXXX", "123456789", "not available", "No MRN", "TBD", "", " "), True).items(),
        *dict.fromkeys(("7", "111", "12345", "100", "0012345", "NEW1", "E7", "TEST7", "A0000"), False).items(),
    ],
)  # fmt: skip
def test_numbers_that_are_nobodys(value, nobodys):
    assert is_nobodys(value) is nobodys


def test_numbers_that_are_nobodys_are_not_compared():
    nobody = PanelRecord("E1", "UNKNOWN", mrns=(("NORTH", "000000"), ("NORTH", "N/A")))
    assert read_record(nobody) == read_record(PanelRecord(""))
    identifiers = (
        Identifier(system="NORTH", value="UNKNOWN", type="MR"),
        Identifier(system="", value="000", type="MA"),
    )
    assert read_patient(Patient(identifiers=identifiers), "NORTH") == read_record(PanelRecord(""))


# --- pairs: what differs from ROSA, the grade, and the words that say why ------------------------------------------

CASES = {
    "the same": (ROSA, Grade.CERTAIN, {"ssn": "equal", "medicaid_id": "equal", "mrn": "equal", "address": "equal"}),
    "name, birth date, address, phone": (BARE, Grade.CERTAIN, {"last_name": "equal", "phone": "equal"}),
    "typo in the first name": (BARE._replace(first="Rosalnd"), Grade.PROBABLE, {"first_name": "similar"}),
    "typo in the last name": (BARE._replace(last="Whitfeild"), Grade.PROBABLE, {"last_name": "similar"}),
    "initial only": (BARE._replace(first="R"), Grade.PROBABLE, {"first_name": "initial equal"}),
    "goes by the middle name": (
        BARE._replace(first="Marie", middle=""),
        Grade.POSSIBLE,
        {"first_name": "middle name"},
    ),
    "names swapped": (
        BARE._replace(first="Whitfield", last="Rosalind"),
        Grade.PROBABLE,
        {"first_name": "swapped", "last_name": "swapped"},
    ),
    "month and day swapped": (
        BARE._replace(birth_date="1954-07-03"),
        Grade.CERTAIN,
        {"birth_date": "month and day swapped"},
    ),
    "one digit of the birth date": (
        BARE._replace(birth_date="1964-03-07"),
        Grade.PROBABLE,
        {"birth_date": "one digit differs"},
    ),
    "one part of the birth date": (
        BARE._replace(birth_date="1954-03-28"),
        Grade.PROBABLE,
        {"birth_date": "one part differs"},
    ),
    "hyphenated": (BARE._replace(last="Whitfield-Mora"), Grade.PROBABLE, {"last_name": "part equal"}),
    "married, same home": (BARE._replace(last="Mora"), Grade.PROBABLE, {"last_name": "differs"}),
    "half of a double name, same address": (
        BARE._replace(last="Whitfield-Mora", phone=""),
        Grade.PROBABLE,
        {"last_name": "part equal", "middle_name": "equal"},
    ),
    "half of a double name, same address, no middle name": (
        BARE._replace(last="Whitfield-Mora", phone="", middle=""),
        Grade.POSSIBLE,
        {"last_name": "part equal", "address": "equal"},
    ),
    "half of a double name, an SSN nearly": (
        BARE._replace(last="Whitfield-Mora", phone="", middle="", street="", ssn="245671243"),
        Grade.PROBABLE,
        {"last_name": "part equal", "ssn": "one digit differs"},
    ),
    "goes by the middle name, same address": (
        BARE._replace(first="Marie", middle="", phone=""),
        Grade.POSSIBLE,
        {"first_name": "middle name"},
    ),
    "one digit of the birth date, same address": (
        BARE._replace(birth_date="1964-03-07", phone="", middle=""),
        Grade.POSSIBLE,
        {"birth_date": "one digit differs"},
    ),
    "one digit of the birth date, same address and initial": (
        BARE._replace(birth_date="1964-03-07", phone="", middle="M"),
        Grade.PROBABLE,
        {"birth_date": "one digit differs", "middle_name": "initial equal"},
    ),
    "married, same address": (
        BARE._replace(last="Mora", phone="", middle=""),
        Grade.POSSIBLE,
        {"last_name": "differs", "address": "equal"},
    ),
    "another last name under the same MRN": (
        PanelRecord("", last="Mora", first="Rosalind", birth_date="1954-03-07", sex="F", mrns=ROSA.mrns),
        Grade.POSSIBLE,
        {"last_name": "differs", "mrn": "equal"},
    ),
    "another last name under the same MRN and phone": (
        PanelRecord("", last="Mora", first="Rosalind", birth_date="1954-03-07", phone=ROSA.phone, mrns=ROSA.mrns),
        Grade.PROBABLE,
        {"last_name": "differs", "mrn": "equal"},
    ),
    "twin of the same first name": (
        BARE._replace(middle="Luz"),
        Grade.POSSIBLE,
        {"first_name": "equal", "middle_name": "differs", "address": "equal", "phone": "equal"},
    ),
    "another middle name under the same MRN": (
        BARE._replace(middle="Luz", mrns=ROSA.mrns),
        Grade.PROBABLE,
        {"middle_name": "differs", "mrn": "equal"},
    ),
    "a longer name is another name": (
        PanelRecord("", last="Whitfield", first="Rosalindana", birth_date="1954-03-07", ssn=ROSA.ssn),
        Grade.POSSIBLE,
        {"first_name": "another name", "ssn": "equal"},
    ),
    "accents": (BARE._replace(last="WHÍTFIELD"), Grade.CERTAIN, {"last_name": "equal"}),
    "moved, nothing else known": (
        BARE._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone="", middle=""),
        Grade.POSSIBLE,
        {"address": "differs"},
    ),
    "only ZIP, city and sex beside name and birth date": (
        BARE._replace(street="", phone="", middle=""),
        Grade.POSSIBLE,
        {"zip": "equal", "city": "equal", "sex": "equal"},
    ),
    "moved, the whole middle name": (
        BARE._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone=""),
        Grade.PROBABLE,
        {"middle_name": "equal", "address": "differs"},
    ),
    "moved, the whole middle name, another phone": (
        BARE._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone="9195550100"),
        Grade.POSSIBLE,
        {"middle_name": "equal", "address": "differs", "phone": "differs"},
    ),
    "moved, an initial many bear": (
        BARE._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone="", middle="M"),
        Grade.POSSIBLE,
        {"middle_name": "initial equal"},
    ),
    "moved, the whole middle name, another SSN": (
        BARE._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone="", ssn="501239876"),
        Grade.POSSIBLE,
        {"middle_name": "equal", "ssn": "differs"},
    ),
    "born on the same day, a generation apart": (
        BARE._replace(birth_date="1974-03-07"),
        Grade.POSSIBLE,
        {"birth_date": "a generation apart"},
    ),
    "moved, last four of the SSN": (
        BARE._replace(street="9 Elm Rd", zip="27601", phone="", ssn="1234"),
        Grade.CERTAIN,
        {"ssn": "last four equal"},
    ),
    "another SSN": (BARE._replace(ssn="501239876"), Grade.POSSIBLE, {"ssn": "differs"}),
    "another SSN, the same MRN": (
        BARE._replace(ssn="501239876", mrns=ROSA.mrns),
        Grade.POSSIBLE,
        {"ssn": "differs", "mrn": "equal"},
    ),
    "another SSN and no home in common": (
        BARE._replace(ssn="501239876", middle="", street="9 Elm Rd", zip="27601", phone="9195550100"),
        Grade.CERTAINLY_NOT,
        {"ssn": "differs"},
    ),
    "last four off by a digit": (BARE._replace(ssn="1235"), Grade.CERTAIN, {"ssn": "last four nearly equal"}),
    "twin": (BARE._replace(first="Margaret", middle=""), Grade.CERTAINLY_NOT, {"first_name": "differs"}),
    "twin whose name rhymes": (BARE._replace(first="Mosalind"), Grade.POSSIBLE, {"first_name": "first letter differs"}),
    "twin whose first name is the other's middle name": (
        BARE._replace(first="Marie", middle="Peggy"),
        Grade.CERTAINLY_NOT,
        {"first_name": "differs"},
    ),
    "first and middle name swapped": (
        BARE._replace(first="Marie", middle="Rosalind", phone=""),
        Grade.PROBABLE,
        {"first_name": "middle name", "middle_name": "rare and equal"},
    ),
    "sister": (BARE._replace(first="Margaret", birth_date="1957-11-20"), Grade.CERTAINLY_NOT, {}),
    "sister under the same SSN": (
        BARE._replace(first="Margaret", birth_date="1957-11-20", ssn=ROSA.ssn),
        Grade.POSSIBLE,
        {"ssn": "equal"},
    ),
    "daughter of the same name": (
        BARE._replace(birth_date="1981-11-20", middle=""),
        Grade.CERTAINLY_NOT,
        {"birth_date": "years apart"},
    ),
    "birth date of about that time": (
        BARE._replace(birth_date="1957-11-20", middle=""),
        Grade.POSSIBLE,
        {"birth_date": "differs"},
    ),
    "birth date missing, same home and phone": (BARE._replace(birth_date=""), Grade.POSSIBLE, {"address": "equal"}),
    "default birth date is missing": (BARE._replace(birth_date="1900-01-01"), Grade.POSSIBLE, {}),
    "no first name": (BARE._replace(first="BABYGIRL", middle=""), Grade.POSSIBLE, {"last_name": "equal"}),
    "nobody in common": (
        PanelRecord("", last="Ito", first="Ken", birth_date="1999-09-09", sex="M"),
        Grade.CERTAINLY_NOT,
        {},
    ),
    "MRN of somebody else entirely": (
        PanelRecord("", last="Ito", first="Ken", birth_date="1999-09-09", sex="M", mrns=ROSA.mrns),
        Grade.CERTAINLY_NOT,
        {"mrn": "equal"},
    ),
    "newborn under the mother's MRN": (
        PanelRecord("", last="Whitfield", first="Ken", birth_date="2026-09-09", sex="M", mrns=ROSA.mrns),
        Grade.POSSIBLE,
        {"mrn": "equal"},
    ),
    "MRN of another hospital": (
        PanelRecord("", last="Ito", first="Ken", birth_date="1999-09-09", mrns=(("SOUTH", "12345"),)),
        Grade.CERTAINLY_NOT,
        {},
    ),
    "an MRN and nothing else": (PanelRecord("", mrns=ROSA.mrns), Grade.CERTAIN, {"mrn": "equal"}),
    "a Medicaid id and nothing else": (PanelRecord("", "900123456k"), Grade.CERTAIN, {"medicaid_id": "equal"}),
    "an SSN and nothing else": (PanelRecord("", ssn=ROSA.ssn), Grade.PROBABLE, {"ssn": "equal"}),
    "an MRN and the other sex": (PanelRecord("", sex="M", mrns=ROSA.mrns), Grade.POSSIBLE, {"sex": "differs"}),
    "a sex and nothing else": (PanelRecord("", sex="F"), Grade.CERTAINLY_NOT, {"sex": "equal"}),
    "Medicaid id mistyped": (
        BARE._replace(medicaid_id="900123465K"),
        Grade.CERTAIN,
        {"medicaid_id": "one digit differs"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_pairs(name):
    other, expected, words = CASES[name]
    comparison = compare(read_record(other), read_record(ROSA))
    assert words.items() <= comparison.evidence.items(), comparison.evidence
    assert grade(comparison, MILLION) is expected, comparison


JAMES = BARE._replace(first="James", middle="", sex="M", ssn="245671234")


@pytest.mark.parametrize("written", ["AJMES", "AMES", "KAMES"])
def test_a_slip_in_the_first_letter_is_a_slip_where_a_number_agrees(written):
    comparison = compare(read_record(JAMES._replace(first=written)), read_record(JAMES))
    assert rank(grade(comparison, MILLION)) >= rank(Grade.PROBABLE), comparison
    assert graded(JAMES._replace(first=written, ssn=""), JAMES) is Grade.POSSIBLE  # Jayden and Kayden
    assert graded(JAMES._replace(first=written, ssn="501239876"), JAMES) is Grade.CERTAINLY_NOT


@pytest.mark.parametrize(
    ("sent", "other"), [("Ray", "Roy"), ("Anna", "Hanna"), ("Daniel", "Danielle"), ("Harry", "Larry")]
)
def test_two_names_that_people_bear_are_no_slip(sent, other):
    twins = [BARE._replace(first=name, middle="") for name in (sent, other)]
    assert compare(*map(read_record, twins)).evidence["first_name"] == "another name"
    assert graded(*twins) is Grade.POSSIBLE


@pytest.mark.parametrize(
    ("sent", "other"), [("Sara", "Sarah"), ("Steven", "Stephen"), ("Brian", "Bryan"), ("Clair", "Claire")]
)
def test_two_spellings_of_one_name(sent, other):
    assert graded(*[BARE._replace(first=name, middle="") for name in (sent, other)]) in (Grade.PROBABLE, Grade.CERTAIN)


@pytest.mark.parametrize("size", [2, MILLION])
@pytest.mark.parametrize(
    ("record", "other"),
    [
        (
            PanelRecord("", last="Langberg", first="BABYBOY", birth_date="2026-03-01", sex="M", street="4710 Mill St",
                        zip="28801", phone="9194431156"),
            PanelRecord("E1", last="Langberg", first="Ivan", birth_date="2016-03-14", sex="M", street="4710 Mill St",
                        zip="28801", phone="9194431156"),
        ),
        (
            PanelRecord("", last="Ward", first="John", middle="Paul", birth_date="2018-02-11", street="1 Elm Rd",
                        zip="27601", phone="9195550100"),
            PanelRecord("E1", last="Ward", first="John", middle="Paul", birth_date="1942-05-30", street="12 Oak St",
                        zip="28801", phone="8285550142"),
        ),
        (
            PanelRecord("", last="Ward", first="Marcus", birth_date="1980-02-11", street="1 Elm Rd", zip="27601"),
            PanelRecord("E1", last="Ward", first="George", birth_date="1980-02-11", street="12 Oak St", zip="28801"),
        ),
        (
            PanelRecord("", last="Ward", first="Marcus", birth_date="1980-02-11"),
            PanelRecord("E1", last="Ward", first="George", birth_date="1980-02-11", street="12 Oak St", zip="28801"),
        ),
    ],
    ids=["a newborn without a name and a brother of ten", "a boy and an old man", "Marcus and George", "no address"],
)  # fmt: skip
def test_nobody_need_be_asked(record, other, size):
    assert graded(record, other, size) is graded(other, record, size) is Grade.CERTAINLY_NOT


def test_twins_are_asked_about_on_a_short_list_only():
    twin = BARE._replace(first="Margaret", middle="")
    assert graded(twin, size=5_000) is Grade.POSSIBLE
    assert graded(twin._replace(ssn="501239876"), size=5_000) is Grade.CERTAINLY_NOT


@pytest.mark.parametrize(
    ("sent", "other", "word"),
    [
        ("小明", "小明", "equal"),
        ("红", "小明", "differs"),
        ("小明", "小红", "differs"),
        ("明", "明华", "differs"),
        ("민수", "민호", "differs"),
        ("Иван", "ИВАН", "equal"),
        ("Артём", "Артем", "equal"),
        ("Иван", "Пётр", "differs"),
        ("Алексендр", "Александр", "similar"),
        ("Ｒｏｓａ", "Rosa", "equal"),
        ("ﾊﾅｺ", "ハナコ", "equal"),
        ("か", "が", "differs"),
        ("राम", "रमेश", "differs"),
        ("مُحَمَّد", "محمد", "equal"),
        ("Rose\u0301", "Rosé", "equal"),
        ("Rosa", "红", "another script"),
    ],
)
def test_first_names_in_any_script(sent, other, word):
    comparison = compare(*(read_record(BARE._replace(first=name, middle="")) for name in (sent, other)))
    assert comparison.evidence["first_name"] == word


def test_a_name_in_any_script_holds_a_number():
    number = PanelRecord("", last="王", first="小明", birth_date="1990-01-15", sex="M", mrns=(("MISSION", "1006"),))
    assert graded(PanelRecord("", last="王", first="小明", mrns=number.mrns), number) is Grade.PROBABLE
    for last, first in (("李", "红"), ("Li", "Hong"), ("Иванов", "Иван")):
        named = PanelRecord("", last=last, first=first, mrns=number.mrns)
        assert rank(graded(named, number)) < rank(Grade.PROBABLE)
    romanized = PanelRecord("", last="Wang", first="Xiaoming", birth_date="1990-01-15", sex="M", mrns=number.mrns)
    assert graded(romanized, number) is Grade.PROBABLE


def test_an_alias_that_can_be_read_decides():
    both = BARE._replace(last="王", first="小明", former_names=(("Wang", "Xiaoming"),))
    assert graded(BARE._replace(last="Wang", first="Xiaoming"), both) is Grade.CERTAIN
    assert compare(read_record(BARE), read_record(both)).evidence["first_name"] == "differs"


@pytest.mark.parametrize(
    ("word", "agrees"),
    [
        *dict.fromkeys(("equal", "nickname", "similar", "month and day swapped", "last four equal"), True).items(),
        *dict.fromkeys(("differs", "another name", "a generation apart", "years apart"), False).items(),
        ("another enrollee agrees as well", False),
        *dict.fromkeys(("another script", "first letter differs", "same number", "shared"), None).items(),
        ("ZIP: 74 people, 0 compared", None),
    ],
)
def test_whether_a_word_of_evidence_agrees(word, agrees):
    assert evidence.agrees(word) is agrees


def test_nickname():
    comparison = compare(read_record(BARE._replace(first="Liz")), read_record(BARE._replace(first="Elizabeth")))
    assert comparison.evidence["first_name"] == "nickname"
    assert grade(comparison, MILLION) is Grade.CERTAIN


@pytest.mark.parametrize(
    ("written", "on_file", "word"),
    [
        ("Peter", "Patrick", "alike, a name of its own"),
        ("Helen", "Elaine", "alike, a name of its own"),
        ("Jean", "Jeanette", "alike, a name of its own"),
        ("Patty", "Patricia", "nickname"),
        ("Bill", "William", "nickname"),
    ],
)
def test_a_nickname_that_many_are_given_may_be_the_twins(written, on_file, word):
    sent, other = (BARE._replace(first=name, middle="") for name in (written, on_file))
    assert compare(read_record(sent), read_record(other)).evidence["first_name"] == word
    own = word != "nickname"
    assert graded(sent, other) is (Grade.POSSIBLE if own else Grade.CERTAIN)
    number = BARE._replace(ssn=ROSA.ssn).ssn
    assert rank(graded(sent._replace(ssn=number), other._replace(ssn=number))) >= rank(Grade.PROBABLE)
    assert rank(graded(sent._replace(middle="V"), other._replace(middle="Vera"))) >= rank(Grade.PROBABLE)


def test_a_nickname_and_one_doubt_more_are_a_question():
    ed, edward = BARE._replace(first="Eddie", middle=""), BARE._replace(first="Edward", middle="", ssn="245678753")
    assert graded(ed, edward) is Grade.CERTAIN
    assert graded(ed._replace(ssn="8754"), edward) is Grade.POSSIBLE
    assert graded(ed._replace(birth_date="1954-07-03"), edward) is Grade.POSSIBLE
    assert graded(ed._replace(last="Whitfeild"), edward) is Grade.POSSIBLE


@pytest.mark.parametrize(
    ("written", "on_file", "several", "word", "expected"),
    [
        ("Orie", "Lorie", ("LORIE",), "similar", Grade.PROBABLE),
        ("Zorie", "Lorie", ("LORIE",), "first letter differs", Grade.POSSIBLE),
        ("Zaydenn", "Xaydenn", ("ZAYDENN", "XAYDENN"), "another name", Grade.POSSIBLE),
        ("Amiraa", "Amirra", ("AMIRAA", "AMIRRA"), "alike, a name of its own", Grade.POSSIBLE),
        ("Amiraa", "Amirra", ("AMIRRA",), "similar", Grade.PROBABLE),
    ],
)
def test_the_panel_knows_which_first_names_people_bear(written, on_file, several, word, expected):
    sent, other = (read_record(BARE._replace(first=name, middle="")) for name in (written, on_file))
    comparison = compare(sent, other, borne=lambda name: name in several)
    assert (comparison.evidence["first_name"], grade(comparison, MILLION)) == (word, expected)
    assert compare(sent, other).evidence["first_name"] in ("similar", "first letter differs")


@given(st.sampled_from(("LORIE", "JAMES", "XAYDENN", "PATRICK", "AMIRRA")), st.integers(0, 7), st.sampled_from("AKZ"))
def test_a_name_people_bear_never_links_better_than_one_nobody_bears(name, place, letter):
    sent, other = (read_record(BARE._replace(first=text, middle="")) for text in (name[:place] + letter, name))
    nobodys, everybodys = (compare(sent, other, borne=lambda _, known=known: known) for known in (False, True))
    assert rank(grade(everybodys, MILLION)) <= rank(grade(nobodys, MILLION))


@pytest.mark.parametrize(
    ("written", "on_file", "word", "expected"),
    [
        ("Mary Ann", "Mary", "part equal", Grade.PROBABLE),
        ("Mary Ann", "Mary Ann Rose", "part equal", Grade.PROBABLE),
        ("Mary Ann", "Mary Lou", "middle name", Grade.POSSIBLE),
        ("Margaret Taylor", "Taylor", "middle name", Grade.POSSIBLE),
    ],
)
def test_first_names_of_several_words(written, on_file, word, expected):
    sent, other = (BARE._replace(first=name, middle="") for name in (written, on_file))
    assert compare(read_record(sent), read_record(other)).evidence["first_name"] == word
    assert graded(sent, other) is expected
    assert rank(graded(sent._replace(ssn=ROSA.ssn), other._replace(ssn=ROSA.ssn))) >= rank(Grade.PROBABLE)


def test_the_beginning_of_a_name_is_an_initial():
    short, whole = (BARE._replace(first=name, middle="") for name in ("Gabr", "Gabriela"))
    assert compare(read_record(short), read_record(whole)).evidence["first_name"] == "initial equal"
    assert graded(short, whole) is Grade.POSSIBLE
    assert rank(graded(short._replace(ssn=ROSA.ssn), whole._replace(ssn=ROSA.ssn))) >= rank(Grade.PROBABLE)


@pytest.mark.parametrize(("short", "whole"), [("Cynt", "Cynthia"), ("Brit", "Brittney"), ("Howa", "Howard")])
def test_the_beginning_of_one_name_only_is_that_name(short, whole):
    assert named(short, whole, CHILD) == ("similar", Grade.PROBABLE)


@pytest.mark.parametrize(("short", "whole"), [("Kath", "Kathleen"), ("Patr", "Patrick"), ("Dar", "Darrell")])
def test_the_beginning_of_several_names_may_be_the_twins(short, whole):
    assert named(short, whole, CHILD) == ("initial equal", Grade.POSSIBLE)


def test_a_name_that_begins_another_is_asked_about_unless_the_sex_differs():
    """Marg may be Margaret; Carl and Carlotta are two."""
    assert named("Marg", "Margaret", CHILD) == ("another name", Grade.POSSIBLE)
    assert named("Carl", "Carlotta", CHILD, sex="M") == ("another name", Grade.CERTAINLY_NOT)
    assert named("Eric", "Erica", CHILD, sex="M") == ("another name", Grade.CERTAINLY_NOT)


@pytest.mark.parametrize(("written", "on_file"), [("Rieann", "Ryann"), ("Lienn", "Lynn"), ("Cieril", "Cyril")])
def test_a_name_spelled_by_ear_is_that_name(written, on_file):
    assert named(written, on_file, GROWN)[0] == "similar"
    assert rank(named(written, on_file, GROWN)[1]) >= rank(Grade.PROBABLE)


def test_two_spellings_that_children_are_given_are_a_question():
    assert named("Bobbie", "Bobby", CHILD) == ("alike, a name of its own", Grade.POSSIBLE)


@pytest.mark.parametrize(
    ("first", "middle", "on_file", "on_file_middle", "word"),
    [
        ("Tiffany Ashley", "", "Tiffany", "Ashley", "equal"),
        ("Dulce", "Alicia", "Dulce Maria", "", "differs"),
        ("Mary Ann", "", "Mary", "A", "initial equal"),
        ("Mary Ann", "", "Mary", "", None),
    ],
)
def test_a_second_first_name_is_a_middle_name(first, middle, on_file, on_file_middle, word):
    written = read_record(CHILD._replace(first=first, middle=middle))
    comparison = compare(written, read_record(CHILD._replace(first=on_file, middle=on_file_middle)), on=TODAY)
    assert comparison.evidence["first_name"] == "part equal"
    assert comparison.evidence.get("middle_name") == word
    assert (grade(comparison, MILLION) is Grade.POSSIBLE) == (word == "differs")


@pytest.mark.parametrize("phone", ["9195550100", ""])
def test_a_child_is_asked_about_when_its_middle_name_is_not_said_and_the_phone_is_another_or_not_said(phone):
    """Maria Elena on file; the message says Maria, the home, another phone or none: perhaps her twin Maria Luz."""
    on_file = CHILD._replace(middle="Elena")
    half = CHILD._replace(phone=phone)
    assert grade(compare(read_record(half), read_record(on_file), on=TODAY), MILLION) is Grade.POSSIBLE
    near = {"phone": f"{BARE.phone[:-1]}{(int(BARE.phone[-1]) + 1) % 10}"}
    for enough in ({"middle": "E"}, {"phone": BARE.phone}, near, {"ssn": ROSA.ssn}, {"birth_date": GROWN.birth_date}):
        enrollee = on_file._replace(ssn=ROSA.ssn, birth_date=enough.get("birth_date", CHILD.birth_date))
        comparison = compare(read_record(half._replace(**enough)), read_record(enrollee), on=TODAY)
        assert rank(grade(comparison, MILLION)) >= rank(Grade.PROBABLE), enough


def test_of_the_grown_another_name_like_it_is_a_mistake_at_home_beside_a_middle_name_or_a_number():
    """Joanna M. and Joanne M. are twins while they live in one home; later they are one person misspelled."""
    grown, child = (person._replace(middle="M") for person in (GROWN, CHILD))
    assert named("Joanna", "Joanne", grown) == ("another name", Grade.PROBABLE)
    assert named("Joanna", "Joanne", GROWN._replace(ssn=ROSA.ssn)) == ("another name", Grade.PROBABLE)
    for two in (GROWN, child, child._replace(ssn=ROSA.ssn)):
        assert named("Joanna", "Joanne", two) == ("another name", Grade.POSSIBLE)
    assert named("Rosa", "Gertrude", grown) == ("differs", Grade.CERTAINLY_NOT)
    elsewhere = grown._replace(phone="")
    assert named("Joanna", "Joanne", elsewhere)[1] is Grade.PROBABLE
    for against in (
        {"street": "9 Elm Rd", "zip": "27601"},
        {"sex": "M"},
        {"last": "Mora"},
        {"birth_date": "1954-03-17"},
        {"middle": "Luz"},
    ):
        assert rank(named("Joanna", "Joanne", elsewhere, **against)[1]) <= rank(Grade.POSSIBLE), against
    junior = read_record(grown._replace(first="Joanna", suffix="Jr"))
    senior = read_record(grown._replace(first="Joanne", suffix="Sr"))
    assert rank(grade(compare(junior, senior, on=TODAY), MILLION)) <= rank(Grade.POSSIBLE)


def test_a_slip_in_the_first_letter_beside_a_middle_name_at_home_is_a_slip():
    child = CHILD._replace(middle="M")
    assert named("Mosalind", "Rosalind", child) == ("first letter differs", Grade.PROBABLE)
    moved = {"street": "9 Elm Rd", "zip": "27601", "phone": ""}
    assert rank(named("Mosalind", "Rosalind", child, **moved)[1]) <= rank(Grade.POSSIBLE)


def test_a_childs_other_last_name_at_home_is_the_other_parents():
    child = CHILD._replace(phone="")
    assert named("Rosalind", "Rosalind", child, last="Mora") == ("equal", Grade.PROBABLE)
    assert rank(named("Rosie", "Rosalind", child, last="Mora")[1]) <= rank(Grade.POSSIBLE)
    assert named("Rosalind", "Rosalind", CHILD, last="Mora", street="9 Elm Rd", zip="27601")[1] is Grade.POSSIBLE
    untold = compare(read_record(child._replace(last="Mora")), read_record(child._replace(middle="Elena")), on=TODAY)
    assert grade(untold, MILLION) is Grade.POSSIBLE


@pytest.mark.parametrize("born", ["2015-03-07", "1954-03-07"])
def test_a_woman_is_known_at_home_without_her_birth_date(born):
    """A son bears his father's name and lives in his home; a daughter seldom bears her mother's."""
    person = BARE._replace(middle="", birth_date=born)

    def without(written: PanelRecord, on_file: PanelRecord) -> Grade:
        sent = read_record(written._replace(birth_date=""))
        return grade(compare(sent, read_record(on_file), on=TODAY), MILLION)

    assert without(person, person) is Grade.PROBABLE
    assert without(person._replace(sex="M"), person._replace(sex="M")) is Grade.POSSIBLE
    half = person._replace(phone="")
    assert without(half, half) is Grade.POSSIBLE
    named_half = half._replace(middle="M")
    assert (
        without(named_half, named_half) is without(named_half._replace(first="Rosalnid"), named_half) is Grade.PROBABLE
    )
    assert without(person._replace(first="Rosalnid"), person) is Grade.POSSIBLE
    for against in ({"middle": "Luz"}, {"last": "Mora"}, {"first": "Gertrude"}):
        assert rank(without(person._replace(**against), person._replace(middle="Elena"))) <= rank(Grade.POSSIBLE), (
            against
        )
    assert graded(person._replace(birth_date=""), person) is Grade.POSSIBLE


def test_a_childs_nickname_that_is_also_that_of_a_name_like_it_may_be_a_twins():
    """Gabriel and Gabriella are both called Gabby; Hank is Henry."""
    assert named("Gabby", "Gabriella", CHILD) == ("alike, a name of its own", Grade.POSSIBLE)
    assert named("Gabby", "Gabriella", GROWN)[0] == "nickname"
    assert rank(named("Gabby", "Gabriella", CHILD._replace(middle="M"))[1]) >= rank(Grade.PROBABLE)
    assert named("Hank", "Henry", CHILD)[0] == "nickname"


def test_a_child_whose_middle_name_is_not_said_is_never_certain_by_its_home():
    child = compare(read_record(CHILD), read_record(CHILD._replace(middle="Elena")), on=TODAY)
    assert grade(child, MILLION) is Grade.PROBABLE
    assert grade(compare(read_record(CHILD), read_record(CHILD), on=TODAY), MILLION) is Grade.CERTAIN


def test_a_child_of_another_sex_is_a_question_without_a_number_or_a_middle_name():
    boy = CHILD._replace(sex="M")
    assert grade(compare(read_record(boy), read_record(CHILD), on=TODAY), MILLION) is Grade.POSSIBLE
    named_boy, girl = boy._replace(middle="Lee"), CHILD._replace(middle="Lee")
    assert grade(compare(read_record(named_boy), read_record(girl), on=TODAY), MILLION) is Grade.PROBABLE
    grown = compare(read_record(GROWN._replace(sex="M")), read_record(GROWN), on=TODAY)
    assert grade(grown, MILLION) is Grade.PROBABLE


def test_a_twin_is_no_twin_when_last_and_first_name_are_swapped():
    swapped = BARE._replace(last="Terry", first="Whitfield", middle="")
    assert rank(graded(swapped, BARE._replace(first="Terry", middle=""))) >= rank(Grade.PROBABLE)
    assert rank(graded(swapped, BARE._replace(first="Jerry", middle=""))) < rank(Grade.PROBABLE)
    kailey = BARE._replace(last="Kailey", first="Whitfield", middle="")
    assert rank(graded(kailey, BARE._replace(first="Hailey", middle=""))) < rank(Grade.PROBABLE)


def test_a_shared_number_is_no_proof_against_a_middle_name():
    stella = ROSA._replace(medicaid_id="", mrns=(), middle="Rose")
    other = stella._replace(middle="Lisa")
    assert graded(stella, other) is Grade.PROBABLE
    moved = stella._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone="9195550100")
    assert graded(moved, other) is Grade.POSSIBLE
    assert graded(stella._replace(first="Stella"), other._replace(first="Estella")) is Grade.POSSIBLE


def test_a_shared_number_is_no_proof_against_another_number():
    """A twin or a son comes under the Social Security number of a relative, and a Medicaid id of his own."""
    peter, patrick = (ROSA._replace(first=name, middle="", mrns=()) for name in ("Peter", "Patrick"))
    assert graded(peter._replace(medicaid_id=""), patrick) is Grade.CERTAIN
    assert graded(peter._replace(medicaid_id="964583337M"), patrick) is Grade.POSSIBLE
    assert graded(peter._replace(sex="M", medicaid_id=""), patrick) is Grade.POSSIBLE
    son = ROSA._replace(mrns=(), birth_date="")
    assert graded(son._replace(medicaid_id="")) is Grade.PROBABLE
    assert graded(son._replace(medicaid_id="964583337M")) is Grade.POSSIBLE


def test_a_birth_date_nearly_right_is_no_answer_to_another_medicaid_number():
    son = BARE._replace(medicaid_id="902162144N", birth_date="1966-03-07")
    assert graded(son, BARE._replace(medicaid_id="964583337M")) is Grade.POSSIBLE
    assert rank(graded(son, BARE)) >= rank(Grade.PROBABLE)


def test_who_moved_is_told_by_a_whole_middle_name_beside_names_that_are_sure():
    moved = BARE._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone="")
    assert graded(moved) is Grade.PROBABLE
    assert graded(moved._replace(first="Rosalnd")) is Grade.PROBABLE
    moved = moved._replace(phone="9195550100")
    assert graded(moved) is Grade.POSSIBLE  # home and phone speak against her
    rare = ROSA._replace(middle="Xanthippe")
    assert graded(moved._replace(first="Rosalnd", middle="Xanthippe"), rare) is Grade.PROBABLE


def test_an_initial_few_bear_tells_people_who_moved():
    moved = BARE._replace(street="9 Elm Rd", zip="27601", city="Raleigh", phone="", middle="V")
    on_file = ROSA._replace(middle="Violet")
    comparison = compare(read_record(moved), read_record(on_file))
    assert comparison.evidence["middle_name"] == "rare initial equal"
    assert graded(moved, on_file) is Grade.PROBABLE
    assert graded(moved._replace(first="Rosalnd"), on_file) is Grade.POSSIBLE
    assert graded(moved._replace(sex="M"), on_file) is Grade.POSSIBLE


def test_twins_whose_names_are_short_for_one_another():
    mary, marie = BARE._replace(first="Mary", middle=""), BARE._replace(first="Marie")
    assert graded(mary, marie) is Grade.POSSIBLE
    assert graded(mary._replace(middle="M"), marie) is Grade.PROBABLE
    assert graded(mary._replace(ssn="501239876"), marie._replace(ssn=ROSA.ssn)) is Grade.POSSIBLE
    assert graded(mary._replace(middle="Ann"), marie) is Grade.POSSIBLE


TODAY = 20260601
CHILD = BARE._replace(birth_date="2015-03-07", middle="")
GROWN = BARE._replace(middle="")


def named(first: str, on_file: str, person: PanelRecord, **also: str) -> tuple[str, Grade]:
    """The word for two first names of `person`, who is otherwise the same, and the grade, on the day `TODAY`."""
    sent, other = (read_record(person._replace(first=name)) for name in (first, on_file))
    if also:
        sent = read_record(person._replace(first=first, **also))
    comparison = compare(sent, other, on=TODAY)
    return comparison.evidence["first_name"], grade(comparison, MILLION)


@pytest.mark.parametrize(
    ("written", "on_file", "grown"),
    [
        ("Jimmy", "James", "nickname"),
        ("John", "Jon", "nickname"),
        ("Sydney", "Sidney", "similar"),
        ("Bridgeta", "Bridget", "similar"),
        ("Bridget", "Bridgeta", "similar"),
        ("Patricj", "Patricia", "similar"),
    ],
)
def test_a_child_may_have_a_twin_at_home_whose_name_is_like_it(written, on_file, grown):
    """Parents give twins names that are alike, and they leave home: of people who are grown it is one name."""
    assert named(written, on_file, CHILD) == ("alike, a name of its own", Grade.POSSIBLE)
    word, grown_grade = named(written, on_file, GROWN)
    assert word == grown
    assert rank(grown_grade) >= rank(Grade.PROBABLE)
    assert rank(named(written, on_file, CHILD._replace(ssn=ROSA.ssn))[1]) >= rank(Grade.PROBABLE)
    assert rank(named(written, on_file, CHILD._replace(middle="Marie"))[1]) >= rank(Grade.PROBABLE)


@pytest.mark.parametrize(("written", "on_file"), [("Marietta", "Maria"), ("Mariee", "Marie"), ("Zoruk", "Zorukk")])
def test_a_child_whose_name_is_misspelled_is_itself(written, on_file):
    assert rank(named(written, on_file, CHILD)[1]) >= rank(Grade.PROBABLE)


@pytest.mark.parametrize(
    ("written", "on_file", "word"),
    [
        ("R", "Rosalind", "initial equal"),
        ("Peter", "Patrick", "alike, a name of its own"),
        ("Mosalind", "Rosalind", "first letter differs"),
    ],
)
def test_who_is_grown_shares_no_home_with_a_twin(written, on_file, word):
    assert named(written, on_file, CHILD) == (word, Grade.POSSIBLE)
    assert named(written, on_file, GROWN) == (word, Grade.PROBABLE)
    turned_26, eve = (GROWN._replace(birth_date=day) for day in ("2000-06-01", "2000-06-02"))
    assert named(written, on_file, turned_26) == (word, Grade.PROBABLE)
    assert named(written, on_file, eve) == (word, Grade.POSSIBLE)
    assert rank(named(written, on_file, GROWN, street="9 Elm Rd", zip="27601", phone="")[1]) < rank(Grade.PROBABLE)
    assert rank(named(written, on_file, GROWN, birth_date="1954-03-08")[1]) < rank(Grade.PROBABLE)


@pytest.mark.parametrize("loose", [{"last": "Whitfield-Mora"}, {"birth_date": "1954-03-17"}, {"first": "Marie"}])
def test_one_loose_element_at_home_is_enough_where_others_were_looked_for(loose):
    """Nobody else of that name, that date and that home is to be expected; but a child called by its middle name may be
    its twin, and a family has one phone."""
    for person in (BARE, BARE._replace(birth_date="2015-03-07")):
        grown = person.birth_date < "2000"
        also = {"birth_date": person.birth_date[:8] + "17"} if "birth_date" in loose else loose
        written, on_file = (
            person._replace(middle="", **also),
            person._replace(middle="Marie" if "first" in loose else ""),
        )
        for home, enough in (
            ({"phone": ""}, grown or "first" not in loose),
            ({"street": ""}, grown),
            ({"phone": "", "street": "9 Elm Rd"}, False),
        ):
            there = written._replace(**home)
            comparison = compare(read_record(there), read_record(on_file), on=TODAY)
            assert (grade(comparison, MILLION) is Grade.PROBABLE) is enough, (home, comparison)
            assert graded(there, on_file) is Grade.POSSIBLE


def test_of_the_grown_another_last_name_at_home_is_enough():
    for home in ({"phone": ""}, {"street": ""}):
        married = BARE._replace(last="Mora", middle="", **home)
        assert grade(compare(read_record(married), read_record(BARE), on=TODAY), MILLION) is Grade.PROBABLE
        assert graded(married) is Grade.POSSIBLE
    elsewhere = read_record(BARE._replace(last="Mora", middle="", street="9 Elm Rd", phone=""))
    assert grade(compare(elsewhere, read_record(BARE), on=TODAY), MILLION) is Grade.POSSIBLE


@pytest.mark.parametrize("doubt", [{"last": "Whitfeild"}, {"birth_date": "1954-07-03"}, {"ssn": "8754"}])
def test_of_the_grown_two_doubts_are_no_twin(doubt):
    ed, edward = GROWN._replace(first="Eddie", **doubt), GROWN._replace(first="Edward", ssn="245678753")
    assert rank(grade(compare(read_record(ed), read_record(edward), on=TODAY), MILLION)) >= rank(Grade.PROBABLE)
    assert graded(ed, edward) is Grade.POSSIBLE


def test_of_the_grown_another_middle_name_is_no_twins_of_one_first_name():
    """Maria Elena and Maria Luz are twins while they live in one home; later another middle name is a mistake."""
    written = BARE._replace(middle="Luz")
    assert grade(compare(read_record(written), read_record(BARE), on=TODAY), MILLION) is Grade.PROBABLE
    child, on_file = (person._replace(birth_date="2015-03-07") for person in (written, BARE))
    assert grade(compare(read_record(child), read_record(on_file), on=TODAY), MILLION) is Grade.POSSIBLE
    moved = read_record(written._replace(street="9 Elm Rd", zip="27601", phone=""))
    assert rank(grade(compare(moved, read_record(BARE), on=TODAY), MILLION)) <= rank(Grade.POSSIBLE)


def test_two_loose_elements_need_two_more():
    both = BARE._replace(phone="", middle="", last="Whitfield-Mora", birth_date="1954-03-17")
    assert grade(compare(read_record(both), read_record(BARE), on=TODAY), MILLION) is Grade.POSSIBLE


def test_numbers_that_follow_one_another_are_two_childrens():
    """Twins and siblings are registered together; a slip of the hand lands as near once in a dozen times."""
    twin, other = CHILD._replace(ssn="245671234"), CHILD._replace(ssn="245671236")
    comparison = compare(read_record(twin), read_record(other), on=TODAY)
    assert comparison.evidence["ssn"] == "next number but a few"
    assert grade(comparison, MILLION) is graded(twin, other) is Grade.POSSIBLE
    assert graded(twin._replace(middle="M"), other._replace(middle="Marie")) is Grade.CERTAIN
    assert graded(twin._replace(mrns=ROSA.mrns), other._replace(mrns=ROSA.mrns)) is Grade.CERTAIN
    assert graded(twin, other._replace(ssn="245671294")) is Grade.CERTAIN
    grown = compare(read_record(GROWN._replace(ssn=twin.ssn)), read_record(GROWN._replace(ssn=other.ssn)), on=TODAY)
    assert grade(grown, MILLION) is Grade.CERTAIN


def test_a_year_with_two_digits_transposed_is_a_slip_and_no_generation():
    transposed = BARE._replace(birth_date="1945-03-07")
    assert compare(read_record(transposed), read_record(BARE)).evidence["birth_date"] == "one digit differs"
    assert graded(transposed) is Grade.PROBABLE
    assert compare(read_record(BARE._replace(birth_date="1984-03-07")), read_record(BARE)).evidence["birth_date"] == (
        "a generation apart"
    )


def test_an_initial_in_the_same_zip_code_tells_nobody_who_lives_in_another_street():
    initial = BARE._replace(middle="M", phone="")
    assert graded(initial._replace(street="")) is Grade.PROBABLE
    assert graded(initial._replace(street="9 Elm Rd")) is Grade.POSSIBLE


def test_junior_and_senior_are_two_people():
    senior = BARE._replace(suffix="Sr")
    junior = BARE._replace(suffix="", last="Whitfield Jr")
    assert compare(read_record(junior), read_record(senior)).evidence["suffix"] == "differs"
    assert graded(junior, senior) is Grade.POSSIBLE
    assert graded(junior._replace(birth_date="1981-11-20"), senior) is Grade.CERTAINLY_NOT


def test_sex_decides_between_eric_and_erica():
    eric = BARE._replace(first="Eric", sex="M")
    assert graded(eric, BARE._replace(first="Erica")) is Grade.POSSIBLE


def test_former_names_addresses_and_phones_count():
    changed = ROSA._replace(
        last="Mora", street="9 Elm Rd", zip="27601", phone="9195550100", former_names=(("Whitfield", ""),),
        former_addresses=((ROSA.street, ROSA.zip),), former_phones=(ROSA.phone,),
    )  # fmt: skip
    comparison = compare(read_record(BARE), read_record(changed))
    assert comparison.evidence["last_name"] == "former name equal"
    assert comparison.evidence["address"] == "former address equal"
    assert comparison.evidence["phone"] == "equal"
    assert grade(comparison, MILLION) is Grade.CERTAIN


def test_a_shared_ssn_weighs_less():
    stripped, other = read_record(ROSA._replace(medicaid_id="", mrns=())), read_record(ROSA)
    alone, shared = compare(stripped, other), compare(stripped, other, ssn_shared=True)
    assert shared.evidence["ssn"] == "shared"
    assert shared.weight < alone.weight - 10


def test_the_house_number_of_another_street_counts_on_a_short_list_only():
    street = BARE._replace(street="12 Elm Rd", phone="", middle="")
    assert compare(read_record(street), read_record(ROSA)).evidence["address"] == "same number"
    assert compare(read_record(street._replace(street="12")), read_record(ROSA)).evidence["address"] == "same number"
    assert graded(street, size=5_000) is graded(street._replace(street="12"), size=5_000) is Grade.PROBABLE
    assert graded(street, size=MILLION) is graded(street._replace(street="12"), size=MILLION) is Grade.POSSIBLE
    assert graded(street._replace(zip="27601"), size=5_000) is Grade.POSSIBLE


def test_another_last_name_at_the_same_address_is_enough_on_a_short_list():
    married = BARE._replace(last="Mora", phone="", middle="")
    assert graded(married, size=5_000) is Grade.PROBABLE
    assert graded(married, size=MILLION) is Grade.POSSIBLE
    assert graded(married._replace(first="Rosalnd"), size=5_000) is Grade.POSSIBLE
    assert graded(married._replace(street="", phone=BARE.phone), size=5_000) is Grade.POSSIBLE


def test_common_names_weigh_less():
    smith = BARE._replace(last="Smith", first="Mary")
    common = compare(read_record(smith), read_record(smith))
    rare = compare(read_record(BARE), read_record(BARE))
    assert common.weight < rare.weight - 6


def test_the_bar_rises_with_the_panel():
    neighbor = BARE._replace(street="77 Oak St", phone="", middle="")
    assert graded(neighbor, size=1_000) is Grade.PROBABLE
    assert graded(neighbor, size=MILLION) is Grade.POSSIBLE
    sizes = [graded(BARE._replace(street="", phone="", middle=""), size=10**power) for power in range(0, 28, 2)]
    assert [rank(each) for each in sizes] == sorted((rank(each) for each in sizes), reverse=True)
    assert sizes[-1] is Grade.CERTAINLY_NOT


# --- a message's patient ------------------------------------------------------------------------------------------


def test_patient_is_read_with_the_facility_as_authority():
    patient = Patient(
        identifiers=(
            Identifier(system="", value="12345", type="MR"),
            Identifier(system="NCMEDICAID", value="900123456K", type="MA"),
            Identifier(system="SSA", value="245-67-1234", type="SS"),
            Identifier(system="PLAN", value="X1"),
            Identifier(system="PLAN", value=""),
        ),
        name=PersonName(family="Whitfield", given="Rosalind", suffix="Jr"),
        other_names=(PersonName(family="Mora"), PersonName(family="Whitfield", given="Rosalind")),
        birth_date=date(1954, 3, 7),
        sex="F",
        addresses=(Address(street="12 Oak St", city="Asheville", zip="28801"),),
        phones=("8285550142", "0000000000"),
    )
    person = read_patient(patient, "North")
    assert person.mrns == (("NORTH", "12345"), ("PLAN", "X1"))
    assert person.medicaid == ("900123456K",)
    assert person.maybe_medicaid == ("X1",)
    assert person.ssn == "245671234"
    assert [(last.key, first.key) for last, first in person.names] == [("WHITFIELD", "ROSALIND"), ("MORA", "ROSALIND")]
    assert person.suffix == "JR"
    assert person.birth == 19540307
    assert person.phones == ("8285550142",)
    assert read_patient(Patient(), "North") == read_record(PanelRecord(""))


# --- properties -----------------------------------------------------------------------------------------------------

BLANKS = {
    "medicaid_id": "", "ssn": "", "last": "", "first": "", "middle": "", "suffix": "", "birth_date": "", "sex": "",
    "street": "", "city": "", "zip": "", "phone": "", "mother_enrollee_id": "", "mrns": (),
}  # fmt: skip
POOL = {
    "medicaid_id": ["", "900123456K", "900999999T"],
    "ssn": ["", "245671234", "245671243", "501239876", "1234"],
    "last": ["", "Whitfield", "Whitfeild", "Mora", "Whitfield-Mora", "Rosalind"],
    "first": ["", "Rosalind", "Roz", "Mosalind", "Margaret", "R", "Whitfield"],
    "middle": ["", "Marie", "M", "Ann"],
    "suffix": ["", "Jr", "Sr"],
    "birth_date": ["", "1954-03-07", "1954-07-03", "1954-03-17", "1981-11-20", "1900-01-01"],
    "sex": ["", "F", "M"],
    "street": ["", "12 Oak St", "12 Oka St", "9 Elm Rd", "99 Oak St"],
    "city": ["", "Asheville", "Raleigh"],
    "zip": ["", "28801", "27601"],
    "phone": ["", "8285550142", "9195550100"],
    "mother_enrollee_id": ["", "E7", "E8"],
    "mrns": [(), (("NORTH", "12345"),), (("NORTH", "777"),), (("SOUTH", "12345"),)],
}
PEOPLE = st.fixed_dictionaries({field: st.sampled_from(values) for field, values in POOL.items()}).map(
    lambda fields: PanelRecord("", **fields)
)
SIZES = st.sampled_from([100, 10_000, MILLION, 10_000_000])


def test_a_namesake_is_never_automatic_on_a_list_of_any_size():
    namesake = BARE._replace(street="9 Elm Rd", phone="9195550100", middle="")
    for size in (1, 100, 10_000, MILLION):
        assert graded(namesake, size=size) is Grade.POSSIBLE
        assert graded(namesake._replace(street="", phone=""), size=size) is Grade.POSSIBLE


@settings(max_examples=150, deadline=None)
@given(PEOPLE, PEOPLE, st.sampled_from(sorted(BLANKS)), SIZES)
def test_blanking_a_field_never_turns_not_into_certain(record, other, field, size):
    if graded(record, other, size) is Grade.CERTAINLY_NOT:
        assert graded(record._replace(**{field: BLANKS[field]}), other, size) is not Grade.CERTAIN


@settings(max_examples=150, deadline=None)
@given(PEOPLE, PEOPLE, SIZES)
def test_a_disagreeing_identifier_never_raises_a_grade(record, other, size):
    before = rank(graded(record, other, size))
    for added in ({"ssn": "601457788"}, {"medicaid_id": "955555555T"}, {"mrns": (*record.mrns, ("NORTH", "424242"))}):
        if not getattr(record, next(iter(added))) or "mrns" in added:
            assert rank(graded(record._replace(**added), other, size)) <= before


@settings(max_examples=80, deadline=None)
@given(PEOPLE, PEOPLE, SIZES)
def test_both_ways_round_the_grade_is_the_same(record, other, size):
    assert graded(record, other, size) is graded(other, record, size)


@settings(max_examples=80, deadline=None)
@given(PEOPLE, PEOPLE)
def test_automatic_needs_a_third_element(record, other):
    comparison = compare(read_record(record), read_record(other))
    if rank(grade(comparison, MILLION)) >= rank(Grade.PROBABLE):
        said = {field for field, word in comparison.evidence.items() if evidence.agrees(word) is not False}
        assert said - {"last_name", "first_name", "birth_date", "zip", "city", "sex"}
