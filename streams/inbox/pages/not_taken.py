"""Messages that were refused or that our code failed on, for who mends feeds: an analyst sees the own hospital's.

Nothing of a patient stands here: a message is named by its sender's own number (MSH-10), a fault by its code and the
place it was found at. What another hospital's feed does is not to be told from what is not there.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from parsers.people import CaseManager, Role
from rules.following.roles import may_see_feed
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox, Reader

SHOWN: Final = 200
SINCE: Final = timedelta(days=7)


async def not_taken_page(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(shown, inbox, visit.reader, visit.request.query_params.get("of", ""))


def feeds_of(person: CaseManager, feed: str) -> tuple[str, ...] | None:
    """The feeds whose messages are shown: the one asked for if it may be seen, else all of one's own; `None`: all."""
    if feed:
        return (feed,) if may_see_feed(person, feed) else ()
    return person.feeds if person.role is Role.ANALYST else None


def shown(inbox: "Inbox", reader: "Reader", feed: str) -> Response:
    now, zone = datetime.now(UTC), inbox.desk.zone
    feeds = feeds_of(reader.person, feed)
    messages = inbox.store.ledger.not_taken(now - SINCE, feeds, SHOWN) if feeds is None or feeds else []
    lines = [
        {
            "at": time_words.moment(message.received_at, now, zone),
            "feed": message.feed or "not known",
            "number": message.control_id,
            "trigger": message.trigger,
            "ending": message.ending,
            "code": message.code,
            "place": message.place,
        }
        for message in messages
    ]
    counts = Counter((message.feed or "not known", message.code) for message in messages).most_common()
    return inbox.page(
        "not_taken.html",
        reader=reader,
        feed=feed if feeds else "",
        lines=lines,
        counts=[(name, code, count) for (name, code), count in counts],
        most=SHOWN,
        days=SINCE.days,
    )
