"""Rows out of what one reader may see: which step, which group, which words; and what an empty list may say."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parsers.events import Diagnosis, EncounterClass, PersonName
from parsers.people import Absence, CaseManager, Network, Practice, Role
from rules.decisions import Action, AlertKind, Clock, ClockKind, ClockStatus, Owner, Priority, Reason, StayStatus
from rules.following.acts import ActKind
from rules.matching.evidence import Shown, shown_of
from rules.policy.policy import default_policy
from rules.telling.confidentiality import Relationship, Tier
from rules.telling.views import AlertView, PersonView
from streams.inbox import quiet
from streams.inbox.access import Desk
from streams.inbox.detail import Deed, StayDetail, detail_of
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages import stay_words as pages
from streams.inbox.pages.list_rows import Group
from streams.inbox.pages.reader_stay import ReaderStay, Taken
from streams.store import Store
from streams.tell.process import waiting_of
from tests.rigs.acts import acted
from tests.rigs.inbox import alert, discharge, person, tell

NOW = datetime(2026, 11, 20, 19, 2, tzinfo=UTC)  # Friday 14:02 in North Carolina
ME, OTHER = "cm-ortiz", "cm-brown"


def clock(kind=ClockKind.TCM_CONTACT, hours=40.0, status=ClockStatus.RUNNING):
    return Clock(kind=kind, starts_at=NOW - timedelta(days=9), due_at=NOW + timedelta(hours=hours), status=status)


def seen(version=1, **more):
    values = {
        "alert_id": "a1",
        "version": version,
        "action": Action.NOTIFY if version == 1 else Action.AMEND,
        "decided_at": NOW - timedelta(minutes=30),
        "tier": Tier.FULL,
        "relationship": Relationship.TREATING,
        "person": PersonView(
            enrollee_id="E1", name=PersonName(given="Rosa", family="Whitfield"), birth_date=date(1955, 3, 4), sex="F",
            phone="", language="", practice_id="p1",
        ),
        "kind": AlertKind.DISCHARGE,
        "encounter_class": EncounterClass.INPATIENT,
        "status": StayStatus.FINISHED,
        "priority": Priority.ROUTINE,
        "reasons": (Reason.DISCHARGED,),
        "occurred_at": NOW - timedelta(hours=3),
        "started_at": NOW - timedelta(days=3),
        "ended_at": NOW - timedelta(hours=3),
        "facility": "Mission Hospital",
    }  # fmt: skip
    return AlertView(**(values | more))


def row(view=None, **stay):
    return rows.row(ReaderStay((view or seen(),), **stay), ME, NOW)


class TestTaken:
    def test_what_one_took_without_a_clock_stays_until_it_is_marked_as_seen(self):
        urgent = seen(priority=Priority.URGENT)
        assert row(urgent).group is Group.NOW
        taken = row(urgent, acknowledged=1, taken=Taken(ME, "M. Ortiz, RN"))
        assert (taken.group, taken.can_acknowledge) == (Group.HOME, True)
        closed = row(urgent, acknowledged=1, closed=1, taken=Taken(ME, "M. Ortiz, RN"))
        assert (closed.group, closed.can_acknowledge) == (Group.FINISHED, False)

    def test_what_another_took_is_finished_once_one_has_seen_it(self):
        assert row(acknowledged=1, closed=1, taken=Taken(OTHER, "T. Brown, RN")).group is Group.FINISHED


class TestMissed:
    def test_a_call_that_was_overdue_when_we_first_heard_is_the_next_step(self):
        call = clock(hours=-4, status=ClockStatus.MISSED)
        shown = row(seen(clocks=(call, clock(ClockKind.TCM_VISIT, 150))))
        assert (shown.group, shown.step, shown.left, shown.overdue) == (
            Group.NOW,
            "Call by Fri Nov 20, 10:02 AM",
            "4 h overdue",
            True,
        )


class TestBackInTheHospital:
    LATE = clock(hours=-4)

    @pytest.mark.parametrize(
        ("kind", "step"),
        [
            (AlertKind.ADMISSION, "Back in the hospital: this follow-up waits"),
            (AlertKind.ED_VISIT, "Back in the ED: this follow-up waits"),
        ],
    )
    def test_no_call_is_asked_for(self, kind, step):
        again = seen(kind=kind, status=StayStatus.IN_PROGRESS)
        shown = row(seen(clocks=(self.LATE,)), again=again)
        assert (shown.step, shown.left, shown.due, shown.overdue) == (step, "", "", False)
        assert shown.group is Group.HOME

    def test_what_asks_for_nothing_does_not_wait(self):
        again = seen(status=StayStatus.IN_PROGRESS)
        assert row(acknowledged=1, closed=1, again=again).group is Group.FINISHED


class TestWords:
    def test_the_row_says_when_why_and_what_they_came_with(self):
        shown = row(
            seen(
                priority=Priority.URGENT,
                reasons=(Reason.DISCHARGED, Reason.LEFT_AGAINST_ADVICE),
                rule="against_advice",
                disposition="07",
                diagnoses=(Diagnosis(code="I50.9", text="Heart failure, unspecified"),),
                complaint="SUICIDAL THOUGHTS",
            )
        )
        assert (shown.headline, shown.when) == ("Went home, against advice", "today, 11:02 AM")
        assert shown.happened == "Went home today, 11:02 AM, against advice"
        assert shown.because == "Urgent because: left against medical advice"
        assert shown.where.endswith("heart failure · came with “suicidal thoughts”")

    def test_why_is_not_said_to_whom_the_rule_is_withheld(self):
        assert row(seen(priority=Priority.URGENT, tier=Tier.GENERAL)).because == ""

    def test_the_time_of_a_cancellation_is_the_hospital_s(self):
        sent = seen(status=StayStatus.IN_PROGRESS, kind=AlertKind.ADMISSION, ended_at=None)
        gone = seen(2, action=Action.RETRACT, reasons=(Reason.ADMISSION_CANCELLED,), kind=AlertKind.ADMISSION)
        shown = rows.row(ReaderStay((sent, gone)), ME, NOW)
        assert shown.retraction == (
            "Mission Hospital cancelled this at 11:02 AM (we heard 1:32 PM): the admission did not happen"
        )
        ours = gone.model_copy(update={"reasons": (Reason.MATCH_REJECTED,)})
        shown = rows.row(ReaderStay((sent, ours)), ME, NOW)
        assert shown.retraction.startswith("Taken back at 1:32 PM")

    def test_versions_of_one_instant_stand_newest_first(self):
        admitted = seen(1, status=StayStatus.IN_PROGRESS, kind=AlertKind.ADMISSION, ended_at=None)
        died = seen(2, kind=AlertKind.DEATH, reasons=(Reason.DIED,))
        deed = Deed("M. Ortiz, RN", ActKind.TAKE, 1, NOW - timedelta(hours=4), undone=False)
        detail = StayDetail(ReaderStay((admitted, died)), (), (deed,), (), 0, None, "")
        said = [item.did for item in pages.stay_words(detail, ME, NOW).story]
        assert said == ["Died", "Admitted", "M. Ortiz, RN has this one"]

    def test_due_today_is_the_last_working_day_before_the_weekend(self):
        sunday = clock(ClockKind.TCM_VISIT, 57.9)
        shown = row(seen(clocks=(sunday,)), acknowledged=1)
        assert (shown.group, shown.step) == (
            Group.NOW,
            "Visit by Fri Nov 20, the last working day before Sun Nov 22",
        )

    def test_a_stay_whose_discharge_was_never_sent_stands_out_of_the_way(self):
        inside = seen(status=StayStatus.IN_PROGRESS, kind=AlertKind.ED_VISIT, ended_at=None, occurred_at=None)
        assert row(inside).group is Group.IN_HOSPITAL
        shown = row(inside, unheard_since=NOW - timedelta(days=3))
        assert (shown.group, shown.step) == (
            Group.FINISHED,
            "No discharge was sent; last heard Tue Nov 17, 2:02 PM",
        )
        urgent = inside.model_copy(update={"priority": Priority.URGENT})
        shown = row(urgent, unheard_since=NOW - timedelta(days=3))
        assert (shown.group, shown.step[:22]) == (Group.NOW, "No discharge was sent;"), "nobody has looked at it yet"

    def test_what_went_over_to_others_says_to_whom(self):
        shown = row(seen(clocks=(clock(),)), passed_to=("T. Brown, RN",))
        assert (shown.step, shown.can_take, shown.left) == ("With T. Brown, RN now; nothing for you to do", False, "")


def test_what_is_heard_without_looking_is_urgent_news_what_is_asked_and_what_is_taken_back():
    urgent = {"priority": Priority.URGENT}
    gone = seen(2, action=Action.RETRACT, status=StayStatus.CANCELLED, reasons=(Reason.ADMISSION_CANCELLED,), **urgent)

    def heard(*versions, **more):
        row = rows.row(ReaderStay(versions, **more), ME, NOW)
        return row.speak, row.alarm

    assert heard(seen(**urgent)) == ("Urgent: Rosa Whitfield, 71 F. Discharged.", True)
    assert heard(seen(**urgent), seen=1) == heard(seen()) == heard(seen(**urgent), gone, seen=2) == ("", False)
    asked = heard(seen(), seen=1, asked=("T. Brown, RN asks you",))
    assert asked == ("Asked of you: Rosa Whitfield, 71 F. T. Brown, RN asks you.", False)
    assert heard(seen(**urgent), gone, seen=1) == ("Taken back: Rosa Whitfield, 71 F. Discharged.", False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["equal"], Shown.AGREES),
        (["equal", "nickname"], Shown.AGREES),
        (["another name"], Shown.DISAGREES),
        (["a generation apart"], Shown.DISAGREES),
        (["equal", "differs"], Shown.DISAGREES),
        (["another enrollee agrees as well"], Shown.UNCLEAR),
        (["one digit differs"], Shown.UNCLEAR),
        (["month and day swapped"], Shown.UNCLEAR),
        (["last four equal"], Shown.UNCLEAR),
        (["same street"], Shown.UNCLEAR),
        (["a word of tomorrow"], Shown.UNCLEAR),
        ([], Shown.UNCLEAR),
    ],
)
def test_only_what_is_known_to_agree_agrees(words, says):
    assert shown_of(words) is says


# what an empty list may say

NETWORKS = [Network(network_id=name, name=name) for name in ("n1", "n2")]
PRACTICES = [Practice(practice_id=f"p{n}", name=f"p{n}", network_id="n1" if n < 3 else "n2") for n in (1, 2, 3)]
PEOPLE = [
    CaseManager(case_manager_id="nurse", name="A Nurse", role=Role.NURSE, network_id="n1", practices=("p1",)),
    CaseManager(case_manager_id="second", name="B Nurse", role=Role.NURSE, network_id="n1", practices=("p2",)),
    CaseManager(case_manager_id="manager", name="C Manager", role=Role.MANAGER, network_id="n1"),
    CaseManager(case_manager_id="pharmacist", name="D Pharm", role=Role.PHARMACIST, network_id="n1"),
    CaseManager(case_manager_id="plan", name="E Plan", role=Role.CARE_COORDINATOR, lme_mco_id="vaya"),
    CaseManager(case_manager_id="central-office", name="Central office", role=Role.CENTRAL_OFFICE),
]
IDS = [case_manager.case_manager_id for case_manager in PEOPLE]


def answers(reader, away, practice):
    """By hand: whether the reader answers for the people of a practice."""
    carried = {"nurse": {"p1"}, "second": {"p2"}, "manager": {"p1", "p2"}}
    mine = set(carried.get(reader, ()))
    for who, backup in away.items():
        if backup == reader and reader not in away:
            mine |= carried.get(who, set())
    return reader == "central-office" or practice in mine


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    away=st.dictionaries(st.sampled_from(IDS[:3]), st.sampled_from(["", *IDS[:3]]), max_size=2),
    cases=st.lists(
        st.tuples(
            st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(IDS), st.booleans(), st.booleans(), st.booleans()
        ),
        max_size=4,
    ),
)
def test_no_sentence_of_an_empty_list_is_false_for_any_role(away, cases, tmp_path_factory):
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('quiet') / 's.sqlite3'}", migrate=True)
    now = datetime.now(UTC)
    absences = [
        Absence(case_manager_id=who, starts=now - timedelta(days=1), ends=now + timedelta(days=1), backup_id=backup)
        for who, backup in away.items()
    ]
    store.directory.load(NETWORKS, PRACTICES, PEOPLE, absences, [])
    enrollees = [person(number, practice_id=facts[0]) for number, facts in enumerate(cases)]
    if enrollees:
        store.panel.load(enrollees, full=True, now=now)
    open_stays = []
    for number, (practice, owner, living, urgent, acknowledged) in enumerate(cases):
        make = alert if living else discharge
        version = make(
            enrollees[number],
            f"s{number}",
            owners=(Owner(case_manager_id=owner, because="practice"),),
            told=(owner,),
            priority=Priority.URGENT if urgent else Priority.ROUTINE,
            clocks=(),
        )
        tell(store, version)
        if acknowledged:
            acted(store, f"s{number}", owner, ActKind.NOTED, 1, now)
        if living or not acknowledged:
            open_stays.append((practice, owner, living))
    desk = Desk(store)
    for reader in PEOPLE:
        who = reader.case_manager_id
        listed = [rows.row(stay, who, now) for stay in desk.stays(reader, now)]
        groups = rows.grouped(listed)
        said = quiet.empty_words(desk.around(reader, now, [entry.alert_id for entry in listed]), now)
        mine = [stay for stay in open_stays if answers(who, away, stay[0])]
        if not groups[Group.NOW] and "Nobody needs you" in said[Group.NOW]:
            assert all(owner == who for _, owner, _ in mine)
            assert who not in away
        if not groups[Group.IN_HOSPITAL] and "Nobody of yours" in said[Group.IN_HOSPITAL]:
            assert not any(living for _, _, living in mine)
            assert not any(entry.group is Group.NOW and "In the" in entry.headline for entry in listed)
        if who in away:
            assert "You are away" in said[Group.NOW]
        if "on your panel" in said[Group.NOW]:
            number = sum(answers(who, away, facts[0]) for facts in cases)
            assert said[Group.NOW].split("stand in")[-1].count(f"{number} ") >= 1
    store.close()


def test_a_manager_whose_nurse_is_behind_is_not_told_that_nobody_needs_her():
    around = quiet.Around(10_000, 40, 384, 31, NOW - timedelta(seconds=12), NOW - timedelta(minutes=19))
    said = quiet.empty_words(around, NOW)
    assert said[Group.NOW] == (
        "Nothing on this list is due now. 384 stays of people you answer for are open with others. "
        "10,000 people on your panel are being watched at 31 hospitals; the last message came less than a minute ago, "
        "the quietest hospital's 19 min ago."
    )
    assert said[Group.IN_HOSPITAL] == "40 stays of people you answer for have not ended: above, or on lists of others."


def test_a_nurse_on_leave_reads_who_answers_for_her():
    around = quiet.Around(200, 2, 2, 1, NOW, away_until=NOW + timedelta(days=2), stands_in="T. Brown, RN")
    said = quiet.empty_words(around, NOW)
    assert said[Group.NOW].startswith("You are away until Sun Nov 22, 2:02 PM; T. Brown, RN answers for you. 2 stays")


def test_a_list_that_is_cut_says_so():
    assert quiet.cut_words(2000, 2100).startswith("2,100 stays are yours; the 2,000 that are open")
    assert quiet.cut_words(12, 12) == ""


def test_the_policy_of_a_row_is_the_one_in_force():
    assert ReaderStay((seen(),)).policy == default_policy()


def test_silence_counts_from_the_last_message_and_a_silent_stay_makes_nobody_wait(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 's.sqlite3'}", migrate=True)
    now, enrollee = datetime.now(UTC), person(1)
    store.directory.load(NETWORKS, PRACTICES, PEOPLE, [], [])
    store.panel.load([enrollee], full=True, now=now)
    owners = {"owners": (Owner(case_manager_id="nurse", because="practice"),), "told": ("nurse",)}
    ago = timedelta(days=5)
    over = discharge(
        enrollee, "s1", ended_at=now - 2 * ago, occurred_at=now - 2 * ago, started_at=now - 3 * ago, **owners
    )
    begun = {"started_at": now - ago, "occurred_at": now - ago, "decided_at": now - ago}
    ed = {"kind": AlertKind.ED_VISIT, "encounter_class": EncounterClass.EMERGENCY}
    tell(store, over, alert(enrollee, "s2", **begun, **ed, **owners))
    desk = Desk(store)
    first, second = sorted(desk.stays(PEOPLE[0], now), key=lambda stay: stay.latest.alert_id)
    assert second.unheard_since == now - ago
    assert (first.again, first.unheard_since) == (None, None)
    assert sum(waiting_of(store, "nurse", default_policy(), now)[:3]) == 2, "nobody has answered either"
    acted(store, "s2", "nurse", ActKind.NOTED, 1, now)
    assert sum(waiting_of(store, "nurse", default_policy(), now)[:3]) == 1, "answered, and its discharge was never sent"
    fresh = {"started_at": now, "occurred_at": now}
    tell(store, alert(enrollee, "s3", **fresh, **ed, **owners))
    first, _, third = sorted(desk.stays(PEOPLE[0], now), key=lambda stay: stay.latest.alert_id)
    assert third.unheard_since is None
    assert first.again is not None
    store.close()


def test_after_a_move_to_another_network_the_former_nurse_reads_what_she_was_told(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 's.sqlite3'}", migrate=True)
    now, moved = datetime.now(UTC), person(1, practice_id="p3")  # of n2 by now
    far = CaseManager(case_manager_id="far", name="F. Far", role=Role.NURSE, network_id="n2", practices=("p3",))
    store.directory.load(NETWORKS, PRACTICES, [*PEOPLE, far], [], [])
    store.panel.load([moved], full=True, now=now)
    here, there = (Owner(case_manager_id=who, because="practice") for who in ("nurse", "far"))
    tell(
        store,
        alert(moved, "s1", owners=(here,), told=("nurse",), complaint="OLD-COMPLAINT"),
        alert(moved, "s1", 2, owners=(there,), told=("nurse", "far"), complaint="NEW-COMPLAINT", unit="NEW-UNIT"),
    )
    desk = Desk(store)
    (listed,) = desk.stays(PEOPLE[0], now)
    assert listed.passed_to == ("F. Far",)
    detail = detail_of(desk, PEOPLE[0], "s1")
    assert detail is not None
    words = pages.stay_words(detail, "nurse", now)
    for shown in (repr(listed), repr(detail.stay), repr(words), listed.latest.model_dump_json()):
        assert "NEW-" not in shown
        assert "12 Oak St" not in shown
        assert "8285550147" not in shown
    assert listed.latest.complaint == "OLD-COMPLAINT"
    assert detail.practice is None
    new = detail_of(desk, far, "s1")
    assert new is not None
    assert new.stay.latest.complaint == "NEW-COMPLAINT"
    assert pages.stay_words(new, "far", now).phone == "828-555-0147"
    store.close()
