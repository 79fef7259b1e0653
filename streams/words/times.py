"""Times and spans as people say them, in the zone of the policy."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from rules.decisions import (
    Clock,
)
from rules.policy.office import OFFICE_ZONE
from streams.words.numbers import count

ZONE: Final[tzinfo] = OFFICE_ZONE


class In24Hours(ZoneInfo):
    """A zone whose reader writes 17:00, not 5:00 PM: where and how a time is said goes the same way to the words."""


def moment(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Tue Nov 24, 5:00 PM"; with the year when it is not this one."""
    return f"{day(at, now, zone)}, {hour(at, zone)}"


def day(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "Tue Nov 24"; with the year when it is not this one."""
    local = at.astimezone(zone)
    return plain_day(local.date()) + ("" if local.year == now.astimezone(zone).year else f", {local.year}")


def hour(at: datetime, zone: tzinfo = ZONE) -> str:
    """ "5:00 PM", or "17:00" where the reader writes that."""
    local = at.astimezone(zone)
    if isinstance(zone, In24Hours):
        return f"{local:%H:%M}"
    return f"{local.hour % 12 or 12}:{local:%M} {'PM' if local.hour >= 12 else 'AM'}"


def time_or_moment(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "2:02 PM" today, "Tue Nov 24, 5:00 PM" otherwise."""
    same_day = at.astimezone(zone).date() == now.astimezone(zone).date()
    return hour(at, zone) if same_day else moment(at, now, zone)


def at_time(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "at 2:02 PM" today, "Tue Nov 24, 5:00 PM" otherwise: how a sentence goes on."""
    same_day = at.astimezone(zone).date() == now.astimezone(zone).date()
    return f"at {hour(at, zone)}" if same_day else moment(at, now, zone)


def part_of_day(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "9:40 this morning" today, "Tue Nov 24, 5:00 PM" otherwise."""
    local = at.astimezone(zone)
    if local.date() != now.astimezone(zone).date():
        return moment(at, now, zone)
    part = "morning" if local.hour < 12 else "afternoon" if local.hour < 17 else "evening"
    return f"{hour(at, zone).split()[0]} this {part}"


def when(at: datetime, now: datetime, zone: tzinfo = ZONE) -> str:
    """ "today, 2:02 PM", "Tue Nov 24, 5:00 PM"."""
    same_day = at.astimezone(zone).date() == now.astimezone(zone).date()
    return f"today, {hour(at, zone)}" if same_day else moment(at, now, zone)


def full_date(on: date) -> str:
    """ "Mar 4, 1954"."""
    return f"{_MONTHS[on.month - 1]} {on.day}, {on.year}"


def birth_date(on: date) -> str:
    """ "03/04/1955", as callers say it."""
    return f"{on:%m/%d/%Y}"


def ago(seconds: float) -> str:
    """ "40 s ago", "5 min ago", "3 h ago", "2 days ago"."""
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """A length of time in one unit, rounded down: "40 s", "5 min", "3 h", "2 days"."""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} days"


def length(started: datetime | None, ended: datetime | None, now: datetime, zone: tzinfo = ZONE) -> str:
    """How long: "3 days" or "5 h" of a stay that ended; "since Mon Nov 23, 2:10 PM" of one that runs; "" unknown."""
    if started is None:
        return ""
    if ended is None:
        return f"since {time_or_moment(started, now, zone)}"
    if ended <= started:
        return ""
    if ended - started < timedelta(minutes=1):
        return ""
    nights = (ended.astimezone(zone).date() - started.astimezone(zone).date()).days
    if nights >= 1 and ended - started >= timedelta(hours=20):
        return count(nights, "day")
    return span((ended - started).total_seconds())


def day_of(clock: Clock, now: datetime, zone: tzinfo = ZONE) -> str:
    """The day a clock ends with."""
    return day(clock.due_at - timedelta(minutes=1), now, zone)


def utc(at: datetime) -> str:
    """For `datetime` attributes: ISO 8601 in UTC to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def plain_day(on: date) -> str:
    """ "Tue Nov 24"."""
    return f"{_DAYS[on.weekday()]} {_MONTHS[on.month - 1]} {on.day}"
