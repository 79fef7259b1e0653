"""What the inbox page shows: a person's rows, one stay in full, who has how much open. Reads only."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, case, func, literal, or_, select

from parsers.people import CaseManager, Enrollee
from rules.decisions import Action, Alert, Priority, Stay, StayStatus
from rules.following.acts import Act, effective
from rules.stays.open import asks
from streams.store.acts import acts_of
from streams.store.among import MOST_ROWS, SHOWN_DAYS, Among
from streams.store.database import Database, rows_among
from streams.store.open_alerts import ASKS, ASKS_ANYBODY, GOES_ON, IS_AWAITED, TAKEN_BACK, UNANSWERED, UNSEEN
from streams.store.other_stays import EarlierStay, Running, earlier_than, running_of
from streams.store.panel_rows import EnrolleeRow, enrollee_on, load_enrollees
from streams.store.tables import (
    alert_owners,
    alert_versions,
    alerts,
    enrollees,
    feeds,
    from_us,
    ledger,
    seen,
    stays,
    to_us,
)

PASSED_ON_DAYS: Final = 7  # so long a row that went over to others is still shown to who did not look
NEAR: Final = 200  # ids looked through for one of another
_URGENCY: Final = case({str(priority): place for place, priority in enumerate(Priority)}, value=alerts.c.priority)
_OPEN_FIRST: Final = (case((ASKS, 0), else_=1), _URGENCY, alerts.c.decided_us, alerts.c.position)
_BY_THEM: Final = (seen.c.alert_id == alert_owners.c.alert_id) & (
    seen.c.case_manager_id == alert_owners.c.case_manager_id
)
_THEIRS: Final = or_(alert_owners.c.owning == 1, alert_owners.c.asked == 1, alert_owners.c.given == 1)


class InboxRow(NamedTuple):
    """One stay of one person as one reader sees it."""

    alert: Alert  # newest version
    enrollee: Enrollee | None  # as the panel has them today; None when they are not on it
    acts: tuple[Act, ...]  # of everybody, those that count, by when they happened
    unseen: tuple[Alert, ...]  # versions the reader has not looked at, oldest first
    seen_version: int  # 0: never looked at
    acknowledged_version: int  # newest that anybody has acknowledged
    position: int
    owning: bool  # False: it was this reader's once, and was taken back
    because: str  # the route that made it theirs
    seen_at: datetime | None = None  # when the reader last looked at it
    told_before: tuple[Alert, ...] = ()  # all versions, oldest first, where it is not this reader's any more
    again: tuple["Running", ...] = ()  # later ones of the same person that still run, where this one is over
    heard_at: datetime | None = None  # when the stay was last heard of, by the hospital's time
    asked: bool = False  # this reader was asked because nobody acted, and the question is open
    given: bool = False  # a colleague put it before this reader, or they took it

    @property
    def theirs(self) -> bool:
        return self.owning or self.asked or self.given

    @property
    def open(self) -> bool:
        """Whether it still asks this reader for something."""
        alert, seen = self.alert, self.seen_version
        return asks(alert.action, alert.status, alert.version, acknowledged=self.acknowledged_version, seen=seen)

    @property
    def unanswered(self) -> bool:
        """Whether nobody has acknowledged its newest version."""
        return self.acknowledged_version < self.alert.version


class Told(NamedTuple):
    """Someone else an alert is or was for."""

    case_manager_id: str
    because: str
    owning: bool  # or asked, or given it
    seen_version: int


class StayPage(NamedTuple):
    """Everything about one stay."""

    row: InboxRow
    stay: Stay
    versions: tuple[Alert, ...]  # newest first
    acts: tuple[Act, ...]  # of everybody, as they were written, those taken back among them
    told: tuple[Told, ...]
    earlier: tuple[EarlierStay, ...]  # of the same person, within 12 months before, newest first


class Load(NamedTuple):
    """How many rows ask one person for something."""

    case_manager: CaseManager
    open: int


class Watched(NamedTuple):
    """What stands behind an empty inbox."""

    people: int  # on the panels of the practices asked about
    feeds: int  # hospitals that have ever sent
    received_at: datetime | None  # of the last message of any of them
    quietest_at: datetime | None = None  # of the last message of the one that has been silent longest


class Elsewhere(NamedTuple):
    """What there is of a reader's people."""

    in_hospital: int  # stays that run, whoever has them
    open: int  # stays that ask for something and are not this reader's


class InboxRows:
    """Queries of the page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows_for(
        self, case_manager_id: str, now: datetime, *, people_of: Sequence[str] | None = None, limit: int = MOST_ROWS
    ) -> list[InboxRow]:
        """What is this person's, newest change first: living stays, what changed in the last 60 days, what was taken
        back and they have not looked at, and what went over to others lately without their having looked. `people_of`
        narrows it to the people of these alerts. Over `limit` it is what is open, most urgent and oldest first, that
        stays.
        """
        wanted = _rows(case_manager_id).where(_listed(now)).limit(limit)
        if people_of is not None:
            named = alerts.alias()
            theirs = select(named.c.enrollee_id).where(named.c.alert_id.in_(people_of))
            wanted = wanted.where(alerts.c.enrollee_id.in_(theirs))
        with self._database.reading() as connection:
            rows = _inbox_rows(connection, connection.execute(wanted.order_by(*_OPEN_FIRST)).all())
        shown = [row for row in rows if row.theirs or not _looked_since(row, case_manager_id)]
        return sorted(shown, key=lambda row: -row.position)

    def rows_of(self, case_manager_id: str, among: Among, now: datetime) -> list[InboxRow]:
        """What a person sees of these, whoever has them."""
        wanted = _rows(case_manager_id, anybody_s=True).where(*among.where(now)).order_by(*_OPEN_FIRST)
        with self._database.reading() as connection:
            return _inbox_rows(connection, connection.execute(wanted.limit(among.most)).all())

    def is_cut(self, among: Among, now: datetime) -> bool:
        """Whether there are more of these than `rows_of` reads."""
        with self._database.reading() as connection:
            beyond = select(alerts.c.alert_id).where(*among.where(now)).offset(among.most).limit(1)
            return connection.scalar(beyond) is not None

    def rows_count(self, case_manager_id: str, now: datetime) -> int:
        """How many rows `rows_for` would give without its limit."""
        wanted = select(func.count()).select_from(_rows(case_manager_id).where(_listed(now)).subquery())
        with self._database.reading() as connection:
            return int(connection.scalar(wanted) or 0)

    def may_see(self, case_manager_id: str, alert_id: str) -> bool:
        """Whether the alert is or was this person's."""
        wanted = select(func.count()).where(
            alert_owners.c.case_manager_id == case_manager_id, alert_owners.c.alert_id == alert_id
        )
        with self._database.reading() as connection:
            return bool(connection.scalar(wanted))

    def nearest_of_others(self, case_manager_id: str, alert_id: str) -> str:
        """This alert, if it never was this person's; of one that is not there another in its place, always the same,
        so that a refused look does the same work for both. "" where nothing is another's.
        """
        key = alerts.c.alert_id
        after = select(key).where(key >= alert_id).order_by(key).limit(NEAR).subquery()
        before = select(key).where(key < alert_id).order_by(key.desc()).limit(NEAR).subquery()
        with self._database.reading() as connection:
            here, there = (
                connection.scalar(
                    select(near.c.alert_id)
                    .where(~_ever(case_manager_id, near.c.alert_id))
                    .order_by(near.c.alert_id if near is after else near.c.alert_id.desc())
                    .limit(1)
                )
                for near in (after, before)
            )
        return str(here or there or "")

    def stay_page(self, case_manager_id: str, alert_id: str, *, anybody_s: bool = False) -> StayPage | None:
        """One stay in full as this person sees it; None when the alert is not and was never theirs, unless
        `anybody_s`: then whoever asks has made sure that they may.
        """
        with self._database.reading() as connection:
            rows = _rows(case_manager_id, anybody_s=anybody_s)
            selected = connection.execute(rows.where(alerts.c.alert_id == alert_id)).all()
            if not selected:
                return None
            row = _inbox_rows(connection, selected)[0]
            versions = connection.scalars(
                select(alert_versions.c.document)
                .where(alert_versions.c.alert_id == alert_id)
                .order_by(alert_versions.c.version.desc())
            )
            stay = connection.scalar(select(stays.c.document).where(stays.c.stay_id == row.alert.stay_id))
            if stay is None:
                return None
            people = connection.execute(
                select(
                    alert_owners.c.case_manager_id,
                    alert_owners.c.because,
                    _THEIRS,
                    func.coalesce(seen.c.version, 0),
                )
                .outerjoin(seen, _BY_THEM)
                .where(alert_owners.c.alert_id == alert_id)
                .order_by(alert_owners.c.owning.desc(), alert_owners.c.case_manager_id)
            )
            return StayPage(
                row,
                Stay.read(stay),
                tuple(Alert.read(document) for document in versions),
                acts_of(connection, [alert_id])[alert_id],
                tuple(Told(who, because, bool(owning), version) for who, because, owning, version in people),
                earlier_than(connection, row.alert),
            )

    def loads(self, people: Sequence[CaseManager]) -> list[Load]:
        """Rows that ask each of these people for something, busiest first, also where no discharge was sent."""
        wanted = (
            select(alert_owners.c.case_manager_id, func.count())
            .join(alerts, alerts.c.alert_id == alert_owners.c.alert_id)
            .outerjoin(seen, _BY_THEM)
            .where(alert_owners.c.owning == 1, ASKS)
            .group_by(alert_owners.c.case_manager_id)
        )
        with self._database.reading() as connection:
            counts = {row[0]: row[1] for row in connection.execute(wanted)}
        by_person = [Load(person, counts.get(person.case_manager_id, 0)) for person in people]
        return sorted(
            by_person, key=lambda load: (-load.open, load.case_manager.name, load.case_manager.case_manager_id)
        )

    def elsewhere(self, case_manager_id: str, practice_ids: Collection[str] | None, now: datetime) -> Elsewhere:
        """What there is of the people of these practices (`None`: of everybody), whoever has it."""
        owned = (alert_owners.c.alert_id == alerts.c.alert_id) & (alert_owners.c.case_manager_id == case_manager_id)
        with_others = select(alert_owners.c.alert_id).where(owned, alert_owners.c.owning == 1).exists()
        asking = ASKS_ANYBODY & ~with_others
        recent = alerts.c.decided_us >= to_us(now - timedelta(days=SHOWN_DAYS))
        sums = (func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in (GOES_ON, asking))
        wanted = select(*sums).where(or_(IS_AWAITED, UNANSWERED & recent))
        if practice_ids is not None:
            theirs = select(enrollees.c.enrollee_id).where(enrollees.c.practice_id.in_(sorted(practice_ids)))
            wanted = wanted.where(alerts.c.enrollee_id.in_(theirs))
        with self._database.reading() as connection:
            living, unanswered = connection.execute(wanted).one()
            return Elsewhere(int(living), int(unanswered))

    def watched(self, practice_ids: Collection[str] | None) -> Watched:
        """Who is being watched for a reader who answers for these practices; all enrollees for `None`."""
        people = select(func.count()).select_from(enrollees).where(enrollees.c.gone == 0)
        if practice_ids is not None:
            people = people.where(enrollees.c.practice_id.in_(sorted(practice_ids)))
        newest = select(ledger.c.received_us).order_by(ledger.c.message_id.desc()).limit(1)
        heard = select(func.count(), func.min(feeds.c.received_us)).select_from(feeds)
        with self._database.reading() as connection:
            last = connection.scalar(newest)
            number, quietest = connection.execute(heard).one()
            return Watched(
                int(connection.scalar(people) or 0),
                int(number),
                from_us(last) if last is not None else None,
                from_us(quietest) if quietest is not None else None,
            )


def _ever(case_manager_id: str, alert_id: Any) -> Any:
    """Whether the alert is or was this person's."""
    mine = (alert_owners.c.case_manager_id == case_manager_id) & (alert_owners.c.alert_id == alert_id)
    return select(alert_owners.c.alert_id).where(mine).exists()


def _listed(now: datetime) -> Any:
    recent = alerts.c.decided_us >= to_us(now - timedelta(days=SHOWN_DAYS))
    just_now = alerts.c.decided_us >= to_us(now - timedelta(days=PASSED_ON_DAYS))
    mine = _THEIRS & or_(IS_AWAITED, recent)
    looked = func.coalesce(seen.c.seen_us, 0) >= alerts.c.decided_us
    passed_on = ~_THEIRS & ~TAKEN_BACK & ~looked & just_now
    return or_(mine, TAKEN_BACK & UNSEEN, passed_on)


def _looked_since(row: InboxRow, case_manager_id: str) -> bool:
    """Whether somebody whose row it was has looked at it since it went over to others."""
    if row.alert.action is Action.RETRACT:
        return False
    owned = [any(owner.case_manager_id == case_manager_id for owner in alert.owners) for alert in row.told_before]
    after = row.told_before[len(owned) - owned[::-1].index(True) :] if True in owned else row.told_before
    return row.seen_at is not None and bool(after) and row.seen_at >= after[0].decided_at


def _rows(case_manager_id: str, *, anybody_s: bool = False) -> Any:
    """The rows of a person's alerts; `anybody_s`: of every alert, each as if it were theirs."""
    theirs = (alert_owners.c.alert_id == alerts.c.alert_id) & (alert_owners.c.case_manager_id == case_manager_id)
    owning = literal(1) if anybody_s else alert_owners.c.owning
    return (
        select(
            alerts.c.alert_id,
            alerts.c.enrollee_id,
            alerts.c.position,
            alerts.c.version,
            alerts.c.status,
            alerts.c.acknowledged_version,
            alerts.c.document,
            owning.label("owning"),
            func.coalesce(alert_owners.c.asked, 0).label("asked"),
            func.coalesce(alert_owners.c.given, 0).label("given"),
            func.coalesce(alert_owners.c.because, "").label("because"),
            case((seen.c.version.is_(None), 0), else_=seen.c.version).label("seen_version"),
            seen.c.seen_us,
            stays.c.active_us,
        )
        .select_from(alerts)
        .join(alert_owners, theirs, isouter=anybody_s)
        .outerjoin(stays, stays.c.stay_id == alerts.c.stay_id)
        .outerjoin(
            seen,
            (seen.c.alert_id == alerts.c.alert_id) & (seen.c.case_manager_id == case_manager_id),
        )
    )


def _inbox_rows(connection: Connection, selected: Sequence[Any]) -> list[InboxRow]:
    people: dict[str, EnrolleeRow]
    people, _ = load_enrollees(connection, {row.enrollee_id for row in selected}, None)
    ids = [row.alert_id for row in selected]
    acts = acts_of(connection, ids)
    others = {row.alert_id for row in selected if not (row.owning or row.asked or row.given)}
    behind = {row.alert_id: row.seen_version for row in selected if row.seen_version < row.version and row.version > 1}
    unseen: dict[str, list[Alert]] = {}
    before: dict[str, list[Alert]] = {}
    statement = "SELECT alert_id, version, document FROM alert_versions WHERE alert_id IN :among ORDER BY version"
    for alert_id, version, document in rows_among(connection, statement, list(others | set(behind))):
        if alert_id in others or version > behind[alert_id]:
            alert = Alert.read(document)
            if alert_id in others:
                before.setdefault(alert_id, []).append(alert)
            if version > behind.get(alert_id, version):
                unseen.setdefault(alert_id, []).append(alert)
    again = running_of(connection, {row.enrollee_id for row in selected if row.status == StayStatus.FINISHED})
    rows = []
    for row in selected:
        alert = Alert.read(row.document)
        news = tuple(unseen.get(row.alert_id, (alert,) if row.seen_version < row.version else ()))
        person = people.get(row.enrollee_id)
        rows.append(
            InboxRow(
                alert,
                enrollee_on(person, (), None) if person else None,
                effective(acts[row.alert_id]),
                news,
                row.seen_version,
                row.acknowledged_version,
                row.position,
                bool(row.owning),
                row.because,
                from_us(row.seen_us) if row.seen_us is not None else None,
                tuple(before.get(row.alert_id, ())),
                tuple(other for other in again.get(row.enrollee_id, ()) if _later(other.alert, alert)),
                from_us(row.active_us) if row.active_us is not None else None,
                bool(row.asked),
                bool(row.given),
            )
        )
    return rows


def _later(other: Alert, alert: Alert) -> bool:
    """The other stay was heard of after this one ended, so the person is in the hospital again."""
    ended = alert.ended_at or alert.occurred_at
    return other.alert_id != alert.alert_id and alert.status is StayStatus.FINISHED and other.occurred_at > ended
