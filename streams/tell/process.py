"""The process `handoff tell`: settings and store in, deliveries out, until it is told to stop.

As many as there is work: they share the store and no delivery is in two hands. What ends unasked ends the process, so
that whoever runs it starts it again; what was in hand comes again under the same ids.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from rules.decisions import Action, ClockStatus, Priority
from rules.policy.policy import Policy
from rules.stays.unheard import alert_unheard_since
from rules.telling.destinations import FormKind, WayKind
from rules.telling.directory import Directory
from streams.run import metrics
from streams.run.crash import place_of
from streams.run.health import Check, Health, Needed
from streams.run.mail_stop import stop_token
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile
from streams.run.rule_files import CONFIDENTIALITY, POLICY
from streams.run.scrape import serve_for
from streams.run.settings import Settings
from streams.run.site_file import FEEDS
from streams.store import Store, Unavailable
from streams.store.delivery import mail_id
from streams.store.keys import secret_of
from streams.tell.contacts import Contacts
from streams.tell.deliver import Teller
from streams.tell.form import Form
from streams.tell.forms.fhir import Sender
from streams.tell.forms.mail import Waiting
from streams.tell.hl7_parcels import Kept
from streams.tell.hospital_desks import HospitalDesks
from streams.tell.in_thread import InThread
from streams.tell.mailboxes import Box, box_of
from streams.tell.notices import Notices
from streams.tell.parcels import forms
from streams.tell.relay import Relay
from streams.tell.reports import Reports
from streams.tell.resting import Resting
from streams.tell.revocation import Revocations
from streams.tell.samples import Samples
from streams.tell.seen import Known
from streams.tell.serving.server import FhirServer
from streams.tell.way import Way
from streams.tell.ways.direct import Direct, Identity
from streams.tell.ways.folder import Folder
from streams.tell.ways.http import Http
from streams.tell.ways.mllp import Mllp
from streams.tell.ways.sftp import Sftp
from streams.tell.ways.smtp import Smtp

log = structlog.get_logger()

THREADS: Final = 4  # on the store
LOOK_SECONDS: Final = 5.0
COUNT_SECONDS: Final = 60.0  # all deliveries there ever were
OPEN_SECONDS: Final = 1.0
STOP_SECONDS: Final = 25.0  # a try ends within this


def run_tell(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT; gives the exit status: 0 when it drained, 1 when something ended unasked.

    Raises `Problem` for settings that cannot be used, also for a metrics port that is taken, and `StoreOutdated`.
    """
    tell = Tell(settings)
    scrape = serve_for("HANDOFF_TELL_METRICS_PORT", settings.metrics_host, settings.tell_metrics_port, tell.health)
    try:
        return asyncio.run(tell.run())
    finally:
        scrape.close()


def front_page_of(settings: Settings) -> str:
    """What a mail links, or says instead."""
    return settings.front_page or "the page you sign in to"


def make_forms(
    settings: Settings, store: Store, policy: Callable[[], Policy], directory: Callable[[], Directory]
) -> dict[FormKind, Form]:
    """Every form, as this install sends it."""
    front_page = front_page_of(settings)
    endpoint = settings.front_page or "urn:x-warm-handoff"

    def waiting(case_manager_id: str) -> Waiting:
        return waiting_of(store, case_manager_id, policy(), datetime.now(UTC))

    def stop(destination_id: str) -> str:
        if not settings.front_page.startswith("https://"):  # RFC 8058 asks for TLS
            return ""
        return f"{settings.front_page.rstrip('/')}/mail/stop/{stop_token(settings.secret(), destination_id)}"

    domain = settings.direct_from.partition("@")[2] or "localhost"
    secret = settings.secret()
    named = partial(mail_id, secret)
    kept = Kept(partial(store.received.of, secret), partial(store.received.told_before, secret))
    sender = Sender("Warm Handoff", "", endpoint)
    contact_of = Contacts(store, directory, partial(datetime.now, UTC)).of
    return dict(
        forms(sender, waiting, front_page, policy().tz, named, kept, contact_of, stop, domain, settings.fhir_url)
    )


def make_ways(settings: Settings, revocations: Revocations) -> dict[WayKind, Way]:
    """The ways this process can go: mail only with a relay. Raises `Problem`."""
    context = revocations.context()
    ways: dict[WayKind, Way] = {
        WayKind.HTTP: Http(settings.tell_allow, context=context),
        WayKind.MLLP: Mllp(settings.tell_allow, revocations),
        WayKind.FOLDER: Folder(),
        WayKind.SFTP: Sftp(settings.tell_allow),
    }
    if url := settings.smtp_url.get_secret_value():
        if not settings.mail_from:
            raise Problem("HANDOFF_MAIL_FROM is missing: HANDOFF_SMTP_URL needs an address that mail comes from")
        relay = Relay(url, settings.mail_from, context=context)
        ways[WayKind.SMTP] = Smtp(relay)
        if settings.direct_from:
            ways[WayKind.DIRECT] = Direct(relay, _identity(settings), revocations=revocations)
    return ways


def make_boxes(settings: Settings) -> list[Box]:
    """The mailboxes that reports come back to. Raises `Problem`."""
    try:
        return [box_of(url.get_secret_value()) for url in settings.mailboxes]
    except ValueError as error:
        raise Problem(f"HANDOFF_MAILBOXES: {error}") from None


def _identity(settings: Settings) -> Identity:
    if settings.direct_cert is None or settings.direct_key is None:
        raise Problem("HANDOFF_DIRECT_FROM needs HANDOFF_DIRECT_CERT and HANDOFF_DIRECT_KEY")
    try:
        return Identity(settings.direct_from, settings.direct_cert, settings.direct_key)
    except (OSError, ValueError, TypeError):
        raise Problem(
            "HANDOFF_DIRECT_CERT or HANDOFF_DIRECT_KEY cannot be used: PEM of a certificate and an RSA key"
        ) from None


def waiting_of(store: Store, case_manager_id: str, policy: Policy, now: datetime) -> Waiting:
    """How much is open for one person, as their page counts it: not what is answered and only waits for a discharge
    that was never sent."""
    rows = [
        row
        for row in store.inbox.rows_for(case_manager_id, now)
        if row.open and (row.unanswered or alert_unheard_since(row.alert, row.heard_at, policy, now) is None)
    ]
    taken_back = [row for row in rows if row.alert.action is Action.RETRACT]
    alerts = [row.alert for row in rows if row.alert.action is not Action.RETRACT]
    count = {priority: sum(alert.priority is priority for alert in alerts) for priority in Priority}
    due = [clock.due_at for alert in alerts for clock in alert.clocks if clock.status is ClockStatus.RUNNING]
    return Waiting(
        urgent=count[Priority.URGENT],
        soon=count[Priority.HIGH],
        routine=count[Priority.ROUTINE] + count[Priority.DIGEST],
        taken_back=len(taken_back),
        first_due=min(due, default=None),
    )


class Tell:
    """One process of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = RuleFile(POLICY, settings)
        self._confidentiality = RuleFile(CONFIDENTIALITY, settings)
        self._feeds = RuleFile(FEEDS, settings)
        self._revocations = Revocations(settings.tell_crls)
        self._ways = make_ways(settings, self._revocations)
        self._boxes = make_boxes(settings)
        self._store: Store | None = None
        self._teller: Teller | None = None
        self._known: Known | None = None
        self._directory = Directory()
        self._directory_version = -1
        self._ended = ""
        self._turned = time.monotonic()
        self._counted = float("-inf")

    def health(self) -> Health:
        teller = self._teller
        stale = time.monotonic() - self._turned > 60
        why = (teller.away or teller.settler.away) if teller else "waiting for the store"
        stuck = self._ended or ("stuck" if stale else "")
        return Health(
            (
                Check("loop", ok=not stuck, why=stuck, needed=Needed.LIVE),
                Check("store", ok=not why, why=why and f"the store is away: {why}", needed=Needed.READY),
            )
        )

    async def run(self) -> int:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        executor = ThreadPoolExecutor(THREADS, "store")
        store = await self._open(stopping)
        if store is None:
            return 0
        self._store = store
        settings = self._settings
        await loop.run_in_executor(executor, self._refresh)
        made = make_forms(settings, store, self._policy.current, lambda: self._directory)
        in_thread = InThread(executor)
        self._teller = Teller(
            store,
            made,
            self._ways,
            self._now_known,
            settings.secret(),
            f"{os.getpid()}-{os.urandom(4).hex()}",
            executor=executor,
            hold=timedelta(seconds=settings.tell_hold_seconds),
        )
        log.info("tell_started")
        telling = asyncio.create_task(self._teller.run(stopping))
        looking = asyncio.create_task(self._look(executor))
        stop = asyncio.create_task(stopping.wait())
        samples = Samples(store, made, self._ways, settings.secret(), in_thread, partial(datetime.now, UTC))
        tasks = [telling, looking, stop, asyncio.create_task(samples.run())]
        if self._boxes:
            tasks.append(asyncio.create_task(self._reports(store, in_thread).run()))
        if isinstance(smtp := self._ways.get(WayKind.SMTP), Smtp):
            desks = HospitalDesks(store, self._feeds.current, self._policy.current, smtp, in_thread)
            tasks.append(asyncio.create_task(desks.run()))
            notices = Notices(
                store, self._now_known, smtp, front_page_of(settings), self._policy.current().tz, in_thread
            )
            tasks.append(asyncio.create_task(notices.run()))
        if settings.fhir_port:
            http = self._ways[WayKind.HTTP]
            assert isinstance(http, Http)
            fhir = FhirServer(settings, store, http, self._now_known, http.fetch)
            tasks.append(asyncio.create_task(fhir.serve()))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        unasked = not stopping.is_set()
        if unasked:
            ended = next(iter(done))
            error = ended.exception()
            self._ended = type(error).__name__ if error else "a task ended"
            log.error("tell_ends", why=self._ended, place=place_of(error) if error else "")
        with suppress(Exception):
            async with asyncio.timeout(0.1 if unasked else STOP_SECONDS):
                await telling
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for way in self._ways.values():
            await way.close()
        store.close()
        log.info("tell_stopped")
        return 1 if unasked else 0

    def _reports(self, store: Store, in_thread: InThread) -> Reports:
        direct = self._ways.get(WayKind.DIRECT)
        opened = direct.opened if isinstance(direct, Direct) else lambda raw: raw
        resting = Resting(store, in_thread)
        secret, now = self._settings.secret(), partial(datetime.now, UTC)
        return Reports(store, self._boxes, resting, secret, in_thread, now, opened, self._revocations)

    async def _open(self, stopping: asyncio.Event) -> Store | None:
        while not stopping.is_set():
            self._turned = time.monotonic()
            try:
                return await asyncio.to_thread(self._opened)
            except Unavailable:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), OPEN_SECONDS)
        return None

    def _opened(self) -> Store:
        store = Store.open(self._settings.store_url)
        secret_of(self._settings, store)  # under another key nothing that is kept for a destination can be read
        return store

    def _now_known(self) -> Known:
        assert self._known is not None
        return self._known

    async def _look(self, executor: ThreadPoolExecutor) -> None:
        """Keeps the directory fresh and the gauges true."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(Unavailable):
                await loop.run_in_executor(executor, self._refresh)
            self._turned = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)

    def _refresh(self) -> None:
        assert self._store is not None
        self._revocations.look()
        version = self._store.directory.version()
        if version != self._directory_version:
            self._directory, self._directory_version = self._store.directory.read(), version
        self._known = Known(self._directory, self._confidentiality.current(), self._policy.current())
        now = datetime.now(UTC)
        self._store.deliveries.give_up_removed(now)
        backlog = self._store.deliveries.backlog(now)
        metrics.DELIVERIES_WAITING.set(backlog.waiting)
        oldest = backlog.oldest_due_at
        metrics.DELIVERIES_AGE.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
        if time.monotonic() - self._counted >= COUNT_SECONDS:
            for state, count in self._store.deliveries.totals().items():
                metrics.DELIVERIES_DUE.labels(state).set(count)
            self._counted = time.monotonic()
        if self._boxes:
            metrics.DIRECT_UNCONFIRMED.set(sum(self._store.confirmations.unconfirmed(now).values()))
