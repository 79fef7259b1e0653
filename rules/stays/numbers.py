"""An event and a stay in; whether the numbers of the one can be the other's out."""

from parsers.events import Event, Identifier
from rules.decisions import Stay
from rules.stays.keys import key_in, visit_key
from rules.stays.places import assumed, is_near, same_facility


def other_number(number: Identifier | None, stay: Stay) -> bool:
    known = stay.registers.number
    return bool(number and known and bare(known) != bare(number.value) and not has_key(number, stay))


def bare(number: str) -> str:
    """A visit number as it is compared: senders change its case and its leading zeros."""
    return number.lstrip("0").casefold()


def has_key(key: Identifier, stay: Stay) -> bool:
    """The stay has run under the key; a visit number's authority may be missing on one of the two."""
    if key_in(key, stay.keys):
        return True
    sort, _, rest = key.system.partition("|")
    place, _, authority = rest.rpartition("|")
    if sort not in ("visit", "visit+patient"):
        return False
    here, value = f"{sort}|{place}|", bare(key.value)
    return any(
        bare(other.value) == value
        and other.system.startswith(here)
        and (authority == "" or other.system.rpartition("|")[2] in ("", authority))
        for other in stay.keys
    )


def also_numbered(event: Event, stay: Stay) -> Identifier | None:
    """The key of the stay that PV1-50 names: a visit number that this visit has had, too."""
    other = event.visit.alternate_number if event.visit else None
    if other is None or not is_near(event, stay):
        return None
    named = (key for key in stay.keys if key.value == other.value and key.system.startswith("visit|"))
    return next(named, None)


def of_many_visits(event: Event, stay: Stay, key: Identifier) -> bool:
    """A visit number that may stand for more than one visit: the patient's record number, the number of a visit at
    another facility, or an alternate number (PV1-50) of a visit that has one of its own."""
    value = key.value.partition("@")[0]
    if any(identifier.value == value and identifier.names_a_record for identifier in event.patient.identifiers):
        return True
    number, registers = visit_key(event), stay.registers
    if number is None or number.value == value:
        return not same_facility(event.facility, stay.facility) and not assumed(event, stay)
    return value not in (registers.number, *registers.former)


def other_account(event: Event, stay: Stay) -> bool:
    """PID-18 names an account, and the stay ran under another one of the same authority."""
    account = next((key for key in event.stay_keys if key.system.startswith("account|")), None)
    if account is None or key_in(account, stay.keys):
        return False
    return any(key.system == account.system for key in stay.keys)


def same_account(event: Event, stay: Stay) -> bool:
    return any(key.system.startswith("account|") and key_in(key, stay.keys) for key in event.stay_keys)
