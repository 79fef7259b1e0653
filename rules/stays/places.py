"""An event and a stay in; whether the place of the one can be the other's out."""

from parsers.events import Event, Finding
from rules.decisions import Stay
from rules.event_kinds import TRANSFERS


def same_facility(name: str, other: str) -> bool:
    """Two names of a facility are of one; senders of one hospital write it in large and in small letters."""
    return name == other or facility_key(name) == facility_key(other)


def facility_key(name: str) -> str:
    """What all names of one facility have in common."""
    return name.casefold()


def is_near(event: Event, stay: Stay) -> bool:
    """The stay is, or may be, at the place the event is about."""
    left = event.visit.prior_facility if event.visit and event.kind in TRANSFERS else ""
    here = same_facility(stay.facility, event.facility) or bool(left and same_facility(stay.facility, left))
    return here or assumed(event, stay)


def assumed(event: Event, stay: Stay) -> bool:
    """The place of one of the two is only a guess: not named at all, or named less exactly than the other's."""
    if stay.feed != event.feed:
        return False
    if stay.registers.assumed or any(note.finding is Finding.FACILITY_ASSUMED for note in event.notes):
        return True
    place, sender = stay.registers.place, stay.registers.sender
    return place not in (None, event.facility_from) and sender == event.sender
