"""The named endings of a message, and the equations that must hold between them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple


class Ending(StrEnum):
    """How a message ended: the metric label, the ledger's word and the README's row."""

    ALERTED = "alerted"
    AMENDED = "amended"
    RETRACTED = "retracted"
    SUPPRESSED = "suppressed"
    HELD = "held"  # for review
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"  # the sender sent it before
    NO_TRANSITION = "no_transition"
    TEST_MESSAGE = "test_message"


EVENT_ENDINGS: Final = frozenset({Ending.ALERTED, Ending.AMENDED, Ending.RETRACTED, Ending.SUPPRESSED, Ending.HELD})


class LedgerEntry(NamedTuple):
    """One message's ending. Holds no PHI: `control_id` is the sender's own number for the message."""

    message_id: str
    ending: Ending
    code: str  # reject code, first reason, or stage and exception type
    received_at: datetime
    place: str = ""
    feed: str = ""
    control_id: str = ""
    trigger: str = ""
    fingerprint: str = ""
    facts: tuple[str, ...] = ()  # what it adds to its feed's report card: `rules.feeds.card.facts_of`


def balance(received: int, endings: Mapping[str, int]) -> dict[str, int | bool]:
    """The conservation equation as the demo, the bench and the page print it."""
    events = sum(endings.get(name, 0) for name in EVENT_ENDINGS)
    others = {name: endings.get(name, 0) for name in Ending if name not in EVENT_ENDINGS}
    ended = events + sum(others.values())
    return {
        "balanced": received == ended,
        "received": received,
        "ended": ended,
        "events": events,
        **{name.value: endings.get(name, 0) for name in Ending},
    }
