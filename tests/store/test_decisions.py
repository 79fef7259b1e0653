"""A batch of matched events in, one transaction of decisions out: once each, in order, also under other writers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection

from parsers.events import EventKind, Identifier, Patient, Prior
from rules.deciding.case import World
from rules.deciding.decide import decide as decide_by_rules
from rules.deciding.history import learnable
from rules.decisions import (
    Action,
    CrosswalkChange,
    Decision,
    Grade,
    History,
    Match,
    Owner,
    Reason,
    Stay,
)
from rules.endings import Ending, LedgerEntry, balance
from rules.policy.policy import default_policy
from streams.commands.explain import plain_route
from streams.kafka.records import EventRecord
from streams.store import Store, Unavailable
from streams.store.audit import Audited
from streams.store.changes import FeedKind
from streams.store.reviews import Verdict
from tests.rigs.store import NOW, alert_of, days, decide, line, message_id, panel, record, store, store_url

__all__ = ["store", "store_url"]


def histories(seen: list[History], rule: Callable[[EventRecord, History], Decision] = decide):
    def deciding(event_record: EventRecord, history: History) -> Decision:
        seen.append(history)
        return rule(event_record, history)

    return deciding


def no_rule(_one: EventRecord, _history: History) -> Decision:
    raise AssertionError("must not be asked")


def test_a_batch_alerts_amends_and_tells_repeats_apart(store: Store) -> None:
    batch = [record(1), record(2), record(3, fingerprint="print-2"), record(4, "E2", visit="V2"), record(1)]
    outcomes = store.decisions.decide(batch, decide, NOW)
    assert [outcome.message_id for outcome in outcomes] == [message_id(number) for number in (1, 2, 3, 4, 1)]
    assert [outcome.entry and outcome.entry.ending for outcome in outcomes] == [
        Ending.ALERTED,
        Ending.AMENDED,
        Ending.DUPLICATE,
        Ending.ALERTED,
        None,
    ]
    assert [outcome.redelivered for outcome in outcomes] == [False, False, False, False, True]
    assert [[(numbered.position, numbered.alert.version) for numbered in outcome.alerts] for outcome in outcomes] == [
        [(1, 1)],
        [(2, 2)],
        [],
        [(3, 1)],
        [],
    ]
    assert store.ledger.endings() == {"alerted": 2, "amended": 1, "duplicate": 1}
    assert balance(4, store.ledger.endings())["balanced"]


def test_a_redelivered_batch_changes_nothing(store: Store) -> None:
    batch = [record(number) for number in range(1, 6)]
    store.decisions.decide(batch, decide, NOW)
    before = (store.changes.position(), store.ledger.endings(), store.changes.after(0))
    again = store.decisions.decide(batch, no_rule, NOW)
    assert all(outcome.redelivered and outcome.entry is None and not outcome.alerts for outcome in again)
    assert (store.changes.position(), store.ledger.endings(), store.changes.after(0)) == before


def test_no_events_no_outcomes(store: Store) -> None:
    assert store.decisions.decide([], no_rule, NOW) == []


def test_a_later_event_sees_what_an_earlier_one_of_its_batch_did(store: Store) -> None:
    seen: list[History] = []
    store.decisions.decide([record(1), record(2), record(3, fingerprint="print-1")], histories(seen), NOW)
    assert [[alert.version for alert in history.alerts] for history in seen] == [[], [1], [2]]
    assert [history.seen for history in seen] == [False, False, True]


def test_a_stay_moved_within_a_batch_is_with_its_new_person(store: Store) -> None:
    def move(event_record: EventRecord, history: History) -> Decision:
        if event_record.event.kind is EventKind.PERSON_MERGED:
            moved = tuple(stay.model_copy(update={"enrollee_id": "E2"}) for stay in history.stays)
            return Decision(action=Action.SUPPRESS, reasons=(Reason.MERGED,), stays=moved)
        return decide(event_record, history)

    seen: list[History] = []
    merge = record(
        2,
        "E2",
        kind=EventKind.PERSON_MERGED,
        visit="",
        mrn="M2",
        prior=Prior(identifiers=(Identifier(system="MISSION", value="M1"),)),
        prior_match=Match(grade=Grade.CERTAIN, enrollee_id="E1"),
    )
    batch = [record(1), merge, record(3, "E1", visit="V9", mrn="M9"), record(4, "E2", visit="V8", mrn="M8")]
    store.decisions.decide(batch, histories(seen, move), NOW)
    assert [{stay.stay_id for stay in history.stays} for history in seen[1:]] == [
        {message_id(1)},
        set(),
        {message_id(1)},
    ]
    after: list[History] = []
    store.decisions.decide([record(5, "E2", visit="V7", mrn="M7")], histories(after), NOW)
    assert {stay.stay_id for stay in after[0].stays} == {message_id(1), message_id(4)}


HISTORIES = [
    ("of the enrollee, at another hospital", {"facility": "DUKE", "visit": "V9", "mrn": "M9"}, True),
    ("by the visit number, of another enrollee", {"enrollee": "E2", "mrn": "M9"}, True),
    ("by the record number, of another enrollee", {"enrollee": "E2", "visit": "V9"}, True),
    ("another visit and number of another enrollee", {"enrollee": "E2", "visit": "V9", "mrn": "M9"}, False),
    ("the same numbers of another hospital", {"enrollee": "E2", "facility": "DUKE"}, False),
    (
        "by the number that gives way",
        {
            "enrollee": "E2",
            "visit": "V9",
            "mrn": "M9",
            "prior": Prior(identifiers=(Identifier(system="MISSION", value="M1"),)),
        },
        True,
    ),
    (
        "by the visit that gives way",
        {"enrollee": "E2", "visit": "V9", "mrn": "M9", "prior": Prior(visit=Identifier(system="MISSION", value="V1"))},
        True,
    ),
    (
        "of the enrollee that gives way",
        {
            "enrollee": "E2",
            "visit": "V9",
            "mrn": "M9",
            "prior_match": Match(grade=Grade.CERTAIN, enrollee_id="E1"),
        },
        True,
    ),
    ("more than a year later", {"visit": "V9", "mrn": "M9", "at": NOW + days(500)}, False),
]


@pytest.mark.parametrize(("event", "loaded"), [case[1:] for case in HISTORIES], ids=[case[0] for case in HISTORIES])
def test_what_an_event_can_touch_is_loaded(store: Store, event: dict[str, object], loaded: bool) -> None:
    store.panel.load([line("E1"), line("E2", practice_id="P2")], full=True, now=NOW)
    store.decisions.decide([record(1)], decide, NOW)
    seen: list[History] = []
    store.decisions.decide([record(2, **event)], histories(seen), NOW)
    assert [stay.stay_id for stay in seen[0].stays] == ([message_id(1)] if loaded else [])
    assert [alert.version for alert in seen[0].alerts] == ([1] if loaded else [])
    people = {enrollee.enrollee_id for enrollee in seen[0].enrollees}
    assert str(event.get("enrollee", "E1")) in people
    assert ("E1" in people) == (loaded or event.get("enrollee") is None)


def test_a_bug_in_the_rules_writes_nothing(store: Store) -> None:
    def buggy(event_record: EventRecord, history: History) -> Decision:
        if event_record.event.message_id == message_id(2):
            raise ZeroDivisionError
        return decide(event_record, history)

    with pytest.raises(ZeroDivisionError):
        store.decisions.decide([record(1), record(2)], buggy, NOW)
    assert (store.ledger.endings(), store.changes.position(), store.changes.unsent()) == ({}, 0, [])
    assert store.decisions.decide([record(1)], buggy, NOW)[0].alerts


def test_an_alert_that_skips_a_version_is_our_bug(store: Store) -> None:
    def skipping(event_record: EventRecord, history: History) -> Decision:
        decision = decide(event_record, history)
        return decision.model_copy(update={"alerts": (decision.alerts[0].model_copy(update={"version": 3}),)})

    with pytest.raises(Exception, match="version") as caught:
        store.decisions.decide([record(1)], skipping, NOW)
    assert not isinstance(caught.value, Unavailable)
    assert store.ledger.endings() == {}


def test_a_stay_changed_elsewhere_meanwhile_is_decided_again(store: Store) -> None:
    store.decisions.decide([record(1)], decide, NOW)

    def slow(event_record: EventRecord, history: History) -> Decision:
        with store.database._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.exec_driver_sql("UPDATE stays SET revision = revision + 1")
        return decide(event_record, history)

    if store.database.backend == "sqlite":  # there nobody can: the writer holds the lock from its first read on
        with pytest.raises(Unavailable):
            _with_short_wait(store, lambda: store.decisions.decide([record(2)], slow, NOW))
    else:
        with pytest.raises(Unavailable, match="meanwhile"):
            store.decisions.decide([record(2)], slow, NOW)
    assert [outcome.entry.ending for outcome in store.decisions.decide([record(2)], decide, NOW) if outcome.entry] == [
        Ending.AMENDED
    ]


def _with_short_wait(store: Store, run: Callable[[], object]) -> None:
    from sqlalchemy import event as sa_event

    def hurry(connection: object, _record: object, _proxy: object) -> None:
        connection.execute("PRAGMA busy_timeout = 50")

    sa_event.listen(store.database._engine, "checkout", hurry)
    try:
        run()
    finally:
        sa_event.remove(store.database._engine, "checkout", hurry)


def test_two_workers_on_one_person_never_lose_or_repeat_a_version(store_url: str) -> None:
    first, second = Store.open(store_url, migrate=True), Store.open(store_url)
    faults: list[BaseException] = []

    def work(own: Store, start: int) -> None:
        for number in range(start, start + 20):
            while True:
                try:
                    own.decisions.decide([record(number)], decide, NOW)
                    break
                except Unavailable:
                    continue
                except BaseException as error:
                    faults.append(error)
                    return

    threads = [threading.Thread(target=work, args=(first, 100)), threading.Thread(target=work, args=(second, 200))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = [alert.alert.version for _, alert in first.changes.unsent(100)]
    stays = {alert.alert.stay_id for _, alert in first.changes.unsent(100)}
    first.close()
    second.close()
    assert faults == []
    assert versions == list(range(1, 41))
    assert len(stays) == 1


@contextmanager
def lost_in_commit(store: Store, *, committed: bool) -> Iterator[None]:
    """The next transaction ends without an answer."""
    real = store.database.writing

    @contextmanager
    def writing() -> Iterator[Connection]:
        with real() as connection:
            yield connection
            if not committed:
                raise Unavailable("the connection was lost")
        raise Unavailable("the connection was lost")

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Unavailable):
        patched.setattr(store.database, "writing", writing)
        yield


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_nobody_heard_of_is_told_by_whoever_it_was_of(store_url: str, committed: bool) -> None:
    first, second = Store.open(store_url, migrate=True), Store.open(store_url)
    rejected = LedgerEntry(message_id(9), Ending.REJECTED, "pid_missing", NOW)
    with lost_in_commit(first, committed=committed):
        first.decisions.decide([record(1), record(2)], decide, NOW)
    with lost_in_commit(first, committed=committed):
        first.ledger.end_new([rejected])
    second.decisions.decide([record(7, "E9", visit="V9")], decide, NOW)  # takes the position that was given back
    elsewhere = [
        outcome.alerts for outcome in second.decisions.decide([record(1), record(2)], decide, NOW) if outcome.alerts
    ]
    counted = second.ledger.end_new([rejected])
    assert (len(elsewhere), counted) == ((0, set()) if committed else (2, {message_id(9)})), "the partition has moved"
    again = [
        outcome.alerts for outcome in first.decisions.decide([record(1), record(2)], decide, NOW) if outcome.alerts
    ]
    assert (len(again), first.ledger.end_new([rejected])) == ((2, {message_id(9)}) if committed else (0, set()))
    unsent = {sent.position: sent for _, sent in first.changes.unsent()}
    assert all(unsent[alert.position] == alert for alerts in elsewhere + again for alert in alerts)
    assert not first.decisions._in_doubt and not first.ledger._in_doubt, "nothing is kept"
    first.close()
    second.close()


def test_a_reader_that_asks_for_what_came_after_misses_nothing(store_url: str) -> None:
    writer, reader = Store.open(store_url, migrate=True), Store.open(store_url)
    done = threading.Event()
    faults: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, start + 25):
                writer.decisions.decide([record(number, f"E{start}", visit=f"V{number}")], decide, NOW)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (100, 200, 300)]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    last = 0
    while True:
        finished = all(not thread.is_alive() for thread in threads)
        news = reader.changes.after(last, limit=3)
        seen += [item.position for item in news]
        last = news[-1].position if news else last
        if finished and not news:
            break
    done.set()
    writer.close()
    reader.close()
    assert faults == []
    assert seen == list(range(1, 76))


def test_the_outbox_holds_what_is_not_yet_sent(store: Store) -> None:
    alerts = [
        alert for outcome in store.decisions.decide([record(1), record(2)], decide, NOW) for alert in outcome.alerts
    ]
    assert store.changes.unsent() == [(alert.position, alert) for alert in alerts]
    assert store.changes.unsent(1) == [(1, alerts[0])]
    assert store.changes.outbox_age(NOW + timedelta(seconds=30)) == 30
    store.changes.sent([1])
    store.changes.sent([1])
    assert [position for position, _ in store.changes.unsent()] == [2]
    store.changes.sent([2])
    store.changes.sent([])
    assert store.changes.unsent() == []
    assert store.changes.outbox_age(NOW) == 0


def test_changes_name_everyone_the_alert_was_ever_for(store: Store) -> None:
    def to(people: dict[str, str]) -> Callable[[EventRecord, History], Decision]:
        def rule(event_record: EventRecord, history: History) -> Decision:
            decision = decide(event_record, history)
            owner, recipients = people[event_record.event.message_id].split("/")
            change = {"owners": (Owner(case_manager_id=owner, because="practice"),), "told": tuple(recipients.split())}
            return decision.model_copy(update={"alerts": (decision.alerts[0].model_copy(update=change),)})

        return rule

    people = {message_id(1): "ortiz/ortiz", message_id(2): "lee/ortiz lee"}
    store.decisions.decide([record(1)], to(people), NOW)
    store.decisions.decide([record(2)], to(people), NOW)
    items = store.changes.after(0)
    assert [(item.position, item.kind, item.version) for item in items] == [
        (1, FeedKind.ALERT, 1),
        (2, FeedKind.ALERT, 2),
    ]
    assert items[1].people == ("lee", "ortiz")
    assert [row.alert.version for row in store.inbox.rows_for("lee", NOW)] == [2]
    assert [row.owning for row in store.inbox.rows_for("ortiz", NOW)] == [False], "said once to have gone over"


def test_a_fingerprint_of_a_message_about_a_stranger_does_not_make_a_duplicate(store: Store) -> None:
    ended = LedgerEntry(
        message_id(1), Ending.SUPPRESSED, str(Reason.NOT_ON_PANEL), NOW, fingerprint="print-2", feed="mission"
    )
    store.ledger.end([ended])
    assert store.decisions.decide([record(2)], decide, NOW)[0].entry.ending is Ending.ALERTED


def test_an_automatic_match_teaches_the_crosswalk_and_never_corrects_it(store: Store) -> None:
    seq = store.panel.seq()
    store.decisions.decide([record(1), record(2, "E2", visit="V2", mrn="M2", grade=Grade.PROBABLE)], decide, NOW)
    assert sorted(store.panel.crosswalk()) == [("MISSION", "M1", "E1"), ("MISSION", "M2", "E2")]
    changes = store.panel.changes(seq)
    assert sorted(changes.crosswalk) == [("MISSION", "M1", "E1"), ("MISSION", "M2", "E2")]
    assert store.panel.changes(changes.seq).crosswalk == ()
    store.decisions.decide([record(3, "E9", visit="V3", mrn="M1")], decide, NOW)
    store.decisions.decide([record(4, "E9", visit="V4", mrn="M9", grade=Grade.POSSIBLE)], decide, NOW)
    assert sorted(store.panel.crosswalk()) == [("MISSION", "M1", "E1"), ("MISSION", "M2", "E2")]


def test_a_merge_corrects_the_crosswalk(store: Store) -> None:
    def merge(event_record: EventRecord, history: History) -> Decision:
        changes = (
            CrosswalkChange(identifier=Identifier(system="MISSION", value="M1"), enrollee_id="E2"),
            CrosswalkChange(identifier=Identifier(system="MISSION", value="M2"), enrollee_id=None),
        )
        return Decision(action=Action.SUPPRESS, reasons=(Reason.IDENTITY_ONLY,), crosswalk=changes)

    store.decisions.decide([record(1), record(2, "E2", visit="V2", mrn="M2")], decide, NOW)
    seq = store.panel.seq()
    store.decisions.decide([record(3, "E2", visit="V2", mrn="M2")], merge, NOW)
    assert list(store.panel.crosswalk()) == [("MISSION", "M1", "E2")]
    assert sorted(store.panel.changes(seq).crosswalk) == [("MISSION", "M1", "E2"), ("MISSION", "M2", None)]


def test_account_and_license_numbers_are_not_learned(store: Store) -> None:
    event_record = record(1)
    numbers = (
        Identifier(system="NC", value="D1", type="DL"),
        Identifier(system="MISSION", value="A1", type="AN"),
        Identifier(system="", value="M7", type="MR"),
        Identifier(system="MISSION", value="M7", type="MR"),
    )
    patient = event_record.event.patient.model_copy(update={"identifiers": numbers})
    store.decisions.decide(
        [event_record.model_copy(update={"event": event_record.event.model_copy(update={"patient": patient})})],
        decide,
        NOW,
    )
    assert list(store.panel.crosswalk()) == [("MISSION", "M7", "E1")]


def test_the_medical_home_is_the_one_of_the_day_of_the_event(store: Store) -> None:
    store.panel.load([line("E1", practice_id="P1")], full=True, now=NOW)
    store.panel.load([line("E1", practice_id="P2")], full=True, now=NOW + days(10))
    store.panel.load([line("E1", practice_id="P3", effective_from="2026-12-20")], full=True, now=NOW + days(20))
    seen: list[History] = []
    visits = [record(number, visit=f"V{number}", at=NOW + days(day)) for number, day in enumerate((0, 9, 10, 27, 28))]
    store.decisions.decide(visits, histories(seen), NOW + days(30))
    assert [history.enrollees[0].practice_id for history in seen] == ["P1", "P1", "P2", "P2", "P3"]
    assert [str(history.enrollees[0].effective_from) for history in seen] == ["2024-01-01"] * 4 + ["2026-12-20"]


def held(store: Store, *numbers: int, **changes: object) -> str:
    batch = [record(number, grade=Grade.POSSIBLE, **changes) for number in numbers]
    outcomes = store.decisions.decide(batch, decide, NOW)
    assert {outcome.entry.ending for outcome in outcomes if outcome.entry} == {Ending.HELD}
    return store.reviews.waiting()[0].review_id


def test_one_question_for_a_patient_and_an_enrollee_though_a_birth_date_comes_later(store: Store) -> None:
    store.panel.load([line("E1")], full=True, now=NOW)
    batch = [record(1, grade=Grade.POSSIBLE, born=None), record(2, grade=Grade.POSSIBLE)]
    store.decisions.decide(batch, decide, NOW)
    held(store, 3)
    assert store.reviews.count() == 1
    held(store, 4, born=date(1980, 1, 1))
    held(store, 5, mrn="UNKNOWN")
    assert store.reviews.count() == 3


def test_a_possible_match_waits_with_both_sides_and_nothing_leaves(store: Store) -> None:
    store.panel.load([line("E1")], full=True, now=NOW)
    review_id = held(store, 1, 2)
    review = store.reviews.find(review_id)
    assert store.reviews.count() == 1
    assert review is not None
    assert review.enrollee is not None
    assert review.enrollee.name.family == "WHITFIELD"
    assert [event_record.event.message_id for event_record in review.records] == [message_id(1), message_id(2)]
    assert (review.records[0].match.evidence, review.weight, review.verdict) == ({"birth_date": "equal"}, 9.5, None)
    assert (store.changes.unsent(), store.changes.position(), store.ledger.endings()) == ([], 0, {"held": 2})


def test_same_releases_what_waits_once_and_teaches_the_crosswalk(store: Store) -> None:
    review_id = held(store, 1, 2)
    done = store.reviews.settle(review_id, Verdict.SAME, "ortiz", NOW, "called the practice")
    assert done == (True, 2, 0)
    released = store.reviews.unsent_events()
    assert [event_record.event.message_id for _, event_record in released] == [message_id(1), message_id(2)]
    assert all(event_record.released and event_record.match.grade is Grade.CERTAIN for _, event_record in released)
    assert list(store.panel.crosswalk()) == [("MISSION", "M1", "E1")]
    outcomes = store.decisions.decide([event_record for _, event_record in released], decide, NOW)
    assert [outcome.entry.ending for outcome in outcomes if outcome.entry] == [Ending.ALERTED, Ending.AMENDED]
    store.reviews.sent_events([outbox_id for outbox_id, _ in released])
    assert store.reviews.unsent_events() == []
    assert store.ledger.endings() == {"alerted": 1, "amended": 1}
    again = store.decisions.decide([event_record for _, event_record in released], no_rule, NOW)
    assert all(outcome.redelivered for outcome in again)
    review = store.reviews.find(review_id)
    assert review is not None
    assert (review.verdict, review.decided_by, review.note) == (Verdict.SAME, "ortiz", "called the practice")
    assert store.reviews.waiting() == []


def test_different_drops_what_waits_and_the_pair_is_not_asked_about_again(store: Store) -> None:
    review_id = held(store, 1)
    assert store.reviews.settle(review_id, Verdict.DIFFERENT, "ortiz", NOW) == (True, 0, 1)
    assert store.ledger.endings() == {"suppressed": 1}
    later = store.decisions.decide([record(2, grade=Grade.POSSIBLE)], no_rule, NOW)
    assert later[0].decision is not None
    assert later[0].decision.reasons == (Reason.MATCH_REJECTED,)
    assert store.reviews.count() == 0
    other = store.decisions.decide([record(3, "E2", grade=Grade.POSSIBLE)], decide, NOW)
    assert other[0].entry.ending is Ending.HELD
    assert store.reviews.unsent_events() == []


def test_after_same_the_pair_is_certain(store: Store) -> None:
    store.reviews.settle(held(store, 1), Verdict.SAME, "ortiz", NOW)
    asked: list[EventRecord] = []

    def watch(event_record: EventRecord, history: History) -> Decision:
        asked.append(event_record)
        return decide(event_record, history)

    store.decisions.decide([record(2, grade=Grade.POSSIBLE)], watch, NOW)
    assert (asked[0].match.grade, asked[0].released) == (Grade.CERTAIN, True)


def test_the_first_verdict_stands(store: Store) -> None:
    review_id = held(store, 1)
    assert store.reviews.settle(review_id, Verdict.NOT_SURE, "lee", NOW).changed
    assert [question.verdict for question in store.reviews.waiting()] == [Verdict.NOT_SURE]
    assert held(store, 2) == review_id
    assert store.reviews.settle(review_id, Verdict.DIFFERENT, "ortiz", NOW) == (True, 0, 2)
    assert store.reviews.settle(review_id, Verdict.SAME, "lee", NOW) == (False, 0, 0)
    review = store.reviews.find(review_id)
    assert review is not None
    assert (review.verdict, review.decided_by) == (Verdict.DIFFERENT, "ortiz")
    assert [row.case_manager_id for row in store.audit.read(enrollee_id="E1")] == ["ortiz", "lee"]
    with pytest.raises(KeyError):
        store.reviews.settle("nothing", Verdict.SAME, "ortiz", NOW)


def test_a_verdict_does_not_reach_a_patient_with_another_birth_date_under_the_number(store: Store) -> None:
    store.reviews.settle(held(store, 1), Verdict.SAME, "ortiz", NOW)
    outcomes = store.decisions.decide([record(2, grade=Grade.POSSIBLE, born=None)], decide, NOW)
    assert outcomes[0].entry.ending is Ending.HELD


def by_the_rules(event_record: EventRecord, history: History) -> Decision:
    world = World(default_policy(), plain_route(), NOW)
    return decide_by_rules(
        event_record.event, event_record.match, event_record.prior_match, history, world, released=event_record.released
    )


def told_and_moved(store: Store) -> EventRecord:
    """E1 was told of; the visit then moves to somebody who may be E2."""
    known = Match(grade=Grade.CERTAIN, enrollee_id="E1")
    prior = Prior(identifiers=(Identifier(system="MISSION", value="M1", type="MR"),))
    moved = record(2, "E2", kind=EventKind.VISIT_MOVED, mrn="M2", grade=Grade.POSSIBLE, prior=prior, prior_match=known)
    outcomes = store.decisions.decide([record(1), moved], by_the_rules, NOW)
    assert [outcome.entry.ending for outcome in outcomes if outcome.entry] == [Ending.ALERTED, Ending.RETRACTED]
    assert [numbered.alert.enrollee_id for numbered in outcomes[1].alerts] == ["E1"]
    return moved


def test_a_move_to_a_possible_match_takes_back_at_once_and_tells_after_the_review(store: Store) -> None:
    told_and_moved(store)
    (review,) = store.reviews.waiting()
    assert [event_record.event.message_id for event_record in review.records] == [message_id(2)]
    assert store.reviews.settle(review.review_id, Verdict.SAME, "ortiz", NOW) == (True, 1, 0)
    released = [event_record for _, event_record in store.reviews.unsent_events()]
    (outcome,) = store.decisions.decide(released, by_the_rules, NOW)
    assert outcome.entry is not None
    assert outcome.entry.ending is Ending.ALERTED
    assert [(numbered.alert.enrollee_id, numbered.alert.version) for numbered in outcome.alerts] == [("E2", 1)]
    assert store.ledger.endings() == {"alerted": 2}
    assert all(again.redelivered for again in store.decisions.decide(released, no_rule, NOW))


def test_a_move_to_a_possible_match_that_is_not_them_stays_taken_back(store: Store) -> None:
    moved = told_and_moved(store)
    assert all(outcome.redelivered for outcome in store.decisions.decide([moved], no_rule, NOW))
    (review,) = store.reviews.waiting()
    assert store.reviews.settle(review.review_id, Verdict.DIFFERENT, "ortiz", NOW) == (True, 0, 1)
    assert store.ledger.endings() == {"alerted": 1, "retracted": 1}
    assert store.reviews.unsent_events() == []


def test_a_move_to_somebody_a_person_said_it_is_not_takes_back_and_asks_nobody(store: Store) -> None:
    store.reviews.settle(held(store, 9, mrn="M2", visit="V9", enrollee="E2"), Verdict.DIFFERENT, "ortiz", NOW)
    told_and_moved(store)
    assert store.reviews.count() == 0


def test_a_late_enrollment_is_decided_although_its_message_had_ended(store: Store) -> None:
    ended = LedgerEntry(message_id(1), Ending.SUPPRESSED, str(Reason.NOT_ON_PANEL), NOW)
    store.ledger.end([ended, LedgerEntry(message_id(2), Ending.REJECTED, "empty", NOW)])
    assert store.decisions.decide([record(1)], no_rule, NOW)[0].redelivered
    store.reviews.release([record(1), record(2)], NOW)
    released = [event_record for _, event_record in store.reviews.unsent_events()]
    assert [event_record.released for event_record in released] == [True, True]
    outcomes = store.decisions.decide(released, decide, NOW)
    assert [outcome.entry and outcome.entry.ending for outcome in outcomes] == [Ending.ALERTED, None]
    assert store.ledger.endings() == {"alerted": 1, "rejected": 1}


def test_unmatched_events_wait_encrypted_and_are_found_by_who_was_enrolled(store: Store) -> None:
    secret = b"k" * 64
    strangers = [record(1).event, record(2, born=None, mrn="M2", name="OTHER").event]
    store.unmatched.keep(strangers, secret)
    store.unmatched.keep(strangers, secret)
    with store.database.reading() as connection:
        sealed = [
            bytes(ciphertext) for ciphertext in connection.exec_driver_sql("SELECT sealed FROM unmatched").scalars()
        ]
    assert len(sealed) == 2
    assert not any(b"WHITFIELD" in ciphertext or b"MISSION" in ciphertext for ciphertext in sealed)
    store.panel.load([line("E1", mrns="")], full=True, now=NOW)
    store.panel.load([line("E2", mrns="MISSION:M2", birth_date="1990-01-01")], full=False, now=NOW)
    assert store.unmatched.about(["E1"], secret) == [strangers[0]]
    assert store.unmatched.about(["E2"], secret) == [strangers[1]]
    assert store.unmatched.about(["E1", "E2"], b"another secret") == []
    store.unmatched.drop([message_id(1)])
    assert store.unmatched.about(["E1", "E2"], secret) == [strangers[1]]
    assert store.unmatched.prune(NOW + days(15)) == 1
    assert store.unmatched.about(["E1", "E2"], secret) == []


def test_batches_are_fast(store: Store) -> None:
    """The bounds are loose, for busy machines; the README says what was measured."""
    store.panel.load(panel(50), full=True, now=NOW)
    rows = [
        [LedgerEntry(message_id(1000 * turn + number), Ending.NO_TRANSITION, "", NOW) for number in range(200)]
        for turn in range(1, 6)
    ]
    batches = [
        [record(10_000 * turn + number, f"E{number}", visit=f"V{number}", mrn=f"M{number}") for number in range(50)]
        for turn in range(1, 6)
    ]
    assert _best(rows, store.ledger.end) < 0.1
    assert _best(batches, lambda batch: store.decisions.decide(batch, decide, NOW)) < 0.4


def _best(batches: list[list[object]], run: Callable[[list[object]], object]) -> float:
    times = []
    for batch in batches:
        started = datetime.now(UTC)
        run(batch)
        times.append((datetime.now(UTC) - started).total_seconds())
    return min(times)


def test_a_stay_is_found_again_whatever_it_was_called(store: Store) -> None:
    def rename(event_record: EventRecord, history: History) -> Decision:
        stay = history.stays[0]
        numbers = (*stay.keys, Identifier(system="MISSION", value="V2"))
        return Decision(
            action=Action.SUPPRESS, reasons=(Reason.NOTHING_NEW,), stays=(stay.model_copy(update={"keys": numbers}),)
        )

    store.decisions.decide([record(1)], decide, NOW)
    store.decisions.decide([record(2)], rename, NOW)
    seen: list[History] = []
    store.decisions.decide([record(3, "E7", visit="V2", mrn="M7")], histories(seen), NOW)
    assert [stay.stay_id for stay in seen[0].stays] == [message_id(1)]


def test_two_alerts_of_one_decision_are_told_apart(store: Store) -> None:
    def moving(event_record: EventRecord, history: History) -> Decision:
        wrong = history.stays[0]
        right = Stay(stay_id="new", enrollee_id="E2", facility=wrong.facility, started_at=wrong.started_at)
        alerts = (alert_of(wrong, 2, event_record.event, Action.RETRACT), alert_of(right, 1, event_record.event))
        return Decision(
            action=Action.RETRACT, reasons=(Reason.MOVED_TO_ANOTHER_PERSON,), stays=(wrong, right), alerts=alerts
        )

    store.decisions.decide([record(1)], decide, NOW)
    outcome = store.decisions.decide([record(2, "E2")], moving, NOW)[0]
    assert [(numbered.alert.alert_id, numbered.alert.version, numbered.position) for numbered in outcome.alerts] == [
        (message_id(1), 2, 2),
        ("new", 1, 3),
    ]
    assert outcome.entry.ending is Ending.RETRACTED


@pytest.mark.parametrize("by", ["events", "people"])
def test_who_a_load_is_about_finds_the_same_events_either_way(
    store: Store, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr("streams.store.unmatched.HASHES_PER_EVENT", 0 if by == "events" else 1_000_000)
    monkeypatch.setattr("streams.store.unmatched.OPENED_AT_ONCE", 2)
    monkeypatch.setattr("streams.store.unmatched.FOUND_AT_ONCE", 2)
    secret = b"k" * 64
    strangers = [
        record(1).event,
        record(2, born=None, mrn="m2", name="OTHER").event,
        record(3, born=date(1980, 8, 8), mrn="M3").event,
        record(4, born=None, mrn="9123k").event,
        record(5, born=None, mrn="M5").event.model_copy(update={"patient": Patient(ssn="219551234")}),
    ]
    store.unmatched.keep(strangers, secret)
    store.unmatched.keep([record(6).event], b"another secret")
    people = [
        line("E1", mrns=""),
        line("E2", mrns="MISSION:M2", birth_date="1990-01-01"),
        line("E4", mrns="", birth_date="1990-01-02", medicaid_id="9123K"),
        line("E5", mrns="", birth_date="1990-01-03", ssn="219551234"),
    ]
    report = store.panel.load(people, full=True, now=NOW)
    events = list(store.unmatched.of_load(report.seq, secret))
    assert [event.message_id for event in events] == [message_id(number) for number in (1, 2, 4, 5)]
    assert events == store.unmatched.about(["E1", "E2", "E4", "E5"], secret)
    for change, count in (({"risk_tier": "high", "practice_id": "P9"}, 0), ({"effective_to": "2099-01-01"}, 1)):
        people[1] = people[1]._replace(**change)
        again = store.panel.load(people, full=True, now=NOW)
        assert again.changed == 1
        assert len(list(store.unmatched.of_load(again.seq, secret))) == count, change
        assert "E2" in store.panel.changes((again.seq - 1) << 40).enrollee_ids, "those who match hear of all"


def waiting_for(store: Store, *practices: str) -> list[str]:
    return [review.enrollee.enrollee_id for review in store.reviews.waiting(2, practices or None) if review.enrollee]


def test_whose_practices_a_review_is_of_is_asked_before_the_limit(store: Store) -> None:
    others = [line(f"E{number}", mrns="", practice_id="P2") for number in range(2, 7)]
    store.panel.load([*others, line("E9", mrns="", practice_id="P9")], full=True, now=NOW)
    for number in (*range(2, 7), 9):
        ask = record(number, f"E{number}", grade=Grade.POSSIBLE, mrn=f"M{number}", visit=f"V{number}")
        store.decisions.decide([ask], decide, NOW + timedelta(minutes=number))
    assert waiting_for(store) == ["E2", "E3"], "the oldest"
    assert (waiting_for(store, "P9"), store.reviews.count(["P9"])) == (["E9"], 1)
    assert (store.reviews.count(), store.reviews.count([])) == (6, 0)


def test_an_answer_that_can_be_undone_has_its_effect_when_it_no_longer_can(store: Store) -> None:
    review_id = held(store, 1)
    assert store.reviews.settle(review_id, Verdict.SAME, "ortiz", NOW, undoable=True) == (True, 1, 0)
    assert not store.reviews.settle(review_id, Verdict.DIFFERENT, "lee", NOW).changed, "the first answer stands"
    review = store.reviews.find(review_id)
    assert review is not None
    assert (review.verdict, review.decided_by, review.undoable) == (Verdict.SAME, "ortiz", True)
    assert (store.reviews.unsent_events(), store.reviews.waiting()) == ([], [])
    assert store.reviews.take_effect(NOW + timedelta(seconds=9)) == 0
    assert store.reviews.take_effect(NOW + timedelta(seconds=10)) == 1
    assert len(store.reviews.unsent_events()) == 1
    assert store.reviews.take_effect(NOW + timedelta(seconds=11)) == 0
    with pytest.raises(KeyError):
        store.reviews.undo(review_id, "ortiz", NOW)
    review = store.reviews.find(review_id)
    assert review is not None
    assert (review.verdict, review.undoable) == (Verdict.SAME, False)


@pytest.mark.parametrize("verdict", Verdict)
def test_an_answer_taken_back_waits_again_as_if_never_given(store: Store, verdict: Verdict) -> None:
    review_id = held(store, 1)
    store.reviews.settle(review_id, verdict, "ortiz", NOW, undoable=True)
    with pytest.raises(KeyError):
        store.reviews.undo(review_id, "lee", NOW)
    store.reviews.undo(review_id, "ortiz", NOW)
    assert store.reviews.take_effect(NOW + timedelta(minutes=1)) == 0
    (review,) = store.reviews.waiting()
    assert (review.verdict, review.decided_by, len(review.records)) == (None, "", 1)
    assert store.reviews.unsent_events() == []
    said = [(row.what, row.detail) for row in store.audit.read(enrollee_id="E1")]
    assert said[0] == (Audited.UNDID, f"review: {verdict}")
    assert store.reviews.settle(review_id, Verdict.DIFFERENT, "lee", NOW).dropped == 1


def test_what_comes_of_the_pair_while_an_answer_can_be_undone_waits_with_it(store: Store) -> None:
    review_id = held(store, 1)
    store.reviews.settle(review_id, Verdict.SAME, "ortiz", NOW, undoable=True)
    store.decisions.decide([record(2, grade=Grade.POSSIBLE)], decide, NOW)
    assert store.reviews.unsent_events() == []
    store.reviews.take_effect(NOW + timedelta(seconds=10))
    assert len(store.reviews.unsent_events()) == 2


def test_answers_are_shown_with_who_gave_them(store: Store) -> None:
    review_id = held(store, 1)
    store.panel.load([line("E1", practice_id="P1")], full=True, now=NOW)
    assert store.reviews.answered(NOW - timedelta(days=1)) == []
    store.reviews.settle(review_id, Verdict.DIFFERENT, "ortiz", NOW)
    (review,) = store.reviews.answered(NOW - timedelta(days=1), 20, ["P1"])
    assert (review.verdict, review.decided_by, review.decided_at) == (Verdict.DIFFERENT, "ortiz", NOW)
    assert store.reviews.answered(NOW - timedelta(days=1), 20, ["P2"]) == []
    assert store.reviews.answered(NOW + timedelta(seconds=1)) == []


@pytest.mark.parametrize("kind", ["", "MR", "MRN", "MRT", "PI", "PT", "U", "pt", "mrt"])
def test_review_decision_and_explain_know_the_same_types_of_record_numbers(kind: str) -> None:
    number = Identifier(system="MISSION", value="M1", type=kind)
    assert number.names_a_record
    assert learnable([number]) == [number]
