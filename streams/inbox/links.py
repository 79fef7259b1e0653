"""A one-time link in, a signed-in session of a named case manager out; both live in the store, so a restart keeps them.

Only digests of links and sessions are stored. A session ends by signing out, after `SESSION_HOURS`, and locks when its
person has touched nothing for the set number of minutes.
"""

import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import insert, select, update

from parsers.people import Role
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.inbox_rows import Load
from streams.store.tables import from_us, sessions, to_us

LINK_MINUTES: Final = 15
SESSION_HOURS: Final = 12
TOUCH_SECONDS: Final = 30


class NoInbox(Problem):
    """There is no running inbox or nobody to sign in as; the text says what to do."""


class Session(NamedTuple):
    """A signed-in page. `secret` is the cookie's value and never leaves the process otherwise."""

    secret: str
    case_manager_id: str
    made_at: datetime
    active_at: datetime

    def locked(self, now: datetime, lock_minutes: float) -> bool:
        """Nobody has touched the page for so long."""
        return now - self.active_at >= timedelta(minutes=lock_minutes)

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return hashlib.sha256(f"csrf:{self.secret}".encode()).hexdigest()[:40]


def make_link(settings: Settings, case_manager_id: str | None = None, *, store: Store | None = None) -> str:
    """URL that signs in once, within 15 minutes, as `case_manager_id`, else as the person with most open alerts.

    Raises `NoInbox` when no inbox has written its address or there is no such person.
    """
    url = inbox_url(settings)
    opened = store or Store.open(settings.store_url)
    try:
        chosen = case_manager_id or busiest(opened)
        if opened.directory().person(chosen) is None:
            raise NoInbox("no such case manager in the directory: `handoff directory load` adds people")
        token = opened.make_sign_in_link(chosen, datetime.now(UTC) + timedelta(minutes=LINK_MINUTES))
    finally:
        if store is None:
            opened.close()
    return f"{url}/sign-in?t={token}"


def busiest(store: Store) -> str:
    """The case manager with most open alerts; the central office when the directory is empty."""
    loads = store.loads([*store.case_managers(), BUILT_IN_CENTRAL_OFFICE])
    return loads[0].case_manager.case_manager_id if loads[0].open or not loads[1:] else _first_nurse(loads)


def _first_nurse(loads: list[Load]) -> str:
    nurses = [load for load in loads if load.case_manager.role is Role.NURSE]
    return (nurses or loads)[0].case_manager.case_manager_id


def inbox_url(settings: Settings) -> str:
    """Address of the running inbox. Raises `NoInbox`."""
    try:
        return str(json.loads((settings.data_dir / "inbox.json").read_text())["url"])
    except (OSError, ValueError, KeyError):
        raise NoInbox("no inbox is running on this data folder: start `handoff up` or `handoff inbox`") from None


def open_session(store: Store, case_manager_id: str, now: datetime) -> Session:
    """A new session of this person."""
    session = Session(secrets.token_urlsafe(32), case_manager_id, now, now)
    with store.writing() as connection:
        connection.execute(
            insert(sessions).values(
                token_hash=_digest(session.secret),
                case_manager_id=case_manager_id,
                made_us=to_us(now),
                active_us=to_us(now),
                ended_us=0,
            )
        )
    return session


def find_session(store: Store, secret: str, now: datetime) -> Session | None:
    """The session of this cookie, unless it was ended or is too old."""
    if not secret:
        return None
    with store.reading() as connection:
        row = connection.execute(select(sessions).where(sessions.c.token_hash == _digest(secret))).one_or_none()
    if row is None or row.ended_us or now - from_us(row.made_us) > timedelta(hours=SESSION_HOURS):
        return None
    return Session(secret, row.case_manager_id, from_us(row.made_us), from_us(row.active_us))


def touch_session(store: Store, session: Session, now: datetime) -> None:
    """The person did something just now."""
    with store.writing() as connection:
        connection.execute(
            update(sessions).where(sessions.c.token_hash == _digest(session.secret)).values(active_us=to_us(now))
        )


def end_session(store: Store, session: Session, now: datetime) -> None:
    """Signed out: the cookie is worth nothing from now on."""
    with store.writing() as connection:
        connection.execute(
            update(sessions).where(sessions.c.token_hash == _digest(session.secret)).values(ended_us=to_us(now))
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
