"""By which keys a stay can be found again: visit and account numbers, and an admission time with whose it is."""

from datetime import datetime
from typing import TYPE_CHECKING

from parsers.events import (
    EventKind,
    Identifier,
    Patient,
    Prior,
    Visit,
)

if TYPE_CHECKING:
    from parsers.hl7.reader import Reader


def keys_of(
    reader: "Reader", kind: EventKind, patient: Patient, visit: Visit | None, prior: Prior | None
) -> tuple[Identifier, ...]:
    keys: dict[tuple[str, str], None] = {}  # system and value
    people = [*patient.identifiers[:1], *(prior.identifiers[:1] if prior else ())]
    sender = reader.sender
    number = visit.number if visit else None
    if visit and number:
        keys[f"visit|{reader.facility}|{number.system}", number.value] = None
        if kind in (EventKind.TRANSFERRED, EventKind.TRANSFER_CANCELLED) and visit.prior_facility:
            keys[f"visit|{visit.prior_facility}|{number.system}", number.value] = None
        for person in people:
            keys[f"visit+patient|{sender}|{number.system}", f"{number.value}@{person.value}"] = None
    account = patient.account
    if account:
        keys[f"account|{reader.facility}|{account.system}", account.value] = None
        for person in people:
            keys[f"account+patient|{sender}|{account.system}", f"{account.value}@{person.value}"] = None
    if visit and visit.admitted_at:
        for person in people[:1]:
            keys[f"admitted|{sender}|{person.system}", f"{person.value}@{_minute(visit.admitted_at)}"] = None
    return tuple([Identifier(system=system, value=value) for system, value in keys])


def _minute(at: datetime) -> str:
    """YYYYMMDDHHMM; `strftime` takes five times as long."""
    return f"{(((at.year * 100 + at.month) * 100 + at.day) * 100 + at.hour) * 100 + at.minute:012}"
