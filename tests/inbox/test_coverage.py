"""A team's calendar: who is away on which day, who stands in, and each gap, also one of a part of a day."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from parsers.people import Absence, CaseManager, Role
from rules.telling.directory import Directory
from streams.inbox.coverage import coverage, gaps

ZONE = ZoneInfo("America/New_York")
FRIDAY = date(2026, 11, 27)


def nurse(who, **more):
    return CaseManager(case_manager_id=who, name=who.title(), role=more.pop("role", Role.NURSE), **more)


def absent(who, starts, ends, backup=""):
    """In local days and hours of the week of Friday, 27 November: `(1, 8)` is Saturday at eight."""
    at = [datetime(2026, 11, 27, hour, tzinfo=ZONE) + timedelta(days=day) for day, hour in (starts, ends)]
    return Absence(case_manager_id=who, starts=at[0], ends=at[1], backup_id=backup)


def calendar(people, absences, days=5):
    team_days = coverage(Directory(case_managers=people, absences=absences), people, FRIDAY, days, ZONE)
    return {
        day.on.day: [(away.person.case_manager_id, away.stand_ins, away.gap) for away in day.away] for day in team_days
    }


def test_who_is_away_stands_on_the_days_on_which_they_would_work():
    people = [nurse("ann"), nurse("bea"), nurse("cleo", hours="Sat 09:00-12:00")]
    away = [absent("ann", (0, 12), (3, 12), "bea"), absent("cleo", (0, 0), (2, 0), "bea")]
    assert calendar(people, away) == {
        27: [("ann", ("Bea",), False)], 28: [("cleo", ("Bea",), False)], 29: [], 30: [("ann", ("Bea",), False)], 1: [],
    }  # fmt: skip


def test_a_gap_is_where_nobody_stands_in_also_for_a_part_of_a_day():
    people = [nurse("ann"), nurse("bea"), nurse("cleo", hours="Mon-Fri 12:00-17:00")]
    unnamed = [absent("ann", (0, 0), (1, 0))]
    assert calendar(people, unnamed, 1) == {27: [("ann", (), True)]}
    both = [absent("ann", (0, 0), (1, 0), "bea"), absent("bea", (0, 13), (0, 15))]
    assert calendar(people, both, 1) == {27: [("ann", ("Bea",), True), ("bea", (), True)]}
    chain = [absent("ann", (0, 0), (1, 0), "bea"), absent("bea", (0, 13), (0, 15), "cleo")]
    assert calendar(people, chain, 1) == {27: [("ann", ("Bea", "Cleo"), False), ("bea", ("Cleo",), False)]}
    later = [absent("ann", (0, 0), (1, 0), "cleo")]  # who comes at noon
    assert calendar(people, later, 1) == {27: [("ann", ("Cleo",), True)]}


def test_gaps_are_named_by_person_and_day_and_who_has_no_patients_leaves_none():
    people = [nurse("ann"), nurse("ada", role=Role.ADMIN)]
    away = [absent("ann", (0, 0), (5, 0)), absent("ada", (0, 0), (5, 0))]
    days = coverage(Directory(case_managers=people, absences=away), people, FRIDAY, 5, ZONE)
    assert gaps(days) == {"Ann": (FRIDAY, FRIDAY + timedelta(days=3), FRIDAY + timedelta(days=4))}
