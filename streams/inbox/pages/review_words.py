"""Both sides of a possible match, and what was answered, in ready words for the templates. Pure."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Final

from parsers.events import Address, Event, FacilityKind, Patient
from parsers.people import Enrollee
from rules.matching.evidence import Field, Shown, shown_of
from streams.store.reviews import Review, Verdict
from streams.words import matches as match_words
from streams.words import numbers as number_words
from streams.words import people as people_words
from streams.words import stays as wording
from streams.words import times as time_words


@dataclass(slots=True, frozen=True)
class Comparison:
    """One line of a possible match."""

    name: str
    theirs: str
    ours: str
    agreement: str
    agrees: bool | None  # None: unclear, or not comparable
    says: str = ""  # that in words; "" where there is nothing to compare


@dataclass(slots=True, frozen=True)
class ReviewWords:
    """One possible match, both sides beside each other."""

    review_id: str
    waiting: str
    lines: tuple[Comparison, ...]
    not_sure: bool
    unsure: str = ""  # who was not sure, and when


def review_words(review: Review, now: datetime, who: str = "Somebody") -> ReviewWords | None:
    """Both sides; `None` when there is nobody to compare with any more. `who` answered before, and was not sure."""
    if review.enrollee is None or not review.records:
        return None
    record = review.records[-1]
    patient, ours = record.event.patient, review.enrollee
    evidence = record.match.evidence
    theirs_address = patient.addresses[0] if patient.addresses else Address()
    pairs = (
        (
            "Name",
            _patient_name(patient),
            _enrollee_name(ours),
            (Field.LAST_NAME, Field.FIRST_NAME, Field.MIDDLE_NAME, Field.SUFFIX),
        ),
        ("Birth date", _born(patient.birth_date), _born(ours.birth_date), (Field.BIRTH_DATE,)),
        ("Sex", patient.sex, ours.sex, (Field.SEX,)),
        (
            "Address",
            people_words.address(theirs_address),
            people_words.address(ours.address),
            (Field.ADDRESS, Field.ZIP, Field.CITY),
        ),
        (
            "Phone",
            ", ".join(people_words.phone(number) for number in patient.phones),
            people_words.phone(ours.phone),
            (Field.PHONE,),
        ),
        ("Social Security", _last_four(patient.ssn), _last_four(ours.ssn), (Field.SSN,)),
    )
    lines = [
        _compare(name, theirs, mine, [(key, evidence[key]) for key in keys if key in evidence])
        for name, theirs, mine, keys in pairs
    ]
    named = {key for *_, keys in pairs for key in keys}
    for key, word in evidence.items():
        if key not in named:
            lines.append(_compare(match_words.field(key).capitalize(), "", "", [(key, word)]))
    waited = time_words.ago((now - review.opened_at).total_seconds())
    messages = number_words.count(len(review.records), "message waits", "messages wait")
    return ReviewWords(
        review_id=review.review_id,
        waiting=f"{messages} for your answer. Opened {waited}." + _where(record.event),
        lines=tuple(
            replace(line, agreement=by_how_many_years(line.agreement, patient.birth_date, ours.birth_date))
            for line in lines
            if line.theirs or line.ours or line.agreement
        ),
        not_sure=review.verdict is not None,
        unsure=f"{who} was not sure." if review.verdict is not None else "",
    )


def by_how_many_years(agreement: str, theirs: date | None, ours: date | None) -> str:
    """ "same day, 37 years apart" where it is known by how many."""
    years = abs(theirs.year - ours.year) if theirs and ours else 0
    return re.sub(r"(a generation|(?<!\w)years) apart", f"{years} years apart", agreement) if years else agreement


def _where(event: Event) -> str:
    protected = event.facility_kind in {FacilityKind.PSYCHIATRIC, FacilityKind.SUBSTANCE_USE}
    return (
        " The facility is withheld until you have answered."
        if protected
        else f" From {wording.facility(event.facility)}."
    )


def _compare(name: str, theirs: str, ours: str, evidence: list[tuple[str, str]]) -> Comparison:
    if evidence:
        words = [text.partition(": ") for text in match_words.evidence(dict(evidence))]
        agreement = ", ".join(after if len(words) == 1 else f"{before} {after}" for before, _, after in words)
        return _said(name, theirs, ours, agreement, shown_of(word for _, word in evidence))
    if not theirs or not ours:
        return Comparison(name, theirs, ours, "not given" if theirs or ours else "", None)
    same = theirs.casefold() == ours.casefold()
    agrees = Shown.AGREES if same else Shown.DISAGREES
    return _said(name, theirs, ours, "the same" if same else "different", agrees)


def _said(name: str, theirs: str, ours: str, agreement: str, evidence: Shown) -> Comparison:
    agrees = {Shown.AGREES: True, Shown.DISAGREES: False}.get(evidence)
    return Comparison(name, theirs, ours, agreement, agrees, evidence.value)


VERDICT_WORDS: Final = {
    Verdict.SAME: "the same person",
    Verdict.DIFFERENT: "different people",
    Verdict.NOT_SURE: "not sure",
}


@dataclass(slots=True, frozen=True)
class AnswerWords:
    """A review that was answered lately."""

    review_id: str
    words: str
    mine: bool  # this reader's answer, and it can still be taken back


def answer_words(
    review: Review, who: str, reader_id: str, now: datetime, zone: tzinfo = time_words.ZONE
) -> AnswerWords:
    """ "Rosa Whitfield: M. Ortiz, RN said different people, 14:02"."""
    verdict = VERDICT_WORDS[review.verdict] if review.verdict else "nothing"
    whom = _enrollee_name(review.enrollee) if review.enrollee else "Somebody no longer on the panel"
    when = time_words.time_or_moment(review.decided_at, now, zone) if review.decided_at else ""
    mine = review.undoable and review.decided_by == reader_id
    return AnswerWords(review.review_id, f"{whom}: {who} said {verdict}, {when}", mine)


def _patient_name(patient: Patient) -> str:
    name = patient.name
    return " ".join(part for part in (name.given, name.middle, name.family, name.suffix) if part)


def _enrollee_name(enrollee: Enrollee) -> str:
    name = enrollee.name
    return " ".join(part for part in (name.given, name.middle, name.family, name.suffix) if part)


def _born(on: date | None) -> str:
    return time_words.birth_date(on) if on else ""


def _last_four(number: str) -> str:
    return f"ends in {number[-4:]}" if number else ""
