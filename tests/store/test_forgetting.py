"""The table of what is kept how long: everything in it is forgotten in its time, and nothing before a replay's end."""

from datetime import timedelta

from rules.endings import Ending, LedgerEntry
from streams.follow.prune import KEPT, forget
from streams.kafka.topics import TOPICS, Topic
from streams.run.settings import Settings
from streams.store import Store
from streams.store.quarantine import KEPT_DAYS, Failed, State
from tests.rigs.store import NOW, message_id, store, store_url

__all__ = ["store", "store_url"]


def test_each_is_forgotten_in_its_time(store: Store) -> None:
    settings = Settings(ledger_days=40)
    failed = Failed(message_id(1), "read", "read:KeyError", "", "A|B", "", NOW, b"0" * 32, b"MSH|")
    store.quarantine.keep([failed], "0.1.0", b"s" * 64, NOW)
    store.ledger.end([LedgerEntry(message_id(1), Ending.QUARANTINED, "", NOW)])
    assert forget(store, settings, NOW + timedelta(days=39))
    assert store.ledger.endings() == {"quarantined": 1}
    assert forget(store, settings, NOW + timedelta(days=41))
    assert store.ledger.endings() == {}
    assert store.quarantine.waiting() == 1
    for hour in range(2):  # seven weeks on, which a clock must say twice
        forget(store, settings, NOW + timedelta(days=KEPT_DAYS + 1, hours=hour))
    assert store.quarantine.all(states=tuple(State)) == []


def test_a_clock_that_leaps_ahead_forgets_nothing_unless_it_stays_there(store: Store) -> None:
    settings, ahead = Settings(), timedelta(days=3000)
    assert forget(store, settings, NOW)
    store.ledger.end([LedgerEntry(message_id(1), Ending.ALERTED, "", NOW)])
    assert not forget(store, settings, NOW + ahead)
    assert not forget(store, settings, NOW + ahead + timedelta(minutes=1)), "by another process"
    assert forget(store, settings, NOW + timedelta(hours=1)), "right again"
    assert store.ledger.endings() == {"alerted": 1}
    assert not forget(store, settings, NOW + 2 * ahead)
    assert forget(store, settings, NOW + 2 * ahead + timedelta(hours=1)), "it was the other one that was wrong"
    assert store.ledger.endings() == {}


def test_what_is_sealed_lives_as_long_as_its_topic() -> None:
    assert TOPICS[Topic.QUARANTINE].retention_days == KEPT_DAYS
    assert len({kept.what for kept in KEPT}) == len(KEPT)
