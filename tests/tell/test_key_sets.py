"""Keys of FHIR clients that publish them: fetched as deliveries go, kept for a while, changed by their owner."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from rules.telling.destinations import Whose
from streams.store.fhir import FhirClient
from streams.tell.serving.key_sets import APART, FRESH, KEPT, MOST_BYTES, KeySets, read_key_set
from streams.tell.ways.http import Http
from tests.rigs.store import store, store_url
from tests.tell.test_fhir_server import Rig, rig

__all__ = ["rig", "store", "store_url"]

NOW = datetime.now(UTC)
URL = "https://oak.example/jwks.json"
ONE, TWO = (ECKey.generate_key("P-384", {"kid": kid}) for kid in ("one", "two"))
OAK = FhirClient(client_id="oak", whose=Whose.PRACTICE, owner_id="P1", jwks_url=URL)


def a_set(*keys) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


class Published:
    """What lies at the URL; `None`: it does not answer."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.fetches = 0

    async def fetch(self, url: str, private: bool, most_bytes: int) -> bytes | None:
        assert (url, private, most_bytes) == (URL, False, MOST_BYTES)
        self.fetches += 1
        return self.content


def kids(sets: KeySets, kid: str, after: timedelta = timedelta()) -> list[str]:
    key_set = asyncio.run(sets.keys_of(OAK, kid, NOW + after))
    return [key["kid"] for key in key_set["keys"]]


def test_a_set_is_fetched_once_and_again_when_it_is_old() -> None:
    published = Published(a_set(ONE))
    sets = KeySets(published.fetch)
    for after, fetches in ((timedelta(), 1), (FRESH / 2, 1), (FRESH, 2), (FRESH * 1.5, 2)):
        assert kids(sets, "one", after) == ["one"]
        assert published.fetches == fetches


def test_a_key_nobody_knows_is_looked_for_at_once_but_not_at_anybody_s_pace() -> None:
    published = Published(a_set(ONE))
    sets = KeySets(published.fetch)
    assert kids(sets, "one") == ["one"]
    published.content = a_set(TWO)
    assert kids(sets, "two", APART / 2) == ["one"], "it was asked a moment ago"
    assert kids(sets, "two", APART) == ["two"]
    for second in range(1, 9):
        kids(sets, "three", APART + timedelta(seconds=second))
    assert published.fetches == 2


@pytest.mark.parametrize("content", [None, b"", b"<html>", b"[]", b'{"keys": [{}]}', a_set()])
def test_a_set_that_cannot_be_had_serves_for_an_hour_more(content: bytes | None) -> None:
    published = Published(a_set(ONE))
    sets = KeySets(published.fetch)
    kids(sets, "one")
    published.content = content
    assert kids(sets, "one", KEPT - timedelta(seconds=1)) == ["one"]
    assert kids(sets, "one", KEPT) == []
    published.content = a_set(ONE)
    assert kids(sets, "one", KEPT + APART) == ["one"]


def test_one_that_never_answered_opens_nothing() -> None:
    sets = KeySets(Published(None).fetch)
    assert kids(sets, "one") == kids(sets, "one", FRESH) == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"{", "no JSON Web Key Set"),
        (b"\xff", "no JSON Web Key Set"),
        (b'{"keys": 7}', "no JSON Web Key Set"),
        (b"[" * 100_000, "no JSON Web Key Set"),
        (b'{"keys": [{"kty": "EC", "kid": "x"}]}', "no JSON Web Key Set"),
        (json.dumps({"keys": [ONE.as_dict(private=True)]}).encode(), "private key"),
        pytest.param(
            json.dumps({"keys": [OctKey.generate_key(256).as_dict(private=True)]}).encode(),
            "private key",
            id="a shared secret",
        ),
        (b'{"keys": []}', "no JSON Web Key Set"),
        (a_set(ECKey.generate_key("P-384", {"kid": ""}, auto_kid=False)), "needs a kid"),
    ],
)
def test_what_is_no_set_of_public_keys_says_why(raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_key_set(raw)


def test_keys_of_a_kind_that_signs_nothing_here_are_left_out() -> None:
    rsa = RSAKey.generate_key(2048, {"kid": "three"})
    raw = json.loads(a_set(ONE, rsa))
    raw["keys"].append({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})
    assert [key["kid"] for key in read_key_set(json.dumps(raw).encode())["keys"]] == ["one", "three"]


def test_a_client_signs_in_by_what_it_publishes_and_changes_its_key(rig: Rig) -> None:
    rig.store.fhir.put_client(OAK, NOW)
    rig.published[URL] = a_set(ONE)
    assert rig.token(key=ONE).status_code == 200
    assert rig.token(key=TWO).status_code == 401, "named one, and is not"
    assert rig.token(key=ONE).status_code == 200
    assert rig.fetched == [URL]


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"/set": a_set(ONE), "/large": b"x" * (MOST_BYTES + 1), "/moved": b"", "/none": b""}[self.path]
        self.send_response({"/moved": 302, "/none": 404}.get(self.path, 200))
        self.send_header("Location", "/set")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def served():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def fetched(url: str, private: bool = True) -> bytes | None:
    async def run():
        way = Http()
        try:
            return await way.fetch(url, private, MOST_BYTES)
        finally:
            await way.close()

    return asyncio.run(run())


def test_it_is_fetched_by_the_rules_of_deliveries(served: str) -> None:
    assert fetched(f"{served}/set") == a_set(ONE)
    for path in ("/large", "/moved", "/none"):
        assert fetched(served + path) is None
    assert fetched(f"{served}/set", private=False) is None, "one's own network is refused"
    assert fetched("https://nobody.invalid/set") is None
    assert fetched("ftp://x/set") is None
