"""Clocks: business days over weekends, holidays and changes of the hour; who has which clock; what stops them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from parsers.events import Diagnosis, EncounterClass, FacilityKind, PersonName
from parsers.people import Enrollee, Payer, RiskTier
from rules.deciding.clocks import (
    age_on,
    business_days_after,
    business_due,
    carried,
    clocks_of,
    day_end,
    hours_lost,
    is_business_day,
)
from rules.decisions import Clock, ClockKind, ClockStatus, DischargeElement, Reason, Stay, StayStatus
from rules.policy.policy import Business, Tries, WhenUnknown, default_policy

LOCAL = ZoneInfo("America/New_York")
CK, C = ClockKind, EncounterClass


def local(text):
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def words(at):
    return f"{at.astimezone(LOCAL):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("name", "discharged", "due"),
    [
        ("Tuesday morning", "2026-11-17 09:00", "2026-11-19 17:00"),
        ("Tuesday one minute to midnight", "2026-11-17 23:59", "2026-11-19 17:00"),
        ("Thursday over the weekend", "2026-11-19 09:00", "2026-11-23 17:00"),
        ("Friday evening", "2026-11-20 20:00", "2026-11-24 17:00"),
        ("Saturday counts as Friday does", "2026-11-21 09:00", "2026-11-24 17:00"),
        ("before Thanksgiving; the state's Friday is no federal holiday", "2026-11-25 18:00", "2026-11-30 17:00"),
        ("before Labor Day", "2026-09-04 18:00", "2026-09-09 17:00"),
        ("before Good Friday, a state holiday only", "2026-04-02 12:00", "2026-04-06 17:00"),
        ("before Christmas and New Year", "2026-12-31 12:00", "2027-01-05 17:00"),
        ("Fourth of July on a Saturday is observed on Friday", "2026-07-01 12:00", "2026-07-06 17:00"),
        ("Columbus Day is a federal holiday only", "2026-10-09 12:00", "2026-10-13 17:00"),
        ("00:30 when clocks go back", "2026-11-01 00:30", "2026-11-03 17:00"),
        ("00:30 when clocks go forward", "2026-03-08 00:30", "2026-03-10 17:00"),
    ],
)
def test_two_business_days(name, discharged, due):
    assert words(business_days_after(local(discharged), 2, Business(), LOCAL)) == due


@pytest.mark.parametrize(
    ("discharged", "calendar", "state", "due", "named"),
    [
        ("2026-10-09 12:00", "earlier", "NC", "2026-10-13", "NC"),
        ("2026-10-09 12:00", "federal", "NC", "2026-10-14", "federal"),
        ("2026-10-09 12:00", "earlier", "", "2026-10-14", "federal"),
        ("2026-04-02 12:00", "earlier", "NC", "2026-04-06", "federal"),
        ("2026-04-02 12:00", "state", "NC", "2026-04-07", "NC"),
        ("2026-11-25 12:00", "earlier", "NC", "2026-11-30", "federal"),
        ("2026-12-23 12:00", "earlier", "NC", "2026-12-28", "federal"),
        ("2026-12-23 12:00", "state", "NC", "2026-12-30", "NC"),
        ("2026-11-17 12:00", "earlier", "NC", "2026-11-19", "federal"),
    ],
)
def test_the_calendar_is_data_and_named(discharged, calendar, state, due, named):
    """North Carolina works on Columbus Day, not on Good Friday, the day after Thanksgiving, 24 and 26 December."""
    business = Business(state=state, calendar=calendar)
    deadline, by = business_due(local(discharged), 2, business, LOCAL)
    assert (words(deadline), by) == (f"{due} 17:00", named)
    policy = default_policy().model_copy(update={"business": business})
    at = local(discharged)
    clocks = {clock.kind: clock for clock in clocks_of(stay(ended_at=at), None, policy, at, at)}
    assert (clocks[CK.TCM_CONTACT].calendar, clocks[CK.TCM_VISIT].calendar) == (named, "")


def test_days_of_our_own_and_federal_days_only():
    assert not is_business_day(date(2026, 11, 18), Business(closed=(date(2026, 11, 18),)))
    assert is_business_day(date(2026, 11, 27), Business(state=""))
    assert not is_business_day(date(2026, 11, 27), Business(state="NC"))


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-11-01 00:30", 2, "2026-11-03 23:59"),
        ("2026-10-31 23:30", 1, "2026-11-01 23:59"),
        ("2026-03-07 23:30", 1, "2026-03-08 23:59"),
        ("2026-02-27 10:00", 2, "2026-03-01 23:59"),
    ],
)
def test_calendar_days_end_with_the_local_day(start, days, due):
    assert words(day_end(local(start), days, LOCAL)) == due


def test_hours_lost_are_real_hours_never_negative():
    assert hours_lost(local("2026-10-31 20:00"), local("2026-11-01 20:00")) == 25.0
    assert hours_lost(local("2026-11-01 20:00"), local("2026-11-01 19:00")) == 0.0


@pytest.mark.parametrize(("born", "on", "years"), [("2013-11-10", "2026-11-10", 13), ("2013-11-11", "2026-11-10", 12)])
def test_age(born, on, years):
    assert age_on(date.fromisoformat(born), date.fromisoformat(on)) == years


def stay(highest=C.INPATIENT, *, codes=(), **more):
    return Stay(
        stay_id="S1",
        enrollee_id="E1",
        facility="MISSION",
        encounter_class=highest,
        highest_class=highest,
        **{
            "status": StayStatus.FINISHED,
            "started_at": local("2026-11-10 09:00"),
            "ended_at": local("2026-11-13 10:00"),
            "disposition": "01",
            "diagnoses": tuple(Diagnosis(code=code, system="I10") for code in codes),
            **more,
        },
    )


def kinds(of, born="1955-03-14", tier=RiskTier.LOW, payer=Payer.MEDICARE, policy=None, **more):
    person = Enrollee(
        enrollee_id="E1",
        name=PersonName(),
        birth_date=date.fromisoformat(born),
        practice_id="P",
        risk_tier=tier,
        payer=payer,
    )
    at = datetime(2026, 11, 13, 16, tzinfo=UTC)
    return {clock.kind: clock for clock in clocks_of(of, person, policy or default_policy(), at, at, **more)}


TRC = {CK.TRC_ADMISSION_NOTICE, CK.TRC_DISCHARGE_INFORMATION, CK.TRC_ENGAGEMENT, CK.TRC_MEDICATION_RECONCILIATION}
TCM = {CK.TCM_CONTACT, CK.TCM_VISIT}


@pytest.mark.parametrize(
    ("name", "of", "born", "expected"),
    [
        ("inpatient, home", stay(), "1955-03-14", TRC | TCM),
        ("observation, home: no inpatient stay, so no TRC", stay(C.OBSERVATION), "1955-03-14", TCM),
        ("unknown class counts as inpatient", stay(C.UNKNOWN), "1955-03-14", TRC | TCM),
        ("home health", stay(disposition="06"), "1955-03-14", TRC | TCM),
        ("assisted living", stay(disposition="04"), "1955-03-14", TRC | TCM),
        ("not said where to", stay(disposition=""), "1955-03-14", TRC | TCM),
        ("skilled nursing", stay(disposition="03"), "1955-03-14", TRC),
        ("rehabilitation", stay(disposition="62"), "1955-03-14", TRC),
        ("long-term acute care", stay(disposition="63"), "1955-03-14", TRC),
        ("another hospital", stay(disposition="02"), "1955-03-14", TRC),
        ("died", stay(disposition="20", died=True), "1955-03-14", set()),
        ("cancelled", stay(status=StayStatus.CANCELLED), "1955-03-14", set()),
        ("still there", stay(status=StayStatus.IN_PROGRESS, ended_at=None), "1955-03-14", {CK.TRC_ADMISSION_NOTICE}),
        ("start not known", stay(started_at=None), "1955-03-14", (TRC | TCM) - {CK.TRC_ADMISSION_NOTICE}),
        ("mental illness", stay(codes=["F32.2"]), "1955-03-14", TRC | TCM | {CK.FUH_7, CK.FUH_30}),
        ("mental illness, not principal", stay(codes=["I50.9", "F32.2"]), "1955-03-14", TRC | TCM),
        ("mental illness at five", stay(codes=["F32.2"]), "2021-01-01", TCM),
        ("under eighteen", stay(), "2008-11-11", TCM),
        ("eighteen on the first day", stay(), "2008-11-10", TRC | TCM),
        ("to hospice", stay(disposition="51"), "1955-03-14", set()),
        ("home from skilled nursing", stay(facility_kind=FacilityKind.SKILLED_NURSING), "1955-03-14", TRC | TCM),
        (
            "skilled nursing for mental illness is not acute",
            stay(facility_kind=FacilityKind.SKILLED_NURSING, codes=["F32.2"]),
            "1955-03-14",
            TRC | TCM,
        ),
        ("observation for mental illness", stay(C.OBSERVATION, codes=["F32.2"]), "1955-03-14", TCM),
        (
            "a psychiatric hospital without a code",
            stay(facility_kind=FacilityKind.PSYCHIATRIC),
            "1955-03-14",
            TRC | TCM | {CK.FUH_7, CK.FUH_30},
        ),
        ("emergency", stay(C.EMERGENCY), "1955-03-14", set()),
        ("emergency, mental illness", stay(C.EMERGENCY, codes=["F32.2"]), "1955-03-14", {CK.FUM_7, CK.FUM_30}),
        ("emergency, admitted here", stay(C.EMERGENCY, codes=["F32.2"], disposition="09"), "1955-03-14", set()),
        ("emergency, mental illness at six", stay(C.EMERGENCY, codes=["F32.2"]), "2020-11-13", {CK.FUM_7, CK.FUM_30}),
        ("emergency, mental illness at five", stay(C.EMERGENCY, codes=["F32.2"]), "2020-11-14", set()),
        ("emergency, overdose", stay(C.EMERGENCY, codes=["T40.1X1A"]), "1955-03-14", {CK.FUA_7, CK.FUA_30}),
        ("emergency, alcohol second", stay(C.EMERGENCY, codes=["S00.1", "F10.20"]), "1955-03-14", set()),
        ("emergency, alcohol first", stay(C.EMERGENCY, codes=["F10.20", "S00.1"]), "1955-03-14", {CK.FUA_7, CK.FUA_30}),
        (
            "emergency, overdose second",
            stay(C.EMERGENCY, codes=["S00.1", "T40.1X1A"]),
            "1955-03-14",
            {CK.FUA_7, CK.FUA_30},
        ),
        ("emergency, overdose at twelve", stay(C.EMERGENCY, codes=["T40.1X1A"]), "2013-11-14", set()),
        ("outpatient", stay(C.AMBULATORY), "1955-03-14", set()),
    ],
)
def test_who_has_which_clock(name, of, born, expected):
    assert set(kinds(of, born)) == expected


@pytest.mark.parametrize(("tier", "due"), [(RiskTier.HIGH, "2026-11-20 23:59"), (RiskTier.LOW, "2026-11-27 23:59")])
def test_visit_by_tier(tier, due):
    assert words(kinds(stay(), tier=tier)[CK.TCM_VISIT].due_at) == due


@pytest.mark.parametrize(
    ("payer", "expected", "assumed"),
    [
        (Payer.MEDICARE, TRC | TCM, False),
        (Payer.DUAL, TRC | TCM, False),
        (Payer.MEDICAID, TCM, False),
        (Payer.COMMERCIAL, TCM, False),
        (Payer.UNKNOWN, TRC | TCM, True),
    ],
)
def test_the_payer_says_whether_trc_asks(payer, expected, assumed):
    clocks = kinds(stay(), payer=payer)
    assert set(clocks) == expected
    assert {kind for kind, clock in clocks.items() if clock.assumed} == (TRC if assumed else set())


def test_policy_decides_what_an_unknown_payer_means_and_which_payers_count():
    policy = default_policy()
    out = policy.clocks.model_copy(update={"payer_unknown": WhenUnknown.LEAVE_OUT})
    assert set(kinds(stay(), payer=Payer.UNKNOWN, policy=policy.model_copy(update={"clocks": out}))) == TCM
    more = policy.clocks.model_copy(update={"trc_payers": frozenset({Payer.COMMERCIAL})})
    assert set(kinds(stay(), payer=Payer.COMMERCIAL, policy=policy.model_copy(update={"clocks": more}))) == TRC | TCM


def test_the_number_of_tries_is_the_policy_s_by_payer():
    policy = default_policy()
    three = Tries(clocks=(CK.TCM_CONTACT,), payers=(Payer.MEDICAID,), count=3)
    ours = policy.clocks.model_copy(update={"tries": (three, *policy.clocks.tries)})
    ours = policy.model_copy(update={"clocks": ours})
    assert kinds(stay(), payer=Payer.MEDICAID)[CK.TCM_CONTACT].tries == 2
    assert kinds(stay(), payer=Payer.MEDICAID, policy=ours)[CK.TCM_CONTACT].tries == 3
    assert kinds(stay(), payer=Payer.MEDICARE, policy=ours)[CK.TCM_CONTACT].tries == 2
    assert kinds(stay(), policy=ours)[CK.TCM_VISIT].tries == 0


def test_the_same_day_counts_after_the_emergency_department_and_not_after_the_ward():
    ward = kinds(stay(codes=["F32.2"]))
    mental, substance = (kinds(stay(C.EMERGENCY, codes=[code])) for code in ("F32.2", "F10.20"))
    assert {kind for kind, clock in ward.items() if not clock.same_day} == {CK.FUH_7, CK.FUH_30, CK.TRC_ENGAGEMENT}
    assert all(clock.same_day for clock in (*mental.values(), *substance.values()))


class TestDischargeInformation:
    """An ADT never has all six elements: a notice in time is shown, and what is still to get."""

    FOUR = (
        DischargeElement.PROCEDURES,
        DischargeElement.MEDICINES,
        DischargeElement.TEST_RESULTS,
        DischargeElement.INSTRUCTIONS,
    )

    def test_a_discharge_notice_never_meets_it(self):
        information = kinds(stay(codes=["I50.9"], attending="Stone, Mary"))[CK.TRC_DISCHARGE_INFORMATION]
        assert (information.status, information.met_at, information.missing) == (ClockStatus.RUNNING, None, self.FOUR)
        assert information.notice_at == datetime(2026, 11, 13, 16, tzinfo=UTC)

    def test_an_admitting_diagnosis_is_none_at_discharge(self):
        admitting = (Diagnosis(code="I50.9", system="I10", type="A"),)
        information = kinds(stay(diagnoses=admitting))[CK.TRC_DISCHARGE_INFORMATION]
        assert information.missing == tuple(DischargeElement)

    def test_what_is_missing_becomes_less_and_the_notice_stays(self):
        before = kinds(stay())[CK.TRC_DISCHARGE_INFORMATION]
        at = local("2026-11-18 10:00")
        of = stay(codes=["I50.9"], attending="Stone, Mary")
        now = [c for c in clocks_of(of, None, default_policy(), at, at) if c.kind is CK.TRC_DISCHARGE_INFORMATION]
        (after,) = carried([before], now, Reason.DIAGNOSIS_ADDED)
        assert (after.missing, after.notice_at) == (self.FOUR, before.notice_at)

    def test_a_notice_nobody_of_the_practice_can_read_is_none(self):
        clocks = kinds(stay(), readable=False)
        assert clocks[CK.TRC_DISCHARGE_INFORMATION].notice_at is None
        notice = clocks[CK.TRC_ADMISSION_NOTICE]
        assert (notice.status, notice.met_at) == (ClockStatus.MISSED, None)


def test_without_an_enrollee_every_age_counts():
    clocks = clocks_of(
        stay(C.EMERGENCY, codes=["F32.2"]), None, default_policy(), local("2026-11-13 10:00"), local("2026-11-13 10:00")
    )
    assert {clock.kind for clock in clocks} == {CK.FUM_7, CK.FUM_30}


class TestCarried:
    def clock(self, kind=CK.TCM_CONTACT, start="2026-11-13 10:00", due="2026-11-17 17:00", **more):
        return Clock(kind=kind, starts_at=local(start), due_at=local(due), **more)

    def carry(self, before, now):
        (clock,) = carried(before, now, Reason.DISCHARGE_CANCELLED)
        return clock

    def test_unchanged_keeps_what_people_did(self):
        met = self.clock(status=ClockStatus.MET)
        assert self.carry([met], [self.clock()]) is met

    def test_gone_is_stopped_and_says_by_what(self):
        stopped = self.carry([self.clock()], [])
        assert (stopped.status, stopped.stopped_by) == (ClockStatus.STOPPED, "discharge_cancelled")

    def test_gone_but_met_stays_met(self):
        assert self.carry([self.clock(status=ClockStatus.MET)], []).status is ClockStatus.MET

    def test_another_start_runs_anew(self):
        later = self.clock(start="2026-11-16 10:00", due="2026-11-18 17:00")
        assert self.carry([self.clock(status=ClockStatus.MET)], [later]) is later

    def notice(self, start, decided):
        admitted = stay(status=StayStatus.IN_PROGRESS, started_at=local(start), ended_at=None)
        at = local(decided)
        (admission_notice,) = clocks_of(admitted, None, default_policy(), at, at)
        return admission_notice

    @pytest.mark.parametrize(
        ("name", "decided", "status"),
        [
            ("on the day", "2026-11-10 09:01", ClockStatus.MET),
            ("the last second of the second day after", "2026-11-12 23:59:59", ClockStatus.MET),
            ("a second later", "2026-11-13 00:00", ClockStatus.MISSED),
        ],
    )
    def test_our_own_alert_is_the_notice(self, name, decided, status):
        admission_notice = self.notice("2026-11-10 09:00", decided)
        assert admission_notice.status is status, name
        assert admission_notice.met_at == (local(decided) if status is ClockStatus.MET else None)

    def test_a_notice_told_only_to_others_is_still_to_be_given(self):
        admitted = stay(status=StayStatus.IN_PROGRESS, started_at=local("2026-11-10 09:00"), ended_at=None)
        first, later = local("2026-11-10 09:05"), local("2026-11-11 09:05")
        (central,) = clocks_of(admitted, None, default_policy(), first, first, readable=False)
        assert (central.status, central.met_at) == (ClockStatus.RUNNING, None)
        practice = clocks_of(admitted, None, default_policy(), later, later)
        kept = self.carry([central], practice)
        assert (kept.status, kept.met_at) == (ClockStatus.MET, later)

    def test_a_notice_given_once_is_not_missed_later(self):
        given = self.notice("2026-11-10 09:00", "2026-11-10 09:01")
        assert self.carry([given], [self.notice("2026-11-10 09:00", "2026-11-20 09:00")]) is given

    @pytest.mark.parametrize(
        ("corrected", "status"),
        [
            ("2026-11-10 08:30", ClockStatus.MET),
            ("2026-11-08 08:30", ClockStatus.MET),
            ("2026-11-07 08:30", ClockStatus.MISSED),
            ("2026-11-11 08:30", ClockStatus.MISSED),
        ],
    )
    def test_a_notice_counts_for_a_corrected_admission_it_was_in_time_for(self, corrected, status):
        given = self.notice("2026-11-10 09:00", "2026-11-10 09:01")
        kept = self.carry([given], [self.notice(corrected, "2026-11-20 09:00")])
        assert kept.status is status
        assert kept.met_at == (given.met_at if status is ClockStatus.MET else None)

    def test_the_notice_stops_with_the_admission_and_counts_again_with_it(self):
        given = self.notice("2026-11-10 09:00", "2026-11-10 09:01")
        stopped = self.carry([given], [])
        assert (stopped.status, stopped.stopped_by) == (ClockStatus.STOPPED, "discharge_cancelled")
        again = self.carry([stopped], [self.notice("2026-11-10 09:00", "2026-11-20 09:00")])
        assert (again.status, again.met_at, again.stopped_by) == (ClockStatus.MET, given.met_at, "")

    def test_stopped_runs_again_when_it_applies_again(self):
        assert self.carry([self.clock(status=ClockStatus.STOPPED)], [self.clock()]).status is ClockStatus.RUNNING

    def test_another_due_keeps_the_hours_first_lost(self):
        longer = self.clock(due="2026-11-18 17:00", hours_lost=30)
        moved = self.carry([self.clock(hours_lost=2)], [longer])
        assert (moved.due_at, moved.hours_lost) == (longer.due_at, 2)
