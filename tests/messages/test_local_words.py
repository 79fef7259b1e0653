"""What hospitals write in their own words and numbers: read where it is certain, noted where it is not, never silently
something else."""

from datetime import UTC, datetime

import pytest

from parsers.events import EncounterClass, Event, FacilityKind, Finding
from parsers.feeds import Feed, Feeds
from parsers.hl7.adt import read_adt
from parsers.hl7.er7 import Peek, peek
from parsers.hl7.placeholders import is_no_visit, is_placeholder
from parsers.outcomes import TestMessage
from tests.messages.test_adt import EVN, PID, PV1, adt, event, fields, findings, msh, read

UNKNOWN = (Finding.DISPOSITION_UNKNOWN, "PV1-36")


def disposition(sent: str, feed: Feed | None = None) -> tuple[str, bool]:
    reading = event(adt(EVN, PID, fields("PV1", f2="I", f36=sent), trigger="A03"), feed or Feed())
    assert reading.visit is not None
    return reading.visit.disposition, UNKNOWN in findings(reading)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("20-Expired", "20"),
        ("20 - EXPIRED", "20"),
        ("01-HOME", "01"),
        ("07 - LEFT AMA", "07"),
        ("62. Inpt rehab fac.", "62"),  # the number of two digits is HL7's, whatever its words
        ("Died at home", "40"),
        ("Expired (Coroner)", "20"),
        ("Pt expired in OR", "20"),
        ("AMA - Left Against Medical Advice", "07"),
        ("LEFT W/O BEING SEEN", "07"),
        ("DISCHARGED TO HOME OR SELF CARE (ROUTINE DISCHARGE)", "01"),
        ("Transferred to another hospital", "02"),
        ("SKILLED NURSING FACILITY (SNF)", "03"),
        ("Admitted as inpatient to this hospital", "09"),
        ("^Admit", "09"),
        ("62^Home", "62"),  # no question of life: the code counts
    ],
)
def test_dispositions_in_words_that_are_certain(sent: str, code: str) -> None:
    assert disposition(sent) == (code, False)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("1^Expired", "20"),
        ("01^Expired", "20"),
        ("2^Home", "01"),  # a number of one digit is hardly HL7's when its words say another thing
        ("3 - Rehab", "62"),
        ("3 - Ward 9", "3 - Ward 9"),
        ("20^Home", "01"),
        ("NOT EXPIRED", "NOT EXPIRED"),
        ("Authorization expired", "Authorization expired"),
        ("Home - Expired", "Home - Expired"),
        ("HOSPICE", "HOSPICE"),
        ("E20", "E20"),
        ("0", ""),  # stands for none
        ("UNKNOWN", ""),
    ],
)
def test_dispositions_that_are_not_certain_are_noted(sent: str, code: str) -> None:
    assert disposition(sent) == (code, True)


@pytest.mark.parametrize("sent", ["HOMEHLTH", "HomeHlth", " homehlth", "Q7^HomeHlth", "7", "07"])
def test_the_feeds_table_goes_first_whatever_case_and_zeros(sent: str) -> None:
    assert disposition(sent, Feed(dispositions={"homehlth": "06", "7": "06"})) == ("06", False)


@pytest.mark.parametrize(
    ("sent", "expected", "noted"),
    [
        ("Emergency Department", EncounterClass.EMERGENCY, False),
        ("^Emergency", EncounterClass.EMERGENCY, False),
        ("X9^Inpatient", EncounterClass.INPATIENT, False),
        ("NB", EncounterClass.INPATIENT, False),
        ("psy", EncounterClass.INPATIENT, False),  # as the feed says
        ("Q^PSY", EncounterClass.INPATIENT, False),
        ("N", EncounterClass.UNKNOWN, True),  # not applicable: no outpatient, an admission stays one
        ("SURG", EncounterClass.UNKNOWN, True),
    ],
)
def test_classes_in_words(sent: str, expected: EncounterClass, noted: bool) -> None:
    reading = event(adt(EVN, PID, fields("PV1", f2=sent)), Feed(classes={"Psy": EncounterClass.INPATIENT}))
    assert reading.visit is not None
    assert reading.visit.encounter_class is expected
    assert ((Finding.CLASS_UNKNOWN, "PV1-2") in findings(reading)) is noted
    assert reading.visit.newborn is (sent == "NB")


@pytest.mark.parametrize("word", ["UAT", "QA", "Demo", "Staging", "NON-PRODUCTION", "Sandbox"])
def test_words_for_a_test(word: str) -> None:
    assert isinstance(read(adt(EVN, PID, PV1, f11=word)), TestMessage)


@pytest.mark.parametrize(
    "sending", ["NORTHSYS", "northsys", " NorthSys", "EPIC|NORTHSYS", "epic|northsys", "1.2.3", "urn:oid:1.2.3"]
)
def test_a_feed_is_chosen_whatever_the_case_and_the_form_of_an_oid(sending: str) -> None:
    feeds = Feeds(feeds=(Feed(name="north", sending=(sending,)),))
    assert feeds.feed_for("EPIC", "urn:oid:1.2.3" if "1.2.3" in sending else "NORTHSYS").name == "north"
    assert feeds.feed_for("EPIC", "SOUTH").name == "default"


def test_what_sort_a_facility_is_whatever_its_spelling() -> None:
    feed = Feed(facility_kinds={"Broughton": FacilityKind.PSYCHIATRIC})
    reading = event(adt(EVN, PID, fields("PV1", f2="I", f3="4W^1^1^BROUGHTON")), feed)
    assert reading.facility_kind is FacilityKind.PSYCHIATRIC


@pytest.mark.parametrize("value", ["123456", "0123456789", "1111111", "X", "VISIT", "V0000000"])
def test_a_visit_is_not_numbered_so(value: str) -> None:
    reading = event(adt(EVN, f"PID|1||77^^^NORTH^MR||Doe^Jane|||||||||||||{value}", fields("PV1", f2="I", f19=value)))
    assert is_no_visit(value)
    assert reading.visit is not None
    assert (reading.visit.number, reading.patient.account) == (None, None)


@pytest.mark.parametrize("value", ["12345", "123457", "1234567891", "111111", "V100", "VN", "A0000"])
def test_a_visit_may_be_numbered_so(value: str) -> None:
    assert not is_no_visit(value)


def test_a_number_that_may_be_all_that_names_a_patient_is_kept() -> None:
    assert not is_placeholder("123456")
    assert event(adt(EVN, "PID|1||123456^^^NORTH^MR", PV1)).patient.identifiers[0].value == "123456"


@pytest.mark.parametrize(
    ("name", "nobody"),
    [
        ("Doe^John", True),
        ("JANE DOE", True),
        ("TRAUMA, ALPHA", True),
        ("TRAUMAALPHA^ONE", True),
        ("XXX^XXX", True),
        ("X^X", True),
        ("N/A^N/A", True),
        ("DISASTER^7", True),
        ("BABY BOY", True),
        ("Smith^BABY BOY", True),
        ("Doerr^John", False),
        ("Testa^Mary", False),
        ("Xu^Li", False),
        ("Boyle^Baby", True),
    ],
)
def test_names_of_who_has_none_yet(name: str, nobody: bool) -> None:
    reading = event(adt(EVN, f"PID|1||77^^^NORTH^MR||{name}", PV1))
    assert ((Finding.PLACEHOLDER_NAME, "PID-5") in findings(reading)) is nobody


RECORDED = datetime(2026, 3, 1, 17, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("learned", "happened", "made", "recorded", "noted"),
    [
        ("19000101", "", "20260301120500-0500", RECORDED, "EVN-2"),
        ("19700101000000", "", "20260301120500-0500", RECORDED, "EVN-2"),
        ("20000101000000", "", "20260301120500-0500", RECORDED, "EVN-2"),
        ("20260301120500-0500", "", "19000101000000", RECORDED, "MSH-7"),
        ("20260301100000-0500", "20260301120500-0500", "20260301120600-0500", RECORDED, ""),  # they changed places
        ("20260301120500-0500", "20260301130000-0500", "20260301120600-0500", RECORDED, ""),  # still to happen
        ("20260301120500-0500", "20260301100000-0500", "20260301120600-0500", RECORDED, ""),
    ],
)
def test_when_it_was_recorded(learned: str, happened: str, made: str, recorded: datetime, noted: str) -> None:
    reading = event(adt(fields("EVN", f1="A08", f2=learned, f6=happened), PID, PV1, trigger="A08", f7=made))
    assert reading.recorded_at == recorded
    assert {place for finding, place in findings(reading) if finding is Finding.TIME_IMPLAUSIBLE} == {noted} - {""}


@pytest.mark.parametrize("happened", ["19000101", "29991231"])
@pytest.mark.parametrize("trigger", ["A01", "A03"])
def test_a_placeholder_in_evn_6_is_not_when_it_happened(happened: str, trigger: str) -> None:
    evn = fields("EVN", f1=trigger, f2="20260301120500-0500", f6=happened)
    reading = event(adt(evn, PID, fields("PV1", f2="I"), trigger=trigger))
    assert reading.occurred_at == RECORDED
    assert (Finding.TIME_IMPLAUSIBLE, "EVN-6") in findings(reading)


@pytest.mark.parametrize(
    ("admitted", "discharged", "kept", "noted"),
    [
        ("20260226", "20260301", ("20260226", "20260301"), ""),
        ("20260301", "20260301", ("20260301", "20260301"), ""),
        ("20260226", "20260126", ("20260226", ""), "PV1-45"),
        ("20260302", "20260301", ("", "20260301"), "PV1-44"),
    ],
)
def test_a_discharge_on_a_day_before_the_admission(
    admitted: str, discharged: str, kept: tuple[str, str], noted: str
) -> None:
    times = {"f44": f"{admitted}113000-0500", "f45": f"{discharged}120000-0500"}
    evn = fields("EVN", f1="A03", f2="20260301120500-0500")
    reading = event(adt(evn, PID, fields("PV1", f2="I", **times), trigger="A03"))
    assert reading.visit is not None
    days = tuple(f"{at:%Y%m%d}" if at else "" for at in (reading.visit.admitted_at, reading.visit.discharged_at))
    assert days == kept
    assert f"{reading.occurred_at:%Y%m%d}" == "20260301"
    assert {place for finding, place in findings(reading) if finding is Finding.TIME_IMPLAUSIBLE} == {noted} - {""}


@pytest.mark.parametrize(
    ("at", "indicator", "dead", "noted"),
    [
        ("20991231", "", None, "PID-29"),
        ("20190101", "", None, "PID-29"),  # nobody is admitted years after death
        ("20991231", "Y", True, "PID-29"),
        ("20260228", "", True, ""),  # dead on arrival
        ("", "DECEASED", True, ""),
        ("", "Expired", True, ""),
        ("", "D", True, ""),
        ("20260228", "ALIVE", False, "PID-30"),
        ("", "U", None, ""),
    ],
)
def test_deaths_that_cannot_be_and_words_for_them(at: str, indicator: str, dead: bool | None, noted: str) -> None:
    reading = event(adt(EVN, f"{PID}{'|' * 21}{at}|{indicator}", PV1))
    assert reading.patient.deceased is dead
    assert {place for finding, place in findings(reading) if finding is Finding.DEATH_DISAGREES} == {noted} - {""}


def test_nobody_is_born_in_the_future() -> None:
    reading = event(adt(EVN, "PID|1||77^^^NORTH^MR||Roe^Jane||20991231|F", PV1))
    assert reading.patient.birth_date is None
    assert (Finding.TIME_IMPLAUSIBLE, "PID-7") in findings(reading)


@pytest.mark.parametrize(
    ("second", "noted"),
    [
        (fields("PV1", f2="E", f19="V2^^^NORTH"), "PV1"),
        (PV1, ""),
        (fields("EVN", f1="A03"), "EVN"),
        (EVN, ""),
        (fields("PV2", f3="^Fall"), ""),
    ],
)
def test_a_segment_that_comes_twice_with_two_contents_is_noted(second: str, noted: str) -> None:
    reading = event(adt(EVN, PID, PV1, second))
    assert {place for finding, place in findings(reading) if finding is Finding.STRUCTURE_WRONG} == {noted} - {""}
    assert reading.visit is not None
    assert reading.visit.encounter_class is EncounterClass.INPATIENT


def test_the_complaint_of_a_second_pv2_is_read() -> None:
    reading = event(adt(EVN, PID, PV1, "PV2|||", "PV2|||^HEROIN OVERDOSE"))
    assert reading.visit is not None
    assert reading.visit.complaint == "HEROIN OVERDOSE"


@pytest.mark.parametrize(
    ("sent", "cleared"), [('""', True), ('^""', True), ('""^""', True), ('^""X', False), ("", False)]
)
def test_a_field_of_deletes_is_deleted(sent: str, cleared: bool) -> None:
    assert ("PV2-3" in event(adt(EVN, PID, PV1, f"PV2|||{sent}")).cleared) is cleared


@pytest.mark.parametrize(
    "end", [b"\x85", b"\xc2\x85", b"\x0c", b"\x1e", b"\\r", b"\\r\\n", b"<CR>", b"\x85 "], ids=repr
)
def test_other_line_ends(end: bytes) -> None:
    data = end.join(line.encode() for line in (msh(f18="8859/1"), EVN, PID, PV1))
    seen = peek(data)
    assert isinstance(seen, Peek)
    assert (seen.trigger, seen.patient_key) == ("A01", "12345")
    reading = read_adt(data, lambda _a, _f: Feed(), message_id="0" * 32, received_at=datetime(2026, 3, 2, tzinfo=UTC))
    assert isinstance(reading, Event)
    assert reading.patient.name.family == "Doe"
    assert (Finding.LINE_END_NOT_CR, "") in findings(reading)


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [("^N/A", ""), ("UNKNOWN", ""), ("^see notes", ""), ("^--", ""), ("^TRAUMA", "TRAUMA"), ("TEMP", "TEMP")],
)
def test_what_stands_for_no_complaint_is_none(sent: str, complaint: str) -> None:
    reading = event(adt(EVN, PID, PV1, f"PV2|||{sent}"))
    assert reading.visit is not None
    assert reading.visit.complaint == complaint
