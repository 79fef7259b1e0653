"""The board of whoever answers for a network: ten seconds for who has nobody, what is late, and who is overloaded."""

from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from parsers.people import CaseManager
from rules.following.glass import LOOK_DAYS
from rules.following.roles import Doing, Relation, may
from streams.inbox.board import TILE_WORDS, Board, Tile, board
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.glass import REASON_WORDS, waiting_for
from streams.inbox.pages.many import offered
from streams.inbox.pages.reader_stay import ReaderStay, people_of
from streams.inbox.request import Reader
from streams.inbox.team import away_until, colleagues, covers_for, team_stays
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
    stays = team_stays(inbox.desk, reader.person, now)
    staff = [
        (person, away_until(inbox.desk, person, now), covers_for(inbox.desk, person, now))
        for person in colleagues(inbox.desk, reader.person)
    ]
    return board(stays, staff, now, inbox.desk.zone), {stay.latest.alert_id: stay for stay in stays}


def render(inbox: "Inbox", reader: Reader, query: Any) -> Response:
    if not may_see(reader.person):
        return PlainTextResponse("not yours", 404)
    now, who = datetime.now(UTC), reader.person.case_manager_id
    network_board, stays = of_network(inbox, reader, now)
    tile = query.get("tile", "")
    shown = _shown(network_board, stays, tile, query.get("whose", ""))
    listed = [rows.row(stay, who, now, inbox.desk.zone) for stay in shown]
    silent, feeds = inbox.desk.silent(reader.person, now)
    inbox.store.audit.write_list(who, Audited.READ_LIST, now, people_of(shown), f"board, {len(listed)} stays")
    return inbox.page(
        "board.html",
        reader=reader,
        tiles=[(each_tile.value, TILE_WORDS[each_tile], len(network_board.tiles[each_tile])) for each_tile in Tile],
        chosen=tile,
        chosen_words=TILE_WORDS[Tile(tile)] if tile in set(Tile) else _whose(inbox, query.get("whose", "")),
        rows=listed,
        loads=[
            {
                "id": load.person.case_manager_id,
                "name": load.person.name,
                "role": people_words.ROLE_WORDS[load.person.role],
                "where": _where(load.away_until, load.covers, now, inbox.desk.zone),
                "open": len(load.open),
                "urgent": len(load.urgent),
                "overdue": len(load.overdue),
                "due_today": len(load.due_today),
            }
            for load in network_board.loads
        ],
        reviews=inbox.store.reviews.count(inbox.desk.answers_for(reader.person, now)),
        silent=[(feed.feed, feed.words, time_words.ago((now - feed.received_at).total_seconds())) for feed in silent],
        feeds=feeds,
        look_days=LOOK_DAYS,
        glass=[
            {
                "id": broken.glass_id,
                "who": inbox.desk.name(broken.case_manager_id),
                "when": time_words.moment(broken.at, now, inbox.desk.zone),
                "ref": inbox.refs.of(broken.enrollee_id),
                "reason": REASON_WORDS[broken.reason],
                "words": broken.words,
            }
            for broken in waiting_for(inbox, reader.person)
        ],
        many=offered(inbox, reader, now, back="board") | {"team": _team(inbox, network_board, now)},
        said=query.get("said", "") if query.get("said", "").isdecimal() else "",
    )


def _team(inbox: "Inbox", network_board: Board, now: datetime) -> list[tuple[str, str]]:
    """Whom stays can be given, with how much they have and where they are."""
    return [
        (
            load.person.case_manager_id,
            f"{load.person.name} ({len(load.open)} open, {_where(load.away_until, load.covers, now, inbox.desk.zone)})",
        )
        for load in network_board.loads
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
