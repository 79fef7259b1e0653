"""The stay machine, cell by cell: what each kind of event does to a stay in each state, and that the table is total."""

from datetime import UTC, datetime, timedelta

import pytest

from parsers.events import EncounterClass, Event, EventKind, FacilityKind, Identifier, Note, Patient, Visit
from parsers.events import Finding as F
from rules.decisions import Stay, StayStatus
from rules.policy.policy import Unheard, default_policy
from rules.stays.find import find
from rules.stays.keys import under
from rules.stays.moves import advance, folded
from rules.stays.table import TABLE, Move, State
from rules.stays.unheard import unheard_since

START = datetime(2026, 11, 10, 14, 0, tzinfo=UTC)
NUMBER = Identifier(system="visit|MISSION|MISSION", value="V1")
K, C = EventKind, EncounterClass


def event(kind, hours, encounter_class=C.EMERGENCY, *, number="V1", trigger="", keys=None, recorded=None, **said):
    at = START + timedelta(hours=hours)
    patient = said.pop("patient", Patient(identifiers=(Identifier(system="MISSION", value="100001"),)))
    facility = said.pop("facility", "MISSION")
    notes = said.pop("notes", ())
    cleared = said.pop("cleared", frozenset())
    own = (Identifier(system=f"visit|{facility}|MISSION", value=number),) if number else ()
    visit = Visit(encounter_class=encounter_class, number=own[0] if own else None, **said)
    return Event(
        message_id=f"{int(hours * 60) + 10_000:032x}",
        kind=kind,
        trigger=trigger or {K.CLASS_CHANGED: "A06"}.get(kind, ""),
        feed="default",
        facility=facility,
        occurred_at=at,
        recorded_at=START + timedelta(hours=recorded) if recorded is not None else at,
        received_at=at,
        patient=patient,
        visit=visit,
        stay_keys=own if keys is None else keys,
        cleared=cleared,
        fingerprint=str(hours),
        notes=notes,
    )


def after(*events, stay=None):
    for happening in events:
        stay = advance(happening, happening.kind, stay, "E1", "S1").stay
    return stay


PATHS = {
    State.UNSEEN: (),
    State.UNKNOWN: (event(K.UPDATED, 0),),
    State.PLANNED: (event(K.PLANNED, 0, C.PRE_ADMISSION),),
    State.IN_PROGRESS: (event(K.ADMITTED, 0),),
    State.ON_LEAVE: (event(K.ADMITTED, 0), event(K.LEFT_ON_LEAVE, 1)),
    State.FINISHED: (event(K.ADMITTED, 0), event(K.DISCHARGED, 1)),
    State.CANCELLED: (event(K.ADMITTED, 0), event(K.ADMIT_CANCELLED, 1)),
    State.ENTERED_IN_ERROR: (event(K.ADMITTED, 0), event(K.VISIT_DELETED, 1)),
}

# What the stay's status is after an event in order, written down from HL7 chapter 3, not from the code.
#                         unseen unkn plan in-p leave fin canc error
STATUS_AFTER = {
    K.ADMITTED: "            in   in   in   in   in   in   in   in",
    K.REGISTERED: "          in   in   in   in   in   in   in   in",
    K.CLASS_CHANGED: "       in   in   in   in   lv   in   in   er",
    K.DISCHARGED: "          fi   fi   fi   fi   fi   fi   fi   er",
    K.TRANSFERRED: "         un   un   pl   in   lv   fi   ca   er",
    K.TRANSFER_CANCELLED: "  --   un   pl   in   lv   fi   ca   er",
    K.UPDATED: "             un   un   pl   in   lv   fi   ca   er",
    K.DISCHARGE_EXPECTED: "  un   un   pl   in   lv   fi   ca   er",
    K.EXPECTED_CANCELLED: "  --   un   pl   in   lv   fi   ca   er",
    K.LEFT_ON_LEAVE: "       un   un   pl   lv   lv   fi   ca   er",
    K.BACK_FROM_LEAVE: "     un   un   pl   in   in   fi   ca   er",
    K.ADMIT_CANCELLED: "     ca   ca   ca   ca   ca   ca   ca   er",
    K.DISCHARGE_CANCELLED: " un   un   pl   in   lv   in   ca   er",
    K.PLANNED: "             pl   pl   pl   in   lv   fi   pl   er",
    K.PLAN_CANCELLED: "      ca   ca   ca   in   lv   fi   ca   er",
    K.VISIT_DELETED: "       er   er   er   er   er   er   er   er",
    K.PERSON_DELETED: "      --   er   er   er   er   er   er   er",
    K.PERSON_UPDATED: "      --   un   pl   in   lv   fi   ca   er",
    K.PERSON_MERGED: "       --   un   pl   in   lv   fi   ca   er",
    K.ACCOUNT_MERGED: "      --   un   pl   in   lv   fi   ca   er",
    K.VISIT_MERGED: "        --   un   pl   in   lv   fi   ca   er",
    K.PERSON_MOVED: "        --   un   pl   in   lv   fi   ca   er",
    K.ACCOUNT_MOVED: "       --   un   pl   in   lv   fi   ca   er",
    K.VISIT_MOVED: "         --   un   pl   in   lv   fi   ca   er",
    K.LINKED: "              --   un   pl   in   lv   fi   ca   er",
    K.UNLINKED: "            --   un   pl   in   lv   fi   ca   er",
}
SHORT = {
    "un": StayStatus.UNKNOWN,
    "pl": StayStatus.PLANNED,
    "in": StayStatus.IN_PROGRESS,
    "lv": StayStatus.ON_LEAVE,
    "fi": StayStatus.FINISHED,
    "ca": StayStatus.CANCELLED,
    "er": StayStatus.ENTERED_IN_ERROR,
    "--": None,
}
# The move by its first letters, where more than the status counts.
#                         unseen unkn plan in-p leave fin canc error
MOVES = {
    K.ADMITTED: "            st   st   st   rp   rt   rs   st   st",
    K.REGISTERED: "          st   st   st   rp   rt   rs   st   st",
    K.CLASS_CHANGED: "       st   st   st   rp   rp   rs   st   no",
    K.DISCHARGED: "          fi   fi   fi   fi   fi   fi   fi   no",
    K.TRANSFERRED: "         nt   cb   cb   cb   cb   up   no   no",
    K.TRANSFER_CANCELLED: "  no   bb   bb   bb   bb   bb   no   no",
    K.UPDATED: "             nt   up   up   up   up   up   up   no",
    K.DISCHARGE_EXPECTED: "  nt   up   up   up   up   up   no   no",
    K.EXPECTED_CANCELLED: "  no   up   up   up   up   up   no   no",
    K.LEFT_ON_LEAVE: "       nt   up   up   lv   lv   no   no   no",
    K.BACK_FROM_LEAVE: "     nt   up   up   up   rt   no   no   no",
    K.ADMIT_CANCELLED: "     ca   ca   ca   ca   ca   ca   ca   no",
    K.DISCHARGE_CANCELLED: " ro   ro   ro   ro   ro   ro   ro   no",
    K.PLANNED: "             pl   pl   pl   up   up   no   pl   no",
    K.PLAN_CANCELLED: "      uq   uq   uq   no   no   no   no   no",
    K.VISIT_DELETED: "       de   de   de   de   de   de   de   no",
    K.PERSON_DELETED: "      no   de   de   de   de   de   de   no",
    K.PERSON_UPDATED: "      no   no   no   up   up   up   no   no",
    K.PERSON_MERGED: "       no   ho   ho   ho   ho   ho   ho   no",
    K.ACCOUNT_MERGED: "      no   ho   ho   ho   ho   ho   ho   no",
    K.VISIT_MERGED: "        no   ho   ho   ho   ho   ho   ho   no",
    K.PERSON_MOVED: "        no   ho   ho   ho   ho   ho   ho   no",
    K.ACCOUNT_MOVED: "       no   ho   ho   ho   ho   ho   ho   no",
    K.VISIT_MOVED: "         no   ho   ho   ho   ho   ho   ho   no",
    K.LINKED: "              no   no   no   no   no   no   no   no",
    K.UNLINKED: "            no   no   no   no   no   no   no   no",
}
MOVE_OF = {
    "st": Move.START,
    "rp": Move.REPEAT,
    "rs": Move.RESTART,
    "rt": Move.RETURN,
    "pl": Move.PLAN,
    "uq": Move.UNPLAN,
    "fi": Move.FINISH,
    "up": Move.UPDATE,
    "nt": Move.NOTE,
    "ro": Move.REOPEN,
    "lv": Move.LEAVE,
    "cb": Move.CHANGE_BED,
    "bb": Move.CHANGE_BED_BACK,
    "ca": Move.CANCEL,
    "de": Move.DELETE,
    "ho": Move.HAND_OVER,
    "no": Move.NOTHING,
}
CELLS = [(kind, state) for kind in EventKind for state in State]


def cell(rows, kind, state):
    return rows[kind].split()[list(State).index(state)]


@pytest.mark.parametrize("state", State)
def test_paths_lead_to_their_states(state):
    stay = after(*PATHS[state])
    assert (stay.status.value if stay else "unseen") == state.value


@pytest.mark.parametrize(("kind", "state"), CELLS, ids=lambda value: value.value)
def test_table_names_the_move(kind, state):
    assert kind in TABLE, f"the table has a row for {kind}"
    assert state in TABLE[kind], f"the row of {kind} has a move for {state}"
    assert TABLE[kind][state] is MOVE_OF[cell(MOVES, kind, state)], f"{kind} on a stay that is {state}"


def test_the_table_is_total_and_has_no_more_rows():
    assert set(TABLE) == set(EventKind) == set(MOVES) == set(STATUS_AFTER)
    assert {kind: set(row) for kind, row in TABLE.items()} == {kind: set(State) for kind in EventKind}


@pytest.mark.parametrize(("kind", "state"), CELLS, ids=lambda value: value.value)
def test_status_after_an_event_in_order(kind, state):
    before = after(*PATHS[state])
    now = event(kind, 5, C.INPATIENT, admitted_at=START + timedelta(hours=5))
    step = advance(now, kind, before, "E1", "S1")
    expected = SHORT[cell(STATUS_AFTER, kind, state)]
    assert (step.stay.status if step.stay else None) == expected, f"{kind} on a stay that is {state}"
    assert not step.late, "an event in order is never late"


@pytest.mark.parametrize(("kind", "state"), CELLS, ids=lambda value: value.value)
def test_late_events_write_no_register(kind, state):
    """An event older than every register never ends, reopens or cancels a stay that has moved on."""
    if state in (State.UNSEEN, State.UNKNOWN, State.PLANNED):
        return
    before = after(*PATHS[state])
    registers = {"existence", "discharge", "leave", "plan"}
    late = advance(event(kind, -5, C.INPATIENT), kind, before, "E1", "S1").stay
    kept = {name: at for name in registers if (at := getattr(before.registers, name))}
    assert {name: getattr(late.registers, name) for name in kept} == kept
    undone = kind in (K.ADMITTED, K.REGISTERED, K.DISCHARGED, K.ADMIT_CANCELLED, K.DISCHARGE_CANCELLED)
    if undone and not (state in (State.IN_PROGRESS, State.ON_LEAVE) and kind is K.DISCHARGED):
        assert late.status is before.status


class TestContent:
    def test_the_newest_word_counts_an_older_one_fills_blanks(self):
        stay = after(
            event(K.ADMITTED, 0, attending="Stone", unit="4E"),
            event(K.UPDATED, 4, attending="Rivers"),
            event(K.UPDATED, 2, attending="Old", complaint="fall"),
        )
        assert (stay.attending, stay.unit, stay.complaint) == ("Rivers", "4E", "fall")

    def test_a_delete_clears_what_an_empty_field_keeps(self):
        stay = after(event(K.ADMITTED, 0, attending="Stone", expected_discharge=START), event(K.UPDATED, 1))
        assert stay.attending == "Stone"
        stay = after(event(K.UPDATED, 2, cleared=frozenset({"PV1-7", "PV2-9"})), stay=stay)
        assert (stay.attending, stay.expected_discharge) == ("", None)

    def test_the_start_is_the_earliest_told(self):
        stay = after(
            event(K.REGISTERED, 0, admitted_at=START),
            event(K.ADMITTED, 6, C.INPATIENT, admitted_at=START + timedelta(hours=6)),
        )
        assert stay.started_at == START

    def test_death_is_taken_back_by_a_newer_word_only(self):
        dead = Patient(deceased=True)
        stay = after(event(K.ADMITTED, 0), event(K.UPDATED, 3, patient=dead))
        assert stay.died
        assert after(event(K.UPDATED, 2, patient=Patient(deceased=False)), stay=stay).died
        assert not after(event(K.UPDATED, 4, patient=Patient(deceased=False)), stay=stay).died

    def test_an_update_after_discharge_corrects_its_time(self):
        corrected = START + timedelta(hours=3)
        stay = after(*PATHS[State.FINISHED], event(K.UPDATED, 9, discharged_at=corrected))
        assert stay.ended_at == corrected

    @pytest.mark.parametrize("encounter_class", [C.AMBULATORY, C.PRE_ADMISSION, None])
    def test_an_update_of_an_unknown_outpatient_is_not_kept(self, encounter_class):
        assert after(event(K.UPDATED, 0, encounter_class)) is None

    def test_nothing_changed_is_the_same_value(self):
        stay = after(event(K.ADMITTED, 0), event(K.UPDATED, 1))
        assert after(event(K.UPDATED, 1), stay=stay) is stay


class TestClass:
    @pytest.mark.parametrize(
        ("first", "then", "kind", "comes_to"),
        [
            (C.EMERGENCY, C.INPATIENT, K.UPDATED, C.INPATIENT),
            (C.INPATIENT, C.OBSERVATION, K.UPDATED, C.OBSERVATION),
            (C.INPATIENT, C.AMBULATORY, K.UPDATED, C.AMBULATORY),
            (C.INPATIENT, C.AMBULATORY, K.DISCHARGED, C.INPATIENT),
            (C.EMERGENCY, C.AMBULATORY, K.REGISTERED, C.EMERGENCY),
            (C.INPATIENT, C.EMERGENCY, K.REGISTERED, C.INPATIENT),
            (C.INPATIENT, C.OBSERVATION, K.ADMITTED, C.INPATIENT),
            (C.INPATIENT, C.OBSERVATION, K.DISCHARGED, C.OBSERVATION),
            (C.AMBULATORY, C.EMERGENCY, K.REGISTERED, C.EMERGENCY),
            (C.EMERGENCY, C.UNKNOWN, K.UPDATED, C.EMERGENCY),
            (C.EMERGENCY, C.UNKNOWN, K.ADMITTED, C.UNKNOWN),
            (C.INPATIENT, C.UNKNOWN, K.ADMITTED, C.INPATIENT),
            (C.EMERGENCY, None, K.UPDATED, C.EMERGENCY),
            (C.EMERGENCY, C.PRE_ADMISSION, K.UPDATED, C.EMERGENCY),
            (C.EMERGENCY, None, K.CLASS_CHANGED, C.INPATIENT),
            (C.EMERGENCY, C.UNKNOWN, K.CLASS_CHANGED, C.INPATIENT),
        ],
    )
    def test_which_word_counts(self, first, then, kind, comes_to):
        assert after(event(K.ADMITTED, 0, first), event(kind, 1, then)).encounter_class is comes_to

    def test_a07_without_a_class_means_outpatient(self):
        stay = after(event(K.ADMITTED, 0, C.INPATIENT), event(K.CLASS_CHANGED, 1, None, trigger="A07"))
        assert stay.encounter_class is C.AMBULATORY
        assert stay.highest_class is C.INPATIENT

    def test_an_older_class_is_remembered_as_highest_only(self):
        stay = after(event(K.ADMITTED, 2, C.EMERGENCY), event(K.UPDATED, 1, C.INPATIENT))
        assert (stay.encounter_class, stay.highest_class) == (C.EMERGENCY, C.INPATIENT)

    @pytest.mark.parametrize("over", [K.ADMIT_CANCELLED, K.DISCHARGED])
    def test_another_start_brings_its_own_class(self, over):
        again = event(K.REGISTERED, 9, C.EMERGENCY, admitted_at=START + timedelta(hours=9))
        stay = after(event(K.ADMITTED, 0, C.INPATIENT), event(over, 1, C.INPATIENT), again)
        assert (stay.status, stay.encounter_class) == (StayStatus.IN_PROGRESS, C.EMERGENCY)

    def test_pre_admission_class_makes_a_start_a_plan(self):
        assert after(event(K.REGISTERED, 0, C.PRE_ADMISSION)).status is StayStatus.PLANNED


class TestSameMinute:
    def test_a_cancel_that_came_first_wins(self):
        assert after(event(K.ADMIT_CANCELLED, 1), event(K.ADMITTED, 1)).status is StayStatus.CANCELLED

    def test_a_cancel_that_came_second_wins(self):
        assert after(event(K.ADMITTED, 1), event(K.ADMIT_CANCELLED, 1)).status is StayStatus.CANCELLED

    def test_a_discharge_in_the_minute_of_the_cancel_does_not_revive(self):
        stay = after(event(K.ADMITTED, 0), event(K.ADMIT_CANCELLED, 1), event(K.DISCHARGED, 1))
        assert stay.status is StayStatus.CANCELLED

    def test_plans_and_their_cancels(self):
        plan, cancel = event(K.PLANNED, 0, C.PRE_ADMISSION), event(K.PLAN_CANCELLED, 1, C.PRE_ADMISSION)
        assert after(cancel, plan).status is StayStatus.CANCELLED
        assert after(cancel, event(K.PLANNED, 2, C.PRE_ADMISSION), cancel).status is StayStatus.PLANNED


class TestFacility:
    def test_transfer_and_its_cancel(self):
        moved = event(K.TRANSFERRED, 1, facility="MCDOWELL", unit="ICU")
        stay = after(event(K.ADMITTED, 0, unit="4E"), moved)
        assert (stay.facility, stay.unit) == ("MCDOWELL", "ICU")
        stay = after(event(K.TRANSFER_CANCELLED, 2), stay=stay)
        assert (stay.facility, stay.facility_kind, stay.unit) == ("MISSION", FacilityKind.ACUTE, "4E")

    def test_a_late_transfer_moves_nothing(self):
        stay = after(event(K.ADMITTED, 2), event(K.TRANSFERRED, 1, facility="MCDOWELL"))
        assert stay.facility == "MISSION"
        assert after(event(K.TRANSFER_CANCELLED, 1, unit="9"), stay=stay).facility == "MISSION"


class TestFind:
    def stay(self, *events, **changed) -> Stay:
        return after(*events).model_copy(update=changed)

    def test_another_persons_stay_is_never_found(self):
        assert find(event(K.UPDATED, 1), "E2", [self.stay(event(K.ADMITTED, 0))]) is None

    def test_a_merged_stay_is_never_found(self):
        assert find(event(K.UPDATED, 1), "E1", [self.stay(event(K.ADMITTED, 0), merged_into="S2")]) is None

    def test_the_living_one_of_two_with_the_same_number(self):
        dead = self.stay(event(K.ADMITTED, 0), event(K.VISIT_DELETED, 1), stay_id="S0")
        alive = self.stay(event(K.ADMITTED, 0))
        assert find(event(K.UPDATED, 2), "E1", [dead, alive]) == alive

    @pytest.mark.parametrize(
        ("name", "now", "joins"),
        [
            ("no number at all joins what is open", event(K.UPDATED, 1, number=""), True),
            ("its own number joins a stay without one", event(K.ADMITTED, 1, number="V9"), True),
            ("a keyless start four days later is another stay", event(K.REGISTERED, 24 * 4, number=""), False),
            ("a keyless update four days later is not", event(K.UPDATED, 24 * 4, number=""), True),
            ("at another hospital", event(K.UPDATED, 1, number="", facility="PARDEE"), False),
            (
                "at a hospital we only assumed",
                event(
                    K.UPDATED, 1, number="", facility="MSH4", notes=(Note(finding=F.FACILITY_ASSUMED, place="MSH-4"),)
                ),
                True,
            ),
            ("a discharge from before it began", event(K.DISCHARGED, -9, number="", recorded=1), False),
            ("a discharge from after it began", event(K.DISCHARGED, 9, number=""), True),
        ],
    )
    def test_open_stay(self, name, now, joins):
        open_stay = self.stay(event(K.REGISTERED, 0, number=""))
        assert (find(now, "E1", [open_stay]) is not None) is joins, name

    @pytest.mark.parametrize(
        ("name", "now", "joins"),
        [
            ("a clinic visit of its own number", event(K.REGISTERED, 5, C.AMBULATORY, number="C9"), False),
            ("its update", event(K.UPDATED, 5, C.AMBULATORY, number="C9"), False),
            ("its cancel", event(K.ADMIT_CANCELLED, 5, C.AMBULATORY, number="C9"), False),
            ("a keyless clinic registration", event(K.REGISTERED, 5, C.AMBULATORY, number=""), False),
            ("a keyless cancel", event(K.ADMIT_CANCELLED, 5, C.AMBULATORY, number=""), True),
            ("a change to outpatient", event(K.CLASS_CHANGED, 5, C.AMBULATORY, number="", trigger="A07"), True),
            ("no class said", event(K.UPDATED, 5, None, number=""), True),
        ],
    )
    @pytest.mark.parametrize("over", [False, True])
    def test_a_clinic_visit_is_not_the_hospital_stay(self, name, now, joins, over):
        path = [event(K.ADMITTED, 0, C.INPATIENT, number="")]
        if over:
            path.append(event(K.DISCHARGED, 1, C.INPATIENT, number=""))
        known = now.kind is not K.CLASS_CHANGED or not over
        assert (find(now, "E1", [self.stay(*path)]) is not None) is (joins and known), name

    @pytest.mark.parametrize(("hours", "joins"), [(5, True), (50, False)])
    def test_an_admission_joins_the_clinic_visit_of_the_day(self, hours, joins):
        clinic = self.stay(event(K.REGISTERED, 0, C.AMBULATORY, number=""))
        assert (find(event(K.ADMITTED, hours, C.INPATIENT, number=""), "E1", [clinic]) is not None) is joins

    def test_an_update_of_a_stay_is_not_about_a_clinic_visit_that_is_over(self):
        over = self.stay(
            event(K.REGISTERED, 0, C.AMBULATORY, number=""), event(K.DISCHARGED, 1, C.AMBULATORY, number="")
        )
        assert find(event(K.UPDATED, 2, C.EMERGENCY, number=""), "E1", [over]) is None

    def test_another_number_is_another_stay(self):
        assert find(event(K.ADMITTED, 1, number="V2"), "E1", [self.stay(event(K.ADMITTED, 0))]) is None

    @pytest.mark.parametrize(
        ("name", "now", "joins"),
        [
            ("the discharge again", event(K.DISCHARGED, 2, number="", discharged_at=START + timedelta(hours=1)), True),
            ("a discharge a day later", event(K.DISCHARGED, 30, number=""), False),
            ("the cancel of it", event(K.DISCHARGE_CANCELLED, 2, number=""), True),
            ("an update a week later", event(K.UPDATED, 24 * 9, number=""), False),
            ("the same registration", event(K.REGISTERED, 3, number="", admitted_at=START), True),
            ("a registration without a time", event(K.REGISTERED, 3, number=""), False),
            ("a bed move", event(K.TRANSFERRED, 3, number=""), False),
        ],
    )
    def test_stay_just_finished(self, name, now, joins):
        over = self.stay(event(K.REGISTERED, 0, number="", admitted_at=START), event(K.DISCHARGED, 1, number=""))
        assert (find(now, "E1", [over]) is not None) is joins, name

    @pytest.mark.parametrize(
        ("name", "now", "joins"),
        [
            ("its discharge time is named", {}, "S1"),
            ("to the minute", {"discharged_at": START + timedelta(hours=1, seconds=59)}, "S1"),
            ("another discharge time", {"discharged_at": START + timedelta(hours=1, minutes=1)}, "S2"),
            ("no discharge time", {"discharged_at": None}, "S2"),
            ("at another hospital", {"facility": "PARDEE"}, None),
            ("the other stay's number is named", {"number": "V2"}, "S2"),
            ("a clinic visit that ended then", {"encounter_class": C.AMBULATORY}, None),
        ],
    )
    def test_a_keyless_update_that_names_a_discharge_is_about_the_stay_that_ended_then(self, name, now, joins):
        over = self.stay(event(K.ADMITTED, 0, C.INPATIENT, number=""), event(K.DISCHARGED, 1, C.INPATIENT, number=""))
        newer = self.stay(event(K.REGISTERED, 40, number="V2"), stay_id="S2")
        said = {"encounter_class": C.INPATIENT, "number": "", "discharged_at": START + timedelta(hours=1)} | now
        stay = find(event(K.UPDATED, 50, **said), "E1", [over, newer])
        assert (stay.stay_id if stay else None) == joins, name

    @pytest.mark.parametrize(
        ("name", "now", "joins"),
        [
            ("a registration from before it", event(K.REGISTERED, 20, number=""), True),
            ("its time is said", event(K.REGISTERED, 21, number="", admitted_at=START + timedelta(hours=20)), True),
            ("a registration from after it", event(K.REGISTERED, 25, number=""), False),
            ("one from the week before", event(K.REGISTERED, -24 * 7, number=""), False),
        ],
    )
    def test_a_keyless_start_that_its_discharge_overtook(self, name, now, joins):
        over = self.stay(event(K.DISCHARGED, 24, number="", discharged_at=START + timedelta(hours=24)))
        assert (find(now, "E1", [over]) is not None) is joins, name
        begun = self.stay(event(K.REGISTERED, 19, number=""), event(K.DISCHARGED, 24, number=""))
        assert find(now, "E1", [begun]) is None, name

    @pytest.mark.parametrize(
        ("kind", "said", "joins"),
        [
            (K.TRANSFERRED, {"prior_facility": "MISSION"}, True),
            (K.TRANSFERRED, {"prior_facility": "PARDEE"}, False),
            (K.TRANSFERRED, {}, False),
            (K.TRANSFER_CANCELLED, {"prior_facility": "MISSION"}, True),
            (K.UPDATED, {"prior_facility": "MISSION"}, False),
        ],
    )
    def test_a_keyless_transfer_is_about_the_stay_at_the_hospital_it_leaves(self, kind, said, joins):
        left = self.stay(event(K.ADMITTED, 0, C.INPATIENT, number=""))
        now = event(kind, 20, C.INPATIENT, number="", facility="MCDOWELL", **said)
        assert (find(now, "E1", [left]) is not None) is joins

    @pytest.mark.parametrize(
        ("name", "now", "joins"),
        [
            ("soon after", event(K.ADMITTED, 5, C.INPATIENT, number=""), True),
            ("half a day later", event(K.ADMITTED, 15, C.INPATIENT, number=""), False),
            ("from before the cancel", event(K.ADMITTED, 1, C.INPATIENT, number=""), False),
            ("of another class", event(K.REGISTERED, 5, C.EMERGENCY, number=""), False),
            ("of a number of its own", event(K.ADMITTED, 5, C.INPATIENT, number="V2"), False),
            ("an update is no start", event(K.UPDATED, 5, C.INPATIENT, number=""), False),
        ],
    )
    def test_a_keyless_start_after_a_cancel_is_the_same_stay_again(self, name, now, joins):
        cancelled = self.stay(
            event(K.ADMITTED, 0, C.INPATIENT, number=""), event(K.ADMIT_CANCELLED, 2, C.INPATIENT, number="")
        )
        assert (find(now, "E1", [cancelled]) is not None) is joins, name
        keyed = cancelled.model_copy(update={"keys": (Identifier(system="account|MISSION|AN", value="77"),)})
        assert find(now, "E1", [keyed]) is None, name

    @pytest.mark.parametrize(
        ("days", "joins"),
        [(1, True), (10, False)],
    )
    def test_visit_number_used_again(self, days, joins):
        over = self.stay(event(K.ADMITTED, 0), event(K.DISCHARGED, 1))
        again = event(K.ADMITTED, 24 * days, admitted_at=START + timedelta(days=days))
        assert (find(again, "E1", [over]) is not None) is joins

    @pytest.mark.parametrize(
        ("kind", "hours", "joins"),
        [
            (K.ADMITTED, 5, True),
            (K.ADMITTED, 24 * 30, False),
            (K.PLAN_CANCELLED, 24 * 30, True),
            (K.UPDATED, 5, False),
        ],
    )
    def test_planned_stay_without_a_number(self, kind, hours, joins):
        plan = self.stay(event(K.PLANNED, 0, C.PRE_ADMISSION, number=""))
        assert (find(event(kind, hours, number="V4"), "E1", [plan]) is not None) is joins


@pytest.mark.parametrize(
    ("system", "value", "becomes"),
    [
        ("visit+patient|MISSION|VN", "V1@100001", "V1@200001"),
        ("account+patient|MISSION|AN", "77@100001", "77@200001"),
        ("admitted|MISSION|MISSION", "100001@202611101400", "200001@202611101400"),
        ("visit|MISSION|VN", "V1@100001", None),
        ("visit+patient|MISSION|VN", "V1@100009", None),
    ],
)
def test_keys_go_on_under_the_record_number_that_stays(system, value, becomes):
    key = Identifier(system=system, value=value)
    former, now = Identifier(system="MISSION", value="100001"), Identifier(system="MISSION", value="200001")
    assert [identifier.value for identifier in under((key,), [former], [now])] == [
        value,
        *([becomes] if becomes else []),
    ]


def test_folding_fills_what_the_winner_lacks():
    winner = after(event(K.DISCHARGE_CANCELLED, 2, None, number="V2"))
    loser = after(event(K.REGISTERED, 0, complaint="fall", admitted_at=START))
    merged = folded(winner, loser)
    assert (merged.status, merged.encounter_class, merged.complaint, merged.started_at) == (
        StayStatus.IN_PROGRESS,
        C.EMERGENCY,
        "fall",
        START,
    )
    assert len(merged.keys) == 2


def account(value):
    return Identifier(system="account|MISSION|AN", value=value)


class TestAnotherVisit:
    """An open stay swallows no second visit, and a number that is used again is another visit."""

    @pytest.mark.parametrize(
        ("name", "first", "now", "joins"),
        [
            ("another account", {"keys": (account("A1"),)}, {"keys": (account("A2"),)}, False),
            ("the same account", {"keys": (account("A1"),)}, {"keys": (account("A1"),)}, True),
            ("an account where the other says none", {"keys": (account("A1"),)}, {"number": ""}, True),
            ("PV1-44 hours after", {"admitted_at": START}, {"admitted_at": START + timedelta(hours=5)}, False),
            ("PV1-44 a little after", {"admitted_at": START}, {"admitted_at": START + timedelta(hours=3)}, True),
        ],
    )  # fmt: skip
    def test_a_second_arrival(self, name, first, now, joins):
        stay = after(event(K.REGISTERED, 0, number=first.pop("number", ""), **first))
        again = event(K.REGISTERED, 5, number=now.pop("number", ""), **now)
        assert (find(again, "E1", [stay]) is not None) is joins, name

    def test_each_discharge_finds_its_own(self):
        first = after(event(K.REGISTERED, 0, number="", keys=(account("A1"),), admitted_at=START))
        second = after(event(K.REGISTERED, 9, number="V2", admitted_at=START + timedelta(hours=9))).model_copy(
            update={"stay_id": "S2"}
        )
        ends = event(K.DISCHARGED, 12, number="V2", admitted_at=START + timedelta(hours=9))
        assert find(ends, "E1", [first, second]).stay_id == "S2"
        assert find(event(K.DISCHARGED, 13, number="", keys=(account("A1"),)), "E1", [first, second]).stay_id == "S1"
        discharge = event(K.DISCHARGED, 13, number="", admitted_at=START)
        assert find(discharge, "E1", [first, second]).stay_id == "S1", "PV1-44 names the admission"

    @pytest.mark.parametrize(
        ("name", "first", "days", "kind", "said", "joins"),
        [
            ("an ED visit that was never closed", C.EMERGENCY, 450, K.REGISTERED, True, False),
            ("without PV1-44", C.EMERGENCY, 450, K.REGISTERED, False, False),
            ("its discharge", C.EMERGENCY, 450, K.DISCHARGED, True, False),
            ("its update", C.EMERGENCY, 450, K.UPDATED, True, False),
            ("an admission that was never closed", C.INPATIENT, 300, K.ADMITTED, True, False),
            ("waiting for a bed", C.EMERGENCY, 5, K.REGISTERED, False, True),
            ("a long stay", C.INPATIENT, 40, K.UPDATED, False, True),
        ],
    )
    def test_a_visit_number_used_again(self, name, first, days, kind, said, joins):
        at = START + timedelta(days=days)
        stay = after(event(K.ADMITTED, 0, first, admitted_at=START))
        again = event(kind, 24 * days, first, **({"admitted_at": at} if said else {}))
        assert (find(again, "E1", [stay]) is not None) is joins, name

    def test_a_cancelled_visit_s_number_used_again(self):
        stay = after(event(K.REGISTERED, 0), event(K.ADMIT_CANCELLED, 1))
        assert find(event(K.REGISTERED, 5), "E1", [stay]) == stay
        assert find(event(K.REGISTERED, 24 * 100), "E1", [stay]) is None

    @pytest.mark.parametrize(
        ("name", "kind", "hours", "said", "joins"),
        [
            ("an arrival weeks later", K.REGISTERED, 24 * 40, {}, False),
            ("an arrival that evening", K.REGISTERED, 10, {}, False),
            ("the discharge of one we never heard of", K.DISCHARGED, 24 * 40, {}, False),
            ("the discharge again", K.DISCHARGED, 3, {}, True),
            ("an update", K.UPDATED, 24 * 2, {}, True),
            ("PV1-44 of an update after the end", K.UPDATED, 9, {"admitted_at": START + timedelta(hours=8)}, False),
        ],
    )  # fmt: skip
    def test_one_account_for_all_visits(self, name, kind, hours, said, joins):
        keys = (account("A1"),)
        over = after(event(K.REGISTERED, 0, number="", keys=keys), event(K.DISCHARGED, 2, number="", keys=keys))
        assert (find(event(kind, hours, number="", keys=keys, **said), "E1", [over]) is not None) is joins, name

    @pytest.mark.parametrize(
        ("name", "said", "joins"),
        [
            ("PV1-44 after the discharge", {"admitted_at": START + timedelta(hours=30)}, False),
            ("another class", {"encounter_class": C.EMERGENCY}, False),
            ("the same class", {}, True),
        ],
    )
    def test_a_keyless_update_rewrites_no_finished_stay(self, name, said, joins):
        over = after(event(K.ADMITTED, 0, C.INPATIENT), event(K.DISCHARGED, 20, C.INPATIENT))
        late = event(K.UPDATED, 40, **{"encounter_class": C.INPATIENT, "number": "", **said})
        assert (find(late, "E1", [over]) is not None) is joins, name

    @pytest.mark.parametrize(
        ("known", "sent", "joins"), [("MISSION", "", True), ("", "MISSION", True), ("MISSION", "OTHER", False)]
    )
    def test_an_authority_may_be_missing_on_one_of_two_numbers(self, known, sent, joins):
        known_key, sent_key = (Identifier(system=f"visit|MISSION|{who}", value="V1") for who in (known, sent))
        over = after(event(K.ADMITTED, 0, keys=(known_key,)), event(K.DISCHARGED, 1, keys=(known_key,)))
        assert (find(event(K.DISCHARGED, 50, keys=(sent_key,)), "E1", [over]) is not None) is joins

    @pytest.mark.parametrize("hours", [9, 90])
    def test_what_the_discharge_overtook(self, hours):
        over = after(event(K.ADMITTED, 0, C.INPATIENT, number=""), event(K.DISCHARGED, 48, C.INPATIENT, number=""))
        moved = find(event(K.TRANSFERRED, hours, C.INPATIENT, number=""), "E1", [over])
        assert (moved is not None) is (hours < 48)

    @pytest.mark.parametrize(("days", "joins"), [(1, True), (5, False)])
    def test_an_arrival_in_the_emergency_department_long_after_an_admission(self, days, joins):
        ward = after(event(K.ADMITTED, 0, C.INPATIENT, number=""))
        assert (find(event(K.REGISTERED, 24 * days), "E1", [ward]) is not None) is joins

    def test_a_clinic_visit_left_open_takes_in_no_hospital_message(self):
        clinic = after(event(K.REGISTERED, 20, C.AMBULATORY, number="C9")).model_copy(update={"stay_id": "S2"})
        ward = after(event(K.ADMITTED, 0, C.INPATIENT))
        moved = event(K.TRANSFERRED, 24, C.INPATIENT, number="")
        assert find(moved, "E1", [clinic, ward]).stay_id == "S1", "the hospital stay comes first"
        assert find(event(K.UPDATED, 24 * 9, number=""), "E1", [clinic]) is None

    @pytest.mark.parametrize(("days", "joins"), [(0, True), (9, False)])
    def test_a_plan_that_comes_after_its_admission(self, days, joins):
        ward = after(event(K.ADMITTED, 0, C.INPATIENT, number=""))
        plan = event(K.PLANNED, -48, C.PRE_ADMISSION, expected_admit=START + timedelta(days=days))
        assert (find(plan, "E1", [ward]) is not None) is joins
        if joins:
            known = after(plan, stay=ward)
            assert known.status is StayStatus.IN_PROGRESS
            assert find(event(K.DISCHARGED, 24 * 9, C.INPATIENT), "E1", [known]) == known, "by the plan's number"


ED, NEXT = {"number": "V1"}, {"number": "V2"}


class TestEmergencyGoesOn:
    """An emergency visit and the admission under another number are one stay, or two, and where the line is."""

    @pytest.mark.parametrize(
        ("name", "ended", "hours", "now", "joins"),
        [
            ("still open", None, 6, {}, True),
            ("still open, observation", None, 6, {"encounter_class": C.OBSERVATION}, True),
            ("still open, an A06", None, 6, {"kind": K.CLASS_CHANGED, "encounter_class": None}, True),
            ("still open, the discharge is the first we hear", None, 90,
             {"kind": K.DISCHARGED, "admitted_at": START + timedelta(hours=6)}, True),
            ("still open for two days", None, 50, {}, False),
            ("two days, sent on by the emergency room", None, 50, {"admit_source": "7"}, True),
            ("two days, the same account", None, 50, {"account": "A1"}, True),
            ("still open, another emergency visit", None, 6, {"encounter_class": C.EMERGENCY}, False),
            ("a keyed update without PV1-44", None, 6, {"kind": K.UPDATED}, False),
            ("admitted here", "09", 6, {}, True),
            ("admitted here, another account", "09", 6, {"account": "A2"}, True),
            ("admitted here two days ago", "09", 54, {}, False),
            ("within the hour", "", 5.5, {}, True),
            ("hours later", "", 10, {}, False),
            ("hours later, the same account", "", 10, {"account": "A1"}, True),
            ("went home", "01", 5.5, {"account": "A1"}, False),
            ("to another hospital", "02", 5.5, {}, False),
            ("days later, another account", "01", 80, {"account": "A2"}, False),
        ],
    )  # fmt: skip
    def test_line(self, name, ended, hours, now, joins):
        visit = Identifier(system="visit|MISSION|MISSION", value="V1")
        path = [event(K.REGISTERED, 0, keys=(visit, account("A1")), **ED)]
        if ended is not None:
            path.append(event(K.DISCHARGED, 5, disposition=ended, **ED))
        said = {"kind": K.ADMITTED, "encounter_class": C.INPATIENT, **now}
        own = (Identifier(system="visit|MISSION|MISSION", value="V2"),)
        own += (account(said.pop("account")),) if "account" in said else ()
        admission = event(said.pop("kind"), hours, said.pop("encounter_class"), keys=own, **said, **NEXT)
        assert (find(admission, "E1", [after(*path)]) is not None) is joins, name

    def test_the_end_of_the_emergency_visit_ends_nothing(self):
        stay = after(
            event(K.REGISTERED, 0, **ED),
            event(K.ADMITTED, 5, C.INPATIENT, **NEXT),
            event(K.DISCHARGED, 6, disposition="09", **ED),
            event(K.UPDATED, 7, **ED),
            event(K.ADMIT_CANCELLED, 8, **ED),
        )
        assert (stay.status, stay.encounter_class, stay.disposition) == (StayStatus.IN_PROGRESS, C.INPATIENT, "")
        assert after(event(K.DISCHARGED, 50, C.INPATIENT, **NEXT), stay=stay).status is StayStatus.FINISHED

    @pytest.mark.parametrize("closed", [False, True])
    def test_a_cancelled_admission_leaves_the_emergency_visit(self, closed):
        path = [event(K.REGISTERED, 0, **ED)]
        if closed:
            path.append(event(K.DISCHARGED, 5, disposition="09", **ED))
        path += [event(K.ADMITTED, 6, C.INPATIENT, **NEXT), event(K.ADMIT_CANCELLED, 8, C.INPATIENT, **NEXT)]
        stay = after(*path)
        was = (StayStatus.FINISHED, START + timedelta(hours=5)) if closed else (StayStatus.IN_PROGRESS, None)
        assert (stay.status, stay.ended_at) == was
        assert (stay.encounter_class, stay.highest_class) == (C.EMERGENCY, C.EMERGENCY)
        again = after(event(K.ADMITTED, 9, C.INPATIENT, **NEXT), stay=stay)
        assert (again.status, again.encounter_class) == (StayStatus.IN_PROGRESS, C.INPATIENT)

    def test_the_emergency_visit_is_heard_of_late(self):
        stay = after(event(K.ADMITTED, 6, C.INPATIENT, **NEXT))
        late = event(K.REGISTERED, 0, **ED)
        assert find(late, "E1", [stay]) == stay
        stay = after(late, stay=stay)
        assert (stay.started_at, stay.encounter_class) == (START + timedelta(hours=6), C.INPATIENT)
        closes = event(K.DISCHARGED, 7, disposition="09", **ED)
        assert find(closes, "E1", [stay]) == stay
        assert after(closes, stay=stay).status is StayStatus.IN_PROGRESS

    def test_its_account_may_be_the_only_name_it_has(self):
        stay = after(
            event(K.REGISTERED, 0, number="", keys=(account("A1"),)),
            event(K.ADMITTED, 5, C.INPATIENT, number="", keys=(account("A2"),)),
            event(K.DISCHARGED, 6, number="", keys=(account("A1"),), disposition="01"),
        )
        assert stay.status is StayStatus.IN_PROGRESS
        back = after(event(K.ADMIT_CANCELLED, 7, C.INPATIENT, number="", keys=(account("A2"),)), stay=stay)
        assert (back.status, back.encounter_class) == (StayStatus.IN_PROGRESS, C.EMERGENCY)
        assert after(event(K.DISCHARGED, 8, number="", keys=(account("A1"),)), stay=back).status is StayStatus.FINISHED

    @pytest.mark.parametrize(("said", "over"), [(C.EMERGENCY, False), (None, False), (C.INPATIENT, True)])
    def test_its_end_as_admitted_here_under_the_same_number(self, said, over):
        stay = after(event(K.REGISTERED, 0), event(K.CLASS_CHANGED, 5, C.INPATIENT))
        ended = after(event(K.DISCHARGED, 6, said, disposition="09"), stay=stay)
        assert (ended.status is StayStatus.FINISHED) is over

    def test_pv1_50_names_the_other_number(self):
        over = after(event(K.REGISTERED, 0, C.INPATIENT, **ED), event(K.DISCHARGED, 5, C.INPATIENT, **ED))
        other = Identifier(system="X", value="V1")
        now = event(K.DISCHARGED, 20, C.INPATIENT, alternate_number=other, **NEXT)
        assert find(now, "E1", [over]) == over
        assert find(event(K.DISCHARGED, 20, C.INPATIENT, **NEXT), "E1", [over]) is None
        known = after(event(K.REGISTERED, 0, C.INPATIENT, alternate_number=Identifier(system="", value="V2"), **ED))
        assert find(event(K.DISCHARGED, 20, C.INPATIENT, **NEXT), "E1", [known]) == known


class TestWhere:
    def at(self, kind, hours, facility, place, **said):
        own = (Identifier(system="visit+patient|SYS|MISSION", value="V1@100001"),)
        return event(kind, hours, C.INPATIENT, facility=facility, keys=own, **said).model_copy(
            update={"facility_from": place, "sender": "SYS"}
        )

    @pytest.mark.parametrize("kind", [K.ADMITTED, K.UPDATED, K.DISCHARGED, K.CLASS_CHANGED])
    def test_the_stay_is_where_the_newest_message_says(self, kind):
        north = self.at(K.ADMITTED, 0, "NORTH", "PV1-3.4")
        assert after(north, self.at(kind, 5, "SOUTH", "PV1-3.4")).facility == "SOUTH"
        assert after(north, self.at(kind, -5, "SOUTH", "PV1-3.4")).facility == "NORTH", "unless it is late"

    @pytest.mark.parametrize("kind", [K.TRANSFERRED, K.UPDATED, K.DISCHARGED])
    def test_a_place_named_less_exactly_is_no_other_place(self, kind):
        assert after(self.at(K.ADMITTED, 0, "MAIN", "PV1-3.4"), self.at(kind, 5, "SYS", "MSH-4")).facility == "MAIN"

    def test_a_place_named_more_exactly_is_no_move(self):
        stay = after(self.at(K.ADMITTED, 0, "SYS", "MSH-4"), self.at(K.TRANSFERRED, 5, "MAIN", "PV1-3.4"))
        assert (stay.facility, stay.registers.named) == ("MAIN", "MAIN")
        assert after(self.at(K.TRANSFERRED, 9, "WEST", "PV1-3.4"), stay=stay).registers.named == "MAIN"

    def test_a_discharge_without_a_number_from_another_facility_of_the_sender(self):
        stay = after(self.at(K.ADMITTED, 0, "MAIN", "PV1-3.4"))
        left = event(K.DISCHARGED, 9, C.INPATIENT, number="", facility="WEST").model_copy(update={"sender": "SYS"})
        assert find(left, "E1", [stay]) == stay
        assert find(left.model_copy(update={"sender": "OTHER"}), "E1", [stay]) is None


class TestClassThatNeverWas:
    @pytest.mark.parametrize(
        ("kind", "said", "hours", "highest"),
        [
            (K.UPDATED, C.EMERGENCY, 1, C.EMERGENCY),
            (K.UPDATED, C.AMBULATORY, 1, C.AMBULATORY),
            (K.UPDATED, C.EMERGENCY, 30, C.INPATIENT),
            (K.UPDATED, C.UNKNOWN, 1, C.INPATIENT),
            (K.DISCHARGED, C.EMERGENCY, 1, C.INPATIENT),
            (K.CLASS_CHANGED, C.AMBULATORY, 1, C.INPATIENT),
        ],
    )
    def test_highest(self, kind, said, hours, highest):
        trigger = "A07" if kind is K.CLASS_CHANGED else ""
        stay = after(event(K.ADMITTED, 0, C.INPATIENT), event(kind, hours, said, trigger=trigger))
        assert stay.highest_class is highest


class TestPersonDeleted:
    def test_the_hospital_goes_on(self):
        gone = after(event(K.ADMITTED, 0, C.INPATIENT), event(K.PERSON_DELETED, 1, None))
        assert gone.status is StayStatus.ENTERED_IN_ERROR
        assert after(event(K.UPDATED, 2, C.INPATIENT), stay=gone).status is StayStatus.ENTERED_IN_ERROR
        assert after(event(K.DISCHARGED, 9, C.INPATIENT), stay=gone).status is StayStatus.FINISHED
        keyless = event(K.DISCHARGED, 9, C.INPATIENT, number="")
        assert find(keyless, "E1", [gone]) == gone

    def test_a_late_delete_undoes_no_discharge(self):
        over = after(event(K.ADMITTED, 0, C.INPATIENT), event(K.DISCHARGED, 9, C.INPATIENT))
        assert after(event(K.PERSON_DELETED, 1, None), stay=over.model_copy()).status is StayStatus.FINISHED

    def test_what_was_moved_away_does_not_come_back(self):
        moved = after(event(K.ADMITTED, 0)).model_copy(update={"status": StayStatus.ENTERED_IN_ERROR})
        assert after(event(K.DISCHARGED, 9), stay=moved).status is StayStatus.ENTERED_IN_ERROR


class TestUnheard:
    @pytest.mark.parametrize(
        ("encounter_class", "hours", "unheard"),
        [
            (C.EMERGENCY, 47, False),
            (C.EMERGENCY, 49, True),
            (C.OBSERVATION, 95, False),
            (C.OBSERVATION, 97, True),
            (C.INPATIENT, 24 * 29, False),
            (C.INPATIENT, 24 * 31, True),
            (C.UNKNOWN, 24 * 8, True),
        ],
    )
    def test_hours_by_class_from_the_last_word(self, encounter_class, hours, unheard):
        stay = after(event(K.ADMITTED, 0, encounter_class), event(K.UPDATED, 5, encounter_class))
        heard = START + timedelta(hours=5)
        assert unheard_since(stay, default_policy(), heard + timedelta(hours=hours)) == (heard if unheard else None)

    def test_what_ended_or_did_not_happen_is_heard_of(self):
        for path in (PATHS[State.FINISHED], PATHS[State.CANCELLED], PATHS[State.PLANNED], PATHS[State.UNKNOWN]):
            assert unheard_since(after(*path), default_policy(), START + timedelta(days=900)) is None

    def test_a_message_that_comes_after_all_is_taken(self):
        stay = after(event(K.REGISTERED, 0))
        late = event(K.DISCHARGED, 24 * 20)
        assert find(late, "E1", [stay]) == stay
        assert unheard_since(after(late, stay=stay), default_policy(), START + timedelta(days=90)) is None

    def test_the_hours_are_policy(self):
        policy = default_policy().model_copy(update={"unheard": Unheard(emergency=2)})
        assert unheard_since(after(event(K.REGISTERED, 0)), policy, START + timedelta(hours=3)) == START
