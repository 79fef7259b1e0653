"""More than one of everything, killed and restarted under load: proves that nothing is lost and nothing done twice.

    python -m tests.rigs.many --cycles 20 [--per-second 100] [--seed 1] [--json]

Three Kafka brokers (replication 3, two in sync), PostgreSQL, two listeners and two inboxes behind one port each, three
workers, two tellers. One member after the other is restarted in order, without end (SIGTERM, wait, start, wait until it
is ready). Meanwhile in each cycle something is killed: a broker of three, a listener, a worker, an inbox or a teller
(SIGKILL), every connection of the database, or a worker is held for longer than its turn and its partitions last. What
`tests.rigs.chaos` asks of one chain is asked here, and besides:

- what feeds are counted with is what the ledger says, message for message;
- a webhook gets every version that is due, each under one id and never under two;
- a killed broker costs each sender at most `AE_OF_A_BROKER` AE (its partitions have no leader until the others have
  noticed, 9 s by Kafka's default); beside those at most `AE_SHARE` of the answers are AE;
- with `--upgrade-from` all begin as an older version, the store is migrated under them, and who comes back is new;
- the page is not without its stream for longer than `GAP_SECONDS` by a restart in order.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from tests.rigs.chaos import (
    ESCALATION,
    OTHER_PRACTICE,
    OTHERS,
    STANDSTILL_SECONDS,
    Store,
    Traffic,
    compare,
    until_caught_up,
)
from tests.rigs.many_checks import (
    GAP_SECONDS,
    ManyReport,
    Standstill,
    all_in_sync,
    counted_wrong,
    wait_for_tellers,
    webhooks,
)
from tests.rigs.member import READY_SECONDS, Member
from tests.rigs.page import Page
from tests.rigs.receiver import Receiver
from tests.rigs.servers import KafkaCluster, PostgresServer, free_port

MEMBERS: Final = {"listen": 2, "work": 3, "inbox": 2, "tell": 2}
HELD_SECONDS: Final = (8.0, 20.0)  # longer than a session; longer than the turn of who does time's jobs
VICTIMS: Final = ("broker", "broker", "listen", "work", "work", "inbox", "tell", "connections", "held")


class Many:
    """All processes, how each is restarted in order, and how each is killed."""

    def __init__(self, folder: Path, report: ManyReport, pause: float, tree: Path) -> None:
        self.report = report
        self._pause = pause
        self._tree = tree
        self.port, self.inbox_port = free_port(), free_port()
        self.kafka = KafkaCluster(folder / "kafka")
        self.postgres = PostgresServer(folder / "postgres")
        self.postgres.start()
        url = self.postgres.new_database()
        self.url = url.replace("postgresql://", "postgresql+psycopg://")
        (folder / "escalation.toml").write_text(ESCALATION)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("HANDOFF_", "COV_"))
        } | {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "HANDOFF_REPLICATION": "3",
            "DATABASE_URL": url,
            "HANDOFF_HASH_KEY": "many",
            "HANDOFF_SHARE_PORTS": "true",
            "HANDOFF_MLLP_PORT": str(self.port),
            "HANDOFF_HTTP_PORT": str(free_port()),
            "HANDOFF_INBOX_PORT": str(self.inbox_port),
            "HANDOFF_LOCK_MINUTES": "600",
            "HANDOFF_TELL_HOLD_SECONDS": "5",
            "HANDOFF_ESCALATION": str(folder / "escalation.toml"),
        }  # fmt: skip
        self.members = [
            Member(role, number, folder, self.environment, tree)
            for role, count in MEMBERS.items()
            for number in range(1, count + 1)
        ]
        self._whole = {role: threading.Lock() for role in MEMBERS}  # held by who takes one of them away
        self._stop = threading.Event()
        self._roller = threading.Thread(target=self._roll, daemon=True)
        self.broker_up_since = 0.0

    def start(self, receiver: Receiver) -> None:
        self.kafka.start()
        self.broker_up_since = time.monotonic()
        self._run("-m", "streams", "migrate")
        self._run("-c", "import sys; from tests.rigs.chaos import load_people; load_people(sys.argv[1])", self.url)
        address = receiver.url("ok/many")
        self._run(
            "-m", "streams", "destination", "add", "many", address, "--form", "webhook_json",
            "--whose", f"practice:{OTHER_PRACTICE}", "--allow-private",
        )  # fmt: skip
        for member in self.members:
            member.start()
        for member in self.members:
            if not member.ready():
                raise TimeoutError(f"{member.name} was not ready")

    def upgrade(self) -> None:
        """Bring the store to this tree's version under whatever runs; who is started from now on is of this tree."""
        self._tree = Path.cwd()
        self._run("-m", "streams", "migrate")
        for member in self.members:
            member.tree = self._tree

    def _run(self, *arguments: str) -> None:
        environment = self.environment | {"HANDOFF_DATA_DIR": self.members[0].environment["HANDOFF_DATA_DIR"]}
        command = [sys.executable, *arguments]
        subprocess.run(command, cwd=self._tree, env=environment, check=True, timeout=300, stdout=subprocess.DEVNULL)

    def start_rolling(self) -> None:
        self._roller.start()

    def stop_rolling(self) -> None:
        self._stop.set()
        self._roller.join(3 * READY_SECONDS)

    def _roll(self) -> None:
        while True:
            for member in self.members:
                if self._stop.wait(self._pause):
                    return
                with self._whole[member.role]:
                    if not member.end(signal.SIGTERM):
                        self.report.faults.append(f"{member.name} did not end on SIGTERM")
                    self._back(member)
                self.report.restarts += 1

    def _back(self, member: Member) -> None:
        member.start()
        if not member.ready():
            self.report.faults.append(f"{member.name} was not ready within {READY_SECONDS:.0f} s")

    def harm(self, victim: str, dice: random.Random) -> None:
        """Kill or hold one, and bring it back; returns when all is whole again."""
        if victim == "broker":
            node = dice.choice(self.kafka.nodes)
            node.kill()
            time.sleep(dice.uniform(0.0, 3.0))
            node.start(READY_SECONDS)
            self._wait_for_replicas()
        elif victim == "connections":
            with sa.create_engine(self.url).connect() as connection:
                connection.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND application_name = 'warm-handoff'"
                    )
                )
        else:
            role = "work" if victim == "held" else victim
            member = dice.choice([member for member in self.members if member.role == role])
            with self._whole[role]:
                if victim == "held" and member.process:
                    member.process.send_signal(signal.SIGSTOP)
                    time.sleep(dice.choice(HELD_SECONDS))
                    member.process.send_signal(signal.SIGCONT)
                    return
                member.end(signal.SIGKILL)
                time.sleep(dice.uniform(0.0, 1.0))
                self._back(member)

    def _wait_for_replicas(self) -> None:
        deadline = time.monotonic() + 120
        while not asyncio.run(all_in_sync(self.kafka.bootstrap)):
            if time.monotonic() > deadline:
                self.report.faults.append("the replicas were not all in sync two minutes after a broker was back")
                return
            time.sleep(0.5)

    def keep_up(self) -> None:
        """What a process manager does: a member that ended by itself is started again."""
        for member in self.members:
            if member.wanted and member.process and member.process.poll() is not None:
                self.report.ended_unasked[member.role] += 1
                member.start()

    def stop(self) -> None:
        for member in self.members:
            if not member.end(signal.SIGTERM):
                self.report.faults.append(f"{member.name} did not end on SIGTERM")

    def clean(self) -> None:
        self._stop.set()
        if self._roller.is_alive():
            self._roller.join(2 * READY_SECONDS)
        for member in self.members:
            member.end(signal.SIGKILL)
        self.kafka.kill()
        self.postgres.stop()


def run(given: argparse.Namespace) -> ManyReport:
    dice = random.Random(given.seed)
    report = ManyReport(most_standstill=given.standstill)
    folder = Path(tempfile.mkdtemp(prefix="handoff-many-"))
    many = Many(folder, report, given.pause, given.upgrade_from)
    receiver = Receiver()
    began = time.monotonic()
    try:
        many.start(receiver)
        if given.upgrade_from != Path.cwd():
            many.upgrade()
        traffic, store = Traffic(many.port, given.per_second), Store(many.url)
        page = Page(many.url, "N01-1", many.inbox_port)
        traffic.start()
        page.start()
        standstill = Standstill(many.url, traffic, report)
        standstill.start()
        until_caught_up(many, store, traffic, report, more=50)
        many.start_rolling()
        harms: list[tuple[float, float]] = []
        while report.cycles < given.cycles and time.monotonic() - began < given.minutes * 60:
            victim = dice.choice(VICTIMS)
            time.sleep(dice.uniform(0.3, 2.5))
            since = time.monotonic()
            many.harm(victim, dice)
            until_caught_up(many, store, traffic, report, more=50)
            if victim in ("inbox", "connections"):
                harms.append((since, time.monotonic()))
            report.kills[victim] += 1
            report.cycles += 1
            print(f"{victim}: {report.so_far(traffic, store)}", file=sys.stderr, flush=True)
        many.stop_rolling()
        if not traffic.finish():
            report.faults.append("a message was not acknowledged within two minutes of calm")
        until_caught_up(many, store, traffic, report)
        wait_for_tellers(many.url)
        page.close()
        standstill.close()
        report.ae, report.page_words = traffic.refused, page.words
        for at, seconds in page.gaps:
            harmed = any(since - GAP_SECONDS <= at <= until for since, until in harms)
            if harmed:
                report.page_gap_of_kills = max(report.page_gap_of_kills, round(seconds, 2))
            else:
                report.page_gap = max(report.page_gap, round(seconds, 2))
        compare(store, traffic, report)
        many.stop()
        report.counted_wrong = counted_wrong(many.url)
        report.webhooks, report.webhooks_missing, report.webhooks_of_two_ids, report.webhooks_again = webhooks(
            many.url, receiver, OTHERS
        )
        store.close()
    finally:
        report.seconds = round(time.monotonic() - began, 1)
        many.clean()
        receiver.close()
        if report.ok:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"left for a look: {folder}", file=sys.stderr)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rigs.many", description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-second", type=float, default=100)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two restarts in order")
    parser.add_argument("--minutes", type=float, default=600, help="begin no further cycle after so long")
    parser.add_argument("--standstill", type=float, default=STANDSTILL_SECONDS, help="the longest that is right")
    parser.add_argument(
        "--upgrade-from", type=Path, default=Path.cwd(), help="another tree of this program, whose code runs at first"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    return run(given).tell(as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
