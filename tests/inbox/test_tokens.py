"""Tokens of a provider, signed by real keys: what is believed, and why the rest is not."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from parsers.people import CaseManager, Role
from streams.inbox.sign_in.device import device_of
from streams.inbox.sign_in.rows import NoRow, row_of
from streams.inbox.sign_in.tokens import (
    LOGOUT_EVENT,
    Expected,
    TokenFault,
    check_id_token,
    check_logout_token,
    signing_keys,
    verified,
)
from streams.inbox.sign_in.trip import Trip

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER, CLIENT = "https://id.example.org", "inbox"
RSA = RSAKey.generate_key(2048, {"kid": "r"})
EC = ECKey.generate_key("P-256", {"kid": "e"})
OTHER = RSAKey.generate_key(2048, {"kid": "r"})  # another key under the same name
SMALL = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
KEYS = signing_keys({"keys": [key.as_dict(private=False) for key in (RSA, EC)]})
EXPECTED = Expected(ISSUER, CLIENT, "n-1")


def claims(**more):
    values = {"iss": ISSUER, "aud": CLIENT, "sub": "u1", "exp": AT + 300, "iat": AT, "nonce": "n-1"} | more
    return {name: value for name, value in values.items() if value is not None}


def signed(values, key=RSA, algorithm="RS256", **header):
    return jwt.encode({"alg": algorithm, "kid": key.kid} | header, values, key, algorithms=[algorithm])


def number(value):
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8)).rstrip(b"=").decode()


def raw(header, values, signature=b""):
    parts = (json.dumps(header).encode(), json.dumps(values).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def by_public_key_as_secret(values):
    """HS256 with the public key, which all know, as its secret."""
    unsigned = raw({"alg": "HS256", "kid": "r"}, values).rpartition(".")[0]
    made = hmac.digest(RSA.as_pem(private=False), unsigned.encode(), "sha256")
    return f"{unsigned}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")])
def test_a_token_of_a_known_key_is_believed(key, algorithm):
    token_claims = verified(signed(claims(), key, algorithm), KEYS)
    assert token_claims == claims()
    assert check_id_token(token_claims, EXPECTED, NOW) is None


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (raw({"alg": "none"}, claims()), TokenFault.ALGORITHM),
        (raw({"alg": "none", "kid": "r"}, claims(), b"x"), TokenFault.ALGORITHM),
        (by_public_key_as_secret(claims()), TokenFault.ALGORITHM),
        (signed(claims(), RSA, "RS512"), TokenFault.ALGORITHM),
        (signed(claims(), RSA, kid="gone"), TokenFault.UNKNOWN_KEY),
        (signed(claims(), EC, "ES256", kid="r"), TokenFault.UNKNOWN_KEY),
        (signed(claims(), OTHER), TokenFault.SIGNATURE),
        (signed(claims())[:-8] + "AAAAAAAA", TokenFault.SIGNATURE),
        (raw({"alg": "RS256", "kid": "r"}, claims(), b"forged"), TokenFault.SIGNATURE),
        ("", TokenFault.NOT_A_TOKEN),
        ("a.b", TokenFault.NOT_A_TOKEN),
        ("{}.é.", TokenFault.NOT_A_TOKEN),
        ("a.b.c" * 20_000, TokenFault.NOT_A_TOKEN),
    ],
)
def test_a_token_that_no_known_key_signed_is_not(token, why):
    assert verified(token, KEYS) is why


def test_only_keys_that_may_sign_are_taken():
    private = RSA.as_dict(private=True)
    keys = signing_keys(
        {
            "keys": [
                OctKey.generate_key().as_dict(),
                {"kty": "RSA", "n": number(SMALL.n), "e": number(SMALL.e), "kid": "small"},
                {**EC.as_dict(private=False), "use": "enc"},
                {"kty": "RSA", "n": "!", "e": "AQAB"},
                "no key",
                private,
            ]
        }
    )
    assert [key.kid for key in keys] == ["r"]
    assert not keys[0].is_private
    assert signing_keys({}) == signing_keys([]) == signing_keys({"keys": "x"}) == ()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"iss": ISSUER + "/"}, TokenFault.ISSUER),
        ({"iss": None}, TokenFault.ISSUER),
        ({"aud": "another"}, TokenFault.AUDIENCE),
        ({"aud": None}, TokenFault.AUDIENCE),
        ({"aud": ["another", CLIENT]}, TokenFault.AUDIENCE),  # and azp does not say that it was made for us
        ({"aud": [CLIENT], "azp": "another"}, TokenFault.AUDIENCE),
        ({"exp": AT - 61}, TokenFault.EXPIRED),
        ({"exp": None}, TokenFault.EXPIRED),
        ({"exp": True}, TokenFault.EXPIRED),
        ({"iat": AT + 61}, TokenFault.NOT_YET),
        ({"iat": None}, TokenFault.NOT_YET),
        ({"nbf": AT + 61}, TokenFault.NOT_YET),
        ({"nonce": "n-2"}, TokenFault.NONCE),
        ({"nonce": None}, TokenFault.NONCE),
        ({"sub": ""}, TokenFault.SUBJECT),
        ({"sub": 7}, TokenFault.SUBJECT),
    ],
)
def test_claims_that_are_not_for_this_sign_in(more, why):
    assert check_id_token(claims(**more), EXPECTED, NOW) is why


@pytest.mark.parametrize(
    "more", [{"exp": AT - 59}, {"iat": AT + 59}, {"aud": ["another", CLIENT], "azp": CLIENT}, {"aud": [CLIENT]}]
)
def test_clocks_a_minute_apart_and_other_audiences_are_no_reason(more):
    assert check_id_token(claims(**more), EXPECTED, NOW) is None


def test_who_was_asked_to_sign_in_anew_did():
    anew = EXPECTED._replace(signed_in_anew=True)
    assert check_id_token(claims(auth_time=AT - 30), anew, NOW) is None
    assert check_id_token(claims(auth_time=AT - 900), anew, NOW) is TokenFault.NOT_FRESH
    assert check_id_token(claims(), anew, NOW) is TokenFault.NOT_FRESH


def logout(**more):
    return claims(nonce=None, jti="j1", sid="s1", events={LOGOUT_EVENT: {}}, **more)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (logout(), None),
        (logout(sub=None), None),
        (logout(exp=None), None),  # drafts before the final text had none
        (logout(iat=AT - 190, exp=None), TokenFault.EXPIRED),
        (claims(nonce=None, jti="j1", sid="s1"), TokenFault.EVENT),
        (logout() | {"jti": 3}, TokenFault.EVENT),
        (logout() | {"nonce": "n-1"}, TokenFault.NONCE),
        (logout() | {"aud": "another"}, TokenFault.AUDIENCE),
        ({name: value for name, value in logout().items() if name not in {"sid", "sub"}}, TokenFault.SUBJECT),
    ],
)
def test_a_logout_token_is_one_and_nothing_else_is(token, why):
    assert check_logout_token(token, ISSUER, CLIENT, NOW) is why


def test_a_trip_follows_from_the_browser_s_cookie_alone():
    trip = Trip.start(anew=True, back="/stay/a1")
    assert Trip.of_cookie(trip.cookie) == trip
    assert len({trip.state, trip.nonce, trip.verifier, trip.secret}) == 4
    challenge = base64.urlsafe_b64encode(hashlib.sha256(trip.verifier.encode()).digest()).rstrip(b"=").decode()
    assert trip.challenge == challenge
    assert 43 <= len(trip.verifier) <= 128
    assert trip._replace(anew=False).state != trip.state
    for back in ("https://evil.example", "//evil.example", "/\\evil", "/a?b", "/stay/a\n", ""):
        assert Trip.start(back=back).back == "/"
    for cookie in ("", "x", trip.cookie + "?", trip.cookie.replace(".1.", ".2.")):
        assert Trip.of_cookie(cookie) is None


def test_a_claim_names_one_row_or_none():
    people = [
        CaseManager(case_manager_id="e17", name="A", role=Role.NURSE, email="A.Lee@example.org "),
        CaseManager(case_manager_id="e18", name="B", role=Role.NURSE, email="b@example.org"),
        CaseManager(case_manager_id="e19", name="C", role=Role.NURSE, email="b@example.org"),
        CaseManager(case_manager_id="e20", name="D", role=Role.NURSE),
    ]
    sure = {"email_verified": True}
    assert row_of({"email": "a.lee@Example.org"} | sure, "email", people) is people[0]
    assert row_of({"email": "a.lee@example.org"}, "email", people) is NoRow.NOT_VERIFIED
    assert row_of({"email": "a.lee@example.org", "email_verified": "true"}, "email", people) is NoRow.NOT_VERIFIED
    assert row_of({"email": "b@example.org"} | sure, "email", people) is NoRow.SEVERAL
    for other in ("x@example.org", "a.lee@exam\u217cle.org", "a.\u217cee@example.org", "b@example.org\ud800"):
        assert row_of({"email": other} | sure, "email", people) is NoRow.NOBODY
    kim = CaseManager(case_manager_id="e21", name="E", role=Role.NURSE, email="kim.ross@example.org")
    for other in ("\u212aim.ross@example.org", "kim.ro\u017f\u017f@example.org", "kim.ro\u00df@example.org"):
        assert row_of({"email": other} | sure, "email", [kim]) is NoRow.NOBODY  # other letters: somebody else's address
    assert row_of({"email": ""} | sure, "email", people) is NoRow.NOBODY  # not the row without an address
    assert row_of({"employee": "e20"}, "employee", people) is people[3]
    assert row_of({"employee": 20}, "employee", people) is NoRow.NOBODY


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8.1", "another program"),
        ("", "another program"),
    ],
)  # fmt: skip
def test_a_device_is_known_by_its_family(said, known):
    assert device_of(said) == known
