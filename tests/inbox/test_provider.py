"""Signing in at an OpenID provider: a foreign one in a real browser, and a stub for what none of them should do."""

import threading
import time
from datetime import UTC, datetime

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import expect, sync_playwright

from streams.inbox.request import ASKED_AT_ONCE
from streams.inbox.sign_in import provider as module
from streams.inbox.sign_in.provider import Account, ExchangeFault, LoggedOut, Provider, ProviderAway
from streams.inbox.sign_in.tokens import LOGOUT_EVENT, TokenFault
from streams.inbox.sign_in.trip import Trip
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store.audit import Audited
from streams.store.sessions import AtProvider, Way
from tests.rigs.client import served
from tests.rigs.inbox import ORTIZ, InboxProcess, load_people, open_store, tell, town
from tests.rigs.oidc import SECRET, ForeignProvider, stub_provider
from tests.rigs.servers import free_port

DISCOVERY = "/.well-known/openid-configuration"
FRONT = "http://127.0.0.1:8080"


class Stub:
    """The answers of a provider, and the key it signs with."""

    def __init__(self):
        self.answers = {
            DISCOVERY: (
                200,
                {
                    "issuer": "ISSUER",
                    "authorization_endpoint": "ISSUER/auth?tenant=1",
                    "token_endpoint": "ISSUER/token",
                    "jwks_uri": "ISSUER/keys",
                    "userinfo_endpoint": "ISSUER/me",
                    "end_session_endpoint": "ISSUER/out",
                },
            )
        }
        self.new_key("k1")

    def new_key(self, kid):
        self.key = RSAKey.generate_key(2048, {"kid": kid})
        self.answers["/keys"] = (200, {"keys": [self.key.as_dict(private=False)]})

    def token(self, issuer, trip, **more):
        at = int(time.time())
        values = {"iss": issuer, "aud": "inbox", "sub": "u1", "iat": at, "exp": at + 60, "nonce": trip.nonce} | more
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, values, self.key)

    def answer(self, issuer, trip, **more):
        self.answers["/token"] = (200, {"id_token": self.token(issuer, trip, **more), "access_token": "a"})


@pytest.fixture
def stub():
    return Stub()


def client_of(issuer, **more):
    return Provider(Settings(oidc_issuer=issuer, oidc_client_id="inbox", front_page=FRONT, **more))


def test_a_code_brings_who_it_is_and_userinfo_what_the_token_does_not_say(stub):
    trip = Trip.start()
    with stub_provider(stub.answers) as (issuer, asked):
        provider = client_of(issuer)
        where = httpx.URL(provider.way_in(trip))
        assert dict(where.params) == {
            "tenant": "1",
            "response_type": "code",
            "client_id": "inbox",
            "redirect_uri": f"{FRONT}/sign-in/callback",
            "scope": "openid email profile",
            "state": trip.state,
            "nonce": trip.nonce,
            "code_challenge": trip.challenge,
            "code_challenge_method": "S256",
        }
        stub.answer(issuer, trip, sid="s1")
        stub.answers["/me"] = (200, {"sub": "u1", "email": "a@example.org", "email_verified": True})
        account = provider.account("code", trip, datetime.now(UTC))
        assert isinstance(account, Account)
        assert (account.subject, account.sid, account.claims["email"]) == ("u1", "s1", "a@example.org")
        stub.answers["/me"] = (200, {"sub": "u2", "email": "b@example.org", "email_verified": True})
        assert provider.account("code", trip, datetime.now(UTC)) is ExchangeFault.OTHER_PERSON
        assert provider.account("code", Trip.start(), datetime.now(UTC)) is TokenFault.NONCE
        stub.answers["/token"] = (400, {"error": "invalid_grant"})
        assert provider.account("code", trip, datetime.now(UTC)) is ExchangeFault.CODE_REFUSED
        stub.answers["/token"] = (200, {"access_token": "a"})
        assert provider.account("code", trip, datetime.now(UTC)) is ExchangeFault.NO_TOKEN
        assert asked.count(DISCOVERY) == asked.count("/keys") == 1
        provider.close()


def test_new_keys_are_asked_for_at_once_and_not_more_often_than_once_a_minute(stub, monkeypatch):
    trip = Trip.start()
    with stub_provider(stub.answers) as (issuer, asked):
        provider = client_of(issuer)
        stub.answer(issuer, trip, email="a@example.org")
        assert isinstance(provider.account("code", trip, datetime.now(UTC)), Account)
        stub.new_key("k2")  # within a minute of the first look at its keys
        stub.answer(issuer, trip, email="a@example.org")
        assert isinstance(provider.account("code", trip, datetime.now(UTC)), Account)
        stub.new_key("k3")
        stub.answer(issuer, trip, email="a@example.org")
        for _ in range(5):  # within a minute of that: the keys stand, however often somebody asks
            assert provider.account("code", trip, datetime.now(UTC)) is TokenFault.UNKNOWN_KEY
        assert asked.count("/keys") == 2
        monkeypatch.setattr(module, "KEYS_AGAIN_SECONDS", 0.0)
        assert isinstance(provider.account("code", trip, datetime.now(UTC)), Account)
        assert asked.count("/keys") == 3
        provider.close()


def test_a_key_that_changed_under_its_name_is_asked_for_again(stub, monkeypatch):
    trip = Trip.start()
    monkeypatch.setattr(module, "KEYS_AGAIN_SECONDS", 0.0)
    with stub_provider(stub.answers) as (issuer, asked):
        provider = client_of(issuer)
        stub.answer(issuer, trip, email="a@example.org")
        assert isinstance(provider.account("code", trip, datetime.now(UTC)), Account)
        before = stub.answers["/keys"]
        stub.new_key("k1")
        stub.answer(issuer, trip, email="a@example.org")
        stub.answers["/keys"], new = before, stub.answers["/keys"]
        assert provider.account("code", trip, datetime.now(UTC)) is TokenFault.SIGNATURE
        stub.answers["/keys"] = new
        assert isinstance(provider.account("code", trip, datetime.now(UTC)), Account)
        assert asked.count("/keys") == 3
        provider.close()


def test_what_did_not_answer_is_not_asked_again_at_once_and_what_it_said_before_stands(stub, monkeypatch):
    trip = Trip.start()
    with stub_provider(stub.answers) as (issuer, asked):
        provider, said = client_of(issuer), stub.answers[DISCOVERY]
        stub.answers[DISCOVERY] = (503, {})
        for _ in range(3):
            with pytest.raises(ProviderAway, match="answers 503"):
                provider.way_in(trip)
        assert asked.count(DISCOVERY) == 1
        monkeypatch.setattr(module, "AWAY_SECONDS", 0.0)
        provider._away_until = float("-inf")
        stub.answers[DISCOVERY] = said
        stub.answer(issuer, trip, email="a@example.org")
        stub.answers["/keys"], keys = (503, {}), stub.answers["/keys"]
        with pytest.raises(ProviderAway, match="/keys answers 503"):
            provider.account("code", trip, datetime.now(UTC))
        stub.answers["/keys"] = keys
        assert isinstance(provider.account("code", trip, datetime.now(UTC)), Account), "keys were not taken for read"
        monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
        stub.answers[DISCOVERY] = (503, {})
        assert provider.way_out("hint").startswith(f"{issuer}/out")
        provider.close()


def test_a_provider_that_hangs_keeps_nobody_waiting_who_is_signed_in(tmp_path):
    settings = Settings(
        data_dir=tmp_path, oidc_issuer="http://127.0.0.1:1", oidc_client_id="inbox", front_page="http://127.0.0.1:8080"
    )
    store = open_store(settings)
    load_people(store)
    answers, hung = threading.Event(), threading.Semaphore(0)

    def way_in(_trip):
        hung.release()
        answers.wait(30)
        raise ProviderAway("it hangs")

    with served(settings, store) as (client, inbox):
        inbox.provider.way_in = way_in
        strangers = [
            threading.Thread(target=client.get, args=("/sign-in/provider",))
            for _ in range(60)  # more than there are threads for pages
        ]
        for stranger in strangers:
            stranger.start()
        for _ in range(ASKED_AT_ONCE):
            assert hung.acquire(timeout=30)
        assert client.get("/").status_code == 200
        answers.set()
        for stranger in strangers:
            stranger.join(30)
    store.close()


def test_wrong_answers_of_others_at_an_address_close_no_browser_s_way_in(tmp_path):
    settings = Settings(data_dir=tmp_path, oidc_issuer="http://127.0.0.1:1", oidc_client_id="inbox", front_page=FRONT)
    store = open_store(settings)
    load_people(store)
    with served(settings, store, None) as (client, inbox):
        inbox.provider.way_in = lambda _trip: f"{FRONT}/auth"
        for _ in range(11):
            client.cookies.clear()
            answer = client.get("/sign-in/callback?state=x&code=y")
        assert answer.status_code == 429
        assert client.get("/sign-in/provider").status_code == 303
        assert client.get("/sign-in/callback?state=x&code=y").status_code == 401
    store.close()


def test_a_logout_token_ends_that_session_and_an_id_token_ends_none(stub):
    trip = Trip.start()
    with stub_provider(stub.answers) as (issuer, _):
        provider = client_of(issuer)
        events = {LOGOUT_EVENT: {}}
        token = stub.token(issuer, trip, sid="s1", jti="j", events=events)
        assert provider.logged_out(token, datetime.now(UTC)) is TokenFault.NONCE
        at = int(time.time())
        values = {"iss": issuer, "aud": "inbox", "sub": "u1", "iat": at, "jti": "j", "sid": "s1", "events": events}
        token = jwt.encode({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}, values, stub.key)
        assert provider.logged_out(token, datetime.now(UTC)) == LoggedOut(issuer, "s1", "u1")
        assert provider.logged_out("", datetime.now(UTC)) is TokenFault.NOT_A_TOKEN
        out = httpx.URL(provider.way_out("hint"))
        assert (out.path, out.params["id_token_hint"]) == ("/out", "hint")
        assert out.params["post_logout_redirect_uri"] == f"{FRONT}/signed-out"
        provider.close()


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        (DISCOVERY, (200, {"issuer": "https://other.example"}), "another issuer"),
        (DISCOVERY, (200, {"issuer": "ISSUER", "authorization_endpoint": "file:///etc"}), "authorization_endpoint"),
        (DISCOVERY, (500, {}), "answers 500"),
        (DISCOVERY, (302, {}), "answers 302"),
        ("/token", (503, {}), "token endpoint"),
        ("/keys", (404, {}), "/keys answers 404"),
        ("/token", (200, {"id_token": "x" * 400_000}), "too much"),
    ],
)
def test_a_provider_that_does_not_answer_as_one_is_away(stub, path, answer, why):
    trip = Trip.start()
    with stub_provider(stub.answers) as (issuer, _):
        stub.answer(issuer, trip)
        stub.answers[path] = answer
        provider = client_of(issuer)
        with pytest.raises(ProviderAway, match=why):
            provider.account("code", trip, datetime.now(UTC))
        provider.close()
    gone = client_of("http://127.0.0.1:1")
    with pytest.raises(ProviderAway, match="ConnectError"):
        gone.way_in(trip)
    gone.close()


def test_settings_that_do_not_suffice_say_what_is_needed(tmp_path):
    with pytest.raises(Problem, match="HANDOFF_FRONT_PAGE"):
        Provider(Settings(oidc_issuer="https://id.example.org", oidc_client_id="inbox"))
    with pytest.raises(Problem, match="https"):
        client_of("http://id.example.org")
    with pytest.raises(Problem, match="HANDOFF_OIDC_CLIENT_SECRET"):
        client_of("https://id.example.org", oidc_client_secret=tmp_path / "none")


def test_an_account_is_bound_once_and_an_address_that_changes_hands_takes_no_row(tmp_path):
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings)
    now = datetime.now(UTC)
    try:
        assert store.identities.bind("i", "u1", "cm-ortiz", now)
        assert store.identities.bind("i", "u1", "cm-ortiz", now)
        assert not store.identities.bind("i", "u2", "cm-ortiz", now)  # the same e-mail, another account
        assert not store.identities.bind("i", "u1", "cm-brown", now)
        assert store.identities.bind("another", "u2", "cm-ortiz", now)
        assert store.identities.bound("i", "u1") == "cm-ortiz"
        assert store.identities.bound("i", "u2") is None
        assert store.identities.forget("cm-ortiz", now) == 2
        assert store.identities.bind("i", "u2", "cm-ortiz", now)
        done = [row.what for row in reversed(store.audit.read())]
        assert done == [Audited.BOUND, Audited.BOUND, Audited.UNBOUND, Audited.BOUND]
    finally:
        store.close()


def test_the_provider_s_word_ends_what_it_names_and_nothing_else(tmp_path):
    store = open_store(Settings(data_dir=tmp_path))
    now = datetime.now(UTC)

    def session(issuer, subject, sid):
        at = AtProvider(issuer, subject, sid, "token")
        return store.sessions.open("cm-ortiz", now, way=Way.PROVIDER, at=at)

    def live():
        return [name for name, opened in sessions.items() if store.sessions.find(opened.secret, now)]

    try:
        sessions = {
            "s1": session("i", "u1", "s1"),
            "s2": session("i", "u1", "s2"),
            "other": session("i", "u2", "s3"),
            "unnamed": session("i", "u3", ""),
            "elsewhere": session("j", "u1", "s1"),
            "link": store.sessions.open("cm-ortiz", now),
        }
        assert store.sessions.end_at("i", "s1", "u2", now) == 0
        assert store.sessions.end_at("i", "s1", "", now) == 1
        assert live() == ["s2", "other", "unnamed", "elsewhere", "link"]
        assert store.sessions.end_at("i", "s9", "u3", now) == 1  # nobody said which session of u3 this was
        assert store.sessions.end_at("i", "", "u1", now) == 1
        assert store.sessions.end_at("i", "", "", now) == 0
        assert live() == ["other", "elsewhere", "link"]
        assert store.audit.read()[0].what is Audited.ENDED
    finally:
        store.close()


def test_a_browser_brings_the_provider_s_word_without_a_cookie_and_it_ends_that_session_alone(tmp_path):
    issuer = "http://127.0.0.1:1"
    settings = Settings(data_dir=tmp_path, oidc_issuer=issuer, oidc_client_id="inbox", front_page=FRONT)
    store = open_store(settings)
    load_people(store)
    now = datetime.now(UTC)
    mine, hers, link = (
        store.sessions.open(who, now, way=Way.PROVIDER, at=at)
        for who, at in (
            ("cm-ortiz", AtProvider(issuer, "u1", "s1", "t")),
            ("cm-ortiz", AtProvider(issuer, "u1", "s2", "t")),
            ("cm-brown", None),
        )
    )
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}

    def said(**asked):
        answer = client.get("/sign-out/front-channel", params=asked, headers=framed)
        assert answer.headers["cache-control"] == "no-store"
        live = [name for name, each in (("mine", mine), ("hers", hers), ("link", link))
                if store.sessions.find(each.secret, now)]  # fmt: skip
        return answer.status_code, live

    with served(settings, store, None) as (client, _):
        every = ["mine", "hers", "link"]
        assert said() == said(sid="s1") == said(iss=issuer) == said(iss=issuer, sid="") == (400, every)
        assert said(iss="http://other.example", sid="s1") == (400, every)
        assert said(iss=issuer, sid="s9") == (200, every)
        assert said(iss=issuer, sid="s1") == said(iss=issuer, sid="s1") == (200, ["hers", "link"])
    assert store.audit.read()[0].what is Audited.ENDED
    store.close()


# a provider nobody here wrote, in a real browser


@pytest.fixture
def signed_up(tmp_path, monkeypatch):
    """An inbox that people sign in to at the foreign provider, and that provider."""
    port = free_port()
    front = f"http://127.0.0.1:{port}"
    foreign = ForeignProvider(tmp_path / "provider", front)
    (tmp_path / "secret").write_text(SECRET + "\n")
    for name, value in {
        "HANDOFF_OIDC_ISSUER": foreign.issuer,
        "HANDOFF_OIDC_CLIENT_ID": "inbox",
        "HANDOFF_OIDC_CLIENT_SECRET": str(tmp_path / "secret"),
        "HANDOFF_FRONT_PAGE": front,
        "HANDOFF_INBOX_CONTACT": "the help desk, 828-555-0100",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings(data_dir=tmp_path / "data", inbox_port=port)
    store = open_store(settings)
    people, versions = town()
    load_people(store, people)
    store.directory.load([], [], [ORTIZ.model_copy(update={"email": "Ortiz@example.org"})], [], [], replace=False)
    tell(store, *versions)
    inbox = InboxProcess(settings)
    try:
        inbox.start()
        yield front, foreign, store, inbox
    finally:
        foreign.stop()
        store.close()
        inbox.stop()


def at_provider(page, name):
    page.get_by_role("link", name="Sign in").click()
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


@pytest.mark.servers
def test_in_and_out_at_a_foreign_provider_in_a_real_browser(chromium, signed_up):
    front, foreign, store, inbox = signed_up
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            page = chrome.new_context().new_page()
            page.goto(f"{front}/")
            at_provider(page, "ortiz")
            expect(page.get_by_text("M. Ortiz, RN").first).to_be_visible()
            assert page.url == f"{front}/"
            assert store.audit.read()[-1].what in {Audited.BOUND, Audited.SIGNED_IN}
            # out, and at the provider too: the next "sign in" asks again
            page.get_by_role("button", name="Sign out").click()
            page.get_by_role("button", name="Yes, sign me out").click()
            expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
            page.goto(f"{front}/")
            at_provider(page, "ortiz")
            expect(page.get_by_text("M. Ortiz, RN").first).to_be_visible()
            # the provider ends it: the page shows nothing any more
            elsewhere = page.context.new_page()
            elsewhere.goto(f"{foreign.issuer}/session/end")
            elsewhere.get_by_role("button", name="Yes, sign me out").click()
            expect(elsewhere.get_by_text("Sign-out Success")).to_be_visible()
            page.goto(f"{front}/")
            expect(page.get_by_role("heading", name="Please sign in")).to_be_visible()
            # somebody whom only the provider knows, and another account with the same verified address
            for name in ("stranger", "ortiz2", "unverified"):
                other = chrome.new_context().new_page()
                other.goto(f"{front}/")
                at_provider(other, name)
                expect(other.get_by_role("heading", name="You have no inbox here")).to_be_visible()
                expect(other.get_by_text("Ask the help desk, 828-555-0100.")).to_be_visible()
        finally:
            chrome.close()
    with httpx.Client(base_url=front) as client:
        assert client.get("/sign-in/callback?code=x&state=y").status_code == 401
        assert client.post("/sign-out/back-channel", data={"logout_token": "a.b.c"}).status_code == 400
    log = inbox.log.read_text()
    assert "other_account" in log
    for word in ("example.org", SECRET, "eyJ"):
        assert word not in log, word
