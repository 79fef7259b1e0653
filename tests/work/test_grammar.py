"""A sample of each feed's messages, judged beside the worker and counted once on the feed's report card."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.follow.ticks import TickName
from streams.store import Store
from streams.work import grammar
from streams.work.grammar import LONGEST, MOST_FEEDS, GrammarSamples, Sample, judged
from tests.messages.test_grammar import EVN, PID, PV1, message

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def stuck(data: bytes, trigger: str) -> str:
    time.sleep(60)
    return trigger


def test_each_feeds_first_message_of_a_round_is_on_its_card(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'handoff.sqlite3'}", migrate=True)
    samples = GrammarSamples(store)
    samples.judge(NOW)
    samples.offer("mission", "A01", message(EVN, PID))
    samples.offer("mission", "A01", message(EVN, PID, PV1))
    samples.offer("pardee", "A01", message(EVN, PID, PV1))
    samples.offer("haywood", "A01", message(EVN, PID, PV1, version="9"))
    samples.judge(NOW)
    turn = store.ticks.take(TickName.SILENCE, "test", 15)
    assert turn
    store.feed_talk.fold(turn)
    cards = {feed: store.feed_weeks.newest(feed, 1)[0].counts for feed in store.feed_weeks.feeds()}
    assert cards == {
        "mission": {"sampled": 1, "grammar_broken": 1, "grammar_broken:PV1": 1},
        "pardee": {"sampled": 1},
    }
    store.close()


def test_a_round_is_bounded(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'handoff.sqlite3'}", migrate=True)
    samples = GrammarSamples(store)
    samples.offer("mission", "A01", b"x" * (LONGEST + 1))
    for number in range(MOST_FEEDS + 5):
        samples.offer(f"feed {number}", "A01", b"x")
    assert len(samples._kept) == MOST_FEEDS
    assert "mission" not in samples._kept
    store.close()


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "departs_at", stuck)
    monkeypatch.setattr(grammar, "ROUND_LONGEST", 0.5)
    began = time.monotonic()
    assert judged([Sample("mission", "A01", b"x")]) == [None]
    assert time.monotonic() - began < 45
