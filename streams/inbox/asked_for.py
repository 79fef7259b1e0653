"""What somebody types into the search for a person, read into what it can mean. Pure."""

import re
from datetime import date
from typing import Final, NamedTuple

_DATE: Final = re.compile(r"(?<!\d)(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2}))(?!\d)")
_LEAST_DIGITS: Final = 7  # of a phone number
_CENTURY: Final = 100


class AskedFor(NamedTuple):
    """Parts that must all hold; empty ones ask nothing."""

    names: tuple[str, ...] = ()  # beginnings of names, in lower case
    born: date | None = None
    ids: tuple[str, ...] = ()  # a member or Medicaid ID, in upper case
    phone: str = ""  # last digits

    def __bool__(self) -> bool:
        return any(self)


def read(text: str, today: date) -> AskedFor:
    """ "whitfield rosa", "3/4/1955", "90000001K" or "828-555-0147", in any mixture. Years of two digits are past."""
    born = None
    birth_date = _DATE.search(text)
    if birth_date:
        born = _day(birth_date, today)
        text = text[: birth_date.start()] + " " + text[birth_date.end() :]
    names, ids, numbers = [], [], []
    for word in text.replace(",", " ").split():
        digits = re.sub(r"\D", "", word)
        if not digits:
            names.append(word.lower())
        elif re.fullmatch(r"[\d().+-]+", word):
            numbers.append(digits)
        else:
            ids.append(word.upper())
    phone = "".join(numbers)
    if phone and len(phone) < _LEAST_DIGITS:
        ids.append(phone)
        phone = ""
    return AskedFor(tuple(names), born, tuple(ids), phone[-10:])


def _day(birth_date: re.Match[str], today: date) -> date | None:
    year, month, day = (
        (int(part) for part in (birth_date[1], birth_date[2], birth_date[3]) if part)
        if birth_date[1]
        else _american(birth_date)
    )
    if year < _CENTURY:
        year += today.year // _CENTURY * _CENTURY
        year -= _CENTURY if year > today.year else 0
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _american(birth_date: re.Match[str]) -> tuple[int, int, int]:
    return int(birth_date[6]), int(birth_date[4]), int(birth_date[5])
