"""Stays that an earlier version wrote, with a flat dictionary of words, go on living.

`stays_of_version_1.json`: what the code before typed registers had written of some stories, each cut after so many
messages where most had been remembered. To be dropped together with `rules.registers.of_memory`.
"""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parsers.events import EncounterClass, FacilityKind
from rules.decisions import Stay
from rules.registers import Before, Registers
from tests.stories.test_stories import FOLDERS, core_for, messages

OLD = json.loads((Path(__file__).parent / "stays_of_version_1.json").read_text())
_TIMES = ("existence", "discharge", "leave", "started", "plan", "death", "highest")
AT = datetime(2026, 3, 2, 14, 5, 6, tzinfo=UTC)
MEMORY = {
    **dict.fromkeys(
        ("existence", "discharge", "leave", "class", "started", "plan", "death", "highest"), AT.isoformat()
    ),
    **dict.fromkeys(("began", "admitted", "ed", "hospital", "assumed", "buried", "person_deleted"), "1"),
    "death_is": "Y",
    "number": "V2",
    "account": "account A2",
    "former": "V1\x1faccount A1",
    "before": f"EMER\x1f{AT.isoformat()}\x1f09\x1fV1\x1f",
    "source": "7",
    "said": "f" * 32,
    "place": "",
    "sender": "NORTH",
    "named": "North Hospital",
    "facility_before": "South Hospital",
    "facility_kind_before": "psychiatric",
    "unit_before": "",
    "waits_for": "0" * 32,
    "was": "in-progress",
}
REGISTERS = Registers(
    **dict.fromkeys((*_TIMES, "encounter_class"), AT),
    **dict.fromkeys(
        ("dead", "began", "admitted", "emergency", "hospital", "assumed", "buried", "deleted_with_person"), True
    ),
    number="V2",
    account="account A2",
    former=("V1", "account A1"),
    before=Before(encounter_class=EncounterClass.EMERGENCY, ended_at=AT, disposition="09", number="V1"),
    source="7",
    said="f" * 32,
    place="",
    sender="NORTH",
    named="North Hospital",
    facility_before="South Hospital",
    facility_kind_before=FacilityKind.PSYCHIATRIC,
    unit_before="",
    waits_for="0" * 32,
    was="in-progress",
)


def kept(**more):
    return json.dumps({"stay_id": "S1", "enrollee_id": "E1", "facility": "NORTH", **more})


def test_every_word_of_the_old_dictionary_is_read():
    assert Stay.model_validate_json(kept(memory=MEMORY)).registers == REGISTERS
    written = {name for name, field in Registers.model_fields.items() if getattr(REGISTERS, name) != field.default}
    assert written | {"version"} == set(Registers.model_fields), "a register that this test forgets"


def test_a_visit_that_had_not_ended_before_it_became_an_admission():
    memory = {"before": "EMER\x1f\x1f\x1f\x1f", "former": ""}
    before = Stay.model_validate_json(kept(memory=memory)).registers
    assert (before.before, before.former) == (Before(encounter_class=EncounterClass.EMERGENCY), ())


@pytest.mark.parametrize("registers", [Registers(), REGISTERS, Registers(number="V1"), Registers(former=("V1",))])
def test_what_is_written_is_read_again_and_says_which_version_it_is(registers):
    stay = Stay(stay_id="S1", enrollee_id="E1", facility="NORTH", registers=registers)
    document = stay.model_dump_json()
    assert Stay.model_validate_json(document) == stay
    assert json.loads(document)["registers"]["version"] == 2
    assert Stay.model_validate_json(kept(memory={})).registers == Registers()


def test_only_what_a_message_wrote_is_kept():
    assert json.loads(Registers(began=True).model_dump_json()) == {"version": 2, "began": True}


def test_of_two_stays_that_are_one_the_others_fill_what_is_not_written():
    former, other = Registers(number="V1", began=True), Registers(number="V2", place="", source="7")
    assert former.over(other) == Registers(number="V1", began=True, place="", source="7")


@pytest.mark.parametrize("name", OLD)
def test_a_story_begun_before_ends_as_one_told_after(name):
    folder = next(folder for folder in FOLDERS if folder.name == name)
    facts, sent = tomllib.loads((folder / "story.toml").read_text()), list(messages(folder))
    after, core, whole = OLD[name]["after"], core_for(folder, facts), core_for(folder, facts)
    for data, reject in sent[:after]:
        core.step(data, reject)
        whole.step(data, reject)
    for document in OLD[name]["stays"]:
        stay = Stay.model_validate_json(json.dumps(document))
        assert stay == core.remembered.stays[stay.stay_id], "as today's code would have written it"
        core.remembered.take_stay(stay)
    ends = [core.step(data, reject) for data, reject in sent[after:]]
    assert ends == [whole.step(data, reject) for data, reject in sent[after:]]
    assert core.remembered.stays == whole.remembered.stays


def test_the_stories_that_were_begun_before_have_used_what_there_was_to_remember():
    words = {word for story in OLD.values() for stay in story["stays"] for word in stay["memory"]}
    assert set(MEMORY) - words == {"assumed", "named", "source"}
