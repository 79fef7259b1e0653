"""Ten thousand destinations, some of them dead: what that costs the others, measured.

    python -m tests.rigs.dead --destinations 10000 --dead 50 --rounds 3 [--rate R] [--store postgresql]

Each practice has a destination. Rounds alternate on one store under the same `handoff tell` processes: first all
destinations answer, then the same ones do but `dead` of them, half of which take the connection and say nothing, half
refuse it. In both a round begins with a backlog due to those, then versions fall due at `rate` a second to destinations
drawn by lot. Measured: from the commit of a version to its arrival at a destination that is well all the time.
"""

import argparse
import json
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import insert

from parsers.people import Network, Practice
from rules.telling.destinations import Destination, State
from rules.telling.directory import Directory
from streams.store import Store, Unavailable
from streams.store.delivery import DeliveryState
from streams.store.tables import destinations
from tests.rigs.flood import start_tell, store_of
from tests.rigs.receiver import Receiver
from tests.rigs.servers import free_port
from tests.rigs.store import decide, line, record
from tests.rigs.telling import NOW, asking, destination

BACKLOG: Final = 20  # versions due to each of the dead when a round begins
TURN_SECONDS: Final = 0.25
DRAIN_SECONDS: Final = 900.0


class Size(NamedTuple):
    destinations: int
    dead: int
    rate: float
    seconds: float
    processes: int = 1


class Round(NamedTuple):
    """Seconds from commit to arrival at those that are well, sorted."""

    dead: int
    waits: tuple[float, ...]

    def quantile(self, share: float) -> float:
        return self.waits[min(len(self.waits) - 1, int(len(self.waits) * share))]


class Bench:
    """One store and its destinations; `measure` a round with or without dead ones."""

    def __init__(self, url: str, size: Size, receiver: Receiver) -> None:
        self._size = size
        self._receiver = receiver
        self._refusing = free_port()
        self._store = Store.open(url, migrate=True)
        self._number = 0
        self._lot = random.Random(13)
        practices = [Practice(practice_id=f"P{n}", name="Practice", network_id="N1") for n in range(size.destinations)]
        self._directory = Directory([Network(network_id="N1", name="Network")], practices, [], [], [])
        made = [self._destination(n, "ok") for n in range(size.destinations)]
        people = size.destinations + size.dead * BACKLOG  # the backlog is about others, so that nobody has many stays
        panel = [line(f"E{n}", mrns=f"MISSION:M{n}", practice_id=f"P{self._practice(n)}") for n in range(people)]
        self._store.panel.load(panel, full=True, now=NOW)
        self._store.directory.load(tuple(self._directory.networks.values()), tuple(practices), (), (), ())
        empty = {"why": "", "last_failure": "", "changed_us": 0, "state": str(State.ACTIVE)}
        rows = [empty | {"destination_id": each.destination_id, "document": each.model_dump_json()} for each in made]
        with self._store.database.writing() as connection:
            connection.execute(insert(destinations), rows)
        self._ask = asking(*made, directory=self._directory)

    def measure(self, dead: int) -> Round:
        size, first = self._size, len(self._receiver.got)
        for n in range(size.dead):
            self._store.destinations.put(self._destination(n, "ok" if n >= dead else ("hang", "refuse")[n % 2]), NOW)
        self._write(range(size.destinations, size.destinations + size.dead * BACKLOG))
        committed: dict[str, float] = {}
        began, written = time.monotonic(), 0
        while (passed := time.monotonic() - began) < size.seconds:
            count = int(passed * size.rate) - written
            people = [self._lot.randrange(size.destinations) for _ in range(count)]
            alerts, written = self._write(people), written + count
            now = time.monotonic()
            committed |= {alert: now for alert, n in zip(alerts, people, strict=True) if n >= size.dead}
            time.sleep(TURN_SECONDS)
        self._drain(dead)
        arrived: dict[str, float] = {}
        for got in self._receiver.got[first:]:
            arrived.setdefault(json.loads(got.body)["data"]["alert_id"], got.at)
        return Round(dead, tuple(sorted(max(0.0, arrived[alert] - at) for alert, at in committed.items())))

    def _practice(self, person: int) -> int:
        extra = person - self._size.destinations
        return person if extra < 0 else extra % self._size.dead

    def revive(self) -> None:
        """What waits for the dead goes out, so that each round begins alike."""
        now = datetime.now(UTC)
        for n in range(self._size.dead):
            revived = self._destination(n, "ok")
            self._store.destinations.put(revived, NOW)
            again = partial(self._store.deliveries.replay, revived, NOW - timedelta(days=1), now)
            _until_it_can(partial(again, {DeliveryState.WAITING}, now, self._directory))
        self._drain(0)

    def _drain(self, dead: int) -> None:
        """Returns when nothing waits but for the `dead` first."""
        until = time.monotonic() + DRAIN_SECONDS
        bad = {f"d{n}" for n in range(dead)}
        while any(sums.waiting for name, sums in self._store.deliveries.sums().items() if name not in bad):
            assert time.monotonic() < until, "everything arrives at those that are well"
            time.sleep(0.5)

    def _write(self, people: Iterable[int]) -> list[str]:
        """A stay's first version for each of them; the alerts' ids."""
        records = []
        for n in people:
            self._number += 1
            records.append(record(self._number, f"E{n}", visit=f"V{self._number}", mrn=f"M{n}"))
        if records:
            _until_it_can(lambda: self._store.decisions.decide(records, decide, NOW, ask_due=self._ask))
        return [each.event.message_id for each in records]

    def _destination(self, n: int, manner: str) -> Destination:
        refused = f"http://127.0.0.1:{self._refusing}/d{n}"
        address = refused if manner == "refuse" else self._receiver.url(f"{manner}/d{n}")
        return destination(f"d{n}", owner_id=f"P{n}", address=address, allow_private=True)


def _until_it_can(write: Callable[[], object]) -> None:
    """Another process writes: tried again, as a worker does."""
    while True:
        with suppress(Unavailable):
            write()
            return


def run(url: str, folder: Path, size: Size, rounds: int) -> list[Round]:
    """Pairs of rounds, without and with dead destinations, which of them first by turns."""
    with Receiver() as receiver:
        bench = Bench(url, size, receiver)
        processes = [start_tell(url, folder / "data") for _ in range(size.processes)]
        try:
            bench.measure(0)  # what is slow but the first time is in no figure
            measured = []
            for number in range(rounds):
                for dead in (0, size.dead) if number % 2 == 0 else (size.dead, 0):
                    measured.append(bench.measure(dead))
                    bench.revive()
            for process in processes:
                process.send_signal(signal.SIGTERM)
            assert [process.wait(180) for process in processes] == [0] * size.processes
        finally:
            for process in processes:
                process.kill()
                process.wait()
    return measured


def shown(measured: Sequence[Round], dead: int) -> str:
    """The median of the rounds' quantiles, and how far they lie apart."""
    words = [f"{dead:4} dead"]
    for share in (0.5, 0.99):
        values = sorted(1000 * each.quantile(share) for each in measured if each.dead == dead)
        words.append(f"p{share * 100:.0f} {statistics.median(values):,.0f} ({values[0]:,.0f} to {values[-1]:,.0f}) ms")
    return "  ".join(words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--destinations", type=int, default=10_000)
    parser.add_argument("--dead", type=int, default=50)
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    given = parser.parse_args()
    size = Size(given.destinations, given.dead, given.rate, given.seconds, given.processes)
    with store_of(given.store) as (url, folder):
        measured = run(url, folder, size, given.rounds)
    for each in measured:
        print(
            f"{each.dead:4} dead, {len(each.waits)} versions: {each.quantile(0.5):.3f} s, {each.quantile(0.99):.3f} s"
        )
    print(shown(measured, 0), shown(measured, size.dead), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
