"""A client's JSON Web Key Set in, from a file or its URL; its public keys, kept for a while, out (RFC 7517 5).

A set is fetched as deliveries go: to an address that was judged, by TLS, bounded in time and size, no redirect
followed. A key id that is not among the kept ones is looked for at once, so that a client may change its keys; a set
that cannot be fetched now is used for at most an hour more, so that a key taken out of it opens nothing after that.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from streams.store.fhir import FhirClient

MOST_BYTES: Final = 64 * 1024
MOST_KEYS: Final = 50
FRESH: Final = timedelta(minutes=5)
KEPT: Final = timedelta(hours=1)
APART: Final = timedelta(seconds=10)  # between two fetches of one client's set, whoever asks for what key
_KINDS: Final = ("RSA", "EC")
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})

Fetch = Callable[[str, bool, int], Awaitable[bytes | None]]  # address, whether it may be private, most bytes


def read_key_set(raw: bytes) -> dict[str, Any]:
    """The public RSA and EC keys that have an id. Raises `ValueError`, whose text says what to give instead."""
    try:
        document = json.loads(raw)
        keys = document["keys"]
        if any(_PRIVATE & key.keys() for key in keys):
            raise ValueError("the set holds a private key: it is the client's alone; give the public part")
        usable = {"keys": [key for key in keys if key.get("kty") in _KINDS][:MOST_KEYS]}
        KeySet.import_key_set(usable)  # type: ignore[arg-type]
    except (KeyError, TypeError, AttributeError, RecursionError, JoseError, json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("that is no JSON Web Key Set of RSA or EC keys") from None
    if not all(isinstance(key.get("kid"), str) and key["kid"] for key in usable["keys"]):
        raise ValueError("each key needs a kid, by which an assertion names it")
    return usable


class _Kept(NamedTuple):
    keys: dict[str, Any]
    at: datetime  # when they were fetched
    tried: datetime


class KeySets:
    """The keys of clients that publish them."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def keys_of(self, client: FhirClient, kid: str, now: datetime) -> dict[str, Any]:
        """A key set: the registered one, or the one at the client's URL; without keys when that cannot be had."""
        if not client.jwks_url:
            return client.keys
        name = (client.client_id, client.jwks_url)
        async with self._turns.setdefault(client.client_id, asyncio.Lock()):
            kept = self._kept.get(name)
            known = kept is not None and any(key["kid"] == kid for key in kept.keys["keys"])
            fresh = kept is not None and known and now - kept.at < FRESH
            if not fresh and (kept is None or now - kept.tried >= APART):
                kept = self._kept[name] = await self._look(client, kept, now)
        return kept.keys if kept and now - kept.at < KEPT else {"keys": []}

    async def _look(self, client: FhirClient, before: _Kept | None, now: datetime) -> _Kept:
        raw = await self._fetch(client.jwks_url, client.allow_private, MOST_BYTES)
        try:
            return _Kept(read_key_set(raw or b""), now, now)
        except ValueError:
            return before._replace(tried=now) if before else _Kept({"keys": []}, now - KEPT, now)
