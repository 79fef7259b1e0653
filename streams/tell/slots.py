"""The hours and the spans of a destination in, when it may be told and when its next file is due out."""

from datetime import UTC, datetime, timedelta

from parsers.hours import ALWAYS, DAY, WEEK, read_hours, within


def next_slot(now: datetime, every_minutes: int) -> datetime:
    """When the next of the spans of so many minutes begins, counted from 1970 in UTC."""
    every = every_minutes * 60
    return datetime.fromtimestamp((int(now.timestamp()) // every + 1) * every, UTC)


def opens_in(hours: str, local: datetime) -> timedelta:
    """How long until a destination with these hours may be told; nothing when it may be now."""
    spans = read_hours(hours) or ALWAYS
    if within(spans, local):
        return timedelta()
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    wait = min((start - minute) % WEEK for start, _ in spans)
    return timedelta(minutes=wait) - timedelta(seconds=local.second, microseconds=local.microsecond)
