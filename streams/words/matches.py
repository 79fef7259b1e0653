"""Why we think that two people are one, in words that say what agrees and what does not."""

from collections.abc import Mapping
from typing import Final

from rules.decisions import Grade
from rules.matching.evidence import Agreement, Field, Note, Shown, shown_of
from streams.words import stays as wording

GRADE_WORDS: Final[Mapping[Grade, str]] = {
    Grade.CERTAIN: "This is certainly the person on your panel",
    Grade.PROBABLE: "This is very likely the person on your panel",
    Grade.POSSIBLE: "This may be the person on your panel; a person decides",
    Grade.CERTAINLY_NOT: "This is not a person on your panel",
}
_FIELD_WORDS: Final[Mapping[str, str]] = {
    Field.LAST_NAME: "last name",
    Field.FIRST_NAME: "first name",
    Field.MIDDLE_NAME: "middle name",
    Field.SUFFIX: "Jr./Sr.",
    Field.BIRTH_DATE: "birth date",
    Field.SEX: "sex",
    Field.SSN: "Social Security number",
    Field.MEDICAID_ID: "Medicaid ID",
    Field.MRN: "hospital record number",
    Field.ADDRESS: "address",
    Field.ZIP: "ZIP code",
    Field.CITY: "city",
    Field.PHONE: "phone",
    Field.MOTHER: "mother",
    Field.CONTESTED: "contested",
    Field.LARGE_BLOCK: "searched",
    Field.REVIEW: "review",
    Field.MESSAGE: "message",
    Field.ENROLLMENT: "enrollment",
    Field.PANEL: "panel",
}
_SAID: Final[Mapping[str, str]] = {
    Agreement.EQUAL: "the same",
    Agreement.RARE: "the same, and rare",
    Agreement.FORMER_NAME: "the same as before",
    Agreement.FORMER_ADDRESS: "the same as before",
    Agreement.NICKNAME: "a nickname of it",
    Agreement.PART: "partly matches",
    Agreement.SIMILAR: "close",
    Agreement.OWN_NAME: "close, but a name of its own",
    Agreement.FIRST_LETTER: "first letter differs",
    Agreement.INITIAL: "same initial",
    Agreement.RARE_INITIAL: "same initial, and rare",
    Agreement.BY_MIDDLE_NAME: "one goes by the middle name",
    Agreement.SWAPPED: "swapped around",
    Agreement.DAY_AND_MONTH: "month and day swapped",
    Agreement.ONE_DIGIT: "one digit differs",
    Agreement.ONE_PART: "one part differs",
    Agreement.LAST_FOUR: "last four the same",
    Agreement.LAST_FOUR_NEARLY: "last four nearly the same",
    Agreement.NEIGHBOR: "close, as the numbers of twins are",
    Agreement.SHARED: "the same, but others have it too",
    Agreement.SAME_STREET: "same street",
    Agreement.SAME_NUMBER: "same number",
    Agreement.NUMBER_MISSING: "number missing",
    Agreement.ANOTHER_SCRIPT: "another script",
    Agreement.ANOTHER_NAME: "another name",
    Agreement.GENERATION: "same day, a generation apart",
    Agreement.YEARS_APART: "years apart",
    Agreement.ANOTHER_ENROLLEE: "another enrollee agrees as well",
    Agreement.DIFFERS: "different",
    Note.SAME: "the same person, as somebody said",
    Note.TWO_PATIENTS: "names two patients, and the visit may be the other one's",
    Note.LATE: "late",
    Note.NONE_GIVEN: "none given",
}
assert _FIELD_WORDS.keys() == set(Field)
assert _SAID.keys() == {*Agreement, *Note}


def field(name: str) -> str:
    """A field of evidence as a reader calls it; one of another version by its own name."""
    return _FIELD_WORDS.get(name) or wording.field(name)


def compared(fields: Mapping[str, str]) -> tuple[str, ...]:
    """ "We matched birth date, Medicaid ID", then what is only close, and what is not the same."""
    words = {name: word for name, word in fields.items() if name != Field.LARGE_BLOCK}
    sorted_out = {shown: [name for name, word in words.items() if shown_of([word]) is shown] for shown in Shown}
    same = ", ".join(field(name) for name in sorted_out[Shown.AGREES])
    close = "; ".join(evidence({name: words[name] for name in sorted_out[Shown.UNCLEAR]}))
    other = ", ".join(field(name) for name in sorted_out[Shown.DISAGREES])
    lines = ("We matched", same), ("Less sure:", close), ("Not the same:", other)
    return tuple(f"{lead} {named}" for lead, named in lines if named)


def evidence(fields: Mapping[str, str]) -> list[str]:
    """Each compared field and how it agreed: "birth date: the same"; how it was searched is nobody's reading."""
    return [
        f"{field(name)}: {_SAID.get(word, word.replace('_', ' '))}"
        for name, word in fields.items()
        if name != Field.LARGE_BLOCK
    ]
