"""`handoff demo`: the whole way on invented data, watched in the terminal or summed up at the end.

Headless it ends after some seconds with a summary; the status is 0 only when the ledger balances.
"""

import asyncio
import json
import tempfile
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rules.decisions import Alert, Priority
from streams.inbox import wording
from streams.inbox.sign_in import make_link
from streams.logs import configure
from streams.rehearsal import Rehearsal, Tally, play, rehearsal_settings
from streams.supervisor import StopSignal

_PANEL = 10_000
_ROWS = 14
# Livelier than a real feed, which is nearly all updates: in a minute every kind of alert is to be seen.
_MIX = {
    "A04": 34.0, "A01": 10.0, "A02": 4.0, "A03": 12.0, "A06": 3.0, "A08": 24.0, "A11": 2.0, "A13": 2.0, "A28": 2.0,
    "A31": 6.0, "A40": 1.0,
}  # fmt: skip
_ON_PANEL = 0.5
_COLORS = {Priority.URGENT: "bold red", Priority.HIGH: "yellow", Priority.ROUTINE: "", Priority.DIGEST: "dim"}


def run_demo(*, headless: bool, seconds: float | None, rate: float, as_json: bool) -> int:
    """Runs until Ctrl-C or for `seconds`; gives the exit status."""
    configure("ERROR")
    stop = StopSignal()
    console = Console(stderr=as_json)
    limit = seconds or (60.0 if headless else None)
    with tempfile.TemporaryDirectory(prefix="handoff-demo-", ignore_cleanup_errors=True) as folder:
        settings = rehearsal_settings(Path(folder))
        console.print(f"Starting broker, listener, worker and inbox; loading {_PANEL:,} invented people …")
        with Rehearsal(settings, _PANEL, stop) as rehearsal:
            tally = Tally()
            screen = _Screen(rehearsal, tally)
            console.print(
                f"Inbox: {make_link(settings, store=rehearsal.store)}  (one-time link, invented people)", soft_wrap=True
            )
            asyncio.run(_run(rehearsal, tally, rate, limit, stop, None if headless or as_json else screen, console))
            rehearsal.drain(tally)
            summary = rehearsal.summary(tally)
    if as_json:
        print(json.dumps(summary))  # noqa: T201
    else:
        _print(console, summary)
    return 0 if summary["ledger"]["balanced"] else 1


async def _run(
    rehearsal: Rehearsal,
    tally: Tally,
    rate: float,
    limit: float | None,
    stop: StopSignal,
    screen: "_Screen | None",
    console: Console,
) -> None:
    until = time.monotonic() + limit if limit else None

    def going() -> bool:
        return not stop.wait(0) and (until is None or time.monotonic() < until)

    playing = asyncio.create_task(
        play(rehearsal.hospitals(mix=_MIX, on_panel_share=_ON_PANEL), rehearsal.mllp_port, rate, tally, going)
    )
    if screen is None:
        while not playing.done():
            rehearsal.supervisor.keep_up()
            await asyncio.wait({playing}, timeout=0.25)
    else:
        with Live(console=console, refresh_per_second=4, screen=False) as live:
            while not playing.done():
                rehearsal.supervisor.keep_up()
                live.update(screen.draw())
                await asyncio.wait({playing}, timeout=0.25)
    await playing


class _Screen:
    """The live table: what the hospitals send, how it ends, and the latest alerts."""

    def __init__(self, rehearsal: Rehearsal, tally: Tally) -> None:
        self._rehearsal = rehearsal
        self._tally = tally
        self._latest: deque[Alert] = deque(maxlen=_ROWS)
        self._position = rehearsal.store.position()
        self._names = {one.case_manager_id: one.name for one in rehearsal.store.case_managers()}

    def draw(self) -> Group:
        for record in self._rehearsal.store.versions(self._position):
            self._position = record.position
            self._latest.appendleft(record.alert)
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for column in ("told", "priority", "what", "where", "whom", "version"):
            table.add_column(column)
        for alert in self._latest:
            owners = ", ".join(self._names.get(owner.case_manager_id, owner.case_manager_id) for owner in alert.owners)
            table.add_row(
                f"{alert.decided_at.astimezone():%H:%M:%S}",
                Text(wording.PRIORITY_WORDS[alert.priority], style=_COLORS[alert.priority]),
                wording.reason(alert.reasons[0]),
                alert.facility,
                owners,
                str(alert.version),
            )
        endings = self._rehearsal.endings()
        told = " · ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(endings.items()))
        sent = f"{self._tally.sent} messages sent, {self._tally.accepted} accepted"
        head = Text(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {sent}")
        return Group(head, Text(told, style="dim"), Text(), table, Text(), Text("Ctrl-C stops", style="dim"))


def _print(console: Console, summary: dict[str, Any]) -> None:
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_row("messages", f"{summary['messages']} sent, answers {summary['acks']}")
    table.add_row("endings", ", ".join(f"{name} {count}" for name, count in sorted(summary["endings"].items())))
    table.add_row("alerts", f"{summary['alerts']} in {summary['versions']} versions on the page")
    latency = summary["latency_ms"]
    table.add_row("received to page", f"p50 {latency['p50']} ms, p99 {latency['p99']} ms")
    ledger = summary["ledger"]
    balanced = "balances" if ledger["balanced"] else "DOES NOT BALANCE"
    table.add_row("ledger", f"{balanced}: {ledger['received']} accepted, {ledger['ended']} ended")
    table.add_row("on", f"{summary['broker']} broker, {summary['store']}")
    console.print(table)
