"""`handoff demo`: the whole way on invented data, watched in the terminal or summed up at the end.

The link signs in as one nurse, whom a quarter of the visits are about, so that every group of the page fills within
half a minute; the case managers take stays and mark as seen what asks for nothing more, as if people were at work.

Headless it ends after some seconds with a summary; the status is 0 only when the ledger balances.
"""

import asyncio
import json
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from parsers.people import Role
from rules.decisions import Action, Alert, ClockStatus, Priority, StayStatus
from rules.following.acts import Act, ActKind
from streams.inbox.links import busiest, make_link
from streams.invented.community import sample_panel
from streams.invented.rehearsal import Rehearsal, Tally, play, rehearsal_settings
from streams.run.logs import configure
from streams.store import Store, Unavailable
from streams.up.supervisor import StopSignal
from streams.words import reasons as reason_words
from streams.words import stays as wording

_PANEL = 10_000
_ROWS = 14
# Livelier than a real feed, which is nearly all updates: in a minute every kind of alert is to be seen.
_MIX = {
    "A04": 34.0, "A01": 10.0, "A02": 4.0, "A03": 12.0, "A06": 3.0, "A08": 24.0, "A11": 2.0, "A13": 2.0, "A28": 2.0,
    "A31": 6.0, "A40": 1.0,
}  # fmt: skip
_ON_PANEL = 0.5
_PAUSE_SECONDS = 4.0  # before a case manager does something about an alert
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
            who = busiest(rehearsal.store)
            link = make_link(settings, who, store=rehearsal.store)
            console.print(f"Inbox: {link}  (one-time link, invented people)", soft_wrap=True)
            shown = None if headless or as_json else screen
            asyncio.run(_run(rehearsal, tally, rate, limit, stop, shown, console, regulars_of(rehearsal.store, who)))
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
    regulars: Sequence[int],
) -> None:
    until = time.monotonic() + limit if limit else None

    def going() -> bool:
        return not stop.wait(0) and (until is None or time.monotonic() < until)

    hospitals = rehearsal.hospitals(mix=_MIX, on_panel_share=_ON_PANEL, regulars=regulars)
    playing = asyncio.create_task(play(hospitals, rehearsal.mllp_port, rate, tally, going))
    people = CaseManagers(rehearsal.store)
    with Live(console=console, refresh_per_second=4, screen=False) if screen else nullcontext() as live:
        while not playing.done():
            rehearsal.supervisor.keep_up()
            if screen and live:
                live.update(screen.draw())
            await asyncio.to_thread(people.work)
            await asyncio.wait({playing}, timeout=0.25)
    await playing


def regulars_of(store: Store, case_manager_id: str) -> list[int]:
    """Numbers of the invented people at the practices this person carries; empty for one who carries none."""
    person = next(
        (carrier for carrier in store.directory.case_managers() if carrier.case_manager_id == case_manager_id),
        None,
    )
    practices = set(person.practices) if person else set()
    return [number for number, row in enumerate(sample_panel(_PANEL)) if row.practice_id in practices]


class CaseManagers:
    """What the people who are told do meanwhile: `work` does what is due."""

    def __init__(self, store: Store, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._store = store
        self._pause = pause_seconds
        self._position = store.changes.position()
        self._waiting: deque[tuple[float, Alert]] = deque()

    def work(self) -> None:
        now = time.monotonic()
        with suppress(Unavailable):  # what is not done now is done, or lost, later: nobody counts on it
            for record in self._store.changes.versions(self._position):
                self._position = record.position
                self._waiting.append((now + self._pause, record.alert))
            while self._waiting and self._waiting[0][0] <= now:
                alert = self._waiting.popleft()[1]
                if kind := answer_to(alert):
                    self._store.acts.write(_act_of(alert, kind), alert.alert_id, self._store.directory.read())


def _act_of(alert: Alert, kind: ActKind) -> Act:
    now = datetime.now(UTC)
    return Act(
        act_id=uuid4().hex,
        kind=kind,
        by=alert.owners[0].case_manager_id,
        role=Role.NURSE,  # the store writes the directory's
        version=alert.version,
        happened_at=now,
        recorded_at=now,
    )


def answer_to(alert: Alert) -> ActKind | None:
    """Half of what asks for nothing more is marked as seen, a third of the rest is taken; what is urgent waits."""
    chance = crc32(alert.alert_id.encode())
    runs = any(clock.status is ClockStatus.RUNNING for clock in alert.clocks)
    if alert.action is Action.RETRACT or (alert.status is StayStatus.FINISHED and not runs):
        return ActKind.NOTED if chance % 2 else None
    return ActKind.TAKE if chance % 3 == 0 and alert.priority is not Priority.URGENT else None


class _Screen:
    """The live table: what the hospitals send, how it ends, and the latest alerts."""

    def __init__(self, rehearsal: Rehearsal, tally: Tally) -> None:
        self._rehearsal = rehearsal
        self._tally = tally
        self._latest: deque[Alert] = deque(maxlen=_ROWS)
        self._position = rehearsal.store.changes.position()
        self._names = {
            case_manager.case_manager_id: case_manager.name
            for case_manager in rehearsal.store.directory.case_managers()
        }

    def draw(self) -> Group:
        for record in self._rehearsal.store.changes.versions(self._position):
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
                reason_words.reason(alert.reasons[0]),
                alert.facility,
                owners,
                str(alert.version),
            )
        endings = self._rehearsal.endings()
        endings_line = " · ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(endings.items()))
        sent = f"{self._tally.sent} messages sent, {self._tally.accepted} accepted"
        head = Text(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {sent}")
        return Group(head, Text(endings_line, style="dim"), Text(), table, Text(), Text("Ctrl-C stops", style="dim"))


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
