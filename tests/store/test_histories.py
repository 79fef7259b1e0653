"""Random versions, acts, merges and clocks through the real store: no act lost, one story in whatever order it came."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parsers.events import EventKind
from parsers.people import CaseManager, Network, Practice, Role
from rules.decisions import Action, Clock, ClockKind, Decision, History, Owner, Priority, Reason, StayStatus
from rules.following.acts import Act, ActKind, CloseReason, MayLeave, Mode, Outcome, With, effective
from rules.following.escalation import default_escalation
from rules.following.loop import Loop
from rules.following.state import WAYS_ON, Ground
from rules.policy.policy import default_policy
from rules.telling.directory import Directory
from streams.follow.overdue import Overdue
from streams.kafka.records import EventRecord
from streams.store import Store
from streams.store.acts import Again, Written
from streams.store.loops import versions_of
from streams.store.ticks import Turn
from tests.rigs.store import DATABASES, alert_of, decide, line, message_id, record, url_of

AT: Final = datetime(2026, 11, 23, 15, tzinfo=UTC)
NOW: Final = AT + timedelta(days=20)
PEOPLE: Final = ("ortiz", "lee", "hale")
STAYS: Final = (message_id(1), message_id(2))
DIRECTORY: Final = Directory(
    [Network(network_id="N1", name="West")],
    [Practice(practice_id="P1", name="Ayers", network_id="N1")],
    [
        *(CaseManager(case_manager_id=name, name=name, role=Role.NURSE, practices=("P1",)) for name in PEOPLE[:2]),
        CaseManager(case_manager_id="hale", name="hale", role=Role.MANAGER, network_id="N1", practices=("P1",)),
    ],
)
KINDS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": ActKind.TAKE},
    {"kind": ActKind.GIVE_BACK},
    {"kind": ActKind.HAND_OVER, "for_id": "lee"},
    {"kind": ActKind.ATTEMPT, "mode": Mode.PHONE, "with_whom": With.PATIENT, "outcome": Outcome.REACHED},
    {"kind": ActKind.ATTEMPT, "mode": Mode.PHONE, "outcome": Outcome.NO_ANSWER},
    {"kind": ActKind.ATTEMPT, "mode": Mode.PHONE, "outcome": Outcome.DECLINED},
    {"kind": ActKind.UNABLE},
    {"kind": ActKind.VISIT_KEPT, "day": AT.date() + timedelta(days=6)},
    {"kind": ActKind.NOTED},
    {"kind": ActKind.NOTE, "text": "said"},
    {"kind": ActKind.CONTACT_WISHES, "message": MayLeave.NO},
    {"kind": ActKind.CLOSE, "close_reason": CloseReason.OTHER},
    {"kind": ActKind.REOPEN},
    {"kind": ActKind.UNDO},
)


class Doing(NamedTuple):
    """An act to be, by one person: on which stay and version, so many hours after the beginning."""

    who: int
    stay: int
    hours: int
    what: int
    version: int


class Telling(NamedTuple):
    """What the hospital says of a stay."""

    stay: int
    hours: int
    what: int  # discharged, back in, cancelled, merged into the other, moved to the other person


doings = st.lists(
    st.builds(
        Doing,
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 300),
        st.integers(0, len(KINDS) - 1),
        st.integers(1, 2),
    ),
    min_size=6,
    max_size=14,
)
tellings = st.lists(
    st.builds(Telling, st.integers(0, 1), st.integers(1, 200), st.integers(0, 4)), min_size=2, max_size=5
)


@contextmanager
def new_store(backend: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        url = url_of(backend, Path(folder), request)
        store = Store.open(url, migrate=True)
        try:
            with store.database.writing() as connection:  # a server keeps one database for the whole test
                for name in ("acts", "alerts", "alert_versions", "alert_owners", "stays", "stay_keys", "ledger"):
                    connection.exec_driver_sql(f"DELETE FROM {name}")
                for name in ("fingerprints", "escalation_steps", "escalation_looks", "outbox", "seen", "audit"):
                    connection.exec_driver_sql(f"DELETE FROM {name}")
            store.panel.load([line("E1"), line("E2", medicaid_id="901234568M")], full=True, now=AT)
            yield store
        finally:
            store.close()


def tell(store: Store, number: int, telling: Telling | None, stay: int) -> None:
    at = AT + timedelta(hours=telling.hours if telling else 0)

    def rules(event_record: EventRecord, history: History) -> Decision:
        if telling is None:
            decision = decide(event_record, history)
            (announced,) = decision.alerts
            return decision.model_copy(update={"alerts": (announced.model_copy(update=_owners()),)})
        mine = next(each for each in history.stays if each.stay_id == STAYS[stay])
        last = next(each for each in history.alerts if each.alert_id == STAYS[stay])
        changes: dict[str, Any] = {**_owners(), "occurred_at": at, "decided_at": at}
        action, status = Action.AMEND, StayStatus.IN_PROGRESS
        if telling.what == 0:
            status = StayStatus.FINISHED
            clocks = tuple(
                Clock(kind=kind, starts_at=at, due_at=at + timedelta(days=days))
                for kind, days in ((ClockKind.TCM_CONTACT, 2), (ClockKind.TCM_VISIT, 7))
            )
            changes |= {"ended_at": at, "clocks": clocks}
        elif telling.what == 2:
            action, status = Action.RETRACT, StayStatus.CANCELLED
        elif telling.what == 3:
            action, status = Action.RETRACT, StayStatus.ENTERED_IN_ERROR
            mine = mine.model_copy(update={"merged_into": STAYS[1 - stay]})
        elif telling.what == 4:
            mine = mine.model_copy(update={"enrollee_id": "E2" if mine.enrollee_id == "E1" else "E1"})
        mine = mine.model_copy(update={"status": status})
        alert = alert_of(mine, last.version + 1, event_record.event, action, **{**changes, "status": status})
        return Decision(action=action, reasons=(Reason.ADMITTED,), stays=(mine,), alerts=(alert,))

    kind = EventKind.ADMITTED if telling is None else EventKind.UPDATED
    store.decisions.decide([record(number, at=at, visit=f"V{stay}", kind=kind)], rules, at)


def _owners() -> dict[str, Any]:
    owners = tuple(Owner(case_manager_id=name, because="practice") for name in PEOPLE[:2])
    return {"owners": owners, "told": PEOPLE[:2], "priority": Priority.URGENT}


def spoken(said: Sequence[Telling]) -> list[Telling]:
    """What a hospital can say one after the other: a stay that was merged is heard of no more."""
    merged: set[int] = set()
    order = []
    for telling in said:
        if telling.stay not in merged and not (telling.what == 3 and merged):
            order.append(telling)
            merged |= {telling.stay} if telling.what == 3 else set()
    return order


def acts_of(done: Sequence[Doing]) -> dict[str, list[tuple[str, Act]]]:
    """What each person sends, in their own order; an undoing takes back their last act on that stay."""
    acts: dict[str, list[tuple[str, Act]]] = {name: [] for name in PEOPLE}
    for number, doing in enumerate(done):
        who, stay, fields = PEOPLE[doing.who], STAYS[doing.stay], KINDS[doing.what]
        at = AT + timedelta(hours=doing.hours, seconds=number)
        if fields["kind"] is ActKind.UNDO:
            mine = [act for alert_id, act in acts[who] if alert_id == stay and act.kind is not ActKind.UNDO]
            if not mine:
                continue
            fields, at = {**fields, "supersedes": mine[-1].act_id}, mine[-1].recorded_at + timedelta(seconds=5)
        values = {"role": Role.NURSE, "by": who, "version": doing.version, "happened_at": at, "recorded_at": at}
        acts[who].append((stay, Act(act_id=f"act-{number}", **{**values, **fields})))
    return acts


def mixed(
    said: Sequence[Telling], sent: dict[str, list[tuple[str, Act]]], turns: Sequence[int]
) -> list[Telling | tuple[str, Act]]:
    """One order of delivery that keeps the hospital's and each person's own. Nobody acts on a version before there is
    one, but any time after; on one there never is, at the end."""
    hospital = spoken(said)
    left = {who: list(acts) for who, acts in sent.items()}
    versions = dict.fromkeys(STAYS, 1)
    order: list[Telling | tuple[str, Act]] = []
    for turn in [*turns, *[3] * len(hospital), *(number for number in range(3) for _ in range(99))]:
        if turn == 3:
            if hospital:
                order.append(hospital.pop(0))
                versions[STAYS[order[-1].stay]] += 1
        elif theirs := left[PEOPLE[turn]]:
            alert_id, act = theirs[0]
            if not hospital or act.version <= versions[alert_id]:
                order.append(theirs.pop(0))
    return order


def delivered(store: Store, order: Sequence[Telling | tuple[str, Act]]) -> set[str]:
    """Sends every act twice; the ids of those that stand."""
    for stay in (0, 1):
        tell(store, stay + 1, None, stay)
    stand = set()
    for number, item in enumerate(order, 10):
        if isinstance(item, Telling):
            tell(store, number, item, item.stay)
            continue
        alert_id, act = item
        answer = store.acts.write(act, alert_id, DIRECTORY)
        again = store.acts.write(act, alert_id, DIRECTORY)
        if isinstance(answer, Written):
            assert again == Again(answer.position, answer.act)
            stand.add(act.act_id)
    return stand


def enrollees_of(store: Store) -> dict[tuple[str, int], str]:
    """Whom each version of each alert is about."""
    with store.database.reading() as connection:
        versions = versions_of(connection, STAYS)
    return {(alert.alert_id, alert.version): alert.enrollee_id for story in versions.values() for alert in story}


def loops(store: Store) -> dict[str, Loop]:
    return store.acts.loops(STAYS, DIRECTORY, default_policy(), NOW)


@pytest.mark.parametrize("backend", DATABASES)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    tellings,
    doings,
    st.lists(st.integers(0, 3), min_size=6, max_size=14),
    st.lists(st.integers(0, 400), min_size=1, max_size=5),
)
def test_whatever_is_told_and_done_is_one_story(
    backend: str,
    request: pytest.FixtureRequest,
    said: list[Telling],
    done: list[Doing],
    turns: list[int],
    looks: list[int],
) -> None:
    sent = acts_of(done)
    stories = []
    for order in (mixed(said, sent, ()), mixed(said, sent, turns)):
        with new_store(backend, request) as store:
            stand = delivered(store, order)
            done_to = {who: store.acts.of_person(who) for who in ("E1", "E2")}
            kept = [act.act_id for story in done_to.values() for _, act in story]
            assert Counter(kept) == Counter(stand)
            about = enrollees_of(store)
            for who, story in done_to.items():
                assert all(about[alert_id, act.version] == who for alert_id, act in story), "filed under another person"
            by_stay = loops(store)
            for stay, loop in by_stay.items():
                assert WAYS_ON[loop.follow_up.state]
                counting = {act.act_id for act in effective(store.acts.of_stay(stay))}
                kinds = Counter(standing.clock.kind for standing in loop.standings)
                assert all(count == 1 for count in kinds.values())
                assert all(standing.act is None or standing.act.act_id in counting for standing in loop.standings)
            met = Counter(
                (standing.clock.kind, standing.act.act_id)
                for loop in by_stay.values()
                for standing in loop.standings
                if standing.act and loop.follow_up.ground is not Ground.VOID
            )
            assert all(count == 1 for count in met.values()), "one act met the same clock of two stays"
            stories.append((stand, by_stay))
            turn = store.ticks.take("escalation", "one", 0.0)
            assert isinstance(turn, Turn)
            overdue = Overdue(store, default_escalation, default_policy, lambda: DIRECTORY)
            for hours in looks:  # a clock that jumps back and forth
                overdue.run(turn, AT + timedelta(hours=hours))
            for stay in STAYS:
                steps = store.escalations.of_stay(stay)
                asked = Counter((step.run, step.clock, step.began_at, step.person) for step in steps if step.person)
                assert all(count == 1 for count in asked.values()), "asked twice for the same"
    assert stories[0] == stories[1]
