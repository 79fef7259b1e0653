"""A browser in which somebody proved who they are, known again by a sealed cookie: its tries are counted by themselves.

So nobody closes the door to another by trying at their name, or from the address they share (OWASP, device cookies).
The cookie lets nobody in.
"""

import hashlib
from datetime import timedelta
from typing import Final

from cryptography.fernet import InvalidToken

from streams.store.sealing import SealedFor, lock_for

KNOWN: Final = "known"  # the cookie
KNOWN_FOR: Final = timedelta(days=90)


def cookie_for(who: str, secret: bytes) -> str:
    return lock_for(SealedFor.KNOWN_BROWSER, secret).encrypt(who.encode()).decode()


def whose(cookie: str, secret: bytes) -> str:
    """Who proved themselves in the browser with this cookie; "" for nobody, or too long ago."""
    try:
        seconds = int(KNOWN_FOR.total_seconds())
        return lock_for(SealedFor.KNOWN_BROWSER, secret).decrypt(cookie.encode(), ttl=seconds).decode()
    except InvalidToken:
        return ""


def key_of(cookie: str) -> str:
    """What the tries of this browser are counted under."""
    return f"known:{hashlib.sha256(cookie.encode()).hexdigest()}"
