"""What each stay counts as in the report of its week, kept up with every version and act; sums by week and place out.

A report is one grouped query over these rows, whose numbers are the rules' own: `rules.following.counted` is asked of a
stay whenever something was told or done about its person, by whoever has the turn.
"""

from collections.abc import Collection
from datetime import date
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select, update

from rules.decisions import Alert
from rules.following.acts import Act
from rules.following.counted import Counted, counted, week_of
from streams.store.acts import acts_of
from streams.store.changes_since import changes_since
from streams.store.database import Database, rows_among, write_rows
from streams.store.loops import versions_of
from streams.store.panel_rows import home_on, load_enrollees
from streams.store.tables import COUNTED, ticks, week_counts
from streams.store.ticks import Turn, fence

assert tuple(Counted) == COUNTED
MOST_CHANGES: Final = 200  # counted at once
LONG_AGO: Final = date(1970, 1, 1)
_COLUMNS: Final = ("alert_id", "week", "practice_id", "facility", *COUNTED)
_STAYS: Final = (
    "SELECT alert_id FROM alerts WHERE enrollee_id IN (SELECT enrollee_id FROM alerts WHERE alert_id IN :among)"
)
_REST: Final = f"ON CONFLICT (alert_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
_SUMS: Final = tuple(func.sum(week_counts.c[name]).label(name) for name in COUNTED)


class Sums(NamedTuple):
    """How many stays counted as each: the columns of a report, in the order of `Counted`."""

    told: int = 0
    to_call: int = 0
    called_in_time: int = 0
    reached: int = 0
    to_visit: int = 0
    visited_in_time: int = 0
    unable: int = 0
    taken_back: int = 0


assert Sums._fields == COUNTED


class Place(NamedTuple):
    """A practice and a hospital, and what the stays of its people there came to."""

    practice_id: str
    facility: str
    sums: Sums


class WeekCounts:
    """The rows behind reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, turn: Turn, zone: ZoneInfo) -> bool:
        """Count what changed since the last time, a little at a time; whether there was anything."""
        with self._database.reading() as connection:
            after = int(connection.scalar(select(ticks.c.cursor).where(ticks.c.name == turn.name)) or 0)
            changes, cursor = changes_since(connection, after, MOST_CHANGES)
            rows = _rows(connection, sorted({alert_id for _, alert_id in changes}), zone)
        if cursor == after:
            return False
        with self._database.writing() as connection:
            fence(connection, turn)
            write_rows(connection, week_counts, _COLUMNS, rows, _REST)
            connection.execute(update(ticks).where(ticks.c.name == turn.name).values(cursor=cursor))
        return True

    def weeks(self, practice_ids: Collection[str] | None, last: date, first: date = LONG_AGO) -> dict[date, Sums]:
        """The weeks from `first` to `last` (Mondays) in which somebody was told of people of these practices (`None`:
        of anybody), newest first."""
        week = week_counts.c.week
        these = week.between(first.isoformat(), last.isoformat())
        wanted = select(week, *_SUMS).where(these, _of(practice_ids)).group_by(week).order_by(week.desc())
        with self._database.reading() as connection:
            return {date.fromisoformat(row.week): Sums(*map(int, row[1:])) for row in connection.execute(wanted)}

    def places(self, week: date, practice_ids: Collection[str] | None) -> list[Place]:
        """One week, by practice and hospital."""
        by = (week_counts.c.practice_id, week_counts.c.facility)
        of_week = week_counts.c.week == week.isoformat()
        wanted = select(*by, *_SUMS).where(of_week, _of(practice_ids)).group_by(*by).order_by(*by)
        with self._database.reading() as connection:
            return [
                Place(row.practice_id, row.facility, Sums(*map(int, row[2:]))) for row in connection.execute(wanted)
            ]

    def stays(self, week: date, practice_ids: Collection[str] | None, most: int) -> dict[str, frozenset[Counted]]:
        """What each stay of one week counts as, by alert_id; at most so many."""
        of_week = week_counts.c.week == week.isoformat()
        wanted = select(week_counts).where(of_week, _of(practice_ids)).order_by(week_counts.c.alert_id).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return {row.alert_id: frozenset(each for each in Counted if getattr(row, each)) for row in rows}


def _of(practice_ids: Collection[str] | None) -> Any:
    return True if practice_ids is None else week_counts.c.practice_id.in_(sorted(practice_ids))


def _rows(connection: Connection, changed: list[str], zone: ZoneInfo) -> list[tuple[Any, ...]]:
    """What the stays of the people of `changed` count as; acts of a stay count for the one it was merged into."""
    done = acts_of(connection, [row[0] for row in rows_among(connection, _STAYS, changed)])
    versions = versions_of(connection, list(done))
    people, homes = load_enrollees(connection, {its[-1].enrollee_id for its in versions.values()}, LONG_AGO)
    rows = []
    for alert_id, its_versions in versions.items():
        told_at, newest = its_versions[0].decided_at, its_versions[-1]
        line = people.get(newest.enrollee_id)
        day = told_at.astimezone(zone).date()
        practice_id = home_on(line, homes.get(newest.enrollee_id, ()), day).practice_id if line else ""
        rows.append(
            (
                alert_id,
                week_of(told_at, zone).isoformat(),
                practice_id,
                newest.facility,
                *_ones(its_versions, done[alert_id], zone),
            )
        )
    return rows


def _ones(versions: list[Alert], acts: tuple[Act, ...], zone: ZoneInfo) -> tuple[int, ...]:
    is_so = counted(versions, acts, zone)
    return tuple(int(each in is_so) for each in Counted)
