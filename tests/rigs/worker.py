"""A worker process of its own with a broker, a store and a panel: what its tests start, feed, kill and look at."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.invented.community import PLACES, sample_directory, sample_panel, sample_person
from streams.kafka import client as kafka
from streams.kafka.admin import ensure_topics
from streams.kafka.client import make_producer
from streams.kafka.records import AlertRecord, Envelope, keyed_hash
from streams.kafka.topics import Topic
from streams.listen.message_ids import new_message_id
from streams.run.files import private_folder
from streams.run.settings import Settings
from streams.store import Store
from streams.store.changes import FeedKind
from streams.up.embedded_broker import EmbeddedBroker
from streams.up.supervisor import as_environment

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RUN = "import sys; from streams.run.logs import configure; configure('INFO'); \
from streams.run.settings import load_settings; \
from streams.work.process import run_worker; sys.exit(run_worker(load_settings()))"


def stamp(at):
    return at.strftime("%Y%m%d%H%M%S+0000")


def adt(trigger, number, *, visit=1, family=None, on_panel=True, minutes=0, test="P"):
    """A message about the `number`-th person of the sample panel (or about nobody on it)."""
    person = sample_person(number, on_panel=on_panel)
    started = START + timedelta(days=visit)
    at = started + timedelta(minutes=minutes)
    city, _, zip_code = PLACES[person.place]
    ended = stamp(at) if trigger == "A03" else ""
    medicaid = f"~{person.medicaid_id}^^^NCMEDICAID^MA" if on_panel else ""
    return "\r".join(
        [
            f"MSH|^~\\&|EPIC|MISSION|H|NC|{stamp(at)}||ADT^{trigger}|{trigger}{number}.{visit}|{test}|2.5.1",
            f"EVN|{trigger}|{stamp(at)}",
            f"PID|1||{person.mrn('MISSION')}^^^MISSION^MR{medicaid}||{family or person.family}^{person.given}||"
            f"{person.birth_date:%Y%m%d}|{person.sex}|||{person.street}^^{city}^NC^{zip_code}",
            f"PV1|1|I|4W^12^A^MISSION||||1^Adams^A|||MED|||||||||V{number}.{visit}^^^MISSION^VN"
            + "|" * 25
            + f"{stamp(started)}|{ended}",
        ]
    ).encode()


class Rig:
    """Use as a context manager. `broker` is "embedded" or an Apache Kafka's `host:port`."""

    def __init__(self, folder: Path, *, bootstrap="", database_url="", panel=200, **more):
        self.settings = Settings(
            data_dir=folder / "data",
            kafka_bootstrap_servers=bootstrap,
            database_url=database_url,
            hash_key="of the test",
            work_metrics_port=0,
            **more,
        )
        private_folder(self.settings.data_dir)
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.broker: EmbeddedBroker | None = None
        self.started = datetime.now(UTC)
        self.sent: Counter[str] = Counter()
        self.store = Store.open(self.settings.store_url, migrate=True)
        self.store.panel.load(sample_panel(panel), full=True, now=datetime.now(UTC))
        community = sample_directory()
        self.store.directory.load(community.networks, community.practices, community.case_managers)
        if bootstrap:
            ensure_topics(self.settings)
        else:
            self.broker = EmbeddedBroker(self.settings)
            self.new_broker()

    def new_broker(self):
        """An empty embedded broker in place of the last one, as `up` does it."""
        assert self.broker
        self.broker.stop()
        bootstrap = self.broker.start()
        ensure_topics(self.settings, bootstrap=bootstrap)
        self.broker.announce(bootstrap)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            worker.kill()
            worker.wait()
        if self.broker:
            self.broker.stop()
        self.store.close()

    def environment(self):
        given = self.settings
        return {
            **os.environ,
            **as_environment(given),
            "HANDOFF_DATA_DIR": str(given.data_dir),
            "KAFKA_BOOTSTRAP_SERVERS": given.kafka_bootstrap_servers,
            "DATABASE_URL": given.database_url.get_secret_value(),
            "HANDOFF_HASH_KEY": given.hash_key.get_secret_value(),
            "HANDOFF_WORK_METRICS_PORT": "0",
            "HANDOFF_CRASH_LIMIT": str(given.crash_limit),
            "HANDOFF_MAX_FRAME_BYTES": str(given.max_frame_bytes),
        }

    def start(self, run=RUN):
        with suppress(FileNotFoundError):
            (self.settings.data_dir / "worker.json").unlink()
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen([sys.executable, "-c", run], env=self.environment(), stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    def log(self):
        return (self.folder / "worker.log").read_text()

    def scrape(self, path):
        """(status, text) of the worker's scrape address; (0, "") while it has none."""
        try:
            port = json.loads((self.settings.data_dir / "worker.json").read_text())["metrics_port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (OSError, ValueError, KeyError):
            return 0, ""

    def send(self, *messages, envelope=True):
        asyncio.run(self.send_all(messages, envelope=envelope))

    async def send_all(self, messages, *, envelope=True, rate=None):
        producer = make_producer(self.settings)
        await producer.start()
        began = time.monotonic()
        waiting = []
        try:
            for count, data in enumerate(messages):
                now = datetime.now(UTC)
                key = keyed_hash(b"k", data.partition(b"PID|1||")[2][:12].decode(errors="replace"))
                headers = Envelope(new_message_id(now), now).headers() if envelope else None
                waiting.append(await producer.send(Topic.RAW.value, data, key=key, headers=headers))
                if rate and (pause := began + count / rate - time.monotonic()) > 0:
                    await asyncio.sleep(pause)
            await asyncio.gather(*waiting)
        finally:
            await producer.stop()

    def endings(self):
        return {name: count for name, count in self.store.ledger.endings().items() if count}

    def wait_for_endings(self, count, seconds=40):
        """The endings once there are `count` of them."""
        return self.wait_until(lambda: sum(self.endings().values()) >= count and self.endings(), seconds)

    def wait_until(self, true, seconds=40):
        deadline = time.monotonic() + seconds
        while not (truth := true()):
            assert time.monotonic() < deadline, f"{self.endings()}\n{self.log()[-3000:]}"
            time.sleep(0.05)
        return truth

    def versions(self):
        """(alert, version) of every alert version in the store, in the order of its feed."""
        pairs, after = [], 0
        while items := self.store.changes.after(after, 1000):
            pairs += [(item.alert_id, item.version) for item in items if item.kind is FeedKind.ALERT]
            after = items[-1].position
        return pairs

    def records(self, topic):
        """Every record of a topic."""
        return asyncio.run(self._records(topic))

    async def _records(self, topic):
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers(self.settings), auto_offset_reset="earliest"
        )
        consumer.assign([TopicPartition(topic.value, number) for number in range(self.settings.partitions)])
        await consumer.start()
        read = []
        try:
            while batch := await consumer.getmany(timeout_ms=1500):
                read += [record for records in batch.values() for record in records]
        finally:
            await consumer.stop()
        return read

    def delete_topics(self):
        async def delete():
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers(self.settings))
            await admin.start()
            await admin.delete_topics([topic.value for topic in Topic])
            await admin.close()

        asyncio.run(delete())

    def published(self):
        """(alert, version) of every record on the alerts topic."""
        records = [AlertRecord.model_validate_json(record.value) for record in self.records(Topic.ALERTS)]
        return [(record.alert.alert_id, record.alert.version) for record in records]


def stop(worker, number=signal.SIGTERM, seconds=12):
    """Signals a worker; gives its exit status and the seconds it took."""
    began = time.monotonic()
    worker.send_signal(number)
    return worker.wait(seconds), time.monotonic() - began
