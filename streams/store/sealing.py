"""The hash keys in, keys of their own for each kind of thing that is kept sealed out."""

import base64
import hashlib
from enum import StrEnum
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet

from streams.run.hash_keys import keys_in


class SealedFor(StrEnum):
    """What is sealed; stored in nothing, but each is another key."""

    UNMATCHED = "unmatched"
    DESTINATIONS = "destinations"
    BY_HAND = "by hand"
    SECOND_FACTOR = "second factor"
    NEW_SECOND_FACTOR = "second factor being set up"
    RECEIVED = "received"
    DRAFTS = "drafts"
    QUARANTINE = "quarantine"
    KNOWN_BROWSER = "known browser"


def key_for(purpose: SealedFor, key: bytes) -> bytes:
    """32 bytes that say nothing about the hash key, nor about the key of another purpose."""
    return hashlib.sha256(purpose.encode() + b"\x1f" + key).digest()


@lru_cache(maxsize=8)
def lock_for(purpose: SealedFor, secret: bytes) -> MultiFernet:
    """What seals and opens texts of one purpose: sealed by the first of the keys, opened by each."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key_for(purpose, key))) for key in keys_in(secret)])
