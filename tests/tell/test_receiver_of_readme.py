"""README's webhook receiver and FHIR client, run as they are printed: what is sent is verified, a gap is filled."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rules.telling.attempts import Failure
from rules.telling.destinations import Whose
from streams.store.fhir import FhirClient
from streams.tell.parcels import WebhookJson
from streams.tell.way import Delivered, NotDelivered, Secrets
from streams.tell.ways.http import Http
from tests.rigs.servers import free_port
from tests.rigs.store import record, store, store_url
from tests.rigs.telling import NOW, destination
from tests.tell.test_fhir_server import Rig, rig, status_in

__all__ = ["rig", "store", "store_url"]

README = Path(__file__).resolve().parents[2] / "README.md"


def printed(name: str) -> str:
    """A program in README."""
    match = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", README.read_text(), re.S)
    assert match, name
    return match[1]


def test_the_receiver_in_readme_verifies_what_is_sent(tmp_path: Path) -> None:
    program = tmp_path / "receiver.py"
    program.write_text(printed("receiver"))
    secret, port = "whsec_" + "c2Vj" * 8, free_port()
    environment = {**os.environ, "SECRET": secret, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(port)
        to = destination(address=f"http://127.0.0.1:{port}/hook", allow_private=True)
        said = asyncio.run(send(to, secret, secret, "whsec_" + "ZXZl" * 8))
        assert said == [Delivered("204"), Delivered("204"), NotDelivered(Failure.NOT_ALLOWED, "401")]
    finally:
        running.terminate()
        output = running.communicate()[0]
    assert output.splitlines() == ["stay.started test 1"], "the repetition is told by its id"


async def send(to, *secrets: str):
    way = Http()
    parcel = WebhookJson().sample(to, NOW)
    try:
        return [await way.deliver(parcel, to, Secrets({"signing": (secret,)})) for secret in secrets]
    finally:
        await way.close()


async def anywhere(*_: object, **__: object) -> None:
    """For what names the address of somebody else: nothing is asked of the network."""


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the receiver did not start")


def test_the_fhir_client_in_readme_signs_in_subscribes_and_fills_its_gap(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(printed("fhir keys"), {})
    keys = json.loads((tmp_path / "jwks.json").read_text())
    rig.store.fhir.put_client(
        FhirClient(client_id="oak-ehr", whose=Whose.PRACTICE, owner_id="P1", keys=keys, allow_private=True), NOW
    )

    class Client:
        """`httpx.Client`, to the server of the test."""

        def __init__(self, base_url: str, headers: dict[str, str]) -> None:
            self.base, self.headers = base_url, headers

        def get(self, path: str, **more):
            return rig.http.get(self.base + path, headers=self.headers, **more)

        def post(self, path: str, **more):
            return rig.http.post(self.base + path, headers=self.headers, **more)

    monkeypatch.setitem(sys.modules, "httpx", SimpleNamespace(post=rig.http.post, Client=Client))
    monkeypatch.setattr("streams.tell.serving.subscriptions.look_up", anywhere)
    subscribes, _, asks = printed("fhir client").partition("last = 41")
    known: dict[str, object] = {}
    exec(subscribes, known)
    rig.upkeep()
    rig.decide_all(record(1), record(2, "E1", visit="V2"), record(3, "E1", visit="V3"))
    exec(f"last = 1{asks}", known)
    assert status_in(known["missed"])["numbers"] == ["2", "3"]
