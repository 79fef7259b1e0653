"""A patient and an enrollee in, the reviews that ask, or have asked, whether these are one, out.

It is the same patient when a medical record number is shared and the birth date is the same, or else, without a number,
when name, birth date and sex are the same. A review is known by every number of every patient that waited under it or
that its verdict was about, so that whichever of them a message gives, and in whatever order, nobody is asked again.
While it waits for an answer, a patient whose birth date is not known on one of the two sides waits under it, too.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import Connection

from parsers.events import Patient
from rules.deciding.history import learnable
from streams.store.database import rows_among, write_rows
from streams.store.tables import review_names

_SOME_DAY: Final = "some day"  # in the place of a birth date
Subject = tuple[Patient, str]  # and the enrollee id


class Names(NamedTuple):
    """Digests under which a question is known, one of each for each record number."""

    own: tuple[str, ...]  # with the birth date, "" when it is not known
    undated: tuple[str, ...]  # of the same numbers without a birth date
    dated: tuple[str, ...]  # of the same numbers with one, whichever


def names_of(patient: Patient, enrollee_id: str) -> Names:
    """The first of `own` is the one that a review of this patient has for itself."""
    born = patient.birth_date.isoformat() if patient.birth_date else ""
    numbers = sorted({(number.system, number.value) for number in learnable(patient.identifiers)})
    if not numbers:
        return Names((_digest(enrollee_id, patient.name.family, patient.name.given, born, patient.sex),), (), ())
    own, undated, dated = (
        tuple(dict.fromkeys(_digest(enrollee_id, *number, day) for number in numbers)) for day in (born, "", _SOME_DAY)
    )
    return Names(own, undated, dated)


def _digest(*words: str) -> str:
    return hashlib.blake2b("\x1f".join(words).casefold().encode(), digest_size=16).hexdigest()


class Questions:
    """The reviews about some patients, as far as they are known, and the names to be written."""

    def __init__(self) -> None:
        self.verdicts: dict[str, str] = {}  # by review id, as the table has it
        self._of: defaultdict[str, set[str]] = defaultdict(set)
        self._new: set[tuple[str, str]] = set()

    def about(self, patient: Patient, enrollee_id: str) -> list[str]:
        """Ids of the reviews about this pair, oldest first."""
        return sorted(self._reviews(names_of(patient, enrollee_id).own))

    def perhaps_about(self, patient: Patient, enrollee_id: str) -> list[str]:
        """Those, and those about the pair but for a birth date that is not known."""
        names = names_of(patient, enrollee_id)
        dated = self._reviews(names.dated)
        near = self._reviews(names.undated) - dated if patient.birth_date else dated
        return sorted(self._reviews(names.own) | near)

    def _reviews(self, names: Iterable[str]) -> set[str]:
        return {review_id for name in names for review_id in self._of.get(name, ())}

    def add(self, patient: Patient, enrollee_id: str, review_id: str, verdict: str = "") -> None:
        """From now on the review is also about this patient."""
        self.verdicts.setdefault(review_id, verdict)
        names = names_of(patient, enrollee_id)
        for name in (*names.own, *(names.dated if patient.birth_date else ())):
            if review_id not in self._of[name]:
                self._of[name].add(review_id)
                self._new.add((name, review_id))

    def meet(self, patient: Patient, enrollee_id: str) -> None:
        """The review about this pair, where it is one, is also about the numbers that it has not met."""
        match self.about(patient, enrollee_id):
            case [review_id]:
                self.add(patient, enrollee_id, review_id)

    def write(self, connection: Connection) -> None:
        """Keep what was added."""
        write_rows(connection, review_names, ("name", "review_id"), sorted(self._new), "ON CONFLICT DO NOTHING")
        self._new.clear()

    @classmethod
    def load(cls, connection: Connection, subjects: Iterable[Subject]) -> "Questions":
        """What is known of these."""
        questions = cls()
        asked = {name for subject in subjects for some in names_of(*subject) for name in some}
        rows = rows_among(
            connection,
            "SELECT n.name, n.review_id, r.verdict FROM review_names n JOIN reviews r ON r.review_id = n.review_id"
            " WHERE n.name IN :among",
            sorted(asked),
        )
        for name, review_id, verdict in rows:
            questions._of[name].add(review_id)
            questions.verdicts[review_id] = verdict
        return questions
