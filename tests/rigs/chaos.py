"""Kills processes at random under load and proves that nothing was lost and nobody was told twice.

    python -m tests.rigs.chaos --cycles 20 --broker kafka|embedded [--store sqlite|postgresql] [--seed 1] [--json]

Numbered visits are sent at more than 100 messages a second: an admission and a discharge each, over several MLLP
connections, each message again and again until it is acknowledged with AA. Meanwhile listener, worker, inbox and
broker are killed with SIGKILL, one or (embedded) all at once with their supervisor, and started again. At the end:

- every message that got an AA has exactly one ending that is not `duplicate`;
- every visit has exactly one alert, whose versions are 1 and 2 and nothing else;
- of every stay that escalation looked at somebody is asked, and nobody is asked twice for the same;
- no worker stood still behind a living broker for more than 20 s;
- the ledger balances: as many endings as stored messages.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import psutil
import sqlalchemy as sa

from tests.rigs.servers import KafkaServer, PostgresServer, free_port

PEOPLE: Final = 20_000  # nobody comes so often that his history, rather than a kill, slows a worker down
SENDERS: Final = 8
STANDSTILL_SECONDS: Final = 20.0
OTHER_PRACTICE: Final = "P0104"
OTHERS: Final = 10  # every so many people are there
ESCALATION: Final = "".join(
    f"""
[[runs]]
name = "{when}"
when = "{when}"
rouse = true
steps = [
  {{ after = "1 s", ask = "owner" }}, {{ after = "2 s", ask = "manager" }}, {{ after = "3 s", ask = "central_office" }},
]
"""
    for when in ("nobody_took", "nothing_tried", "due_soon")
)
START: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass
class Report:
    """What a run came to; `ok` is the verdict."""

    cycles: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    acked: int = 0
    resent: int = 0
    seconds: float = 0.0
    lost: int = 0
    ended_twice: int = 0
    visits: int = 0
    alerts_missing: int = 0
    alerts_twice: int = 0
    versions_wrong: int = 0
    told_twice: int = 0
    asked: int = 0
    asked_twice: int = 0
    unasked: int = 0
    longest_standstill: float = 0.0
    most_standstill: float = STANDSTILL_SECONDS
    ledger_balanced: bool = False
    endings: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        wrong = (
            self.lost
            + self.ended_twice
            + self.alerts_missing
            + self.alerts_twice
            + self.versions_wrong
            + self.told_twice
            + self.asked_twice
            + self.unasked
        )
        return (
            wrong == 0
            and self.asked > 0
            and self.ledger_balanced
            and self.longest_standstill <= self.most_standstill
            and not self.faults
        )

    def print(self) -> None:
        for name, value in self.__dict__.items():
            print(f"{name:20} {dict(value) if isinstance(value, Counter) else value}")
        print("nothing lost, nothing done twice" if self.ok else "FAILED")

    def tell(self, *, as_json: bool) -> int:
        """Print it; gives the exit status."""
        if as_json:
            print(self.as_json())
        else:
            self.print()
        return 0 if self.ok else 1

    def as_json(self) -> str:
        return json.dumps({**self.__dict__, "kills": dict(self.kills), "ok": self.ok})


class Traffic:
    """Numbered messages; each is sent until AA came, and its number noted then."""

    def __init__(self, port: int, per_second: float) -> None:
        self.port = port
        self.acked: set[str] = set()
        self.sent = 0
        self.resent = 0
        self.refused = 0  # AE
        self.visits = 0
        self._pause = SENDERS / per_second
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send_all, args=(n,), daemon=True) for n in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self, seconds: float = 120) -> bool:
        """Stops making new visits and waits until every message sent is acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _send_all(self, lane: int) -> None:
        connection: socket.socket | None = None
        visit = lane
        while not self._stop.is_set():
            for trigger in ("A01", "A03"):
                control_id = f"{trigger}-{visit}"
                message = self.message(trigger, visit)
                tries = 0
                began = time.monotonic()
                while True:
                    connection, ack = self._exchange(connection, message)
                    tries += 1
                    if b"MSA|AA|" + control_id.encode() in ack:
                        break
                    if ack and b"MSA|AE|" not in ack:
                        raise AssertionError("an answer that is neither AA nor AE")
                    with self._lock:
                        self.refused += bool(ack)
                    time.sleep(0.1)
                with self._lock:
                    self.sent += tries
                    self.resent += tries - 1
                    self.acked.add(control_id)
                time.sleep(max(0.0, self._pause - (time.monotonic() - began)))
            with self._lock:
                self.visits += 1
            visit += SENDERS

    def _exchange(self, connection: socket.socket | None, message: bytes) -> tuple[socket.socket | None, bytes]:
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", self.port), 5)
                connection.settimeout(15)
            connection.sendall(b"\x0b" + message + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                if not (part := connection.recv(65536)):
                    raise ConnectionError
                answer += part
            return connection, answer
        except OSError:
            if connection:
                connection.close()
            return None, b""

    @staticmethod
    def message(trigger: str, visit: int) -> bytes:
        person = visit % PEOPLE
        admitted = START + timedelta(minutes=visit // PEOPLE * 600)
        discharged = admitted + timedelta(minutes=300)
        stamp = f"{(discharged if trigger == 'A03' else admitted):%Y%m%d%H%M%S}+0000"
        ended = f"01{'|' * 8}{admitted:%Y%m%d%H%M%S}+0000|{stamp}" if trigger == "A03" else f"{'|' * 8}{stamp}|"
        return (
            f"MSH|^~\\&|CHAOS|MERCY|HANDOFF|NC|{stamp}||ADT^{trigger}|{trigger}-{visit}|P|2.5.1\r"
            f"EVN|{trigger}|{stamp}\r"
            f"PID|1||M{person}^^^MERCY^MR~9{person:08d}K^^^NCMEDICAID^MA||Chaos{person}^Test||19700101|F\r"
            f"PV1|1|I|4W^1^A^MERCY||||||||||||||||V{visit}^^^MERCY^VN{'|' * 17}{ended}\r"
        ).encode()


def load_people(url: str) -> None:
    """The sample directory, and the people of the traffic: every tenth in another practice."""
    from parsers.files.panel_columns import PanelRow
    from streams.invented.community import sample_directory
    from streams.store import Store

    store = Store.open(url)
    town = sample_directory()
    store.directory.load(town.networks, town.practices, town.case_managers, town.absences, town.lme_mcos, replace=True)
    blank = dict.fromkeys(PanelRow._fields, "")
    people = (
        PanelRow(
            **blank | {
                "enrollee_id": f"E{n}",
                "medicaid_id": f"9{n:08d}K",
                "last_name": f"Chaos{n}",
                "first_name": "Test",
                "birth_date": "1970-01-01",
                "sex": "F",
                "practice_id": "P0101" if n % OTHERS else OTHER_PRACTICE,
                "risk_tier": "high",
                "consent": "none",
            }
        )
        for n in range(PEOPLE)
    )  # fmt: skip
    store.panel.load(people, full=True, now=datetime.now(UTC))
    store.close()


class Kept(Protocol):
    """What is under test, as whoever waits for it sees it."""

    broker_up_since: float

    def keep_up(self) -> None:
        """Start again what ended by itself."""


class Stack:
    """The processes under test, and how to kill and restart each."""

    def __init__(self, folder: Path, broker: str, store: str) -> None:
        self.folder = folder
        self.port, http, inbox = free_port(), free_port(), free_port()
        self.kafka = KafkaServer(folder / "kafka") if broker == "kafka" else None
        self.postgres = PostgresServer(folder / "postgres") if store == "postgresql" else None
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("HANDOFF_", "COV_"))
        } | {
            "HANDOFF_DATA_DIR": str(folder / "data"),
            "HANDOFF_MLLP_PORT": str(self.port),
            "HANDOFF_HTTP_PORT": str(http),
            "HANDOFF_INBOX_PORT": str(inbox),
            "HANDOFF_LISTEN_METRICS_PORT": str(free_port()),
            "HANDOFF_WORK_METRICS_PORT": str(free_port()),
            "HANDOFF_INBOX_METRICS_PORT": str(free_port()),
            "HANDOFF_TELL_METRICS_PORT": str(free_port()),
            "HANDOFF_ACCEPT_SECONDS": "3",
            "HANDOFF_ESCALATION": str(folder / "escalation.toml"),
        }
        (folder / "escalation.toml").write_text(ESCALATION)
        self.url = f"sqlite:///{folder / 'data' / 'handoff.sqlite3'}"
        if self.kafka:
            self.environment["KAFKA_BOOTSTRAP_SERVERS"] = self.kafka.bootstrap
            self.environment["HANDOFF_HASH_KEY"] = "chaos"
        if self.postgres:
            self.postgres.start()
            self.environment["DATABASE_URL"] = self.postgres.new_database()
            self.url = self.environment["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.roles = ("listen", "work", "inbox") if self.kafka else ("up",)
        self.broker_up_since = 0.0

    def command(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "streams", *arguments],
            env=self.environment,
            check=True,
            timeout=120,
            stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        if self.kafka:
            self.kafka.start()
        self.broker_up_since = time.monotonic()
        self.command("migrate")
        load_people(self.url)
        for role in self.roles:
            self.start_role(role)

    def start_role(self, role: str) -> None:
        with (self.folder / f"{role}.log").open("ab") as log:
            self.children[role] = subprocess.Popen(
                [sys.executable, "-m", "streams", role],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def _of_up(self, role: str) -> list[psutil.Process]:
        processes = []
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self.children["up"].pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    line = process.cmdline()
                    if line and (line[-1] == role or (role == "broker" and "tansu" in process.name())):
                        processes.append(process)
        return processes

    def kill(self, victim: str) -> None:
        """SIGKILL; with the embedded broker the supervisor brings back what is killed, except itself."""
        if victim == "all":
            processes = [
                *self._of_up("broker"),
                *(server for role in ("listen", "work", "inbox") for server in self._of_up(role)),
            ]
            self.children["up"].send_signal(signal.SIGKILL)
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            self.children["up"].wait()
            psutil.wait_procs(processes, 10)
        elif victim == "broker" and self.kafka:
            self.kafka.kill()
        elif self.kafka:
            self.children[victim].kill()
            self.children[victim].wait()
        else:
            for process in self._of_up(victim):
                with contextlib.suppress(psutil.Error):
                    process.kill()

    def restart(self, victim: str) -> None:
        if victim == "all":
            self.start_role("up")
            self.broker_up_since = time.monotonic()
        elif victim == "broker":
            if self.kafka:
                self.kafka.start()
            self.broker_up_since = time.monotonic()
        elif self.kafka:
            self.start_role(victim)

    def keep_up(self) -> None:
        """What a process manager does: a child that ended by itself is started again."""
        for role, child in list(self.children.items()):
            if child.poll() is not None:
                self.start_role(role)

    def stop(self) -> list[str]:
        """Ends everything; names what did not end by itself within 20 s of SIGTERM."""
        faults = []
        for child in self.children.values():
            child.terminate()
        for role, child in self.children.items():
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                faults.append(f"{role} did not end on SIGTERM")
                child.kill()
                child.wait()
        if self.kafka:
            self.kafka.stop()
        return faults


class Store:
    """What the store says, read with plain SQL so that the program does not judge itself."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)

    def counts(self) -> tuple[int, int]:
        """Endings in all, and those that are not `duplicate`."""
        statement = "SELECT count(*), count(*) FILTER (WHERE ending <> 'duplicate') FROM ledger"
        with self._engine.connect() as connection:
            rows, first = connection.execute(sa.text(statement)).one()
            return int(rows), int(first)

    def ledger(self) -> Iterator[tuple[str, str]]:
        with self._engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT control_id, ending FROM ledger"))
            yield from ((row[0], row[1]) for row in rows)

    def versions(self) -> Iterator[tuple[str, int, str]]:
        """(alert_id, version, control_id) of every alert version."""
        with self._engine.connect() as connection:
            for alert_id, version, document in connection.execute(
                sa.text("SELECT alert_id, version, document FROM alert_versions")
            ):
                alert = json.loads(document) if isinstance(document, str | bytes) else document
                yield alert_id, version, alert["control_id"]

    def asked(self) -> tuple[int, int, int]:
        """Questions asked; those asked of one person twice; stays that were looked at and of which nobody is asked."""
        with self._engine.connect() as connection:
            row = connection.execute(
                sa.text(
                    "SELECT (SELECT count(*) FROM escalation_steps WHERE came_to = 'asked'), "
                    "(SELECT count(*) FROM (SELECT 1 FROM escalation_steps WHERE came_to = 'asked' "
                    " GROUP BY alert_id, run, clock, began_us, case_manager_id HAVING count(*) > 1) AS twice), "
                    "(SELECT count(*) FROM alerts JOIN escalation_looks AS l ON l.alert_id = alerts.alert_id"
                    " WHERE status = 'finished' AND look_us <> 0 AND position <= "
                    " (SELECT cursor FROM ticks WHERE name = 'escalation') AND NOT EXISTS (SELECT 1 FROM "
                    " escalation_steps AS s WHERE s.alert_id = alerts.alert_id AND came_to = 'asked' AND ended_us = 0))"
                )
            ).one()
            return int(row[0]), int(row[1]), int(row[2])

    def close(self) -> None:
        self._engine.dispose()


def run(cycles: int, broker: str, store_kind: str, seed: int, per_second: float, say: bool = True) -> Report:
    dice = random.Random(seed)
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="handoff-chaos-"))
    stack = Stack(folder, broker, store_kind)
    began = time.monotonic()
    keep = True
    try:
        stack.start()
        traffic = Traffic(stack.port, per_second)
        store = Store(stack.url)
        traffic.start()
        until_caught_up(stack, store, traffic, report, more=50)
        victims = ["listen", "work", "work", "inbox", "broker"] + ([] if stack.kafka else ["all"])
        for cycle in range(cycles):
            victim = dice.choice(victims)
            time.sleep(dice.uniform(0.3, 2.5))
            stack.kill(victim)
            report.kills[victim] += 1
            time.sleep(dice.uniform(0.0, 1.0))
            stack.restart(victim)
            until_caught_up(stack, store, traffic, report, more=50)
            report.cycles += 1
            if say:
                print(
                    f"cycle {cycle + 1}/{cycles}: {victim}, {len(traffic.acked)} acknowledged, "
                    f"{store.counts()[1]} ended",
                    file=sys.stderr,
                )
        if not traffic.finish():
            report.faults.append("a message was not acknowledged within two minutes of calm")
        until_caught_up(stack, store, traffic, report)
        time.sleep(3)
        compare(store, traffic, report)
        report.faults += stack.stop()
        store.close()
        keep = not report.ok
    finally:
        report.seconds = round(time.monotonic() - began, 1)
        for child in stack.children.values():
            if child.poll() is None:
                child.kill()
        if stack.kafka:
            stack.kafka.kill()
        if stack.postgres:
            stack.postgres.stop()
        if keep:
            print(f"left for a look: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return report


def until_caught_up(stack: Kept, store: Store, traffic: Traffic, report: Report, more: int = 0) -> None:
    """Until `more` further messages are acknowledged and all but those of the last two seconds have their ending.

    Notes how long nothing ended meanwhile although messages waited and the broker was there.
    """
    wanted = len(traffic.acked) + more
    last, since = -1, time.monotonic()
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        stack.keep_up()
        now = time.monotonic()
        acked, (rows, ended) = len(traffic.acked), store.counts()
        if acked >= wanted and ended >= acked - 5 * more:
            return
        if rows != last or ended >= acked:
            last, since = rows, now
        still = now - max(since, stack.broker_up_since)
        report.longest_standstill = max(report.longest_standstill, round(still, 1))
        time.sleep(0.25)
    report.faults.append("messages were not acknowledged or had no ending three minutes after a kill")


def compare(store: Store, traffic: Traffic, report: Report) -> None:
    real: Counter[str] = Counter()
    rows = 0
    endings: Counter[str] = Counter()
    for control_id, ending in store.ledger():
        rows += 1
        endings[ending] += 1
        if ending != "duplicate":
            real[control_id] += 1
    versions: dict[str, list[int]] = {}
    alert_of: dict[str, set[str]] = {}
    tellings: Counter[str] = Counter()
    for alert_id, version, control_id in store.versions():
        versions.setdefault(alert_id, []).append(version)
        alert_of.setdefault(control_id.split("-")[1], set()).add(alert_id)
        tellings[control_id] += 1
    visits = {control_id.split("-")[1] for control_id in traffic.acked}
    report.sent, report.acked, report.resent, report.visits = (
        traffic.sent,
        len(traffic.acked),
        traffic.resent,
        len(visits),
    )
    report.endings = dict(endings)
    report.lost = sum(1 for control_id in traffic.acked if real[control_id] == 0)
    report.ended_twice = sum(1 for count in real.values() if count > 1)
    report.alerts_missing = sum(1 for visit in visits if visit not in alert_of)
    report.alerts_twice = sum(1 for alerts in alert_of.values() if len(alerts) > 1)
    report.told_twice = sum(1 for count in tellings.values() if count > 1)
    both = {visit for visit in visits if f"A03-{visit}" in traffic.acked}
    report.versions_wrong = sum(
        1 for visit in both for alert in alert_of.get(visit, ()) if sorted(versions[alert]) != [1, 2]
    )  # fmt: skip
    report.asked, report.asked_twice, report.unasked = store.asked()
    report.ledger_balanced = rows == sum(real.values()) + endings["duplicate"] and set(real) >= traffic.acked


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rigs.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--broker", choices=("kafka", "embedded"), default="embedded")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-second", type=float, default=120)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    store = given.store or ("postgresql" if given.broker == "kafka" else "sqlite")
    return run(given.cycles, given.broker, store, given.seed, given.per_second).tell(as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
