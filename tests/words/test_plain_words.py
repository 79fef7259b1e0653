"""Words that people stumbled over do not come back; each row: where they stand, what they say now."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from parsers.events import EncounterClass, FacilityKind
from parsers.people import Practice
from rules.decisions import Action, AlertKind, Change, Clock, ClockKind, ClockStatus, Priority, Reason, StayStatus
from rules.matching.evidence import Agreement, Field
from rules.policy.policy import default_policy
from rules.telling.views import view
from streams.inbox import quiet
from streams.inbox.detail import StayDetail, ToldPerson
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages import review_words, stay_words
from streams.inbox.pages.reader_stay import ReaderStay
from streams.words import clocks, matches, people, reasons, routes, stays, times
from tests.rigs.inbox import ORTIZ, alert, discharge, person

INBOX = Path(rows.__file__).parents[1]

NOW = datetime(2026, 11, 25, 20, 32, tzinfo=UTC)  # Wednesday 3:32 PM in North Carolina
SUNDAY = datetime(2026, 11, 22, 19, tzinfo=UTC)
ROSA = person(1)
HOME = {"decided_at": NOW, "occurred_at": SUNDAY, "ended_at": SUNDAY, "started_at": SUNDAY - timedelta(days=3)}
GONE = {"action": Action.RETRACT, "status": StayStatus.CANCELLED, "reasons": (Reason.ADMISSION_CANCELLED,)}


def clock(kind, status=ClockStatus.RUNNING, **more):
    return Clock(kind=kind, starts_at=SUNDAY, due_at=datetime(2026, 11, 27, 22, tzinfo=UTC), status=status, **more)


def row(version, **stay):
    return rows.row(ReaderStay((view(version, ROSA, ORTIZ, network_id="n1"),), **stay), ORTIZ.case_manager_id, NOW)


def headline(code, encounter_class=EncounterClass.INPATIENT):
    return stays.headline(AlertKind.DISCHARGE, encounter_class, StayStatus.FINISHED, code, (Reason.DISCHARGED,))


def clock_line(kind):
    return clocks.clock_name(clock(kind), NOW).partition(" (")[0]


def page(version, *before):
    """What the page of a stay says, as its own nurse reads it."""
    versions = tuple(view(each, ROSA, ORTIZ, network_id="n1") for each in (*before, version))
    practice = Practice(practice_id="p1", name="Ayers Family Medicine", network_id="n1", phone="8285550200")
    reading = ToldPerson(ORTIZ, "", owning=True, seen=True, acknowledged=False)
    detail = StayDetail(ReaderStay(versions), (reading,), (), (), 0, practice, "")
    return stay_words.stay_words(detail, ORTIZ.case_manager_id, NOW)


def facts(*shown):
    return {fact.name: fact.value for fact in shown}


AROUND = quiet.Around(people=3, in_hospital=0, open_elsewhere=0, feeds=31, received_at=NOW, quietest_at=None,
                      away_until=None, stands_in="", listed=0)  # fmt: skip
TAKEN_BACK = alert(ROSA, version=2, decided_at=NOW, occurred_at=NOW - timedelta(hours=4), **GONE)
HIDDEN = alert(ROSA, decided_at=NOW, facility_kind=FacilityKind.SUBSTANCE_USE)
DIED = alert(ROSA, kind=AlertKind.DEATH, status=StayStatus.FINISHED, decided_at=NOW, ended_at=NOW, clocks=(),
             reasons=(Reason.DIED,))  # fmt: skip
LATE = discharge(ROSA, version=2, **HOME, reasons=(Reason.DIAGNOSIS_ADDED,), priority=Priority.ROUTINE,
                 changes=(Change(field="diagnoses", before="", after="I50.9"),))  # fmt: skip
IN_ED = {"kind": AlertKind.ED_VISIT, "encounter_class": EncounterClass.EMERGENCY, "reasons": (Reason.ED_ARRIVAL,)}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (row(discharge(ROSA, **HOME)).happened, "Went home Sun Nov 22, 2:00 PM"),
        (row(discharge(ROSA, **HOME, disposition="07")).happened, "Went home Sun Nov 22, 2:00 PM, against advice"),
        (stays.with_time(headline("01", EncounterClass.EMERGENCY), times.when(NOW, NOW)),
         "Left the ED for home today, 3:32 PM"),
        (row(discharge(ROSA, **HOME, clocks=())).step, "No call is required. Call if you think it helps."),
        (row(alert(ROSA, decided_at=NOW, **IN_ED)).step, "Still in the ED. Follow-up starts when they leave."),
        (row(alert(ROSA, decided_at=NOW)).step, "In the hospital. Follow-up starts the day they go home."),
        (row(TAKEN_BACK).step, "Nothing to do. Press OK, noted, so it leaves your list."),
        (row(TAKEN_BACK, acknowledged=2).step, "Everyone told has noted it"),
        (row(TAKEN_BACK, acknowledged=2, not_seen_by=("J. Lee",)).step, "J. Lee has not noted it yet"),
        (row(TAKEN_BACK, acknowledged=2, not_seen_by=("J. Lee", "B. Ruiz")).step, "2 people have not noted it yet"),
        (row(TAKEN_BACK).retraction,
         "Mission Hospital cancelled this at 11:32 AM (we heard 3:32 PM): the admission did not happen"),
        (row(HIDDEN).withheld,
         "You may not see who this is and what happened: a protected facility, no consent on file"),
        (row(HIDDEN).step, "Nothing for you to do without consent"),
        (rows.GROUP_WORDS[rows.Group.HOME], "Home: follow-up open"),
        (rows.GROUP_WORDS[rows.Group.FINISHED], "Done"),
        ([stays.PRIORITY_WORDS[item] for item in Priority], ["urgent", "soon", "routine", "no hurry"]),
        (people.standing(ROSA.risk_tier, 4, 60), "high risk · 4th ED visit in 60 days"),
        (people.standing(ROSA.risk_tier, 1, 60, "Spanish"), "high risk · Spanish"),
        (people.standing(ROSA.risk_tier, 1, 60, "English"), "high risk"),
        (times.moment(SUNDAY, NOW), "Sun Nov 22, 2:00 PM"),
        (times.moment(SUNDAY, NOW, times.In24Hours("America/New_York")), "Sun Nov 22, 14:00"),
        (times.birth_date(ROSA.birth_date), "03/04/1955"),
        (reasons.reason(Reason.CODE_CAME_LATE), "We are telling you now because the hospital added this later"),
        (reasons.reason(Reason.BEHAVIORAL_HEALTH), "Reason for the visit: mental health"),
        (reasons.reason(Reason.OVERDOSE), "The hospital wrote “overdose”"),
        (reasons.reason(Reason.READMISSION, default_policy()), "This stay began within 30 days of the last one"),
        (stays.change(Change(field="encounter_class", before="EMER", after="IMP")),
         "Moved from the ED to an inpatient bed"),
        (clocks.heard_late([clock(ClockKind.TCM_CONTACT, hours_lost=74), clock(ClockKind.TCM_VISIT, hours_lost=74)]),
         "We heard 3 days late."),
        (clocks.heard_late([clock(ClockKind.TCM_CONTACT, hours_lost=1)]), ""),
        (clocks.clock_name(clock(ClockKind.TCM_CONTACT), NOW),
         "Call by Fri Nov 27, 5:00 PM (Medicare TCM, 2 working days)"),
        (clock_line(ClockKind.TRC_DISCHARGE_INFORMATION), "File the discharge papers by Fri Nov 27, 5:00 PM"),
        (clock_line(ClockKind.TRC_MEDICATION_RECONCILIATION).partition(" by")[0], "Go over the medicines"),
        (clock_line(ClockKind.FUH_7).partition(" by")[0], "Mental-health visit"),
        (clocks.clock_state(clock(ClockKind.TRC_ADMISSION_NOTICE, ClockStatus.MET, met_at=NOW), NOW),
         "admission noted for you today, 3:32 PM; nothing to do"),
        (clocks.clock_state(clock(ClockKind.TCM_VISIT, ClockStatus.MET), NOW), "done"),
        (clocks.left(clock(ClockKind.TCM_CONTACT).model_copy(update={"due_at": NOW - timedelta(hours=22)}), NOW).words,
         "overdue 1 working day"),
        (facts(*page(LATE).contact)["Born"], "03/04/1955 (71)"),
        (page(LATE, discharge(ROSA, **HOME)).story[0].did, "New diagnosis: heart failure (I50.9)"),
        (page(LATE, discharge(ROSA, **HOME)).story[0].when, "Sun Nov 22, 2:00 PM"),
        (page(LATE).story[0].details[-1], "We heard Wed Nov 25, 3:32 PM"),
        ([fact.name for fact in page(LATE).about][-3:], ["Admitted", "Left", "Went"]),
        ("Kind" in facts(*page(LATE).about), False),
        (page(LATE).why[-2:], ("Routine: no rule makes this urgent", "Haywood Family Medicine's case manager")),
        ([(fact.name, fact.code) for fact in page(LATE).told], [("You", "reading now")]),
        (page(DIED).row.happened, "Died today, 3:32 PM"),
        ((page(DIED).row.step, page(DIED).phone_of, page(DIED).phone),
         ("Do not call the patient", "Practice", "828-555-0200")),
        (routes.said_to("M. Ortiz, RN carries the panel of Ayers Family Medicine.", ORTIZ.name),
         "You carry Ayers Family Medicine."),
        (quiet.empty_words(AROUND, NOW)[rows.Group.IN_HOSPITAL], "None of your people is in a hospital we hear from."),
        (review_words.by_how_many_years("same day, a generation apart", date(1918, 3, 4), date(1955, 3, 4)),
         "same day, 37 years apart"),
        (matches.evidence({Field.LAST_NAME: Agreement.PART, Field.FIRST_NAME: Agreement.BY_MIDDLE_NAME}),
         ["last name: partly matches", "first name: one goes by the middle name"]),
        (clocks.clock_state(clock(ClockKind.TCM_CONTACT, ClockStatus.MISSED), NOW), "passed without a call"),
        (clocks.clock_state(clock(ClockKind.TCM_VISIT, ClockStatus.STOPPED, stopped_by="admission_cancelled"), NOW),
         "no longer needed: the hospital cancelled the admission"),
        (matches.compared({Field.BIRTH_DATE: Agreement.EQUAL, Field.PHONE: Agreement.DIFFERS,
                           Field.LAST_NAME: Agreement.PART, Field.LARGE_BLOCK: "1"}),
         ("We matched birth date", "Less sure: last name: partly matches", "Not the same: phone")),
    ],
)  # fmt: skip
def test_words(said, words):
    assert said == words


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("I have this one", "templates/row.html"),
        ("is yours.", "static/acts.js"),
        ("nobody has this yet", "templates/row.html"),
        ("OK, noted", "templates/row.html"),
        ("you cover for {{ row.covered }}", "templates/row.html"),
        ("<summary>Source</summary>", "templates/stay_part.html"),
        ("Same stay as", "templates/stay_part.html"),
        ("Log a call", "templates/row.html"),
        ("Show everyone", "templates/groups.html"),
        ("Look as someone else", "templates/become.html"),
        ("Last news for you", "static/live.js"),
        ("hospitals heard from.", "static/live.js"),
        ("No connection since ${", "static/live.js"),
        ("What you see may be old. Trying again.", "static/live.js"),
        ("Take it back", "templates/review.html"),
    ],
)
def test_the_page_says(words, where):
    assert words in (INBOX / where).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    ["Mark as seen", "not taken yet", ">Take it<", "Finished", "Ask for consent", "Become another", "handoff sign-in",
     "Press Esc to see", "No deadline runs", "last alert"],
)  # fmt: skip
def test_the_page_never_says(words):
    files = [path for room in ("templates", "static", "pages") for path in sorted((INBOX / room).iterdir())]
    assert [path.name for path in files if path.is_file() and words in path.read_text(encoding="utf-8")] == []
