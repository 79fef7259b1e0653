"""`handoff destination`: made, listed, tried, paused, told again; what cannot be is said in a sentence."""

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind, State, Wants
from streams.cli import app
from streams.run.problems import Problem
from streams.run.settings import load_settings
from streams.store import Store
from streams.store.delivery import DeliveryState, End
from streams.store.opening import open_store
from tests.rigs.receiver import Receiver
from tests.rigs.store import line, record
from tests.rigs.telling import decide_for, destination


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path


def run(*words: str, status: int = 0, given: str | None = None) -> str:
    result = CliRunner().invoke(app, ["destination", *words], input=given)
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


def add(name: str, address: str, *more: str, form: str = "webhook_json", whose: str = "practice:P1", **changes) -> str:
    return run("add", name, address, "--form", form, "--whose", whose, *more, **changes)


def test_a_lost_key_is_not_replaced_by_one_that_only_this_secret_has(here: Path) -> None:
    add("oak", "http://127.0.0.1:1/hook", "--allow-private")
    (here / "data" / "hash.key").unlink()
    with pytest.raises(Problem, match="is missing"):
        add("elm", "http://127.0.0.1:1/hook", "--allow-private")
    assert not (here / "data" / "hash.key").exists()


def listed() -> dict:
    (destination,) = [json.loads(text) for text in run("list", "--json").splitlines()]
    return destination


def test_a_webhook_is_added_tried_and_verified_with_the_secret_that_was_shown_once() -> None:
    with Receiver() as receiver:
        url = receiver.url("ok/x")
        secret = json.loads(add("oak", url, "--allow-private", "--json"))["secret"]
        assert json.loads(run("test", "oak", "--json")) == {
            "destination_id": "oak",
            "delivered": True,
            "failure": "",
            "status": "202",
        }
        (got,) = receiver.of("ok/x")
        event = Webhook(secret).verify(got.body, got.headers)
        assert event["test"] is True
        assert secret not in run("list", "--json") + run("list")
        rotated = json.loads(run("secret", "oak", "--json"))["secret"]
        run("test", "oak")
        for valid in (secret, rotated):
            Webhook(valid).verify(receiver.of("ok/x")[1].body, receiver.of("ok/x")[1].headers)


def test_a_test_that_is_not_taken_says_what_came_back() -> None:
    with Receiver() as receiver:
        add("oak", receiver.url("500/x"), "--allow-private")
        assert run("test", "oak", status=1) == "not taken: server_error (500)\n"


def test_a_bearer_token_comes_from_standard_input_and_goes_along() -> None:
    with Receiver() as receiver:
        add("oak", receiver.url("ok/x"), "--allow-private", "--bearer", "--header", "X-Site: 7", given="t0ken\n")
        run("test", "oak")
        (got,) = receiver.of("ok/x")
        assert (got.headers["authorization"], got.headers["x-site"]) == ("Bearer t0ken", "7")


def test_which_part_of_the_panel_is_told_is_said(here: Path) -> None:
    parts = ("--practice", "P1", "--practice", "P2", "--risk-tier", "high", "--program", "chronic")
    add("files", str(here), *parts, "--option", "rows=version", form="csv", whose="network:N1")
    with open_store(load_settings()) as store:
        made = store.destinations.find("files").destination
    assert made.wants == Wants(practices=("P1", "P2"), risk_tiers=("high",), programs=("chronic",))
    assert not made.is_state


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("Oak", "https://example.org/"), "lower-case"),
        (("oak", "https://example.org/", "--form", "fax"), "--form is one of"),
        (("oak", "https://example.org/", "--whose", "friend:1"), "--whose is one of"),
        (("oak", "https://example.org/", "--whose", "practice"), "needs whose it is"),
        (("oak", "https://example.org/", "--hours", "sometimes"), "hours such as"),
        (("oak", "https://example.org/", "--priority", "soon"), "priorities"),
        (("oak", "https://example.org/", "--tier", "all"), "tier"),
        (("oak", "https://example.org/", "--header", "webhook-id: 1"), "ours"),
        (("oak", "https://example.org/", "--option", "what=../x"), "--option is"),
        (("oak", "nowhere", "--form", "hl7_mdm"), "host:port"),
        (("oak", "127.0.0.1:2575", "--form", "hl7_received", "--whose", "plan:vaya"), "only to those who treat"),
        (("oak", "https://oak.example", "--form", "subscription"), "--form is one of"),
        (("oak", "127.0.0.1:2575", "--form", "hl7_mdm"), "--allow-private"),
        (("oak", "http://example.org/"), "https://"),
        (("oak", "https://127.0.0.1/"), "--allow-private"),
        (("oak", "https://localhost:8443/"), "--allow-private"),
        (("oak", "https://a:b@example.org/"), "user or a password"),
        (("oak", "relative", "--form", "csv"), "absolute path"),
        (("oak", "sftp://host/in", "--form", "csv"), "sftp://user@host"),
        (("oak", "sftp://a@127.0.0.1/in", "--form", "csv"), "--allow-private"),
        (("oak", "sftp://a@127.0.0.1:9/in", "--form", "csv", "--allow-private"), "host key is not known"),
        (("oak", "https://example.org/", "--form", "sms"), "found|--whose person"),
        (("oak", "https://8.8.8.8/", "--option", "method=GET"), "is for --form sms"),
        (("oak", "a@example.org", "--form", "direct_adt"), "--certificate"),
        (("oak", "nobody", "--form", "direct_adt"), "one Direct address"),
        (("oak", "https://example.org/", "--option", "host_key=MD5:x"), "--option is"),
        (("oak", "nobody", "--form", "nudge", "--whose", "person:ortiz"), "e-mail"),
        (("oak", "a@example.org", "--form", "nudge"), "--whose person"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(words: tuple[str, ...], why: str) -> None:
    usual = {"--form": "webhook_json", "--whose": "practice:P1"}
    more = [text for name, value in usual.items() if name not in words for text in (name, value)]
    with pytest.raises(Problem, match=why):
        run("add", *words, *more)


def test_there_is_no_such_destination_and_none_twice(here: Path) -> None:
    with pytest.raises(Problem, match="no such destination"):
        run("pause", "oak")
    add("files", str(here), form="csv")
    with pytest.raises(Problem, match="is or was one of that id"):
        add("files", str(here), form="csv")


def test_paused_resumed_told_again_and_removed_and_the_sum_holds(here: Path) -> None:
    add("files", str(here), form="ndjson")
    now = datetime.now(UTC)
    store = Store.open(load_settings().store_url)
    store.panel.load([line()], full=True, now=now)
    decide_for(store, [row.destination for row in store.destinations.all()], record(1), now=now)
    later = now + timedelta(minutes=1)
    claimed = store.deliveries.claim("x", later, timedelta(minutes=1), store.deliveries.ready(later), each=9)
    store.deliveries.settle(
        [End(claimed[0].delivery_id, "files", DeliveryState.GIVEN_UP, later, Failure.REFUSED)], "x", later
    )
    store.close()
    run("pause", "files")
    assert (listed()["state"], listed()["due"], listed()["given_up"]) == ("paused", 1, 1)
    run("resume", "files")
    span = ("--since", "2020-01-01", "--until", "2100-01-01")
    assert json.loads(run("replay", "files", *span, "--json"))["again"] == 1
    assert (listed()["state"], listed()["waiting"]) == ("active", 1)
    assert "1 due = 0 delivered + 1 waiting + 0 given up + 0 superseded" in run("list")
    run("remove", "files")
    assert "nobody outside is told" in run("list")
    with pytest.raises(Problem, match="is or was one of that id"):
        add("files", str(here), form="csv")


def test_a_subscription_that_stands_still_is_started_by_its_client_alone() -> None:
    with open_store(load_settings()) as store:
        store.destinations.put(destination("s", FormKind.SUBSCRIPTION, state=State.OFF), datetime.now(UTC))
    with pytest.raises(Problem, match="its client's to start"):
        run("resume", "s")
    with pytest.raises(Problem, match="nothing to pause"):
        run("pause", "s")
    with open_store(load_settings()) as store:
        store.destinations.put(destination("t", FormKind.SUBSCRIPTION), datetime.now(UTC))
    run("pause", "t")
    assert "answered a handshake" in run("resume", "t"), "what a person paused"


def test_the_secrets_of_what_is_removed_are_forgotten() -> None:
    with Receiver() as receiver:
        add("oak", receiver.url("ok/x"), "--allow-private", "--bearer", given="t0ken\n")
        run("remove", "oak")
    settings = load_settings()
    with open_store(settings) as store:
        assert store.destinations.secrets_of("oak", settings.secret(), datetime.now(UTC)) == {}


def test_what_left_about_one_person_is_listed_and_the_look_is_audited(here: Path) -> None:
    add("files", str(here), form="ndjson")
    now = datetime.now(UTC)
    store = Store.open(load_settings().store_url)
    store.panel.load([line()], full=True, now=now)
    decide_for(store, [row.destination for row in store.destinations.all()], record(1), now=now)
    claimed = store.deliveries.claim("x", now, timedelta(minutes=1), store.deliveries.ready(now), each=9)
    store.deliveries.settle([End(claimed[0].delivery_id, "files", DeliveryState.DELIVERED, now, tier="full")], "x", now)
    (row,) = [json.loads(text) for text in run("told", "E1", "--by", "central-office", "--json").splitlines()]
    assert (row["destination_id"], row["version"], row["tier"], row["arrived"]) == ("files", 1, "full", "delivered")
    assert [look.case_manager_id for look in store.audit.read(enrollee_id="E1")] == ["central-office"]
    store.close()
    with pytest.raises(Problem, match="no such case manager"):
        run("told", "E1", "--by", "nobody")


def test_the_schema_of_a_webhook_is_published() -> None:
    assert json.loads(run("schema"))["title"] == "Warm Handoff stay event, version 1"


@pytest.mark.parametrize("form", ["hl7_mdm", "hl7_adt", "hl7_received"])
def test_each_form_of_hl7_is_added_and_its_test_is_marked_as_one(form: str) -> None:
    got: list[bytes] = []

    def take() -> None:
        connection, _ = listening.accept()
        with connection:
            got.append(connection.recv(65536))
            control = got[0].split(b"|")[9]
            connection.sendall(b"\x0bMSH|^~\\&|A|B|C|D|1||ACK|1|T|2.5.1\rMSA|AA|" + control + b"\r\x1c\r")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        taking = threading.Thread(target=take)
        taking.start()
        said = add("oak", f"127.0.0.1:{listening.getsockname()[1]}", "--allow-private", form=form)
        assert "oak took the test (AA)" in run("test", "oak")
        taking.join(30)
    assert "the directory has no practice P1" in said
    assert b"|T|2.5.1|" in got[0]
