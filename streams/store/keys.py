"""The key of the keyed hashes: settings and store in, the key out, or a `Problem` where it is not the one of before.

The store keeps a trace of the key (never the key), because what was sealed and hashed under one key is not found under
another: people enrolled late would silently never be told of.
"""

import hashlib

from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.keeping_up import HASH_KEY

_AGAIN = (
    "bring back hash.key from your copy of the data folder, or set HANDOFF_HASH_KEY as it was; if it is lost for good, "
    "`handoff migrate --new-hash-key` goes on with another one (who joins the panel late is then not told of what "
    "happened before)"
)


def trace_of(key: bytes) -> str:
    """16 hex digits by which a key is known again and from which it is not found."""
    return hashlib.sha256(b"handoff hash key\x1f" + key).hexdigest()[:16]


def secret_of(settings: Settings, store: Store, *, accept: bool = False) -> bytes:
    """The key, made at the first start only. `accept` takes another one than before as this store's."""
    before = store.keeping_up.fact(HASH_KEY)
    known = bool(before) or store.unmatched.seals()
    if known and not accept and not settings.has_secret():
        raise Problem(f"the hash key of this store is missing ({settings.data_dir / 'hash.key'}): {_AGAIN}")
    key = settings.secret()
    noted = store.keeping_up.note_fact(HASH_KEY, trace_of(key), replace=accept) if accept or not before else before
    if noted != trace_of(key):
        raise Problem(f"the hash key is another one than this store was written with: {_AGAIN}")
    return key
