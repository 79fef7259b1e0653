"""SMART Backend Services: a client's signed assertion in, a short token out, and back: who asks and for what.

The client's public keys, or where it publishes them, are registered (`handoff fhir-client add`). An assertion is taken
once and lives at most five minutes, as does the token, which holds no secret of ours and is kept nowhere.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from streams.run.hash_keys import keys_in
from streams.store.fhir import FhirClient

ALGORITHMS: Final = ("RS384", "ES384")
GRANT: Final = "client_credentials"
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIVES: Final = timedelta(minutes=5)
SLACK: Final = timedelta(seconds=60)  # between the client's clock and ours
ALLOWED: Final = {
    "Subscription": frozenset("cruds"),
    "Encounter": frozenset("rs"),
    "Patient": frozenset("rs"),
    "CareTeam": frozenset("s"),
}
_VERBS: Final = {"read": "rs", "write": "cud", "*": "cruds"}  # SMART 1 words as SMART 2 letters
_SCOPE: Final = re.compile(r"system/(\*|[A-Za-z]+)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)")


class Asker(NamedTuple):
    """Who asks, and what for: letters by resource type."""

    client_id: str
    scopes: dict[str, frozenset[str]]

    def may(self, resource: str, letter: str) -> bool:
        return letter in self.scopes.get(resource, ())


def granted(scope: str) -> dict[str, frozenset[str]]:
    """What of the asked scopes is given: nothing of one that we cannot read whole, such as one with a filter."""
    scopes: dict[str, frozenset[str]] = {}
    for match in filter(None, map(_SCOPE.fullmatch, scope.split())):
        kind, letters = match[1], frozenset(_VERBS.get(match[2], match[2]))
        for resource in ALLOWED if kind == "*" else {kind} & ALLOWED.keys():
            scopes[resource] = scopes.get(resource, frozenset()) | (letters & ALLOWED[resource])
    return {resource: letters for resource, letters in scopes.items() if letters}


def words(scopes: dict[str, frozenset[str]]) -> str:
    """Scopes as SMART 2 writes them."""
    letters = {kind: "".join(letter for letter in "cruds" if letter in scopes[kind]) for kind in sorted(scopes)}
    return " ".join(f"system/{kind}.{some}" for kind, some in letters.items())


def signed_by(
    assertion: str,
    token_url: str,
    known: FhirClient,
    keys: Mapping[str, Any],
    first_use: Callable[[str, str, datetime], bool],
    now: datetime,
) -> FhirClient | None:
    """The client that signed an assertion by one of its `keys`; `None` when it is not fresh, for us and its own."""
    try:
        token = jwt.decode(assertion, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    said = token.claims
    jti, audience = said.get("jti"), said.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if said.get("iss") != known.client_id or said.get("sub") != known.client_id or token_url not in audiences:
        return None
    expires, begins = _seconds(said.get("exp")), _seconds(said.get("nbf", 0))
    if expires is None or begins is None or not isinstance(jti, str) or not jti:
        return None
    left, slack = expires - now.timestamp(), SLACK.total_seconds()
    if not -slack < left <= LIVES.total_seconds() + slack or begins > now.timestamp() + slack:
        return None
    return known if first_use(known.client_id, jti, now + LIVES + 2 * SLACK) else None


def _seconds(said: Any) -> float | None:
    """A NumericDate (RFC 7519 2)."""
    return said if isinstance(said, int | float) and not isinstance(said, bool) else None


def issue(secret: bytes, client_id: str, scopes: dict[str, frozenset[str]], now: datetime) -> str:
    """A bearer token."""
    body = {"client": client_id, "scope": words(scopes), "exp": int((now + LIVES).timestamp())}
    packed = _pack(json.dumps(body).encode())
    return f"{packed}.{_mac(keys_in(secret)[0], packed)}"


def read(secret: bytes, token: str, now: datetime) -> Asker | None:
    """Whose token it is; `None`: not ours, or over."""
    packed, _, mac = token.partition(".")
    if not any(hmac.compare_digest(mac.encode(), _mac(key, packed).encode()) for key in keys_in(secret)):
        return None
    body = json.loads(_unpack(packed))
    return Asker(body["client"], granted(body["scope"])) if body["exp"] > now.timestamp() else None


def named_by(assertion: str) -> tuple[str, str]:
    """The client and the key that an assertion names, unproven; "" for what it does not name."""
    client_id, kid = _unproven(assertion).get("iss"), _unproven(assertion, part=0).get("kid")
    return client_id if isinstance(client_id, str) and client_id.isprintable() else "", kid if isinstance(
        kid, str
    ) else ""


def _unproven(assertion: str, part: int = 1) -> dict[str, Any]:
    parts = assertion.split(".")
    try:
        claims = json.loads(_unpack(parts[part])) if len(parts) == 3 else {}
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _mac(key: bytes, packed: str) -> str:
    return _pack(hmac.digest(hashlib.sha256(b"fhir_token\x1f" + key).digest(), packed.encode(), "sha256"))


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
