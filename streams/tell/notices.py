"""What is put up in the store to be told beside alerts in; a mail each to whom it concerns out. No patient is in it.

One process at a time sends, and what was sent is noted after the relay took it: a kill between repeats a mail under the
same id. A try that fails comes again as a delivery's does.
"""

import os
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from rules.following.roles import BREAK_GLASS_FOR
from rules.telling.attempts import Again, after_failure
from rules.telling.destinations import Destination, FormKind, State, WayKind
from rules.telling.directory import Directory
from streams.store import Store
from streams.store.delivery import made_of
from streams.store.destinations import DestinationRow
from streams.store.notices import Notice, NoticeKind
from streams.tell.forms import mail
from streams.tell.forms.mail import Mail
from streams.tell.in_thread import InThread
from streams.tell.looking import look_every
from streams.tell.managers import answer_for, answer_for_destination, mailboxes
from streams.tell.seen import Known
from streams.tell.way import NotDelivered, Parcel
from streams.tell.ways.smtp import Smtp
from streams.words import destinations as words

log = structlog.get_logger()
LOOK_SECONDS: Final = 5.0
LEASE_SECONDS: Final = 180.0


class Notices:
    """Tells what is put up."""

    def __init__(
        self, store: Store, known: Callable[[], Known], smtp: Smtp, front_page: str, zone: ZoneInfo, in_thread: InThread
    ) -> None:
        self._store = store
        self._known = known
        self._smtp = smtp
        self._front_page = front_page
        self._zone = zone
        self._in_thread = in_thread
        self._me = os.urandom(8).hex()

    async def run(self) -> None:
        """Until it is cancelled."""
        await look_every(LOOK_SECONDS, lambda: self.look(datetime.now(UTC)))

    async def look(self, now: datetime) -> None:
        """Sends what is due. Raises `Unavailable`."""
        for notice in await self._in_thread(self._store.notices.due, now):
            if not await self._in_thread(self._store.keeping_up.lease, "notices", self._me, now, LEASE_SECONDS):
                return
            await self._tell(notice, now)

    async def _tell(self, notice: Notice, now: datetime) -> None:
        rows = await self._in_thread(self._store.destinations.all)
        directory = self._known().directory
        made = self._mail(notice, directory, rows)
        if made is None:
            await self._in_thread(self._store.notices.end, notice.notice_id, now)
            return
        addresses = addresses_for(notice, [row.destination for row in rows], directory)
        if not addresses:
            log.error("notice_reaches_nobody", kind=notice.kind.value, notice=notice.notice_id)
        for person, address in addresses.items():
            name = made_of(notice.notice_id, person)
            answer = await self._smtp.send(
                Parcel(name, made.text.encode(), "text/plain", subject=made.subject), address
            )
            if isinstance(answer, NotDelivered):
                follows = after_failure(
                    answer.failure, notice.tries + 1, notice.at, now, random.random(), answer.retry_after
                )
                if isinstance(follows, Again):
                    await self._in_thread(self._store.notices.again, notice.notice_id, follows.at)
                    return
                log.error("notice_given_up", kind=notice.kind.value, why=answer.failure.value)
        await self._in_thread(self._store.notices.end, notice.notice_id, now)

    def _mail(self, notice: Notice, directory: Directory, rows: Iterable[DestinationRow]) -> Mail | None:
        """`None`: there is nothing to tell any more."""
        match notice.kind:
            case NoticeKind.BROKE_GLASS:
                until = notice.at + BREAK_GLASS_FOR
                return mail.glass_broken(_name(notice.about, directory), notice.at, until, self._front_page, self._zone)
            case NoticeKind.USED_CODE:
                return mail.code_used(notice.at, notice.codes_left, self._front_page, self._zone)
            case NoticeKind.PAUSED:
                row = next((row for row in rows if row.destination.destination_id == notice.about), None)
                if row is None or row.destination.state is not State.PAUSED:
                    return None
                paused = row.destination
                if paused.way is WayKind.SMTP:
                    return mail.came_back(_name(paused.owner_id, directory))
                client_starts = paused.form is FormKind.SUBSCRIPTION
                return mail.destination_paused(
                    paused.name, words.why(row.why), self._front_page, client_starts=client_starts
                )


def _name(case_manager_id: str, directory: Directory) -> str:
    person = directory.person(case_manager_id)
    return person.name if person else case_manager_id


def addresses_for(notice: Notice, destinations: list[Destination], directory: Directory) -> Mapping[str, str]:
    """Whom it goes to, and where: their mail destination, else the e-mail of their row, unless that is paused."""
    boxes = {owner: destination.address for owner, destination in mailboxes(destinations, directory).items()}
    paused = {destination.address for destination in destinations if destination.state is State.PAUSED}
    people = directory.case_managers.values()
    addresses = {person.case_manager_id: person.email for person in people if person.email not in ("", *paused)} | boxes
    match notice.kind:
        case NoticeKind.USED_CODE:
            wanted = [notice.about]
        case NoticeKind.BROKE_GLASS:
            answering = answer_for(notice.network_id, notice.about, addresses, directory)
            wanted = [person.case_manager_id for person in answering]
        case NoticeKind.PAUSED:
            (about,) = (each for each in destinations if each.destination_id == notice.about)
            wanted = [person.case_manager_id for person in answer_for_destination(about, addresses, directory)]
    return {person: addresses[person] for person in wanted if person in addresses}
