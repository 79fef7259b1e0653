"""Directory files: each fault named at its place; grave ones keep the whole directory out."""

from datetime import UTC, datetime
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.files.directory import COUNTIES, NOTES, DirectoryFiles, FaultCode, Kind, read_directory
from parsers.hours import ALWAYS, DAY, WEEK, read_hours, within
from parsers.people import Role

SHIPPED = resources.files("streams.commands").joinpath("data", "lme_mcos.csv").read_bytes()
FILES = {
    Kind.NETWORKS: "network_id,name\nN1,West\n",
    Kind.PRACTICES: "practice_id,name,network_id,county\nP1,Blue Ridge,N1,Buncombe\nP2,Smoky,N1,Haywood\n",
    Kind.CASE_MANAGERS: (
        "case_manager_id,name,role,network_id,lme_mco_id,practices,hours\n"
        'a,"M. Ortiz, RN",nurse,N1,,P1;P2,Mon-Fri 08:00-17:00\nb,B. Lee,RN,N1,,,\nk,T. Vance,care coordinator,,vaya,,\n'
    ),
    Kind.ABSENCES: "case_manager_id,starts,ends,backup_id\na,2026-12-24,2026-12-26,b\n",
    Kind.LME_MCOS: SHIPPED.decode(),
}


def read(**changes: str) -> DirectoryFiles:
    files = {kind: changes.get(kind.value, text) for kind, text in FILES.items()}
    return read_directory({kind: text.encode() for kind, text in files.items() if text != "absent"})


def test_a_directory_without_faults() -> None:
    files = read()
    assert not files.faults
    assert files.usable
    assert [person.role for person in files.case_managers] == [Role.NURSE, Role.NURSE, Role.CARE_COORDINATOR]
    assert files.case_managers[0].practices == ("P1", "P2")
    assert files.case_managers[0].name == "M. Ortiz, RN"
    [absence] = files.absences
    assert absence.starts == datetime(2026, 12, 24, 5, tzinfo=UTC)
    assert absence.ends == datetime(2026, 12, 27, 5, tzinfo=UTC), "the last day counts in full"


def test_the_shipped_plans_cover_all_100_counties_once() -> None:
    named = [county for plan in read().lme_mcos for county in plan.counties]
    assert len(COUNTIES) == 100
    assert sorted(named) == sorted(name.replace("_", " ") for name in COUNTIES)


OF_PLAN = {  # those who changed plans from 2019 to 2024, in the words of the plans and the counties themselves
    "alliance": ["Harnett", "Mecklenburg", "Orange"],
    "partners": ["Cabarrus", "Davidson", "Davie", "Forsyth", "Rutherford", "Stanly", "Union"],
    "trillium": ["Anson", "Bladen", "Guilford", "Hoke", "Lee", "Moore", "Nash", "Randolph", "Richmond", "Robeson"],
    "vaya": ["Alamance", "Caswell", "Chatham", "Franklin", "Granville", "Person", "Rockingham", "Rowan", "Stokes"],
}


@pytest.mark.parametrize(("plan_id", "count"), [("alliance", 7), ("partners", 15), ("trillium", 46), ("vaya", 32)])
def test_the_shipped_plans_are_those_since_the_consolidation_of_2024(plan_id: str, count: int) -> None:
    [plan] = [plan for plan in read().lme_mcos if plan.lme_mco_id == plan_id]
    assert len(plan.counties) == count
    assert set(OF_PLAN[plan_id]) <= set(plan.counties)
    assert len(read().lme_mcos) == 4


ABSENCE = "case_manager_id,starts,ends,backup_id\n"
PERSON = "case_manager_id,name,role,practices,hours,network_id,lme_mco_id\n"
FAULTS = {
    "file missing": ("networks", "absent", 0, "", FaultCode.FILE_MISSING),
    "file empty": ("networks", "\n", 0, "", FaultCode.COLUMN_MISSING),
    "column missing": ("networks", "name\nWest\n", 1, "network_id", FaultCode.COLUMN_MISSING),
    "line broken": ("networks", "network_id,name\nN1,West\nN2\n", 3, "", FaultCode.LINE_BROKEN),
    "a control character": ("networks", "network_id,name\nN1,We\0st\n", 2, "", FaultCode.LINE_BROKEN),
    "quotes broken": ("networks", 'network_id,name\nN1,West\nN2,"West\n', 3, "", FaultCode.LINE_BROKEN),
    "id empty": ("networks", "network_id,name\nN1,West\n,East\n", 3, "network_id", FaultCode.MISSING),
    "id twice": ("networks", "network_id,name\nN1,West\nN1,East\n", 3, "network_id", FaultCode.DUPLICATE_ID),
    "extra column": ("networks", "network_id,name,shoe\nN1,West,9\n", 1, "shoe", FaultCode.EXTRA_COLUMN),
    "role": ("case_managers", PERSON + "a,A,wizard,,,,\nb,B,rn,,,,\n", 2, "role", FaultCode.UNKNOWN_ROLE),
    "hours": ("case_managers", PERSON + "a,A,rn,,always,,\nb,B,rn,,,,\n", 2, "hours", FaultCode.HOURS_UNREADABLE),
    "capacity": (
        "case_managers", PERSON[:-1] + ",capacity\na,A,rn,,,,,40\nb,B,rn,,,,,many\n", 3, "capacity",
        FaultCode.CAPACITY_UNREADABLE,
    ),
    "capacity of nothing": (
        "case_managers", PERSON[:-1] + ",capacity\na,A,rn,,,,,0\nb,B,rn,,,,,\n", 2, "capacity",
        FaultCode.CAPACITY_UNREADABLE,
    ),
    "network unknown": (
        "case_managers", PERSON + "a,A,rn,,,N9,\nb,B,rn,,,,\n", 2, "network_id", FaultCode.UNKNOWN_NETWORK,
    ),
    "plan unknown": (
        "case_managers", PERSON + "a,A,care_coordinator,,,,x\nb,B,rn,,,,\n", 2, "lme_mco_id", FaultCode.UNKNOWN_PLAN,
    ),
    "practice unknown": (
        "case_managers", PERSON + "a,A,rn,P1;P9,,,\nb,B,rn,,,,\n", 2, "practices", FaultCode.UNKNOWN_PRACTICE,
    ),
    "practice of no network": (
        "practices", "practice_id,name,network_id\nP1,A,N1\nP2,B,N9\n", 3, "network_id", FaultCode.UNKNOWN_NETWORK,
    ),
    "absence of nobody": ("absences", ABSENCE + "z,2026-12-01,2026-12-02,a\n", 2, "case_manager_id",
                          FaultCode.UNKNOWN_PERSON),
    "back-up is nobody": ("absences", ABSENCE + "a,2026-12-01,2026-12-02,z\n", 2, "backup_id",
                          FaultCode.UNKNOWN_PERSON),
    "no back-up": ("absences", ABSENCE + "a,2026-12-01,2026-12-02,\n", 2, "backup_id", FaultCode.NO_BACKUP),
    "own back-up": ("absences", ABSENCE + "a,2026-12-01,2026-12-02,a\n", 2, "backup_id", FaultCode.OWN_BACKUP),
    "ends first": ("absences", ABSENCE + "a,2026-12-05,2026-12-02,b\n", 2, "ends", FaultCode.TIMES_REVERSED),
    "no time": ("absences", ABSENCE + "a,soon,2026-12-02,b\n", 2, "starts", FaultCode.TIME_UNREADABLE),
    "no such month": ("absences", ABSENCE + "a,2026-13-01,2026-12-02,b\n", 2, "starts", FaultCode.TIME_UNREADABLE),
    "no county": ("lme_mcos", FILES[Kind.LME_MCOS] + "x,X,Kent\n", 6, "counties", FaultCode.UNKNOWN_COUNTY),
    "county twice": (
        "lme_mcos", FILES[Kind.LME_MCOS] + "x,X,buncombe COUNTY\n", 6, "counties", FaultCode.COUNTY_TWICE,
    ),
    "county left": (
        "lme_mcos", FILES[Kind.LME_MCOS].replace(";Wake", ""), 0, "counties", FaultCode.COUNTY_WITHOUT_PLAN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_where_it_stands(name: str) -> None:
    file, text, line, column, code = FAULTS[name]
    files = read(**{file: text})
    places = [(fault.file, fault.line, fault.column, fault.code) for fault in files.faults]
    assert (Kind(file), line, column, code) in places
    assert files.usable == all(fault.code in NOTES for fault in files.faults)


def test_how_many_a_person_can_carry_is_read_where_it_is_said() -> None:
    files = read(case_managers=PERSON[:-1] + ",caseload\na,A,rn,,,,,40\nb,B,rn,,,,,\n")
    assert [person.capacity for person in files.case_managers] == [40, 0]


def test_all_faults_come_at_once_in_the_order_of_the_files() -> None:
    files = read(networks="absent", case_managers=PERSON + "a,A,wizard,,always,,\n", absences=ABSENCE + "q,x,y,\n")
    assert [fault.file for fault in files.faults] == sorted(
        (fault.file for fault in files.faults), key=list(Kind).index
    )
    assert {fault.code for fault in files.faults if fault.grave} >= {
        FaultCode.FILE_MISSING,
        FaultCode.UNKNOWN_ROLE,
        FaultCode.HOURS_UNREADABLE,
        FaultCode.TIME_UNREADABLE,
    }


def test_absences_and_plans_may_be_left_out() -> None:
    files = read(absences="absent", lme_mcos="absent")
    assert files.usable
    assert files.absences == files.lme_mcos == ()


CYCLES = {
    "two who stand in for each other": ("a,2026-12-01,2026-12-05,b\nb,2026-12-04,2026-12-08,a\n", 2),
    "one after the other": ("a,2026-12-01,2026-12-03,b\nb,2026-12-04,2026-12-08,a\n", 0),
    "three in a ring": ("a,2026-12-01,2026-12-05,b\nb,2026-12-01,2026-12-05,k\nk,2026-12-05,2026-12-06,a\n", 3),
    "a ring that is never closed at once": (
        "a,2026-12-01,2026-12-03,b\nb,2026-12-03,2026-12-05,k\nk,2026-12-05,2026-12-06,a\n", 0,
    ),
    "a chain that leads into a ring": (
        "a,2026-12-01,2026-12-05,b\nb,2026-12-01,2026-12-05,k\nk,2026-12-01,2026-12-05,b\n", 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CYCLES)
def test_back_ups_in_a_ring(name: str) -> None:
    absences, count = CYCLES[name]
    files = read(absences=ABSENCE + absences)
    assert sum(fault.code is FaultCode.BACKUP_CYCLE for fault in files.faults) == count
    assert files.usable, "the next one answers, so a ring is for somebody to look at"


def test_times_with_and_without_offset_and_other_header_names() -> None:
    files = read(
        absences="person,from,to,backup\na,2026-07-01 13:00,2026-07-01T19:00:00+00:00,b\n",
        case_managers="ID,Full name,Role,Carries,Working hours,Feeds\na,A,nurse,P1; P2,,\nb,B,director,,,mission;x\n",
    )
    assert files.usable, files.faults
    assert files.absences[0].starts == datetime(2026, 7, 1, 17, tzinfo=UTC)
    assert files.absences[0].ends == datetime(2026, 7, 1, 19, tzinfo=UTC)
    assert files.case_managers[1].role is Role.MEDICAL_DIRECTOR
    assert files.case_managers[1].feeds == ("mission", "x")


def test_latin_1_is_read_with_a_note_and_blank_lines_are_nothing() -> None:
    data = {kind: text.encode() for kind, text in FILES.items()}
    data[Kind.NETWORKS] = "network_id,name\nN1,Peña\n,\n".encode("latin-1")
    files = read_directory(data)
    assert files.networks[0].name == "Peña"
    assert [fault.code for fault in files.faults] == [FaultCode.ENCODING_ASSUMED]


HOURS = {
    "": ALWAYS,
    "Mon-Fri 08:00-17:00": tuple((day * DAY + 480, day * DAY + 1020) for day in range(5)),
    "mon 8:00-9:30; Sat 0900-1200": ((480, 570), (5 * DAY + 540, 5 * DAY + 720)),
    "Mondays 08:00-09:00": ((480, 540),),
    "Sun 20:00-06:00": ((0, 360), (6 * DAY + 1200, WEEK)),
    "Fri-Mon 00:00-24:00": ((0, DAY), (4 * DAY, WEEK)),
    "00:00-24:00": ALWAYS,
    "always": None,
    "Mon 25:00-26:00": None,
    "Mon 08:70-09:00": None,
    "Foo 08:00-09:00": None,
    "Mon-Foo 08:00-09:00": None,
}


@pytest.mark.parametrize("text", HOURS)
def test_hours(text: str) -> None:
    assert read_hours(text) == HOURS[text]


@given(st.integers(0, 6), st.integers(0, 1439), st.integers(0, 1439), st.integers(0, WEEK - 1))
def test_hours_hold_for_exactly_their_minutes(day: int, opens: int, closes: int, minute: int) -> None:
    name = "Mon Tue Wed Thu Fri Sat Sun".split()[day]
    spans = read_hours(f"{name} {opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}")
    assert spans is not None
    length = (closes - opens) % DAY or DAY
    expected = (minute - day * DAY - opens) % WEEK < length
    at = datetime(2026, 11, 23 + minute // DAY, minute % DAY // 60, minute % 60)  # noqa: DTZ001 a local wall time
    assert within(spans, at) == expected


@given(st.dictionaries(st.sampled_from(list(Kind)), st.binary(max_size=200)))
def test_no_bytes_whatever_make_it_raise(files: dict[Kind, bytes]) -> None:
    read_directory(files)
