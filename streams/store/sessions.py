"""Signed-in sessions of the inbox: a secret in, whose it is out. Only digests of secrets are kept."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, select, true, update

from streams.store.audit import Audited, note
from streams.store.database import Database
from streams.store.tables import from_us, preferences, sessions, to_us

SESSION_HOURS: Final = 12
HANDLE: Final = 12  # characters of a digest that name a session where its secret may not stand


class Way(StrEnum):
    """How somebody signed in."""

    LINK = "link"
    ENROLL = "enroll"  # a link that opens nothing but the page of how one signs in
    PASSKEY = "passkey"
    PASSWORD = "password"  # noqa: S105
    PROVIDER = "provider"
    DEMO = "demo"


_NOTED_BEFORE: Final = frozenset({Way.LINK, Way.ENROLL, Way.DEMO})  # where the link is used


class AtProvider(NamedTuple):
    """The provider's session behind one of ours."""

    issuer: str
    subject: str
    sid: str
    id_token: str


class Session(NamedTuple):
    """A signed-in page. `secret` is the cookie's value and never leaves the process otherwise."""

    secret: str
    case_manager_id: str
    made_at: datetime
    active_at: datetime
    id_token: str = ""  # of a provider's session
    way: str = ""  # `Way`; "" for one of before there were several
    in_24_hours: bool = False  # how its person writes times

    def locked(self, now: datetime, lock_minutes: float) -> bool:
        """Nobody has touched the page for so long."""
        return now - self.active_at >= timedelta(minutes=lock_minutes)

    @property
    def handle(self) -> str:
        """What names the session where its secret may not stand."""
        return _digest(self.secret)[:HANDLE]

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return hashlib.sha256(f"csrf:{self.secret}".encode()).hexdigest()[:40]


class Open(NamedTuple):
    """A session, as its person knows it."""

    handle: str
    way: str  # `Way`; "" for one of before there were several
    device: str
    address: str
    made_at: datetime
    active_at: datetime


class Sessions:
    """Who is signed in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
        self,
        case_manager_id: str,
        now: datetime,
        *,
        way: Way = Way.LINK,
        device: str = "",
        address: str = "",
        at: AtProvider | None = None,
    ) -> Session:
        """A new session of this person."""
        session = Session(secrets.token_urlsafe(32), case_manager_id, now, now, at.id_token if at else "", way)
        with self._database.writing() as connection:
            connection.execute(
                insert(sessions).values(
                    token_hash=_digest(session.secret),
                    case_manager_id=case_manager_id,
                    made_us=to_us(now),
                    active_us=to_us(now),
                    ended_us=0,
                    way=str(way),
                    device=device,
                    address=address,
                    **(at._asdict() if at else {}),
                )
            )
            if way not in _NOTED_BEFORE:
                note(connection, now, case_manager_id, Audited.SIGNED_IN, detail=str(way))
        return session

    def find(self, secret: str, now: datetime) -> Session | None:
        """The session of this cookie, unless it was ended or is too old."""
        if not secret:
            return None
        with self._database.reading() as connection:
            wanted = select(sessions, func.coalesce(preferences.c.in_24_hours, 0).label("in_24_hours"))
            theirs = wanted.outerjoin(preferences, preferences.c.case_manager_id == sessions.c.case_manager_id)
            row = connection.execute(theirs.where(sessions.c.token_hash == _digest(secret))).one_or_none()
        if row is None or row.ended_us or now - from_us(row.made_us) > timedelta(hours=SESSION_HOURS):
            return None
        made, active = from_us(row.made_us), from_us(row.active_us)
        return Session(secret, row.case_manager_id, made, active, row.id_token, row.way, bool(row.in_24_hours))

    def touch(self, session: Session, now: datetime) -> None:
        """The person did something just now."""
        with self._database.writing() as connection:
            connection.execute(
                update(sessions).where(sessions.c.token_hash == _digest(session.secret)).values(active_us=to_us(now))
            )

    def end(self, session: Session, now: datetime) -> None:
        """Signed out: the cookie is worth nothing from now on."""
        with self._database.writing() as connection:
            if end_where(connection, sessions.c.token_hash == _digest(session.secret), now):
                note(connection, now, session.case_manager_id, Audited.SIGNED_OUT)

    def of(self, case_manager_id: str, now: datetime) -> list[Open]:
        """Where this person is signed in, the last used first."""
        young = to_us(now - timedelta(hours=SESSION_HOURS))
        wanted = select(sessions).where(
            sessions.c.case_manager_id == case_manager_id, sessions.c.ended_us == 0, sessions.c.made_us > young
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(sessions.c.active_us.desc())).all()
        return [
            Open(
                row.token_hash[:HANDLE], row.way, row.device, row.address, from_us(row.made_us), from_us(row.active_us)
            )
            for row in rows
        ]

    def end_some(
        self,
        case_manager_id: str,
        now: datetime,
        *,
        handle: str = "",
        but: str = "",
        by: str = "by themselves, from another page",
    ) -> int:
        """Ends the session of that handle, or all of this person but one; says how many."""
        mine = sessions.c.case_manager_id == case_manager_id
        named = sessions.c.token_hash.startswith(handle, autoescape=True)
        others = ~sessions.c.token_hash.startswith(but, autoescape=True) if but else true()
        with self._database.writing() as connection:
            ended = end_where(connection, mine & (named if handle else others), now)
            for _ in ended:
                note(connection, now, case_manager_id, Audited.ENDED, detail=by)
        return len(ended)

    def end_at(self, issuer: str, sid: str, subject: str, now: datetime) -> int:
        """The provider has ended its session `sid`, or where it names none, all of `subject`; says how many end. Of one
        of ours it may have named none when it began: that ends with any of its subject's."""
        whose = sessions.c.sid == sid if sid else sessions.c.subject == subject
        if sid and subject:
            whose = (sessions.c.subject == subject) & sessions.c.sid.in_(("", sid))
        theirs = (sessions.c.issuer == issuer) & whose
        with self._database.reading() as connection:  # anybody may name one that is not there: that writes nothing
            if connection.scalar(select(sessions.c.token_hash).where(theirs).limit(1)) is None:
                return 0
        with self._database.writing() as connection:
            ended = end_where(connection, theirs, now)
            for case_manager_id in ended:
                note(connection, now, case_manager_id, Audited.ENDED, detail="by the provider")
        return len(ended)


def end_where(connection: Connection, which: ColumnElement[bool], now: datetime) -> list[str]:
    """Ends these sessions within a transaction; gives whose they were."""
    done = connection.execute(
        update(sessions)
        .where(which, sessions.c.ended_us == 0)
        .values(ended_us=to_us(now), issuer="", subject="", sid="", id_token="")
        .returning(sessions.c.case_manager_id)
    )
    return [row.case_manager_id for row in done]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
