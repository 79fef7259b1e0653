"""`handoff audit`: what it prints for people, machines and spreadsheets, and the accounting of disclosures."""

import csv
import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from rules.policy.policy import default_policy, local_day
from rules.telling.destinations import State
from streams.cli import app
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store.audit import Audited
from streams.store.database import write_rows
from streams.store.tables import deliveries, to_us
from tests.rigs.inbox import alert, load_people, open_store, person, tell
from tests.rigs.telling import destination


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path))
    opened = open_store(Settings(data_dir=tmp_path))
    load_people(opened, [person(1), person(2)])
    yield opened
    opened.close()


def handoff(*words, status=0):
    done = CliRunner().invoke(app, ["audit", *words])
    assert done.exit_code == status, done.output
    return done.output


def test_by_person_user_and_span_and_the_look_is_a_row(store):
    now = datetime.now(UTC)
    store.audit.write("cm-ortiz", Audited.READ_STAY, now - timedelta(days=2), alert_ids=("a1",), enrollee_id="E00001")
    store.audit.write("cm-brown", Audited.AUTO, now, enrollee_id="E00001", detail="=list")
    lines = [json.loads(line) for line in handoff("--person", "E00001", "--json").splitlines()]
    assert [(line["user"], line["what"]) for line in lines] == [("cm-ortiz", "read_stay"), ("cm-brown", "auto")]
    looked = store.audit.read(limit=1)[0]
    assert (looked.case_manager_id, looked.what) == ("central-office", Audited.READ_AUDIT)
    assert looked.origin == who_commands()
    since = (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert "cm-ortiz" not in handoff("--since", since)
    rows = list(csv.DictReader(io.StringIO(handoff("--user", "cm-brown", "--csv"))))
    assert rows[0]["detail"] == "'=list"
    store.audit.write("cm-far", Audited.BROKE_GLASS, now, detail="danger:\n2026-01-01  cm-ortiz  auto\x1b[2J")
    assert len(handoff("--user", "cm-far").splitlines()) == 1  # what somebody typed is no row, and no terminal obeys it
    assert "\x1b" not in handoff("--user", "cm-far")
    assert "no such case manager" in str(CliRunner().invoke(app, ["audit", "--by", "nobody"]).exception)


def test_the_accounting_of_disclosures_says_to_whom_when_what_and_what_for(store):
    now = datetime.now(UTC)
    tell(store, alert(person(1), "a1"))
    store.destinations.put(destination("clinic"), now)
    columns = ("delivery_id", "destination_id", "alert_id", "version", "position", "state", "due_us", "made_us",
               "ended_us", "tier", "enrollee_id")  # fmt: skip
    at = to_us(now - timedelta(days=3))
    with store.database.writing() as connection:
        write_rows(
            connection, deliveries, columns, [("d1", "clinic", "a1", 1, 1, "delivered", at, at, at, "full", "E00001")]
        )
    store.audit.write("cm-ortiz", Audited.READ_STAY, now - timedelta(days=1), alert_ids=("a1",), enrollee_id="E00001",
                      detail="version 1, full")  # fmt: skip
    store.audit.write("cm-ortiz", Audited.AUTO, now, enrollee_id="E00001")  # a page by itself: nobody read
    store.audit.write("cm-ortiz", Audited.READ_STAY, now - timedelta(days=7 * 366), enrollee_id="E00001")
    store.destinations.move("clinic", State.REMOVED, now)  # whom it was stays known
    rows = list(csv.DictReader(io.StringIO(handoff("--person", "E00001", "--disclosures", "--csv"))))
    assert [row["recipient"].split(" (")[0] for row in rows] == [destination("clinic").name, "M. Ortiz, RN"]
    assert {row["purpose"] for row in rows} == {"treatment"}
    assert rows[0]["what"] == "notice of a hospital stay, version 1, full tier"
    assert rows[0]["date"] == local_day(now - timedelta(days=3), default_policy().tz).isoformat(), "of the office"
    assert "--person" in CliRunner().invoke(app, ["audit", "--disclosures"]).output


def test_the_accounting_has_what_was_printed_listed_and_asked_by_the_api(store):
    now = datetime.now(UTC)
    tell(store, alert(person(1), "a1"), alert(person(2), "a2"))
    store.audit.write("cm-ortiz", Audited.PRINTED, now, alert_ids=("a1", "a2"), detail="hand-over sheet")
    store.audit.write_list("cm-brown", Audited.READ_LIST, now, ["E00001", "E00002"], "API, token 1234, 2 stays")
    store.audit.write_list("cm-far", Audited.READ_LIST, now, ["E00002"], "list, 1 stays")
    store.audit.write_people("fhir:clinic", Audited.READ_STAY, now, ["E00001"], "FHIR Patient")
    rows = list(csv.DictReader(io.StringIO(handoff("--person", "E00001", "--disclosures", "--csv"))))
    assert {(row["recipient"], row["what"]) for row in rows} == {
        ("M. Ortiz, RN", "hospital stay, hand-over sheet"),
        ("T. Brown, RN", "API, token 1234, 2 stays"),
        ("fhir:clinic", "FHIR Patient"),
    }
    assert "list" in handoff("--person", "E00002")


def test_what_commands_change_in_who_may_see_whom_is_in_the_audit(store, tmp_path, monkeypatch):
    def command(*words):
        done = CliRunner().invoke(app, [*words])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    monkeypatch.setenv("HANDOFF_FRONT_PAGE", "https://inbox.example.org")
    monkeypatch.setattr("getpass.getuser", lambda: "dana")
    token = json.loads(command("token", "create", "crm", "--for", "cm-far", "--scope", "read", "--json"))["token_id"]
    command("token", "revoke", token)
    command("sign-in", "cm-far")
    command("sign-in", "cm-far", "--enroll")
    (tmp_path / "out").mkdir()
    monkeypatch.setenv("HANDOFF_TELL_FOLDERS", str(tmp_path / "out"))
    command("destination", "add", "oak", str(tmp_path / "out"), "--form", "ndjson", "--whose", "practice:p1")
    command("destination", "pause", "oak")
    people = tmp_path / "directory"
    people.mkdir()
    (people / "case_managers.csv").write_text(
        "case_manager_id,name,role,network_id,practices\ncm-far,A. Far,manager,n2,p9\ncm-new,N. New,nurse,n2,p9\n"
    )
    (people / "networks.csv").write_text("network_id,name\nn2,Coast Network\n")
    (people / "practices.csv").write_text("practice_id,name,network_id\np9,Harbor Clinic,n2\n")
    command("directory", "load", str(people))
    rows = [(row.what, row.detail) for row in reversed(store.audit.read(case_manager_id="os:dana"))]
    assert rows == [
        (Audited.BOUND, f"token {token} for cm-far: read"),
        (Audited.UNBOUND, f"token {token}"),
        (Audited.LINKED, "for cm-far to sign in"),
        (Audited.LINKED, "for cm-far"),
        (Audited.DESTINATION, "add oak, practice:p1, ndjson by folder"),
        (Audited.DESTINATION, "paused oak"),
        (Audited.ACTED, "directory: cc-lane went"),
        (Audited.ACTED, "directory: cm-brown went"),
        (Audited.ACTED, "directory: cm-far: role from nurse to manager"),
        (Audited.ACTED, "directory: cm-new came, nurse"),
        (Audited.ACTED, "directory: cm-ortiz went"),
    ]
    monkeypatch.setattr("getpass.getuser", lambda: {}["no name for this number"])
    assert who_commands() == f"os:{os.getuid()}"


def test_verify_names_the_first_bad_row(store):
    store.audit.write("cm-ortiz", Audited.READ_LIST, datetime.now(UTC))
    store.audit.write("cm-ortiz", Audited.READ_STAY, datetime.now(UTC))
    good = json.loads(handoff("verify", "--json"))
    assert (good["ok"], good["rows"], len(good["head"])) == (True, 2, 64)
    assert "the chain holds" in handoff("verify", "--noted", good["head"])
    assert "not in it any more" in handoff("verify", "--noted", "0" * 64, status=1)
    with store.database.writing() as connection:
        connection.execute(text("UPDATE audit SET what = 'auto' WHERE audit_id = 2"))
    assert "broken at row 2" in handoff("verify", status=1)
    assert json.loads(handoff("verify", "--json", status=1))["broken"]["row"] == 2
