"""How each hospital's feed talks, and the report card of one, to print or to send; no patient is on either.

A hospital's integration analyst sees the own feeds; another's is as if it were not there.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from rules.feeds.card import IN_TIME, WEEKS_BEFORE, Verdict, card, habits
from rules.feeds.rhythm import Talk
from rules.feeds.talk import State
from rules.following.roles import may_see_feed
from streams.words import feed_card as words
from streams.words import feeds as feed_words
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

IN_TIME_WORDS: Final = time_words.span(IN_TIME.total_seconds())


async def feeds_page(inbox: "Inbox", visit: "Visit") -> Response:
    feed = visit.request.query_params.get("of", "")
    if feed and not may_see_feed(visit.reader.person, feed):
        return PlainTextResponse("not here", 404)
    if feed:
        return await run_in_threadpool(card_shown, inbox, visit.reader, feed)
    return await run_in_threadpool(shown, inbox, visit.reader)


def shown(inbox: "Inbox", reader: "Reader") -> Response:
    lines = lines_of(inbox, lambda feed: bool(may_see_feed(reader.person, feed)), datetime.now(UTC))
    return inbox.page("feeds.html", reader=reader, lines=lines, weeks=WEEKS_BEFORE, in_time=IN_TIME_WORDS)


def lines_of(inbox: "Inbox", shows: Callable[[str], bool], now: datetime) -> list[dict[str, Any]]:
    """A line for each feed that `shows`: its last message, its rhythm, and what of it came late or was cancelled."""
    zone, since = inbox.desk.zone, now - timedelta(weeks=WEEKS_BEFORE)
    heard, cards = inbox.store.ledger.feeds(), set(inbox.store.feed_weeks.feeds())
    talk = {feed_talk.feed: feed_talk.state for feed_talk in inbox.store.feed_talk.all()}
    rhythm, sums = inbox.store.feed_talk.every(since, now), inbox.store.feed_weeks.sums(since)
    lines = []
    for feed in sorted(feed_name for feed_name in {*heard, *cards} if shows(feed_name)):
        state, had = talk.get(feed, State(Talk.LEARNING)), habits(sums.get(feed, {}))
        lines.append(
            {
                "feed": feed,
                "ago": time_words.ago((now - heard[feed]).total_seconds()) if feed in heard else "never",
                "usually": feed_words.every(rhythm[feed]) if feed in rhythm else "–",
                "how": feed_words.quiet(state, now, zone) or state.talk.value,
                "late": feed_words.share(had.late),
                "cancelled": feed_words.share(had.cancelled),
                "card": feed in cards,
            }
        )
    return lines


def card_shown(inbox: "Inbox", reader: "Reader", feed: str) -> Response:
    weeks = inbox.store.feed_weeks.newest(feed, 1 + WEEKS_BEFORE)
    if not weeks:
        return PlainTextResponse("not here", 404)
    feed_card = card(weeks[0].counts, [week.counts for week in weeks[1:]])
    lines = [
        {
            "said": words.said(line),
            "share": words.share(line),
            "target": f"{100 * line.target:g}%",
            "verdict": line.verdict.value,
            "trend": line.trend.value,
            "ask": words.ask(line),
        }
        for line in feed_card.lines
        if line.verdict is not Verdict.TOO_FEW
    ]
    return inbox.page(
        "feed_card.html",
        weeks_before=WEEKS_BEFORE,
        reader=reader,
        feed=feed,
        week=weeks[0].begins.date().isoformat(),
        messages=feed_card.messages,
        first=words.first(feed_card),
        lines=lines,
        few=len(feed_card.lines) - len(lines),
        delays=[words.delay(delay) for delay in feed_card.delays],
        rejects=feed_card.rejects,
        grammar=words.grammar(feed_card),
    )
