"""By which keys a stay is known: identifiers in, whether they name it and what they become in a merge out."""

from collections.abc import Iterable, Sequence
from typing import Final

from parsers.events import Event, Identifier


def visit_key(event: Event) -> Identifier | None:
    """The event's PV1-19 as a stay key, when it has one."""
    number = event.visit.number if event.visit else None
    if number is None or not event.stay_keys or event.stay_keys[0].value != number.value:
        return None
    return event.stay_keys[0]


def key_in(key: Identifier, keys: Iterable[Identifier]) -> bool:
    system, value = key.system, key.value
    for other in keys:  # noqa: SIM110 asked ten times a message, and a generator takes twice as long
        if other.value == value and other.system == system:
            return True
    return False


def under(
    keys: tuple[Identifier, ...], former: Iterable[Identifier], now: Iterable[Identifier]
) -> tuple[Identifier, ...]:
    """The keys, and those of them that hold a former record number also with the one that takes its place.

    `visit+patient` and `account+patient` keys read `number@record number`, `admitted` keys `record number@time`
    (`parsers.hl7.adt`).
    """
    gone = {identifier.value for identifier in former}
    more: list[Identifier] = []
    for key in keys:
        head, _, tail = key.value.rpartition("@")
        sort = key.system.partition("|")[0]
        for identifier in now:
            if sort in ("visit+patient", "account+patient") and tail in gone:
                more.append(key.model_copy(update={"value": f"{head}@{identifier.value}"}))
            elif sort == "admitted" and head in gone:
                more.append(key.model_copy(update={"value": f"{identifier.value}@{tail}"}))
    return joined(keys, more)


MOST_KEYS: Final = 300  # of one stay; thrice what one message may name, and far beyond any real visit


def joined(known: tuple[Identifier, ...], more: Sequence[Identifier]) -> tuple[Identifier, ...]:
    new = [key for key in more if not key_in(key, known)]
    return (*known, *dict.fromkeys(new))[: max(MOST_KEYS, len(known))] if new else known
