"""A signed token of an OpenID provider in, its claims or a named fault out. Pure: keys and `now` are given.

Sources: OpenID Connect Core 1.0, 3.1.3.7 (ID token); Back-Channel Logout 1.0, 2.4 and 2.6; RFC 8725 (JWT practice).
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeGuard

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

ALGORITHMS: Final[Mapping[str, str]] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}  # and the keys they are of
CLOCK_SECONDS: Final = 60  # how far the provider's clock and ours may be apart
FRESH: Final = timedelta(minutes=10)  # how long somebody may take at the provider
LOGOUT_FRESH: Final = timedelta(minutes=2)
LONGEST: Final = 64_000
MOST_KEYS: Final = 50
LEAST_RSA_BITS: Final = 2048
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

_PUBLIC: Final = frozenset({"kty", "kid", "alg", "n", "e", "crv", "x", "y"})

SigningKey = RSAKey | ECKey


class TokenFault(StrEnum):
    """Why a token is not believed."""

    NOT_A_TOKEN = "not_a_token"  # noqa: S105
    ALGORITHM = "algorithm"  # none, a shared secret, or one that is not on the list
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"  # another client's, or this one is not the party it was made for
    EXPIRED = "expired"
    NOT_YET = "not_yet"  # issued or valid in the future
    NONCE = "nonce"  # of another sign-in
    SUBJECT = "subject"
    NOT_FRESH = "not_fresh"  # signed in longer ago than was asked for
    EVENT = "event"  # a logout token that is none


class Expected(NamedTuple):
    issuer: str
    client_id: str
    nonce: str
    signed_in_anew: bool = False  # the provider was asked to ask for the factor again


def signing_keys(document: object) -> tuple[SigningKey, ...]:
    """The keys of a JWKS that may sign: RSA of 2048 bits or more and EC. Others, and those to encrypt, are left out."""
    listed = document.get("keys") if isinstance(document, dict) else None
    keys: list[SigningKey] = []
    for jwk in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(jwk, dict) or jwk.get("kty") not in {"RSA", "EC"} or jwk.get("use", "sig") != "sig":
            continue
        public = {name: value for name, value in jwk.items() if name in _PUBLIC}
        if public["kty"] == "RSA" and len(str(public.get("n"))) * 6 < LEAST_RSA_BITS:  # in base64url
            continue
        try:
            key = JWKRegistry.import_key(public)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, RSAKey | ECKey):
            keys.append(key)
    return tuple(keys)


def verified(token: str, keys: Sequence[SigningKey]) -> dict[str, Any] | TokenFault:
    """The claims of a token that one of these keys signed. `UNKNOWN_KEY`: ask for the keys again."""
    if len(token) > LONGEST or token.count(".") != 2:
        return TokenFault.NOT_A_TOKEN
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError):
        return TokenFault.NOT_A_TOKEN
    kind = ALGORITHMS.get(str(header.get("alg")))
    if kind is None:
        return TokenFault.ALGORITHM
    kid = header.get("kid")
    fitting = [key for key in keys if key.key_type == kind and (kid is None or key.kid == kid)]
    if not fitting:
        return TokenFault.UNKNOWN_KEY
    for key in fitting:
        try:
            return dict(jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims)
        except (JoseError, ValueError, TypeError):
            continue
    return TokenFault.SIGNATURE


def check_id_token(claims: Mapping[str, Any], expected: Expected, now: datetime) -> TokenFault | None:
    """What is wrong with the claims of an ID token for this sign-in, if anything."""
    if fault := _common(claims, expected.issuer, expected.client_id, now):
        return fault
    if not _is_number(claims.get("exp")):
        return TokenFault.EXPIRED
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        return TokenFault.NONCE
    if not _is_name(claims.get("sub")):
        return TokenFault.SUBJECT
    if expected.signed_in_anew:
        at = claims.get("auth_time")
        if not _is_number(at) or at < now.timestamp() - FRESH.total_seconds() - CLOCK_SECONDS:
            return TokenFault.NOT_FRESH
    return None


def check_logout_token(claims: Mapping[str, Any], issuer: str, client_id: str, now: datetime) -> TokenFault | None:
    """What is wrong with the claims of a logout token, if anything."""
    if fault := _common(claims, issuer, client_id, now):
        return fault
    if claims["iat"] < now.timestamp() - LOGOUT_FRESH.total_seconds() - CLOCK_SECONDS:
        return TokenFault.EXPIRED
    events, logout_id = claims.get("events"), claims.get("jti")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict) or not _is_name(logout_id):
        return TokenFault.EVENT
    if "nonce" in claims:  # an ID token must not do as one
        return TokenFault.NONCE
    named = [claims[name] for name in ("sid", "sub") if name in claims]
    return None if named and all(map(_is_name, named)) else TokenFault.SUBJECT


def _common(claims: Mapping[str, Any], issuer: str, client_id: str, now: datetime) -> TokenFault | None:
    if claims.get("iss") != issuer:
        return TokenFault.ISSUER
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        return TokenFault.AUDIENCE
    if claims.get("azp", client_id if len(audiences) == 1 else None) != client_id:
        return TokenFault.AUDIENCE
    at, issued, ends, begins = now.timestamp(), claims.get("iat"), claims.get("exp"), claims.get("nbf")
    if ends is not None and not (_is_number(ends) and at < ends + CLOCK_SECONDS):
        return TokenFault.EXPIRED
    starts = (issued,) if begins is None else (issued, begins)
    if not all(_is_number(moment) and moment <= at + CLOCK_SECONDS for moment in starts):
        return TokenFault.NOT_YET
    return None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255
