"""An OpenID provider: discovery, keys, codes and logout tokens in, who somebody is out (authorization code with PKCE).

Methods run in a thread. What the provider says wrong is a value; that it does not answer is `ProviderAway`.
"""

import json
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import httpx2 as httpx

from streams.inbox.sign_in.tokens import (
    Expected,
    SigningKey,
    TokenFault,
    check_id_token,
    check_logout_token,
    signing_keys,
    verified,
)
from streams.inbox.sign_in.trip import Trip
from streams.run.problems import Problem
from streams.run.settings import Settings

SECONDS: Final = 8.0
READ_AT_MOST: Final = 300_000
KEPT_SECONDS: Final = 3_600.0  # what discovery and keys said
KEYS_AGAIN_SECONDS: Final = 60.0  # a key that does not fit asks for them anew, at once, but not more often than so
AWAY_SECONDS: Final = 10.0  # what did not answer is not asked again so soon
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
CALLBACK: Final = "/sign-in/callback"
SIGNED_OUT: Final = "/signed-out"


class ProviderAway(Exception):
    """The provider does not answer, or not as one; the text says which address, without what was asked."""


class ExchangeFault(StrEnum):
    """Why a code brought nobody."""

    CODE_REFUSED = "code_refused"
    NO_TOKEN = "no_token"  # noqa: S105
    OTHER_PERSON = "other_person"  # userinfo about another subject


class Account(NamedTuple):
    """Who signed in at the provider."""

    issuer: str
    subject: str
    sid: str  # the provider's own session; "" where it names none
    id_token: str
    claims: Mapping[str, Any]


class LoggedOut(NamedTuple):
    """Whose sessions the provider has ended: one of its sessions, or all of a subject."""

    issuer: str
    sid: str
    subject: str


class Provider:
    """One provider, as the settings name it."""

    def __init__(self, settings: Settings) -> None:
        """Raises `Problem` where the settings do not suffice."""
        self.issuer, self.client_id = settings.oidc_issuer, settings.oidc_client_id
        if not self.client_id or not settings.front_page:
            raise Problem(
                "HANDOFF_OIDC_ISSUER needs HANDOFF_OIDC_CLIENT_ID, and HANDOFF_FRONT_PAGE: the address that people "
                f"reach the inbox by, registered at the provider with {CALLBACK} after it"
            )
        self._local = _is_local(self.issuer)
        if not self._local and urlsplit(self.issuer).scheme != "https":
            raise Problem("HANDOFF_OIDC_ISSUER: expected an https:// URL, exactly as the provider calls itself")
        self._front = settings.front_page.rstrip("/")
        self._claim = settings.oidc_claim
        self._secret = _secret_of(settings)
        self._client = httpx.Client(
            timeout=SECONDS, follow_redirects=False, trust_env=not self._local, verify=ssl.create_default_context()
        )
        self._lock = threading.Lock()
        self._said: dict[str, Any] = {}
        self._said_at = float("-inf")
        self._keys: tuple[SigningKey, ...] = ()
        self._keys_at = float("-inf")
        self._anew_at = float("-inf")  # when keys were asked for because none fitted
        self._away_until = float("-inf")
        self._away_why = ""

    def close(self) -> None:
        self._client.close()

    def discover(self) -> dict[str, Any]:
        """What the provider says of itself, as of an hour ago or, while it does not answer, longer. Raises
        `ProviderAway` where it never said anything."""
        with self._lock:
            if time.monotonic() - self._said_at > KEPT_SECONDS:
                try:
                    said = self._usable(self._fetched(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"))
                except ProviderAway:
                    if not self._said:
                        raise
                else:
                    self._said, self._said_at = said, time.monotonic()
            return self._said

    def _usable(self, said: dict[str, Any]) -> dict[str, Any]:
        """What discovery said, if it is this provider's. Raises `ProviderAway`."""
        if said.get("issuer") != self.issuer:
            raise ProviderAway("discovery names another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            self._checked(said.get(name), name)
        return said

    def way_in(self, trip: Trip) -> str:
        """Where the browser goes to sign in. Raises `ProviderAway`."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self._front + CALLBACK,
            "scope": "openid email profile",
            "state": trip.state,
            "nonce": trip.nonce,
            "code_challenge": trip.challenge,
            "code_challenge_method": "S256",
        }
        if trip.anew:
            asked |= {"prompt": "login", "max_age": "0"}
        return _with_query(str(self.discover()["authorization_endpoint"]), asked)

    def account(self, code: str, trip: Trip, now: datetime) -> Account | TokenFault | ExchangeFault:
        """Who the code of this trip is about. Raises `ProviderAway`."""
        answer = self._redeem(code, trip)
        if isinstance(answer, ExchangeFault):
            return answer
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            return ExchangeFault.NO_TOKEN
        claims = self._verified(token)
        if isinstance(claims, TokenFault):
            return claims
        expected = Expected(self.issuer, self.client_id, trip.nonce, signed_in_anew=trip.anew)
        if fault := check_id_token(claims, expected, now):
            return fault
        if self._claim not in claims and isinstance(access, str):
            more = self._userinfo(access)
            if more and more.get("sub") != claims["sub"]:
                return ExchangeFault.OTHER_PERSON
            claims = more | claims
        sid = claims.get("sid")
        return Account(self.issuer, claims["sub"], sid if isinstance(sid, str) else "", token, claims)

    def way_out(self, id_token: str) -> str:
        """Where the browser goes to end the provider's session too; "" where it offers none. Raises `ProviderAway`."""
        end = self.discover().get("end_session_endpoint")
        if not isinstance(end, str):
            return ""
        asked = {"client_id": self.client_id, "post_logout_redirect_uri": self._front + SIGNED_OUT}
        return _with_query(self._checked(end, "end_session_endpoint"), asked | {"id_token_hint": id_token})

    def logged_out(self, logout_token: str, now: datetime) -> LoggedOut | TokenFault:
        """Whose sessions a back-channel logout ends. Raises `ProviderAway`."""
        claims = self._verified(logout_token)
        if isinstance(claims, TokenFault):
            return claims
        if fault := check_logout_token(claims, self.issuer, self.client_id, now):
            return fault
        return LoggedOut(self.issuer, claims.get("sid", ""), claims.get("sub", ""))

    def _verified(self, token: str) -> dict[str, Any] | TokenFault:
        """The claims of a token. A provider may change its key under the old name, or name none: keys are asked for
        again where the signature fits none, too."""
        claims = verified(token, self._signing_keys())
        if claims in (TokenFault.UNKNOWN_KEY, TokenFault.SIGNATURE):
            claims = verified(token, self._signing_keys(anew=True))
        return claims

    def _signing_keys(self, *, anew: bool = False) -> tuple[SigningKey, ...]:
        where = str(self.discover()["jwks_uri"])
        with self._lock:
            asked, kept = (self._anew_at, KEYS_AGAIN_SECONDS) if anew else (self._keys_at, KEPT_SECONDS)
            if time.monotonic() - asked > kept:
                self._keys = signing_keys(self._fetched(where))
                self._keys_at = time.monotonic()
                self._anew_at = self._keys_at if anew else self._anew_at
            return self._keys

    def _fetched(self, where: str) -> dict[str, Any]:
        """A document of the provider's, asked for under the lock. Raises `ProviderAway`, and again for a while at once:
        many may wait here, each in a thread."""
        if time.monotonic() < self._away_until:
            raise ProviderAway(self._away_why)
        try:
            return self._json(where)
        except ProviderAway as away:
            self._away_until, self._away_why = time.monotonic() + AWAY_SECONDS, str(away)
            raise

    def _redeem(self, code: str, trip: Trip) -> dict[str, Any] | ExchangeFault:
        said = self.discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._front + CALLBACK,
            "code_verifier": trip.verifier,
        }
        known = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        basic = None
        if not self._secret:
            form["client_id"] = self.client_id
        elif "client_secret_basic" in known:
            basic = httpx.BasicAuth(quote(self.client_id, safe=""), quote(self._secret, safe=""))  # RFC 6749 2.3.1
        else:
            form |= {"client_id": self.client_id, "client_secret": self._secret}
        status, tokens = self._ask("POST", str(said["token_endpoint"]), data=form, auth=basic)
        if status >= 500:
            raise ProviderAway("the token endpoint fails")
        return tokens if status == 200 else ExchangeFault.CODE_REFUSED

    def _userinfo(self, access: str) -> dict[str, Any]:
        where = self.discover().get("userinfo_endpoint")
        if where is None:
            return {}
        headers = {"Authorization": f"Bearer {access}"}
        status, claims = self._ask("GET", self._checked(where, "userinfo_endpoint"), headers=headers)
        return claims if status == 200 else {}

    def _json(self, where: str) -> dict[str, Any]:
        status, document = self._ask("GET", where)
        if status != 200:
            raise ProviderAway(f"{urlsplit(where).path} answers {status}")
        return document

    def _ask(self, method: str, where: str, **more: Any) -> tuple[int, dict[str, Any]]:
        path, headers = urlsplit(where).path, {"Accept": "application/json", **more.pop("headers", {})}
        try:
            with self._client.stream(method, where, headers=headers, **more) as answer:
                raw = b""
                for chunk in answer.iter_bytes():
                    raw += chunk
                    if len(raw) > READ_AT_MOST:
                        raise ProviderAway(f"{path} says too much")
            document = json.loads(raw or b"{}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderAway(f"{path}: {type(error).__name__}") from None
        except ValueError:
            raise ProviderAway(f"{path} does not answer in JSON") from None
        return answer.status_code, document if isinstance(document, dict) else {}

    def _checked(self, where: object, name: str) -> str:
        if not isinstance(where, str) or urlsplit(where).scheme != ("http" if self._local else "https"):
            raise ProviderAway(f"discovery has no usable {name}")
        return where


def _is_local(issuer: str) -> bool:
    address = urlsplit(issuer)
    return address.scheme == "http" and address.hostname in LOOPBACK


def _secret_of(settings: Settings) -> str:
    if settings.oidc_client_secret is None:
        return ""
    try:
        return settings.oidc_client_secret.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Problem("HANDOFF_OIDC_CLIENT_SECRET: expected a file that can be read, with the secret in it") from None


def _with_query(url: str, asked: Mapping[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(asked)}"
