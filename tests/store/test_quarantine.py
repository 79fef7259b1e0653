"""What our code failed on: kept sealed with its bytes, given back once, and never without an ending or a way to one."""

from datetime import timedelta

import pytest

from rules.endings import Ending, LedgerEntry
from streams.store import Store, quarantine
from streams.store.quarantine import KEPT_DAYS, REJECTED_DAYS, Failed, State
from tests.rigs.store import NOW, message_id, store, store_url

__all__ = ["store", "store_url"]
SECRET = b"s" * 64


def failed(number: int, sender: str = "A|MERCY", value: bytes = b"MSH|secret", stage: str = "read") -> Failed:
    code = f"{stage}:KeyError"
    return Failed(message_id(number), stage, code, "parsers/hl7/adt.py:7", sender, "mercy", NOW, b"0" * 32, value)


def fail(store: Store, *records: Failed) -> None:
    store.quarantine.keep(records, "0.1.0", SECRET, NOW)
    store.ledger.end([LedgerEntry(each.message_id, Ending.QUARANTINED, each.code, NOW) for each in records])


def test_it_is_listed_without_its_content_and_opened_with_the_key_only(store: Store) -> None:
    fail(store, failed(1), failed(2, "B|OTHER"))
    failures = store.quarantine.all()
    assert [each.message_id for each in failures] == [message_id(1), message_id(2)]
    assert [each.message_id for each in store.quarantine.all(sender="B|OTHER")] == [message_id(2)]
    assert "secret" not in repr(failures)
    assert "secret" not in repr(failed(1))
    assert store.quarantine.content(message_id(1), SECRET) == (b"MSH|secret", None)
    assert store.quarantine.content(message_id(1), b"other" * 13) == (b"", None)
    assert store.quarantine.content(message_id(9), SECRET) is None
    assert store.quarantine.waiting() == 2


def test_its_ending_gives_way_once_and_its_id_stays(store: Store) -> None:
    fail(store, failed(1), failed(2))
    assert store.quarantine.release([message_id(1)], SECRET) == 1
    assert store.quarantine.release([message_id(1)], SECRET) == 0
    assert store.ledger.endings() == {"quarantined": 1}
    assert [(each.message_id, each.value) for each in store.quarantine.lined_up(10, SECRET)] == [
        (message_id(1), b"MSH|secret")
    ]
    store.quarantine.published([message_id(1)])
    assert store.quarantine.lined_up(10, SECRET) == []
    store.ledger.end([LedgerEntry(message_id(1), Ending.ALERTED, "", NOW)])
    ended = next(each for each in store.quarantine.all(states=tuple(State)) if each.message_id == message_id(1))
    assert (ended.state, ended.ending) == (State.REPLAYED, "alerted")
    assert store.quarantine.release([message_id(1)], SECRET) == 0


def test_one_that_fails_again_waits_again_and_counts(store: Store) -> None:
    fail(store, failed(1))
    store.quarantine.release([message_id(1)], SECRET)
    fail(store, failed(1))  # before the relay noted that it was published
    store.quarantine.published([message_id(1)])
    (again,) = store.quarantine.all()
    assert (again.state, again.failures, again.ending) == (State.WAITING, 2, "quarantined")


def test_a_corrected_copy_lies_beside_the_original_and_is_what_is_sent(store: Store) -> None:
    fail(store, failed(1))
    assert store.quarantine.correct(message_id(1), b"MSH|mended", SECRET)
    assert store.quarantine.content(message_id(1), SECRET) == (b"MSH|secret", b"MSH|mended")
    store.quarantine.release([message_id(1)], SECRET)
    assert [each.value for each in store.quarantine.lined_up(10, SECRET)] == [b"MSH|mended"]


def test_what_fails_again_elsewhere_is_still_the_hospital_s_bytes_and_their_corrected_copy(store: Store) -> None:
    fail(store, failed(1))
    store.quarantine.correct(message_id(1), b"MSH|mended", SECRET)
    store.quarantine.release([message_id(1)], SECRET)
    fail(store, failed(1, value=b"{}", stage="decide"))
    (again,) = store.quarantine.all()
    assert (again.code, again.stage) == ("decide:KeyError", "read")
    assert store.quarantine.content(message_id(1), SECRET) == (b"MSH|secret", b"MSH|mended")
    store.quarantine.release([message_id(1)], SECRET)
    assert [(each.stage, each.value) for each in store.quarantine.lined_up(10, SECRET)] == [("read", b"MSH|mended")]


def reject(store: Store, *records: Failed) -> None:
    store.quarantine.keep(records, "0.1.0", SECRET, NOW, State.REJECTED)
    store.ledger.end([LedgerEntry(each.message_id, Ending.REJECTED, "segment_missing", NOW) for each in records])


def test_what_the_sender_s_data_made_us_reject_waits_for_nobody_and_can_be_mended(store: Store) -> None:
    reject(store, failed(1), failed(2))
    assert (store.quarantine.waiting(), store.quarantine.all()) == (0, [])
    assert [each.message_id for each in store.quarantine.all(states=(State.REJECTED,))] == [
        message_id(1),
        message_id(2),
    ]
    assert store.quarantine.correct(message_id(1), b"MSH|mended", SECRET)
    assert store.quarantine.release([message_id(1)], SECRET) == 1
    assert store.quarantine.release([message_id(1)], SECRET) == 0
    assert store.ledger.endings() == {"rejected": 1}
    store.quarantine.published([message_id(1)])
    store.ledger.end([LedgerEntry(message_id(1), Ending.ALERTED, "", NOW)])
    assert store.ledger.endings() == {"rejected": 1, "alerted": 1}
    store.quarantine.prune(NOW + timedelta(days=REJECTED_DAYS, hours=1))
    assert [each.state for each in store.quarantine.all(states=tuple(State))] == [State.REPLAYED]


def test_of_what_is_rejected_the_newest_of_each_feed_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MOST_REJECTED", 20)
    reject(store, failed(1)._replace(feed="other"))
    for first in (10, 20, 30):
        reject(store, *(failed(number) for number in range(first, first + 10)))
    kept = [each.message_id for each in store.quarantine.all(states=(State.REJECTED,))]
    assert kept == [message_id(1), *(message_id(number) for number in range(20, 40))]


def test_what_was_dismissed_or_sealed_under_a_lost_key_keeps_its_ending(store: Store) -> None:
    fail(store, failed(1), failed(2))
    assert store.quarantine.dismiss(message_id(1), "a test of ours")
    assert not store.quarantine.dismiss(message_id(1), "again")
    assert store.quarantine.release([message_id(1)], SECRET) == 0
    assert store.quarantine.release([message_id(2)], b"lost" * 16) == 0
    assert store.ledger.endings() == {"quarantined": 2}


def test_a_copy_that_came_through_meanwhile_is_not_sent_again(store: Store) -> None:
    store.quarantine.keep([failed(1)], "0.1.0", SECRET, NOW)  # killed before the ending was written
    store.ledger.end([LedgerEntry(message_id(1), Ending.ALERTED, "", NOW)])
    assert store.quarantine.release([message_id(1)], SECRET) == 0
    assert store.quarantine.waiting() == 0


@pytest.mark.parametrize(("days", "left"), [(KEPT_DAYS - 1, 1), (KEPT_DAYS + 1, 0)])
def test_it_is_forgotten_in_time(store: Store, days: int, left: int) -> None:
    fail(store, failed(1))
    store.quarantine.prune(NOW + timedelta(days=days))
    assert len(store.quarantine.all()) == left
