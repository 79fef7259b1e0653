"""Decisions: whom nothing may reach, merges and moves, and what holds for every sequence of events."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.events import EncounterClass, Event, EventKind, FacilityKind, Identifier, Patient, PersonName, Prior, Visit
from parsers.people import Consent, Enrollee, RiskTier
from rules.deciding.case import World
from rules.deciding.decide import decide
from rules.decisions import (
    Action,
    AlertKind,
    ClockKind,
    ClockStatus,
    Grade,
    History,
    Match,
    Owner,
    Priority,
    Reason,
    StayStatus,
)
from rules.policy.policy import Policy, default_policy, load_policy
from rules.telling.routes import Routed
from streams.commands.explain import plain_route

START = datetime(2026, 11, 10, 14, 0, tzinfo=UTC)
K, C = EventKind, EncounterClass
BIRTH = date(1955, 3, 14)


def person(enrollee_id, **more):
    return Enrollee(enrollee_id=enrollee_id, name=PersonName(family="X"), birth_date=BIRTH, practice_id="P", **more)


def team(enrollee, kind, reasons, at):
    who = f"team-{enrollee.enrollee_id}" if enrollee else "central-office"
    return Routed((Owner(case_manager_id=who, because="practice"),), "")


def certain(enrollee_id, **more):
    if enrollee_id is None:
        return Match(grade=Grade.CERTAINLY_NOT)
    return Match(grade=Grade.CERTAIN, enrollee_id=enrollee_id, **more)


POSSIBLE = Match(grade=Grade.POSSIBLE, enrollee_id="E2")


class Ward:
    """A history that remembers, in place of the store."""

    def __init__(self, *people, policy=None, route=team):
        self.route = route
        self.people = {enrollee.enrollee_id: enrollee for enrollee in people or (person("E1"), person("E2"))}
        self.policy = policy or default_policy()
        self.stays, self.alerts, self.seen, self.n = {}, defaultdict(list), set(), 0

    def take(self, event, match, prior=None, *, released=False, now=None):
        self.n += not released
        event = event.model_copy(update={"message_id": f"{self.n:032x}"})
        history = History(
            stays=tuple(self.stays.values()),
            alerts=tuple(versions[-1] for versions in self.alerts.values()),
            seen=event.fingerprint in self.seen,
            enrollees=tuple(self.people.values()),
        )
        decision = decide(
            event, match, prior, history, World(self.policy, self.route, now or event.received_at), released=released
        )
        self.seen.add(event.fingerprint)
        self.stays |= {stay.stay_id: stay for stay in decision.stays}
        for alert in decision.alerts:
            self.alerts[alert.alert_id].append(alert)
        return decision

    def living(self):
        return [versions[-1] for versions in self.alerts.values() if versions[-1].action is not Action.RETRACT]


def event(kind, hours, encounter_class=C.EMERGENCY, *, number="V1", mrn="100001", again="", **said):
    at = START + timedelta(hours=hours)
    prior = said.pop("prior", None)
    visit = said.pop("visit", True)
    patient = said.pop("patient", None) or Patient(
        identifiers=(Identifier(system="MISSION", value=mrn, type="MR"),),
        birth_date=BIRTH,
        account=said.pop("account", None),
    )
    key = Identifier(system="visit|MISSION|MISSION", value=number)
    account = (Identifier(system="account|MISSION|MISSION", value=patient.account.value),) if patient.account else ()
    own = Visit(encounter_class=encounter_class, number=key if number else None, **said) if visit else None
    return Event(
        message_id="0",
        kind=kind,
        trigger="A06" if kind is K.CLASS_CHANGED else "",
        feed="default",
        facility="MISSION",
        occurred_at=at,
        recorded_at=at,
        received_at=at,
        patient=patient,
        visit=own,
        prior=prior,
        stay_keys=((key,) if own and number else ()) + account,
        fingerprint=f"{kind}{hours}{encounter_class}{number}{mrn}{again}",
    )


def mrn(value):
    return Prior(identifiers=(Identifier(system="MISSION", value=value, type="MR"),))


class TestWhoMayBeTold:
    def test_duplicate_before_anything_else(self):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0), certain("E1"))
        decision = ward.take(event(K.ADMITTED, 0), certain(None))
        assert (decision.duplicate, decision.action, decision.alerts) == (True, Action.SUPPRESS, ())

    def test_not_on_panel(self):
        assert Ward().take(event(K.ADMITTED, 0), certain(None)).reasons == (Reason.NOT_ON_PANEL,)

    @pytest.mark.parametrize(
        ("kind", "encounter_class", "action"),
        [
            (K.ADMITTED, C.INPATIENT, Action.HOLD),
            (K.DISCHARGED, None, Action.HOLD),
            (K.UPDATED, C.EMERGENCY, Action.HOLD),
            (K.REGISTERED, C.AMBULATORY, Action.SUPPRESS),
            (K.PERSON_UPDATED, None, Action.SUPPRESS),
            (K.PLANNED, C.INPATIENT, Action.SUPPRESS),
        ],
    )
    def test_possible_match_tells_nobody(self, kind, encounter_class, action):
        ward = Ward()
        decision = ward.take(event(kind, 0, encounter_class), Match(grade=Grade.POSSIBLE, enrollee_id="E1"))
        assert (decision.action, decision.reasons[0]) == (action, Reason.POSSIBLE_MATCH)
        assert not decision.alerts
        assert not decision.stays

    def test_released_by_a_person(self):
        ward, held = Ward(), event(K.ADMITTED, 0, C.INPATIENT)
        ward.take(held, Match(grade=Grade.POSSIBLE, enrollee_id="E1"))
        decision = ward.take(held, Match(grade=Grade.POSSIBLE, enrollee_id="E1"), released=True)
        assert decision.action is Action.NOTIFY
        assert Reason.RELEASED_BY_REVIEW in decision.reasons

    def test_rejected_by_a_person(self):
        decision = Ward().take(event(K.ADMITTED, 0), certain(None), released=True)
        assert decision.reasons == (Reason.MATCH_REJECTED,)

    @pytest.mark.parametrize(
        ("starts", "ends", "notified"), [(1, 30, True), (11, 30, False), (1, 9, False), (10, 10, True)]
    )
    def test_enrolled_on_the_day(self, starts, ends, notified):
        enrollee = person("E1", effective_from=date(2026, 11, starts), effective_to=date(2026, 11, ends))
        decision = Ward(enrollee).take(event(K.ADMITTED, 0, C.INPATIENT), certain("E1"))
        assert (decision.action is Action.NOTIFY) is notified
        assert notified or decision.reasons == (Reason.NOT_ENROLLED_ON_DAY,)

    def test_certain_match_teaches_the_record_number_once(self):
        ward = Ward()
        learned = ward.take(event(K.ADMITTED, 0), certain("E1")).crosswalk
        assert [(change.identifier.value, change.enrollee_id) for change in learned] == [("100001", "E1")]
        assert not ward.take(event(K.UPDATED, 1), certain("E1")).crosswalk
        known = certain("E1", evidence={"mrn": "equal"})
        assert not Ward().take(event(K.ADMITTED, 0), known).crosswalk
        probable = Match(grade=Grade.PROBABLE, enrollee_id="E1")
        assert not Ward().take(event(K.ADMITTED, 0), probable).crosswalk


class TestBeforeEnrollment:
    @pytest.mark.parametrize(
        ("hour", "reason"),
        [(1, Reason.STAY_BEFORE_ENROLLMENT), (4, Reason.STAY_BEFORE_ENROLLMENT), (6, Reason.STAY_UNKNOWN)],
    )
    def test_the_day_of_the_admission_is_a_local_one(self, hour, reason):
        """Enrolled on the 10th: 01:30 and 04:30 UTC of that day are the evening before in New York, 06:30 is not."""
        ward = Ward(person("E1", effective_from=date(2026, 11, 10)))
        begun = datetime(2026, 11, 10, hour, 30, tzinfo=UTC)
        decision = ward.take(event(K.UPDATED, 3, C.INPATIENT, admitted_at=begun), certain("E1"))
        assert decision.reasons == (reason,)


class TestRepeats:
    """The same words again are a repeat only if nothing else about the stay was decided since."""

    def said(self, kind, hours, recorded_from="MSH-7", **more):
        heard = event(kind, hours, C.INPATIENT, **more)
        return heard.model_copy(update={"fingerprint": kind, "recorded_from": recorded_from})

    @pytest.mark.parametrize("kind", [(K.ADMITTED, K.ADMIT_CANCELLED), (K.DISCHARGED, K.DISCHARGE_CANCELLED)])
    def test_a_cancel_between(self, kind):
        does, undoes = kind
        ward = Ward()
        ward.take(self.said(K.ADMITTED, 0), certain("E1"))
        ward.take(self.said(does, 1), certain("E1"))
        ward.take(self.said(undoes, 2), certain("E1"))
        again = ward.take(self.said(does, 3), certain("E1"))
        assert (again.duplicate, again.action) == (False, Action.AMEND)
        for hours in (1, 3, 4):  # delivered again, and sent again with nothing between
            assert ward.take(self.said(does, hours), certain("E1")).duplicate

    def test_with_evn_2_the_same_words_are_the_same_message(self):
        ward = Ward()
        for kind, hours in ((K.ADMITTED, 0), (K.ADMIT_CANCELLED, 1)):
            ward.take(self.said(kind, hours, "EVN-2"), certain("E1"))
        assert ward.take(self.said(K.ADMITTED, 2, "EVN-2"), certain("E1")).duplicate

    def test_another_visit_in_the_same_words(self):
        ward = Ward()
        for kind, hours in ((K.ADMITTED, 0), (K.DISCHARGED, 20)):
            ward.take(self.said(kind, hours, number=""), certain("E1"))
        again = ward.take(self.said(K.ADMITTED, 24 * 30, number=""), certain("E1"))
        assert again.action is Action.NOTIFY


class TestLateDischarge:
    def elsewhere(self, kind, hours, **said):
        return event(kind, hours, C.INPATIENT, number="P1", mrn="9", **said).model_copy(update={"facility": "PARDEE"})

    def test_makes_a_readmission_of_the_admission_read_before_it(self):
        ward = Ward()
        ward.take(self.elsewhere(K.ADMITTED, 0), certain("E1"))
        ward.take(event(K.ADMITTED, 24 * 7, C.INPATIENT), certain("E1"))
        late = ward.take(self.elsewhere(K.DISCHARGED, 24 * 4, disposition="01"), certain("E1"))
        (retold,) = [alert for alert in late.alerts if alert.facility == "MISSION"]
        assert (retold.version, retold.reasons[0], retold.priority) == (2, Reason.READMISSION, Priority.URGENT)
        again = ward.take(self.elsewhere(K.DISCHARGED, 24 * 4, disposition="01", again="x"), certain("E1"))
        assert not again.alerts, "told once"

    def test_what_was_never_closed_hands_nobody_over(self):
        ward = Ward()
        ed = event(K.REGISTERED, 0, number="P1", mrn="9").model_copy(update={"facility": "PARDEE"})
        ward.take(ed, certain("E1"))
        decision = ward.take(event(K.ADMITTED, 24 * 30, C.INPATIENT), certain("E1"))
        assert Reason.TRANSFERRED_IN not in decision.reasons

    @pytest.mark.parametrize(("former", "handed_over"), [("PARDEE", True), ("Mission", False)])
    def test_the_same_hospital_in_small_letters_hands_nobody_over(self, former, handed_over):
        ward = Ward()
        for kind, hours in ((K.ADMITTED, 0), (K.DISCHARGED, 20)):
            heard = self.elsewhere(kind, hours, disposition="02" if hours else "")
            ward.take(heard.model_copy(update={"facility": former}), certain("E1"))
        decision = ward.take(event(K.ADMITTED, 21, C.INPATIENT), certain("E1"))
        assert (Reason.TRANSFERRED_IN in decision.reasons) is handed_over


class TestClocksAndPeople:
    def test_contact_made_before_a13_stays_made_and_runs_anew_after_the_real_discharge(self):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0, C.INPATIENT), certain("E1"))
        ward.take(event(K.DISCHARGED, 20, C.INPATIENT, disposition="01"), certain("E1"))
        (versions,) = ward.alerts.values()
        met = tuple(
            clock.model_copy(update={"status": ClockStatus.MET}) if clock.kind is ClockKind.TCM_CONTACT else clock
            for clock in versions[-1].clocks
        )
        versions[-1] = versions[-1].model_copy(update={"clocks": met})
        ward.take(event(K.DISCHARGE_CANCELLED, 22, C.INPATIENT), certain("E1"))
        clocks = {clock.kind: clock.status for clock in versions[-1].clocks}
        assert clocks[ClockKind.TCM_CONTACT] is ClockStatus.MET
        assert clocks[ClockKind.TCM_VISIT] is ClockStatus.STOPPED
        ward.take(event(K.DISCHARGED, 70, C.INPATIENT, disposition="01"), certain("E1"))
        contact = next(clock for clock in versions[-1].clocks if clock.kind is ClockKind.TCM_CONTACT)
        assert contact.status is ClockStatus.RUNNING
        assert contact.starts_at == START + timedelta(hours=70)

    def test_tier_is_on_the_alert(self):
        ward = Ward(person("E1", risk_tier=RiskTier.HIGH))
        assert ward.take(event(K.ADMITTED, 0), certain("E1")).alerts[0].risk_tier is RiskTier.HIGH

    @pytest.mark.parametrize(
        ("kind", "consent", "to_practice", "met"),
        [
            (FacilityKind.ACUTE, Consent.NONE, True, True),
            (FacilityKind.ACUTE, Consent.NONE, False, False),
            (FacilityKind.PSYCHIATRIC, Consent.NONE, True, False),
            (FacilityKind.PSYCHIATRIC, Consent.PART2, True, False),
            (FacilityKind.PSYCHIATRIC, Consent.MENTAL_HEALTH, True, True),
            (FacilityKind.SUBSTANCE_USE, Consent.NONE, True, False),
            (FacilityKind.SUBSTANCE_USE, Consent.ALL, True, True),
        ],
    )
    def test_an_alert_is_a_notice_where_the_practice_can_read_it(self, kind, consent, to_practice, met):
        def route(*_asked):
            return Routed((Owner(case_manager_id="somebody", because="central_office"),), "", to_practice)

        ward = Ward(person("E1", consent=consent), route=route)
        admission = event(K.ADMITTED, 0, C.INPATIENT).model_copy(update={"facility_kind": kind})
        (alert,) = ward.take(admission, certain("E1")).alerts
        (notice,) = alert.clocks
        assert (notice.kind, notice.status is ClockStatus.MET) == (ClockKind.TRC_ADMISSION_NOTICE, met)


class TestMerges:
    def test_survivor_off_the_panel_takes_the_stay_away(self):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0), certain("E1"))
        gone = event(K.PERSON_MERGED, 1, mrn="200001", visit=False, prior=mrn("100001"))
        decision = ward.take(gone, certain(None), certain("E1"))
        assert (decision.action, decision.reasons) == (Action.RETRACT, (Reason.MERGED,))
        assert decision.crosswalk[0].enrollee_id is None

    def test_survivor_nothing_is_said_about_stays_the_same_person(self):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0), certain("E1"))
        bare = Patient(identifiers=(Identifier(system="MISSION", value="200001"),))
        gone = event(K.PERSON_MERGED, 1, patient=bare, visit=False, prior=mrn("100001"))
        decision = ward.take(gone, certain(None), certain("E1"))
        assert decision.reasons == (Reason.MERGED,)
        assert ward.living()

    @pytest.mark.parametrize(
        "match",
        [
            certain(None),
            POSSIBLE,
            Match(grade=Grade.POSSIBLE, enrollee_id="E1"),
            POSSIBLE.model_copy(update={"grade": Grade.PROBABLE}),
        ],
        ids=["nobody", "possibly another", "possibly the same", "probably another"],
    )
    @pytest.mark.parametrize("named", [{}, {"name": PersonName(family="Langberg", given="Ivan")}], ids=["", "named"])
    def test_the_number_that_survives_belongs_to_whom_the_other_belongs(self, match, named):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0), certain("E1"))
        bare = Patient(identifiers=(Identifier(system="MISSION", value="200001", type="MR"),), **named)
        merge = event(K.PERSON_MERGED, 1, patient=bare, visit=False, prior=mrn("100001"))
        decision = ward.take(merge, match, certain("E1"))
        assert (decision.action, decision.reasons) == (Action.SUPPRESS, (Reason.MERGED,))
        learned = {change.identifier.value: change.enrollee_id for change in decision.crosswalk}
        assert learned == {"100001": "E1", "200001": "E1"}
        assert [alert.enrollee_id for alert in ward.living()] == ["E1"]

    def test_before_the_first_visit(self):
        bare = Patient(identifiers=(Identifier(system="MISSION", value="200001", type="MR"),))
        merge = event(K.PERSON_MERGED, 0, patient=bare, visit=False, prior=mrn("100001"))
        decision = Ward().take(merge, certain(None), certain("E1"))
        assert {change.identifier.value: change.enrollee_id for change in decision.crosswalk} == {
            "100001": "E1",
            "200001": "E1",
        }

    @pytest.mark.parametrize("number", ["UNKNOWN", "000000", "N/A", "9999999", "."])
    def test_what_stands_for_no_number_is_never_learned(self, number):
        ward = Ward()
        assert ward.take(event(K.ADMITTED, 0, mrn=number), certain("E1")).crosswalk == ()
        gone = event(K.PERSON_MERGED, 1, mrn="200001", visit=False, prior=mrn(number))
        decision = ward.take(gone, certain("E2"), certain(None))
        assert [change.identifier.value for change in decision.crosswalk] == ["200001"]
        assert [alert.enrollee_id for alert in ward.living()] == ["E1"]

    def test_nobody_known_on_either_side(self):
        gone = event(K.PERSON_MERGED, 1, visit=False, prior=mrn("100009"))
        assert Ward().take(gone, certain(None), certain(None)).reasons == (Reason.NOT_ON_PANEL,)

    def test_the_same_visit_under_both_persons_ends_as_one(self):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0, mrn="100001"), certain("E1"))
        ward.take(event(K.ADMITTED, 1, mrn="200001"), certain("E2"))
        merge = event(K.PERSON_MERGED, 2, mrn="200001", visit=False, prior=mrn("100001"))
        decision = ward.take(merge, certain("E2"), certain("E1"))
        assert decision.action is Action.RETRACT
        assert [alert.enrollee_id for alert in ward.living()] == ["E2"]

    def test_stays_of_other_record_numbers_stay_where_they_are(self):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0, mrn="100001"), certain("E1"))
        ward.take(event(K.ADMITTED, 1, mrn="100007", number="V7"), certain("E1"))
        ward.take(
            event(K.PERSON_MERGED, 2, mrn="200001", visit=False, prior=mrn("100001")), certain("E2"), certain("E1")
        )
        assert {stay.registers.number: stay.enrollee_id for stay in ward.stays.values()} == {"V1": "E2", "V7": "E1"}

    def test_the_alert_that_was_told_survives_a_number_merge(self):
        """The stay under the surviving number was only planned; the one that was told goes on under its own id."""
        ward = Ward()
        ward.take(event(K.ADMITTED, 0), certain("E1"))
        ward.take(event(K.PLANNED, 1, C.PRE_ADMISSION, number="V2"), certain("E1"))
        prior = Prior(visit=Identifier(system="visit|MISSION|MISSION", value="V1"))
        merge = event(K.VISIT_MERGED, 2, None, number="V2", prior=prior)
        assert ward.take(merge, certain("E1")).reasons == (Reason.MERGED,)
        decision = ward.take(event(K.DISCHARGED, 3, number="V2"), certain("E1"))
        assert decision.alerts[0].version == 2

    @pytest.mark.parametrize("kind", [K.ACCOUNT_MERGED, K.VISIT_MERGED])
    def test_a_number_merge_that_names_nothing_changes_nothing(self, kind):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0), certain("E1"))
        assert ward.take(event(kind, 1, prior=Prior()), certain("E1")).reasons == (Reason.IDENTITY_ONLY,)


class TestMoves:
    def wrong(self, **more):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0, C.INPATIENT, **more), certain("E1"))
        return ward

    @pytest.mark.parametrize("kind", [K.PERSON_MOVED, K.VISIT_MOVED])
    def test_taken_back_there_and_told_here(self, kind):
        ward = self.wrong()
        moved = event(kind, 1, C.INPATIENT, mrn="200001", prior=mrn("100001"))
        decision = ward.take(moved, certain("E2"), certain("E1"))
        assert [(alert.action, alert.enrollee_id, alert.version) for alert in decision.alerts] == [
            (Action.RETRACT, "E1", 2),
            (Action.NOTIFY, "E2", 1),
        ]
        assert decision.alerts[0].told == ("team-E1",)
        assert decision.alerts[0].status is StayStatus.ENTERED_IN_ERROR
        assert decision.action is Action.NOTIFY
        assert ward.take(event(K.DISCHARGED, 5, C.INPATIENT, mrn="200001"), certain("E2")).alerts[0].version == 2

    def test_to_somebody_off_the_panel(self):
        decision = self.wrong().take(
            event(K.VISIT_MOVED, 1, C.INPATIENT, mrn="2", prior=mrn("100001")), certain(None), certain("E1")
        )
        assert (decision.action, decision.reasons) == (Action.RETRACT, (Reason.MOVED_TO_ANOTHER_PERSON,))

    def test_from_somebody_off_the_panel(self):
        moved = event(K.VISIT_MOVED, 1, C.INPATIENT, mrn="200001", prior=mrn("100009"))
        decision = Ward().take(moved, certain("E2"), certain(None))
        assert decision.action is Action.NOTIFY
        assert Reason.IDENTITY_CORRECTED in decision.reasons

    def test_within_one_person(self):
        decision = self.wrong().take(
            event(K.PERSON_MOVED, 1, visit=False, mrn="200001", prior=mrn("100001")), certain("E1"), certain("E1")
        )
        assert decision.reasons[0] is Reason.IDENTITY_ONLY
        assert not decision.alerts

    def test_account_unknown_but_only_one_stay_is_open(self):
        account = Identifier(system="MISSION", value="77001")
        moved = event(K.ACCOUNT_MOVED, 1, visit=False, mrn="200001", account=account, prior=mrn("100001"))
        decision = self.wrong().take(moved, certain("E2"), certain("E1"))
        assert [alert.action for alert in decision.alerts] == [Action.RETRACT, Action.NOTIFY]

    def test_nothing_known_to_move(self):
        moved = event(K.ACCOUNT_MOVED, 1, visit=False, mrn="200001", prior=mrn("100001"))
        assert Ward().take(moved, certain("E2"), certain("E1")).reasons == (Reason.STAY_UNKNOWN,)

    def test_two_stays_moved_by_one_message_get_two_names(self):
        ward = self.wrong()
        ward.take(event(K.ADMITTED, 1, C.INPATIENT, number="V2"), certain("E1"))
        moved = event(K.PERSON_MOVED, 2, visit=False, mrn="200001", prior=mrn("100001"))
        decision = ward.take(moved, certain("E2"), certain("E1"))
        alert_ids = [alert.alert_id for alert in decision.alerts if alert.action is Action.NOTIFY]
        assert len(set(alert_ids)) == 2


TO_A_POSSIBLE_MATCH = [
    (K.ACCOUNT_MOVED, Reason.MOVED_TO_ANOTHER_PERSON),
    (K.VISIT_MOVED, Reason.MOVED_TO_ANOTHER_PERSON),
    (K.PERSON_MOVED, Reason.MOVED_TO_ANOTHER_PERSON),
    (K.PERSON_MERGED, Reason.MERGED),
]


class TestMovesToAPossibleMatch:
    def handed(self, kind, hours=1, **more):
        account = Identifier(system="MISSION", value="77001") if kind is K.ACCOUNT_MOVED else None
        return event(kind, hours, None, mrn="200001", account=account, prior=mrn("100001"), **more)

    @pytest.mark.parametrize(("kind", "reason"), TO_A_POSSIBLE_MATCH)
    def test_the_former_enrollee_is_taken_back_at_once_and_the_new_person_told_after_the_review(self, kind, reason):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0, C.INPATIENT), certain("E1"))
        decision = ward.take(self.handed(kind), POSSIBLE, certain("E1"))
        assert (decision.action, decision.waits) == (Action.RETRACT, True)
        assert decision.reasons == (Reason.POSSIBLE_MATCH, reason)
        assert [(alert.enrollee_id, alert.version, alert.told) for alert in decision.alerts] == [
            ("E1", 2, ("team-E1",))
        ]
        assert not ward.living()
        released = ward.take(self.handed(kind, again="2"), certain("E2"), certain("E1"), released=True)
        assert released.action is Action.NOTIFY
        assert [(alert.enrollee_id, alert.version, alert.told) for alert in released.alerts] == [
            ("E2", 1, ("team-E2",))
        ]
        assert {Reason.ADMITTED, Reason.RELEASED_BY_REVIEW} <= set(released.reasons)
        assert ward.take(event(K.DISCHARGED, 9, C.INPATIENT, mrn="200001"), certain("E2")).action is Action.AMEND
        assert [(stay.enrollee_id, stay.status) for stay in ward.living()] == [("E2", StayStatus.FINISHED)]

    def test_the_new_person_was_told_of_the_same_visit_meanwhile(self):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0, C.INPATIENT), certain("E1"))
        moved = self.handed(K.VISIT_MOVED)
        ward.take(moved, POSSIBLE, certain("E1"))
        held_id = ward.n
        ward.take(event(K.DISCHARGED, 9, C.INPATIENT, mrn="200001"), certain("E2"))
        ward.n = held_id
        assert ward.take(moved, certain("E2"), certain("E1"), released=True).action is Action.SUPPRESS
        assert [stay.enrollee_id for stay in ward.living()] == ["E2"]

    @pytest.mark.parametrize(
        "match", [Match(grade=Grade.POSSIBLE, enrollee_id="E1"), POSSIBLE.model_copy(update={"runner_up": "E1"})]
    )
    @pytest.mark.parametrize(("kind", "_reason"), TO_A_POSSIBLE_MATCH)
    def test_nothing_is_taken_back_from_whom_it_may_still_be(self, match, kind, _reason):
        ward = Ward()
        ward.take(event(K.ADMITTED, 0, C.INPATIENT), certain("E1"))
        decision = ward.take(self.handed(kind), match, certain("E1"))
        merged = kind is K.PERSON_MERGED  # which says itself whose the number is
        assert (decision.action, decision.alerts) == (Action.SUPPRESS if merged else Action.HOLD, ())
        assert [change.enrollee_id for change in decision.crosswalk] == ["E1", "E1"] * merged
        assert [stay.enrollee_id for stay in ward.living()] == ["E1"]

    @pytest.mark.parametrize(("kind", "_reason"), TO_A_POSSIBLE_MATCH)
    def test_nothing_known_to_take_back(self, kind, _reason):
        assert Ward().take(self.handed(kind), POSSIBLE, certain("E1")).reasons == (Reason.POSSIBLE_MATCH,)

    def test_a_stay_nobody_was_told_of_waits_without_a_word(self):
        ward = Ward()
        ward.take(event(K.PLANNED, 0, C.PRE_ADMISSION), certain("E1"))
        decision = ward.take(self.handed(K.VISIT_MOVED), POSSIBLE, certain("E1"))
        assert (decision.action, decision.waits, decision.alerts) == (Action.HOLD, True, ())
        assert [stay.status for stay in decision.stays] == [StayStatus.ENTERED_IN_ERROR]


class TestPolicyChoices:
    def ward(self, **updates):
        text = "\n".join(f"{name} = {value}" for name, value in updates.items())
        policy = load_policy(f'[updates]\n{text}\n[[rules]]\nname = "all"\npriority = "high"\n')
        return Ward(policy=policy)

    def test_an_update_may_start_an_alert(self):
        ward = self.ward(starts_alert="true")
        assert ward.take(event(K.UPDATED, 0), certain("E1")).action is Action.NOTIFY

    @pytest.mark.parametrize(
        ("name", "said", "reason"),
        [
            ("attending", {"attending": "Rivers"}, Reason.ATTENDING_CHANGED),
            (
                "expected_discharge",
                {"expected_discharge": START + timedelta(days=3)},
                Reason.EXPECTED_DISCHARGE_CHANGED,
            ),
        ],
    )
    @pytest.mark.parametrize(("telling", "priority"), [("tell", "high"), ("digest", "digest"), ("silent", None)])
    def test_tell_digest_silent(self, name, said, reason, telling, priority):
        ward = self.ward(**{name: f'"{telling}"'})
        ward.take(event(K.ADMITTED, 0, attending="Stone"), certain("E1"))
        decision = ward.take(event(K.UPDATED, 1, **said), certain("E1"))
        if priority is None:
            assert decision.reasons == (Reason.NOTHING_NEW,)
        else:
            assert (decision.reasons, decision.alerts[0].priority.value) == ((reason,), priority)


# --- what holds for every sequence -----------------------------------------------------------------------------------

CLASSES = st.sampled_from([C.EMERGENCY, C.OBSERVATION, C.INPATIENT, C.AMBULATORY, C.UNKNOWN, None])
SOMETHING = st.tuples(
    st.sampled_from(list(K)), CLASSES, st.sampled_from(["V1", "V2", ""]), st.sampled_from(["100001", "200001"])
)


def play(ward, drawn, again=""):
    owner = {"100001": "E1", "200001": "E2"}
    for hours, (kind, encounter_class, number, record) in enumerate(drawn):
        other = "200001" if record == "100001" else "100001"
        prior = mrn(other) if "merged" in kind or "moved" in kind else None
        said = event(kind, hours, encounter_class, number=number, mrn=record, again=again, prior=prior)
        yield ward.take(said, certain(owner[record]), certain(owner[other]) if prior else None)


@given(st.lists(SOMETHING, max_size=14))
@settings(max_examples=150, deadline=None)
def test_every_sequence_keeps_its_promises(drawn):
    ward = Ward()
    for decision in play(ward, drawn):
        assert decision.reasons
        assert all(alert.owners for alert in decision.alerts)
        assert (decision.action in (Action.SUPPRESS, Action.HOLD)) is (not decision.alerts)
    for alert_id, versions in ward.alerts.items():
        assert [version.version for version in versions] == list(range(1, len(versions) + 1)), "versions have no gap"
        assert all(version.stay_id == alert_id for version in versions), "one alert a stay"
        for before, now in pairwise(versions):
            assert set(before.told) <= set(now.told), "whoever was told is told on"
            if now.action is Action.RETRACT:
                assert now.told == before.told, "taken back from exactly those who were told"
                assert not any(clock.status is ClockStatus.RUNNING for clock in now.clocks)
    dead = {
        stay.stay_id
        for stay in ward.stays.values()
        if stay.status in (StayStatus.CANCELLED, StayStatus.ENTERED_IN_ERROR)
    }
    assert not dead & {alert.alert_id for alert in ward.living()}, "no alert stands after its stay is undone"


@given(st.lists(SOMETHING, max_size=10))
@settings(max_examples=60, deadline=None)
def test_delivered_twice_word_for_word_adds_nothing(drawn):
    ward = Ward()
    list(play(ward, drawn))
    before = {alert_id: len(versions) for alert_id, versions in ward.alerts.items()}
    assert all(decision.duplicate for decision in play(ward, drawn))
    assert {alert_id: len(versions) for alert_id, versions in ward.alerts.items()} == before


ONE_STAY = st.lists(
    st.sampled_from(
        [
            (K.UPDATED, C.EMERGENCY),
            (K.UPDATED, C.INPATIENT),
            (K.DISCHARGED, C.INPATIENT),
            (K.DISCHARGE_CANCELLED, C.INPATIENT),
            (K.ADMIT_CANCELLED, C.INPATIENT),
            (K.VISIT_DELETED, C.INPATIENT),
        ]
    ),
    max_size=6,
)


@given(ONE_STAY, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_order_of_arrival_does_not_matter_where_the_theory_says_so(drawn, chance):
    """One start, then updates, discharges and cancels with different times, in any order of arrival."""
    events = [event(K.ADMITTED, 0, C.EMERGENCY)]
    events += [event(kind, hours, encounter_class) for hours, (kind, encounter_class) in enumerate(drawn, 1)]
    in_order, shuffled = Ward(), Ward()
    for happened in events:
        in_order.take(happened, certain("E1"))
    mixed = list(events)
    chance.shuffle(mixed)
    for happened in mixed:
        shuffled.take(happened, certain("E1"))
    (there,), (here,) = in_order.stays.values(), shuffled.stays.values()
    assert here.status is there.status
    assert [(stay.status, stay.encounter_class) for stay in shuffled.living()] == [
        (stay.status, stay.encounter_class) for stay in in_order.living()
    ]


PLAIN = st.tuples(
    st.sampled_from([K.ADMITTED, K.REGISTERED, K.UPDATED, K.DISCHARGED]),
    CLASSES,
    st.sampled_from(["V1", "V2", "V3"]),
    st.sampled_from(["100001", "200001"]),
)


@given(st.lists(PLAIN, max_size=8))
@settings(max_examples=80, deadline=None)
def test_resent_with_other_words_makes_no_second_alert(drawn):
    """The same events again, not word for word: versions perhaps, never a further alert of a stay with a number."""
    ward = Ward()
    list(play(ward, drawn))
    known = set(ward.alerts)
    list(play(ward, drawn, again="other words"))
    assert set(ward.alerts) == known


RULES = st.fixed_dictionaries(
    {
        "reasons": st.lists(st.sampled_from(Reason), max_size=2),
        "kinds": st.lists(st.sampled_from(AlertKind), max_size=2),
        "risk_tiers": st.lists(st.sampled_from(RiskTier), max_size=2),
        "priority": st.sampled_from(Priority),
        "mute": st.booleans(),
    }
).filter(lambda rule: rule["reasons"] or rule["kinds"] or rule["risk_tiers"])


@given(st.lists(RULES, max_size=3), st.booleans(), st.lists(PLAIN, max_size=6))
@settings(max_examples=60, deadline=None)
def test_every_policy_that_loads_gives_every_alert_an_owner(rules, mute, drawn):
    named = [{"name": f"rule {number}", **rule} for number, rule in enumerate(rules)]
    policy = Policy.model_validate({"rules": [*named, {"name": "last", "mute": mute}]})
    ward = Ward(policy=policy, route=plain_route())
    for decision in play(ward, drawn):
        for alert in decision.alerts:
            assert alert.owners
            assert alert.rule in {rule.name for rule in policy.rules if not rule.mute}
