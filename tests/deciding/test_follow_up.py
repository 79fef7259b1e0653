"""FUH, FUM and FUA end when an inpatient stay begins within 30 days of the discharge, and are asked for again when that
stay is taken back (HEDIS: such visits and discharges are not measured).
"""

import pytest

from parsers.events import Diagnosis
from rules.decisions import Action, ClockKind, ClockStatus, Priority, Reason
from tests.deciding.test_decide import C, K, Ward, certain, event

DEPRESSION = Diagnosis(code="F32.2", text="Major depressive disorder", rank=1)
OVERDOSE = Diagnosis(code="T40.1X1A", text="Poisoning by heroin", rank=1)
FUM = {ClockKind.FUM_7, ClockKind.FUM_30}
FUA = {ClockKind.FUA_7, ClockKind.FUA_30}
FUH = {ClockKind.FUH_7, ClockKind.FUH_30}
DAY = 24


def ward_after(encounter_class=C.EMERGENCY, diagnosis=DEPRESSION):
    """One stay of some hours, over, with its follow-up running."""
    ward = Ward()
    ward.take(event(K.ADMITTED, 0, encounter_class), certain("E1"))
    ward.take(event(K.DISCHARGED, 6, encounter_class, disposition="01", diagnoses=(diagnosis,)), certain("E1"))
    return ward


def first(ward):
    return next(iter(ward.alerts.values()))[-1]


def measured(alert, status):
    return {clock.kind for clock in alert.clocks if clock.kind in FUM | FUA | FUH and clock.status is status}


@pytest.mark.parametrize(
    ("was", "diagnosis", "clocks"),
    [
        (C.EMERGENCY, DEPRESSION, FUM),
        (C.EMERGENCY, OVERDOSE, FUA),
        (C.INPATIENT, DEPRESSION, FUH),
    ],
    ids=["fum", "fua", "fuh"],
)
def test_an_inpatient_stay_within_30_days_ends_the_follow_up(was, diagnosis, clocks):
    ward = ward_after(was, diagnosis)
    assert measured(first(ward), ClockStatus.RUNNING) == clocks
    decision = ward.take(event(K.ADMITTED, 9 * DAY, C.INPATIENT, number="V2"), certain("E1"))
    assert (decision.action, len(decision.alerts)) == (Action.NOTIFY, 2)
    alert = first(ward)
    assert measured(alert, ClockStatus.STOPPED) == clocks
    assert {clock.stopped_by for clock in alert.clocks if clock.kind in clocks} == {Reason.FOLLOW_UP_ENDED}
    assert (alert.reasons, alert.priority, alert.version) == ((Reason.FOLLOW_UP_ENDED,), Priority.DIGEST, 3)
    others = {clock.kind: clock.status for clock in alert.clocks if clock.kind not in clocks}
    assert ClockStatus.STOPPED not in others.values(), "only the measures' end"


@pytest.mark.parametrize(
    ("hours", "encounter_class", "why"),
    [
        (31 * DAY, C.INPATIENT, "after the 30th day"),
        (9 * DAY, C.EMERGENCY, "another visit to the ED"),
        (9 * DAY, C.OBSERVATION, "observation is not inpatient"),
    ],
)
def test_what_does_not_end_it(hours, encounter_class, why):
    ward = ward_after()
    decision = ward.take(event(K.ADMITTED, hours, encounter_class, number="V2"), certain("E1"))
    assert len(decision.alerts) == 1, why
    assert measured(first(ward), ClockStatus.RUNNING) == FUM, why


def test_the_thirtieth_day_is_the_last():
    ward = ward_after()
    ward.take(event(K.ADMITTED, 30 * DAY, C.INPATIENT, number="V2"), certain("E1"))
    assert measured(first(ward), ClockStatus.STOPPED) == FUM


def test_somebody_elses_stay_ends_nothing():
    ward = ward_after()
    ward.take(event(K.ADMITTED, 48, C.INPATIENT, number="V2", mrn="200001"), certain("E2"))
    assert measured(first(ward), ClockStatus.RUNNING) == FUM


def test_a_visit_that_rises_to_inpatient_later_ends_it_then():
    ward = ward_after()
    ward.take(event(K.ADMITTED, 48, C.OBSERVATION, number="V2"), certain("E1"))
    assert measured(first(ward), ClockStatus.RUNNING) == FUM
    ward.take(event(K.CLASS_CHANGED, 60, C.INPATIENT, number="V2"), certain("E1"))
    assert measured(first(ward), ClockStatus.STOPPED) == FUM


def test_an_admission_that_is_taken_back_asks_for_it_again():
    ward = ward_after()
    ward.take(event(K.ADMITTED, 48, C.INPATIENT, number="V2"), certain("E1"))
    decision = ward.take(event(K.ADMIT_CANCELLED, 50, C.INPATIENT, number="V2"), certain("E1"))
    alert = first(ward)
    assert measured(alert, ClockStatus.RUNNING) == FUM
    assert (alert.reasons, len(decision.alerts)) == ((Reason.FOLLOW_UP_AGAIN,), 2)
    assert alert.priority is not Priority.DIGEST, "somebody has to do something again"


def test_an_admission_taken_back_after_the_last_day_asks_for_nothing():
    ward = ward_after()
    ward.take(event(K.ADMITTED, 48, C.INPATIENT, number="V2"), certain("E1"))
    decision = ward.take(event(K.ADMIT_CANCELLED, 40 * DAY, C.INPATIENT, number="V2"), certain("E1"))
    assert [alert.action for alert in decision.alerts] == [Action.RETRACT]


def test_a_discharge_read_after_the_admission_that_follows_it_starts_no_follow_up():
    ward = Ward()
    ward.take(event(K.ADMITTED, 0), certain("E1"))
    ward.take(event(K.ADMITTED, 9 * DAY, C.INPATIENT, number="V2"), certain("E1"))
    ward.take(event(K.DISCHARGED, 6, disposition="01", diagnoses=(DEPRESSION,)), certain("E1"))
    assert not measured(first(ward), ClockStatus.RUNNING)


def test_it_is_said_once():
    ward = ward_after()
    ward.take(event(K.ADMITTED, 48, C.INPATIENT, number="V2"), certain("E1"))
    ward.take(event(K.UPDATED, 49, C.INPATIENT, number="V2", attending="DR X"), certain("E1"))
    assert first(ward).version == 3


def test_a_diagnosis_that_comes_late_starts_no_follow_up_of_a_stay_that_another_follows():
    ward = Ward()
    ward.take(event(K.ADMITTED, 0), certain("E1"))
    ward.take(event(K.DISCHARGED, 6, disposition="01"), certain("E1"))
    ward.take(event(K.ADMITTED, 48, C.INPATIENT, number="V2"), certain("E1"))
    ward.take(event(K.UPDATED, 50, disposition="01", diagnoses=(DEPRESSION,)), certain("E1"))
    assert not measured(first(ward), ClockStatus.RUNNING)
