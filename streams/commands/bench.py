"""`handoff bench`: the whole way under a realistic load, with the broker's own floor measured in the same run.

Latencies are in milliseconds: `ack` from the frame sent to its ACK read, `read` from receipt to the ending of messages
that need no decision, `decide` from receipt to the ending of those that do, `end_to_end` from receipt to the alert on
the page's event stream. CPU is in seconds during the measured time, memory is resident MB at its end.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from rules.decisions import Reason
from rules.endings import Ending
from streams.invented.rehearsal import Rehearsal, Tally, percentiles, play, rehearsal_settings
from streams.kafka.client import bootstrap_servers, client_options, make_producer
from streams.run.logs import configure
from streams.run.settings import Settings
from streams.up.supervisor import StopSignal

_WARM_UP_SECONDS: Final = 10.0
_FLOOR_TOPIC: Final = "handoff.bench.floor"
_FLOOR_WARM_UP: Final = 3000
_FLOOR_RECORDS: Final = 1000
_ENDED_IN_READ: Final = frozenset({Ending.REJECTED, Ending.NO_TRANSITION, Ending.TEST_MESSAGE})


def run_bench(*, rate: float, seconds: float, panel: int, as_json: bool) -> int:
    """Runs warm-up, floor and load; prints the figures. Status 1 when the ledger does not balance."""
    configure("ERROR")
    stop = StopSignal()
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="handoff-bench-", ignore_cleanup_errors=True) as folder:
        settings = rehearsal_settings(Path(folder))
        console.print(f"Loading {panel:,} invented people and starting everything …")
        with Rehearsal(settings, panel, stop) as rehearsal:
            report = asyncio.run(_measure(rehearsal, rate, seconds, stop, console))
    if as_json:
        print(json.dumps(report))  # noqa: T201
    else:
        _print(console, report)
    return 0 if report["ledger"]["balanced"] else 1


async def _measure(
    rehearsal: Rehearsal, rate: float, seconds: float, stop: StopSignal, console: Console
) -> dict[str, Any]:
    hospitals, everything = rehearsal.hospitals(), Tally()

    async def load(tally: Tally, at_rate: float, for_seconds: float) -> None:
        until = time.monotonic() + for_seconds
        playing = asyncio.create_task(
            play(hospitals, rehearsal.mllp_port, at_rate, tally, lambda: not stop.wait(0) and time.monotonic() < until)
        )
        while not playing.done():
            rehearsal.supervisor.keep_up()
            await asyncio.wait({playing}, timeout=0.25)
        await playing

    console.print(f"Warming up for {_WARM_UP_SECONDS:g} s …")
    await load(everything, min(rate, 300), _WARM_UP_SECONDS)
    await asyncio.to_thread(rehearsal.drain, everything)
    console.print("Measuring the broker's own floor …")
    floor = await _floor(rehearsal.settings)
    console.print(f"Offering {rate:g} messages/s for {seconds:g} s …")
    measured = Tally()
    since_us = time.time_ns() // 1000
    before = _cpu_seconds(rehearsal)
    began = time.monotonic()
    await load(measured, rate, seconds)
    took = time.monotonic() - began
    after, memory = _cpu_seconds(rehearsal), _memory_mb(rehearsal)
    for name, count in measured.acks.items():
        everything.acks[name] += count
    await asyncio.to_thread(rehearsal.drain, everything)
    return {
        "rate_offered": rate,
        **_latencies(rehearsal, measured, since_us, took),
        "panel": rehearsal.panel,
        "floor_ms": floor,
        "cpu_s": {name: round(after[name] - before.get(name, 0.0), 2) for name in after},
        "rss_mb": memory,
        **{
            name: value
            for name, value in rehearsal.summary(everything).items()
            if name in {"ledger", "broker", "store"}
        },
    }


def _latencies(rehearsal: Rehearsal, tally: Tally, since_us: int, took: float) -> dict[str, Any]:
    read: list[float] = []
    decide: list[float] = []
    received: dict[str, int] = {}
    last = since_us
    for timing in rehearsal.store.ledger.timings(rehearsal.first_id):
        if timing.received_us < since_us:
            continue
        received[timing.message_id] = timing.received_us
        last = max(last, timing.ended_us)
        away = timing.ending == Ending.SUPPRESSED and timing.code == Reason.NOT_ON_PANEL
        (read if away or timing.ending in _ENDED_IN_READ else decide).append(
            (timing.ended_us - timing.received_us) / 1000
        )
    end_to_end = [
        (arrival.at_us - received[arrival.message_id]) / 1000
        for arrival in rehearsal.observer.arrivals
        if arrival.message_id in received
    ]
    stages = {"ack": tally.ack_ms, "read": read, "decide": decide, "end_to_end": end_to_end}
    return {
        "rate_done": round(len(received) / max(took, (last - since_us) / 1e6), 1),
        "seconds": round(took, 1),
        "latency_ms": {name: percentiles(values) for name, values in stages.items()},
    }


async def _floor(settings: Settings) -> dict[str, float | None]:
    """Produce to consume of records of a message's size, 200 a second, one partition, once the broker is warm."""
    bootstrap = bootstrap_servers(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client_options(settings))
    await admin.start()
    with suppress(Exception):
        await admin.create_topics([NewTopic(_FLOOR_TOPIC, 1, 1)])
    producer = make_producer(settings, bootstrap=bootstrap)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, fetch_max_wait_ms=50, auto_offset_reset="latest", **client_options(settings)
    )
    await producer.start()
    await consumer.start()
    round_trips: list[float] = []
    try:
        partition = TopicPartition(_FLOOR_TOPIC, 0)
        consumer.assign([partition])
        await consumer.seek_to_end(partition)
        body = os.urandom(1000)

        async def take() -> None:
            async for record in consumer:
                round_trips.append((time.perf_counter_ns() - int.from_bytes(record.value[:8], "big")) / 1e6)
                if len(round_trips) >= _FLOOR_WARM_UP + _FLOOR_RECORDS:
                    return

        taking = asyncio.create_task(take())
        for number in range(_FLOOR_WARM_UP + _FLOOR_RECORDS):
            sent = await producer.send(_FLOOR_TOPIC, time.perf_counter_ns().to_bytes(8, "big") + body)
            if number >= _FLOOR_WARM_UP:
                await asyncio.sleep(0.005)
            elif number % 50 == 0:
                await sent
        await asyncio.wait_for(taking, 60)
    finally:
        await consumer.stop()
        await producer.stop()
        with suppress(Exception):
            await admin.delete_topics([_FLOOR_TOPIC])
        await admin.close()
    return percentiles(round_trips[_FLOOR_WARM_UP:])


def _processes(rehearsal: Rehearsal) -> Iterator[tuple[str, psutil.Process]]:
    for role, pid in rehearsal.supervisor.pids.items():
        with suppress(psutil.Error):
            yield role, psutil.Process(pid)
    yield "load", psutil.Process()
    settings = rehearsal.settings
    servers = {}
    if not settings.embedded:
        servers["kafka"] = int(settings.kafka_bootstrap_servers.split(",")[0].rpartition(":")[2])
    if url := settings.database_url.get_secret_value():
        servers["postgresql"] = urlsplit(url).port or 5432
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            for name, port in servers.items():
                if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                    process = psutil.Process(connection.pid)
                    yield name, process
                    for child in process.children(recursive=True):
                        yield name, child


def _cpu_seconds(rehearsal: Rehearsal) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for name, process in {(name, process.pid): (name, process) for name, process in _processes(rehearsal)}.values():
        with suppress(psutil.Error):
            times = process.cpu_times()
            seconds[name] = seconds.get(name, 0.0) + times.user + times.system
    return seconds


def _memory_mb(rehearsal: Rehearsal) -> dict[str, float]:
    megabytes: dict[str, float] = {}
    for name, process in {(name, process.pid): (name, process) for name, process in _processes(rehearsal)}.values():
        with suppress(psutil.Error):
            megabytes[name] = round(megabytes.get(name, 0.0) + process.memory_info().rss / 1e6, 1)
    return megabytes


def _print(console: Console, report: dict[str, Any]) -> None:
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_row("offered", f"{report['rate_offered']:g}/s for {report['seconds']} s, panel {report['panel']:,}")
    table.add_row("done", f"{report['rate_done']}/s on {report['broker']} and {report['store']}")
    for name, value in report["latency_ms"].items():
        table.add_row(name.replace("_", " "), f"p50 {value['p50']} ms, p99 {value['p99']} ms")
    table.add_row("broker's floor", f"p50 {report['floor_ms']['p50']} ms, p99 {report['floor_ms']['p99']} ms")
    table.add_row("cpu seconds", ", ".join(f"{name} {value}" for name, value in report["cpu_s"].items()))
    table.add_row("memory MB", ", ".join(f"{name} {value:.0f}" for name, value in report["rss_mb"].items()))
    table.add_row("ledger", "balances" if report["ledger"]["balanced"] else "DOES NOT BALANCE")
    console.print(table)
