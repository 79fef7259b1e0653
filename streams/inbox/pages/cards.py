"""One card a person: the stays of a list with their rows in, a row for each person with their other stays on it out.

Pure. The stay that presses most leads and its row is the card; what else the person has stands on it in lines, each
with its own next step. What a hospital took back stays a row of its own, because it is noted by itself. Stays whose
person this reader may not know are never put together: that two are one person's would tell something of who it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Final, TypeAlias

from streams.inbox.pages.list_rows import CardLine, Group, Row, where_of
from streams.inbox.pages.reader_stay import ReaderStay, whose_stay

MOST_LINES: Final = 4
_GROUPS: Final = tuple(Group)

Pair: TypeAlias = tuple[ReaderStay, Row]


def cards(pairs: Iterable[Pair], now: datetime, zone: tzinfo) -> list[Pair]:
    """The stay that leads each card, and its row."""
    of_person: dict[str, list[Pair]] = defaultdict(list)
    for stay, row in pairs:
        of_person[f"struck:{row.alert_id}" if row.struck else whose_stay(stay)].append((stay, row))
    return [_card(sorted(members, key=_pressing), now, zone) for members in of_person.values()]


def on_card(row: Row) -> tuple[str, ...]:
    """Every stay on the card, the one that leads first."""
    return row.alert_id, *row.others


def stays_on(pairs: Iterable[Pair]) -> list[str]:
    return [alert_id for _, row in pairs for alert_id in on_card(row)]


def _pressing(pair: Pair) -> tuple[int, str]:
    return _GROUPS.index(pair[1].group), pair[1].rank


def _card(members: Sequence[Pair], now: datetime, zone: tzinfo) -> Pair:
    (stay, row), *others = members
    lines = tuple(_line(other, other_row, stay, row, now, zone) for other, other_row in others[:MOST_LINES])
    return stay, replace(row, others=tuple(other_row.alert_id for _, other_row in others), lines=lines)


def _line(other: ReaderStay, row: Row, lead: ReaderStay, card: Row, now: datetime, zone: tzinfo) -> CardLine:
    done = row.group is Group.FINISHED
    happened, leads_at = _at(other), _at(lead)
    holder = "" if done or row.owner == card.owner else row.owner or "nobody has this yet"
    parts = (where_of(other.latest, now, zone, why=False), "nothing to do" if done else row.step, row.left, holder)
    return CardLine(
        row.alert_id,
        "Earlier" if happened < leads_at else "Also",
        row.marks[0] if row.marks else "",
        row.happened,
        " · ".join(part for part in parts if part),
    )


def _at(stay: ReaderStay) -> datetime:
    alert = stay.latest
    return alert.ended_at or alert.started_at or alert.occurred_at or alert.decided_at
