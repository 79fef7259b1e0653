"""Mails that came back in; what became of the mail each is about written, and an address that is none paused, out.

Every outcome is counted by name. A report is marked as read after its effect is written, so one that is read twice
changes nothing more. Of a mail nothing is logged or kept: not who wrote it, not what it says. That a Direct message
arrived is believed of the recipient's side alone, by its signature; that it failed is believed of everybody who knows
the message: better looked into once too often.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import structlog
from cryptography.x509 import load_pem_x509_certificates

from parsers.mail_reports import MailReport, NoReport, Told, read_mail_report
from rules.telling.attempts import Failure
from rules.telling.destinations import Destination, WayKind
from streams.run import metrics
from streams.store import Store, Unavailable
from streams.store.confirmations import DISPATCHED, PROCESSED, Sent
from streams.tell.certificates import CERTIFICATE
from streams.tell.in_thread import InThread
from streams.tell.mailboxes import Box, Mail
from streams.tell.resting import Resting
from streams.tell.revocation import Revocations
from streams.tell.signed_mail import SignedMail, Unproven, signed_mail, why_unproven

log = structlog.get_logger()

LOOK_SECONDS: Final = 60.0
_ARRIVED: Final = (Told.PROCESSED, Told.DISPATCHED)


class OfNone(StrEnum):
    """Why a report has no effect."""

    UNKNOWN = "unknown"  # about no mail of ours
    EARLY = "early"  # what the relay said of the mail is not written yet: read again at the next look


class Reports:
    """Reads the mailboxes that reports come back to. `opened`: what a mail encrypted to us holds."""

    def __init__(
        self,
        store: Store,
        boxes: Sequence[Box],
        resting: Resting,
        secret: bytes,
        in_thread: InThread,
        now: Callable[[], datetime],
        opened: Callable[[bytes], bytes],
        revocations: Revocations,
    ) -> None:
        self._store = store
        self._boxes = boxes
        self._resting = resting
        self._secret = secret
        self._in_thread = in_thread
        self._now = now
        self._opened = opened
        self._revocations = revocations

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            for number, box in enumerate(self._boxes, 1):
                try:
                    await self.look(box)
                    metrics.MAILBOX_UP.labels(number).set(1)
                except (OSError, Unavailable) as error:
                    metrics.MAILBOX_UP.labels(number).set(0)
                    log.warning("mailbox_not_read", mailbox=number, error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, box: Box) -> None:
        """Reads what is unread in one mailbox. Raises `OSError`, `Unavailable`."""
        mails = box.unread()
        while mail := await self._in_thread(next, mails, None):
            said = await self._taken(mail)
            metrics.MAIL_REPORTS.labels(said).inc()
            if said is not OfNone.EARLY:
                await self._in_thread(mail.mark_read)

    async def _taken(self, mail: Mail) -> Told | NoReport | OfNone | Unproven:
        came = await self._in_thread(lambda: signed_mail(self._opened(mail.raw)))
        report = await self._in_thread(read_mail_report, came.content)
        if isinstance(report, NoReport):
            return report
        sent = await self._in_thread(self._store.confirmations.find, report.about, self._secret)
        if sent is None:
            return OfNone.UNKNOWN
        if sent.in_hand:
            return OfNone.EARLY
        proves = sent.destination.way is WayKind.DIRECT and report.told in _ARRIVED
        if proves and (unproven := await self._in_thread(self._unproven, came, sent.destination)):
            return unproven
        await self._follow(sent, report)
        return report.told

    def _unproven(self, came: SignedMail, destination: Destination) -> Unproven | None:
        now, where = self._now(), destination.destination_id
        try:
            kept = self._store.destinations.secrets_of(where, self._secret, now).get(CERTIFICATE, ())
            trusted = [each for pem in kept for each in load_pem_x509_certificates(pem.encode())]
        except ValueError:  # kept under another key
            trusted = []
        return why_unproven(came, destination.address, trusted, now, self._revocations)

    async def _follow(self, sent: Sent, report: MailReport) -> None:
        confirmations, now = self._store.confirmations, self._now()
        where = sent.destination.destination_id
        match report.told:
            case Told.PROCESSED:
                await self._in_thread(confirmations.confirm, sent.delivery_ids, PROCESSED)
            case Told.DISPATCHED:
                await self._in_thread(confirmations.confirm, sent.delivery_ids, DISPATCHED)
            case Told.FAILED | Told.NO_SUCH_ADDRESS:
                if await self._in_thread(confirmations.came_back, sent.delivery_ids, report.status, now):
                    await self._in_thread(self._store.destinations.failed, where, Failure.BOUNCED, now, now)
                    metrics.DELIVERY_FAILURES.labels(sent.destination.way, Failure.BOUNCED).inc()
                if report.told is Told.NO_SUCH_ADDRESS:
                    await self._resting.pause(sent.destination, Failure.BOUNCED, now)
