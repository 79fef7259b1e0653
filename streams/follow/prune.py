"""How long each thing is kept, as a table; the store and `now` in, what is older forgotten out, a little at a time.

No row may be shorter than a message can come again (`Settings.ledger_days` refuses that). What a patient may ask about
for years, stays, alerts, what people did, what was disclosed to whom and the audit, is not forgotten by us: 45 CFR
164.528 asks for six years of disclosures, states and contracts for more.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from streams.kafka.topics import TOPICS, Topic
from streams.run.settings import Settings
from streams.store import Store
from streams.store.drafts import KEPT_DAYS as DRAFT_DAYS
from streams.store.feed_talk import HOURS_DAYS
from streams.store.feed_weeks import CARD_DAYS
from streams.store.guessing import KEPT_DAYS as TRIES_DAYS
from streams.store.keeping_up import ATTEMPT_DAYS, SESSION_DAYS
from streams.store.notices import NOTICE_DAYS
from streams.store.quarantine import KEPT_DAYS, MOST_REJECTED, REJECTED_DAYS
from streams.store.received import KEPT_DAYS as RECEIVED_DAYS


class Kept(NamedTuple):
    """One kind of thing."""

    what: str
    long: Callable[[Settings], str]  # in words
    by: str  # the setting or rule that says so
    forget: Callable[[Store, Settings, datetime], object] | None = None  # None: the broker does, or nobody


def _days(count: float) -> str:
    return f"{count:g} day{'s' if count != 1 else ''}"


def _topic(topic: Topic) -> Kept:
    days = TOPICS[topic].retention_days
    return Kept(f"records on `{topic.value}`", lambda _: _days(days), "the broker, as we make the topic")


KEPT: Final = (
    *map(_topic, Topic),
    Kept(
        "messages in the journal",
        lambda settings: f"{settings.journal_keep_hours:g} hours",
        "`HANDOFF_JOURNAL_KEEP_HOURS` after all messages of a segment ended",
    ),
    Kept(
        "files of watched folders",
        lambda _: "7 days in `done`, 30 in `failed`, and their `.ack`",
        "as their topics; the listener",
    ),
    Kept(
        "endings of messages",
        lambda settings: _days(settings.ledger_days),
        "`HANDOFF_LEDGER_DAYS`",
        lambda store, settings, now: store.ledger.prune(now, settings.ledger_days),
    ),
    Kept(
        "events of unknown people, sealed",
        lambda settings: _days(settings.unmatched_days),
        "`HANDOFF_UNMATCHED_DAYS`",
        lambda store, settings, now: store.unmatched.prune(now, settings.unmatched_days),
    ),
    Kept(
        "what our code failed on, sealed",
        lambda _: _days(KEPT_DAYS),
        "as long as its topic",
        lambda store, _, now: store.quarantine.prune(now),
    ),
    Kept(
        "what a sender's data made us reject, sealed",
        lambda _: f"{_days(REJECTED_DAYS)}, the newest {MOST_REJECTED:,} of each feed",
        "as its topic; forgotten with what our code failed on",
    ),
    Kept("events of possible matches", lambda _: "until somebody decided", "`handoff review`, or the page"),
    Kept("events entered by hand, sealed", lambda _: "until they have ended", "the worker"),
    Kept(
        "how much each feed said, by hour",
        lambda _: _days(HOURS_DAYS),
        "what its rhythm is learned from",
        lambda store, _, now: store.feed_talk.prune(now),
    ),
    Kept(
        "messages passed on as received, sealed",
        lambda _: _days(RECEIVED_DAYS),
        "long delivered by then",
        lambda store, _, now: store.received.prune(now),
    ),
    Kept(
        "report cards of feeds",
        lambda _: _days(CARD_DAYS),
        "a year and the weeks it is held against",
        lambda store, _, now: store.feed_weeks.prune(now),
    ),
    Kept(
        "what was typed on a stay and not sent, sealed",
        lambda _: f"{_days(DRAFT_DAYS)}, or until it is sent",
        "long done otherwise by then",
        lambda store, _, now: store.drafts.prune(now),
    ),
    Kept(
        "sign-ins, links, sessions",
        lambda _: _days(SESSION_DAYS),
        "long over by then",
        lambda store, _, now: store.keeping_up.prune_sessions(now),
    ),
    Kept(
        "tries to sign in, counted",
        lambda _: _days(TRIES_DAYS),
        "long worn off by then",
        lambda store, _, now: store.guessing.prune(now),
    ),
    Kept(
        "notices by mail about emergencies, recovery codes and paused destinations",
        lambda _: _days(NOTICE_DAYS),
        "they are in the audit, or on the page",
        lambda store, _, now: store.notices.prune(now),
    ),
    Kept(
        "passkeys, passwords, recovery codes", lambda _: "until removed", "`handoff sign-in --new-account`, or the page"
    ),
    Kept("attempts at records", lambda _: _days(ATTEMPT_DAYS), "with the sign-ins"),
    Kept(
        "stays, alerts, acts, what they count as in reports, steps of escalation, deliveries, emergencies, audit",
        lambda _: "for good",
        "law and contract; 45 CFR 164.528 asks for six years",
    ),
)


LEAP: Final = timedelta(days=7)  # since the last time; a clock that is so far ahead must stay there to be believed
LASTED: Final = timedelta(minutes=30)
_FORGOT: Final = "forgot_at"  # facts: when this was done last,
_DOUBTED: Final = "forgetting_doubted_at"  # and what the clock said when it was not believed


def forget(store: Store, settings: Settings, now: datetime) -> bool:
    """Whatever is older than its row says; False where the clock is not believed yet, and nothing is forgotten.

    Raises `Unavailable`; what is done by then is done.
    """
    facts = store.keeping_up
    last, doubted = _moment(facts.fact(_FORGOT)), _moment(facts.fact(_DOUBTED))
    lasted = doubted is not None and LASTED <= now - doubted < LEAP
    if last is not None and now - last >= LEAP and not lasted:
        facts.note_fact(_DOUBTED, now.isoformat(), replace=True)
        return False
    for kept in KEPT:
        if kept.forget:
            kept.forget(store, settings, now)
    facts.note_fact(_FORGOT, now.isoformat(), replace=True)
    if doubted is not None:
        facts.forget_fact(_DOUBTED)  # so that one process whose clock is wrong never finds it lasting
    return True


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
