"""A team's calendar: the directory and some days in, who is away on each, who stands in, and where nobody does, out.

Pure. It is looked at every half hour in which the person would work: a stand-in who comes later leaves a gap before.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.hours import Spans, read_hours, within
from parsers.people import NO_PATIENTS, CaseManager
from rules.telling.directory import Directory

OFFICE: Final = "Mon-Fri 08:00-17:00"  # of whom no hours are on file
HALF_HOUR: Final = timedelta(minutes=30)
LOOKS: Final = 48  # a day


class Away(NamedTuple):
    """Somebody who is away on one day, while they would work."""

    person: CaseManager
    stand_ins: tuple[str, ...]  # names, in the order in which they answer
    gap: bool  # for some of it nobody stands in: the team answers, the network, the central office


class Day(NamedTuple):
    """One day of the calendar."""

    on: date
    away: tuple[Away, ...]


def coverage(
    directory: Directory, people: Iterable[CaseManager], first: date, days: int, zone: ZoneInfo
) -> tuple[Day, ...]:
    """So many days from `first` on; `people` by name."""
    concerned = [
        (person, read_hours(person.hours or OFFICE) or ())
        for person in people
        if person.role not in NO_PATIENTS and directory.absences.get(person.case_manager_id)
    ]
    calendar = []
    for on in (first + timedelta(days=number) for number in range(days)):
        looked = (_on(directory, person, hours, on, zone) for person, hours in concerned)
        calendar.append(Day(on, tuple(away for away in looked if away)))
    return tuple(calendar)


def gaps(calendar: Iterable[Day]) -> dict[str, tuple[date, ...]]:
    """The days on which nobody stands in, by the name of who is away."""
    days: dict[str, tuple[date, ...]] = {}
    for day in calendar:
        for away in day.away:
            if away.gap:
                days[away.person.name] = (*days.get(away.person.name, ()), day.on)
    return days


def _on(directory: Directory, person: CaseManager, hours: Spans, on: date, zone: ZoneInfo) -> Away | None:
    midnight = datetime.combine(on, time(), zone)
    at_work = (at for look in range(LOOKS) if within(hours, at := midnight + look * HALF_HOUR))
    moments = [at for at in at_work if directory.back_at(person.case_manager_id, at)]
    if not moments:
        return None
    answers = [directory.stand_in(person, at) for at in moments]
    names = tuple(dict.fromkeys(answer[0].name for answer in answers if answer))
    return Away(person, names, None in answers)
