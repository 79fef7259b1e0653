"""PV1-36 as a hospital sends it in; the code of HL7 table 0112, or the word as it stood with "unknown", out.

The suggested values of the table are the UB-04 patient discharge status codes (form locator 17). 10 to 19, 22 to 29 and
31 to 39 are for each state to define, so they say nothing here until a feed maps them.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

CODES: Final = frozenset(
    [f"{number:02}" for number in (*range(1, 10), 20, 21, 30, *range(40, 44), 50, 51)]
    + [str(number) for number in (*range(61, 67), 69, 70, *range(81, 96))]
)
_WORDS: Final[Mapping[str, str]] = {
    word: code
    for code, words in {
        "01": "home|discharge home|discharged home|discharge to home|discharged to home|home or self care"
        "|home self care|routine|home routine|routine home|self care|home or self care routine discharge",
        "02": "another hospital|other hospital|acute care hospital|short term hospital|transferred to another hospital",
        "03": "snf|skilled nursing|skilled nursing facility",
        "04": "icf|intermediate care|intermediate care facility|assisted living",
        "06": "home health|home health care|home with home health|home health service|home health services"
        "|home with home health care|hha",
        "07": "ama|left ama|against medical advice|left against medical advice|against advice|left against advice"
        "|discharged against medical advice|lama|eloped|elopement|aad|aadvice|lwbs|left without being seen"
        "|left without treatment|discontinued care",
        "20": "expired|deceased|died|dead|death|exp|patient expired|patient died|expired in hospital|died in hospital"
        "|deceased patient|demised|doa|dead on arrival|morgue|coroner|medical examiner|funeral home",
        "21": "jail|prison|court|law enforcement|court law enforcement|police custody",
        "30": "still a patient|still patient",
        "50": "home hospice|hospice home|hospice at home",
        "51": "hospice facility|inpatient hospice|hospice medical facility",
        "62": "rehab|rehabilitation|inpatient rehab|inpatient rehabilitation|irf|rehab facility"
        "|inpatient rehabilitation facility|rehabilitation hospital",
        "63": "ltac|ltach|long term acute care|long term acute care hospital",
        "65": "psychiatric hospital|psych hospital|psychiatric facility|inpatient psychiatry",
    }.items()
    for word in words.split("|")
}  # fmt: skip
_NOT_A_LETTER: Final = re.compile(r"[\W_]+")
_NUMBER: Final = re.compile(r"0*(\d{1,2})", re.ASCII)


class Disposition(NamedTuple):
    """Where the person went; `known` is False for a word that stands in no table."""

    code: str
    known: bool = True


def read_disposition(sent: str, words: str, own: Mapping[str, str]) -> Disposition:
    """`sent` is the code (PV1-36.1), `words` its text (PV1-36.2); the feed's own table goes before HL7's."""
    for text in (sent, words):
        mapped = own.get(text) or own.get(text.upper())
        if text and mapped:
            return Disposition(mapped)
    for text in (sent, words):
        if code := _read(text):
            return Disposition(code)
    return Disposition(sent or words, known=not (sent or words))


def _read(text: str) -> str:
    number = _NUMBER.fullmatch(text)
    if number:
        code = number[1].zfill(2)
        return code if code in CODES else ""
    return _WORDS.get(_NOT_A_LETTER.sub(" ", text).strip().casefold(), "")
