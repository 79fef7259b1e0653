"""What the inbox reads and what people write there: rows, stay pages, what was seen, loads."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from parsers.events import EventKind
from parsers.people import CaseManager, Role
from rules.decisions import Action, Decision, History, Owner, Priority, Reason, StayStatus
from rules.endings import Ending, LedgerEntry
from rules.following.acts import ActKind, Mode, Outcome
from streams.kafka.records import EventRecord
from streams.store import Store
from streams.store.among import Among
from streams.store.at_hospital import TheirHospital
from streams.store.audit import Audited
from streams.store.changes import FeedKind
from tests.rigs.acts import acted
from tests.rigs.inbox import alert, discharge, load_people, person, tell
from tests.rigs.store import NOW, alert_of, days, decide, line, message_id, record, store, store_url

__all__ = ["store", "store_url"]

FIRST = message_id(1)


def told_to(*people: str) -> Callable[[EventRecord, History], Decision]:
    def rule(event_record: EventRecord, history: History) -> Decision:
        decision = decide(event_record, history)
        owners = tuple(Owner(case_manager_id=person, because="practice") for person in people)
        change = {"owners": owners, "told": people}
        return decision.model_copy(update={"alerts": (decision.alerts[0].model_copy(update=change),)})

    return rule


def retract(event_record: EventRecord, history: History) -> Decision:
    stay = history.stays[0].model_copy(update={"status": StayStatus.CANCELLED})
    alert = alert_of(
        stay, history.alerts[0].version + 1, event_record.event, Action.RETRACT, told=history.alerts[0].told
    )
    return Decision(action=Action.RETRACT, reasons=(Reason.ADMISSION_CANCELLED,), stays=(stay,), alerts=(alert,))


def test_a_row_carries_all_that_the_page_shows(store: Store) -> None:
    store.panel.load([line("E1")], full=True, now=NOW)
    store.decisions.decide([record(1), record(2), record(3, "E9", visit="V9", mrn="M9")], decide, NOW)
    acted(store, FIRST, "ortiz", ActKind.TAKE, 2, NOW, text="mine")
    stranger, row = store.inbox.rows_for("ortiz", NOW)
    assert (stranger.alert.enrollee_id, stranger.enrollee) == ("E9", None)
    assert row.enrollee is not None
    assert row.enrollee.name.family == "WHITFIELD"
    assert (row.alert.version, row.position, row.owning, row.because) == (2, 2, True, "practice")
    assert [(act.by, act.kind, act.version, act.text) for act in row.acts] == [("ortiz", ActKind.TAKE, 2, "mine")]
    assert store.inbox.rows_for("lee", NOW) == []
    assert [listed.alert.alert_id for listed in store.inbox.rows_for("ortiz", NOW, people_of=[FIRST])] == [FIRST]


def test_what_changed_since_the_reader_looked(store: Store) -> None:
    store.decisions.decide([record(1), record(2)], decide, NOW)
    row = store.inbox.rows_for("ortiz", NOW)[0]
    assert (row.seen_version, [alert.version for alert in row.unseen]) == (0, [1, 2])
    store.seen.mark("ortiz", {FIRST: 2}, NOW)
    store.seen.mark("ortiz", {FIRST: 1}, NOW)
    store.seen.mark("ortiz", {}, NOW)
    row = store.inbox.rows_for("ortiz", NOW)[0]
    assert (row.seen_version, row.unseen) == (2, ())
    store.decisions.decide([record(3), record(4)], decide, NOW)
    row = store.inbox.rows_for("ortiz", NOW)[0]
    assert (row.seen_version, [alert.version for alert in row.unseen]) == (2, [3, 4])


def test_a_new_alert_of_one_version_is_unseen(store: Store) -> None:
    store.decisions.decide([record(1)], decide, NOW)
    assert [alert.version for alert in store.inbox.rows_for("ortiz", NOW)[0].unseen] == [1]


def test_an_acknowledged_row_is_open_while_the_patient_is_in(store: Store) -> None:
    store.decisions.decide([record(1)], decide, NOW)
    acted(store, FIRST, "ortiz", ActKind.NOTED, 1, NOW)
    assert store.inbox.rows_for("ortiz", NOW)[0].open
    store.decisions.decide([record(2, kind=EventKind.DISCHARGED)], decide, NOW)
    row = store.inbox.rows_for("ortiz", NOW)[0]
    assert (row.open, row.acknowledged_version) == (True, 1)
    acted(store, FIRST, "ortiz", ActKind.NOTED, 2, NOW)
    assert not store.inbox.rows_for("ortiz", NOW)[0].open


def test_a_finished_row_leaves_after_two_months_and_a_living_one_stays(store: Store) -> None:
    discharged = record(2, "E2", visit="V2", mrn="M2", kind=EventKind.DISCHARGED)
    store.decisions.decide([record(1), discharged], decide, NOW)
    assert len(store.inbox.rows_for("ortiz", NOW + days(59))) == 2
    assert [row.alert.alert_id for row in store.inbox.rows_for("ortiz", NOW + days(61))] == [FIRST]


def test_a_retraction_stays_until_everyone_who_was_told_has_seen_it(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    store.decisions.decide([record(2)], retract, NOW)  # owned by ortiz alone now
    row = store.inbox.rows_for("lee", NOW)[0]
    assert (row.alert.status, row.owning) == (StayStatus.CANCELLED, False)
    store.seen.mark("lee", {FIRST: 2}, NOW)
    assert store.inbox.rows_for("lee", NOW) == []
    assert store.inbox.may_see("lee", FIRST)
    assert not store.inbox.may_see("chen", FIRST)


def back_to_outpatient(event_record: EventRecord, history: History) -> Decision:
    """An A07: the alert is taken back while the stay goes on."""
    last = history.alerts[0]
    alert = alert_of(
        history.stays[0], last.version + 1, event_record.event, Action.RETRACT, told=last.told, owners=last.owners
    )
    return Decision(action=Action.RETRACT, reasons=(Reason.BACK_TO_OUTPATIENT,), stays=history.stays, alerts=(alert,))


def test_an_alert_taken_back_while_the_stay_goes_on_is_open_until_it_is_seen(store: Store) -> None:
    people = [CaseManager(case_manager_id=name, name=name, role=Role.NURSE) for name in ("lee", "ortiz")]
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    acted(store, FIRST, "ortiz", ActKind.NOTED, 1, NOW)
    store.decisions.decide([record(2)], back_to_outpatient, NOW)

    def is_open() -> dict[str, list[bool]]:
        return {name: [row.open for row in store.inbox.rows_for(name, NOW)] for name in ("ortiz", "lee")}

    def loads() -> dict[str, int]:
        return {load.case_manager.case_manager_id: load.open for load in store.inbox.loads(people)}

    assert store.inbox.rows_for("lee", NOW)[0].alert.status is StayStatus.IN_PROGRESS
    assert (is_open(), loads()) == ({"ortiz": [True], "lee": [True]}, {"ortiz": 1, "lee": 1})
    acted(store, FIRST, "ortiz", ActKind.NOTED, 2, NOW)
    assert (is_open(), loads()) == ({"ortiz": [False], "lee": [True]}, {"ortiz": 0, "lee": 1})
    store.seen.mark("lee", {FIRST: 2}, NOW)
    assert (is_open(), loads()) == ({"ortiz": [False], "lee": [False]}, {"ortiz": 0, "lee": 0})
    assert store.inbox.rows_for("lee", NOW + days(61)) == [], (
        "a stay that goes on for others is not this one's for ever"
    )
    store.decisions.decide([record(3)], told_to("ortiz", "lee"), NOW)
    assert (is_open(), loads()) == ({"ortiz": [True], "lee": [True]}, {"ortiz": 1, "lee": 1})


def test_a_stay_taken_back_is_no_earlier_stay(store: Store) -> None:
    store.decisions.decide([record(10, visit="V10", at=NOW - days(9))], decide, NOW)
    store.decisions.decide([record(11, visit="V10", at=NOW - days(8))], back_to_outpatient, NOW)
    store.decisions.decide([record(1)], decide, NOW)
    page = store.inbox.stay_page("ortiz", FIRST)
    assert page is not None
    assert page.earlier == ()


def test_an_action_is_a_change_everybody_hears_of(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    acted(store, FIRST, "lee", ActKind.NOTED, 1, NOW)
    assert store.changes.position() == 2
    (item,) = store.changes.after(1)
    assert (item.kind, item.alert_id, item.by, item.action, item.people, item.at) == (
        FeedKind.ACTION,
        FIRST,
        "lee",
        "noted",
        ("lee", "ortiz"),
        NOW,
    )
    audited = store.audit.read(alert_id=FIRST)
    assert [(row.what, row.case_manager_id, row.enrollee_id, row.detail) for row in audited] == [
        (Audited.ACTED, "lee", "E1", "noted")
    ]


def test_the_page_of_a_stay(store: Store) -> None:
    store.decisions.decide(
        [
            record(10, visit="V10", at=NOW - days(400)),
            record(11, visit="V11", at=NOW - days(100)),
            record(12, visit="V12", at=NOW - days(50)),
            record(13, "E2", visit="V13", mrn="M2", at=NOW - days(50)),
        ],
        decide,
        NOW,
    )
    store.decisions.decide([record(1), record(2)], told_to("ortiz", "lee"), NOW)
    store.seen.mark("lee", {FIRST: 1}, NOW)
    page = store.inbox.stay_page("lee", FIRST)
    assert page is not None
    assert [alert.version for alert in page.versions] == [2, 1]
    assert page.stay.stay_id == FIRST
    assert [(who.case_manager_id, who.owning, who.seen_version) for who in page.told] == [
        ("lee", True, 1),
        ("ortiz", True, 0),
    ]
    assert [earlier.stay.stay_id for earlier in page.earlier] == [message_id(12), message_id(11)]
    assert page.earlier[0].alert is not None
    assert store.inbox.stay_page("chen", FIRST) is None
    assert store.inbox.stay_page("lee", "nothing") is None


def test_the_busiest_come_first(store: Store) -> None:
    people = [CaseManager(case_manager_id=name, name=name, role=Role.NURSE) for name in ("chen", "lee", "ortiz")]
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    store.decisions.decide([record(2, "E2", visit="V2", mrn="M2")], told_to("ortiz"), NOW)
    store.decisions.decide([record(3, "E3", visit="V3", mrn="M3", kind=EventKind.DISCHARGED)], told_to("ortiz"), NOW)
    acted(store, message_id(3), "ortiz", ActKind.NOTED, 1, NOW)
    assert [(load.case_manager.case_manager_id, load.open) for load in store.inbox.loads(people)] == [
        ("ortiz", 2),
        ("lee", 1),
        ("chen", 0),
    ]


def test_who_is_watched(store: Store) -> None:
    assert store.inbox.watched(None) == (0, 0, None, None)
    store.panel.load([line("E1"), line("E2", practice_id="P2")], full=True, now=NOW)
    store.ledger.end([LedgerEntry(message_id(9), Ending.NO_TRANSITION, "", NOW, feed="north")])
    store.decisions.decide([record(1)], decide, NOW)
    assert store.inbox.watched(["P2"]) == (1, 2, NOW, NOW)
    assert store.inbox.watched(None).people == 2
    assert store.inbox.watched([]).people == 0


def with_priority(priority: Priority, *people: str) -> Callable[[EventRecord, History], Decision]:
    rule = told_to(*people)

    def decided(event_record: EventRecord, history: History) -> Decision:
        decision = rule(event_record, history)
        alert = decision.alerts[0].model_copy(update={"priority": priority})
        return decision.model_copy(update={"alerts": (alert,)})

    return decided


def test_over_the_limit_what_is_open_urgent_and_oldest_stays_and_the_count_is_the_truth(store: Store) -> None:
    old = record(1, "E1", visit="V1", mrn="M1", at=NOW - days(9))
    store.decisions.decide([old], with_priority(Priority.URGENT, "ortiz"), NOW - days(9))
    for number in range(2, 6):
        at = NOW - days(8) + days(number / 10)
        event_record = record(number, f"E{number}", visit=f"V{number}", mrn=f"M{number}", at=at)
        store.decisions.decide([event_record], with_priority(Priority.ROUTINE, "ortiz"), at)
    over = record(6, "E6", visit="V6", mrn="M6", kind=EventKind.DISCHARGED)
    store.decisions.decide([over], with_priority(Priority.URGENT, "ortiz"), NOW)
    acted(store, message_id(6), "ortiz", ActKind.NOTED, 1, NOW)
    kept = [row.alert.enrollee_id for row in store.inbox.rows_for("ortiz", NOW, limit=3)]
    assert kept == ["E3", "E2", "E1"], "newest first of those that stay"
    assert len(store.inbox.rows_for("ortiz", NOW)) == store.inbox.rows_count("ortiz", NOW) == 6


def test_a_row_that_went_over_to_others_says_so_until_its_former_holder_looked(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("lee"), NOW)
    store.seen.mark("lee", {FIRST: 1}, NOW)
    later = NOW + days(1)
    store.decisions.decide([record(2, at=later)], told_to("ortiz"), later)
    (row,) = store.inbox.rows_for("lee", later)
    assert (row.owning, [alert.version for alert in row.told_before]) == (False, [1, 2])
    store.seen.mark("lee", {FIRST: 1}, later + days(0.1))
    assert store.inbox.rows_for("lee", later + days(0.1)) == []
    store.decisions.decide([record(3, at=later + days(0.2))], told_to("ortiz"), later + days(0.2))
    assert store.inbox.rows_for("lee", later + days(0.2)) == [], "what comes later is not theirs to hear of"


def test_a_row_nobody_looked_at_is_not_said_for_ever_to_have_gone_over(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("lee"), NOW)
    store.decisions.decide([record(2)], told_to("ortiz"), NOW)
    assert len(store.inbox.rows_for("lee", NOW + days(6))) == 1
    assert store.inbox.rows_for("lee", NOW + days(8)) == []


def test_a_later_stay_that_runs_is_named_on_the_one_that_is_over(store: Store) -> None:
    store.decisions.decide(
        [record(1, at=NOW - days(5)), record(2, kind=EventKind.DISCHARGED, at=NOW - days(3))], decide, NOW
    )
    assert store.inbox.rows_for("ortiz", NOW)[0].again == ()
    store.decisions.decide([record(3, visit="V2", at=NOW - days(4))], decide, NOW)
    by_stay = {row.alert.alert_id: row.again for row in store.inbox.rows_for("ortiz", NOW)}
    assert by_stay[FIRST] == (), "that one began before the first was over: another hospital's, or never closed"
    store.decisions.decide([record(4, visit="V3", at=NOW - days(1))], decide, NOW)
    by_stay = {row.alert.alert_id: row.again for row in store.inbox.rows_for("ortiz", NOW)}
    assert [(later.alert.alert_id, later.heard_at) for later in by_stay[FIRST]] == [(message_id(4), NOW - days(1))]
    assert by_stay[message_id(4)] == ()


def test_what_there_is_of_one_s_people_on_lists_of_others(store: Store) -> None:
    store.panel.load([line("E1"), line("E2", practice_id="P2")], full=True, now=NOW)
    assert store.inbox.elsewhere("ortiz", ["P1", "P2"], NOW) == (0, 0)
    store.decisions.decide([record(1)], told_to("lee"), NOW)
    done = record(2, "E2", visit="V2", mrn="M2", kind=EventKind.DISCHARGED)
    store.decisions.decide([done], told_to("lee"), NOW)
    assert store.inbox.elsewhere("ortiz", ["P1", "P2"], NOW) == (1, 2)
    assert store.inbox.elsewhere("ortiz", ["P1"], NOW) == (1, 1)
    assert store.inbox.elsewhere("lee", None, NOW) == (1, 0)
    acted(store, message_id(2), "lee", ActKind.NOTED, 1, NOW)
    assert store.inbox.elsewhere("ortiz", None, NOW) == (1, 1)


def test_five_hundred_rows_are_quick(store: Store) -> None:
    """The bound is loose, for busy machines; on an idle one it is a tenth of it."""
    store.panel.load([line(f"E{number}", mrns="") for number in range(500)], full=True, now=NOW)
    batch = [record(number, f"E{number % 500}", visit=f"V{number % 500}", mrn="") for number in range(1000)]
    store.decisions.decide(batch, decide, NOW)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        rows = store.inbox.rows_for("ortiz", NOW)
        times.append(time.perf_counter() - started)
    assert len(rows) == 500
    assert min(times) < 0.5


def test_feeds_are_theirs_who_have_patients_there(store: Store) -> None:
    def of(feed: str) -> Callable[[EventRecord, History], Decision]:
        def decided(event_record: EventRecord, history: History) -> Decision:
            decision = decide(event_record, history)
            stays = tuple(stay.model_copy(update={"feed": feed}) for stay in decision.stays)
            return decision.model_copy(update={"stays": stays})

        return decided

    store.panel.load([line("E1", practice_id="P1"), line("E2", practice_id="P2")], full=True, now=NOW)
    store.decisions.decide([record(1)], of("mission"), NOW)
    store.decisions.decide([record(2, "E2", visit="V2")], of("pardee"), NOW)
    asked, mission = store.at_hospital.feeds_of, TheirHospital("MISSION", 1)
    assert asked("nobody", {"P1"}, NOW) == {"mission": mission}
    assert asked("nobody", {"P1", "P2"}, NOW) == {"mission": mission, "pardee": mission}
    assert asked("ortiz", set(), NOW) == {"mission": mission, "pardee": mission}
    assert asked("nobody", {"P1"}, NOW + days(1)) == {}
    store.decisions.decide([record(3, "E2", visit="V3")], of("mission"), NOW)
    assert asked("ortiz", {"P1", "P2"}, NOW)["mission"].people == 2


def test_what_may_be_open_is_all_but_what_ended_without_a_step_and_what_was_taken_back(store: Store) -> None:
    people = [person(number, f"Given{number}") for number in range(7)]
    load_people(store, people)
    plain: dict[str, Any] = {"priority": Priority.ROUTINE, "clocks": ()}
    gone = {"action": Action.RETRACT, "status": StayStatus.CANCELLED}
    versions = [
        alert(people[0], "inside", priority=Priority.ROUTINE),
        discharge(people[1], "over", **plain),
        discharge(people[2], "digest", **plain | {"priority": Priority.DIGEST}),
        discharge(people[3], "soon", **plain | {"priority": Priority.HIGH}),
        discharge(people[4], "clock", priority=Priority.ROUTINE),
        discharge(people[5], "tried", **plain),
        discharge(people[6], "gone", **plain | gone),
    ]
    tell(store, *versions)
    now = datetime.now(UTC)
    acted(store, "tried", "cm-ortiz", ActKind.ATTEMPT, 1, now, outcome=Outcome.NO_ANSWER, mode=Mode.PHONE)
    rows = store.inbox.rows_of("cm-ortiz", Among(practice_ids={"p1"}, open_only=True), now)
    assert {row.alert.alert_id for row in rows} == {"inside", "soon", "clock", "tried"}
    named = store.inbox.rows_of("cm-ortiz", Among(alert_ids=["over", "gone", "nothing"]), now)
    assert {row.alert.alert_id for row in named} == {"over", "gone"}
