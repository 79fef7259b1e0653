"""A sample of each feed's messages in; whether each follows the grammar of its version, on report cards, out.

Of each feed one message in `ROUND_SECONDS` is kept. They are judged together in a process that lives as long as that
takes, below everything else, so that no message waits for it; what is not judged in `ROUND_LONGEST` is left out.
"""

import asyncio
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple

import structlog

from parsers.hl7.grammar import departs_at
from rules.feeds.card import facts_of_grammar
from streams.run.parent import end_with_maker
from streams.store import Store, Unavailable

log = structlog.get_logger()
ROUND_SECONDS: Final = 300.0
ROUND_LONGEST: Final = 60.0
MOST_FEEDS: Final = 100  # in one round
LONGEST: Final = 32 * 1024  # bytes of a message
_NICE: Final = 15


class Sample(NamedTuple):
    """A message to judge."""

    feed: str
    trigger: str
    data: bytes

    def __repr__(self) -> str:
        return f"<Sample of {self.feed}>"


class GrammarSamples:
    """What was kept since the last round."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, Sample] = {}

    def offer(self, feed: str, trigger: str, data: bytes) -> None:
        """Keep it, if it is the feed's first in this round."""
        if feed not in self._kept and len(self._kept) < MOST_FEEDS and len(data) <= LONGEST:
            self._kept[feed] = Sample(feed, trigger, data)

    async def run(self) -> None:
        """Round after round, until the process ends."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            with suppress(Unavailable):
                await asyncio.to_thread(self.judge, datetime.now(UTC))

    def judge(self, now: datetime) -> None:
        """End the round. Raises `Unavailable`."""
        kept, self._kept = self._kept, {}
        samples = list(kept.values())
        if samples:
            places = judged(samples)
            facts = [
                (sample.feed, fact)
                for sample, place in zip(samples, places, strict=True)
                if place is not None
                for fact in facts_of_grammar(place)
            ]
            self._store.feed_talk.add(facts, now)


def judged(samples: Sequence[Sample]) -> list[str | None]:
    """Where each departs from its grammar, as `departs_at`; `None` for all of a round that took too long."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _step_back)
    try:
        data, triggers = [sample.data for sample in samples], [sample.trigger for sample in samples]
        return list(pool.map(departs_at, data, triggers, timeout=ROUND_LONGEST))
    except (TimeoutError, BrokenProcessPool) as error:
        log.warning("grammar_not_judged", why=type(error).__name__, messages=len(samples))
        for process in multiprocessing.active_children():
            process.kill()
        return [None] * len(samples)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _step_back() -> None:
    os.nice(_NICE)
    end_with_maker()
