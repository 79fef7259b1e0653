"""The hash key in, keys of its own for each kind of thing that is kept sealed out."""

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet


def key_for(purpose: str, secret: bytes) -> bytes:
    """32 bytes that say nothing about the hash key, nor about the key of another purpose."""
    return hashlib.sha256(purpose.encode() + b"\x1f" + secret).digest()


@lru_cache(maxsize=8)
def lock_for(purpose: str, secret: bytes) -> Fernet:
    """What seals and opens texts of one purpose."""
    return Fernet(base64.urlsafe_b64encode(key_for(purpose, secret)))
