"""A FHIR client signs in, subscribes, is told, loses its connection, finds the gap by number and fills it."""

import asyncio
import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from parsers.fhir.subscriptions import BACKPORT, TOPIC
from rules.policy.policy import default_policy
from rules.telling.attempts import Failure
from rules.telling.confidentiality import DEFAULT, Tier
from rules.telling.destinations import State, Whose
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store.delivery import made_of
from streams.store.destinations import BY_A_PERSON
from streams.store.fhir import FhirClient
from streams.tell.deliver import Teller
from streams.tell.forms.fhir import Sender
from streams.tell.forms.mail import Waiting
from streams.tell.parcels import forms
from streams.tell.seen import Known
from streams.tell.serving import subscriptions
from streams.tell.serving.server import FhirServer
from streams.tell.serving.sign_in import granted, words
from streams.tell.way import NotDelivered
from streams.tell.ways.http import HEADERS
from tests.rigs.servers import free_port
from tests.rigs.store import decide, line, message_id, record, store, store_url
from tests.rigs.telling import DIRECTORY, NONE_KEPT, NOW, decide_for, destination, retracting, take_back
from tests.tell.test_da_vinci import validator
from tests.tell.test_deliver import Scripted

__all__ = ["store", "store_url", "validator"]

BASE = "https://handoff.example/fhir"
KEY = ECKey.generate_key("P-384", {"kid": "one"})
OTHER = ECKey.generate_key("P-384", {"kid": "one"})


class Rig:
    """Server, teller and a client, the way between them scripted."""

    def __init__(self, opened, folder: Path) -> None:
        self.store = opened
        self.settings = Settings(data_dir=folder, fhir_port=free_port(), fhir_base=BASE, hash_key="key")
        self.way = Scripted()
        self.known = Known(DIRECTORY, DEFAULT, default_policy())
        self.published: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.server = FhirServer(self.settings, opened, self.way, lambda: self.known, self.fetch)
        self.http = TestClient(self.server.app, base_url="https://handoff.example")
        for name, practice in (("oak", "P1"), ("elm", "P2")):
            opened.fhir.put_client(
                FhirClient(client_id=name, whose=Whose.PRACTICE, owner_id=practice, keys=public(), allow_private=True),
                NOW,
            )

    async def fetch(self, url: str, private: bool, most_bytes: int) -> bytes | None:
        self.fetched.append(url)
        return self.published.get(url)

    def token(self, scope: str = "system/*.cruds", who: str = "oak", key: ECKey = KEY, **claims: Any):
        given = {"iss": who, "sub": who, "aud": f"{BASE}/token", "jti": f"{datetime.now(UTC)}"}
        given["exp"] = int((datetime.now(UTC) + timedelta(minutes=4)).timestamp())
        signed = jwt.encode({"alg": "ES384", "kid": "one"}, given | claims, key, algorithms=["ES384"])
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signed,
        }
        return self.http.post("/fhir/token", data=form)

    def as_(self, who: str = "oak", scope: str = "system/*.cruds") -> "Signed":
        return Signed(self, self.token(scope, who).json()["access_token"])

    def upkeep(self, now: datetime | None = None) -> list[dict]:
        """One look of the server; gives what was posted."""
        before = len(self.way.sent)
        asyncio.run(self.server.turn(now or datetime.now(UTC)))
        return [json.loads(parcel.body) for _, parcel in self.way.sent[before:]]

    def deliver(self) -> list[dict]:
        before = len(self.way.sent)
        asyncio.run(self._turn())
        return [json.loads(parcel.body) for _, parcel in self.way.sent[before:]]

    async def _turn(self) -> None:
        made = forms(
            Sender("x", "", "x"),
            lambda _: Waiting(),
            "x",
            default_policy().tz,
            made_of,
            NONE_KEPT,
            lambda *_: None,
            base=BASE,
        )
        teller = Teller(self.store, made, {"http": self.way}, lambda: self.known, b"key", "rig", chance=lambda: 0.5)
        settling = asyncio.create_task(teller.settler.run())
        while await teller.once():
            await teller.settled()
        settling.cancel()

    def decide_all(self, *records, **more) -> None:
        decide_for(self.store, [row.destination for row in self.store.destinations.all()], *records, **more)


class Signed:
    def __init__(self, rig: Rig, token: str) -> None:
        self.rig, self.headers = rig, {"Authorization": f"Bearer {token}"}

    def get(self, path: str, status: int = 200, **params: str) -> dict:
        return self.ask("GET", path, status, params=params)

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> dict:
        answer = self.rig.http.request(method, f"/fhir/{path}", headers=self.headers, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else {}


def public() -> dict:
    return {"keys": [KEY.as_dict(private=False)]}


def wanted(content: str = "id-only", **changes: Any) -> dict:
    channel = {
        "type": "rest-hook",
        "endpoint": "https://127.0.0.1/hook",
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": f"{BACKPORT}/backport-payload-content", "valueCode": content}]},
        "header": ["Authorization: Bearer secret-of-theirs"],
        **changes.pop("channel", {}),
    }
    given = {"resourceType": "Subscription", "status": "requested", "reason": "care", "criteria": TOPIC}
    return {**given, "channel": channel, **changes}


def status_in(bundle: dict) -> dict[str, Any]:
    """The first of each parameter, and the event numbers."""
    status: dict[str, Any] = {"numbers": []}
    for parameter in bundle["entry"][0]["resource"]["parameter"]:
        if parameter["name"] == "notification-event":
            status["numbers"].append(
                next(part["valueString"] for part in parameter["part"] if part["name"] == "event-number")
            )
        else:
            status[parameter["name"]] = next(value for name, value in parameter.items() if name.startswith("value"))
    return status


@pytest.fixture
def rig(store, tmp_path: Path):
    people = [line(f"E{n}", mrns=f"MISSION:M{n}", practice_id="P1") for n in range(1, 9)]
    store.panel.load(people, full=True, now=NOW)
    made = Rig(store, tmp_path)
    yield made
    made.server.close()


def test_a_client_subscribes_loses_its_connection_finds_the_gap_and_fills_it(rig: Rig) -> None:
    client = rig.as_()
    made = client.ask("POST", "Subscription", 201, json=wanted())
    name = made["id"]
    assert made["status"] == "requested"
    (handshake,) = rig.upkeep()
    assert status_in(handshake)["type"] == "handshake"
    assert status_in(handshake)["events-since-subscription-start"] == "0"
    assert client.get(f"Subscription/{name}")["status"] == "active"
    rig.decide_all(record(1), record(2), record(3, "E2", visit="V2"))
    (first,) = rig.deliver()
    assert (status_in(first)["numbers"], status_in(first)["events-since-subscription-start"]) == (["1", "2", "3"], "3")
    assert first["type"] == "history"
    assert "WHITFIELD" not in json.dumps(first), "ids only"
    rig.way.said = [NotDelivered(Failure.NO_CONNECTION)]
    rig.decide_all(record(4, "E3", visit="V3"))
    (lost,) = rig.deliver()
    assert status_in(lost)["numbers"] == ["4"]
    rig.decide_all(record(5, "E4", visit="V4"))
    state = client.get(f"Subscription/{name}/$status")["entry"][0]["resource"]
    assert {"name": "events-since-subscription-start", "valueString": "5"} in state["parameter"]
    filled = client.get(f"Subscription/{name}/$events", eventsSinceNumber="4", eventsUntilNumber="5")
    assert status_in(filled)["numbers"] == ["4", "5"]
    assert status_in(filled)["type"] == "query-event"
    focus = [entry["fullUrl"] for entry in filled["entry"][1:]]
    assert f"{BASE}/Encounter/{message_id(4)}" in focus and f"{BASE}/Patient/E3" in focus
    stay = client.get(f"Encounter/{message_id(4)}")
    assert stay["subject"]["reference"] == f"{BASE}/Patient/E3"
    assert client.get("Patient/E3")["name"][0]["family"] == "WHITFIELD"


def test_what_is_taken_back_is_an_event_and_numbers_have_no_hole_over_failed_transactions(rig: Rig) -> None:
    client = rig.as_()
    name = client.ask("POST", "Subscription", 201, json=wanted("full-resource"))["id"]
    rig.upkeep()
    rig.decide_all(record(1))

    def breaking(*_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        rig.decide_all(record(2, "E2", visit="V2"), record(3, "E3", visit="V3"), rule=_first_then(breaking))
    rig.decide_all(take_back(4), rule=retracting)
    (notification,) = rig.deliver()
    assert status_in(notification)["numbers"] == ["1", "2"]
    resources = {entry["resource"]["resourceType"]: entry["resource"] for entry in notification["entry"][1:]}
    assert resources["Encounter"]["status"] == "entered-in-error"
    assert client.get(f"Encounter/{message_id(1)}")["status"] == "entered-in-error"
    assert [event.number for event in rig.store.fhir.events(name, 1, 99)] == [1, 2]


def _first_then(breaking):
    def rule(event_record, history):
        return decide(event_record, history) if event_record.event.message_id == message_id(2) else breaking()

    return rule


def test_another_client_sees_none_of_it(rig: Rig) -> None:
    name = rig.as_().ask("POST", "Subscription", 201, json=wanted())["id"]
    rig.upkeep()
    rig.decide_all(record(1))
    other = rig.as_("elm")
    for path in (f"Subscription/{name}", f"Subscription/{name}/$status", f"Subscription/{name}/$events",
                 f"Encounter/{message_id(1)}", "Patient/E1"):  # fmt: skip
        assert other.get(path, 404)["resourceType"] == "OperationOutcome"
    other.ask("DELETE", f"Subscription/{name}", 404)
    assert other.get("Subscription")["total"] == other.get("Subscription/$status")["total"] == 0
    assert _found(rig, "active") == 1
    assert _found(rig, "error,off") == 0


def _found(rig: Rig, status: str) -> int:
    params = {"url": "https://127.0.0.1/hook", "status": status}
    return rig.as_().ask("GET", "Subscription", params=params)["total"]


def test_of_withheld_content_no_name_is_read(rig: Rig) -> None:
    rig.store.fhir.put_client(
        FhirClient(client_id="oak", whose=Whose.PRACTICE, owner_id="P1", keys=public(), tier=Tier.WITHHELD,
                   allow_private=True), NOW)  # fmt: skip
    client = rig.as_()
    client.ask("POST", "Subscription", 201, json=wanted("full-resource"))
    rig.upkeep()
    rig.decide_all(record(1))
    (notification,) = rig.deliver()
    assert status_in(notification)["numbers"] == ["1"], "an event all the same: numbers have no hole"
    for text in (json.dumps(notification), json.dumps(client.get(f"Encounter/{message_id(1)}"))):
        assert not any(word in text for word in ("WHITFIELD", "E1", "MISSION", "1955"))
    client.get("Patient/E1", 404)


def test_a_handshake_that_fails_is_an_error_until_the_client_asks_again_and_events_are_counted(rig: Rig) -> None:
    client = rig.as_()
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    rig.way.said = [NotDelivered(Failure.SERVER_ERROR, "500")]
    rig.upkeep()
    assert client.get(f"Subscription/{name}")["status"] == "error"
    assert rig.upkeep() == []
    rig.decide_all(record(1))
    client.ask("PUT", f"Subscription/{name}", json=wanted())
    assert client.get(f"Subscription/{name}")["status"] == "requested"
    (handshake,) = rig.upkeep()
    assert status_in(handshake)["events-since-subscription-start"] == "1"
    assert client.get(f"Subscription/{name}")["status"] == "active"
    assert status_in(rig.deliver()[0])["numbers"] == ["1"]


def test_what_a_person_paused_no_client_starts_and_its_status_says_so(rig: Rig) -> None:
    """Also by way of `off`, by an `end` that is over, or while the client's handshake is on its way."""
    client, destinations = rig.as_(), rig.store.destinations
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    rig.upkeep()
    destinations.move(name, State.PAUSED, datetime.now(UTC), BY_A_PERSON)
    asked = client.ask("PUT", f"Subscription/{name}", json={**wanted(), "error": "nothing"})
    assert (asked["status"], "whoever runs this server" in asked["error"]) == ("error", True)
    assert "whoever runs" in status_in(client.get(f"Subscription/{name}/$status"))["error"]["text"]
    assert rig.upkeep() == []
    rig.decide_all(record(1))
    assert rig.deliver() == []
    client.ask("PUT", f"Subscription/{name}", json={**wanted(), "status": "off"})
    assert client.ask("PUT", f"Subscription/{name}", json=wanted())["status"] == "off"
    row = destinations.find(name)
    assert not row.is_its_client_s_to_start
    assert destinations.resume(row, datetime.now(UTC)) is State.OFF, "its client did not want it any more"
    assert client.ask("PUT", f"Subscription/{name}", json=wanted())["status"] == "requested"
    destinations.move(name, State.PAUSED, datetime.now(UTC), BY_A_PERSON)
    over = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    client.ask("PUT", f"Subscription/{name}", json=wanted(end=over))
    assert rig.upkeep(datetime.now(UTC) + timedelta(minutes=2)) == []
    assert client.ask("PUT", f"Subscription/{name}", json=wanted())["status"] == "off"


def test_what_a_person_paused_and_resumes_is_told_after_a_handshake(rig: Rig) -> None:
    client, destinations = rig.as_(), rig.store.destinations
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    rig.upkeep()
    destinations.move(name, State.PAUSED, datetime.now(UTC), BY_A_PERSON)
    rig.decide_all(record(1))
    assert destinations.resume(destinations.find(name), datetime.now(UTC)) is State.PAUSED
    (handshake,) = rig.upkeep()
    assert status_in(handshake)["events-since-subscription-start"] == "1"
    shown = client.get(f"Subscription/{name}")
    assert (shown["status"], "error" in shown) == ("active", False)
    assert status_in(rig.deliver()[0])["numbers"] == ["1"]


def test_a_client_has_so_many_subscriptions_and_no_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MOST", 2)
    client = rig.as_()
    first, _ = (client.ask("POST", "Subscription", 201, json=wanted())["id"] for _ in range(2))
    (issue,) = client.ask("POST", "Subscription", 422, json=wanted())["issue"]
    assert (issue["code"], "delete one" in issue["diagnostics"]) == ("business-rule", True)
    rig.as_("elm").ask("POST", "Subscription", 201, json=wanted())
    client.ask("PUT", f"Subscription/{first}", json=wanted())
    client.ask("DELETE", f"Subscription/{first}", 204)
    client.ask("POST", "Subscription", 201, json=wanted())


def test_who_is_not_reached_is_in_error_until_it_is_and_its_events_are_counted(rig: Rig) -> None:
    client = rig.as_()
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    rig.upkeep()
    rig.decide_all(record(1))
    rig.way.said = [NotDelivered(Failure.SERVER_ERROR, "500")]
    rig.deliver()
    assert client.get(f"Subscription/{name}")["status"] == "error"
    assert status_in(client.get(f"Subscription/{name}/$status"))["events-since-subscription-start"] == "1"
    rig.store.destinations.heard_well(name, datetime.now(UTC))
    assert client.get(f"Subscription/{name}")["status"] == "active"


def test_a_subscription_that_cannot_be_seen_to_hurts_no_other(rig: Rig) -> None:
    client = rig.as_()
    broken, well = (client.ask("POST", "Subscription", 201, json=wanted())["id"] for _ in range(2))
    rig.store.destinations.put_secret(broken, HEADERS, "[]", b"another key", NOW, timedelta())
    with capture_logs() as logs:
        (handshake,) = rig.upkeep()
    assert well in status_in(handshake)["subscription"]["reference"]
    assert [line["destination"] for line in logs if line["event"] == "subscription_crashed"] == [broken]


def test_a_slow_endpoint_holds_up_nobody_else_s_handshake(rig: Rig) -> None:
    slow, quick = (rig.as_().ask("POST", "Subscription", 201, json=wanted())["id"] for _ in range(2))

    class Slow(Scripted):
        async def deliver(self, parcel, to, secrets):
            if to.destination_id == slow:
                asked.set()
                await asyncio.Event().wait()
            return await super().deliver(parcel, to, secrets)

    rig.server._way = Slow()
    asked = asyncio.Event()

    async def looks() -> None:
        tasks = await rig.server._begun(datetime.now(UTC))
        await asked.wait()
        while len(tasks) > 1:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            tasks = [task for task in tasks if not task.done()]
        assert len(await rig.server._begun(datetime.now(UTC))) == 1, "it is not asked twice at once"
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(looks())
    assert [to for to, _ in rig.server._way.sent] == [quick]


def test_what_our_own_code_fails_on_is_logged_by_its_place_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    client = rig.as_()

    def fails(*_: object) -> None:
        raise ValueError("Whitfield")

    monkeypatch.setattr(rig.store.fhir, "subscriptions", fails)
    with capture_logs() as logs:
        assert client.get("Subscription", 500)["issue"][0]["code"] == "exception"
    assert [line["error"] for line in logs] == ["ValueError"]
    assert "Whitfield" not in str(logs)


def test_a_heartbeat_comes_when_nothing_else_did_and_raises_no_number(rig: Rig) -> None:
    period = [{"url": f"{BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": 60}]
    rig.as_().ask("POST", "Subscription", 201, json=wanted(channel={"extension": period}))
    rig.upkeep()
    assert rig.upkeep() == []
    (beat,) = rig.upkeep(datetime.now(UTC) + timedelta(seconds=61))
    assert (status_in(beat)["type"], status_in(beat)["events-since-subscription-start"]) == ("heartbeat", "0")


def test_max_count_end_off_and_deleted(rig: Rig) -> None:
    client = rig.as_()
    most = [{"url": f"{BACKPORT}/backport-max-count", "valuePositiveInt": 2}]
    end = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    name = client.ask("POST", "Subscription", 201, json=wanted(channel={"extension": most}, end=end))["id"]
    rig.upkeep()
    rig.decide_all(*(record(n, f"E{n}", visit=f"V{n}") for n in range(1, 6)))
    assert [status_in(notification)["numbers"] for notification in rig.deliver()] == [["1", "2"], ["3", "4"], ["5"]]
    rig.upkeep(datetime.now(UTC) + timedelta(minutes=2))
    assert client.get(f"Subscription/{name}")["status"] == "off"
    rig.decide_all(record(9, "E6", visit="V6"))
    assert rig.deliver() == []
    client.ask("DELETE", f"Subscription/{name}", 204)
    client.get(f"Subscription/{name}", 404)
    second = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    assert client.ask("PUT", f"Subscription/{second}", json={**wanted(), "status": "off"})["status"] == "off"


def test_the_headers_of_a_client_are_sent_and_kept_encrypted(rig: Rig) -> None:
    name = rig.as_().ask("POST", "Subscription", 201, json=wanted())["id"]
    row = rig.store.destinations.find(name)
    assert "secret-of-theirs" not in row.destination.model_dump_json()
    kept = rig.store.destinations.secrets_of(name, b"key", datetime.now(UTC))
    assert json.loads(kept["headers"][0]) == [["Authorization", "Bearer secret-of-theirs"]]


def test_who_is_not_signed_in_or_lacks_the_scope_is_let_in_nowhere(rig: Rig) -> None:
    assert rig.http.get("/fhir/Subscription").status_code == 401
    assert rig.http.get("/fhir/Subscription", headers={"Authorization": "Bearer a.b"}).status_code == 401
    reader = rig.as_(scope="system/Encounter.rs")
    reader.ask("POST", "Subscription", 403, json=wanted())
    reader.get("Patient/E1", 403)
    signed = rig.as_()
    rig.store.fhir.remove_client("oak", datetime.now(UTC))
    signed.get("Subscription", 401)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://elsewhere.example/token"},
        {"sub": "elm"},
        {"iss": "nobody", "sub": "nobody"},
        {"exp": 1},
        {"exp": int(datetime(2099, 1, 1, tzinfo=UTC).timestamp())},
        {"jti": ""},
        {"exp": "soon"},
        {"nbf": int(datetime(2099, 1, 1, tzinfo=UTC).timestamp())},
        {"nbf": "now"},
    ],
)
def test_an_assertion_that_is_not_fresh_or_not_for_us_signs_nobody_in(rig: Rig, claims: dict) -> None:
    answer = rig.token(**claims)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_an_assertion_is_taken_once_and_only_from_its_owner_s_key(rig: Rig) -> None:
    assert rig.token(jti="same").status_code == 200
    assert rig.token(jti="same").status_code == 401
    assert rig.token(key=OTHER).status_code == 401
    assert rig.token(scope="system/Observation.rs").json() == {"error": "invalid_scope"}
    assert rig.http.post("/fhir/token", data={"grant_type": "password"}).status_code == 400


def test_others_reach_it_by_tls_that_stands_before_it_or_not_at_all(rig: Rig) -> None:
    def server(**more):
        given = rig.settings.model_copy(update={"fhir_port": 0, **more})
        return FhirServer(given, rig.store, rig.way, lambda: rig.known, rig.fetch)

    for host in ("0.0.0.0", "::", "fhir.example.org"):
        for base in ("", "http://fhir.example.org/fhir"):
            with pytest.raises(Problem, match="HANDOFF_FHIR_BASE"):
                server(fhir_host=host, fhir_base=base)
    for more in ({"fhir_host": "::1", "fhir_base": ""}, {"fhir_host": "0.0.0.0"}):
        server(**more).close()


def test_scopes() -> None:
    assert words(granted("system/*.rs")) == (
        "system/CareTeam.s system/Encounter.rs system/Patient.rs system/Subscription.rs"
    )
    for unread in (
        "system/Patient.rs?_id=1",
        "system/Patient.destroy",
        "system/Patient.sr",
        "system/Patient.",
        "Patient.r",
    ):
        assert granted(unread) == {}, "never more than was asked for"
    assert words(granted("system/Subscription.write system/Encounter.read user/Patient.rs")) == (
        "system/Encounter.rs system/Subscription.cud"
    )


def test_what_is_asked_wrongly_is_an_outcome(rig: Rig) -> None:
    client = rig.as_()
    client.ask("POST", "Subscription", 422, json=wanted(criteria="Encounter?status=finished"))
    client.ask("POST", "Subscription", 422, json=wanted(end="2020-01-01T00:00:00Z"))
    client.ask("POST", "Subscription", 422, json=wanted(channel={"endpoint": "ftp://example.org"}))
    client.ask("POST", "Subscription", 400, content=b"{")
    client.ask("POST", "Subscription", 400, content=b"[]")
    client.ask("POST", "Subscription", 413, content=b" " * 70_000)
    for said_never_again in (b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a":' * 5000):
        client.ask("POST", "Subscription", 400, content=said_never_again)
    nested = base64.urlsafe_b64encode(b'{"a":' * 2000 + b"1" + b"}" * 2000).decode()
    grant = {"grant_type": "client_credentials", "client_assertion": f"{nested}.{nested}.x"}
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert rig.http.post("/fhir/token", data=grant | {"client_assertion_type": kind}).status_code == 401
    client.get("Subscription", 400, criteria="x")
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    client.get(f"Subscription/{name}/$events", 400, eventsSinceNumber="-1")
    client.get(f"Subscription/{name}/$events", 422, content="full-resource")
    client.ask("POST", f"Subscription/{name}/$events", 400, json={"parameter": [5]})
    body = {"resourceType": "Parameters", "parameter": [{"name": "eventsSinceNumber", "valueString": "1"}]}
    assert client.ask("POST", f"Subscription/{name}/$events", json=body)["type"] == "history"


def test_what_it_can_is_said_without_signing_in(rig: Rig) -> None:
    told_by = rig.http.get("/fhir/.well-known/smart-configuration").json()
    assert told_by["token_endpoint"] == f"{BASE}/token"
    assert told_by["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert rig.http.get("/fhir/metadata").json()["fhirVersion"] == "4.0.1"


@pytest.mark.servers
def test_every_answer_is_valid_to_a_validator_nobody_here_wrote(rig: Rig, validator: Path, tmp_path: Path) -> None:
    answers = [rig.http.get("/fhir/metadata").json()]
    client = rig.as_()
    for content in ("empty", "id-only", "full-resource"):
        name = client.ask("POST", "Subscription", 201, json=wanted(content))["id"]
        answers += [client.get(f"Subscription/{name}"), *rig.upkeep()]
    rig.decide_all(record(1), record(2), record(3, "E2", visit="V2"))
    rig.store.fhir.put_client(
        FhirClient(client_id="mission", whose=Whose.HOSPITAL, owner_id="MISSION", keys=public()), NOW
    )
    hospital = rig.as_("mission", "system/CareTeam.s")
    teams = [hospital.get("CareTeam", **{"patient.identifier": f"MISSION|{mrn}"}) for mrn in ("M1", "M999")]
    assert [team["total"] for team in teams] == [1, 0]
    answers += teams
    rig.decide_all(take_back(4), rule=retracting)
    answers += [*rig.deliver(), client.get(f"Subscription/{name}/$events"), client.get("Subscription/$status")]
    answers += [client.get(f"Encounter/{message_id(1)}"), client.get("Patient/E1"), client.get("Subscription")]
    rig.store.destinations.move(name, State.PAUSED, datetime.now(UTC), BY_A_PERSON)
    answers += [client.get(f"Subscription/{name}"), client.get("Subscription/$status")]
    names = []
    for number, answer in enumerate(answers):
        path = tmp_path / f"{number:03}.json"
        path.write_text(json.dumps(answer))
        names.append(str(path))
    done = subprocess.run(["sh", str(validator / "run.sh"), *names], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_what_a_destination_of_another_form_is_told_has_no_number(rig: Rig) -> None:
    rig.store.destinations.put(destination(), NOW)
    rig.decide_all(record(1))
    assert len(rig.store.deliveries.of(destination_id="d1")) == 1
    assert rig.store.fhir.events("d1", 0, 9) == []
