"""Call guides and the letter: what is asked after which stay, what answers need, and what a file must hold."""

from importlib import resources

import pytest

from parsers.events import EncounterClass, FacilityKind
from rules.decisions import Reason
from rules.following.guides.guide import (
    Facts,
    Guide,
    Language,
    Need,
    guide_for,
    language_of,
    load_guides,
)
from rules.following.guides.letter import Letter, load_letter, printed
from rules.following.guides.scripts import default_scripts
from rules.policy.rule_file import RuleFault

SMALL = """
name = "small"
order = 1
title = { en = "Call", es = "Llamada" }
opening = { en = "Hello.", es = "Hola." }
closing = { en = "Bye.", es = "Adiós." }
[[fits]]
[[questions]]
id = "ride"
en = "Have you a ride?"
es = "¿Tiene cómo llegar?"
needs = { no = "ride" }
"""


def texts():
    files = sorted(resources.files("rules.following.guides").iterdir(), key=lambda item: item.name)
    return [
        (item.name, item.read_text()) for item in files if item.name.endswith(".toml") and item.name != "letter.toml"
    ]


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (Facts(), "discharge_home"),
        (Facts(encounter_class=EncounterClass.INPATIENT), "discharge_home"),
        (Facts(encounter_class=EncounterClass.EMERGENCY), "ed_visit"),
        (Facts(facility_kind=FacilityKind.PSYCHIATRIC), "psychiatric_stay"),
        (Facts(frozenset({Reason.BEHAVIORAL_HEALTH}), EncounterClass.EMERGENCY), "psychiatric_stay"),
        (Facts(frozenset({Reason.OVERDOSE, Reason.BEHAVIORAL_HEALTH}), EncounterClass.EMERGENCY), "overdose"),
        (Facts(frozenset({Reason.NEWBORN})), "newborn"),
        (Facts(encounter_class=EncounterClass.EMERGENCY, age_days=9), "newborn"),
        (Facts(age_days=29), "discharge_home"),
    ],
)
def test_the_guide_that_fits_a_stay(facts, name):
    assert guide_for(default_scripts().guides, facts).name == name


def test_the_shipped_files_pass_their_own_check_and_say_everything_in_both_languages():
    guides = load_guides(texts())
    assert guides == default_scripts().guides
    for guide in guides:
        for question in guide.questions:
            assert question.said(Language.ENGLISH) != question.said(Language.SPANISH)
            assert "¿" in question.es


def test_the_issue_s_questions_are_asked_after_a_discharge():
    asked = {question.id for question in default_scripts().guides[-1].questions}
    assert asked >= {"has_medicines", "knows_medicines", "knows_warning_signs", "has_visit", "has_ride", "has_food"}


def test_answers_become_needs_once_each_in_the_order_of_the_questions():
    guide = default_scripts().guides[-1]
    answers = {"has_food": "no", "knows_medicines": "no", "knows_warning_signs": "unsure", "has_ride": "yes"}
    assert guide.needs(answers) == (Need.TEACHING, Need.FOOD)
    assert guide.needs({}) == ()


def test_an_answer_that_is_not_one_is_named():
    guide = default_scripts().guides[-1]
    assert guide.wrong({"has_food": "maybe", "made_up": "yes", "has_ride": "no"}) == ("has_food", "made_up")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (SMALL.replace('es = "Hola."', 'es = " "'), "a.toml: opening.es", "should match"),
        (SMALL.replace(', es = "Llamada"', ""), "a.toml: title.es", "required"),
        (SMALL.replace('no = "ride"', 'never = "ride"'), "a.toml: questions[0]", "no answer is called never"),
        (SMALL.replace('no = "ride"', 'no = "rocket"'), "a.toml: questions[0].needs.no", "ride"),
        (SMALL + SMALL[SMALL.index("[[questions]]") :], "a.toml: questions", "id of its own"),
        (SMALL.replace("[[fits]]", '[[fits]]\nclasses = ["EMER"]'), "fits", "must fit every stay"),
        (
            SMALL + 'answers = [{ id = "no", en = "a", es = "b" }, { id = "no", en = "c", es = "d" }]',
            "a.toml: questions[0]",
            "id of its own",
        ),
        ("name =", "a.toml: file", "not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(text, place, message):
    faults = load_guides([("a.toml", text)])
    named = [fault for fault in faults if isinstance(fault, RuleFault) and fault.place.startswith(place)]
    assert named, faults
    assert message in named[0].message


def test_two_guides_of_one_name_are_a_fault_and_order_decides_between_two_that_fit():
    assert load_guides([("a", SMALL), ("b", SMALL)]) == (RuleFault("name", "every guide needs a name of its own"),)
    second = SMALL.replace('"small"', '"second"').replace("order = 1", "order = 0")
    guides = load_guides([("a", SMALL), ("b", second)])
    assert all(isinstance(guide, Guide) for guide in guides)
    assert guide_for(guides, Facts()).name == "second"


@pytest.mark.parametrize("word", ["Spanish", "es", "spa", "es-MX", "español", " ES "])
def test_spanish_is_known_by_its_names(word):
    assert language_of(word) is Language.SPANISH


@pytest.mark.parametrize("word", ["", "English", "en", "Hmong", "Estonian"])
def test_any_other_language_is_written_to_in_english(word):
    assert language_of(word) is Language.ENGLISH


@pytest.mark.parametrize("language", Language)
def test_the_letter_is_filled_and_says_nothing_of_a_hospital(language):
    letter = printed(
        default_scripts().letter,
        language,
        name="Rosa {x}",
        practice="Haywood",
        phone="828-555-0100",
        sender="M. Ortiz, RN",
    )
    whole = " ".join((letter.greeting, *letter.paragraphs, letter.closing))
    assert "Rosa {x}" in letter.greeting
    assert "828-555-0100" in whole
    assert "M. Ortiz, RN" in letter.closing
    assert not {"hospital", "emergenc", "diagn"} & {word for word in ("hospital", "emergenc", "diagn") if word in whole}


def test_a_blank_that_nobody_fills_is_a_fault():
    text = (
        'greeting = { en = "Dear {nme},", es = "a" }\nclosing = { en = "b", es = "c" }\n'
        '[[paragraphs]]\nen = "d"\nes = "e"\n'
    )
    assert "no blank is called {nme}" in load_letter(text)[0].message
    assert isinstance(load_letter(text.replace("nme", "name")), Letter)
