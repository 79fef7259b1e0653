"""Clocks: business days over weekends, holidays and changes of the hour; who has which clock; what stops them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from parsers.events import Diagnosis, EncounterClass, FacilityKind, PersonName
from parsers.people import Enrollee, RiskTier
from rules.clocks import age_on, business_days_after, carried, clocks_of, day_end, hours_lost, is_business_day
from rules.decisions import Clock, ClockKind, ClockStatus, Reason, Stay, StayStatus
from rules.policy import Business, default_policy

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
        ("before Thanksgiving and the state's Friday", "2026-11-25 18:00", "2026-12-01 17:00"),
        ("before Labor Day", "2026-09-04 18:00", "2026-09-09 17:00"),
        ("before Good Friday, a state holiday", "2026-04-02 12:00", "2026-04-07 17:00"),
        ("before Christmas and New Year", "2026-12-31 12:00", "2027-01-05 17:00"),
        ("Fourth of July on a Saturday is observed on Friday", "2026-07-01 12:00", "2026-07-06 17:00"),
        ("Columbus Day is a federal holiday", "2026-10-09 12:00", "2026-10-14 17:00"),
        ("00:30 when clocks go back", "2026-11-01 00:30", "2026-11-03 17:00"),
        ("00:30 when clocks go forward", "2026-03-08 00:30", "2026-03-10 17:00"),
    ],
)
def test_two_business_days(name, discharged, due):
    assert words(business_days_after(local(discharged), 2, Business(), LOCAL)) == due


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


def kinds(of, born="1955-03-14", tier=RiskTier.LOW):
    person = Enrollee(
        enrollee_id="E1", name=PersonName(), birth_date=date.fromisoformat(born), practice_id="P", risk_tier=tier
    )
    at = datetime(2026, 11, 13, 16, tzinfo=UTC)
    return {clock.kind: clock for clock in clocks_of(of, person, default_policy(), at, at)}


TRC = {CK.TRC_ADMISSION_NOTICE, CK.TRC_DISCHARGE_INFORMATION, CK.TRC_ENGAGEMENT, CK.TRC_MEDICATION_RECONCILIATION}
TCM = {CK.TCM_CONTACT, CK.TCM_VISIT}


@pytest.mark.parametrize(
    ("name", "of", "born", "expected"),
    [
        ("inpatient, home", stay(), "1955-03-14", TRC | TCM),
        ("observation, home", stay(C.OBSERVATION), "1955-03-14", TRC | TCM),
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
        ("mental illness at five", stay(codes=["F32.2"]), "2021-01-01", TRC | TCM),
        ("observation for mental illness", stay(C.OBSERVATION, codes=["F32.2"]), "1955-03-14", TRC | TCM),
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
        (
            "emergency, alcohol second",
            stay(C.EMERGENCY, codes=["S00.1", "F10.20"]),
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


def test_without_an_enrollee_every_age_counts():
    found = clocks_of(
        stay(C.EMERGENCY, codes=["F32.2"]), None, default_policy(), local("2026-11-13 10:00"), local("2026-11-13 10:00")
    )
    assert {clock.kind for clock in found} == {CK.FUM_7, CK.FUM_30}


class TestCarried:
    def clock(self, kind=CK.TCM_CONTACT, start="2026-11-13 10:00", due="2026-11-17 17:00", **more):
        return Clock(kind=kind, starts_at=local(start), due_at=local(due), **more)

    def one(self, before, now):
        (clock,) = carried(before, now, Reason.DISCHARGE_CANCELLED)
        return clock

    def test_unchanged_keeps_what_people_did(self):
        met = self.clock(status=ClockStatus.MET)
        assert self.one([met], [self.clock()]) is met

    def test_gone_is_stopped_and_says_by_what(self):
        stopped = self.one([self.clock()], [])
        assert (stopped.status, stopped.stopped_by) == (ClockStatus.STOPPED, "discharge_cancelled")

    def test_gone_but_met_stays_met(self):
        assert self.one([self.clock(status=ClockStatus.MET)], []).status is ClockStatus.MET

    def test_another_start_runs_anew(self):
        later = self.clock(start="2026-11-16 10:00", due="2026-11-18 17:00")
        assert self.one([self.clock(status=ClockStatus.MET)], [later]) is later

    def notice(self, start, decided):
        admitted = stay(status=StayStatus.IN_PROGRESS, started_at=local(start), ended_at=None)
        at = local(decided)
        (found,) = clocks_of(admitted, None, default_policy(), at, at)
        return found

    @pytest.mark.parametrize(
        ("name", "decided", "status"),
        [
            ("on the day", "2026-11-10 09:01", ClockStatus.MET),
            ("the last second of the second day after", "2026-11-12 23:59:59", ClockStatus.MET),
            ("a second later", "2026-11-13 00:00", ClockStatus.MISSED),
        ],
    )
    def test_our_own_alert_is_the_notice(self, name, decided, status):
        found = self.notice("2026-11-10 09:00", decided)
        assert found.status is status, name
        assert found.met_at == (local(decided) if status is ClockStatus.MET else None)

    def test_a_notice_given_once_is_not_missed_later(self):
        given = self.notice("2026-11-10 09:00", "2026-11-10 09:01")
        assert self.one([given], [self.notice("2026-11-10 09:00", "2026-11-20 09:00")]) is given

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
        found = self.one([given], [self.notice(corrected, "2026-11-20 09:00")])
        assert found.status is status
        assert found.met_at == (given.met_at if status is ClockStatus.MET else None)

    def test_the_notice_stops_with_the_admission_and_counts_again_with_it(self):
        given = self.notice("2026-11-10 09:00", "2026-11-10 09:01")
        stopped = self.one([given], [])
        assert (stopped.status, stopped.stopped_by) == (ClockStatus.STOPPED, "discharge_cancelled")
        again = self.one([stopped], [self.notice("2026-11-10 09:00", "2026-11-20 09:00")])
        assert (again.status, again.met_at, again.stopped_by) == (ClockStatus.MET, given.met_at, "")

    def test_stopped_runs_again_when_it_applies_again(self):
        assert self.one([self.clock(status=ClockStatus.STOPPED)], [self.clock()]).status is ClockStatus.RUNNING

    def test_another_due_keeps_the_hours_first_lost(self):
        longer = self.clock(due="2026-11-18 17:00", hours_lost=30)
        moved = self.one([self.clock(hours_lost=2)], [longer])
        assert (moved.due_at, moved.hours_lost) == (longer.due_at, 2)
