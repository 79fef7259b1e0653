"""Signing in without a provider: what lets in, what does not, how it is slowed, and what is never told or kept."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import expect
from structlog.testing import capture_logs

from parsers.people import CaseManager, Role
from streams.inbox.links import NoInbox, make_enrollment, part_from_account
from streams.inbox.request import COOKIE
from streams.inbox.sign_in import second_factor
from streams.inbox.sign_in.known import KNOWN, cookie_for, whose
from streams.inbox.sign_in.passkeys import Answer, PasskeyFault, answer_of, made, place_of, sign_count
from streams.inbox.sign_in.passwords import PasswordFault, fault_of, fits, hash_of
from streams.store.audit import Audited
from streams.store.credentials import Passkey, Password
from streams.store.guessing import ADDRESS, PERSON, Limit
from streams.store.sessions import Way
from streams.store.sign_in import Purpose
from tests.rigs.client import browser
from tests.rigs.inbox import BROWN, LANE, ORTIZ, load_people

PASSWORD = "four quiet herons walk"
SECRET = b"12345678901234567890"


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Hashes that cost nothing here."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("streams.inbox.sign_in.passwords._hasher", hasher)


def code_at(now, secret=SECRET):
    return TOTP(secret, 6, SHA1(), 30).generate(int(now.timestamp())).decode()


def enrolled(store, settings, who=ORTIZ, codes=("abcd-abcd-abcd-abcd",)):
    now = datetime.now(UTC)
    store.credentials.set_password(
        who.case_manager_id, Password(hash_of(PASSWORD), SECRET, 0), codes, settings.secret(), now
    )


def typed(who="cm-ortiz", password=PASSWORD, code=None):
    return {"who": who, "password": password, "code": code or code_at(datetime.now(UTC))}


# what a password is, and a code


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("eleven char", PasswordFault.SHORT),
        ("x" * 300, PasswordFault.LONG),
        ("aaaaaaaaaaaaaaaa", PasswordFault.GUESSED),
        ("Password123456", PasswordFault.GUESSED),
        ("MariaOrtiz2026", PasswordFault.GUESSED),
        ("m.ortiz@clinic", PasswordFault.GUESSED),
        ("ＯＲＴＩＺ-ortiz-1234", PasswordFault.GUESSED),
        ("qwertyqwerty12", PasswordFault.GUESSED),
        ("Herbst Nurse 1", PasswordFault.GUESSED),
        ("four quiet herons walk", None),
        ("Tr0ub4dor&3xyz", None),
        ("синий слон летит", None),
    ],
)
def test_a_password_is_long_enough_without_one_s_own_name_and_what_everybody_takes(password, fault):
    assert fault_of(password, ("Maria Ortiz, RN", "cm-ortiz", "m.ortiz@clinic.example")) is fault


def test_a_password_fits_its_own_hash_however_it_is_typed_and_nobody_s_fits_none():
    kept = hash_of("ﬁve quiet hérons")
    assert kept.startswith("$argon2id$")
    assert fits(kept, "five quiet hérons")
    assert not fits(kept, "five quiet herons")
    assert not fits(None, "nobody has this password")
    assert not fits("$argon2id$cut", PASSWORD)


def test_a_code_is_of_its_half_minute_and_those_beside_it():
    at, step = datetime.fromtimestamp(1_111_111_109, UTC), 37_037_036  # RFC 6238, appendix B: the last six digits
    assert second_factor.step_of(SECRET, "081804", at) == step
    assert second_factor.step_of(SECRET, " 081 804 ", at + timedelta(seconds=30)) == step
    assert second_factor.step_of(SECRET, "081804", at - timedelta(seconds=30)) == step
    assert second_factor.step_of(SECRET, "081804", at + timedelta(seconds=61)) is None
    for wrong in ("", "08180", "é81804", "07081804", "abcdef"):
        assert second_factor.step_of(SECRET, wrong, at) is None
    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in second_factor.address_of(SECRET, "M. Ortiz")


def test_recovery_codes_are_read_however_they_are_typed():
    codes = second_factor.new_codes()
    assert len(set(codes)) == second_factor.CODES
    for code in codes:
        assert second_factor.recovery_code(f" {code.upper().replace('-', ' ')} ") == code
    assert second_factor.recovery_code("123456") == ""


# signing in by password


def test_password_and_code_sign_in_once_and_the_session_is_a_new_one(settings, store):
    load_people(store)
    enrolled(store, settings)
    with browser(settings, store, None) as client:
        planted = store.sessions.open(BROWN.case_manager_id, datetime.now(UTC))
        client.cookies.set(COOKIE, planted.secret)
        form = typed(" CM-Ortiz ")
        answer = client.post("/sign-in/password", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert client.cookies.get(COOKIE, domain="127.0.0.1") != planted.secret
        assert store.sessions.find(planted.secret, datetime.now(UTC)) is None  # fixation: what was there ends
        assert store.sessions.of("cm-ortiz", datetime.now(UTC))[0].way == Way.PASSWORD
        assert client.post("/sign-in/password", data=form).status_code == 401  # the code is used up
    signed = [row for row in store.audit.read() if row.what in {Audited.SIGNED_IN, Audited.REFUSED}]
    assert [(row.what, row.case_manager_id, row.detail) for row in signed] == [
        (Audited.REFUSED, "cm-ortiz", "password"),
        (Audited.SIGNED_IN, "cm-ortiz", "password"),
    ]
    assert all(row.origin.startswith("127.0.0.1") for row in signed)


def test_whatever_is_wrong_the_answer_is_the_same_and_says_nothing_of_who_there_is(settings, store):
    load_people(store)
    enrolled(store, settings)
    wrongs = (
        typed(password="four quiet herons ran"),
        typed(code="000000" if code_at(datetime.now(UTC)) != "000000" else "111111"),
        typed(who="cm-brown"),  # has set up nothing
        typed(who="nobody"),
        typed(who=""),
        typed(code="abcd-abcd-abcd-abce"),
    )
    with browser(settings, store, None) as client, capture_logs() as logs:
        answers = [client.post("/sign-in/password", data=wrong) for wrong in wrongs]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert "That did not sign you in" in answers[0].text
    for secret in (PASSWORD, "herons", "nobody", "abcd"):
        assert secret not in str(logs)


class TenMinutes(Limit):
    def wait(self, tries):
        return timedelta(minutes=10) if tries > self.free else timedelta()


def test_a_name_is_slowed_whether_it_is_anybody_s_or_not(settings, store, monkeypatch):
    monkeypatch.setattr("streams.inbox.pages.own_sign_in.PERSON", TenMinutes(*PERSON))
    load_people(store)
    enrolled(store, settings)
    with browser(settings, store, None) as client:
        for who in ("cm-ortiz", "nobody"):
            said = [client.post("/sign-in/password", data=typed(who, "wrong wrong wrong")) for _ in range(8)]
            assert [answer.status_code for answer in said] == [401] * 6 + [429] * 2
            assert 500 < int(said[-1].headers["retry-after"]) <= 600
            assert re.sub(r"\d", "", said[-1].text) == re.sub(r"\d", "", said[-2].text)
        assert client.post("/sign-in/password", data=typed()).status_code == 429  # the right one waits, too
    with store.database.reading() as connection:
        keys = connection.exec_driver_sql("SELECT key FROM guesses").scalars().all()
    assert not [key for key in keys if "ortiz" in key or "nobody" in key]


def test_where_somebody_signed_in_before_nobody_else_s_tries_close_the_door(settings, store, monkeypatch):
    monkeypatch.setattr("streams.inbox.pages.own_sign_in.PERSON", TenMinutes(*PERSON))
    load_people(store)
    enrolled(store, settings, codes=("abcd-abcd-abcd-abcd", "efgh-efgh-efgh-efgh"))
    with browser(settings, store, None) as client:
        assert client.post("/sign-in/password", data=typed(code="abcd-abcd-abcd-abcd")).status_code == 200
        known = client.cookies[KNOWN]
        client.cookies.clear()
        for _ in range(7):  # a stranger at the same address
            answer = client.post("/sign-in/password", data=typed(password="wrong wrong wrong"))
        assert answer.status_code == 429
        client.cookies.set(KNOWN, cookie_for("cm-brown", settings.secret()))  # where another signed in
        assert client.post("/sign-in/password", data=typed()).status_code == 429
        client.cookies.set(KNOWN, cookie_for("cm-ortiz", b"made up"))
        assert client.post("/sign-in/password", data=typed()).status_code == 429
        client.cookies.set(KNOWN, known)
        for _ in range(6):
            answer = client.post("/sign-in/password", data=typed(password="wrong wrong wrong"))
            assert answer.status_code == 401
            client.cookies.set(KNOWN, known)
        answer = client.post("/sign-in/password", data=typed(code="efgh-efgh-efgh-efgh"))
        assert answer.status_code == 429  # by its own tries it is slowed, too
        client.cookies.clear()
        client.cookies.set(KNOWN, cookie_for("cm-ortiz", settings.secret()))
        answer = client.post("/sign-in/password", data=typed(code="efgh-efgh-efgh-efgh"))
        assert answer.status_code == 200
    assert whose(cookie_for("cm-ortiz", settings.secret()), settings.secret()) == "cm-ortiz"
    assert whose("", settings.secret()) == whose("é", settings.secret()) == ""


def test_a_recovery_code_stands_in_once_and_new_ones_void_the_old(settings, store):
    load_people(store)
    enrolled(store, settings, codes=("abcd-abcd-abcd-abcd", "efgh-efgh-efgh-efgh"))
    with browser(settings, store, None) as client:
        entered = client.post("/sign-in/password", data={**typed(code="ABCD ABCD ABCD ABCD"), "back": "/board"})
        assert entered.status_code == 200
        assert "You signed in with a recovery code; 1 code is left." in entered.text
        assert 'href="/board"' in entered.text
        assert client.get("/").status_code == 200
        (notice,) = store.notices.due(datetime.now(UTC))
        assert (notice.about, notice.codes_left) == ("cm-ortiz", 1)
        assert client.post("/sign-in/password", data=typed(code="abcd-abcd-abcd-abcd")).status_code == 401
        assert store.credentials.of("cm-ortiz").codes_left == 1
        store.credentials.new_codes("cm-ortiz", ("ijkm-ijkm-ijkm-ijkm",), datetime.now(UTC))
        assert client.post("/sign-in/password", data=typed(code="efgh-efgh-efgh-efgh")).status_code == 401
        wrong = typed(password="wrong wrong wrong", code="ijkm-ijkm-ijkm-ijkm")
        assert client.post("/sign-in/password", data=wrong).status_code == 401  # and is not used up by that
        assert client.post("/sign-in/password", data=typed(code="ijkm-ijkm-ijkm-ijkm")).status_code == 200


def test_what_is_kept_says_nothing_without_the_key(settings, store):
    enrolled(store, settings)
    with store.database.reading() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM passwords").all())
        codes = connection.exec_driver_sql("SELECT code_hash FROM recovery_codes").scalars().all()
    assert SECRET.decode() not in kept
    assert PASSWORD not in kept
    assert codes == [hashlib.sha256(b"abcd-abcd-abcd-abcd").hexdigest()]
    assert store.credentials.password("cm-ortiz", b"another key") is None
    assert store.credentials.password("cm-ortiz", settings.secret()).second_factor == SECRET


# enrolling


def link_to_enroll(store, who=ORTIZ):
    return store.sign_in.make_link(who.case_manager_id, datetime.now(UTC) + timedelta(days=3), Purpose.ENROLL)


def test_looking_at_a_link_of_enrollment_burns_nothing_and_it_opens_nothing_else(settings, store):
    load_people(store)
    token = link_to_enroll(store)
    with browser(settings, store, None) as client:
        assert client.get(f"/sign-in?t={token}").status_code == 401  # it signs nobody in
        assert client.post("/sign-in", data={"t": token}).status_code == 401
        for _ in range(2):  # a scanner
            assert client.head(f"/sign-in/enroll?t={token}").status_code == 200
            assert "I am M. Ortiz, RN" in client.get(f"/sign-in/enroll?t={token}").text
        assert COOKIE not in client.cookies
        answer = client.post("/sign-in/enroll", data={"t": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/ways")
        assert client.post("/sign-in/enroll", data={"t": token}).status_code == 401
        assert "How you sign in" in client.get("/sign-in/ways").text
        for path in ("/", "/people", "/stay/a1", "/sessions"):
            answer = client.get(path)
            assert answer.headers.get("location") == "/sign-in/ways" or answer.status_code in {401, 404}, path
        assert client.get("/list").status_code == client.post("/people").status_code == 401
        entry = store.sign_in.make_link("cm-ortiz", datetime.now(UTC) + timedelta(days=3))
        assert client.post("/sign-in/enroll", data={"t": entry}).status_code == 401


def enroll_password(client, password=PASSWORD, offset=0):
    page = client.get("/sign-in/ways/password").text
    sealed = re.search(r'name="sealed" value="(.*?)"', page).group(1)
    secret = base64.b32decode(re.search(r'id="key">(\w+)<', page).group(1))
    code = code_at(datetime.now(UTC) + timedelta(seconds=offset), secret)
    return client.post("/sign-in/ways/password", data={"sealed": sealed, "password": password, "code": code}), secret


def csrf_of(client):
    client.headers["X-CSRF-Token"] = re.search(r'name="csrf" content="(.*?)"', client.get("/sign-in/ways").text).group(
        1
    )


def test_who_enrolls_a_password_is_signed_in_by_it_and_shown_the_codes_once(settings, store):
    load_people(store)
    token = link_to_enroll(store)
    with browser(settings, store, None) as client, capture_logs() as logs:
        client.post("/sign-in/enroll", data={"t": token})
        before = client.cookies[COOKIE]
        csrf_of(client)
        for password, said in (("short", "too short"), ("M. Ortiz cm-ortiz", "guessed soon")):
            answer, _ = enroll_password(client, password)
            assert answer.status_code == 400
            assert said in answer.text
        answer, _ = enroll_password(client, offset=3600)
        assert "not the ones of now" in answer.text
        assert not store.credentials.in_use()
        answer, secret = enroll_password(client)
        assert answer.status_code == 200
        codes = re.findall(r"<code>([\w-]{19})</code>", answer.text)
        assert len(codes) == second_factor.CODES
        assert client.cookies[COOKIE] != before
        assert store.sessions.find(before, datetime.now(UTC)) is None
        assert client.get("/").status_code == 200
        client.cookies.clear()
        reused = typed(code=code_at(datetime.now(UTC), secret))
        assert client.post("/sign-in/password", data=reused).status_code == 401  # used up when it was set
        assert client.post("/sign-in/password", data=typed(code=codes[0])).status_code == 200
    for secret_text in (PASSWORD, codes[0], token):
        assert secret_text not in str(logs)


def test_a_change_needs_a_sign_in_of_minutes_ago_and_this_session_s_token(settings, store):
    load_people(store)
    enrolled(store, settings)
    old = store.sessions.open("cm-ortiz", datetime.now(UTC) - timedelta(minutes=11))
    store.sessions.touch(old, datetime.now(UTC))
    posts = ("passkey", "rename", "remove", "password", "codes")
    with browser(settings, store, None) as client:
        client.cookies.set(COOKIE, old.secret)
        assert "sign in again" in client.get("/sign-in/ways").text
        assert client.get("/sign-in/ways/password").headers["location"] == "/sign-in/ways"
        for path in posts:
            assert client.post(f"/sign-in/ways/{path}").status_code == 401, path  # no token: CSRF
            headers = {"X-CSRF-Token": old.csrf}
            answer = client.post(f"/sign-in/ways/{path}", headers=headers)
            assert answer.headers["location"] == "/sign-in/ways", path
            foreign = client.post(f"/sign-in/ways/{path}", headers=headers | {"Origin": "https://evil.example"})
            assert foreign.status_code == 403
        assert client.post("/sign-in/ways/passkey/options", headers={"X-CSRF-Token": old.csrf}).status_code == 403
    assert store.credentials.of("cm-ortiz").codes_left == 1
    assert store.audit.read(limit=1)[0].what is Audited.BOUND  # of the rig


def test_nobody_touches_another_s_passkey_and_the_only_way_in_stays(settings, store):
    load_people(store)
    now = datetime.now(UTC)
    for who, key in (("cm-ortiz", "mine"), ("cm-brown", "hers")):
        assert store.credentials.add_passkey(Passkey(key, who, b"k", 0, key, now, None))
    assert not store.credentials.add_passkey(Passkey("mine", "cm-brown", b"k", 0, "again", now, None))
    with browser(settings, store) as client:
        assert "hers" not in client.get("/sign-in/ways").text
        assert client.post("/sign-in/ways/rename", data={"key": "hers", "name": "x"}).status_code == 404
        assert client.post("/sign-in/ways/rename", data={"key": "mine", "name": " i  Pad "}).status_code == 303
        assert store.credentials.passkey("mine").name == "i Pad"
        assert client.post("/sign-in/ways/remove", data={"key": "hers"}).status_code == 409
        assert client.post("/sign-in/ways/remove", data={"key": "mine"}).status_code == 409
        store.credentials.add_passkey(Passkey("second", "cm-ortiz", b"k", 0, "second", now, None))
        assert client.post("/sign-in/ways/remove", data={"key": "mine"}).status_code == 303
    assert [key.name for key in store.credentials.of("cm-ortiz").passkeys] == ["second"]
    assert store.credentials.passkey("hers").name == "hers"


def test_where_a_provider_signs_people_in_nothing_of_this_is_there(settings, store):
    load_people(store)
    given = settings.model_copy(update={"oidc_issuer": "http://127.0.0.1:1", "oidc_client_id": "x"})
    enrolled(store, settings)
    with browser(given.model_copy(update={"front_page": "http://127.0.0.1:8080"}), store) as client:
        for path in ("password", "passkey", "passkey/options", "ways/passkey", "ways/codes", "ways/password"):
            assert client.post(f"/sign-in/{path}", data=typed()).status_code == 404, path
        assert client.get("/sign-in/ways").status_code == client.get("/sign-in/ways/password").status_code == 404


def test_the_command_makes_links_of_enrollment_and_forgets_what_was_set_up(settings, store):
    load_people(store)
    given = settings.model_copy(update={"front_page": "https://inbox.example/"})
    link = make_enrollment(given, "cm-ortiz")
    assert link.startswith("https://inbox.example/sign-in/enroll?t=")
    token = link.partition("=")[2]
    assert store.sign_in.link_for(token, datetime.now(UTC), Purpose.ENROLL) == "cm-ortiz"
    assert store.sign_in.link_for(token, datetime.now(UTC) + timedelta(days=4), Purpose.ENROLL) is None
    with pytest.raises(NoInbox):
        make_enrollment(given, "nobody")
    enrolled(store, settings)
    session = store.sessions.open("cm-ortiz", datetime.now(UTC))
    assert "are gone" in part_from_account(settings, "cm-ortiz")
    assert not store.credentials.of("cm-ortiz")
    assert store.sessions.find(session.secret, datetime.now(UTC)) is None
    assert part_from_account(settings, "cm-ortiz") == "no account was bound"


# passkeys


def test_what_is_no_answer_of_an_authenticator_is_refused_by_name(settings, store):
    place = place_of("http://localhost:8080")
    assert place_of("http://127.0.0.1:8080") is place_of("http://[::1]:8080") is place_of("") is None
    for text in ("", "{}", "[]", "null", '{"response": {"clientDataJSON": "e30"}}', "[" * 70_000, "[" * 50_000):
        assert answer_of(text) is PasskeyFault.NOT_ONE
    said = {"type": "webauthn.get", "challenge": "AAAA", "origin": "http://localhost:8080"}
    data = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
    answer = answer_of(json.dumps({"id": "x", "response": {"clientDataJSON": data}}))
    assert isinstance(answer, Answer)
    assert answer.challenge == "AAAA"
    assert made(answer, place) is sign_count(answer, place, b"", 0) is PasskeyFault.NOT_VERIFIED


def test_who_asks_for_many_challenges_and_answers_none_is_slowed(settings, store):
    load_people(store)
    with browser(settings, store, None) as client:
        front = {"Host": f"localhost:{client.base_url.port}"}
        asked = [client.post("/sign-in/passkey/options", headers=front).status_code for _ in range(ADDRESS.free + 3)]
    assert asked == [200] * (ADDRESS.free + 1) + [429] * 2


@pytest.mark.servers
def test_a_passkey_is_made_and_signs_in_in_a_real_browser(chrome, inbox):
    """Chromium's own virtual authenticator, by its protocol of development."""
    context = chrome.new_context()
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    line.send("WebAuthn.addVirtualAuthenticator", {"options": options | {"isUserVerified": True}})
    front = inbox.url.replace("127.0.0.1", "localhost")
    token = link_to_enroll(inbox.store)
    page.goto(f"{front}/sign-in/enroll?t={token}")
    page.get_by_role("button", name="I am M. Ortiz, RN").click()
    page.get_by_label("Name of the device").fill("this laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("this laptop", exact=False).first).to_be_visible(timeout=10_000)
    expect(page.locator("nav.me")).to_be_visible(timeout=10_000)
    kept = inbox.store.credentials.of("cm-ortiz").passkeys[0]
    page.goto(f"{front}/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible(timeout=10_000)
    with page.expect_request("**/sign-in/passkey") as sent:
        page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("#fresh")).to_contain_text("Live", timeout=10_000)
    assert inbox.store.sessions.of("cm-ortiz", datetime.now(UTC))[0].way == Way.PASSKEY
    assert inbox.store.credentials.passkey(kept.credential_id).sign_count > kept.sign_count
    fresh = chrome.new_context()
    again = fresh.request.post(f"{front}/sign-in/passkey", form=sent.value.post_data_json, max_redirects=0)
    assert again.status == 401  # the challenge was good once
    fresh.close()
    log = inbox.log.read_text()
    assert token not in log
    assert kept.credential_id not in log
    context.close()


@pytest.mark.servers
def test_a_password_is_set_and_signs_in_in_a_real_browser(chrome, inbox):
    context = chrome.new_context()
    page = context.new_page()
    page.goto(f"{inbox.url}/sign-in/enroll?t={link_to_enroll(inbox.store, LANE)}")
    page.get_by_role("button", name="I am J. Lane, LCSW").click()
    page.get_by_role("link", name="Set a password").click()
    expect(page.locator("svg.segno")).to_be_visible(timeout=10_000)
    secret = base64.b32decode(page.locator("#key").text_content(timeout=10_000))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The six digits").fill(code_at(datetime.now(UTC), secret))
    page.get_by_role("button", name="Keep it").click()
    codes = page.locator("#codes code")
    expect(codes).to_have_count(second_factor.CODES, timeout=10_000)
    code = codes.first.text_content(timeout=10_000)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden(timeout=10_000)  # no host's name
    page.get_by_label("Your id or e-mail").fill("J@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code of six digits").fill(code)
    page.get_by_role("button", name="Sign in with a password").click()
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("#fresh")).to_contain_text("Live", timeout=10_000)
    assert PASSWORD not in inbox.log.read_text()
    context.close()


def test_who_looks_after_the_directory_makes_links_and_forgets_and_both_are_in_the_audit(settings, store):
    admin = CaseManager(case_manager_id="ad", name="D. Min", role=Role.ADMIN)
    load_people(store, staff=(admin,))
    enrolled(store, settings)
    theirs = store.sessions.open("cm-ortiz", datetime.now(UTC))
    with browser(settings, store, admin) as client:
        page = client.get("/staff").text
        assert page.count("a password") == 1
        assert 'href="/staff"' in client.get("/sessions").text
        for form in ({"who": "nobody", "do": "link"}, {"who": "cm-ortiz", "do": "become"}):
            assert client.post("/staff", data=form).status_code == 404
        made_page = client.post("/staff", data={"who": "cm-brown", "do": "link"}).text
        token = re.search(r"/sign-in/enroll\?t=([\w-]{43})<", made_page).group(1)
        assert token not in client.get("/staff").text
        assert store.sign_in.link_for(token, datetime.now(UTC), Purpose.ENROLL) == "cm-brown"
        assert "Forgotten" in client.post("/staff", data={"who": "cm-ortiz", "do": "forget"}).text
        assert not store.credentials.in_use()
        assert store.sessions.find(theirs.secret, datetime.now(UTC)) is None
    with browser(settings, store) as client:
        assert client.get("/staff").status_code == client.post("/staff", data={"who": "ad"}).status_code == 404
    rows = [(row.what, row.detail) for row in store.audit.read(case_manager_id="ad")]
    assert rows == [(Audited.UNBOUND, "passkeys and password of cm-ortiz"), (Audited.LINKED, "for cm-brown")]
