"""A try at a destination in; what it came to out: a fault of our own code in it is a failure like others."""

from collections.abc import Awaitable
from typing import TypeVar

import structlog

from rules.telling.attempts import Failure
from streams.run.crash import traced
from streams.store import Unavailable
from streams.tell.way import NotDelivered

log = structlog.get_logger()

T = TypeVar("T")


async def tried(trying: Awaitable[T], destination_id: str) -> T | NotDelivered:
    """Raises `Unavailable`."""
    try:
        return await trying
    except Unavailable:
        raise
    except Exception as error:
        log.error("parcel_crashed", destination=destination_id, **traced(error))
        return NotDelivered(Failure.CRASHED)
