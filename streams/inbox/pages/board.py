"""The board of whoever answers for a network: ten seconds for who has nobody, what is late, and who is overloaded."""

from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from parsers.people import CaseManager
from rules.feeds.card import WEEKS_BEFORE
from rules.following.glass import LOOK_DAYS
from rules.following.roles import Doing, Relation, may, may_see_feed
from streams.inbox.board import (
    TILE_WORDS,
    WHICH_WORDS,
    Board,
    Load,
    Tile,
    Which,
    board,
    holder,
    practice_of,
    some,
    waits_since,
)
from streams.inbox.coverage import gaps
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.cover import calendar_of
from streams.inbox.pages.feeds import IN_TIME_WORDS, lines_of
from streams.inbox.pages.glass import REASON_WORDS, waiting_for
from streams.inbox.pages.many import MOST_AT_ONCE, offered
from streams.inbox.pages.reader_stay import ReaderStay, people_of
from streams.inbox.request import Reader
from streams.inbox.team import away_until, colleagues, covers_for, is_cut, team_stays
from streams.store.among import MOST_OPEN
from streams.store.audit import Audited
from streams.words import people as people_words
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


def may_see(reader: CaseManager) -> bool:
    relation = Relation.CENTRAL if not reader.network_id else Relation.NETWORK
    return bool(may(reader.role, Doing.SEE_BOARD, relation))


async def board_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(render, inbox), visit.reader, visit.request.query_params)


def of_network(inbox: "Inbox", reader: Reader, now: datetime) -> tuple[Board, dict[str, ReaderStay]]:
    """The board, and its stays by id."""
    stays = team_stays(inbox.desk, reader.person, now, open_only=True)
    staff = [
        (person, away_until(inbox.desk, person, now), covers_for(inbox.desk, person, now))
        for person in colleagues(inbox.desk, reader.person)
    ]
    return board(stays, staff, now, inbox.desk.zone), {stay.latest.alert_id: stay for stay in stays}


def render(inbox: "Inbox", reader: Reader, query: Any) -> Response:
    if not may_see(reader.person):
        return PlainTextResponse("not yours", 404)
    now, who, zone = datetime.now(UTC), reader.person.case_manager_id, inbox.desk.zone
    network_board, stays = of_network(inbox, reader, now)
    tile, whose = query.get("tile", ""), query.get("whose", "")
    everything = _shown(network_board, stays, tile, whose)
    moved = _moved(everything, query) if whose else None
    shown = everything if moved is None else list(moved)
    many = offered(inbox, reader, now, back="board") | {"team": _team(inbox, network_board, now, whose)}
    listed = [rows.row(stay, who, now, zone) for stay in shown]
    silent, feeds = inbox.desk.silent(reader.person, now)
    inbox.store.audit.write_list(who, Audited.READ_LIST, now, people_of(shown), f"board, {len(listed)} stays")
    return inbox.page(
        "board.html",
        reader=reader,
        tiles=[(each_tile.value, TILE_WORDS[each_tile], len(network_board.tiles[each_tile])) for each_tile in Tile],
        chosen=tile,
        chosen_words=TILE_WORDS[Tile(tile)] if tile in set(Tile) else _whose(inbox, whose),
        cut=MOST_OPEN if is_cut(inbox.desk, reader.person, now, open_only=True) else 0,
        gaps=len(gaps(calendar_of(inbox, colleagues(inbox.desk, reader.person), now))),
        longest=_longest(network_board, now),
        rows=listed,
        holders={stay.latest.alert_id: holder(stay) for stay in shown},
        ticked=moved is not None,
        of_all=len(everything),
        may_move="assign" in many["presses"],
        move=_move(inbox, everything, query) if whose and everything and "assign" in many["presses"] else None,
        loads=_loads(inbox, network_board, now),
        reviews=inbox.store.reviews.count(inbox.desk.answers_for(reader.person, now)),
        silent=[(feed.feed, feed.words, time_words.ago((now - feed.received_at).total_seconds())) for feed in silent],
        feeds=feeds,
        lines=_hospitals(inbox, reader, now),
        weeks=WEEKS_BEFORE,
        in_time=IN_TIME_WORDS,
        look_days=LOOK_DAYS,
        glass=[
            {
                "id": broken.glass_id,
                "who": inbox.desk.name(broken.case_manager_id),
                "when": time_words.moment(broken.at, now, zone),
                "ref": inbox.refs.of(broken.enrollee_id),
                "reason": REASON_WORDS[broken.reason],
                "words": broken.words,
            }
            for broken in waiting_for(inbox, reader.person)
        ],
        many=many,
        said=query.get("said", "") if query.get("said", "").isdecimal() else "",
    )


def _loads(inbox: "Inbox", network_board: Board, now: datetime) -> list[dict[str, Any]]:
    """The people of the team: where they are, how much each carries of what they can, when they last did anything."""
    zone = inbox.desk.zone
    last = inbox.store.acts.last_of([load.person.case_manager_id for load in network_board.loads])
    return [
        {
            "id": load.person.case_manager_id,
            "name": load.person.name,
            "role": people_words.ROLE_WORDS[load.person.role],
            "where": _where(load.away_until, load.covers, now, zone),
            "open": len(load.open),
            "capacity": load.person.capacity,
            "carries": _carries(load),
            "not_noted": len(load.not_noted),
            "urgent": len(load.urgent),
            "overdue": len(load.overdue),
            "due_today": len(load.due_today),
            "last_act": time_words.time_or_moment(at, now, zone)
            if (at := last.get(load.person.case_manager_id))
            else "none yet",
        }
        for load in network_board.loads
    ]


def _hospitals(inbox: "Inbox", reader: Reader, now: datetime) -> list[dict[str, Any]]:
    """The feeds that tell of people here, for who may see how feeds do."""
    theirs = inbox.desk.feeds_of(reader.person, now)
    return lines_of(
        inbox, lambda feed: (theirs is None or feed in theirs) and bool(may_see_feed(reader.person, feed)), now
    )


def _carries(load: Load) -> str:
    """ "12 of 40", "44 of 40, over"; "12" of whom it is not said how many they can carry."""
    number, most = len(load.open), load.person.capacity
    if not most:
        return str(number)
    return f"{number} of {most}{', over' if number > most else ', full' if number == most else ''}"


def _open(load: Load) -> str:
    """ "12 open of 40"."""
    return f"{len(load.open)} open" + (f" of {load.person.capacity}" if load.person.capacity else "")


def _longest(network_board: Board, now: datetime) -> str:
    """How long that stay has waited which nobody has had for longest."""
    since = min((waits_since(stay) for stay in network_board.tiles[Tile.NOBODY]), default=None)
    return f"the oldest for {time_words.span((now - since).total_seconds())}" if since else ""


def _moved(stays: list[ReaderStay], query: Any) -> tuple[ReaderStay, ...] | None:
    """Those of somebody's stays that were asked for, to be given to others; `None` where none were."""
    number, which = query.get("some", ""), query.get("which", "")
    if not (number.isascii() and number.isdecimal() and which in set(Which)):
        return None
    return some(stays, query.get("practice", ""), Which(which), min(int(number[:4]), MOST_AT_ONCE))


def _move(inbox: "Inbox", stays: list[ReaderStay], query: Any) -> dict[str, Any]:
    """What the form "Move some" offers: the practices of these stays, and what was asked for before."""
    directory = inbox.desk.directory()
    practices = {practice_id for stay in stays if (practice_id := practice_of(stay))}
    named = ((each, directory.practice_name(each) or each) for each in practices)
    return {
        "whose": query.get("whose", ""),
        "practice": query.get("practice", ""),
        "which": query.get("which", ""),
        "some": query.get("some", "")[:4],
        "practices": sorted(named, key=lambda practice: (practice[1], practice[0])),
        "whiches": WHICH_WORDS.items(),
        "most": min(len(stays), MOST_AT_ONCE),
    }


def _team(inbox: "Inbox", network_board: Board, now: datetime, whose: str) -> list[tuple[str, str]]:
    """Whom stays can be given, with how much they have and where they are; those `whose` they are need none of it."""
    return [
        (
            load.person.case_manager_id,
            f"{load.person.name} ({_open(load)}, {_where(load.away_until, load.covers, now, inbox.desk.zone)})",
        )
        for load in network_board.loads
        if load.person.case_manager_id != whose
    ]


def _whose(inbox: "Inbox", who: str) -> str:
    return f"With {inbox.desk.name(who)}" if who else TILE_WORDS[Tile.NOBODY]


def _where(away_until: datetime | None, covers: tuple[str, ...], now: datetime, zone: tzinfo) -> str:
    parts = (
        f"away until {time_words.time_or_moment(away_until, now, zone)}" if away_until else "",
        f"covers for {', '.join(covers)}" if covers else "",
    )
    return " · ".join(part for part in parts if part) or "here"


def _shown(network_board: Board, stays: dict[str, ReaderStay], tile: str, whose: str) -> list[ReaderStay]:
    """The rows behind a number: of a tile, of one person, else those that nobody has."""
    if tile in set(Tile):
        return list(network_board.tiles[Tile(tile)])
    for load in network_board.loads:
        if whose and load.person.case_manager_id == whose:
            return [stays[alert_id] for alert_id in load.open]
    return list(network_board.tiles[Tile.NOBODY])
