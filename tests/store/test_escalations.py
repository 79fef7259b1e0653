"""Who is asked because nobody acted: each step once, told with it, over when somebody acted, whoever looks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from parsers.events import EventKind
from parsers.people import Absence, CaseManager, Network, Practice, Role
from rules.decisions import Action, Decision, History, Owner, Priority, Reason
from rules.following.acts import ActKind
from rules.following.escalation import CameTo, Escalation, load_escalation
from rules.policy.policy import default_policy
from rules.telling.destinations import Destination, FormKind, WayKind, Whose
from rules.telling.directory import Directory
from streams.follow.overdue import Overdue
from streams.follow.ticks import PATIENCE_SECONDS, Tick, Ticker, TickName
from streams.kafka.records import EventRecord
from streams.run.metrics import REGISTRY
from streams.store import Store, Unavailable, looks
from streams.store.audit import Audited
from streams.store.changes import FeedKind
from streams.store.ticks import TurnLost
from tests.rigs.acts import act_of
from tests.rigs.store import alert_of, days, decide, line, message_id, record, store, store_url

__all__ = ["store", "store_url"]

AT = datetime(2026, 11, 23, 15, tzinfo=UTC)  # Monday, 10 in the morning in North Carolina
FIRST = message_id(1)
NURSES = [
    CaseManager(case_manager_id=name, name=name, role=Role.NURSE, network_id="N1", practices=("P1",))
    for name in ("ortiz", "lee")
]
HALE = CaseManager(case_manager_id="hale", name="S. Hale", role=Role.MANAGER, network_id="N1")
ROOT = CaseManager(case_manager_id="root", name="R. Oot", role=Role.CENTRAL_OFFICE)
RULES = """
[[runs]]
name = "nobody"
when = "nobody_took"
rouse = true
steps = [
  { after = "10 min", ask = "owner" },
  { after = "20 min", ask = "manager" },
  { after = "30 min", ask = "central_office" },
]
"""


def rules(text: str = RULES) -> Escalation:
    escalation = load_escalation(text)
    assert isinstance(escalation, Escalation), escalation
    return escalation


def urgent(event_record: EventRecord, history: History) -> Decision:
    decision = decide(event_record, history)
    owners = tuple(Owner(case_manager_id=name, because="practice") for name in ("ortiz", "lee"))
    changes = {"owners": owners, "told": ("ortiz", "lee"), "priority": Priority.URGENT}
    return decision.model_copy(update={"alerts": tuple(alert.model_copy(update=changes) for alert in decision.alerts)})


class Clockwork:
    """A worker's escalation whose time is an argument."""

    def __init__(self, store: Store, name: str = "one", *, absences: tuple[Absence, ...] = (), text: str = RULES):
        self.store, self.name, self.rules = store, name, rules(text)
        self.directory = Directory(
            [Network(network_id="N1", name="West")],
            [Practice(practice_id="P1", name="Ayers", network_id="N1")],
            [*NURSES, HALE, ROOT],
            absences,
        )
        self.overdue = Overdue(store, lambda: self.rules, default_policy, lambda: self.directory)

    def tick(self, minutes: float) -> None:
        turn = self.store.ticks.take(TickName.ESCALATION, self.name, 0.0)
        while turn is None:  # seen for the first time: it may move
            turn = self.store.ticks.take(TickName.ESCALATION, self.name, 0.0)
        self.overdue.run(turn, AT + timedelta(minutes=minutes))

    def asked(self, alert_id: str = FIRST) -> list[tuple[str, str]]:
        return [(step.person, step.came_to.value) for step in self.store.escalations.of_stay(alert_id)]


@pytest.fixture
def town(store: Store) -> Iterator[Store]:
    store.panel.load([line("E1"), line("E2", mrns="MISSION:M2")], full=True, now=AT)
    store.decisions.decide([record(1, at=AT)], urgent, AT)
    return store


def test_each_step_is_asked_once_at_its_time_and_everybody_asked_is_told(town: Store) -> None:
    work = Clockwork(town)
    work.tick(5)
    assert work.asked() == []
    before = town.changes.position()
    for minutes in (11, 11, 12, 5, 21, 31, 500):  # a clock set back in between, and days of nobody acting
        work.tick(minutes)
    assert work.asked() == [("ortiz", "asked"), ("hale", "asked"), ("root", "asked")]
    assert [(item.kind, item.by) for item in town.changes.after(before)] == [
        (FeedKind.STEP, "ortiz"),
        (FeedKind.STEP, "hale"),
        (FeedKind.STEP, "root"),
    ]
    rows = [row for row in town.audit.read(alert_id=FIRST) if row.what is Audited.ASKED]
    assert {(row.case_manager_id, row.enrollee_id, row.detail.split(", ")[1]) for row in rows} == {
        ("ortiz", "E1", "step 1: asked"),
        ("hale", "E1", "step 2: asked"),
        ("root", "E1", "step 3: asked"),
    }
    assert len(rows) == 3
    row = town.inbox.rows_for("hale", AT)[0]
    assert (row.asked, row.owning, row.alert.told) == (True, False, ("ortiz", "lee", "hale", "root"))
    assert "answers for the network West" in row.because

    def cancelled(event_record: EventRecord, history: History) -> Decision:
        (stay,), (last,) = history.stays, history.alerts
        gone = alert_of(stay, 2, event_record.event, Action.RETRACT, told=last.told, owners=last.owners)
        return Decision(action=Action.RETRACT, reasons=(Reason.ADMISSION_CANCELLED,), stays=(stay,), alerts=(gone,))

    town.decisions.decide([record(2, at=AT)], cancelled, AT)
    assert "root" in town.inbox.rows_for("root", AT)[0].alert.told


def test_acting_ends_the_questions_at_the_next_look_and_no_later_step_comes(town: Store) -> None:
    work = Clockwork(town)
    work.tick(11)
    assert town.inbox.rows_for("ortiz", AT)[0].asked
    taken = act_of("lee", ActKind.TAKE, 1, AT + timedelta(minutes=12))
    town.acts.write(taken, FIRST, work.directory)
    work.tick(13)
    work.tick(100)
    assert work.asked() == [("ortiz", "asked")]
    assert town.escalations.of_stay(FIRST)[0].ended_at == AT + timedelta(minutes=13)
    assert not town.inbox.rows_for("ortiz", AT)[0].asked


def test_given_back_it_begins_anew_and_the_same_people_are_asked_again(town: Store) -> None:
    work = Clockwork(town)
    work.tick(11)
    for kind, minutes in ((ActKind.TAKE, 12), (ActKind.GIVE_BACK, 60)):
        town.acts.write(act_of("ortiz", kind, 1, AT + timedelta(minutes=minutes)), FIRST, work.directory)
        work.tick(minutes + 1)
    work.tick(71)
    assert work.asked() == [("ortiz", "asked"), ("ortiz", "asked")]


def test_nobody_on_duty_is_passed_over_at_once_and_kept_as_such(town: Store) -> None:
    away = tuple(Absence(case_manager_id=nurse, starts=AT - days(1), ends=AT + days(9)) for nurse in ("ortiz", "lee"))
    work = Clockwork(town, absences=away)
    work.tick(11)
    assert work.asked() == [("", "nobody_on_duty"), ("hale", "asked")]
    work.tick(31)
    assert work.asked()[2:] == [("root", "asked")]


def test_after_three_days_asleep_each_stay_asks_once_and_a_person_s_mail_is_one(town: Store) -> None:
    for number in (2, 3):
        town.decisions.decide([record(number, "E2", visit=f"V{number}", mrn="M2", at=AT)], urgent, AT)
    mail = Destination(
        destination_id="D1",
        name="mail",
        whose=Whose.PERSON,
        owner_id="root",
        form=FormKind.NUDGE,
        way=WayKind.SMTP,
        address="root@example.org",
    )
    town.destinations.put(mail, AT)
    work = Clockwork(town)
    work.tick(3 * 24 * 60)
    for number in (1, 2, 3):
        assert work.asked(message_id(number)) == [("", "overtaken"), ("", "overtaken"), ("root", "asked")]
    now = AT + days(3) + timedelta(minutes=3)
    assert [
        delivery.alert.alert_id
        for delivery in town.deliveries.claim("me", now, days(1), town.deliveries.ready(now), each=9)
    ] == [message_id(number) for number in (1, 2, 3)]


def test_acting_takes_back_the_mail_that_nobody_has_in_hand(town: Store) -> None:
    mail = Destination(
        destination_id="D1",
        name="mail",
        whose=Whose.PERSON,
        owner_id="ortiz",
        form=FormKind.NUDGE,
        way=WayKind.SMTP,
        address="ortiz@example.org",
    )
    town.destinations.put(mail, AT)
    work = Clockwork(town)
    work.tick(11)
    assert town.deliveries.sums()["D1"].waiting == 1
    town.acts.write(act_of("ortiz", ActKind.NOTED, 1, AT), FIRST, work.directory)
    assert town.deliveries.sums()["D1"].waiting == 1
    town.acts.write(act_of("lee", ActKind.TAKE, 1, AT), FIRST, work.directory)
    assert (town.deliveries.sums()["D1"].waiting, town.deliveries.sums()["D1"].superseded) == (0, 1)


def test_two_workers_write_each_step_once_and_who_lost_its_turn_writes_nothing(town: Store) -> None:
    first, second = Clockwork(town, "one"), Clockwork(town, "two")
    held = town.ticks.take(TickName.ESCALATION, "one", 0.0)
    assert held is not None
    first.tick(5)
    second.tick(11)
    with pytest.raises(TurnLost):
        first.overdue.run(held, AT + timedelta(minutes=25))
    first.tick(12)
    second.tick(12)
    assert first.asked() == [("ortiz", "asked")]


def test_rules_changed_in_mid_run_hold_for_what_begins_after_them(town: Store) -> None:
    work = Clockwork(town)
    work.tick(5)
    work.rules = rules(RULES.replace('"10 min"', '"1 min"'))
    work.tick(6)
    assert work.asked() == []
    town.decisions.decide([record(2, "E2", visit="V2", mrn="M2", at=AT)], urgent, AT)
    later = AT + timedelta(minutes=6, seconds=1)
    town.decisions.decide([record(3, "E2", visit="V3", mrn="M2", at=later)], urgent, later)
    work.tick(8)
    assert work.asked(message_id(2)) == []
    assert work.asked(message_id(3)) == [("ortiz", "asked")]
    work.tick(11)
    assert work.asked() == [("ortiz", "asked")]


def test_a_stay_our_code_fails_on_stops_no_other(town: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    town.decisions.decide([record(2, "E2", visit="V2", mrn="M2", at=AT)], urgent, AT)
    whole = looks.look

    def failing(versions: Any, *rest: Any) -> Any:
        if versions[-1].alert_id == FIRST:
            raise ZeroDivisionError
        return whole(versions, *rest)

    monkeypatch.setattr(looks, "look", failing)
    before = REGISTRY.get_sample_value("toc_escalation_failed_total") or 0
    work = Clockwork(town)
    work.tick(11)
    assert (work.asked(), work.asked(message_id(2))) == ([], [("ortiz", "asked")])
    assert REGISTRY.get_sample_value("toc_escalation_failed_total") == before + 1
    monkeypatch.undo()
    work.tick(22)
    assert work.asked() == [("", "overtaken"), ("hale", "asked")]


def test_what_was_told_before_this_program_asks_nobody(town: Store) -> None:
    assert town.escalations.unheard("escalation") == 1
    with town.database.writing() as connection:
        connection.exec_driver_sql("UPDATE ticks SET cursor = (SELECT value FROM counters WHERE name = 'position')")
    work = Clockwork(town)
    work.tick(500)
    assert work.asked() == []


def test_a_look_that_is_late_is_counted(town: Store) -> None:
    work = Clockwork(town)
    work.tick(5)
    assert town.escalations.unlooked(AT + timedelta(minutes=11), timedelta(minutes=2)) == 0
    assert town.escalations.unlooked(AT + timedelta(minutes=13), timedelta(minutes=2)) == 1


def test_a_tick_that_fails_says_so_until_it_works_and_gives_its_turn_back(store: Store) -> None:
    broken = [True]

    def run(_turn: Any, _now: datetime) -> None:
        if broken[0]:
            raise ZeroDivisionError

    ticker = Ticker(store, (Tick(TickName.ESCALATION, 0.0, run),))
    ticker.once(AT)
    assert "escalation: ZeroDivisionError" in ticker.check().why
    broken[0] = False
    ticker.once(AT)
    assert "ZeroDivisionError" not in ticker.check().why
    assert store.ticks.last_run(TickName.ESCALATION) == AT
    assert REGISTRY.get_sample_value("toc_tick_timestamp_seconds", {"tick": "escalation"}) == AT.timestamp()
    other = Ticker(store, (Tick(TickName.ESCALATION, 0.0, run),))
    other.once(AT + days(9))  # a clock far ahead takes no turn away: the holder moved just now
    assert store.ticks.last_run(TickName.ESCALATION) == AT
    ticker.start()
    assert ticker.check().ok
    ticker.stop(PATIENCE_SECONDS)
    other.once(AT + days(9))
    assert store.ticks.last_run(TickName.ESCALATION) == AT + days(9)


def test_a_process_that_fails_at_a_tick_holds_up_no_other_that_can_do_it(store: Store) -> None:
    def older(_turn: Any, _now: datetime) -> None:
        raise ValueError("a word of a newer version")

    failing = Ticker(store, (Tick(TickName.ESCALATION, 0.0, older),))
    newer = Ticker(store, (Tick(TickName.ESCALATION, 0.0, lambda _turn, _now: None),))
    for minute in range(3):
        failing.once(AT)
        newer.once(AT + timedelta(minutes=minute))
    assert store.ticks.last_run(TickName.ESCALATION) == AT + timedelta(minutes=2)
    assert "ValueError" not in failing.check().why, "somebody else does it"


def test_a_store_that_is_away_is_no_failure(store: Store) -> None:
    def run(_turn: Any, _now: datetime) -> None:
        raise Unavailable("gone")

    ticker = Ticker(store, (Tick(TickName.ESCALATION, 0.0, run),))
    with pytest.raises(Unavailable):
        ticker.once(AT)
    ticker.start()
    assert ticker.check().ok
    ticker.stop(PATIENCE_SECONDS)


def test_a_discharge_asks_by_its_own_run(town: Store) -> None:
    work = Clockwork(town)
    work.tick(11)
    at = AT + timedelta(hours=2)
    town.decisions.decide([record(2, kind=EventKind.DISCHARGED, at=at)], urgent, at)
    work.tick(121)
    assert [step.ended_at is not None for step in town.escalations.of_stay(FIRST)] == [True]
    assert CameTo.ASKED.value == work.asked()[0][1]
