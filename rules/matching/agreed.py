"""How two people agree in, what of it speaks for one person, counted, out."""

from typing import Final

from rules.matching.compare import Comparison
from rules.matching.evidence import (
    ADDRESS,
    ANOTHER_NAME,
    ANOTHER_SCRIPT,
    BIRTH_DATE,
    DIFFERS,
    EQUAL,
    FIRST_LETTER,
    FIRST_NAME,
    FORMER_ADDRESS,
    INITIAL,
    LAST_FOUR,
    LAST_NAME,
    MEDICAID_ID,
    MIDDLE_NAME,
    MOTHER,
    MRN,
    ONE_DIGIT,
    PHONE,
    RARE,
    RARE_INITIAL,
    SEX,
    SHARED,
    SIMILAR,
    SSN,
    YEARS_APART,
)

ANOTHER: Final = (DIFFERS, ANOTHER_NAME)
_NOT_NAMED: Final = (*ANOTHER, ANOTHER_SCRIPT)
OTHER_DATE: Final = (DIFFERS, YEARS_APART)
PLACE: Final = (EQUAL, SIMILAR, FORMER_ADDRESS)
AN_INITIAL: Final = (INITIAL, RARE_INITIAL)
_WHOLE_MIDDLE: Final = (EQUAL, RARE)
_GIVEN: Final = (*_WHOLE_MIDDLE, *AN_INITIAL, SIMILAR)
_OF_RELATIVES: Final = (ONE_DIGIT, SHARED)


class Agreed:
    """What agrees between two people and what does not, counted; one of them is among `panel_size`."""

    __slots__ = (
        "birth",
        "comparison",
        "evidence",
        "first",
        "given",
        "identifiers",
        "issued",
        "last",
        "middle",
        "near",
        "near_identifiers",
        "no_twin",
        "opposed",
        "panel_size",
        "places",
        "ssn",
        "thirds",
        "whole_middle",
    )

    def __init__(self, comparison: Comparison, panel_size: int) -> None:
        self.comparison, self.panel_size = comparison, panel_size
        self.evidence = comparison.evidence
        said = self.evidence.get
        medicaid, ssn, grown = said(MEDICAID_ID), said(SSN), comparison.grown
        self.last, self.birth, self.middle, self.ssn = said(LAST_NAME), said(BIRTH_DATE), said(MIDDLE_NAME), ssn
        self.whole_middle = self.middle in _WHOLE_MIDDLE
        self.given = given = self.middle in _GIVEN  # any middle name, or an initial like it
        self.issued = (medicaid == EQUAL) + (said(MRN) == EQUAL)  # an office gave each to one person
        self.identifiers = identifiers = self.issued + (ssn == EQUAL)
        self.near = near = (ssn == LAST_FOUR) + (medicaid == ONE_DIGIT)  # nearly an identifier, that relatives lack
        self.near_identifiers = near + (ssn in _OF_RELATIVES)
        self.places = places = (said(ADDRESS) in PLACE) + (said(PHONE) == EQUAL) + (said(MOTHER) == EQUAL)
        self.thirds = identifiers + self.near_identifiers + places  # all that agrees beside names and birth date
        self.opposed = DIFFERS in (ssn, medicaid, said(SEX))
        self.no_twin = no_twin = places > 0 and grown is True and self.birth == EQUAL  # who is grown shares no home
        self.first = first = said(FIRST_NAME)
        if first == FIRST_LETTER and not (identifiers or near or no_twin or (given and places and self.looked_for)):
            self.first = ANOTHER_NAME  # Jayden and Kayden

    @property
    def looked_for(self) -> bool:
        """All who are enrolled on the day of the event were."""
        return self.comparison.grown is not None

    @property
    def named(self) -> bool:
        """First names are given, and like each other."""
        return self.first is not None and self.first not in _NOT_NAMED

    @property
    def surnamed(self) -> bool:
        """Last names are, in our letters."""
        return self.last is not None and self.last not in (DIFFERS, ANOTHER_SCRIPT)

    @property
    def dated(self) -> bool:
        """Birth dates are."""
        return self.birth is not None and self.birth not in OTHER_DATE

    @property
    def a_number_or_name(self) -> bool:
        """An identifier, nearly one, or a middle name, any of which sets a doubt aside."""
        return bool(self.identifiers or self.near or self.given)
