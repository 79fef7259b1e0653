"""Each kind of event and its traits, a row each, and the sets of kinds that the rules ask for. A kind without a row
fails here, at import.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.events import EventKind
from rules.decisions import Reason


class About(StrEnum):
    """What an event is about."""

    STAY = "stay"  # one visit of the patient's
    PERSON = "person"
    MERGE = "merge"  # one number gives way to another
    MOVE = "move"  # a number changes hands
    LINK = "link"


class Traits(NamedTuple):
    """What the rules ask about a kind of event."""

    about: About = About.STAY
    starts: bool = False  # a stay begins with it, or begins again
    registers: bool = False  # somebody has come; the class is what they came as
    ends: bool = False
    goes_on: bool = False  # of a stay that has begun: it says where the patient is and as what
    transfers: bool = False
    meanwhile: bool = False  # happens between the start and the end
    cancels: EventKind | None = None  # what happened earlier, and did not
    kept: bool = False  # of somebody unknown: who joins the panel later would want to know, undoing included
    never_told: bool = False  # tells nobody anything, so no possible match need be asked about
    takes_back: Reason | None = None  # why a stay that ends by it was not true
    untold: Reason | None = None  # why nothing is told of it


KINDS: Final[Mapping[EventKind, Traits]] = {
    EventKind.ADMITTED: Traits(starts=True, registers=True, kept=True),
    EventKind.REGISTERED: Traits(starts=True, registers=True, kept=True),
    EventKind.CLASS_CHANGED: Traits(starts=True, kept=True),
    EventKind.DISCHARGED: Traits(ends=True, goes_on=True, kept=True),
    EventKind.TRANSFERRED: Traits(goes_on=True, transfers=True, meanwhile=True, untold=Reason.MOVE_WITHIN_FACILITY),
    EventKind.TRANSFER_CANCELLED: Traits(
        transfers=True, meanwhile=True, cancels=EventKind.TRANSFERRED, untold=Reason.MOVE_WITHIN_FACILITY
    ),
    EventKind.UPDATED: Traits(goes_on=True, meanwhile=True),
    EventKind.DISCHARGE_EXPECTED: Traits(),
    EventKind.EXPECTED_CANCELLED: Traits(),  # takes back an expectation: nothing that happened
    EventKind.LEFT_ON_LEAVE: Traits(meanwhile=True, untold=Reason.LEAVE_OF_ABSENCE),
    EventKind.BACK_FROM_LEAVE: Traits(meanwhile=True, untold=Reason.LEAVE_OF_ABSENCE),
    EventKind.ADMIT_CANCELLED: Traits(cancels=EventKind.ADMITTED, kept=True, takes_back=Reason.ADMISSION_CANCELLED),
    EventKind.DISCHARGE_CANCELLED: Traits(cancels=EventKind.DISCHARGED, kept=True),
    EventKind.PLANNED: Traits(never_told=True),
    EventKind.PLAN_CANCELLED: Traits(cancels=EventKind.PLANNED, never_told=True),
    EventKind.VISIT_DELETED: Traits(kept=True, takes_back=Reason.VISIT_DELETED),
    EventKind.PERSON_DELETED: Traits(About.PERSON, takes_back=Reason.PERSON_DELETED),
    EventKind.PERSON_UPDATED: Traits(About.PERSON, never_told=True),
    EventKind.PERSON_MERGED: Traits(About.MERGE, takes_back=Reason.MERGED),
    EventKind.ACCOUNT_MERGED: Traits(About.MERGE, takes_back=Reason.MERGED),
    EventKind.VISIT_MERGED: Traits(About.MERGE, takes_back=Reason.MERGED),
    EventKind.PERSON_MOVED: Traits(About.MOVE),
    EventKind.ACCOUNT_MOVED: Traits(About.MOVE),
    EventKind.VISIT_MOVED: Traits(About.MOVE),
    EventKind.LINKED: Traits(About.LINK, never_told=True),
    EventKind.UNLINKED: Traits(About.LINK, never_told=True),
}
assert KINDS.keys() == set(EventKind), "a kind of event without its row"


def _those(have: Callable[[Traits], object]) -> frozenset[EventKind]:
    return frozenset(kind for kind, traits in KINDS.items() if have(traits))


STARTS: Final = _those(lambda traits: traits.starts)
REGISTRATIONS: Final = _those(lambda traits: traits.registers)
ENDS: Final = _those(lambda traits: traits.ends)
GOES_ON: Final = _those(lambda traits: traits.goes_on)
PLACING: Final = STARTS | GOES_ON  # each says where the patient is and as what
TRANSFERS: Final = _those(lambda traits: traits.transfers)
MEANWHILE: Final = _those(lambda traits: traits.meanwhile)
CANCELS: Final = _those(lambda traits: traits.cancels)
KEPT: Final = _those(lambda traits: traits.kept)
NEVER_TOLD: Final = _those(lambda traits: traits.never_told)
ABOUT: Final[Mapping[About, frozenset[EventKind]]] = {
    about: frozenset(kind for kind, traits in KINDS.items() if traits.about is about) for about in About
}
