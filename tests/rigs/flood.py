"""A flood of alert versions to destinations of which a fifth are bad, `handoff tell` killed in the middle of it.

    python -m tests.rigs.flood --versions 50000 --destinations 200 --kills 20 [--to-all] [--store postgresql] [--json]

Each practice has a destination of its own, some networks have one beside; or each version is due to all of them, which
are partners then (`--to-all`; so many fewer versions make as many deliveries). A fifth answer 500 or 429, hang, reset,
redirect, send 10 MB or show a bad certificate. Two processes tell; one of them is killed with SIGKILL again and again
and another started. `check` proves at the end, for every good destination: it has every version at least once, under
the right id, in order for each alert, and nothing that is another's; for all destinations that the sums hold.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from parsers.people import Network, Practice
from rules.telling.destinations import Destination, Whose
from rules.telling.directory import Directory
from streams.store import Store, Unavailable
from streams.store.delivery import Sums, delivery_id
from streams.tell.signing import SIGNING
from tests.rigs.receiver import Receiver, make_ca, server_context
from tests.rigs.servers import PostgresServer
from tests.rigs.store import decide, line, record
from tests.rigs.telling import NOW, asking, destination

MANNERS: Final = ("500", "429", "hang", "reset", "redirect", "huge", "certificate")
EVERY: Final = 5  # so many destinations are one bad and the others good
VERSIONS_OF_AN_ALERT: Final = 5
NETWORKS: Final = 20
BATCH: Final = 200
WORK: Final = 20  # deliveries between two kills, at least
WORK_SECONDS: Final = 60.0  # or so long


class Size(NamedTuple):
    versions: int
    destinations: int
    kills: int
    deadline_seconds: float = 150
    to_all: bool = False


class Report(NamedTuple):
    """What a run came to."""

    versions: int
    due: int
    delivered: int
    waiting: int
    given_up: int
    came: int  # deliveries that good destinations got, repetitions among them
    repeated: int
    write_seconds: float = 0
    seconds: float = 0  # until no good destination waits any more, from the first write


class Flood:
    """One flood: `run` it, then `check` it."""

    def __init__(self, url: str, folder: Path, size: Size) -> None:
        self.size = size
        self.url = url
        self.folder = folder
        self.made: list[Destination] = []
        self.manners: dict[str, str] = {}
        practices = [
            Practice(practice_id=f"P{n}", name="Practice", network_id=f"N{n % NETWORKS}")
            for n in range(size.destinations)
        ]
        networks = [Network(network_id=f"N{n}", name="Network") for n in range(NETWORKS)]
        self.directory = Directory(networks, practices, [], [], [])
        self.people = -(-size.versions // VERSIONS_OF_AN_ALERT)

    def run(self, receiver: Receiver, unproven: Receiver) -> Report:
        store = self._fill(receiver, unproven)
        began = time.monotonic()
        with self._processes() as processes:
            waves = max(1, self.size.kills)
            for wave in range(waves):
                came = len(receiver.got)
                self._write(store, wave, waves)
                if self.size.kills:
                    self._await_work(receiver, came)
                    processes.append(self._start())
                    killed = processes.pop(0)
                    killed.kill()
                    killed.wait()
            written = time.monotonic() - began
            good = [name for name, manner in self.manners.items() if manner == "ok"]
            deadline = time.monotonic() + self.size.deadline_seconds
            while time.monotonic() < deadline:
                sums = store.deliveries.sums()
                if not any(sums.get(name, Sums()).waiting for name in good):
                    break
                time.sleep(0.5)
            seconds = time.monotonic() - began
            for process in processes:
                process.send_signal(signal.SIGTERM)
            assert [process.wait(180) for process in processes] == [0, 0]
        report = self._check(store, receiver, good)._replace(write_seconds=written, seconds=seconds)
        store.close()
        return report

    def _await_work(self, receiver: Receiver, came: int) -> None:
        """Returns when something more was delivered, so that who is killed is at work."""
        until = time.monotonic() + WORK_SECONDS
        while len(receiver.got) <= came + WORK and time.monotonic() < until:
            time.sleep(0.05)

    def _fill(self, receiver: Receiver, unproven: Receiver) -> Store:
        store = Store.open(self.url, migrate=True)
        count = self.size.destinations
        panel = [line(f"E{n}", mrns=f"MISSION:M{n}", practice_id=f"P{n % count}") for n in range(self.people)]
        store.panel.load(panel, full=True, now=NOW)
        store.directory.load(
            tuple(self.directory.networks.values()), tuple(self.directory.practices.values()), (), (), ()
        )
        for n in range(count):
            of_network = n % 10 == 9
            manner = MANNERS[n // EVERY % len(MANNERS)] if n % EVERY == 0 else "ok"
            base = unproven if manner == "certificate" else receiver
            whose = Whose.NETWORK if of_network else Whose.PRACTICE
            owner = f"N{n // 10 % NETWORKS}" if of_network else f"P{n}"
            target = destination(
                f"d{n}",
                whose=Whose.PARTNER if self.size.to_all else whose,
                owner_id="" if self.size.to_all else owner,
                address=base.url(f"{'ok' if manner == 'certificate' else manner}/d{n}"),
                allow_private=True,
            )
            store.destinations.put_secret(
                target.destination_id, SIGNING, "whsec_" + "c2Vj" * 8, b"key", NOW, timedelta()
            )
            store.destinations.put(target, NOW)
            self.made.append(target)
            self.manners[target.destination_id] = manner
        return store

    def _write(self, store: Store, wave: int, waves: int) -> None:
        ask = asking(*self.made, directory=self.directory)
        people = range(wave * self.people // waves, (wave + 1) * self.people // waves)
        for version in range(VERSIONS_OF_AN_ALERT):
            for first in range(people.start, people.stop, BATCH):
                batch = [
                    record(n * VERSIONS_OF_AN_ALERT + version + 1, f"E{n}", visit=f"V{n}", mrn=f"M{n}")
                    for n in range(first, min(first + BATCH, people.stop))
                ]
                while True:
                    try:
                        store.decisions.decide(batch, decide, NOW, ask_due=ask)
                    except Unavailable:  # another process writes: tried again, as a worker does
                        continue
                    break

    @contextmanager
    def _processes(self) -> Iterator[list["subprocess.Popen[bytes]"]]:
        processes = [self._start(), self._start()]
        try:
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        return start_tell(self.url, self.folder)

    def _check(self, store: Store, receiver: Receiver, good: list[str]) -> Report:
        sums = store.deliveries.sums()
        assert all(total.balanced for total in sums.values())
        of_practice = dict(self.directory.practices)
        got: dict[str, list[tuple[str, int]]] = defaultdict(list)
        owners = {target.destination_id: (target.whose, target.owner_id) for target in self.made}
        for request in receiver.got:
            body = json.loads(request.body)["data"]
            name = request.path.rpartition("/")[2]
            whose, owner = owners[name]
            if whose is not Whose.PARTNER:
                theirs = body["person"]["practice_id"]
                assert owner == (theirs if whose is Whose.PRACTICE else of_practice[theirs].network_id), "nobody else's"
            assert request.headers["webhook-id"] == delivery_id(body["alert_id"], body["version"], name)
            got[name].append((body["alert_id"], body["version"]))
        assert not set(got) - set(good), "a redirect leads nowhere and a bad certificate sees nothing"
        everything = 0
        for name in good:
            due = store.deliveries.of(destination_id=name, limit=10**6)
            everything += len(due)
            assert set(got[name]) == {(row.alert_id, row.version) for row in due}, f"{name} has every version"
            first: dict[tuple[str, int], int] = {}
            for place, version in enumerate(got[name]):
                first.setdefault(version, place)
            for (alert, which), place in first.items():
                assert which == 1 or first[alert, which - 1] < place, "in order for each alert"
            own = sums.get(name, Sums())
            assert own.waiting == own.given_up == 0
        for number, target in enumerate(self.made):
            panel = len(range(number, self.people, self.size.destinations))
            people = self.people if self.size.to_all else panel
            if target.whose is not Whose.NETWORK:
                assert sums.get(target.destination_id, Sums()).due == people * VERSIONS_OF_AN_ALERT
        came = len(receiver.got)
        totals = Sums(*(sum(numbers) for numbers in zip(*sums.values(), strict=True)))
        return Report(
            versions=self.people * VERSIONS_OF_AN_ALERT,
            due=totals.due,
            delivered=totals.delivered,
            waiting=totals.waiting,
            given_up=totals.given_up,
            came=came,
            repeated=came - everything,
        )


def start_tell(url: str, folder: Path) -> "subprocess.Popen[bytes]":
    """A process `handoff tell`; what a killed one had in hand comes again after 2 s."""
    environment = {
        **os.environ,
        "HANDOFF_DATA_DIR": str(folder),
        "HANDOFF_HASH_KEY": "key",
        "HANDOFF_TELL_METRICS_PORT": "0",
        "HANDOFF_TELL_HOLD_SECONDS": "2",
        "HANDOFF_LOG_LEVEL": "ERROR",
        "DATABASE_URL": url if url.startswith("postgresql") else "",
    }
    return subprocess.Popen([sys.executable, "-m", "streams", "tell"], env=environment)


@contextmanager
def store_of(backend: str) -> Iterator[tuple[str, Path]]:
    """The URL of a new store, and a folder, until both are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        if backend == "sqlite":
            yield f"sqlite:///{folder}/data/handoff.sqlite3", Path(folder)
            return
        server = PostgresServer(Path(folder) / "server")
        server.start()
        try:
            yield server.new_database(), Path(folder)
        finally:
            server.stop()


def run(url: str, folder: Path, size: Size) -> Report:
    """A flood with receivers of its own."""
    _, cert, key = make_ca(folder)
    with Receiver() as receiver, Receiver(server_context(cert, key)) as unproven:
        return Flood(url, folder / "data", size).run(receiver, unproven)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=50_000)
    parser.add_argument("--destinations", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--to-all", action="store_true")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    size = Size(given.versions, given.destinations, given.kills, deadline_seconds=3600, to_all=given.to_all)
    with store_of(given.store) as (url, folder):
        report = run(url, folder, size)
    shown = report._asdict()
    print(json.dumps(shown) if given.json else "\n".join(f"{name:14} {value:,.0f}" for name, value in shown.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
