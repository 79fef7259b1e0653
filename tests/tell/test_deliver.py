"""What is due arrives: in order for each alert, at least once, never where it may not; and the sums hold."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from parsers.people import Absence
from rules.decisions import AlertKind
from rules.policy.policy import default_policy
from rules.telling.attempts import Failure, GiveUp
from rules.telling.confidentiality import DEFAULT
from rules.telling.destinations import FormKind, State, Wants, WayKind, Whose
from rules.telling.directory import Directory
from streams.store import Store, Unavailable
from streams.store.delivery import DeliveryState, delivery_id, mail_id
from streams.store.notices import NoticeKind
from streams.tell import deliver, turns
from streams.tell.contacts import Contacts
from streams.tell.deliver import Teller
from streams.tell.forms.fhir import Sender
from streams.tell.forms.mail import Waiting
from streams.tell.parcels import forms
from streams.tell.seen import Known
from streams.tell.slots import opens_in, span_of
from streams.tell.way import Delivered, NotDelivered, Parcel
from streams.tell.ways.folder import Folder
from tests.rigs.store import line, message_id, record
from tests.rigs.telling import (
    DIRECTORY,
    NONE_KEPT,
    NOW,
    SECRET,
    decide_for,
    destination,
    minutes,
    retracting,
    take_back,
)

NOTHING = Waiting()
FRONT_PAGE = "https://handoff.example"
SENDER = Sender("Warm Handoff", "", "https://handoff.example")


@pytest.fixture
def store(tmp_path: Path):
    opened = Store.open(f"sqlite:///{tmp_path / 'data' / 'handoff.sqlite3'}", migrate=True)
    opened.panel.load([line(f"E{n}", mrns=f"MISSION:M{n}") for n in range(30)], full=True, now=NOW)
    yield opened
    opened.close()


class Scripted:
    """A way that says what it is told to, and Delivered once it has nothing more to say."""

    at_once = 4

    def __init__(self, *said: NotDelivered) -> None:
        self.said = list(said)
        self.sent: list[tuple[str, Parcel]] = []

    async def deliver(self, parcel, to, secrets):
        self.sent.append((to.destination_id, parcel))
        return self.said.pop(0) if self.said else Delivered("ok")

    async def close(self) -> None: ...


class Slow(Scripted):
    """Takes its time, in which something happens."""

    def __init__(self, lasts: timedelta, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.lasts = lasts
        self.meanwhile = meanwhile
        self.rig: Rig

    async def deliver(self, parcel, to, secrets):
        self.rig.now += self.lasts
        self.meanwhile()
        return await super().deliver(parcel, to, secrets)


class Rig:
    """A teller whose clock the test moves."""

    def __init__(self, store: Store, way, waiting: Waiting = NOTHING, directory: Directory = DIRECTORY) -> None:
        self.store = store
        self.directory = directory
        self.now = NOW
        self.way = way
        self.waiting = waiting
        self.executor = ThreadPoolExecutor(2)

    def _teller(self) -> Teller:
        way = self.way
        return Teller(
            self.store,
            forms(
                SENDER,
                lambda _: self.waiting,
                FRONT_PAGE,
                default_policy().tz,
                partial(mail_id, SECRET),
                NONE_KEPT,
                Contacts(self.store, lambda: DIRECTORY, lambda: self.now).of,
            ),
            dict.fromkeys(WayKind, way),
            lambda: Known(self.directory, DEFAULT, default_policy()),
            SECRET,
            "rig",
            executor=self.executor,
            now=lambda: self.now,
            chance=lambda: 0.5,
        )

    def turn(self, after: timedelta = timedelta()) -> None:
        """Everything that is due after so long."""
        self.now += after
        asyncio.run(self._turn())

    def turns_beside_one_another(self) -> None:
        """The same, no turn waiting for another to end."""
        asyncio.run(self._turn(apart=False))

    async def one_claim(self) -> None:
        """One claim and what becomes of it."""
        teller = self._teller()
        settling = asyncio.create_task(teller.settler.run())
        assert await teller.once()
        await teller.settled()
        settling.cancel()

    def empty_files(self) -> None:
        """What a teller does from time to time beside."""
        asyncio.run(self._teller()._empty_files.write())

    async def _turn(self, apart: bool = True) -> None:
        teller = self._teller()
        settling = asyncio.create_task(teller.settler.run())
        while await teller.once():
            if apart:
                await teller.settled()
        await teller.settled()
        settling.cancel()


def rows(store: Store, name: str = "d1"):
    return sorted(store.deliveries.of(destination_id=name), key=lambda row: (row.alert_id, row.version))


def test_versions_arrive_in_order_under_their_ids(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1), record(2), record(3, "E2", visit="V2"))
    way = Scripted()
    Rig(store, way).turn()
    sent = [
        (json.loads(parcel.body)["data"]["alert_id"], json.loads(parcel.body)["data"]["version"])
        for _, parcel in way.sent
    ]
    assert [pair for pair in sent if pair[0] == message_id(1)] == [(message_id(1), 1), (message_id(1), 2)]
    assert {parcel.delivery_id for _, parcel in way.sent} == {delivery_id(*pair, "d1") for pair in sent}
    assert {(row.state, row.tier, row.tries) for row in rows(store)} == {(DeliveryState.DELIVERED, "full", 1)}


def test_a_failure_is_tried_again_and_the_destination_rests_meanwhile(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1), record(3, "E2", visit="V2"))
    way = Scripted(NotDelivered(Failure.SERVER_ERROR, "500"))
    rig = Rig(store, way)
    rig.turn()
    assert sorted(row.failure for row in rows(store)) == ["", "server_error"]
    before = len(way.sent)
    rig.turn(timedelta(seconds=4))
    assert len(way.sent) == before
    rig.turn(timedelta(seconds=30))
    assert {row.state for row in rows(store)} == {DeliveryState.DELIVERED}
    row = store.destinations.find("d1")
    assert row and row.failures == 0


def test_what_the_receiver_refuses_is_given_up_after_few_tries_and_others_go_on(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))
    rig = Rig(store, Scripted(*[NotDelivered(Failure.REFUSED, "400")] * 3))
    for after in (0, 10, 600):
        rig.turn(timedelta(seconds=after))
    (row,) = rows(store)
    assert (row.state, row.failure, row.status, row.tries) == (DeliveryState.GIVEN_UP, "refused", "400", 3)
    decide_for(store, [hook], record(2))
    rig.turn(minutes(1))
    assert rows(store)[1].state is DeliveryState.DELIVERED


def test_days_of_silence_pause_a_destination_and_one_bad_night_does_not(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], *(record(n, f"E{n}", visit=f"V{n}") for n in range(1, 9)))
    rig = Rig(store, Scripted(*[NotDelivered(Failure.NO_CONNECTION)] * 400))
    for _ in range(14):
        rig.turn(timedelta(hours=1))
    row = store.destinations.find("d1")
    assert row and row.destination.state is State.ACTIVE
    for _ in range(12):
        rig.turn(timedelta(hours=12))
    row = store.destinations.find("d1")
    assert row and (row.destination.state, row.why) == (State.PAUSED, "no_connection")
    assert store.deliveries.sums()["d1"].balanced


def test_who_refuses_everything_for_days_is_paused_like_others_and_rests_meanwhile_never(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    rig = Rig(store, Scripted(*[NotDelivered(Failure.REFUSED, "404")] * 60))
    for day in range(6):
        decide_for(store, [hook], record(10 + day, f"E{day}", visit=f"V{day}"), now=rig.now)
        for after in (0, 10, 600):
            rig.turn(timedelta(seconds=after))
        row = store.destinations.find("d1")
        assert row and row.destination.state is (State.PAUSED if day == 5 else State.ACTIVE)
        assert row.failures == (16 if day == 5 else 3 * (day + 1))
        rig.now += timedelta(days=1)


def test_who_was_away_has_all_that_waited_as_soon_as_it_is_back(store: Store) -> None:
    """Not each when its own turn comes, up to a day later."""
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], *(record(n, f"E{n}", visit=f"V{n}") for n in range(1, 5)))
    way = Scripted(*[NotDelivered(Failure.NO_CONNECTION)] * 60)
    rig = Rig(store, way)
    while rig.now < NOW + timedelta(hours=9):
        rig.turn(minutes(15))
    assert store.deliveries.sums()["d1"].waiting == 4
    way.said.clear()
    with capture_logs() as logs:
        decide_for(store, [hook], record(9, "E9", visit="V9"), now=rig.now)
        rig.turn(minutes(15))
    assert store.deliveries.sums()["d1"].delivered == 5
    assert [log["event"] for log in logs] == ["destination_recovered"]


def test_what_fails_by_itself_beside_others_that_arrive_keeps_its_schedule(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))

    class Choosy(Scripted):
        async def deliver(self, parcel, to, secrets):
            said = await super().deliver(parcel, to, secrets)
            bad = json.loads(parcel.body)["data"]["alert_id"] == message_id(1)
            return NotDelivered(Failure.SERVER_ERROR, "500") if bad else said

    rig = Rig(store, Choosy())
    for number in range(2, 20):
        decide_for(store, [hook], record(number, f"E{number}", visit=f"V{number}"), now=rig.now)
        rig.turn(minutes(1))
    assert rows(store)[0].tries == 3, "after 5 s and after 5 min; the next is half an hour later"


def test_who_is_told_again_begins_anew(store: Store) -> None:
    """One more failure after somebody resumed it is not five days of them."""
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))
    for day in (0, 1, 5):
        row = store.destinations.failed("d1", Failure.NO_CONNECTION, NOW + timedelta(days=day), None)
    assert row and row.failures == 3
    store.destinations.put(hook, NOW + timedelta(days=5))
    rig = Rig(store, Scripted(NotDelivered(Failure.NO_CONNECTION)))
    rig.turn(timedelta(days=5))
    row = store.destinations.find("d1")
    assert row and (row.failures, row.destination.state) == (1, State.ACTIVE)


def test_a_receiver_that_asks_us_to_wait_is_left_alone_for_so_long(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1), record(3, "E2", visit="V2"))
    way = Scripted(NotDelivered(Failure.SLOW_DOWN, "429", minutes(20)))
    rig = Rig(store, way)
    for after in (0, 1, 18):
        rig.turn(minutes(after))
        assert len(way.sent) == 1, "neither that one nor another"
    rig.turn(minutes(2))
    assert {row.state for row in rows(store)} == {DeliveryState.DELIVERED}


def test_who_was_stopped_for_longer_than_it_may_hold_sends_nothing_more(store: Store, monkeypatch) -> None:
    """Another may have delivered it by then, and the versions after it."""
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], *(record(n, f"E{n}", visit=f"V{n}") for n in range(1, 9)))
    way = Slow(minutes(2))
    monkeypatch.setattr(deliver, "TURN", minutes(5))
    way.rig = rig = Rig(store, way)
    asyncio.run(rig.one_claim())
    assert len(way.sent) == 1
    assert store.deliveries.sums()["d1"].waiting == 7


def test_what_was_paused_or_removed_hears_no_more_however_slow_it_is(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], *(record(n, f"E{n}", visit=f"V{n}") for n in range(1, 9)))
    way = Slow(timedelta(seconds=6), lambda: store.destinations.move("d1", State.PAUSED, NOW))
    way.rig = rig = Rig(store, way)
    rig.turn()
    assert len(way.sent) == 1
    assert store.deliveries.sums()["d1"].waiting == 7


def test_a_time_out_on_the_first_version_does_not_keep_the_retraction_away(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))
    way = Scripted(NotDelivered(Failure.TIMED_OUT))
    rig = Rig(store, way)
    rig.turn()
    (about,) = store.disclosures.of("E1")
    assert (about.tier, about.arrived) == ("full", False), "it may have left, and how much of it is known"
    decide_for(store, [hook], take_back(2), rule=retracting)
    rig.turn(minutes(1))
    assert [json.loads(parcel.body)["type"] for _, parcel in way.sent] == [
        "stay.started",
        "stay.started",
        "stay.retracted",
    ]


OUTCOMES = {
    **dict.fromkeys((Failure.TIMED_OUT, Failure.CONNECTION_LOST, Failure.BAD_ANSWER, Failure.CRASHED), True),
    **dict.fromkeys((Failure.NO_CONNECTION, Failure.TLS, Failure.SERVER_ERROR, Failure.NEVER, Failure.REFUSED), False),
}


@pytest.mark.parametrize(("failure", "may_have_arrived"), OUTCOMES.items())
def test_a_retraction_follows_wherever_a_version_may_have_arrived_and_nowhere_else(
    store: Store, failure: Failure, may_have_arrived: bool
) -> None:
    """Also after it was given up, and though the destination wants nothing of the kind any more."""
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))
    way = Scripted(*[NotDelivered(failure)] * 20)
    rig = Rig(store, way)
    for _ in range(20):
        rig.turn(timedelta(hours=25))
        store.destinations.put(hook, rig.now)  # as somebody who resumes what was paused
    assert rows(store)[0].state is DeliveryState.GIVEN_UP
    way.said.clear()
    way.sent.clear()
    wants_deaths = hook.model_copy(update={"wants": Wants(kinds=(AlertKind.DEATH,))})
    store.destinations.put(wants_deaths, rig.now)
    decide_for(store, [wants_deaths], take_back(2), rule=retracting)
    rig.turn(timedelta(hours=1))
    assert [json.loads(parcel.body)["type"] for _, parcel in way.sent] == ["stay.retracted"] * may_have_arrived


def test_what_a_killed_process_had_in_hand_may_have_arrived(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))
    assert len(store.deliveries.claim("killed", NOW, minutes(1), ["d1"], each=5)) == 1
    way = Scripted(*[NotDelivered(Failure.REFUSED, "404")] * 3)
    rig = Rig(store, way)
    for after in (2, 10, 600):
        rig.turn(minutes(after))
    (row,) = rows(store)
    assert (row.state, row.maybe) == (DeliveryState.GIVEN_UP, True)
    decide_for(store, [hook], take_back(2), rule=retracting)
    rig.turn(minutes(1))
    assert [json.loads(parcel.body)["type"] for _, parcel in way.sent][3:] == ["stay.retracted"]


def test_a_document_and_a_visit_begin_with_the_first_version_that_their_recipient_is_told(store: Store) -> None:
    """Also where that is not the first of the stay, and where the stay was taken back and is told again."""
    ehrs = [
        destination(form, form, address="127.0.0.1:1", allow_private=True)
        for form in (FormKind.HL7_MDM, FormKind.HL7_ADT)
    ]
    decide_for(store, [], record(1))  # before there was any of them
    for ehr in ehrs:
        store.destinations.put(ehr, NOW)
    way = Scripted()
    rig = Rig(store, way)
    for number in (2, 3):
        decide_for(store, ehrs, record(number))
        rig.turn()
    decide_for(store, ehrs, take_back(4), rule=retracting)
    rig.turn()
    for number in (5, 6):
        decide_for(store, ehrs, record(number))
        rig.turn()
    sent = {
        ehr.form: [parcel.body.decode().split("\r") for where, parcel in way.sent if where == ehr.destination_id]
        for ehr in ehrs
    }
    kinds = {form: [lines[0].split("|")[8].split("^")[1] for lines in messages] for form, messages in sent.items()}
    assert kinds[FormKind.HL7_ADT][:3] == ["A01", "A08", "A11"]
    numbers = [lines[4].split("|")[12:14] for lines in sent[FormKind.HL7_MDM]]
    documents = [(kind, *number) for kind, number in zip(kinds[FormKind.HL7_MDM], numbers, strict=True)]
    stay = message_id(1)
    assert documents == [
        ("T02", f"{stay}.2^WARMHANDOFF", ""),
        ("T10", f"{stay}.3^WARMHANDOFF", f"{stay}.2^WARMHANDOFF"),
        ("T11", f"{stay}.4^WARMHANDOFF", f"{stay}.2^WARMHANDOFF"),
        ("T02", f"{stay}.5^WARMHANDOFF", ""),
        ("T10", f"{stay}.6^WARMHANDOFF", f"{stay}.5^WARMHANDOFF"),
    ]


def test_a_retraction_to_whom_the_person_is_nothing_any_more_holds_ids_only(store: Store) -> None:
    hook, fhir = destination(), destination("f1", FormKind.DA_VINCI)
    for recipient in (hook, fhir):
        store.destinations.put(recipient, NOW)
    decide_for(store, [hook, fhir], record(1))
    way = Scripted()
    rig = Rig(store, way)
    rig.turn()
    moved = line("E1", mrns="MISSION:M1", practice_id="P2", last_name="WHITFIELD")
    store.panel.load([moved], full=False, now=NOW + minutes(1))
    decide_for(store, [hook, fhir], take_back(2, at=NOW + timedelta(days=2)), rule=retracting)
    way.sent.clear()
    rig.turn(timedelta(days=3))
    assert {name for name, _ in way.sent} == {"d1", "f1"}
    for _, parcel in way.sent:
        assert message_id(1).encode() in parcel.body
        assert not any(word in parcel.body for word in (b"WHITFIELD", b"ROSA", b"1955", b"E1", b"MISSION"))


def test_what_a_form_cannot_tell_without_a_patient_is_given_up_by_name(store: Store) -> None:
    fhir = destination("f1", FormKind.DA_VINCI, tier="withheld")
    store.destinations.put(fhir, NOW)
    decide_for(store, [fhir], record(1))
    way = Scripted()
    Rig(store, way).turn()
    (row,) = rows(store, "f1")
    assert (row.state, row.failure, way.sent) == (DeliveryState.GIVEN_UP, GiveUp.WITHHELD, [])


def test_a_form_that_breaks_is_a_failure_with_a_name_and_hurts_nobody_else(store: Store) -> None:
    bad, good = destination("bad"), destination("good")
    for recipient in (bad, good):
        store.destinations.put(recipient, NOW)
    decide_for(store, [bad, good], record(1))

    class Breaking(Scripted):
        async def deliver(self, parcel, to, secrets):
            if to.destination_id == "bad":
                raise RuntimeError
            return await super().deliver(parcel, to, secrets)

    Rig(store, Breaking()).turn()
    assert rows(store, "bad")[0].failure == Failure.CRASHED
    assert rows(store, "good")[0].state is DeliveryState.DELIVERED


def test_a_destination_is_asked_with_one_before_it_gets_the_others(store: Store) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], *(record(n, f"E{n}", visit=f"V{n}") for n in range(1, 9)))
    way = Scripted(*[NotDelivered(Failure.SERVER_ERROR, "500")] * 2)
    rig = Rig(store, way)
    rig.turn()
    assert len(way.sent) == 1
    rig.turn(timedelta(minutes=10))
    assert len(way.sent) == 2
    rig.turn(timedelta(minutes=10))
    assert {row.state for row in rows(store)} == {DeliveryState.DELIVERED}


def test_a_store_that_is_away_in_the_middle_is_no_fault_of_ours(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = destination()
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))

    def away(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(store.destinations, "failed", away)
    with capture_logs() as logs:
        Rig(store, Scripted(NotDelivered(Failure.SERVER_ERROR, "500"))).turn()
    assert [line["event"] for line in logs] == ["destination_not_served"]


def test_rows_of_all_that_is_due_in_one_file_numbered_and_named(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    lines = destination("f1", FormKind.NDJSON, address=str(out), every_minutes=60)
    store.destinations.put(lines, NOW)
    decide_for(store, [lines], record(1), record(2), record(3, "E2", visit="V2"))
    rig = Rig(store, Folder())
    rig.turn()
    decide_for(store, [lines], record(4, "E3", visit="V3"))
    rig.turn(minutes(1))
    assert len(list(out.glob("*.ndjson"))) == 1, "at most one an hour"
    rig.turn(minutes(60))
    names = sorted(path.name for path in out.glob("*.ndjson"))
    stamp = NOW.strftime("%Y%m%dT%H%M%SZ")
    assert names == [f"stays_{stamp}_{stamp}_{n:06}.ndjson" for n in (1, 2)]
    versions = [
        (row["data"]["alert_id"], row["data"]["version"])
        for name in names
        for row in map(json.loads, (out / name).read_text().splitlines())
    ]
    assert versions == [(message_id(1), 1), (message_id(1), 2), (message_id(3), 1), (message_id(4), 1)]


def test_a_person_is_nudged_once_for_all_that_came_and_no_patient_is_in_it(store: Store) -> None:
    nudge = destination("n1", FormKind.NUDGE, Whose.PERSON, address="ortiz@example.org", every_minutes=30)
    store.destinations.put(nudge, NOW)
    decide_for(store, [nudge], record(1), record(3, "E2", visit="V2"))
    way = Scripted()
    Rig(store, way, Waiting(urgent=2, first_due=NOW)).turn()
    ((_, parcel),) = way.sent
    assert parcel.subject == "Warm Handoff: 2 urgent"
    assert b"WHITFIELD" not in parcel.body and message_id(1).encode() not in parcel.body
    assert {row.state for row in rows(store, "n1")} == {DeliveryState.DELIVERED}


def test_mail_that_comes_back_is_paused_and_somebody_is_to_be_told(store: Store) -> None:
    mail = destination("ortiz", FormKind.NUDGE, Whose.PERSON, owner_id="ortiz", address="ortiz@example.org")
    store.destinations.put(mail, NOW)
    decide_for(store, [mail], record(1))
    Rig(store, Scripted(NotDelivered(Failure.GONE, "550")), Waiting(urgent=1)).turn()
    row = store.destinations.find("ortiz")
    assert row and (row.destination.state, row.why) == (State.PAUSED, "gone")
    assert [(notice.kind, notice.about) for notice in store.notices.due(NOW)] == [(NoticeKind.PAUSED, "ortiz")]
    assert states_of(store, "ortiz") == {DeliveryState.WAITING}, "what is due is kept"


def states_of(store: Store, name: str) -> set[DeliveryState]:
    return {row.state for row in rows(store, name)}


def test_outside_its_hours_a_destination_rests_until_they_begin(store: Store) -> None:
    hook = destination(hours="08:00-17:00")
    store.destinations.put(hook, NOW)
    decide_for(store, [hook], record(1))
    way = Scripted()
    rig = Rig(store, way)
    rig.turn()  # 07:00 in North Carolina
    assert not way.sent
    rig.turn(minutes(60))
    assert len(way.sent) == 1
    assert rows(store)[0].tries == 1


@pytest.mark.parametrize(("evening", "hours"), [("2027-03-13", 8), ("2026-10-31", 10), ("2026-11-21", 9)])
def test_a_digest_comes_at_its_hour_on_the_wall_also_when_the_clock_is_changed(evening: str, hours: int) -> None:
    local = datetime.fromisoformat(f"{evening}T22:00:00").replace(tzinfo=default_policy().tz)
    assert opens_in("07:00-07:30", local) == timedelta(hours=hours)


def test_who_is_away_gets_no_mail_until_they_are_back(store: Store) -> None:
    nudge = destination("n1", FormKind.NUDGE, Whose.PERSON, address="ortiz@example.org")
    hook = destination("d1", whose=Whose.PERSON)
    for each in (nudge, hook):
        store.destinations.put(each, NOW)
    decide_for(store, [nudge, hook], record(1))
    away = Absence(case_manager_id="ortiz", starts=NOW - minutes(60), ends=NOW + minutes(20))
    people = DIRECTORY.case_managers.values()
    directory = Directory(DIRECTORY.networks.values(), DIRECTORY.practices.values(), people, [away], [])
    way = Scripted()
    rig = Rig(store, way, Waiting(urgent=1), directory)
    for after in (0, 16):
        rig.turn(minutes(after))
        assert [where for where, _ in way.sent] == ["d1"], "a system is told all the same"
    rig.turn(minutes(5))
    assert [where for where, _ in way.sent] == ["d1", "n1"]
    assert store.deliveries.sums()["n1"].balanced


def test_a_file_that_says_that_nothing_was_goes_where_the_others_go_with_their_secrets(store: Store) -> None:
    options = {"every_minutes": 60, "empty_files": True, "way": WayKind.SFTP, "address": "sftp://a@files.example/in"}
    for name in ("broken", "files", "dead"):
        store.destinations.put(destination(name, FormKind.CSV, **options), NOW)
        store.destinations.put_secret(name, "ssh_key", f"key of {name}", SECRET, NOW, timedelta())

    class Signing(Scripted):
        async def deliver(self, parcel, to, secrets):
            assert secrets.newest("ssh_key") == f"key of {to.destination_id}"
            if to.destination_id == "broken":
                raise RuntimeError("a fault of ours")
            said = await super().deliver(parcel, to, secrets)
            return NotDelivered(Failure.NO_CONNECTION) if to.destination_id == "dead" else said

    way = Signing()
    rig = Rig(store, way)
    for _ in range(3):
        rig.empty_files()
    assert sorted(where for where, _ in way.sent) == ["dead", "files"], "who fails rests"
    rig.now += minutes(61)
    rig.empty_files()
    assert [parcel.name for where, parcel in way.sent if where == "files"] == [
        "stays_20261122T120000Z_20261122T120000Z_000001.csv",
        "stays_20261122T130000Z_20261122T130000Z_000002.csv",
    ]
    assert store.destinations.find("dead").last_failure == Failure.NO_CONNECTION
    assert store.destinations.find("broken").last_failure == Failure.CRASHED, "and it ends no other's file"


@pytest.mark.parametrize("fold", [0, 1])
def test_in_the_hour_that_comes_twice_nobody_waits_for_a_time_that_is_over(fold: int) -> None:
    local = datetime(2026, 11, 1, 1, 30, tzinfo=default_policy().tz, fold=fold)
    assert opens_in("01:45-01:50", local) == minutes(15)
    assert opens_in("07:00-07:30", local) == minutes(390 - 60 * fold)


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 11, 20), 24), ((2026, 11, 1), 25), ((2026, 3, 8), 23)], ids=["usual", "back", "forward"]
)
def test_a_day_is_one_span_from_midnight_to_midnight_on_the_wall(day: tuple[int, int, int], hours: int) -> None:
    zone = default_policy().tz
    midnight = datetime(*day, tzinfo=zone).astimezone(UTC)
    evening = [datetime(*day, hour, 30, tzinfo=zone) for hour in (0, 3, 18, 19, 20, 23)]
    assert {span_of(moment, 1440, zone) for moment in evening} == {(midnight, midnight + timedelta(hours=hours))}
    began, ends = span_of(evening[0], 2 * 1440, zone)
    assert began <= evening[0] < ends and {began.astimezone(zone).hour, ends.astimezone(zone).hour} == {0}


@pytest.mark.parametrize(
    ("hours", "ends"),
    [
        ("22:00-02:00", "02:00"),
        ("Sun 22:00-02:00; Tue-Wed 23:00-04:30", "02:00"),
        ("22:00-24:00", "00:00"),
        ("00:00-06:00", "00:00"),
        ("Mon 00:00-06:00", "00:00"),
        ("Sun 20:00-24:00", "00:00"),
        ("Fri-Sun 00:00-24:00; Mon 00:00-06:00", "00:00"),
        ("", "00:00"),
    ],
)
def test_a_night_that_goes_on_over_midnight_is_of_one_day(hours: str, ends: str) -> None:
    zone = default_policy().tz
    sunday = datetime(2026, 11, 22, 23, 0, tzinfo=zone)
    _, next_begins = span_of(sunday, 1440, zone, hours)
    assert f"{next_begins.astimezone(zone):%a %H:%M}" == f"Mon {ends}"
    assert span_of(next_begins - minutes(1), 1440, zone, hours) == span_of(sunday, 1440, zone, hours)
    assert span_of(next_begins, 1440, zone, hours)[0] == next_begins


def test_in_one_night_there_is_one_digest(store: Store) -> None:
    digest = destination(
        "n1", FormKind.DIGEST, Whose.PERSON, address="o@example.org", hours="22:00-02:00", every_minutes=1440
    )
    store.destinations.put(digest, NOW)
    way = Scripted()
    rig = Rig(store, way, Waiting(urgent=1))
    rig.now = datetime(2026, 11, 22, 23, 30, tzinfo=default_policy().tz).astimezone(UTC)
    for number, (after, so_far) in enumerate(((0, 1), (1, 1), (22, 2)), 1):
        rig.now += timedelta(hours=after)
        decide_for(store, [digest], record(number, f"E{number}", visit=f"V{number}"), now=rig.now)
        rig.turn()
        assert len(way.sent) == so_far


def test_hours_and_slots() -> None:
    zone = default_policy().tz
    friday = datetime(2026, 11, 20, 17, 30, tzinfo=zone)
    assert opens_in("Mon-Fri 08:00-17:00", friday) == timedelta(days=2, hours=14, minutes=30)
    assert opens_in("", friday) == timedelta()
    ten = datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert span_of(ten + minutes(7), 15, zone) == (ten, ten + minutes(15))


class Hanging(Scripted):
    """A way at which the bad never answer before the good have everything."""

    def __init__(self, bad: int, good: int) -> None:
        super().__init__()
        self.bad = {f"a{n}" for n in range(bad)}
        self.good = good
        self.all_told = asyncio.Event()

    async def deliver(self, parcel, to, secrets):
        if to.destination_id in self.bad:
            async with asyncio.timeout(30):
                await self.all_told.wait()
            return NotDelivered(Failure.TIMED_OUT)
        said = await super().deliver(parcel, to, secrets)
        if len(self.sent) == self.good:
            self.all_told.set()
        return said


def test_more_that_hang_than_have_their_turn_at_once_hold_up_nobody(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 4)
    monkeypatch.setattr(turns, "SLOW_SECONDS", 0.05)
    hang = [destination(f"a{n}") for n in range(12)]
    well = [destination(f"b{n}") for n in range(8)]
    for each in (*hang, *well):
        store.destinations.put(each, NOW)
    decide_for(store, [*hang, *well], record(1))
    way = Hanging(len(hang), len(well))
    Rig(store, way).turns_beside_one_another()
    assert way.all_told.is_set(), "the good ones were told while every bad one hung"
    assert {row.state for each in well for row in rows(store, each.destination_id)} == {DeliveryState.DELIVERED}
    assert {row.failure for each in hang for row in rows(store, each.destination_id)} == {"timed_out"}


def test_who_may_be_slow_beside_the_others_is_bounded(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 2)
    monkeypatch.setattr(turns, "SLOW_AT_ONCE", 3)
    monkeypatch.setattr(turns, "SLOW_SECONDS", 0)

    async def begin() -> list[int]:
        under_way, end = turns.Turns(), asyncio.Event()
        rooms = []
        for number in range(5):
            under_way.begin(f"d{number}", end.wait())
            rooms.append(under_way.room)
            await under_way.change()
        rooms.append(under_way.room)
        assert "d0" in under_way
        end.set()
        await under_way.ended()
        return [*rooms, under_way.room]

    assert asyncio.run(begin()) == [1, 1, 1, 1, 0, 0, 2]
