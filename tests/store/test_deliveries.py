"""What is due to a destination is claimed once, in order for each alert, and ends in a sum that holds."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rules.decisions import Action, Decision, Grade, Match, Reason
from rules.telling.attempts import Failure, GiveUp
from rules.telling.destinations import FormKind, State, Whose
from streams.store import Store
from streams.store.delivery import Claimed, DeliveryState, End, delivery_id
from tests.rigs.store import alert_of, decide, message_id, panel, record, store, store_url
from tests.rigs.telling import DIRECTORY, NOW, SECRET, decide_for, destination, minutes, retracting, take_back

__all__ = ["store", "store_url"]

HOLD = timedelta(minutes=1)
HOOK = destination()


@pytest.fixture
def filled(store: Store) -> Store:
    store.panel.load(panel(30), full=True, now=NOW)
    store.destinations.put(HOOK, NOW)
    return store


def claim(store: Store, by: str = "a", now=NOW, each: int = 20) -> list[Claimed]:
    return store.deliveries.claim(by, now, HOLD, store.deliveries.ready(now), each=each)


def delivered(store: Store, claimed, by: str = "a", now=NOW) -> int:
    ends = [
        End(delivery.delivery_id, delivery.destination_id, DeliveryState.DELIVERED, now, tier="full")
        for delivery in claimed
    ]
    return store.deliveries.settle(ends, by, now)


def again(store: Store, claimed, at, *, maybe: bool = False) -> int:
    failure = Failure.TIMED_OUT if maybe else Failure.SERVER_ERROR
    ends = [
        End(delivery.delivery_id, delivery.destination_id, DeliveryState.WAITING, at, failure, "500", maybe=maybe)
        for delivery in claimed
    ]
    return store.deliveries.settle(ends, "a", NOW)


def give_up(store: Store, claimed) -> None:
    ends = [
        End(delivery.delivery_id, delivery.destination_id, DeliveryState.GIVEN_UP, NOW, Failure.SERVER_ERROR)
        for delivery in claimed
    ]
    assert store.deliveries.settle(ends, "a", NOW) == len(ends)


def replay(store: Store, states: list[DeliveryState], to=HOOK) -> int:
    """Of the minute in which everything begins."""
    return store.deliveries.replay(to, NOW, NOW + minutes(1), states, NOW, DIRECTORY)


def states(store: Store, name: str = "d1") -> dict[str, int]:
    sums = store.deliveries.sums()[name]
    assert sums.balanced
    return {state: count for state, count in sums._asdict().items() if count}


def test_versions_are_due_in_the_transaction_that_writes_them(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1), record(2), record(3, "E2", visit="V2"))
    rows = filled.deliveries.of(destination_id="d1")
    assert {(row.alert_id, row.version) for row in rows} == {
        (message_id(1), 1),
        (message_id(1), 2),
        (message_id(3), 1),
    }
    assert {row.delivery_id for row in rows} == {delivery_id(row.alert_id, row.version, "d1") for row in rows}
    decide_for(filled, [HOOK], record(1), record(2))
    assert states(filled) == {"due": 3, "waiting": 3}


def test_nothing_is_written_while_there_is_no_destination(filled: Store) -> None:
    filled.decisions.decide([record(1)], decide, NOW)
    assert filled.deliveries.sums() == {}


def test_of_one_alert_only_the_oldest_is_in_hand(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1), record(2), record(3, "E2", visit="V2"))
    first = claim(filled)
    assert [(delivery.alert.alert_id, delivery.alert.version) for delivery in first] == [
        (message_id(1), 1),
        (message_id(3), 1),
    ]
    assert claim(filled, "b") == []
    delivered(filled, first[:1])
    second = claim(filled, "b")
    assert [(delivery.alert.alert_id, delivery.alert.version) for delivery in second] == [(message_id(1), 2)]
    delivered(filled, first[1:])
    delivered(filled, second, "b")
    assert states(filled) == {"due": 3, "delivered": 3}


def test_a_version_waits_while_the_one_before_it_is_to_be_tried_again(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1), record(2))
    again(filled, claim(filled), NOW + minutes(5))
    assert claim(filled, now=NOW + minutes(4)) == []
    (first,) = claim(filled, now=NOW + minutes(5))
    assert (first.alert.version, first.tries) == (1, 1)


@pytest.mark.parametrize("resumed", [False, True])
def test_what_waits_for_a_destination_that_was_away_is_due_once_it_is_back(filled: Store, resumed: bool) -> None:
    """But what it refused for what it holds keeps its time."""
    decide_for(filled, [HOOK], record(1), record(3, "E2", visit="V2"))
    claimed, later = claim(filled), NOW + minutes(60)
    failures = Failure.NO_CONNECTION, Failure.REFUSED
    ends = [
        End(delivery.delivery_id, "d1", DeliveryState.WAITING, later, failure)
        for delivery, failure in zip(claimed, failures, strict=True)
    ]
    filled.deliveries.settle(ends, "a", NOW)
    assert claim(filled) == []
    if resumed:
        filled.destinations.move("d1", State.ACTIVE, NOW)
    else:
        assert filled.destinations.hasten("d1", NOW) == 1
    assert [delivery.delivery_id for delivery in claim(filled)] == [claimed[0].delivery_id]


def test_what_a_dead_process_had_in_hand_comes_again_under_its_id(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    (first,) = claim(filled, "dead")
    assert claim(filled, "alive", NOW + HOLD - timedelta(seconds=1)) == []
    (second,) = claim(filled, "alive", NOW + HOLD)
    assert second.delivery_id == first.delivery_id
    assert delivered(filled, [first], "dead") == 0, "the lease was lost, so the late answer ends nothing"
    assert delivered(filled, [second], "alive") == 1


def test_a_process_that_lives_keeps_what_it_has_in_hand(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    (first,) = claim(filled)
    assert filled.deliveries.hold_on([first.delivery_id], "a", NOW + 3 * HOLD) == [first.delivery_id]
    assert filled.deliveries.hold_on([first.delivery_id], "b", NOW) == []
    assert claim(filled, "b", NOW + 2 * HOLD) == []


def test_a_destination_gets_no_more_than_its_share_and_none_while_it_rests(filled: Store) -> None:
    other = destination("d2")
    filled.destinations.put(other, NOW)
    decide_for(filled, [HOOK, other], *(record(number, f"E{number}", visit=f"V{number}") for number in range(1, 9)))
    shares = [delivery.destination_id for delivery in claim(filled, each=3)]
    assert sorted(shares) == ["d1"] * 3 + ["d2"] * 3
    ready = filled.deliveries.ready(NOW)
    assert ready == ["d1", "d2"]
    filled.destinations.failed("d1", Failure.SERVER_ERROR, NOW, NOW + minutes(1))
    assert {delivery.destination_id for delivery in filled.deliveries.claim("a", NOW, HOLD, ready, each=20)} == {"d2"}
    assert claim(filled) == []
    assert len(claim(filled, now=NOW + minutes(2))) == 8 + 8


def test_pausing_keeps_what_is_due_and_removing_gives_it_up(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    assert filled.destinations.pause("d1", "gone", NOW)
    assert not filled.destinations.pause("d1", "gone", NOW)
    assert claim(filled) == []
    assert states(filled) == {"due": 1, "waiting": 1}
    (row,) = filled.destinations.all()
    assert (row.destination.state, row.why) == (State.PAUSED, "gone")
    filled.destinations.move(HOOK.destination_id, State.REMOVED, NOW)
    assert states(filled) == {"due": 1, "given_up": 1}
    assert filled.destinations.all() == []
    decide_for(filled, [HOOK], record(2))  # by a worker that has not heard of it yet
    assert filled.deliveries.give_up_removed(NOW) == 1
    assert {row.failure for row in filled.deliveries.of(destination_id="d1")} == {GiveUp.REMOVED}


def test_what_is_in_hand_while_its_destination_is_removed_is_not_forgotten(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1), record(3, "E2", visit="V2"))
    sent, died_with = claim(filled)
    filled.destinations.move("d1", State.REMOVED, NOW)
    assert delivered(filled, [sent]) == 1, "it was under way"
    assert filled.deliveries.give_up_removed(NOW) == 0
    assert filled.deliveries.give_up_removed(NOW + HOLD) == 1
    assert states(filled) == {"due": 2, "delivered": 1, "given_up": 1}
    ended = {row.delivery_id: row for row in filled.deliveries.of(destination_id="d1")}
    assert ended[died_with.delivery_id].maybe, "a process that was killed tells nobody"


def test_a_newer_state_takes_the_place_of_an_unsent_one_and_an_event_never_does(filled: Store) -> None:
    state = destination("s1", FormKind.CSV, address="/tmp/x")
    filled.destinations.put(state, NOW)
    decide_for(filled, [HOOK, state], record(1), record(2))
    assert states(filled) == {"due": 2, "waiting": 2}
    assert states(filled, "s1") == {"due": 2, "waiting": 1, "superseded": 1}
    (kept,) = [delivery for delivery in claim(filled) if delivery.destination_id == "s1"]
    assert kept.alert.version == 2
    decide_for(filled, [HOOK, state], record(3))
    assert states(filled, "s1") == {"due": 3, "waiting": 2, "superseded": 1}, "what is in hand is never superseded"


def test_csv_holds_each_version_where_that_is_asked_for(filled: Store) -> None:
    made = destination("s1", FormKind.CSV, address="/tmp/x", options={"rows": "version"})
    filled.destinations.put(made, NOW)
    decide_for(filled, [made], record(1), record(2))
    assert states(filled, "s1") == {"due": 2, "waiting": 2}


def test_a_retraction_follows_to_whom_an_earlier_version_was_or_may_have_been_told(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    again(filled, claim(filled), NOW + minutes(1), maybe=True)
    (row,) = filled.deliveries.of(destination_id="d1")
    assert row.maybe
    give_up = [
        End(delivery.delivery_id, "d1", DeliveryState.GIVEN_UP, NOW, GiveUp.TRIED_ENOUGH)
        for delivery in claim(filled, now=NOW + minutes(1))
    ]
    filled.deliveries.settle(give_up, "a", NOW)
    decide_for(filled, [HOOK], take_back(2), rule=retracting)
    assert [delivery.alert.action for delivery in claim(filled)] == ["retract"]
    assert [row.version for row in filled.disclosures.of("E1")] == [1]


def test_a_mail_of_counts_discloses_nothing(filled: Store) -> None:
    nudge = destination("n1", FormKind.NUDGE, Whose.PERSON, address="ortiz@example.org")
    filled.destinations.put(nudge, NOW)
    decide_for(filled, [HOOK, nudge], record(1), record(2))
    for where in ("d1", "n1"):
        while claimed := filled.deliveries.claim("a", NOW, minutes(1), [where], each=999):
            ends = [End(delivery.delivery_id, where, DeliveryState.DELIVERED, NOW, tier="full") for delivery in claimed]
            filled.deliveries.settle(ends, "a", NOW)
    assert [row.destination_id for row in filled.disclosures.of("E1")] == ["d1", "d1"]


def test_what_left_about_somebody_stays_about_them_though_the_stay_is_another_s_now(filled: Store) -> None:
    def handing_over(event_record, history):
        stay = history.stays[0].model_copy(update={"enrollee_id": "E2"})
        alert = alert_of(stay, 2, event_record.event, Action.AMEND, reasons=(Reason.IDENTITY_CORRECTED,))
        return Decision(action=Action.AMEND, reasons=alert.reasons, stays=(stay,), alerts=(alert,))

    decide_for(filled, [HOOK], record(1))
    delivered(filled, claim(filled))
    merged = record(2, "E2", prior_match=Match(grade=Grade.CERTAIN, enrollee_id="E1"))
    decide_for(filled, [HOOK], merged, rule=handing_over)
    delivered(filled, claim(filled))
    left = {who: [row.version for row in filled.disclosures.of(who)] for who in ("E1", "E2")}
    assert left == {"E1": [1], "E2": [2]}


def test_a_retraction_goes_nowhere_where_nothing_was_told(filled: Store) -> None:
    decide_for(filled, [], record(1))
    decide_for(filled, [HOOK], take_back(2), rule=retracting)
    assert filled.deliveries.sums() == {}


def test_a_replay_waits_again_under_the_same_id(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    first = claim(filled)
    delivered(filled, first)
    assert replay(filled, [DeliveryState.GIVEN_UP]) == 0
    assert replay(filled, [DeliveryState.DELIVERED]) == 1
    assert replay(filled, [DeliveryState.DELIVERED]) == 0, "what waits already"
    assert [delivery.delivery_id for delivery in claim(filled)] == [first[0].delivery_id]
    assert states(filled) == {"due": 1, "waiting": 1}


def test_a_replay_of_what_never_arrived_is_followed_by_the_retraction_that_was_not_due(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    give_up(filled, claim(filled))
    decide_for(filled, [HOOK], take_back(2), rule=retracting)
    assert states(filled) == {"due": 1, "given_up": 1}
    assert replay(filled, [DeliveryState.GIVEN_UP]) == 2
    for version in (1, 2):
        claimed = claim(filled)
        assert [delivery.alert.version for delivery in claimed] == [version]
        delivered(filled, claimed)
    assert states(filled) == {"due": 2, "delivered": 2}


def test_what_was_told_once_stays_told_though_a_replay_tells_less(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    delivered(filled, claim(filled))
    replay(filled, [DeliveryState.DELIVERED])
    (again,) = claim(filled)
    end = End(again.delivery_id, "d1", DeliveryState.GIVEN_UP, NOW, GiveUp.WITHHELD, tier="withheld")
    filled.deliveries.settle([end], "a", NOW)
    (about,) = filled.disclosures.of("E1")
    assert (about.tier, about.arrived) == ("full", True)
    assert filled.deliveries.totals() == {state: int(state is DeliveryState.GIVEN_UP) for state in DeliveryState}


def test_after_a_replay_the_newest_version_is_heard_last(filled: Store) -> None:
    """Also when it had arrived long ago, and its time is not in the span."""
    decide_for(filled, [HOOK], record(1))
    give_up(filled, claim(filled))
    later = NOW + minutes(10)
    decide_for(filled, [HOOK], record(2), now=later)
    delivered(filled, claim(filled, now=later))
    assert replay(filled, [DeliveryState.GIVEN_UP]) == 2
    assert [delivery.alert.version for delivery in claim(filled, now=later)] == [1]
    assert states(filled) == {"due": 2, "waiting": 2}


def test_a_replay_of_states_tells_the_newest_of_a_stay(filled: Store) -> None:
    rows = destination("f1", FormKind.CSV, address="/tmp/x")
    filled.destinations.put(rows, NOW)
    for number in (1, 2):
        decide_for(filled, [rows], record(number))
        delivered(filled, claim(filled))
    assert replay(filled, list(DeliveryState), rows) == 1
    assert [delivery.alert.version for delivery in claim(filled)] == [2]


def test_a_file_takes_everything_in_order_and_is_the_same_again_after_a_cut(filled: Store) -> None:
    lines = destination("f1", FormKind.NDJSON, address="/tmp/x")
    filled.destinations.put(lines, NOW)
    decide_for(filled, [lines], record(1), record(2), record(3, "E2", visit="V2"))
    first = filled.deliveries.claim_all("f1", "a", NOW, HOLD, 100, claim(filled))
    assert [(delivery.alert.alert_id, delivery.alert.version) for delivery in first] == [
        (message_id(1), 1),
        (message_id(1), 2),
        (message_id(3), 1),
    ]
    assert filled.deliveries.number_batch("f1", first) == 1
    decide_for(filled, [lines], record(4, "E3", visit="V3"))
    later = NOW + 2 * HOLD
    second = filled.deliveries.claim_all("f1", "b", later, HOLD, 100, claim(filled, "b", later))
    assert [delivery.delivery_id for delivery in second] == [delivery.delivery_id for delivery in first]
    assert {delivery.batch for delivery in second} == {1}
    (rest,) = claim(filled, "c", later)
    assert rest.alert.alert_id == message_id(4), "what was not in the file that was cut waits for the next"


def test_files_are_numbered_without_holes(filled: Store) -> None:
    assert [filled.deliveries.number_batch("d1", []), filled.deliveries.number_batch("d1", [], after=1)] == [1, 2]
    assert filled.deliveries.number_batch("d1", [], after=1) == 0


def test_the_backlog_says_how_much_waits_and_since_when(filled: Store) -> None:
    assert filled.deliveries.backlog(NOW) == (0, None)
    decide_for(filled, [HOOK], record(1), record(2))
    assert filled.deliveries.backlog(NOW + minutes(1)) == (2, NOW)
    filled.destinations.rest("d1", NOW + minutes(5))
    assert filled.deliveries.backlog(NOW + minutes(1)) == (2, None)


def test_a_success_says_that_a_destination_is_well(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    before = filled.destinations.failed("d1", Failure.TLS, NOW, NOW)
    assert before and (before.failures, before.first_failed_at, before.last_failure) == (1, NOW, "tls")
    delivered(filled, claim(filled), now=NOW + minutes(1))
    row = filled.destinations.find("d1")
    assert row and (row.failures, row.first_failed_at, row.succeeded_at) == (0, None, NOW + minutes(1))


def test_secrets_are_encrypted_and_two_are_valid_while_one_is_rotated(filled: Store) -> None:
    filled.destinations.put_secret("d1", "signing", "whsec_old", SECRET, NOW, timedelta())
    filled.destinations.put_secret("d1", "signing", "whsec_new", SECRET, NOW + minutes(1), timedelta(hours=24))
    assert filled.destinations.secrets_of("d1", SECRET, NOW + minutes(2)) == {"signing": ("whsec_new", "whsec_old")}
    assert filled.destinations.secrets_of("d1", SECRET, NOW + timedelta(days=2)) == {"signing": ("whsec_new",)}
    with filled.database.reading() as connection:
        sealed = connection.exec_driver_sql("SELECT sealed FROM destination_secrets").scalars().all()
    assert not any(b"whsec" in bytes(ciphertext) for ciphertext in sealed)
    with pytest.raises(ValueError, match="HANDOFF_HASH_KEY"):
        filled.destinations.secrets_of("d1", b"another", NOW)


def test_a_secret_that_ended_is_kept_no_more(filled: Store) -> None:
    for number in range(5):  # a subscription that its client asks for again and again
        filled.destinations.put_secret(
            "d1", "signing", f"s{number}", SECRET, NOW + minutes(number), timedelta(minutes=2)
        )
    with filled.database.reading() as connection:
        kept = connection.exec_driver_sql("SELECT count(*) FROM destination_secrets").scalar()
    assert kept == 3, "the newest and the two that are valid beside it"


def test_a_secret_that_ends_at_once_leaves_none_of_before_valid(filled: Store) -> None:
    """Who rotates because one got out, and had rotated this morning, means every one."""
    for number, overlap in enumerate((24, 24, 0)):
        at, lasts = NOW + minutes(number), timedelta(hours=overlap)
        filled.destinations.put_secret("d1", "signing", f"s{number}", SECRET, at, lasts)
    assert filled.destinations.secrets_of("d1", SECRET, NOW + minutes(3)) == {"signing": ("s2",)}


def test_each_change_of_a_destination_raises_the_version(filled: Store) -> None:
    before = filled.destinations.version()
    filled.destinations.put(destination("d2", whose=Whose.CENTRAL_OFFICE), NOW)
    assert filled.destinations.version() == before + 1


def test_a_destination_of_which_nothing_can_be_tried_takes_nobody_s_place(filled: Store) -> None:
    stuck, good = destination("a-stuck"), destination("good")
    for recipient in (stuck, good):
        filled.destinations.put(recipient, NOW)
    decide_for(filled, [stuck], record(1), record(2))
    first = claim(filled)
    ends = [
        End(delivery.delivery_id, "a-stuck", DeliveryState.WAITING, NOW + timedelta(hours=9), "refused")
        for delivery in first
    ]
    filled.deliveries.settle(ends, "a", NOW)
    decide_for(filled, [good], record(3, "E2", visit="V2"), now=NOW)
    later = NOW + minutes(1)
    assert filled.deliveries.ready(later) == ["good"]
    assert [delivery.destination_id for delivery in claim(filled, now=later)] == ["good"]
    assert filled.deliveries.backlog(later).oldest_due_at is None


def test_two_processes_never_have_the_same_in_hand(filled: Store) -> None:
    decide_for(filled, [HOOK], *(record(n, f"E{n}", visit=f"V{n}") for n in range(1, 29)))
    with ThreadPoolExecutor(4) as threads:
        shares = list(threads.map(lambda by: claim(filled, by, each=10), "abcd"))
    ids = [delivery.delivery_id for share in shares for delivery in share]
    assert len(ids) == len(set(ids)) >= 10


def test_a_file_that_was_cut_is_overtaken_by_no_newer_version_of_what_is_in_it(filled: Store) -> None:
    """However much is due before it."""
    decide_for(filled, [HOOK], record(1))
    cut = filled.deliveries.claim_all("d1", "a", NOW, HOLD, 5000, claim(filled))
    filled.deliveries.number_batch("d1", cut)
    again(filled, cut, NOW + minutes(5))
    later = NOW + minutes(6)
    decide_for(filled, [HOOK], record(2), record(3, "E2", visit="V2"), now=NOW + minutes(1))
    hand = claim(filled, now=later, each=20)
    other = [delivery for delivery in hand if not delivery.batch]
    taken = filled.deliveries.claim_all("d1", "a", later, HOLD, 5000, other)
    assert [delivery.alert.alert_id for delivery in taken] == [message_id(3)]


def test_what_goes_in_one_parcel_is_in_one_hand(filled: Store) -> None:
    """Two that tell must not each write a part of a file that was cut, under its number, nor each a digest."""
    decide_for(filled, [HOOK], *(record(number, f"E{number}", visit=f"V{number}") for number in range(1, 5)))
    claims = {by: claim(filled, by, NOW, 2) for by in ("a", "b")}
    assert filled.deliveries.claim_all("d1", "a", NOW, HOLD, 5000, claims["a"]) == []
    cut = filled.deliveries.claim_all("d1", "b", NOW, HOLD, 5000, claims["b"])
    assert len(cut) == 4
    assert filled.deliveries.claim_all("d1", "a", NOW, HOLD, 5000, []) == []


def test_each_disclosure_keeps_its_own_date(filled: Store) -> None:
    """45 CFR 164.528(b)(2): what a replay, a bounce or a later try writes into a row takes no date away."""
    at = [NOW + minutes(10 * number) for number in range(6)]
    decide_for(filled, [HOOK], record(1))
    delivered(filled, claim(filled), now=at[0])
    replay(filled, [DeliveryState.DELIVERED])
    unanswered = [
        End(delivery.delivery_id, "d1", DeliveryState.WAITING, at[1], Failure.TIMED_OUT, tier="general", maybe=True)
        for delivery in claim(filled, now=at[1])
    ]
    filled.deliveries.settle(unanswered, "a", at[1])
    claim(filled, "dies", at[2])
    delivered(filled, claim(filled, now=at[3]), now=at[3])
    (row,) = filled.deliveries.of(destination_id="d1")
    assert filled.confirmations.came_back([row.delivery_id], "5.1.1", at[4])
    left = [(disclosure.at, disclosure.tier, disclosure.arrived) for disclosure in filled.disclosures.of("E1")]
    assert left == [
        (at[3], "full", False),
        (at[2] + HOLD, "", False),
        (at[1], "general", False),
        (at[0], "full", True),
    ]


def test_what_was_in_the_hand_of_the_dead_when_its_destination_went_left_on_that_day(filled: Store) -> None:
    decide_for(filled, [HOOK], record(1))
    claim(filled, "dies")
    filled.destinations.move("d1", State.REMOVED, NOW + minutes(90))
    assert [(left.at, left.arrived) for left in filled.disclosures.of("E1")] == [(NOW + HOLD, False)]
