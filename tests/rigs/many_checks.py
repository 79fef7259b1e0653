"""What several processes may have done twice or left out, read with plain SQL and at the receiver of a webhook."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.kafka.topics import TOPICS
from tests.rigs.chaos import SENDERS, Report, Store, Traffic
from tests.rigs.receiver import Receiver

AE_OF_A_BROKER: Final = 3
AE_SHARE: Final = 0.001
GAP_SECONDS: Final = 2.0
FEED = "mercy"
SAID = {"A01": "arrival", "A03": "discharge"}
_COUNTED = "SELECT COALESCE(SUM(messages), 0) FROM {table} WHERE feed = :feed AND {column} = :name"


@dataclass
class ManyReport(Report):
    """As of one chain, and what only several can get wrong."""

    restarts: int = 0
    ended_unasked: Counter[str] = field(default_factory=Counter)
    ae: int = 0
    page_words: int = 0
    page_gap: float = 0.0  # the longest by a restart in order
    page_gap_of_kills: float = 0.0
    counted_wrong: int = 0
    webhooks: int = 0
    webhooks_missing: int = 0
    webhooks_of_two_ids: int = 0
    webhooks_again: int = 0

    @property
    def ok(self) -> bool:
        wrong = self.counted_wrong + self.webhooks_missing + self.webhooks_of_two_ids
        storm = self.ae > AE_OF_A_BROKER * SENDERS * self.kills["broker"] + AE_SHARE * self.sent
        heard = self.webhooks > 0 and self.page_words > 0
        return super().ok and wrong == 0 and heard and not storm and self.page_gap < GAP_SECONDS

    def so_far(self, traffic: Traffic, store: Store) -> str:
        """A line for whoever watches."""
        return (
            f"{self.cycles} cycles, {self.restarts} restarts, {len(traffic.acked)} acknowledged, "
            f"{store.counts()[1]} ended, {traffic.refused} AE, {dict(self.ended_unasked)} ended unasked, "
            f"stood still {self.longest_standstill} s, {self.faults}"
        )


class Standstill(threading.Thread):
    """Notes in the report for how long nothing ended although messages waited, whatever was done meanwhile."""

    def __init__(self, url: str, traffic: Traffic, report: ManyReport) -> None:
        super().__init__(daemon=True, name="standstill")
        self._store = Store(url)
        self._traffic = traffic
        self._report = report
        self._ended = threading.Event()

    def close(self) -> None:
        self._ended.set()
        self.join(30)
        self._store.close()

    def run(self) -> None:
        last, since = -1, time.monotonic()
        while not self._ended.wait(0.25):
            acknowledged, (rows, ended), now = len(self._traffic.acked), self._store.counts(), time.monotonic()
            if rows != last or ended >= acknowledged:
                last, since = rows, now
            self._report.longest_standstill = max(self._report.longest_standstill, round(now - since, 1))


async def all_in_sync(bootstrap: str) -> bool:
    """Whether every replica of every topic of ours is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        topics = await admin.describe_topics([topic.value for topic in TOPICS])
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return all(len(partition["isr"]) == 3 for topic in topics for partition in topic["partitions"])


def counted_wrong(url: str) -> int:
    """By how much the sums of the feed's hours, weeks and of what is not folded yet differ from the ledger."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:

        def counted(table: str, column: str, name: str) -> int:
            statement = sa.text(_COUNTED.format(table=table, column=column))
            return int(connection.execute(statement, {"feed": FEED, "name": name}).scalar_one())

        rows = connection.execute(
            sa.text("SELECT trigger, count(*) FROM ledger WHERE feed = :feed GROUP BY trigger"), {"feed": FEED}
        )
        ended: dict[str, int] = {row.trigger: row[1] for row in rows}
        sums = {
            trigger: counted("feed_hours", "said", said) + counted("feed_tallies", "said", said)
            for trigger, said in SAID.items()
        }
        messages = counted("feed_weeks", "fact", "messages") + counted("feed_tallies", "said", "messages")
    engine.dispose()
    assert ended, "the ledger knows nothing of the feed"
    return abs(messages - sum(ended.values())) + sum(abs(sums[trigger] - ended.get(trigger, 0)) for trigger in SAID)


def wait_for_tellers(url: str, seconds: float = 90) -> None:
    """Until nothing waits to be told."""
    engine = sa.create_engine(url)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if not connection.execute(sa.text("SELECT count(*) FROM deliveries WHERE state = 'waiting'")).scalar_one():
                break
        time.sleep(0.5)
    engine.dispose()


def webhooks(url: str, receiver: Receiver, of_visits: int) -> tuple[int, int, int, int]:
    """(came, missing, under two ids, the same one again) of versions about every visit that divides by `of_visits`."""
    ids: dict[tuple[str, int], Counter[str]] = {}
    for got in receiver.of("ok/many"):
        data = json.loads(got.body)["data"]
        ids.setdefault((data["alert_id"], data["version"]), Counter())[got.headers["webhook-id"]] += 1
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT alert_id, version, document FROM alert_versions"))
        due = {
            (alert_id, version)
            for alert_id, version, document in rows
            if int(json.loads(document)["control_id"].split("-")[1]) % of_visits == 0
        }
    engine.dispose()
    twice = sum(len(counts) > 1 for counts in ids.values())
    again = sum(sum(counts.values()) - 1 for counts in ids.values())
    return sum(sum(counts.values()) for counts in ids.values()), len(due - ids.keys()), twice, again
