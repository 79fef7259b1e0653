"""The office's zone in, the zone in which the reader of this request is told a time, and how they write one, out."""

from contextvars import ContextVar
from typing import Final
from zoneinfo import ZoneInfo

from streams.words.times import In24Hours

IN_24_HOURS: Final[ContextVar[bool]] = ContextVar("in_24_hours", default=False)


def zone_of_reader(office: ZoneInfo) -> ZoneInfo:
    return In24Hours(office.key) if IN_24_HOURS.get() else office
