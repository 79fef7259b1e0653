"""A password in, what is wrong with it or its hash out; a hash and a password in, whether they fit out.

Sources: NIST SP 800-63B-4, 3.1.1 (length, no rules of composition, a list of what is guessed first, no change without
cause); RFC 9106 (argon2id, its second recommended choice: 64 MiB, 3 passes, 4 lanes). It never stands alone here: a
second factor goes with it.
"""

import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 12
LONGEST: Final = 256
LEFT: Final = 8  # characters that must be left without what is guessed first
_DIFFERENT: Final = 5
_SHORTEST_NAME: Final = 3
_GUESSED: Final = (
    "password passwort welcome letmein qwerty qwertz asdfgh zxcvbn iloveyou dragon monkey sunshine football baseball "
    "princess superman batman master shadow trustno spring summer autumn winter january february march april june july "
    "august september october november december nurse hospital doctor health clinic patient warmhandoff handoff admin "
    "changeme secret login 123456789 12345678 1234567 123456 12345 1234 987654321 87654321 7654321 654321 abcdef abcd"
).split()

_hasher: Final = PasswordHasher()


class PasswordFault(StrEnum):
    """Why a password will not do."""

    SHORT = "short"
    LONG = "long"
    GUESSED = "guessed"  # one's own name and what everybody takes leave too little of it


def fault_of(password: str, own: Iterable[str]) -> PasswordFault | None:
    """What is wrong with the password of somebody; `own`: the names, id and address that others know of them."""
    plain = _plain(password)
    if len(plain) < SHORTEST:
        return PasswordFault.SHORT
    if len(plain) > LONGEST:
        return PasswordFault.LONG
    left = plain.casefold()
    words = {word for text in own for word in _words(text) if len(word) >= _SHORTEST_NAME}
    for word in sorted(words | set(_GUESSED), key=lambda known: (-len(known), known)):
        left = left.replace(word, "")
    letters = [letter for letter in left if not letter.isspace()]
    return PasswordFault.GUESSED if len(letters) < LEFT or len(set(letters)) < _DIFFERENT else None


def hash_of(password: str) -> str:
    """The argon2id hash; takes a tenth of a second and 64 MiB."""
    return _hasher.hash(_plain(password))


def fits(kept: str | None, password: str) -> bool:
    """Whether it is the password behind the hash. Takes as long where there is no hash, and says no."""
    try:
        return _hasher.verify(kept or _nobody_s(), _plain(password[:LONGEST])) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(maxsize=1)
def _nobody_s() -> str:
    return _hasher.hash("nobody has this password")


def _plain(password: str) -> str:
    """One form for whatever keyboard typed it (SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _words(text: str) -> list[str]:
    return "".join(character if character.isalnum() else " " for character in _plain(text).casefold()).split()
