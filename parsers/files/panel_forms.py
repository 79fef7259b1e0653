"""What a column of a panel is, and how a text of one becomes a value of an enrollee and back."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final, NamedTuple

from parsers.events import Identifier
from parsers.files.panel_cells import Cell
from parsers.people import Consent, Payer, RiskTier


class Form(NamedTuple):
    """How a column's text becomes what a field of an enrollee is made from, and back."""

    text: Callable[[Any], str] = str
    empty: Any = ""  # what "" stands for
    value: Callable[[str], Any] | None = None  # None: the field is made from the text itself


TEXT: Final = Form()


class Column(NamedTuple):
    """All there is to say of one column."""

    meaning: str  # for whoever fills it in
    aliases: tuple[str, ...] = ()  # further names in files
    shown: str = ""  # the enrollee's field where it has another name, "address.city" for a part of one
    form: Form = TEXT
    required: bool = False
    day: bool = False  # a date; a line whose date cannot be read is not loaded
    number: bool = False  # a spreadsheet may have ruined its digits
    read: Callable[[str], Cell] | None = None  # a cell's value; None: its text as it stands
    plain: re.Pattern[str] | None = None  # texts that `read` would leave as they are
    stand_in: str = ""  # the value of a cell that cannot be used
    fits: Callable[[str], bool] | None = None  # whether a text looks like this column's; to notice swapped columns
    stored: str = ""  # column of the store's table where it has another name there
    known_by: bool = False  # what an enrollee was known by, or at home in, before stays with them


def split_mrns(mrns: str) -> tuple[tuple[str, str], ...]:
    """(system, value) pairs of `PanelRow.mrns`; the system is "" where the file gave none."""
    parts = (part.rpartition(":") for part in mrns.split(";") if part)
    return tuple((system, value) for system, _, value in parts)


def numbers_of(mrns: str) -> tuple[Identifier, ...]:
    """The medical record numbers of `PanelRow.mrns`."""
    return tuple(Identifier(system=system, value=value) for system, value in split_mrns(mrns))


DAY: Final = Form(date.isoformat)
DAY_OR_NONE: Final = Form(lambda day: day.isoformat() if day else "", None)
WORDS: Final = Form(";".join, (), lambda text: tuple(filter(None, text.split(";"))))
MRNS: Final = Form(lambda mrns: ";".join(f"{mrn.system}:{mrn.value}" for mrn in mrns), (), numbers_of)
TIER: Final = Form(empty=RiskTier.UNKNOWN)
CONSENT: Final = Form(empty=Consent.NONE)
PAYER: Final = Form(lambda payer: "" if payer is Payer.UNKNOWN else str(payer), Payer.UNKNOWN)
