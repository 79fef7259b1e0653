"""Texts in HL7 v2 messages of ours: escaped, as long as their types allow, and taken by a strict grammar of others."""

from zoneinfo import ZoneInfo

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from parsers.events import Diagnosis, Identifier, PersonName
from parsers.people import Practice
from rules.decisions import Action, StayStatus
from streams.tell.forms import coordinator
from streams.tell.forms.adt import adt
from streams.tell.forms.hl7v2 import mdm
from streams.words.hl7 import cut, lines_of, shown_as
from tests.tell.test_da_vinci import FULL, PERSON, view

ZONE = ZoneInfo("America/New_York")
HOSPITAL = "Carolinas Medical Center | Northeast & Partners"
HOSTILE = "\x0b\x1c\r\x1bMSH|^~\\&|EVIL\x7f\x85 "
LONG = {
    **FULL,
    "facility": HOSPITAL,
    "complaint": "pain | in & chest " * 28,
    "disposition": "HOME WITH HOME HEALTH AND FAMILY",
    "diagnoses": tuple(Diagnosis(code=f"I50.{n}", system="I10", text="Heart failure & more; " * 3) for n in range(9)),
    "person": PERSON.model_copy(update={"name": PersonName(family="ß|" * 150 + HOSTILE, given=HOSTILE)}),
}


def test_no_control_character_is_left_and_delimiters_are_escaped() -> None:
    assert shown_as(HOSTILE).isprintable()
    assert shown_as("a|b^c&d~e\\") == "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\"


@pytest.mark.parametrize(("most", "expected"), [(20, "|" * 6), (21, "|" * 6), (22, "|" * 7), (60, "|" * 20)])
def test_no_escape_is_cut_in_two(most: int, expected: str) -> None:
    shown = cut("|" * 20, most)
    assert len(shown) <= most
    assert shown.removesuffix("…").replace("\\F\\", "|") == expected


@pytest.mark.parametrize("text", ["short", "pain | in & chest " * 28, "字" * 500, ""])
def test_a_text_in_lines_is_whole(text: str) -> None:
    lines = lines_of(text, 199)
    assert max(map(len, lines)) <= 199
    assert "".join("".join(lines).split()) == "".join(shown_as(text).split())


@pytest.mark.parametrize("changes", [{"ended_at": None}, {"action": Action.AMEND, "status": StayStatus.FINISHED}])
def test_a_strict_grammar_takes_long_and_hostile_values(changes: dict) -> None:
    seen = view(**{**LONG, **changes})
    numbers = (Identifier(system="2.16.840.1.113883.3.1234", value="M1"), Identifier(system="MISSION", value="M2"))
    practice = Practice(practice_id="P1", name=HOSPITAL * 9, network_id="N1")
    contact = coordinator.Contact(numbers, practice, (), instructions="call & ask " * 40)
    messages = [form(seen, "d" * 32, ("EHR", "OAK"), ZONE) for form in (adt, mdm)]
    for message in (*messages, coordinator.mdm(seen, contact, "d" * 32, ("EHR", "OAK"), ZONE)):
        assert message
        assert not {byte for byte in message if byte < 32} - {13}
        assert message.count(b"\rMSH") == 0
        parse_message(message.decode(), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True).validate()
    visit = hl7.parse((messages[0] or b"").decode()).segment("PV1")
    assert str(visit[3][0][8]) == shown_as(HOSPITAL), "PL.9 holds all of what PL.4 has no room for"
    assert "HOME" not in str(visit), "a part of a word is none"
