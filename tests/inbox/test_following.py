"""What people do about a stay, at its page: what is written, what it changes, who may, and what is said if not."""

import contextlib
import re
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from uuid import uuid4

import pytest

from parsers.events import FacilityKind
from parsers.people import CaseManager, Role
from rules.decisions import Action, ClockKind, Owner, Priority, Reason, StayStatus
from rules.following.acts import ActFault, ActKind, CloseReason, Fault, Mode, Outcome, With
from rules.following.escalation import CameTo
from rules.following.loop import loop
from rules.following.sides import Side
from rules.following.state import FollowUpState
from rules.policy.policy import default_policy
from rules.telling.views import view
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.act_form import PRESSES, act_of, until_of
from streams.inbox.pages.list_rows import Group
from streams.inbox.pages.reader_stay import ReaderStay
from streams.inbox.pages.story_acts import asked_by_rule
from streams.store.escalations import StepRow
from tests.rigs.acts import act_of as act_written
from tests.rigs.acts import acted
from tests.rigs.client import browser, rows_of
from tests.rigs.inbox import BROWN, FAR, LANE, ORTIZ, alert, clock, discharge, load_people, person, tell

BOTH = {
    "owners": (
        Owner(case_manager_id="cm-ortiz", because="practice"),
        Owner(case_manager_id="cm-brown", because="network"),
    ),
    "told": ("cm-ortiz", "cm-brown"),
}
JSON = {"Accept": "application/json"}


@pytest.fixture
def rosa(store):
    """Rosa went home; a call within two working days, a visit and the medicines are asked for."""
    enrollee = person(1, language="Spanish")
    load_people(store, [enrollee])
    asks = (clock(hours=30), clock(ClockKind.TCM_VISIT, 300), clock(ClockKind.TRC_MEDICATION_RECONCILIATION, 600))
    tell(store, discharge(enrollee, clocks=asks, ended_at=datetime.now(UTC) - timedelta(hours=6), **BOTH))
    return enrollee


def press(client, what, version=1, stay="s1", **more):
    return client.post(
        f"/stay/{stay}/log", data={"press": what, "version": version, "act": uuid4().hex} | more, headers=JSON
    )


def text_of(client, path="/stay/s1"):
    return " ".join(re.sub(r"<[^>]+>", " ", client.get(path).text).split())


# one form, one act


def read(press="talked", **more):
    now = datetime(2026, 11, 25, 20, 30, tzinfo=UTC)  # Wednesday 3:30 PM, before Thanksgiving
    return act_of({"press": press, "version": "1"} | more, ORTIZ, "a" * 32, now, default_policy())


def test_a_press_is_an_act_with_what_is_usual_filled_in():
    act = read()
    assert (act.kind, act.outcome, act.mode, act.with_whom) == (
        ActKind.ATTEMPT,
        Outcome.REACHED,
        Mode.PHONE,
        With.PATIENT,
    )
    assert (act.by, act.version, act.happened_at) == ("cm-ortiz", 1, act.recorded_at)
    assert read("visit_kept").day == date(2026, 11, 25)
    assert read("letter_sent").mode is Mode.LETTER


@pytest.mark.parametrize("what", sorted(PRESSES))
def test_every_press_reads_as_an_act_of_its_kind(what):
    assert read(what).kind is PRESSES[what]["kind"]


def test_what_is_typed_is_read():
    act = read(
        "left_message", when="2026-11-25T09:15", number="(828) 555-0147", minutes="4", interpreter="yes", mode="video",
        text=" Her son will call ", who="Ana, daughter", until="2026-11-27T10:00",
    )  # fmt: skip
    assert act.happened_at == datetime(2026, 11, 25, 14, 15, tzinfo=UTC)
    assert (act.number, act.minutes, act.interpreter, act.mode) == ("8285550147", 4, True, Mode.VIDEO)
    assert (act.text, act.who) == ("Her son will call", "Ana, daughter")
    assert act.until == datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
    assert read("guide_answered", guide="newborn", **{"q-eats": "no", "q-yellow": ""}).answers == {"eats": "no"}
    assert read("close", close_reason="declined").close_reason is CloseReason.DECLINED


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"press": "dance"}, "press"),
        ({"version": "one"}, "press"),
        ({"version": "12345678"}, "press"),
        ({"mode": "pigeon"}, "mode"),
        ({"minutes": "many"}, "minutes"),
        ({"day": "2026-13-01"}, "day"),
        ({"when": "yesterday"}, "happened_at"),
        ({"until": "soon"}, "until"),
        ({"close_reason": "tired"}, "close_reason"),
    ],
)
def test_what_is_no_value_is_named(more, field):
    (fault,) = read(**more)
    assert (fault.code, fault.field) == (ActFault.FIELD_MISSING, field)


def test_what_was_done_more_than_a_day_ago_is_written_down_with_a_reason():
    assert read(when="2026-11-24T10:00") == (Fault(ActFault.WHY_SO_LATE, "text"),)
    assert read(when="2026-11-24T10:00", text="the line was down").outcome is Outcome.REACHED
    assert read(when="2026-11-24T10:00", supersedes="a").supersedes == "a"
    assert read(when="2026-11-24T16:00").happened_at < read().happened_at


def test_a_reminder_is_for_working_time_and_never_outlasts_the_clock():
    policy, now = default_policy(), datetime(2026, 11, 25, 20, 30, tzinfo=UTC)
    assert until_of("later_today", now, policy, None) == now + timedelta(hours=3)
    assert until_of("tomorrow", now, policy, None) == datetime(2026, 11, 26, 13, 0, tzinfo=UTC)
    assert until_of("next_working_day", now, policy, None) == datetime(2026, 11, 30, 13, 0, tzinfo=UTC)
    due = datetime(2026, 11, 27, 22, 0, tzinfo=UTC)
    assert until_of("next_working_day", now, policy, due) == due - timedelta(hours=2)
    assert until_of("later_today", now, policy, now - timedelta(hours=1)) == now + timedelta(hours=3)


# what it changes


def test_a_call_in_one_press_meets_its_clock_and_leaves_do_now(settings, store, rosa):
    with browser(settings, store) as client:
        assert rows_of(client.get("/").text)["s1"][0] == "now"
        answer = press(client, "talked")
        assert answer.status_code == 200
        assert answer.json()["said"] == "Rosa Whitfield: talked with the patient by phone."
        group, row = rows_of(client.get("/").text)["s1"]
        assert group == "home"
        assert "Talked " in row
        assert "Visit by" in row
        page = text_of(client)
        assert "Call done in time: M. Ortiz, RN talked with the patient by phone" in page
        assert page.count("M. Ortiz, RN talked with the patient by phone") >= 2  # the step and the story


def test_everything_done_is_done(settings, store, rosa):
    with browser(settings, store) as client:
        for what in ("talked", "visit_kept", "medicines_reconciled"):
            assert press(client, what).status_code == 200
        group, row = rows_of(client.get("/").text)["s1"]
        assert (group, "Nothing to do" in row) == ("finished", True)


def test_two_tries_apart_in_time_say_so_and_the_call_stays(settings, store, rosa):
    now = datetime.now(UTC)
    earlier = {"happened_at": now - timedelta(hours=2), "outcome": Outcome.NO_ANSWER, "mode": Mode.PHONE}
    acted(store, "s1", "cm-ortiz", ActKind.ATTEMPT, 1, now, **earlier)
    with browser(settings, store) as client:
        press(client, "left_message", left="1")
        group, row = rows_of(client.get("/").text)["s1"]
        assert (group, "2 tries, not reached" in row, "Call by" in row) == ("now", True, True)
        assert "tried 2 times in time; the call is still to make" in text_of(client)


def test_the_same_press_twice_is_written_once_and_another_under_its_id_is_not(settings, store, rosa):
    with browser(settings, store) as client:
        first = press(client, "no_answer", act="b" * 32).json()
        assert press(client, "no_answer", act="b" * 32).json() == first
        assert len(store.acts.of_stay("s1")) == 1
        other = press(client, "talked", act="b" * 32)
        assert other.status_code == 422
        assert other.json()["said"] == "Not written: another act has this id."


def test_a_plain_form_is_answered_with_the_page_and_undone_by_its_id(settings, store, rosa):
    with browser(settings, store) as client:
        form = {"press": "wrong_number", "version": 1, "act": "c" * 32, "number": "828-555-0147"}
        answer = client.post("/stay/s1/log", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/stay/s1")
        assert "The number on file was wrong or does not work." in text_of(client)
        assert client.post("/stay/s1/undo", data={"act": "c" * 32}).status_code == 200
        page = text_of(client)
        assert "called, wrong number, then took it back" in page
        assert "The number on file was wrong" not in page


def test_a_correction_keeps_when_it_happened_and_what_was_not_said_anew_and_both_stay(settings, store, rosa):
    now = datetime.now(UTC)
    before = acted(
        store, "s1", "cm-ortiz", ActKind.ATTEMPT, 1, now, happened_at=now - timedelta(minutes=40),
        outcome=Outcome.NO_ANSWER, mode=Mode.PHONE, number="8285550147",
    )  # fmt: skip
    with browser(settings, store) as client:
        press(client, "left_message", supersedes=before.act_id, text="With her son")
        page = text_of(client)
        assert "called, no answer (corrected later)" in page
        assert "corrects what was written before" in page
    last = store.acts.of_stay("s1")[-1]
    assert (last.happened_at, last.number, last.text) == (before.happened_at, "8285550147", "With her son")


def test_who_writes_the_same_call_a_moment_later_is_told_and_may_keep_both(settings, store, rosa):
    acted(store, "s1", "cm-brown", ActKind.ATTEMPT, 1, datetime.now(UTC), outcome=Outcome.LEFT_MESSAGE, mode=Mode.PHONE)
    with browser(settings, store) as client:
        asked = press(client, "left_message", left="1")
        assert asked.status_code == 409
        assert re.fullmatch(r"T. Brown, RN wrote the same \d+ s ago\. Keep both\?", asked.json()["question"])
        assert len(store.acts.of_stay("s1")) == 1
        plain = client.post("/stay/s1/log", data={"press": "left_message", "version": 1})
        assert 'name="both" value="1"' in plain.text
        assert client.post("/stay/s1/log", data=asked.json()["fields"], headers=JSON).status_code == 200
        assert press(client, "talked").status_code == 200
    assert len(store.acts.of_stay("s1")) == 3


def test_whether_a_message_may_be_left_is_the_person_s_stands_by_the_phone_and_is_asked_about(settings, store, rosa):
    tell(store, alert(rosa, "s0", **BOTH))
    with browser(settings, store, BROWN) as other:
        assert "Nobody has asked whether to leave a message" in text_of(other)
        form = {"message": "no", "number": "(828) 555-0199", "number_use": "first", "language": "Mixtec"}
        said = press(other, "contact_wishes", stay="s0", interpreter="yes", **form)
        assert said.json()["said"] == "Rosa Whitfield: kept how to reach them."
    with browser(settings, store) as client:
        page = text_of(client)
        assert re.search(r"Call first 828-555-0199 Leave no message \(T\. Brown, RN, [^)]+\)", page)
        assert "Wants to speak Mixtec · Wants an interpreter" in page
        assert 'name="number" value="828-555-0199"' in client.get("/stay/s1").text
        asked = press(client, "left_message")
        assert asked.status_code == 409
        assert asked.json()["question"] == "This person wants no message left. Was one left all the same?"
        assert store.acts.of_stay("s1") == ()
        assert client.post("/stay/s1/log", data=asked.json()["fields"], headers=JSON).status_code == 200
        assert press(client, "no_answer").status_code == 200  # nothing else is asked about
        press(client, "contact_wishes", message="unnamed", number="8285550147", number_use="never")
        page = text_of(client)
        assert "A message is fine, without the name of the practice (M. Ortiz, RN, " in page
        assert "Never call 828-555-0147" in page
        assert press(client, "left_message").status_code == 200
        assert "leave no message" not in text_of(client, "/sheet")
        ref = re.search(r'href="(/person/[^"]+)"', client.get("/stay/s1").text).group(1)
        assert "Messages A message is fine, without the name of the practice" in text_of(client, ref)
        assert "Call first 828-555-0199" in text_of(client, ref)
        missing = press(client, "contact_wishes", message="yes", number_use="first")
        assert (missing.status_code, missing.json()["said"]) == (422, "Not written: something is missing.")
    audited = [(row.alert_id, row.detail) for row in store.audit.read() if row.detail == "contact_wishes"]
    assert audited == [("s0", "contact_wishes"), ("s1", "contact_wishes")][::-1]


def test_what_is_typed_and_not_sent_is_its_writer_s_until_it_is_sent(settings, store, rosa):
    typed = {"form": "note.0", "fields": '{"text": "Her son has the key"}'}
    with browser(settings, store) as client:
        assert client.post("/stay/s1/draft", data=typed).status_code == 204
        assert "Her son has the key" in client.get("/stay/s1").text
        assert "Her son has the key" not in client.get("/stay/s1/part").text
        for fields, status in (("[]", 400), ('{"text": 1}', 400), ("{", 400), ('{"text": "' + "x" * 1001 + '"}', 400)):
            assert client.post("/stay/s1/draft", data=typed | {"fields": fields}).status_code == status
        assert client.post("/stay/s1/draft", data=typed | {"form": "a b"}).status_code == 400
        assert client.post("/stay/nothing/draft", data=typed).status_code == 404
    with browser(settings, store, BROWN) as other:
        assert "Her son has the key" not in other.get("/stay/s1").text
    assert store.acts.of_stay("s1") == ()
    with browser(settings, store) as client:
        refused = press(client, "note", draft="note.0")
        assert refused.status_code == 422
        assert "Her son has the key" in client.get("/stay/s1").text  # nothing was written, so nothing is lost
        assert press(client, "note", text="Her son has it", draft="note.0").status_code == 200
        assert "Her son has the key" not in client.get("/stay/s1").text
        client.post("/stay/s1/draft", data=typed)
        client.post("/stay/s1/draft", data=typed | {"fields": "{}"})
        assert "Her son has the key" not in client.get("/stay/s1").text


def test_a_question_comes_to_the_colleague_s_do_now_and_the_answer_stands_in_the_story(settings, store, rosa):
    with browser(settings, store) as client:
        assert press(client, "ask", for_id="cm-brown", text="Is the warfarin dose right?").status_code == 200
    with browser(settings, store, BROWN) as other:
        group, row = rows_of(other.get("/").text)["s1"]
        assert (group, "M. Ortiz, RN asks you" in row) == ("now", True)
        question = re.search(r'name="answers_act" value="(\w+)"', other.get("/stay/s1").text).group(1)
        assert press(other, "answer", answers_act=question, text="Yes, 5 mg").status_code == 200
        assert "asks you" not in rows_of(other.get("/").text)["s1"][1]
    with browser(settings, store) as client:
        page = text_of(client)
        assert "M. Ortiz, RN asked T. Brown, RN" in page
        assert "T. Brown, RN: Yes, 5 mg" in page


def test_who_was_never_told_has_on_her_list_what_colleagues_put_before_her_and_what_she_took(settings, store):
    staff = [
        CaseManager(case_manager_id="rx-park", name="D. Park, PharmD", role=Role.PHARMACIST, network_id="n1"),
        CaseManager(case_manager_id="mg-hale", name="S. Hale", role=Role.MANAGER, network_id="n1"),
    ]
    luis = person(2, "Luis", "Bennett")
    load_people(store, [luis], staff=staff)
    tell(store, discharge(luis, "l1"))
    now = datetime.now(UTC)
    who = (staff[0], BROWN, ORTIZ)
    with contextlib.ExitStack() as opened:
        park, brown, ortiz = (opened.enter_context(browser(settings, store, reader)) for reader in who)
        assert rows_of(park.get("/").text) == rows_of(brown.get("/").text) == {}
        ask = acted(store, "l1", "cm-ortiz", ActKind.ASK, 1, now, for_id="rx-park", text="Check warfarin dose")
        group, row = rows_of(park.get("/").text)["l1"]
        assert (group, "M. Ortiz, RN asks you" in row) == ("now", True)
        assert "D. Park, PharmD pharmacist not opened yet" in text_of(brown, "/stay/l1")
        acted(store, "l1", "rx-park", ActKind.ANSWER, 1, now, answers_act=ask.act_id, text="Halve it")
        assert rows_of(park.get("/").text) == {}
        offer = acted(store, "l1", "cm-ortiz", ActKind.HAND_OVER, 1, now, for_id="cm-brown")
        assert "Handed over to you" in rows_of(brown.get("/").text)["l1"][1]
        acted(store, "l1", "cm-brown", ActKind.ACCEPT, 1, now, answers_act=offer.act_id)
        assert "now" in rows_of(brown.get("/").text)["l1"]
        for taker, over in (("cm-ortiz", "cm-brown"), ("cm-brown", "cm-ortiz")):
            acted(store, "l1", taker, ActKind.TAKE, 1, datetime.now(UTC), over=over)
        assert "T. Brown, RN took this from you, " in rows_of(ortiz.get("/").text)["l1"][1]
        tell(store, discharge(luis, "l1", 2, reasons=(Reason.DIAGNOSIS_ADDED,)))
        assert "diagnosis added" in rows_of(brown.get("/").text)["l1"][1]
        acted(store, "l1", "cm-brown", ActKind.GIVE_BACK, 2, datetime.now(UTC))
        acted(store, "l1", "mg-hale", ActKind.ASSIGN, 2, datetime.now(UTC), for_id="rx-park")
        assert rows_of(brown.get("/").text) == {}
        assert "l1" in rows_of(park.get("/").text)
        taken = brown.post("/stay/l1/take", data={"version": 2, "over": "rx-park"}, headers=JSON)
        assert taken.status_code == 200
        assert "you" in rows_of(brown.get("/").text)["l1"][1].split()
        gone = {"action": Action.RETRACT, "status": StayStatus.CANCELLED, "reasons": (Reason.ADMISSION_CANCELLED,)}
        tell(store, discharge(luis, "l1", 3, **gone))
        for client in (park, brown):
            assert rows_of(client.get("/").text)["l1"][0] == "taken-back"


def test_what_no_act_puts_before_somebody_any_more_is_not_on_her_list(settings, store, rosa):
    with store.database.writing() as connection:  # as it is left where the stay turned out to be another person's
        connection.exec_driver_sql("INSERT INTO alert_owners VALUES ('cm-far', 's1', '', 0, 0, 1)")
    with browser(settings, store, FAR) as far:
        assert rows_of(far.get("/").text) == {}


def test_a_hand_over_waits_until_it_is_accepted(settings, store, rosa):
    with browser(settings, store) as client:
        assert client.post("/stay/s1/take", data={"version": 1, "over": ""}, headers=JSON).status_code == 200
        assert press(client, "hand_over", for_id="cm-brown", text="She likes mornings").status_code == 200
        group, row = rows_of(client.get("/").text)["s1"]
        assert (group, "offered to T. Brown, RN" in row) == ("waiting", True)
    with browser(settings, store, BROWN) as other:
        group, row = rows_of(other.get("/").text)["s1"]
        assert (group, "Handed over to you" in row) == ("now", True)
        offer = re.search(r'name="answers_act" value="(\w+)"', other.get("/stay/s1").text).group(1)
        assert press(other, "accept", answers_act=offer).status_code == 200
        assert "you have this" in text_of(other)
    with browser(settings, store) as client:
        assert "T. Brown, RN" in rows_of(client.get("/").text)["s1"][1]


def test_a_reminder_and_a_booked_visit_wait_out_of_the_way(settings, store, rosa):
    with browser(settings, store) as client:
        press(client, "remind", until="later_today")
        group, row = rows_of(client.get("/").text)["s1"]
        assert (group, "again " in row) == ("waiting", True)
        press(client, "talked")
        assert rows_of(client.get("/").text)["s1"][0] == "home"
        day = (datetime.now(UTC) + timedelta(days=3)).date()
        press(client, "visit_booked", day=day.isoformat(), who="Dr. Lee")
        group, row = rows_of(client.get("/").text)["s1"]
        assert (group, "visit booked for" in row) == ("waiting", True)


def test_closing_says_why_and_opening_again_brings_it_back(settings, store, rosa):
    with browser(settings, store) as client:
        press(client, "close", close_reason="declined")
        group, row = rows_of(client.get("/").text)["s1"]
        assert (group, "Closed: the patient declined, M. Ortiz, RN" in row) == ("finished", True)
        press(client, "reopen")
        assert rows_of(client.get("/").text)["s1"][0] == "now"


def test_the_guide_s_answers_are_data_and_a_need_becomes_a_referral(settings, store, rosa):
    with browser(settings, store) as client:
        page = client.get("/stay/s1").text
        assert "Call after a hospital stay" in page
        assert "¿Tiene cómo llegar a la cita?" in page
        press(client, "guide_answered", guide="discharge_home", **{"q-has_food": "no", "q-has_ride": "yes"})
        page = text_of(client)
        assert "needs food" in page
        assert "Do you have enough food at home for this week? No" in page
        press(client, "referral", referral_id="r1", referral_step="made", referral_to="Meals on Wheels")
        press(client, "referral", referral_id="r1", referral_step="sent")
        assert re.search(r"Meals on Wheels : sent \d+:\d\d [AP]M", text_of(client))


def test_a_guide_and_a_letter_of_one_s_own_are_what_the_page_asks_and_old_answers_stay(settings, store, rosa, tmp_path):
    shipped = resources.files("rules.following.guides")
    guide, letter = ((shipped / name).read_text() for name in ("discharge_home.toml", "letter.toml"))
    asked = "Do you have enough food at home for this week?"
    ours = guide.replace('id = "has_food"', 'id = "has_meals"').replace(asked, "Do you have meals for this week?")
    with browser(settings, store) as client:
        press(client, "guide_answered", guide="discharge_home", **{"q-has_food": "no", "q-has_ride": "yes"})
        assert f"{asked} No" in text_of(client)
    (tmp_path / "discharge_home.toml").write_text(ours)
    (tmp_path / "letter.toml").write_text(letter.replace("Estimado/a {name}:", "Hola, {name}:"))
    with browser(settings.model_copy(update={"guides": tmp_path}), store) as client:
        page = text_of(client)
        assert "Do you have meals for this week?" in page
        assert asked not in page
        assert "has_food: no" in page  # nothing that was written is lost
        assert "Hola, Rosa Whitfield:" in text_of(client, "/stay/s1/letter")


@pytest.mark.parametrize(
    ("more", "title"),
    [
        ({"reasons": (Reason.DISCHARGED, Reason.OVERDOSE)}, "Call after an overdose"),
        ({"reasons": (Reason.DISCHARGED, Reason.NEWBORN)}, "Call about a newborn"),
    ],
)
def test_the_guide_follows_the_stay(settings, store, more, title):
    enrollee = person(1, birth_date=date(1990, 1, 1))
    load_people(store, [enrollee])
    tell(store, discharge(enrollee, **more))
    with browser(settings, store) as client:
        assert title in client.get("/stay/s1").text


def test_the_letter_is_in_the_person_s_language_and_names_no_hospital(settings, store, rosa):
    with browser(settings, store) as client:
        spanish = text_of(client, "/stay/s1/letter")
        assert "Estimado/a Rosa Whitfield:" in spanish
        assert "828-555-0100" in spanish
        english = text_of(client, "/stay/s1/letter?language=en")
        assert "Dear Rosa Whitfield," in english
        for text in (spanish, english):
            assert "Mission" not in text
            assert "eart failure" not in text
    with browser(settings, store, FAR) as other:
        assert other.get("/stay/s1/letter").status_code == 404


# who may, and what is said


def test_what_is_not_theirs_is_not_there(settings, store, rosa):
    with browser(settings, store, FAR) as other:
        assert press(other, "talked").status_code == 404
    assert store.acts.of_stay("s1") == ()


def test_a_social_worker_reviews_no_medicines_and_is_not_offered_it(settings, store):
    worker = ORTIZ.model_copy(update={"case_manager_id": "sw", "name": "P. Moss, MSW", "role": Role.SOCIAL_WORKER})
    enrollee = person(1)
    load_people(store, [enrollee], staff=[worker])
    tell(store, discharge(enrollee, owners=(Owner(case_manager_id="sw", because="practice"),), told=("sw",)))
    with browser(settings, store, worker) as client:
        page = client.get("/stay/s1").text
        assert "Medicines reviewed" not in page
        assert "Talked with patient" in page
        assert press(client, "medicines_reconciled").status_code in {404, 422}


@pytest.mark.parametrize(
    ("what", "more", "said"),
    [
        ("visit_booked", {}, "Not written: something is missing."),
        ("talked", {"when": "2001-01-01T10:00"}, "Not written: the time lies before the hospital stay."),
        ("talked", {"when": "2199-01-01T10:00"}, "Not written: the time lies in the future."),
        ("note", {"text": "x" * 1001}, "Not written: the text is too long."),
        ("talked", {"version": 9}, "Not written: this stay changed meanwhile; look again."),
    ],
)
def test_what_cannot_be_written_says_why(settings, store, rosa, what, more, said):
    with browser(settings, store) as client:
        answer = press(client, what, **more)
        assert answer.status_code in {409, 422}
        assert answer.json() == {"said": said}
        plain = client.post("/stay/s1/log", data={"press": what, "version": 1} | more)
        assert said in plain.text
    assert store.acts.of_stay("s1") == ()


def test_a_reader_of_less_learns_that_somebody_called_and_not_what_was_said(settings, store):
    lane = CaseManager(case_manager_id="cc-lane", name="J. Lane, LCSW", role=Role.CARE_COORDINATOR, lme_mco_id="vaya")
    enrollee = person(1)
    load_people(store, [enrollee])
    owners = (
        Owner(case_manager_id="cm-ortiz", because="practice"),
        Owner(case_manager_id="cc-lane", because="lme_mco"),
    )
    tell(
        store, discharge(enrollee, owners=owners, told=("cm-ortiz", "cc-lane"), facility_kind=FacilityKind.PSYCHIATRIC)
    )
    acted(
        store,
        "s1",
        "cm-ortiz",
        ActKind.ATTEMPT,
        1,
        datetime.now(UTC),
        outcome=Outcome.REACHED,
        mode=Mode.PHONE,
        text="ZEBRA",
    )
    with browser(settings, store, lane) as client:
        assert "ZEBRA" not in client.get("/stay/s1").text


def test_the_plan_s_coordinator_has_it_beside_the_nurse_and_each_sees_that_the_other_called(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    both = {"cm-ortiz": "practice", "cc-lane": "lme_mco"}
    owners = tuple(Owner(case_manager_id=who, because=because) for who, because in both.items())
    tell(store, discharge(enrollee, owners=owners, told=tuple(both)))
    with browser(settings, store, LANE) as client:
        assert "you have this · M. Ortiz, RN has this for the practice" in text_of(client)
        assert press(client, "talked").status_code == 200
        assert press(client, "close", close_reason="other", text="x").status_code == 200
    with browser(settings, store) as client:
        page = text_of(client)
        assert f"you have this · {LANE.name} has this for the behavioral-health plan" in page
        assert f"{LANE.name} talked with the patient" in page
    now, directory = datetime.now(UTC), store.directory.read()
    states = [
        store.acts.loops(["s1"], directory, default_policy(), now, side)["s1"].follow_up.state
        for side in (Side.HOME, Side.PLAN)
    ]
    assert states == [FollowUpState.TO_CALL, FollowUpState.CLOSED]


def test_nobody_is_called_who_died_or_never_was_in(settings, store):
    never_in, died = person(1), person(2, "Luis", "Bennett")
    load_people(store, [never_in, died])
    back = {"action": Action.RETRACT, "status": StayStatus.CANCELLED, "reasons": (Reason.ADMISSION_CANCELLED,)}
    tell(
        store,
        alert(never_in),
        alert(never_in, version=2, **back),
        discharge(died, "s2", kind="death", reasons=(Reason.DIED,), clocks=()),
    )
    with browser(settings, store) as client:
        for stay in ("s1", "s2"):
            page = client.get(f"/stay/{stay}").text
            assert "Talked with patient" not in page
            assert "Log a call" not in rows_of(client.get("/").text)[stay][1]


def test_whom_one_covers_for_is_said_on_the_row(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee], away=[("cm-brown", "cm-ortiz")])
    tell(store, discharge(enrollee, priority=Priority.URGENT, **BOTH))
    acted(store, "s1", "cm-brown", ActKind.TAKE, 1, datetime.now(UTC))
    with browser(settings, store) as client:
        assert "you cover for T. Brown, RN" in rows_of(client.get("/").text)["s1"][1]
        press(client, "no_answer")
    assert store.acts.of_stay("s1")[-1].on_behalf_of in {"cm-brown", ""}


@pytest.mark.parametrize("day", range(0, 14, 3))
def test_thirty_discharges_a_day_with_calls_logged_leave_at_most_fifteen_in_do_now(day):
    """Ten working days, three hundred stays, each called in time with its visit booked: little is left to do now."""
    policy, enrollee = default_policy(), person(1)
    now = datetime(2026, 11, 16, 21, 30, tzinfo=UTC) + timedelta(days=day)  # 4:30 PM, over Thanksgiving too
    called = {"outcome": Outcome.REACHED, "mode": Mode.PHONE, "with_whom": With.PATIENT}
    groups = []
    for number in range(300):
        home = now - timedelta(hours=5) - timedelta(days=number // 30 * 7 / 5)
        asks = tuple(
            clock(kind, now=now).model_copy(update={"starts_at": home, "due_at": home + timedelta(days=days)})
            for kind, days in ((ClockKind.TCM_CONTACT, 2), (ClockKind.TCM_VISIT, 15))
        )
        times = {"ended_at": home, "occurred_at": home, "decided_at": home, "started_at": home - timedelta(days=2)}
        discharged = discharge(enrollee, f"t{number}", clocks=asks, priority=Priority.ROUTINE, **times)
        visit = (home + timedelta(days=9)).date()
        kind = ActKind.VISIT_KEPT if visit < now.date() else ActKind.VISIT_BOOKED
        acts = [
            act_written("cm-ortiz", ActKind.ATTEMPT, 1, now, happened_at=home + timedelta(hours=4), **called),
            act_written("cm-ortiz", kind, 1, now, day=visit),
        ]
        stay_loop = loop([discharged], acts, {"cm-ortiz"}, now, policy.tz)
        stay = ReaderStay((view(discharged, enrollee, ORTIZ, network_id="n1"),), loop=stay_loop)
        groups.append(rows.row(stay, "cm-ortiz", now).group)
    assert groups.count(Group.NOW) <= 15
    assert set(groups) >= {Group.WAITING, Group.FINISHED}


def test_the_story_says_whom_escalation_asked_and_what_it_came_to_where_nobody_was():
    now = datetime(2026, 11, 25, 20, 30, tzinfo=UTC)
    rest = {"number": 1, "clock": "", "began_at": now, "due_at": now, "at": now, "ended_at": None}
    steps = [
        StepRow(run="nobody_has_it", came_to=CameTo.ASKED, person="lee", because="answers for the network", **rest),
        StepRow(run="nobody_has_it", came_to=CameTo.NOBODY_ON_DUTY, person="", because="", **rest),
    ]
    asked, passed = asked_by_rule(steps, {"lee": "J. Lee, RN"}.get, now, UTC)
    assert asked.did == "J. Lee, RN was asked"
    assert asked.details == ("because: nobody has it", "answers for the network")
    assert passed.did == "Escalation: nobody was on duty; the next was asked at once"
