"""The store in, what one reader may see out: their rows, one stay whole, what caused a change. Nothing here renders.

Every alert version passes `rules.confidentiality.view` before it leaves this file, so no page can show more.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import func, select

from parsers.people import CaseManager, Enrollee, Practice
from rules.confidentiality import DEFAULT, AlertView, Confidentiality, Relationship, Tier, audited, view
from rules.decisions import Alert, Reason
from rules.directory import Directory
from streams.inbox.rows import ReaderStay, Taken, ceilinged
from streams.store import Store
from streams.store.acting import ActionKind, ActionRow
from streams.store.engine import rows_among
from streams.store.inbox import InboxRow, Watched
from streams.store.schema import alert_owners, alert_versions, alerts, from_us

DIRECTORY_SECONDS: Final = 2.0
SILENT_MINUTES: Final = 15  # a feed that sent nothing for so long is said to be silent
FORGOTTEN_DAYS: Final = 30  # and one that sent nothing for so long is no longer counted
LATE_ON_PURPOSE: Final = frozenset({Reason.LATE_ENROLLMENT, Reason.RELEASED_BY_REVIEW})
SEEN_BY: Final = frozenset({ActionKind.ACKNOWLEDGED, ActionKind.TAKEN})


class Deed(NamedTuple):
    """What a person did about an alert."""

    name: str
    action: ActionKind
    version: int
    at: datetime
    undone: bool


class ToldPerson(NamedTuple):
    """One person an alert is or was for."""

    person: CaseManager
    because: str
    owning: bool
    seen: bool  # the newest version
    acknowledged: bool  # the newest version


class StayDetail(NamedTuple):
    """Everything the page of one stay shows."""

    stay: ReaderStay
    told: tuple[ToldPerson, ...]
    deeds: tuple[Deed, ...]  # oldest first
    earlier: tuple[AlertView, ...]  # newest first
    earlier_withheld: int
    practice: Practice | None
    ruling: str  # which tier and why, for the audit


class Cause(NamedTuple):
    """The message behind an alert version."""

    message_id: str
    received_at: datetime | None
    prompt: bool  # False: decided late on purpose


class Heard(NamedTuple):
    """When a hospital's feed was last heard."""

    feed: str
    received_at: datetime


class Desk:
    """Read access for pages. Methods run in a thread and raise `Unavailable`."""

    def __init__(self, store: Store, confidentiality: Confidentiality = DEFAULT) -> None:
        self.store = store
        self._confidentiality = confidentiality
        self._lock = threading.Lock()
        self._directory = Directory()
        self._version = -1
        self._asked = float("-inf")
        self._heard: dict[str, datetime] = {}
        self._listened = float("-inf")

    def directory(self) -> Directory:
        """The directory as of at most two seconds ago."""
        with self._lock:
            if time.monotonic() - self._asked > DIRECTORY_SECONDS:
                version = self.store.directory_version()
                if version != self._version:
                    self._directory = self.store.directory()
                    self._version = version
                self._asked = time.monotonic()
            return self._directory

    def person(self, case_manager_id: str) -> CaseManager | None:
        """A case manager of the directory, the built-in central office included."""
        return self.directory().person(case_manager_id)

    def name(self, case_manager_id: str) -> str:
        person = self.person(case_manager_id)
        return person.name if person else "somebody no longer in the directory"

    def stays(self, reader: CaseManager, now: datetime, ids: Sequence[str] | None = None) -> list[ReaderStay]:
        """The stays of the reader's list, or those of them that are among `ids`."""
        rows = self.store.rows_for(reader.case_manager_id, now, alert_ids=ids)
        return [
            self._stay(reader, row, row.unseen or (row.alert,), row.enrollee)
            for row in rows
            if row.enrollee is not None
        ]

    def _stay(self, reader: CaseManager, row: InboxRow, versions: Iterable[Alert], enrollee: Enrollee) -> ReaderStay:
        who = reader.case_manager_id
        newest = row.alert
        takes = [action for action in row.actions if action.action is ActionKind.TAKEN]
        return ReaderStay(
            versions=ceilinged(tuple(self._view(alert, enrollee, reader) for alert in versions)),
            seen=row.seen_version,
            acknowledged=acknowledged(row.actions, who),
            taken=Taken(takes[-1].case_manager_id, self.name(takes[-1].case_manager_id)) if takes else None,
            not_seen_by=tuple(
                self.name(person)
                for person in newest.told
                if person != who and acknowledged(row.actions, person) < newest.version
            ),
        )

    def _view(self, alert: Alert, enrollee: Enrollee, reader: CaseManager) -> AlertView:
        practice = self.directory().practices.get(enrollee.practice_id)
        network_id = practice.network_id if practice else ""
        return view(alert, enrollee, reader, self._confidentiality, network_id=network_id)

    def detail(self, reader: CaseManager, alert_id: str) -> StayDetail | None:
        """One stay whole; `None` when there is no such stay or it is and was never this reader's."""
        who = reader.case_manager_id
        page = self.store.stay_page(who, alert_id)
        if page is None or page.row.enrollee is None:
            return None
        enrollee = page.row.enrollee
        stay = self._stay(reader, page.row, reversed(page.versions), enrollee)
        newest = page.row.alert
        latest = stay.latest
        known = {who, *latest.told, *(owner.case_manager_id for owner in latest.owners)}
        told = []
        for other in page.told:
            person = self.person(other.case_manager_id)
            if person is None or other.case_manager_id not in known:
                continue
            done = acknowledged(page.row.actions, other.case_manager_id) >= newest.version
            because = other.because if latest.tier is Tier.FULL else ""
            told.append(ToldPerson(person, because, other.owning, other.seen_version >= newest.version, done))
        earlier = [self._view(other.alert, enrollee, reader) for other in page.earlier if other.alert]
        shown = tuple(item for item in earlier if item.tier is not Tier.WITHHELD)
        return StayDetail(
            stay=stay,
            told=tuple(told),
            deeds=tuple(
                Deed(self.name(done.case_manager_id), done.action, done.version, done.at, done.undone)
                for done in page.actions
                if done.case_manager_id in known and done.action is not ActionKind.UNDONE
            ),
            earlier=shown,
            earlier_withheld=len([item for item in earlier if item.relationship is not Relationship.NONE]) - len(shown),
            practice=self.directory().practices.get(enrollee.practice_id) if latest.person else None,
            ruling=audited(newest, enrollee, latest, self._confidentiality),
        )

    def causes(self, positions: Sequence[int]) -> dict[int, Cause]:
        """The message behind each of these alert versions."""
        if not positions:
            return {}
        wanted = select(alert_versions.c.position, alert_versions.c.document)
        with self.store.reading() as connection:
            documents = connection.execute(wanted.where(alert_versions.c.position.in_(positions))).all()
            found = {position: Alert.model_validate_json(document) for position, document in documents}
            statement = "SELECT message_id, received_us FROM ledger WHERE message_id IN :among"
            messages = list({alert.message_id for alert in found.values()})
            received = {message: from_us(at) for message, at in rows_among(connection, statement, messages)}
        return {
            position: Cause(alert.message_id, received.get(alert.message_id), LATE_ON_PURPOSE.isdisjoint(alert.reasons))
            for position, alert in found.items()
        }

    def last_alert_at(self, case_manager_id: str) -> datetime | None:
        """When this person was last told something."""
        wanted = (
            select(func.max(alerts.c.decided_us))
            .join(alert_owners, alert_owners.c.alert_id == alerts.c.alert_id)
            .where(alert_owners.c.case_manager_id == case_manager_id)
        )
        with self.store.reading() as connection:
            last = connection.scalar(wanted)
        return from_us(last) if last is not None else None

    def silent(self, now: datetime) -> tuple[list[Heard], int]:
        """The feeds that have sent nothing for `SILENT_MINUTES`, longest first, and how many feeds there are."""
        with self._lock:
            if time.monotonic() - self._listened > DIRECTORY_SECONDS:
                self._heard = self.store.feeds()
                self._listened = time.monotonic()
            heard = [Heard(feed, at) for feed, at in self._heard.items() if now - at < timedelta(days=FORGOTTEN_DAYS)]
        silent = [one for one in heard if now - one.received_at >= timedelta(minutes=SILENT_MINUTES)]
        return sorted(silent, key=lambda one: one.received_at), len(heard)

    def watched(self, reader: CaseManager) -> Watched:
        """Whom a quiet list watches over."""
        return self.store.watched(reader.practices)


def acknowledged(actions: Iterable[ActionRow], case_manager_id: str) -> int:
    """The newest version this person acknowledged or took; 0 for none."""
    return max(
        (done.version for done in actions if done.case_manager_id == case_manager_id and done.action in SEEN_BY),
        default=0,
    )
