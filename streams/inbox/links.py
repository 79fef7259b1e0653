"""A one-time link in, a signed-in session of a named case manager out; both live in the store, so a restart keeps them.

Only digests of links and sessions are stored. A session ends by signing out, after `SESSION_HOURS`, and locks when its
person has touched nothing for the set number of minutes.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

from parsers.people import Role
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.run.problems import Problem
from streams.run.processes import PLACES
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store import Store
from streams.store.inbox_rows import Load
from streams.store.opening import open_store

LINK_MINUTES: Final = 15
TOUCH_SECONDS: Final = 30


class NoInbox(Problem):
    """There is no running inbox or nobody to sign in as; the text says what to do."""


def make_link(settings: Settings, case_manager_id: str | None = None, *, store: Store | None = None) -> str:
    """URL that signs in once, within 15 minutes, as `case_manager_id`, else as the person with most open alerts.

    Raises `NoInbox` when nothing says where the inbox is reached or there is no such person.
    """
    url = _reached_by(settings)
    opened = store or Store.open(settings.store_url)
    try:
        chosen = case_manager_id or busiest(opened)
        if opened.directory.read().person(chosen) is None:
            raise NoInbox("no such case manager in the directory: `handoff directory load` adds people")
        now = datetime.now(UTC)
        token = opened.sign_in.make_link(chosen, now + timedelta(minutes=LINK_MINUTES), by=who_commands(), now=now)
    finally:
        if store is None:
            opened.close()
    return f"{url}/sign-in?t={token}"


def make_enrollment(settings: Settings, case_manager_id: str) -> str:
    """URL by which this person sets up how they sign in, once, within days. Raises `NoInbox` as above."""
    url = _reached_by(settings)
    with open_store(settings) as store:
        if store.directory.read().person(case_manager_id) is None:
            raise NoInbox("no such case manager in the directory: name one by id")
        token = store.sign_in.make_enrollment(case_manager_id, who_commands(), datetime.now(UTC))
    return f"{url}/sign-in/enroll?t={token}"


def part_from_account(settings: Settings, case_manager_id: str) -> str:
    """Forgets how this person signs in, the provider's account or what is set up here, and ends their sessions; what
    they do next, in words."""
    now = datetime.now(UTC)
    with open_store(settings) as store:
        if store.directory.read().person(case_manager_id) is None:
            raise NoInbox("no such case manager in the directory: name one by id")
        gone = store.identities.forget(case_manager_id, now)
        own = store.credentials.forget(case_manager_id, now, by=who_commands())
        store.sessions.end_some(case_manager_id, now, by="by the person who runs this inbox")
    if own:
        return (
            "parted: passkeys, password and recovery codes are gone; `handoff sign-in PERSON --enroll` sets up others"
        )
    return "parted: the next account whose claim names this row becomes theirs" if gone else "no account was bound"


def busiest(store: Store) -> str:
    """The case manager with most open alerts; the central office when the directory is empty."""
    loads = store.inbox.loads([*store.directory.case_managers(), BUILT_IN_CENTRAL_OFFICE])
    return loads[0].case_manager.case_manager_id if loads[0].open or not loads[1:] else _first_nurse(loads)


def _first_nurse(loads: list[Load]) -> str:
    nurses = [load for load in loads if load.case_manager.role is Role.NURSE]
    return (nurses or loads)[0].case_manager.case_manager_id


def _reached_by(settings: Settings) -> str:
    """The address that people reach the inbox by: the front page, for behind a proxy nobody gets in otherwise; else
    that of the inbox that runs here. Raises `NoInbox`."""
    return settings.front_page.rstrip("/") or inbox_url(settings)


def inbox_url(settings: Settings) -> str:
    """Address of the running inbox. Raises `NoInbox`."""
    try:
        return str(json.loads((settings.data_dir / PLACES["inbox"]).read_text())["url"])
    except (OSError, ValueError, KeyError):
        raise NoInbox("no inbox is running on this data folder: start `handoff up` or `handoff inbox`") from None
