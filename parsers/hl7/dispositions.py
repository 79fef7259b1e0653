"""PV1-36 as a hospital sends it in; the code of HL7 table 0112, or the word as it stood with "unknown", out.

The suggested values of the table are the UB-04 patient discharge status codes (form locator 17). 10 to 19, 22 to 29 and
31 to 39 are for each state to define, so they say nothing here until a feed maps them. Where a code
and its words say two things, and one is a death, a way against advice or a number of one digit, the words count, for
tables are local, and that is noted. What stands for no value (0, UNKNOWN) is none.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from parsers.hl7.placeholders import is_placeholder

CODES: Final = frozenset(
    [f"{number:02}" for number in (*range(1, 10), 20, 21, 30, *range(40, 44), 50, 51)]
    + [str(number) for number in (*range(61, 67), 69, 70, *range(81, 96))]
)
_WORDS: Final[Mapping[str, str]] = {
    word: code
    for code, words in {
        "01": "home|discharge home|home or self care|home self care|routine|home routine|routine home|self care"
        "|routine discharge|home or self care routine discharge",
        "02": "another hospital|other hospital|acute care hospital|short term hospital|short term general hospital",
        "03": "snf|skilled nursing|skilled nursing facility",
        "04": "icf|intermediate care|intermediate care facility|assisted living|assisted living facility",
        "06": "home health|home health care|home with home health|home health service|home health services"
        "|home with home health care|hha",
        "07": "ama|left ama|against medical advice|left against medical advice|against advice|left against advice"
        "|discharged against medical advice|lama|eloped|elopement|aad|aadvice|lwbs|left without being seen"
        "|left w o being seen|left before being seen|left without treatment|left w o treatment|discontinued care",
        "09": "admit|admitted|admitted here|admitted to this hospital|admitted as inpatient|admitted to inpatient"
        "|admitted as inpatient to this hospital|admitted as an inpatient to this hospital|inpatient admission",
        "20": "expired|deceased|died|dead|death|exp|deceased patient|demised|doa|dead on arrival|morgue|coroner"
        "|medical examiner|funeral home",
        "21": "jail|prison|court|law enforcement|court law enforcement|police custody",
        "30": "still a patient|still patient",
        "40": "expired at home|died at home",
        "41": "expired in medical facility|died in hospice",
        "50": "home hospice|hospice home|hospice at home",
        "51": "hospice facility|inpatient hospice|hospice medical facility",
        "62": "rehab|rehabilitation|inpatient rehab|inpatient rehabilitation|irf|rehab facility"
        "|inpatient rehabilitation facility|rehabilitation hospital",
        "63": "ltac|ltach|long term acute care|long term acute care hospital",
        "65": "psychiatric hospital|psych hospital|psychiatric facility|inpatient psychiatry",
    }.items()
    for word in words.split("|")
}  # fmt: skip
_DEATHS: Final = frozenset({"20", "40", "41", "42"})
_NOT_A_LETTER: Final = re.compile(r"[\W_]+")
_NUMBER: Final = re.compile(r"0*(\d{1,2})", re.ASCII)
_NUMBERED: Final = re.compile(r"(\d{1,3})[ .:=)-]+(\D.*)", re.ASCII | re.DOTALL)
_PARTS: Final = re.compile(r"[()\[\]{};:,/-]+")
_WAY: Final = re.compile(
    r"(?:(?:pt|patient) )?(?:(?:disch(?:arged?)?|dc|d c) )?(?:transferred )?(?:to (?:an? |the )?)?"
)
_DIED: Final = re.compile(
    r"(?:expired|deceased|died|dead|death) (?:in|on|at|during|with|within|before|prior|upon|after)\b.*"
)


class Disposition(NamedTuple):
    """Where the person went; `known` is False for a word that stands in no table."""

    code: str
    known: bool = True


def read_disposition(sent: str, words: str, own: Callable[[str], str]) -> Disposition:
    """`sent` is the code (PV1-36.1), `words` its text (PV1-36.2); `own`, the feed's table, goes before HL7's."""
    for text in (sent, words):
        if mapped := own(text):
            return Disposition(mapped)
    if not words and (numbered := _NUMBERED.fullmatch(sent)) and (len(numbered[1]) > 1 or _said(numbered[2])):
        sent, words = numbered.groups()
    code, said = _coded(sent), _said(words)
    if code and said and code != said and (len(sent) < len(code) or _graveness(code) != _graveness(said)):
        return Disposition(said, known=False)
    if code or said:
        return Disposition(code or said)
    blank = all(not text or is_placeholder(text) for text in (sent, words))
    return Disposition("" if blank else sent or words, known=not (sent or words))


def _graveness(code: str) -> str:
    return "20" if code in _DEATHS else code if code == "07" else ""


def _coded(text: str) -> str:
    number = _NUMBER.fullmatch(text)
    if number:
        code = number[1].zfill(2)
        return code if code in CODES else ""
    return _said(text)


def _said(text: str) -> str:
    """The code that a text stands for: a phrase of the table, a death somewhere, or parts that all say the same."""
    phrase = _NOT_A_LETTER.sub(" ", text).strip().casefold()
    if code := _WORDS.get(phrase) or _WORDS.get(_WAY.sub("", phrase, count=1)):
        return code
    if _DIED.fullmatch(_WAY.sub("", phrase, count=1)):
        return "20"
    parts = [part for part in _PARTS.split(text) if part.strip()]
    codes = {_said(part) for part in parts} if len(parts) > 1 else set()
    return codes.pop() if len(codes) == 1 else ""
