"""A network's board: its people's stays and its staff in, who has nobody, what is late and who carries how much out.

Pure. Every number is the length of a list of rows, so that it opens to exactly these.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.people import CaseManager
from rules.decisions import Clock, Priority, StayStatus
from rules.following.state import FollowUpState
from streams.inbox.pages.reader_stay import ReaderStay, clock_of, is_struck, state_of
from streams.words import clocks as clock_words
from streams.words import times as time_words

_S: Final = FollowUpState
_ENDED: Final = frozenset({_S.CLOSED, _S.DONE, _S.DIED, _S.VOID})


class Tile(StrEnum):
    """What the board counts; the value is in the address."""

    NOBODY = "nobody"
    URGENT = "urgent"
    OVERDUE = "overdue"
    DUE_TODAY = "due-today"
    IN_HOSPITAL = "in-hospital"
    ASKED = "asked"


TILE_WORDS: Final = {
    Tile.NOBODY: "Nobody has it",
    Tile.URGENT: "Urgent",
    Tile.OVERDUE: "Overdue",
    Tile.DUE_TODAY: "Due today",
    Tile.IN_HOSPITAL: "In the hospital",
    Tile.ASKED: "Asked, not answered",
}
assert TILE_WORDS.keys() == set(Tile)


class Which(StrEnum):
    """Which of somebody's stays are moved first; the value is in the address."""

    NEWEST = "newest"
    DUE_LATER = "due-later"


WHICH_WORDS: Final = {Which.NEWEST: "the newest", Which.DUE_LATER: "those due later"}
assert WHICH_WORDS.keys() == set(Which)


class Load(NamedTuple):
    """How much one person carries, each as the alert_ids of the stays."""

    person: CaseManager
    away_until: datetime | None
    covers: tuple[str, ...]  # names of whom they stand in for
    open: tuple[str, ...]
    urgent: tuple[str, ...]
    overdue: tuple[str, ...]
    due_today: tuple[str, ...]
    not_noted: tuple[str, ...]  # open ones whose newest version is for them and of which they have noted nothing


class Board(NamedTuple):
    """What a manager sees first."""

    tiles: dict[Tile, tuple[ReaderStay, ...]]
    loads: tuple[Load, ...]  # most overdue first, then busiest


def is_open(stay: ReaderStay) -> bool:
    """Something is still to be done about it, or to be waited for."""
    alert = stay.latest
    if is_struck(alert) or stay.passed_to or state_of(stay) in _ENDED:
        return False
    if alert.status is not StayStatus.FINISHED:
        return stay.unheard_since is None
    return clock_of(stay) is not None or state_of(stay) not in (_S.NO_CALL, None)


def board(
    stays: Iterable[ReaderStay],
    staff: Sequence[tuple[CaseManager, datetime | None, tuple[str, ...]]],
    now: datetime,
    zone: tzinfo = time_words.ZONE,
) -> Board:
    """`stays`: of everybody on the panels; `staff`: each with until when they are away and whom they cover."""
    running = [stay for stay in stays if is_open(stay)]
    late = [stay for stay in running if _late(stay, now)]
    today = [stay for stay in running if _due_today(stay, now, zone)]
    urgent = [stay for stay in running if stay.latest.priority is Priority.URGENT]
    tiles = {
        Tile.NOBODY: [stay for stay in running if not holder(stay)],
        Tile.URGENT: urgent,
        Tile.OVERDUE: late,
        Tile.DUE_TODAY: today,
        Tile.IN_HOSPITAL: [stay for stay in running if stay.latest.status is not StayStatus.FINISHED],
        Tile.ASKED: [stay for stay in running if _unanswered(stay)],
    }
    loads = [
        Load(
            person,
            until,
            covers,
            _held(running, person),
            _held(urgent, person),
            _held(late, person),
            _held(today, person),
            tuple(stay.latest.alert_id for stay in running if person.case_manager_id in stay.not_noted_by),
        )
        for person, until, covers in staff
    ]
    loads.sort(key=lambda load: (-len(load.overdue), -len(load.open), load.person.name))
    return Board({tile: tuple(sorted(of_tile, key=_first)) for tile, of_tile in tiles.items()}, tuple(loads))


def some(stays: Iterable[ReaderStay], practice_id: str, which: Which, number: int) -> tuple[ReaderStay, ...]:
    """So many of these stays, to be moved to somebody else; `practice_id`: of whose people, "" of any."""
    theirs = [stay for stay in stays if not practice_id or practice_of(stay) == practice_id]
    return tuple(sorted(theirs, key=_MOVED_FIRST[which], reverse=True)[:number])


def practice_of(stay: ReaderStay) -> str:
    """ "" where the reader may not know whose it is."""
    return stay.latest.person.practice_id if stay.latest.person else ""


def waits_since(stay: ReaderStay) -> datetime:
    """Since when nobody has had it: it was told, or given back."""
    since = stay.loop.holding.since if stay.loop else None
    return since or stay.latest.decided_at


def holder(stay: ReaderStay) -> str:
    return stay.loop.holding.holder if stay.loop else ""


def _held(stays: Iterable[ReaderStay], person: CaseManager) -> tuple[str, ...]:
    return tuple(stay.latest.alert_id for stay in stays if holder(stay) == person.case_manager_id)


def _unanswered(stay: ReaderStay) -> bool:
    return stay.loop is not None and any(question.answered is None for question in stay.loop.holding.questions)


def _step(stay: ReaderStay) -> Clock | None:
    clock = clock_of(stay)
    return clock if clock is not None and clock.kind not in clock_words.PAPERWORK else None


def _late(stay: ReaderStay, now: datetime) -> bool:
    clock = _step(stay)
    return clock is not None and clock.due_at < now


def _due_today(stay: ReaderStay, now: datetime, zone: tzinfo) -> bool:
    clock = _step(stay)
    if clock is None or clock.due_at < now:
        return False
    last = clock_words.last_moment(clock, now, zone, stay.policy) - timedelta(minutes=1)
    today: date = now.astimezone(zone).date()
    return last.astimezone(zone).date() <= today


def _first(stay: ReaderStay) -> tuple[int, datetime, str]:
    clock = _step(stay)
    urgency = list(Priority).index(stay.latest.priority or Priority.ROUTINE)
    return urgency, clock.due_at if clock else stay.latest.decided_at, stay.latest.alert_id


def _due_last(stay: ReaderStay) -> tuple[bool, datetime]:
    """What has no step is due later than all that has one."""
    clock = _step(stay)
    return clock is None, clock.due_at if clock else stay.latest.decided_at


def _begun_last(stay: ReaderStay) -> tuple[bool, datetime]:
    return False, stay.latest.started_at or stay.latest.decided_at


_MOVED_FIRST: Final = {Which.NEWEST: _begun_last, Which.DUE_LATER: _due_last}
