"""A call guide's TOML in, its questions with the answers that are data out; which guide fits a stay, what answers need.

The questions follow the post-discharge call of AHRQ's Re-Engineered Discharge toolkit (health, medicines, appointments,
what to do when it gets worse) and the AHC HRSN screening topics (food, transportation). A file is for one kind of stay
and holds both languages, so that neither can lag behind.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from parsers.events import EncounterClass, FacilityKind
from rules.decisions import Reason
from rules.policy.rule_file import RuleFault, checked


class Language(StrEnum):
    """What guides and letters are written in (ISO 639-1)."""

    ENGLISH = "en"
    SPANISH = "es"


class Need(StrEnum):
    """What an answer asks us to arrange; a referral is made for it."""

    MEDICINES = "medicines"
    TEACHING = "teaching"  # the person cannot say what is for what, or what to watch for
    VISIT = "visit"
    RIDE = "ride"
    FOOD = "food"
    HELP_AT_HOME = "help_at_home"
    EQUIPMENT = "equipment"
    WORSE = "worse"  # a clinician must look at it today
    CRISIS = "crisis"  # somebody may be hurt; do not hang up
    MENTAL_HEALTH = "mental_health"
    SUBSTANCE_USE = "substance_use"
    NALOXONE = "naloxone"
    BABY_CARE = "baby_care"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_Sentence = Annotated[str, Field(min_length=1, max_length=300, pattern=r"\S")]
_Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Text(_Part):
    """One text in every language."""

    en: _Sentence
    es: _Sentence

    def said(self, language: Language) -> str:
        return self.es if language is Language.SPANISH else self.en


class Choice(Text):
    """One answer."""

    id: _Id


YES: Final = Choice(id="yes", en="Yes", es="Sí")
NO: Final = Choice(id="no", en="No", es="No")
UNSURE: Final = Choice(id="unsure", en="Not sure", es="No está seguro")


class Question(Text):
    """One question; `needs`: what each answer asks us to arrange, by answer id."""

    id: _Id
    answers: Annotated[tuple[Choice, ...], Field(min_length=2, max_length=5)] = (YES, NO, UNSURE)
    needs: Mapping[str, Need] = {}

    @model_validator(mode="after")
    def _answers_are_its_own(self) -> Self:
        known = [answer.id for answer in self.answers]
        if len(set(known)) != len(known):
            raise ValueError("answers: every answer needs an id of its own")
        if unknown := sorted(self.needs.keys() - set(known)):
            raise ValueError(f"needs: no answer is called {', '.join(unknown)}")
        return self


class Fit(_Part):
    """Which stays: every list that is given must name the stay's; an empty one fits all."""

    reasons: tuple[Reason, ...] = ()
    classes: tuple[EncounterClass, ...] = ()
    facility_kinds: tuple[FacilityKind, ...] = ()
    under_days: int | None = None  # age in days


class Facts(NamedTuple):
    """What is looked at of a stay, as far as the reader may know it."""

    reasons: frozenset[Reason] = frozenset()
    encounter_class: EncounterClass = EncounterClass.UNKNOWN
    facility_kind: FacilityKind = FacilityKind.ACUTE
    age_days: int | None = None


class Guide(_Part):
    """What to ask after one kind of stay."""

    name: _Id
    order: int  # the fitting guide with the lowest is taken
    title: Text
    opening: Text
    closing: Text
    fits: Annotated[tuple[Fit, ...], Field(min_length=1)]
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _ids_are_their_own(self) -> Self:
        known = [question.id for question in self.questions]
        if len(set(known)) != len(known):
            raise ValueError("questions: every question needs an id of its own")
        return self

    def fit(self, facts: Facts) -> bool:
        return any(_fits(row, facts) for row in self.fits)

    def needs(self, answers: Mapping[str, str]) -> tuple[Need, ...]:
        """What these answers (question id -> answer id) ask us to arrange, in the order of the questions, once each."""
        needed = (question.needs.get(answers.get(question.id, "")) for question in self.questions)
        return tuple(dict.fromkeys(need for need in needed if need))

    def wrong(self, answers: Mapping[str, str]) -> tuple[str, ...]:
        """The ids of questions that are not asked here, or not answered with one of their answers."""
        known = {question.id: {answer.id for answer in question.answers} for question in self.questions}
        return tuple(sorted(name for name, answer in answers.items() if answer not in known.get(name, ())))


def _fits(row: Fit, facts: Facts) -> bool:
    return (
        (not row.reasons or not facts.reasons.isdisjoint(row.reasons))
        and (not row.classes or facts.encounter_class in row.classes)
        and (not row.facility_kinds or facts.facility_kind in row.facility_kinds)
        and (row.under_days is None or (facts.age_days is not None and facts.age_days < row.under_days))
    )


def guide_for(guides: Sequence[Guide], facts: Facts) -> Guide:
    """The guide for a stay: of those that fit, the one that comes first. `guides`: as `load_guides` gives them."""
    return next(guide for guide in guides if guide.fit(facts))


def load_guides(texts: Iterable[tuple[str, str]]) -> tuple[Guide, ...] | tuple[RuleFault, ...]:
    """(file name, text) pairs as guides in their order, or every fault of every file at once."""
    guides: list[Guide] = []
    faults: list[RuleFault] = []
    for file, text in texts:
        read = checked(text, Guide)
        if isinstance(read, Guide):
            guides.append(read)
        else:
            faults += [RuleFault(f"{file}: {fault.place}", fault.message) for fault in read]
    guides.sort(key=lambda guide: (guide.order, guide.name))
    names = [guide.name for guide in guides]
    if len(set(names)) != len(names):
        faults.append(RuleFault("name", "every guide needs a name of its own"))
    if not faults and not any(guide.fit(Facts()) for guide in guides):
        faults.append(RuleFault("fits", "one guide must fit every stay: give the last one an empty row, [[fits]]"))
    return tuple(faults) if faults else tuple(guides)


def language_of(named: str) -> Language:
    """The language for a person whose panel says "Spanish", "es" or "spa" (ISO 639-1, 639-2); English for any other."""
    word = named.strip().casefold()
    spanish = word in {"es", "spa", "spanish", "español", "espanol", "castellano"} or word.startswith(("es-", "es_"))
    return Language.SPANISH if spanish else Language.ENGLISH
