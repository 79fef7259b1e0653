"""How much is due on which day in, a calendar for other programs out (RFC 5545). Counts only, no patient. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from streams.words.numbers import count


def calendar(due: Mapping[date, int], who: str, now: datetime) -> str:
    """An all-day entry for each day: "3 calls or visits due". `who`: whose it is, a case_manager_id.

    A day keeps its UID and its SEQUENCE rises by the minute, so that reading it again changes entries and adds none.
    """
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    owner = "".join(
        character if character.isalnum() and character.isascii() else f"-{ord(character):x}" for character in who
    )[:24]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Warm Handoff//What is due//EN", "METHOD:PUBLISH"]
    for day, number in sorted(due.items()):
        lines += [
            "BEGIN:VEVENT",
            f"UID:{day:%Y%m%d}-{owner}@warm-handoff",
            f"DTSTAMP:{stamp}",
            f"SEQUENCE:{int(now.timestamp()) // 60}",
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}",
            f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{count(number, 'call or visit', 'calls or visits')} due",
            "TRANSP:TRANSPARENT",
            "CLASS:PRIVATE",
            "END:VEVENT",
        ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])
