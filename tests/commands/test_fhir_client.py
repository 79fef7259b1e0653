"""`handoff fhir-client`: whose a client is and by which public keys it signs in."""

import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from rules.telling.destinations import FormKind, State
from streams.cli import app
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store.fhir import CLIENT
from streams.store.opening import open_store
from streams.tell.ways.http import Http
from tests.rigs.telling import NOW, destination

KEY = ECKey.generate_key("P-384", {"kid": "one"})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["fhir-client", *words])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def keys(folder: Path, *jwks: dict) -> str:
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": jwks}))
    return str(path)


def test_added_listed_and_removed(here: Path) -> None:
    said = run("add", "oak", keys(here, KEY.as_dict(private=False)), "--whose", "practice:P1")
    assert "HANDOFF_FHIR_PORT is not set" in said
    (row,) = [json.loads(text) for text in run("list", "--json").splitlines()]
    assert row == {
        "client_id": "oak", "whose": "practice", "owner_id": "P1", "tier": "full", "keys": ["one"], "subscriptions": 0,
    }  # fmt: skip
    assert "practice:P1, keys one, 0 subscriptions" in run("list")
    run("remove", "oak")
    assert "no FHIR client" in run("list")
    with pytest.raises(Problem, match="no such client"):
        run("remove", "oak")


def test_whose_a_client_is_now_is_what_its_subscriptions_are_told(here: Path) -> None:
    path = keys(here, KEY.as_dict(private=False))
    run("add", "oak", path, "--whose", "practice:P1")
    with open_store(Settings()) as store:
        made = destination("sub-1", FormKind.SUBSCRIPTION, state=State.PAUSED, options={CLIENT: "oak"})
        store.destinations.put(made, NOW, "requested")
        run("add", "oak", path, "--whose", "practice:P2", "--tier", "general")
        (row,) = store.destinations.all()
    changed = row.destination
    assert (changed.owner_id, changed.tier, changed.state, row.why) == ("P2", "general", State.PAUSED, "requested")


@pytest.mark.parametrize(
    ("jwks", "words", "why"),
    [
        ([KEY.as_dict(private=True)], ("--whose", "practice:P1"), "private key"),
        ([], ("--whose", "practice:P1"), "no JSON Web Key Set"),
        ([{"kty": "?"}], ("--whose", "practice:P1"), "no JSON Web Key Set"),
        ([KEY.as_dict(private=False)], ("--whose", "practice"), "--whose"),
        ([KEY.as_dict(private=False)], ("--whose", "partner", "--tier", "all"), "--tier"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(here: Path, jwks: list, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(Problem, match=why):
        run("add", "oak", keys(here, *jwks), *words)
    with pytest.raises(Problem, match="letters, digits"):
        run("add", "a b", keys(here, *jwks), *words)


def test_keys_may_lie_at_a_url_and_are_looked_at_when_it_is_given(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, key_set = "https://oak.example/jwks.json", {"keys": [KEY.as_dict(private=False)]}

    async def fetch(self: Http, address: str, private: bool, most_bytes: int) -> bytes | None:
        return json.dumps(key_set).encode() if address == url and not private else None

    monkeypatch.setattr(Http, "fetch", fetch)
    run("add", "oak", url, "--whose", "practice:P1")
    (row,) = [json.loads(text) for text in run("list", "--json").splitlines()]
    assert row["keys"] == [url]
    with pytest.raises(Problem, match="does not answer"):
        run("add", "oak", "https://elm.example/jwks.json", "--whose", "practice:P1")
    key_set["keys"] = []
    with pytest.raises(Problem, match="no JSON Web Key Set"):
        run("add", "oak", url, "--whose", "practice:P1")
    with pytest.raises(Problem, match="cannot be read"):
        run("add", "oak", str(here / "none.json"), "--whose", "practice:P1")
