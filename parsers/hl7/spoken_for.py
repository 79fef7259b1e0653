"""A message in, the facilities it speaks for out: as its sender is named, and where what it tells will be placed."""

from collections.abc import Callable
from typing import NamedTuple

from parsers.feeds import Feed
from parsers.hl7.adt import facility_of, feed_of
from parsers.hl7.er7 import Message, Peek
from parsers.hl7.reader import Reader
from parsers.outcomes import Reject

_TRANSFERS = frozenset({"A02", "A12"})


class SpokenFor(NamedTuple):
    """One facility, by every name it is given."""

    place: str  # HL7 address
    names: frozenset[str]  # casefolded


def spoken_for(data: bytes, glance: Peek, feed_for: Callable[[str, str], Feed]) -> tuple[SpokenFor, ...]:
    """MSH-4; of its names the one that chose the feed; and by the feed's settings the facility of the event, of a
    transfer also the one that was left (PV1-6.4).

    MSH-4 is one facility by a name and an id, and either may be listed. But who writes another's name before an own id,
    or an own name before another's id, speaks for that other as soon as we go by it; and who names none, for whoever is
    guessed. What cannot be read to its end is judged by its header alone: the worker will reject it.
    """
    header: tuple[SpokenFor, ...] = (SpokenFor("MSH-4", _names(glance.facility, glance.facility_id)),)
    feed = feed_of(glance, feed_for)
    if feed.sending:
        by_name = feed_for(glance.application, glance.facility) == feed
        header = (*header, SpokenFor("MSH-4", _names(glance.facility if by_name else glance.facility_id)))
    message = Message.parse(data, feed.charset, glance)
    if isinstance(message, Reject):
        return _said(header)
    reader = Reader(message, feed)
    facilities = [*header]
    if not feed.facility:
        placed = facility_of(reader)
        facilities.append(SpokenFor(reader.facility_from, _names(placed)))
    if _TRANSFERS & {glance.trigger.upper(), (message.get("EVN-1") or "").strip().upper()}:
        facilities.append(SpokenFor("PV1-6.4", _names(reader.namespace("PV1-6.4"))))
    return _said(facilities)


def _said(facilities: "list[SpokenFor] | tuple[SpokenFor, ...]") -> tuple[SpokenFor, ...]:
    return tuple(facility for facility in facilities if facility.names)


def _names(*said: str) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in said if name.strip())
