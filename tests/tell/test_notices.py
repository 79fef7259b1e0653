"""What is told by mail beside alerts: to whom, once, again after a failed try, and without a patient."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from parsers.people import CaseManager, Role
from rules.following.glass import GlassReason
from rules.policy.policy import default_policy
from rules.telling.attempts import Failure
from rules.telling.confidentiality import default_confidentiality
from rules.telling.destinations import Destination, FormKind, State, Whose
from rules.telling.directory import Directory
from streams.commands.doctor import unsent_notices
from streams.store import Store
from streams.store.credentials import Password
from streams.store.notices import NOTICE_DAYS
from streams.tell.in_thread import InThread
from streams.tell.notices import Notices
from streams.tell.resting import Resting
from streams.tell.seen import Known
from streams.tell.way import Delivered, NotDelivered, Parcel
from tests.rigs.telling import NOW, SECRET, destination

PEOPLE = [
    CaseManager(case_manager_id="far", name="F. Far, RN", role=Role.NURSE, network_id="N9", email="far@x.example"),
    CaseManager(case_manager_id="chief", name="C. Chief", role=Role.MANAGER, network_id="N1", email="chief@x.example"),
    CaseManager(case_manager_id="other", name="O. Other", role=Role.MANAGER, network_id="N9", email="other@x.example"),
    CaseManager(case_manager_id="office", name="Office", role=Role.CENTRAL_OFFICE, email="office@x.example"),
]


class Relay:
    """Answers what it is told to, and keeps what it was given."""

    def __init__(self, *answers: Delivered | NotDelivered) -> None:
        self.answers = list(answers)
        self.mails: list[tuple[Parcel, str]] = []

    async def send(self, parcel: Parcel, address: str) -> Delivered | NotDelivered:
        self.mails.append((parcel, address))
        return self.answers.pop(0) if self.answers else Delivered("250")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'handoff.sqlite3'}", migrate=True)


def look(store: Store, relay: Any, now: datetime = NOW, people: list[CaseManager] = PEOPLE) -> None:
    """As the one process that tells."""
    known = Known(Directory([], [], people, [], []), default_confidentiality(), default_policy())
    zone = ZoneInfo("America/New_York")
    notices = Notices(store, lambda: known, relay, "https://in.example", zone, InThread(None))
    notices._me = "the one"
    asyncio.run(notices.look(now))


def break_glass(store: Store, network: str = "N1", who: str = "far") -> None:
    store.glass.break_for(who, "E77", network, GlassReason.CALLED, "Rosa Whitfield fell at home", NOW)


def test_the_networks_manager_hears_of_an_emergency_once_without_the_patient(store: Store) -> None:
    relay = Relay()
    break_glass(store)
    for _ in range(2):
        look(store, relay)
    ((parcel, address),) = relay.mails
    assert address == "chief@x.example"
    assert parcel.subject == "Warm Handoff: a patient was opened in an emergency"
    assert parcel.body.decode() == (
        "F. Far, RN opened a patient of your network in an emergency, Sun Nov 22, 7:00 AM; "
        "it can be read until 8:00 AM.\n\n"
        "Please look at it, on your board: https://in.example\n\nThis mail holds no patient's data.\n"
    )


def test_nobody_is_told_about_themselves_and_the_office_stands_in(store: Store) -> None:
    relay = Relay()
    break_glass(store, who="chief")
    break_glass(store, network="N5")
    look(store, relay)
    assert [address for _, address in relay.mails] == ["office@x.example"] * 2


def test_a_try_that_fails_comes_again_under_its_id(store: Store) -> None:
    relay = Relay(NotDelivered(Failure.TIMED_OUT), Delivered("250"))
    break_glass(store)
    look(store, relay)
    look(store, relay)
    assert len(relay.mails) == 1
    look(store, relay, NOW + timedelta(minutes=1))
    assert relay.mails[0][0].delivery_id == relay.mails[1][0].delivery_id
    assert store.notices.due(NOW + timedelta(days=1)) == []


def test_what_nobody_can_be_told_ends_and_what_is_refused_is_given_up(store: Store) -> None:
    relay = Relay(NotDelivered(Failure.NEVER))
    break_glass(store)
    look(store, relay, people=PEOPLE[:1])
    break_glass(store)
    look(store, relay)
    assert len(relay.mails) == 1
    assert store.notices.due(NOW + timedelta(days=1)) == []


def test_the_owner_of_a_recovery_code_hears_that_it_was_used_and_how_many_are_left(store: Store) -> None:
    relay = Relay()
    store.credentials.set_password("far", Password("hash", b"factor", 0), ("a", "b", "c"), SECRET, NOW)
    assert store.credentials.use_code("far", "a", NOW)
    assert not store.credentials.use_code("far", "a", NOW)
    look(store, relay)
    ((parcel, address),) = relay.mails
    assert address == "far@x.example"
    assert b"Sun Nov 22, 7:00 AM; 2 codes are left." in parcel.body


def test_mail_goes_where_alerts_go_and_never_to_an_address_that_is_paused(store: Store) -> None:
    mine = destination("m1", FormKind.NUDGE, Whose.PERSON, owner_id="far", address="far@pager.example")
    dead = destination("m2", FormKind.NUDGE, Whose.PERSON, owner_id="chief", address="chief@x.example")
    for row in (mine, dead.model_copy(update={"state": State.PAUSED})):
        store.destinations.put(row, NOW)
    relay = Relay()
    store.credentials.set_password("far", Password("hash", b"factor", 0), ("a",), SECRET, NOW)
    store.credentials.use_code("far", "a", NOW)
    break_glass(store)
    look(store, relay)
    assert sorted(address for _, address in relay.mails) == ["far@pager.example", "office@x.example"]


def test_whose_mail_comes_back_the_manager_hears_of_it_once(store: Store) -> None:
    mail = destination("m1", FormKind.NUDGE, Whose.PERSON, owner_id="far", address="far@pager.example")
    store.destinations.put(mail, NOW)
    relay = Relay()
    for _ in range(2):
        pause(store, mail, Failure.GONE)
        look(store, relay)
    ((parcel, address),) = relay.mails
    assert (address, parcel.subject) == ("other@x.example", "Warm Handoff: mail to a colleague comes back")
    assert b"F. Far, RN" in parcel.body


def test_of_a_destination_that_fails_those_hear_who_may_start_it_again(store: Store) -> None:
    hook = destination("oak").model_copy(update={"name": "Oak Street EHR"})
    store.destinations.put(hook, NOW)
    relay = Relay(NotDelivered(Failure.NO_CONNECTION))
    admin = CaseManager(case_manager_id="admin", name="A. Admin", role=Role.ADMIN, email="admin@x.example")
    pause(store, hook, Failure.NOT_ALLOWED)
    for after in (0, 60):
        look(store, relay, NOW + timedelta(seconds=after), [*PEOPLE, admin])
    assert [address for _, address in relay.mails] == ["office@x.example", "office@x.example", "admin@x.example"]
    assert relay.mails[-1][0].body.decode() == (
        "Oak Street EHR is told nothing any more, because nothing arrives: it does not let us in. "
        "What is due there is kept.\n\n"
        "Please look at it under Destinations, and start it again: https://in.example\n\n"
        "This mail holds no patient's data.\n"
    )


def test_what_was_started_again_before_the_mail_went_is_not_told(store: Store) -> None:
    hook = destination("oak")
    store.destinations.put(hook, NOW)
    pause(store, hook, Failure.NOT_ALLOWED)
    store.destinations.move("oak", State.ACTIVE, NOW)
    relay = Relay()
    look(store, relay)
    assert (relay.mails, store.notices.waiting()) == ([], (0, None))


def pause(store: Store, which: Destination, failure: Failure) -> None:
    asyncio.run(Resting(store, InThread(None)).pause(which, failure, NOW))


def test_notices_are_forgotten_after_a_week(store: Store) -> None:
    break_glass(store)
    store.notices.prune(NOW + timedelta(days=NOTICE_DAYS - 1))
    assert len(store.notices.due(NOW)) == 1
    store.notices.prune(NOW + timedelta(days=NOTICE_DAYS + 1))
    assert store.notices.due(NOW) == []


def test_doctor_says_what_nobody_was_told_of_in_an_hour(store: Store) -> None:
    break_glass(store)
    assert list(unsent_notices(store, NOW + timedelta(minutes=59))) == []
    (finding,) = unsent_notices(store, NOW + timedelta(minutes=61))
    assert (finding.part, finding.what) == (
        "mail",
        "1 notice of emergencies, recovery codes or paused destinations not sent",
    )
    look(store, Relay())
    assert list(unsent_notices(store, NOW + timedelta(hours=2))) == []
