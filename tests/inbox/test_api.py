"""The API: whose token may do what, acts under the rules of the page, alerts after a cursor, and its own document."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from parsers.people import CaseManager, Role
from rules.decisions import Action, AlertKind, Owner, Reason
from rules.following.acts import Act, ActKind
from rules.policy.policy import default_policy
from streams.commands.token import run_create, run_list, run_revoke
from streams.inbox.api import alerts as alerts_module
from streams.inbox.api.document import document
from streams.inbox.guesses import MOST
from streams.inbox.pages.act_form import PRESSES, act_of
from streams.run.problems import Problem
from streams.store import Unavailable
from streams.store.api_tokens import Scope
from streams.store.audit import Audited
from tests.inbox.test_pages import served
from tests.rigs.acts import acted
from tests.rigs.inbox import LANE, ORTIZ, alert, load_people, person, tell

CALL = {"kind": "attempt", "mode": "phone", "with_whom": "patient", "outcome": "reached", "version": 1, "text": "fine"}


def token(store, who=ORTIZ, *scopes, expires=None):
    return store.api_tokens.create("test", who.case_manager_id, scopes or set(Scope), datetime.now(UTC), expires)


@contextmanager
def api(settings, store, who=ORTIZ, *scopes):
    """A client with a token of `who`."""
    with served(settings, store, None) as (client, inbox):
        secret, _ = token(store, who, *scopes)
        url = f"{client.base_url}/api/v1"
        with httpx.Client(base_url=url, timeout=20, headers={"Authorization": f"Bearer {secret}"}) as caller:
            caller.inbox = inbox
            yield caller


def post(client, body, key="act-0001", alert_id="s1", **headers):
    return client.post(f"/stays/{alert_id}/acts", json=body, headers={"Idempotency-Key": key, **headers})


@pytest.fixture
def town(store):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee))
    return enrollee


def test_a_system_reads_the_list_and_a_stay_and_writes_back_that_somebody_was_reached(settings, store, town):
    with api(settings, store) as client:
        (listed,) = client.get("/stays").json()["stays"]
        assert (listed["stay"]["alert_id"], listed["stay"]["person"]["enrollee_id"]) == ("s1", town.enrollee_id)
        assert listed["follow_up"]["state"] == "in_hospital"
        first = post(client, CALL)
        assert first.status_code == 201
        done = Act.model_validate(first.json())
        assert (done.act_id, done.by, done.kind) == ("act-0001", "cm-ortiz", ActKind.ATTEMPT)
        again = post(client, CALL)
        assert (again.status_code, again.json()) == (200, first.json())
        assert store.acts.of_stay("s1") == (done,)
        whole = client.get("/stays/s1")
        assert [act["text"] for act in whole.json()["acts"]] == ["fine"]
        assert whole.headers["etag"] == whole.json()["etag"] == first.headers["etag"] != listed["etag"]
        etag = whole.headers["etag"]
        for condition, status in ((etag, 304), (f'"x", W/{etag}', 304), ("*", 304), ('"x"', 200)):
            assert client.get("/stays/s1", headers={"If-None-Match": condition}).status_code == status
        late = post(client, {"kind": "note", "text": "x", "version": 1}, "act-0002", **{"If-Match": listed["etag"]})
        assert (late.status_code, late.headers["content-type"]) == (412, "application/problem+json")
    audited = [(row.what, row.detail.partition(",")[0]) for row in store.audit.read()]
    assert audited[-4:] == [
        (Audited.READ_STAY, "API"),
        (Audited.READ_STAY, "API"),
        (Audited.ACTED, "attempt"),
        (Audited.READ_LIST, "API"),
    ]


def test_how_somebody_wants_to_be_reached_is_written_and_read_and_changes_the_etag_of_their_other_stays(
    settings, store, town
):
    tell(store, alert(town, "s2"))
    said = {"kind": "contact_wishes", "version": 1, "message": "unnamed", "number": "8285550199", "number_use": "first"}
    with api(settings, store) as client:
        before = client.get("/stays/s2")
        assert before.json()["wishes"]["message"] == "unknown"
        assert post(client, said).status_code == 201
        after = client.get("/stays/s2", headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert (after.json()["wishes"]["message"], after.json()["wishes"]["first"]) == ("unnamed", "8285550199")
        listed = {stay["stay"]["alert_id"]: stay["etag"] for stay in client.get("/stays").json()["stays"]}
        assert listed["s2"] == after.headers["etag"]


def test_what_may_not_be_is_refused_with_its_reason(settings, store, town):
    with api(settings, store) as client:
        cases = {
            (400, "Idempotency-Key"): post(client, CALL, "short"),
            (400, "version"): post(client, {"kind": "take"}),
            (400, "happened_at"): post(client, {**CALL, "happened_at": "2026-11-22T12:00:00"}),
            (404, "not yours"): post(client, CALL, alert_id="nothing"),
            (404, "no such stay"): post(client, CALL, alert_id="%00"),
            (409, "no_such_version"): post(client, {**CALL, "version": 2}),
            (422, "field_missing"): post(client, {"kind": "close", "version": 1}),
            (422, "before_the_event"): post(client, {**CALL, "happened_at": "2026-01-01T00:00:00Z"}),
            (422, "too_far"): post(client, {**CALL, "until": "9999-12-31T23:59:59-12:00"}),
            (422, "no_such_person"): post(client, {"kind": "hand_over", "for_id": "nobody", "version": 1}),
            (403, "not_allowed"): post(client, {"kind": "assign", "for_id": "cm-brown", "version": 1}),
            (403, "on_behalf_of"): post(client, {**CALL, "on_behalf_of": "cm-brown"}),
            (413, "bytes"): post(client, {**CALL, "text": "x" * 70_000}),
            (415, "json"): client.post("/stays/s1/acts", content="x", headers={"Idempotency-Key": "act-0001"}),
            (405, ""): client.delete("/stays"),
        }
        for (status, word), answer in cases.items():
            assert (answer.status_code, word in answer.text) == (status, True), answer.text
    assert store.acts.of_stay("s1") == ()


def forms_of(now):
    """A form for each press of the pages, with what it needs."""
    tomorrow, today = (now + timedelta(days=1)).isoformat(), now.date().isoformat()
    needs = {
        "hand_over": {"for_id": "cm-brown"}, "assign": {"for_id": "cm-brown"}, "visit_booked": {"day": today},
        "guide_answered": {"guide": "after_discharge", "q-medicines": "yes"}, "note": {"text": "fine"},
        "referral": {"referral_id": "r1", "referral_step": "made", "referral_to": "Meals"},
        "remind": {"until": tomorrow},
        "contact_wishes": {"message": "yes"}, "ask": {"for_id": "cm-brown", "text": "Which dose?"},
        "close": {"close_reason": "moved_away"},
    }  # fmt: skip
    return {press: {"press": press, "version": "1", **needs.get(press, {})} for press in PRESSES}


def test_whatever_a_page_can_write_another_system_can_write_as_the_same_act(settings, store, town):
    manager = CaseManager(case_manager_id="mg-hale", name="S. Hale", role=Role.MANAGER, network_id="n1")
    load_people(store, [town], staff=[manager])
    now, ours, written = datetime.now(UTC), {"act_id", "by", "role", "recorded_at"}, {}
    with api(settings, store) as client:
        secret, _ = token(store, manager)
        managed = {"Authorization": f"Bearer {secret}"}
        asked = acted(store, "s1", "cm-brown", ActKind.ASK, 1, now, for_id="cm-ortiz", text="When?")
        offered = acted(store, "s1", "cm-brown", ActKind.HAND_OVER, 1, now, for_id="cm-ortiz")
        for press, form in forms_of(now).items():
            form |= {"answer": {"answers_act": asked.act_id}, "accept": {"answers_act": offered.act_id}}.get(press, {})
            meant = act_of(form, ORTIZ, "press-0001", now, default_policy())
            assert isinstance(meant, Act), (press, meant)
            body = meant.model_dump(mode="json", exclude=ours, exclude_defaults=True)
            key = f"api-{press}-1"
            answer = post(client, body, key, **(managed if press == "assign" else {}))
            assert answer.status_code == 201, (press, answer.json())
            same = Act.model_validate(answer.json())
            assert same.model_dump(exclude=ours) == meant.model_dump(exclude=ours)
            assert post(client, body, key, **(managed if press == "assign" else {})).status_code == 200
            written[press] = same
        undo = post(client, {"kind": "undo", "version": 1, "supersedes": "api-note-1"}, "api-undo-1")
        assert undo.status_code == 201
    assert {act.kind for act in written.values()} | {ActKind.UNDO} == set(ActKind)


def test_who_takes_what_another_has_says_so(settings, store):
    enrollee = person(1)
    load_people(store, [enrollee])
    both = ("cm-ortiz", "cm-brown")
    owners = tuple(Owner(case_manager_id=nurse, because="practice") for nurse in both)
    tell(store, alert(enrollee, owners=owners, told=both))
    acted(store, "s1", "cm-brown", ActKind.TAKE, 1, datetime.now(UTC))
    with api(settings, store) as client:
        held = post(client, {"kind": "take", "version": 1})
        assert (held.status_code, held.json()["held_by"]) == (409, "cm-brown")
        assert post(client, {"kind": "take", "version": 1}, **{"If-Match": "*"}).status_code == 201
        assert client.get("/stays/s1").json()["holder"] == "cm-ortiz"


def test_tokens_say_who_for_what_and_how_long(settings, store, town, capsys):
    now = datetime.now(UTC)
    with api(settings, store, ORTIZ, Scope.READ) as client:
        assert post(client, CALL).status_code == 403
        bare = httpx.Client(base_url=client.base_url, timeout=20)
        assert bare.get("/stays").headers["www-authenticate"].startswith("Bearer")
        old, _ = token(store, expires=now - timedelta(seconds=1))
        gone, current = token(store)
        assert store.api_tokens.revoke(current.token_id, now)
        for secret in (old, gone, *("handoff_guess" for _ in range(MOST - 2))):
            assert bare.get("/stays", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
        shut = bare.get("/stays", headers={"Authorization": "Bearer handoff_guess"})
        assert (shut.status_code, shut.headers["retry-after"].isdecimal()) == (429, True)
        assert client.get("/stays").status_code == 200  # somebody else's program at this address guessed
        bare.close()
    capsys.readouterr()
    assert run_create(settings, "crm", "cm-ortiz", ["read", "act"], 0, as_json=True) == 0
    made = json.loads(capsys.readouterr().out)
    assert store.api_tokens.find(made["token"], now + timedelta(days=9_999)).scopes == set(Scope)
    assert run_create(settings, "crm", "cm-ortiz", ["read"], 30) == 0
    assert "shown once" in capsys.readouterr().out
    assert run_list(settings, as_json=True) == run_list(settings) == run_revoke(settings, made["token_id"]) == 0
    assert made["token"] not in capsys.readouterr().out
    for wrong in (
        lambda: run_revoke(settings, made["token_id"]),
        lambda: run_create(settings, "crm", "nobody", ["read"], 0),
        lambda: run_create(settings, "crm", "cm-ortiz", ["all"], 0),
    ):
        with pytest.raises(Problem):
            wrong()


def test_alerts_after_a_cursor_each_once_and_only_what_was_told(settings, store):
    first, second = person(1), person(2)
    load_people(store, [first, second])
    tell(store, alert(first), alert(first, version=2))
    brown = Owner(case_manager_id="cm-brown", because="practice")
    tell(store, alert(second, "s2", told=("cm-brown",), owners=(brown,)))
    with api(settings, store) as client:
        answer = client.get("/alerts")
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [(line["alert"]["alert_id"], line["alert"]["version"]) for line in lines] == [("s1", 1), ("s1", 2)]
        cursor = answer.headers["x-next-cursor"]
        assert client.get("/alerts", params={"after": cursor}).text == ""
        gone = {"action": Action.RETRACT, "reasons": (Reason.ADMISSION_CANCELLED,), "kind": AlertKind.ADMISSION}
        tell(store, alert(first, version=3, **gone))
        (line,) = client.get("/alerts", params={"after": cursor}).text.splitlines()
        assert json.loads(line)["alert"]["action"] == "retract"
        assert client.get("/alerts", params={"after": "x"}).status_code == 400
        assert client.get("/alerts", params={"after": "999999"}).status_code == 410, "not skipped in silence"
        assert (
            client.get("/alerts", params={"after": lines[0]["cursor"]}).text.splitlines()[0]
            == answer.text.splitlines()[1]
        )


def test_what_a_line_would_not_be_read_of_takes_no_other_line_s_place(settings, store, monkeypatch):
    """A stay that became another's is among the first of an answer: what was told after it comes all the same."""
    monkeypatch.setattr(alerts_module, "MOST_LINES", 3)
    moved, *people = person(1, practice_id="p9"), *(person(number) for number in range(2, 7))
    load_people(store, [moved, *people])
    far = Owner(case_manager_id="cm-far", because="practice")
    tell(store, alert(moved, "s1"), alert(moved, "s1", version=2, owners=(far,), told=("cm-ortiz", "cm-far")))
    tell(store, *(alert(each, f"t{number}") for number, each in enumerate(people, 1)))
    seen, after = [], "0"
    with api(settings, store) as client:
        for _ in range(4):
            answer = client.get("/alerts", params={"after": after})
            after = answer.headers["x-next-cursor"]
            seen += [json.loads(line)["alert"]["alert_id"] for line in answer.text.splitlines()]
    assert seen == ["s1", "t1", "t2", "t3", "t4", "t5"]


def test_whoever_may_not_read_it_gets_nothing_of_it(settings, store, town):
    acted(store, "s1", "cm-ortiz", ActKind.NOTE, 1, datetime.now(UTC), text="very private")
    with api(settings, store, LANE) as client:
        assert client.get("/stays").json() == {"stays": []}
        assert client.get("/stays/s1").status_code == post(client, CALL).status_code == 404
        assert client.get("/alerts").text == ""


def test_a_store_that_is_away_is_a_problem_document(settings, store, town, monkeypatch):
    with api(settings, store) as client:

        def away(*_args):
            raise Unavailable("gone")

        monkeypatch.setattr(client.inbox.store.api_tokens, "find", away)
        answer = client.get("/stays")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_the_document_is_served_to_everybody_and_names_what_there_is(settings, store):
    with served(settings, store, None) as (client, _):
        assert client.get("/api/v1/openapi.json").json() == json.loads(json.dumps(document()))
    assert document()["paths"].keys() == {
        "/openapi.json",
        "/stays",
        "/stays/{alert_id}",
        "/stays/{alert_id}/acts",
        "/report",
        "/alerts",
    }
    schema = document()["components"]["schemas"]["ActIn"]
    assert schema["required"] == ["kind", "version"]
    assert "by" not in schema["properties"]
