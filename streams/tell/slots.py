"""The hours and the spans of a destination in, when it may be told and when its next file is due out.

Hours are those of the clock on the wall, also on the days on which it is changed.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from parsers.hours import ALWAYS, DAY, WEEK, Spans, read_hours, within
from rules.telling.destinations import NO_PATIENT, Destination, Whose
from rules.telling.directory import Directory

AWAY_LOOK: Final = timedelta(minutes=15)  # whoever is away may come back early


def span_of(now: datetime, every_minutes: int, zone: tzinfo, hours: str = "") -> tuple[datetime, datetime]:
    """When the span of so many minutes in which `now` lies began, and when the next one begins.

    Days begin at midnight on the wall, so that nobody has two digests in one evening, or with the end of those `hours`
    that go on over it, so that nobody has two in one night; shorter spans are counted in UTC.
    """
    if every_minutes % DAY:
        every = every_minutes * 60
        began = int(now.timestamp()) // every * every
        return datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(began + every, UTC)
    days, spans = every_minutes // DAY, read_hours(hours) or ALWAYS
    day = now.astimezone(zone).toordinal()
    day -= now < _begins(day, spans, zone)
    first = day // days * days
    return _begins(first, spans, zone), _begins(first + days, spans, zone)


def _begins(day: int, spans: Spans, zone: tzinfo) -> datetime:
    """When the day of this ordinal begins."""
    midnight = datetime.fromordinal(day)
    minute = midnight.weekday() * DAY
    opened = next((start for start, end in spans if start < (minute or WEEK) <= end), None)
    closes = next((end for start, end in spans if start <= minute < end), None)
    if opened is not None and closes is not None and (minute or WEEK) - opened + closes - minute < DAY:
        midnight += timedelta(minutes=closes - minute)
    return midnight.replace(tzinfo=zone).astimezone(UTC)


def opens_in(hours: str, local: datetime) -> timedelta:
    """How long until a destination with these hours may be told; nothing when it may be now."""
    spans = read_hours(hours) or ALWAYS
    if within(spans, local):
        return timedelta()
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    wait = min((start - minute) % WEEK for start, _ in spans)
    opens = local.replace(second=0, microsecond=0) + timedelta(minutes=wait)  # on the wall
    opens = opens.replace(fold=int(opens.date() == local.date() and local.fold))  # of an hour that comes twice, its own
    return opens.astimezone(UTC) - local.astimezone(UTC)


def closed_for(destination: Destination, directory: Directory, local: datetime) -> timedelta:
    """How long until a destination may be told: its hours have begun, and a person whose work is counted is back."""
    if destination.whose is Whose.PERSON and destination.form in NO_PATIENT:
        back = directory.back_at(destination.owner_id, local)
        if back is not None:
            return min(back.astimezone(UTC) - local.astimezone(UTC), AWAY_LOOK)
    return opens_in(destination.hours, local)
