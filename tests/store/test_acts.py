"""What people do about a stay: written once, refused with its reason, kept over merges, moves and older tables."""

from datetime import timedelta
from typing import Any

from parsers.events import EventKind
from parsers.people import CaseManager, Role
from rules.decisions import Action, Decision, History, Owner, Reason, StayStatus
from rules.following.acts import UNDO_FOR, ActFault, ActKind, CloseReason, Fault, Mode, Outcome, With
from rules.following.state import FollowUpState
from rules.policy.policy import default_policy
from rules.telling.directory import Directory
from streams.kafka.records import EventRecord
from streams.run.metrics import REGISTRY, Delay
from streams.store import Store
from streams.store.acts import Absent, Again, Answered, Held, Refused, Written
from streams.store.audit import Audited
from streams.store.changes import FeedKind
from streams.store.database import Database, make_engine, write_rows
from streams.store.migrating import migrate
from streams.store.tables import alert_owners, alert_versions, alerts, to_us
from tests.rigs.acts import NURSES, act, act_of, acted, undone
from tests.rigs.store import NOW, alert_of, days, decide, line, message_id, record, store, store_url

__all__ = ["store", "store_url"]

FIRST = message_id(1)
CALLED: dict[str, Any] = {"mode": Mode.PHONE, "with_whom": With.PATIENT, "outcome": Outcome.REACHED}


def codes(answer: Answered) -> list[ActFault]:
    assert isinstance(answer, Refused), answer
    return [fault.code for fault in answer.faults]


def told_to(*names: str) -> Any:
    def rules(event_record: EventRecord, history: History) -> Decision:
        owners = tuple(Owner(case_manager_id=name, because="practice") for name in names)
        decision = decide(event_record, history)
        return decision.model_copy(
            update={
                "alerts": tuple(alert.model_copy(update={"owners": owners, "told": names}) for alert in decision.alerts)
            }
        )

    return rules


def test_sending_again_adds_nothing_and_another_act_of_that_id_is_refused(store: Store) -> None:
    store.decisions.decide([record(1)], decide, NOW)
    done = act_of("ortiz", ActKind.ATTEMPT, 1, NOW, **CALLED)
    first = store.acts.write(done, FIRST, NURSES)
    later = done.model_copy(update={"recorded_at": NOW + days(1)})
    assert first == Written(2, done)
    assert store.acts.write(later, FIRST, NURSES) == Again(2, done)
    assert store.acts.of_stay(FIRST) == (done,)
    other = done.model_copy(update={"outcome": Outcome.NO_ANSWER})
    assert codes(store.acts.write(other, FIRST, NURSES)) == [ActFault.ACT_ID_TAKEN]


def test_an_act_is_a_change_everybody_hears_of_and_is_in_the_audit(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    done = acted(store, FIRST, "lee", ActKind.ATTEMPT, 1, NOW, **CALLED)
    undone(store, FIRST, done, NOW)
    assert [(item.kind, item.by, item.action, item.people) for item in store.changes.after(1)] == [
        (FeedKind.ACTION, "lee", "attempt", ("lee", "ortiz")),
        (FeedKind.ACTION, "lee", "undo", ("lee", "ortiz")),
    ]
    assert [
        (row.what, row.case_manager_id, row.enrollee_id, row.detail) for row in store.audit.read(alert_id=FIRST)
    ] == [
        (Audited.UNDID, "lee", "E1", "attempt"),
        (Audited.ACTED, "lee", "E1", "attempt"),
    ]


def test_noting_twice_is_noting_once_and_calling_twice_is_twice(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    assert acted(store, FIRST, "ortiz", ActKind.NOTED, 1, NOW) == acted(store, FIRST, "ortiz", ActKind.NOTED, 1, NOW)
    acted(store, FIRST, "ortiz", ActKind.ATTEMPT, 1, NOW, **CALLED)
    acted(store, FIRST, "ortiz", ActKind.ATTEMPT, 1, NOW, **CALLED)
    assert [done.kind for done in store.acts.of_stay(FIRST)] == [ActKind.NOTED, ActKind.ATTEMPT, ActKind.ATTEMPT]


def test_who_takes_what_another_has_is_told_who_has_it(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    acted(store, FIRST, "ortiz", ActKind.TAKE, 1, NOW)
    at = NOW + timedelta(minutes=1)
    assert act(store, FIRST, "lee", ActKind.TAKE, 1, at, over="") == Held("ortiz")
    assert isinstance(act(store, FIRST, "lee", ActKind.TAKE, 1, at, over="ortiz"), Written)
    loop = store.acts.loops([FIRST], NURSES, default_policy(), at)[FIRST]
    assert (loop.holding.holder, loop.holding.taken_from) == ("lee", "ortiz")


def test_what_is_wrong_with_an_act_is_said_and_nothing_is_written(store: Store) -> None:
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    done = acted(store, FIRST, "ortiz", ActKind.NOTED, 1, NOW)
    assert act(store, "nothing", "ortiz", ActKind.TAKE, 1, NOW) == Absent()
    for version in (0, 2):
        assert codes(act(store, FIRST, "ortiz", ActKind.TAKE, version, NOW)) == [ActFault.NO_SUCH_VERSION]
    assert codes(act(store, FIRST, "nobody", ActKind.TAKE, 1, NOW)) == [ActFault.NOT_ALLOWED]
    assert codes(act(store, FIRST, "chen", ActKind.ATTEMPT, 1, NOW, **CALLED)) == [ActFault.NOT_ALLOWED]
    assert codes(act(store, FIRST, "ortiz", ActKind.CLOSE, 1, NOW)) == [ActFault.FIELD_MISSING]
    early = act(store, FIRST, "ortiz", ActKind.ATTEMPT, 1, NOW, happened_at=NOW - days(1), **CALLED)
    assert early == Refused((Fault(ActFault.BEFORE_THE_EVENT, "happened_at"),))
    assert codes(undone(store, FIRST, done, NOW, by="lee")) == [ActFault.NOT_YOURS]
    assert codes(undone(store, FIRST, done, NOW + UNDO_FOR + timedelta(seconds=1))) == [ActFault.TOO_LATE_TO_UNDO]
    assert store.acts.of_stay(FIRST) == (done,)
    assert isinstance(undone(store, FIRST, done, NOW + UNDO_FOR), Written)
    assert codes(undone(store, FIRST, done, NOW)) == [ActFault.NO_SUCH_ACT]


def test_taking_back_opens_the_row_again_and_both_stay_readable(store: Store) -> None:
    store.decisions.decide([record(1), record(2, kind=EventKind.DISCHARGED)], told_to("ortiz", "lee"), NOW)
    acted(store, FIRST, "lee", ActKind.NOTED, 1, NOW)
    done = acted(store, FIRST, "ortiz", ActKind.NOTED, 2, NOW)
    assert store.inbox.rows_for("ortiz", NOW)[0].acknowledged_version == 2
    undone(store, FIRST, done, NOW)
    row = store.inbox.rows_for("ortiz", NOW)[0]
    assert (row.open, row.acknowledged_version, [written.by for written in row.acts]) == (True, 1, ["lee"])
    page = store.inbox.stay_page("ortiz", FIRST)
    assert page is not None
    assert [written.kind for written in page.acts] == [ActKind.NOTED, ActKind.NOTED, ActKind.UNDO]


def test_a_manager_of_the_network_gives_a_stay_to_somebody(store: Store) -> None:
    store.panel.load([line("E1")], full=True, now=NOW)
    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    people = [
        CaseManager(case_manager_id="ortiz", name="M. Ortiz", role=Role.NURSE, practices=("P1",)),
        CaseManager(case_manager_id="hale", name="S. Hale", role=Role.MANAGER, practices=("P1",)),
        CaseManager(case_manager_id="far", name="F. Far", role=Role.MANAGER, network_id="far"),
    ]
    directory = Directory(case_managers=people)
    given = act_of("hale", ActKind.ASSIGN, 1, NOW, for_id="ortiz")
    answer = store.acts.write(given, FIRST, directory)
    assert isinstance(answer, Written)
    assert answer.act.role is Role.MANAGER
    assert store.acts.loops([FIRST], directory, default_policy(), NOW)[FIRST].holding.holder == "ortiz"
    for who in ("ortiz", "far"):
        refused = store.acts.write(act_of(who, ActKind.ASSIGN, 1, NOW, for_id="ortiz"), FIRST, directory)
        assert codes(refused) == [ActFault.NOT_ALLOWED]


def test_acts_of_a_stay_that_was_merged_belong_to_the_other_and_acts_stay_with_whom_they_were_done_to(
    store: Store,
) -> None:
    store.decisions.decide([record(1), record(2, visit="V2"), record(3, "E2", visit="V3", mrn="M3")], decide, NOW)
    joined, moved = message_id(2), message_id(3)
    acted(store, joined, "ortiz", ActKind.ATTEMPT, 1, NOW, **CALLED)
    acted(store, moved, "ortiz", ActKind.NOTE, 1, NOW, text="about E2")

    def merged(event_record: EventRecord, history: History) -> Decision:
        loser = next(stay for stay in history.stays if stay.stay_id == joined)
        gone = loser.model_copy(update={"status": StayStatus.ENTERED_IN_ERROR, "merged_into": FIRST})
        alert = alert_of(gone, 2, event_record.event, Action.RETRACT)
        return Decision(action=Action.RETRACT, reasons=(Reason.MERGED,), stays=(gone,), alerts=(alert,))

    def to_another(event_record: EventRecord, history: History) -> Decision:
        stay = next(stay for stay in history.stays if stay.stay_id == moved).model_copy(update={"enrollee_id": "E1"})
        alert = alert_of(stay, 2, event_record.event, Action.AMEND)
        return Decision(action=Action.AMEND, reasons=(Reason.IDENTITY_CORRECTED,), stays=(stay,), alerts=(alert,))

    store.decisions.decide([record(4, visit="V2")], merged, NOW)
    store.decisions.decide([record(5, "E2", visit="V3", mrn="M3")], to_another, NOW)
    assert [(written.kind, written.version) for written in store.acts.of_stay(FIRST)] == [(ActKind.ATTEMPT, 0)]
    assert store.acts.of_stay(moved) == ()
    assert [alert_id for alert_id, _ in store.acts.of_person("E2")] == [moved]
    late = acted(store, moved, "ortiz", ActKind.NOTE, 1, NOW, text="about E2, sent late")  # on the version about E2
    acted(store, moved, "ortiz", ActKind.NOTE, 2, NOW, text="about E1")
    assert [act.text for act in store.acts.of_stay(moved)] == ["about E1"]
    assert [act.text for _, act in store.acts.of_person("E2")] == ["about E2", "about E2, sent late"]
    assert isinstance(undone(store, moved, late, NOW), Written)


def test_the_loop_of_a_stay_comes_from_its_versions_acts_and_other_stays(store: Store) -> None:
    store.decisions.decide([record(1), record(2, kind=EventKind.DISCHARGED)], decide, NOW)
    asks = store.acts.loops([FIRST], NURSES, default_policy(), NOW)[FIRST]
    assert (asks.follow_up.state, asks.holding.holder) == (FollowUpState.TO_CALL, "ortiz")
    acted(store, FIRST, "ortiz", ActKind.CLOSE, 2, NOW, close_reason=CloseReason.DECLINED)
    assert store.acts.loops([FIRST], NURSES, default_policy(), NOW)[FIRST].follow_up.state is FollowUpState.CLOSED
    acted(store, FIRST, "ortiz", ActKind.REOPEN, 2, NOW + days(0.1))
    store.decisions.decide([record(3, visit="V2", at=NOW + days(1))], decide, NOW + days(1))
    again = store.acts.loops([FIRST, "nothing"], NURSES, default_policy(), NOW + days(1))
    assert again.keys() == {FIRST}
    assert again[FIRST].follow_up.state is FollowUpState.PAUSED


def test_what_was_done_in_the_older_words_is_taken_over(store_url: str) -> None:
    database = Database(make_engine(store_url))
    migrate(database, "0020")
    stay = decide(record(1), History()).stays[0]
    alert = alert_of(stay, 1, record(1).event)
    with database.writing() as connection:
        document, at = alert.model_dump_json(), to_us(NOW)
        columns = ("alert_id", "stay_id", "enrollee_id", "version", "decided_us", "position", "document")
        write_rows(connection, alerts, columns, [(FIRST, FIRST, "E1", 1, at, 1, document)])
        write_rows(connection, alert_owners, ("case_manager_id", "alert_id", "owning"), [("ortiz", FIRST, 1)])
        versions = ("alert_id", "version", "decided_us", "position", "document")
        write_rows(connection, alert_versions, versions, [(FIRST, 1, at, 1, document)])
        rows = [
            (2, FIRST, "ortiz", "taken", 1, 5, "", 0),
            (3, FIRST, "ortiz", "acknowledged", 1, 6, "", 1),
            (4, FIRST, "ortiz", "undone", 1, 7, "acknowledged", 0),
            (5, FIRST, "ortiz", "not_reached", 1, 8, "busy", 0),
        ]
        for row in rows:
            connection.exec_driver_sql(
                "INSERT INTO actions (position, alert_id, case_manager_id, action, version, at_us, note, undone) "
                f"VALUES {row}"
            )
    database._engine.dispose()
    opened = Store.open(store_url, migrate=True)
    try:
        assert [
            (written.kind, written.outcome, written.text) for written in opened.inbox.rows_for("ortiz", NOW)[0].acts
        ] == [
            (ActKind.TAKE, None, ""),
            (ActKind.ATTEMPT, Outcome.NO_ANSWER, "busy"),
        ]
        assert [written.kind for written in opened.acts.of_stay(FIRST)] == [
            ActKind.TAKE,
            ActKind.NOTED,
            ActKind.UNDO,
            ActKind.ATTEMPT,
        ]
    finally:
        opened.close()


def delays() -> dict[Delay, tuple[float, float]]:
    """How many were observed of each, and the seconds they came to."""

    def value(part: Delay, what: str) -> float:
        return REGISTRY.get_sample_value(f"toc_delay_seconds_{what}", {"part": part}) or 0.0

    return {part: (value(part, "count"), value(part, "sum")) for part in Delay}


def test_how_long_people_took_is_observed_once_for_each_step(store: Store) -> None:
    def observed(since: dict[Delay, tuple[float, float]]) -> dict[Delay, tuple[float, float]]:
        now = delays()
        return {
            part: (now[part][0] - since[part][0], round(now[part][1] - since[part][1], 3))
            for part in Delay
            if now[part] != since[part]
        }

    store.decisions.decide([record(1)], told_to("ortiz", "lee"), NOW)
    before = delays()
    for hours in (1, 2):
        store.seen.mark("lee", {FIRST: 1}, NOW + timedelta(hours=hours))
    assert observed(before) == {Delay.SHOWN_TO_SEEN: (1, 3_600)}
    before = delays()
    acted(store, FIRST, "lee", ActKind.TAKE, 1, NOW + timedelta(hours=3))
    acted(store, FIRST, "lee", ActKind.ATTEMPT, 1, NOW + timedelta(hours=4), **{**CALLED, "outcome": Outcome.NO_ANSWER})
    assert observed(before) == {Delay.SEEN_TO_TAKEN: (1, 3_600)}
    before = delays()
    acted(store, FIRST, "lee", ActKind.ATTEMPT, 1, NOW + timedelta(hours=5), **CALLED)
    acted(store, FIRST, "lee", ActKind.ATTEMPT, 1, NOW + timedelta(hours=6), **CALLED)
    assert observed(before) == {Delay.TAKEN_TO_REACHED: (1, 7_200)}
