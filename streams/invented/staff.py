"""Invented people at work: a directory and a seed in; their hours, their absences and how each of them takes to work,
and when the store is away, out. Nothing here knows the rules of escalation."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from parsers.people import Absence, CaseManager, Role
from streams.invented.community import Community


class Habit(StrEnum):
    """How a person takes to what she is told."""

    PROMPT = "prompt"  # within the hour
    LATE = "late"  # after a day or three
    NEVER = "never"
    TWICE = "twice"  # promptly, and presses everything twice


_HABITS: Final = {Habit.PROMPT: 60, Habit.LATE: 20, Habit.NEVER: 10, Habit.TWICE: 10}  # of a hundred
_HOURS: Final = ("Mon-Fri 08:00-17:00", "Mon-Fri 08:00-17:00", "Mon-Fri 09:00-18:00", "Mon-Thu 07:30-18:00")
_AWAY: Final = 0.3  # of the people are away once
_OUTAGE: Final = timedelta(hours=11)


class Staff(NamedTuple):
    """Everybody's habit by case_manager_id, and when nobody could reach the store."""

    habits: dict[str, Habit]
    outages: tuple[tuple[datetime, datetime], ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The lines of `staff.jsonl`."""
        for person, habit in self.habits.items():
            yield {"row": "person", "case_manager_id": person, "habit": habit.value}
        for starts, ends in self.outages:
            yield {"row": "outage", "starts": starts.isoformat(), "ends": ends.isoformat()}

    @classmethod
    def read(cls, rows: list[dict[str, Any]]) -> "Staff":
        """What `rows` gave. Raises `KeyError`, `ValueError`."""
        habits = {row["case_manager_id"]: Habit(row["habit"]) for row in rows if row["row"] == "person"}
        outages = [
            (datetime.fromisoformat(row["starts"]), datetime.fromisoformat(row["ends"]))
            for row in rows
            if row["row"] == "outage"
        ]
        return cls(habits, tuple(outages))


def sample_staff(community: Community, seed: int, start: datetime, days: int) -> tuple[Community, Staff]:
    """The community with working hours and absences, and who works how. The central office is prompt, at any hour, and
    never away; each tenth day, and once at the least, the store is away for a night."""
    dice = random.Random(f"{seed}/staff")
    people: list[CaseManager] = []
    absences: list[Absence] = []
    habits: dict[str, Habit] = {}
    for person in community.case_managers:
        if person.role is Role.CENTRAL_OFFICE:
            habits[person.case_manager_id] = Habit.PROMPT
            people.append(person)
            continue
        habits[person.case_manager_id] = dice.choices(list(_HABITS), list(_HABITS.values()))[0]
        people.append(person.model_copy(update={"hours": dice.choice(_HOURS)}))
        if dice.random() < _AWAY:
            leaves = start + timedelta(days=dice.randrange(max(days, 1)), hours=dice.randrange(24))
            team = [mate for mate in community.case_managers if mate.network_id == person.network_id and mate != person]
            backup = dice.choice(team).case_manager_id if dice.random() < 0.6 else ""
            until = leaves + timedelta(days=dice.randrange(1, 15))
            absences.append(
                Absence(case_manager_id=person.case_manager_id, starts=leaves, ends=until, backup_id=backup)
            )
    nights = [start + timedelta(days=day, hours=20) for day in range(min(10, days - 1), days, 10)]
    outages = tuple((night, night + _OUTAGE) for night in nights)
    return community._replace(case_managers=tuple(people), absences=tuple(absences)), Staff(habits, outages)
