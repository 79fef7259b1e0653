"""What a FHIR client must not get an answer to that it would misread: each gets an OperationOutcome with its reason."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.telling.attempts import Failure
from rules.telling.destinations import State
from streams.tell.serving.server import FhirServer
from streams.tell.way import NotDelivered
from tests.rigs.store import message_id, record, store, store_url
from tests.rigs.telling import NOW
from tests.tell.test_deliver import Scripted
from tests.tell.test_fhir_server import Rig, rig, wanted

__all__ = ["rig", "store", "store_url"]

MANY = "&".join(f"a{number}=1" for number in range(30))
FORM = {"content-type": "application/x-www-form-urlencoded"}


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "Observation/1", {}, 404, "not-found"),
    ("GET", "Subscription/", {}, 404, "not-found"),
    ("DELETE", "Patient/E1", {}, 405, "not-supported"),
    ("GET", "token", {}, 405, "not-supported"),
    ("GET", "metadata", {"headers": {"accept": "application/fhir+xml"}}, 406, "not-supported"),
    ("GET", "Subscription?_format=xml", {"headers": {"accept": "application/json"}}, 406, "not-supported"),
    (
        "POST",
        "Subscription",
        {"content": "<a/>", "headers": {"content-type": "application/fhir+xml"}},
        415,
        "not-supported",
    ),
    ("POST", "Subscription", {"json": wanted(), "headers": {"if-none-exist": "url=x"}}, 412, "not-supported"),
    ("GET", "Subscription?status=active&status=off", {}, 400, "not-supported"),
    ("GET", "Subscription?_count=1", {}, 400, "not-supported"),
    ("GET", "CareTeam?patient.identifier=A%7C1&patient.identifier=A%7C2", {}, 400, "not-supported"),
    (
        "POST",
        "CareTeam/_search?patient.identifier=A%7C1",
        {"data": {"patient.identifier": "A|2"}},
        400,
        "not-supported",
    ),
    ("POST", "CareTeam/_search", {"content": MANY, "headers": FORM}, 400, "too-long"),
    ("GET", "CareTeam?patient.identifier=A%7C%00", {}, 400, "required"),
    ("GET", "Encounter/%00", {}, 404, "not-found"),
    ("GET", "Patient/x.00", {}, 404, "not-found"),
]


def test_what_cannot_be_had_is_an_operation_outcome(rig: Rig) -> None:
    signed_in = rig.as_().headers
    for method, path, sent, status, code in REFUSED:
        headers = {**signed_in, **sent.get("headers", {})}
        answer = rig.http.request(method, f"/fhir/{path}", **{**sent, "headers": headers})
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), path
        assert answer.headers["content-type"] == "application/fhir+json"
        assert answer.json()["issue"][0]["code"] == code, path


def test_what_can_be_had_is_answered_however_it_is_asked(rig: Rig) -> None:
    signed_in = rig.as_()
    made = signed_in.ask("POST", "Subscription", 201, json=wanted())
    for said in ("application/fhir+json", "application/fhir+xml, application/json;q=0.5", "*/*", ""):
        assert rig.http.get("/fhir/metadata", headers={"accept": said}).status_code == 200
    for said in ("json", "application/fhir%2Bjson", "application/fhir+json"):
        assert rig.http.get(f"/fhir/metadata?_format={said}", headers={"accept": "text/turtle"}).status_code == 200
    assert signed_in.ask("POST", "Subscription/_search", data={"status": "requested"})["total"] == 1
    assert signed_in.ask("GET", "Subscription?_sort=status&_summary=false&_pretty=true")["total"] == 1, (
        "all, as they are"
    )
    assert signed_in.ask("POST", f"Subscription/{made['id']}/$events")["type"] == "history"
    signed_in.ask("POST", f"Subscription/{made['id']}/$events", 400, json={"resourceType": "Patient"})


def test_a_form_nobody_fills_in_is_no_fault_of_ours(rig: Rig) -> None:
    answer = rig.http.post("/fhir/token", content=MANY, headers=FORM)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
    assert rig.token(who="a\0b").json() == {"error": "invalid_client"}


class Meanwhile(Scripted):
    """A handshake, during which its client does something."""

    def __init__(self, does: Any) -> None:
        super().__init__()
        self.does = does

    async def deliver(self, parcel, to, secrets):
        does, self.does = self.does, lambda: None
        does()
        return await super().deliver(parcel, to, secrets)


def test_an_assertion_that_comes_to_several_processes_at_once_is_taken_by_one(rig: Rig) -> None:
    until = NOW + timedelta(minutes=5)
    for number in range(10):
        with ThreadPoolExecutor(8) as pool:
            first = list(
                pool.map(lambda _, jti=str(number): rig.store.fhir.first_use("oak", jti, NOW, until), range(8))
            )
        assert sorted(first) == [False] * 7 + [True]


def test_what_is_deleted_during_its_handshake_stays_deleted(rig: Rig) -> None:
    client = rig.as_()
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    rig.server._way = rig.way = Meanwhile(lambda: client.ask("DELETE", f"Subscription/{name}", 204))
    rig.upkeep()
    client.get(f"Subscription/{name}", 404)
    assert client.get("Subscription")["total"] == 0
    rig.decide_all(record(1))
    assert rig.deliver() == []
    client.get(f"Encounter/{message_id(1)}", 404)


def test_what_is_changed_during_its_handshake_is_shaken_hands_with_anew(rig: Rig) -> None:
    client = rig.as_()
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    elsewhere = wanted(channel={"endpoint": "https://127.0.0.2/new"})
    rig.server._way = rig.way = Meanwhile(lambda: client.ask("PUT", f"Subscription/{name}", json=elsewhere))
    rig.upkeep()
    assert client.get(f"Subscription/{name}")["status"] == "requested", "the old address said yes, not the new one"
    rig.upkeep()
    assert client.get(f"Subscription/{name}")["status"] == "active"
    (row,) = rig.store.destinations.all()
    assert row.destination.address == "https://127.0.0.2/new"


def test_of_several_processes_one_shakes_hands(rig: Rig) -> None:
    client = rig.as_()
    client.ask("POST", "Subscription", 201, json=wanted())
    other = FhirServer(
        rig.settings.model_copy(update={"fhir_port": 0}), rig.store, rig.way, lambda: rig.known, rig.fetch
    )

    async def at_once(now: datetime) -> None:
        await asyncio.gather(rig.server.turn(now), other.turn(now))

    try:
        asyncio.run(at_once(NOW))
        assert len(rig.way.sent) == 1
        client.ask("POST", "Subscription", 201, json=wanted())
        asyncio.run(other.turn(NOW + timedelta(minutes=1)))
        assert len(rig.way.sent) == 2, "the other goes on where one is gone"
    finally:
        other.close()


def test_two_processes_shake_hands_and_the_first_answer_counts(rig: Rig) -> None:
    client = rig.as_()
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    (row,) = rig.store.destinations.all()

    def another_process() -> None:
        assert rig.store.destinations.move(name, State.ACTIVE, datetime.now(UTC), as_of=row.changed_at)

    rig.server._way = rig.way = Meanwhile(another_process)
    rig.way.said = [NotDelivered(Failure.TIMED_OUT)]
    rig.upkeep()
    assert client.get(f"Subscription/{name}")["status"] == "active"


def test_nothing_brings_back_what_was_removed(rig: Rig) -> None:
    client = rig.as_()
    name = client.ask("POST", "Subscription", 201, json=wanted())["id"]
    (row,) = rig.store.destinations.all()
    assert rig.store.destinations.move(name, State.REMOVED, NOW)
    assert not rig.store.destinations.move(name, State.ACTIVE, NOW)
    rig.store.destinations.put(row.destination, NOW)
    assert rig.store.destinations.all() == []


def test_a_server_that_looks_after_nothing_any_more_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise LookupError

    monkeypatch.setattr(rig.server._upkeep, "rows", broken)
    with pytest.raises(LookupError):
        asyncio.run(asyncio.wait_for(rig.server.serve(), 30))
