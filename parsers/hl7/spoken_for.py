"""A message in, the facilities it speaks for out: as its sender is named, and where what it tells will be placed."""

from collections.abc import Callable
from typing import NamedTuple

from parsers.feeds import Feed
from parsers.hl7.adt import facility_of, feed_of
from parsers.hl7.er7 import Message, Peek
from parsers.hl7.reader import MAX_REPETITIONS, Reader
from parsers.outcomes import Reject

_TRANSFERS = frozenset({"A02", "A12"})
_NUMBERS = (1, 3, 5)  # of MRG: patient, account, visit


class SpokenFor(NamedTuple):
    """One facility, by every name it is given."""

    place: str  # HL7 address
    names: frozenset[str]  # casefolded
    gives_way: bool = False  # it issued a number that gives way here: that is another's only where somebody has it


def spoken_for(data: bytes, glance: Peek, feed_for: Callable[[str, str], Feed]) -> tuple[SpokenFor, ...]:
    """MSH-4; of its names the one that chose the feed; and by the feed's settings the facility of the event, of a
    transfer also the one that was left (PV1-6.4), of a merge or move who issued the numbers that give way (MRG).

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
    facilities += _giving_way(message)
    return _said(facilities)


def _giving_way(message: Message) -> list[SpokenFor]:
    """Who issued the numbers that a merge or a move takes from a patient, an account or a visit."""
    return [
        SpokenFor(
            f"MRG-{number}.4", _names(message.values.part(raw, 4, 1), message.values.part(raw, 4, 2)), gives_way=True
        )
        for segment in message.segments("MRG")[:MAX_REPETITIONS]
        for number in _NUMBERS
        for raw in segment.repetitions(number)
    ]


def _said(facilities: "list[SpokenFor] | tuple[SpokenFor, ...]") -> tuple[SpokenFor, ...]:
    return tuple(facility for facility in facilities if facility.names)


def _names(*said: str) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in said if name.strip())
