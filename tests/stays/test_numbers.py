"""Numbers that are used again, stand for many visits or change: which stay an event under one of them is about."""

from datetime import timedelta

import pytest

from parsers.events import EncounterClass, EventKind, Identifier, Patient
from rules.stays.draft import Draft
from rules.stays.find import find
from tests.stays.test_stays import START, after, event

K, C = EventKind, EncounterClass
MRN = Identifier(system="MISSION", value="100001")
DAYS = 24


def at(hours: float):
    return START + timedelta(hours=hours)


def keys(number="", *, facility="MISSION", admitted=None):
    named = [Identifier(system=f"visit|{facility}|MISSION", value=number)] if number else []
    named += [Identifier(system="visit+patient|SYS|MISSION", value=f"{number}@100001")] if number else []
    if admitted is not None:
        named.append(Identifier(system="admitted|SYS|MISSION", value=f"100001@{at(admitted):%Y%m%d%H%M}"))
    return tuple(named)


class TestUsedAgain:
    @pytest.mark.parametrize(("days", "same"), [(100, True), (130, False)])
    def test_a_discharge_months_after_the_discharge(self, days, same):
        stay = after(event(K.ADMITTED, 0, C.INPATIENT, admitted_at=at(0)), event(K.DISCHARGED, 48, C.INPATIENT))
        assert (find(event(K.DISCHARGED, 48 + days * DAYS, C.INPATIENT), "E1", [stay]) is stay) is same


class TestOfManyVisits:
    def test_the_record_number(self):
        stay = after(
            event(K.REGISTERED, 0, number="100001", admitted_at=at(0)), event(K.DISCHARGED, 8, number="100001")
        )
        again = event(K.REGISTERED, 30, number="100001", admitted_at=at(30))
        assert find(again, "E1", [stay]) is None
        for other in ({"value": "7"}, {"type": "VN"}):
            named = again.model_copy(update={"patient": Patient(identifiers=(MRN.model_copy(update=other),))})
            assert find(named, "E1", [stay]) is stay, "a visit number that is no record number goes on for days"

    @pytest.mark.parametrize(("facility", "same"), [("MISSION", True), ("mission", True), ("SOUTH", False)])
    def test_the_number_of_a_visit_at_another_facility_after_the_way_home(self, facility, same):
        stay = after(
            event(K.REGISTERED, 0, keys=keys("V1"), admitted_at=at(0)), event(K.DISCHARGED, 4, keys=keys("V1"))
        )
        again = event(K.REGISTERED, 9, keys=keys("V1", facility=facility), facility=facility, admitted_at=at(9))
        assert (find(again, "E1", [stay]) is stay) is same

    @pytest.mark.parametrize(("over", "same"), [(False, True), (True, False)])
    def test_an_alternate_number_that_is_neither_ones_own(self, over, same):
        shared = Identifier(system="MISSION", value="ENC1")
        stay = after(event(K.REGISTERED, 0, alternate_number=shared, admitted_at=at(0)))
        if over:
            stay = after(event(K.DISCHARGED, 4, alternate_number=shared, disposition="01"), stay=stay)
        again = event(K.ADMITTED, 9, C.INPATIENT, number="V2", alternate_number=shared, admitted_at=at(9))
        assert (find(again, "E1", [stay]) is stay) is same


@pytest.mark.parametrize(
    ("sent", "authority", "same"),
    [("51", "MISSION", True), ("0051", "", True), ("51", "", True), ("52", "MISSION", False)],
)
def test_a_number_with_and_without_leading_zeros(sent, authority, same):
    stay = after(event(K.ADMITTED, 0, C.INPATIENT, number="0051", admitted_at=at(0)))
    key = Identifier(system=f"visit|MISSION|{authority}", value=sent)
    said = event(K.DISCHARGED, 40, C.INPATIENT, number=sent, keys=(key,))
    assert (find(said, "E1", [stay]) is stay) is same


class TestRenumbered:
    def stay(self, *, over=False):
        stay = after(event(K.ADMITTED, 0.5, C.INPATIENT, keys=keys("V1", admitted=0.5), admitted_at=at(0.5)))
        left = event(K.DISCHARGED, 40, C.INPATIENT, keys=keys("V1", admitted=0.5), admitted_at=at(0.5))
        return after(left, stay=stay) if over else stay

    @pytest.mark.parametrize(
        ("kind", "encounter_class", "minute", "over", "same"),
        [
            (K.UPDATED, C.INPATIENT, 0.5, False, True),
            (K.DISCHARGED, C.INPATIENT, 0.5, False, True),
            (K.UPDATED, None, 0.5, True, True),
            (K.ADMITTED, C.INPATIENT, 0.5, False, True),  # the same admission, sent under two accounts
            (K.ADMITTED, C.INPATIENT, 0.5, True, False),  # after the discharge
            (K.UPDATED, C.OBSERVATION, 0.5, False, True),  # its class is corrected along with it
            (K.UPDATED, C.AMBULATORY, 0.5, False, False),  # a clinic visit of that minute
            (K.UPDATED, C.INPATIENT, 0.75, False, False),
        ],
    )
    def test_by_the_minute_of_the_admission(self, kind, encounter_class, minute, over, same):
        stay = self.stay(over=over)
        said = event(kind, 44, encounter_class, number="V2", keys=keys("V2", admitted=minute), admitted_at=at(minute))
        assert (find(said, "E1", [stay]) is stay) is same

    @pytest.mark.parametrize(
        ("place", "account", "same"), [("MISSION", "A1", True), ("SOUTH", "A1", False), ("MISSION", "A2", False)]
    )
    def test_not_at_another_place_nor_under_another_account(self, place, account, same):
        def under(number, account, facility):
            own = Identifier(system="account|MISSION|MISSION", value=account)
            return (*keys(number, facility=facility, admitted=0.5), own)

        stay = after(event(K.ADMITTED, 0.5, C.INPATIENT, keys=under("V1", "A1", "MISSION"), admitted_at=at(0.5)))
        said = event(
            K.UPDATED,
            3,
            C.INPATIENT,
            number="V2",
            keys=under("V2", account, place),
            facility=place,
            admitted_at=at(0.5),
        )
        assert (find(said, "E1", [stay]) is stay) is same

    def test_an_admission_that_its_discharge_overtook(self):
        late = event(K.ADMITTED, 0.5, C.INPATIENT, number="V2", keys=keys("V2", admitted=0.5), admitted_at=at(0.5))
        stay = self.stay(over=True)
        assert find(late, "E1", [stay]) is stay

    def test_a_full_hour_may_be_a_day_without_a_time(self):
        stay = after(event(K.REGISTERED, 0, keys=keys("V1", admitted=0), admitted_at=at(0)))
        second = event(K.REGISTERED, 9, number="V2", keys=keys("V2", admitted=0), admitted_at=at(0))
        assert find(second, "E1", [stay]) is None


def test_a_number_with_leading_zeros_is_no_former_one():
    stay = after(event(K.REGISTERED, 0, number="0051"), event(K.ADMITTED, 5, C.INPATIENT, number="51"))
    assert (stay.registers.number, stay.registers.former) == ("0051", ())
    assert not Draft(stay, event(K.DISCHARGED, 9, C.INPATIENT, number="0051")).about_the_emergency_visit()


@pytest.mark.parametrize(("hours", "used"), [(-30, False), (-3, True), (9, True), (60, False)])
def test_when_a_discharge_can_have_been(hours, used):
    stay = after(event(K.ADMITTED, 0, C.INPATIENT), event(K.DISCHARGED, 8, C.INPATIENT))
    corrected = after(event(K.UPDATED, 10, C.INPATIENT, discharged_at=at(hours)), stay=stay)
    assert corrected.ended_at == at(hours if used else 8)
    ended = after(event(K.DISCHARGED, 10, C.INPATIENT, discharged_at=at(hours)), stay=stay)
    assert ended.ended_at == at(hours if used else 10), "the time of the message, where the discharge's cannot be"
