"""Whose stays a list shows and which of them; rows in, cards of those that fit in the order asked for, out. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from pydantic import ValidationError

from parsers.events import Value
from parsers.people import RiskTier
from rules.decisions import AlertKind, Priority, Reason
from rules.following.state import FollowUpState
from streams.inbox.board import holder, is_open
from streams.inbox.pages.cards import Pair, cards
from streams.inbox.pages.list_rows import Group, Row, row
from streams.inbox.pages.reader_stay import ReaderStay, clock_of, state_of
from streams.words import clocks as clock_words

SOON: Final = timedelta(days=7)


class View(StrEnum):
    """Whose stays a list shows; the value is in the address."""

    MINE = "mine"
    COVERING = "covering"
    ASKED = "asked"
    PRACTICES = "practices"
    TEAM = "team"
    NOBODY = "nobody"
    GRAVE = "grave"
    DONE = "done"


# Taken from the reader's own stays, the others from those of the team.
OWN: Final = (View.MINE, View.COVERING, View.ASKED, View.DONE)
_GRAVE: Final = frozenset({Reason.DIED, Reason.READMISSION, Reason.LEFT_AGAINST_ADVICE})


class Due(StrEnum):
    OVERDUE = "overdue"
    TODAY = "today"
    WEEK = "week"


class Sort(StrEnum):
    PRESSING = "pressing"  # what is late, then by urgency, then by when it is due
    DUE = "due"
    NEWEST = "newest"
    NAME = "name"


class Narrowing(Value):
    """What of a list is shown and in which order; `None` and "" narrow nothing."""

    view: View = View.MINE
    hospital: str = ""
    practice: str = ""  # practice_id
    holder: str = ""  # case_manager_id
    kind: AlertKind | None = None
    urgency: Priority | None = None
    risk: RiskTier | None = None
    state: FollowUpState | None = None
    language: str = ""
    due: Due | None = None
    sort: Sort = Sort.PRESSING

    @property
    def narrows(self) -> bool:
        return self != Narrowing(view=self.view)


def narrowing_of(given: dict[str, str]) -> Narrowing:
    """What a form or an address says; what is no choice narrows nothing."""
    said = {name: value for name, value in given.items() if name in Narrowing.model_fields and value}
    while said:
        try:
            return Narrowing.model_validate(said)
        except ValidationError as error:
            for fault in error.errors(include_input=False):
                said.pop(str(fault["loc"][0]), None)
    return Narrowing()


def of_view(pairs: Iterable[Pair], view: View, practices: Collection[str]) -> list[Pair]:
    """Those that a view holds of the stays it is taken from. `practices`: those its reader carries."""
    match view:
        case View.MINE | View.TEAM | View.DONE:
            return list(pairs)
        case View.COVERING:
            return [pair for pair in pairs if pair[0].covered]
        case View.ASKED:
            return [pair for pair in pairs if pair[0].asked]
        case View.PRACTICES:
            return [pair for pair in pairs if pair[0].latest.person and pair[0].latest.person.practice_id in practices]
        case View.NOBODY:
            return [pair for pair in pairs if is_open(pair[0]) and not holder(pair[0])]
        case View.GRAVE:
            return [pair for pair in pairs if not _GRAVE.isdisjoint(pair[0].latest.reasons)]


def count(pairs: Iterable[Pair], by: Narrowing, practices: Collection[str], now: datetime, zone: tzinfo) -> int:
    """How many people a list shows of the stays it is taken from; those that are done only where it is of those."""
    shown = narrowed(of_view(pairs, by.view, practices), by, now, zone)
    return len([row for _, row in shown if (row.group is Group.FINISHED) is (by.view is View.DONE)])


def paired(stays: Iterable[ReaderStay], reader_id: str, now: datetime, zone: tzinfo) -> list[Pair]:
    return [(stay, row(stay, reader_id, now, zone)) for stay in stays]


def listed(stays: Iterable[ReaderStay], reader_id: str, by: Narrowing, now: datetime, zone: tzinfo) -> list[Pair]:
    """The cards of a list, each with the stay that leads it."""
    return narrowed(paired(stays, reader_id, now, zone), by, now, zone)


def narrowed(pairs: Iterable[Pair], by: Narrowing, now: datetime, zone: tzinfo) -> list[Pair]:
    """A card for each person with stays that fit, with its place in the order asked for."""
    fitting = [(stay, row) for stay, row in pairs if _fits(stay, row, by, now, zone)]
    shown = [(stay, _placed(row, stay, by.sort)) for stay, row in cards(fitting, now, zone)]
    return [pair for pair in shown if pair[1].group is Group.FINISHED] if by.view is View.DONE else shown


def _fits(stay: ReaderStay, row: Row, by: Narrowing, now: datetime, zone: tzinfo) -> bool:
    alert = stay.latest
    return (
        (not by.hospital or alert.facility == by.hospital)
        and (not by.practice or (alert.person is not None and alert.person.practice_id == by.practice))
        and (not by.holder or holder(stay) == by.holder)
        and (by.kind is None or alert.kind is by.kind)
        and (by.urgency is None or alert.priority is by.urgency)
        and (by.risk is None or alert.risk_tier is by.risk)
        and (by.state is None or state_of(stay) is by.state)
        and (not by.language or (alert.person is not None and alert.person.language == by.language))
        and (by.due is None or _is_due(stay, row, by.due, now, zone))
    )


def _is_due(stay: ReaderStay, row: Row, due: Due, now: datetime, zone: tzinfo) -> bool:
    clock = clock_of(stay)
    if clock is None or row.overdue or due is Due.OVERDUE:
        return clock is not None and row.overdue
    last = (clock_words.last_moment(clock, now, zone, stay.policy) - timedelta(minutes=1)).astimezone(zone).date()
    return last <= (now if due is Due.TODAY else now + SOON).astimezone(zone).date()


def _placed(row: Row, stay: ReaderStay, sort: Sort) -> Row:
    alert = stay.latest
    newest = f"{9_999_999_999 - alert.decided_at.timestamp():010.0f}"
    match sort:
        case Sort.PRESSING:
            return row
        case Sort.DUE:
            clock = clock_of(stay)
            return replace(row, rank=f"{clock.due_at.timestamp() if clock else 9_999_999_999:010.0f}{row.rank}")
        case Sort.NEWEST:
            return replace(row, rank=newest + row.rank)
        case Sort.NAME:
            name = alert.person.name if alert.person else None
            said = f"{name.family} {name.given}".casefold() if name else "\uffff"
            return replace(row, rank=f"{said} {row.rank}")
