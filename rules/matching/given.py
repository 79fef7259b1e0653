"""Two first names in, how they agree out: one name, one name written in two ways, or two names that are alike.

Parents give twins names that are alike, so a name is a slip of the hand or a spelling of another one only where it is
not a name that people bear.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

from rules.matching.evidence import (
    ANOTHER_NAME,
    ANOTHER_SCRIPT,
    BY_MIDDLE_NAME,
    DIFFERS,
    EQUAL,
    FIRST_LETTER,
    INITIAL,
    NICKNAME,
    OWN_NAME,
    PART,
    SIMILAR,
    Agreement,
)
from rules.matching.names import (
    Name,
    common_first,
    first_shares,
    is_word,
    known_first,
    nickname,
    nicknames,
    same_script,
)

Weights = Callable[[str], float]
Borne = Callable[[str], bool]
PERHAPS_TWO: Final = (SIMILAR, NICKNAME, FIRST_LETTER)  # what `one_or_two` has to judge
_GIVEN_BITS: Final = 9.5  # a nickname that more than one in 724 are given as their name
_GIVEN_BITS_OF_YOUNG: Final = 11.0  # more than one in 2,000
_BEGINNING: Final = 3  # letters in which two names that begin alike may be one
_BORNE: Final = 0.0001  # the share of people who bear a name that may be meant by how it begins
_TELLING_BEGINNING: Final = 4  # letters that tell a name by how it begins
_LIKE_BEGINNING: Final = 5  # letters in which two names begin that twins are given together
_VOWELS: Final = frozenset("AEIOUY")


@lru_cache(maxsize=1 << 16)
def first_agreement(name: Name, other: Name) -> tuple[Agreement, float]:
    """The word, and the share of the name's weight it earns."""
    a, b = name.key, other.key
    if a == b:
        return EQUAL, 1.0
    if not same_script(a, b):
        return ANOTHER_SCRIPT, 0.0
    if is_word(a):
        return DIFFERS, 0.0
    if len(a) == 1 or len(b) == 1:
        return (INITIAL, 0.3) if a[0] == b[0] else (DIFFERS, 0.0)
    if (name.parts or other.parts) and not set(name.parts or (a,)).isdisjoint(other.parts or (b,)):
        return _part_agreement(name.parts or (a,), other.parts or (b,))
    if nickname(a, b):
        return NICKNAME, 0.7
    near = close(a, b)
    if near:
        both = known_first(a) and known_first(b)
        if both:
            one_sound, other_sound = _spoken(a), _spoken(b)
            mute = _apart(a, b) <= 1 and one_sound.removesuffix("E") == other_sound.removesuffix("E")
            alike = mute or (_slip(a, b) and one_sound == other_sound)
        else:
            alike = _slip(a, b) and (_sound(a) == _sound(b) or a[0] == b[0])
        if alike:
            return SIMILAR, 0.6
        if not both and a[0] != b[0] and _apart(a, b) <= 1:
            return FIRST_LETTER, 0.4
    if _shortened(a, b):
        return (INITIAL, 0.3) if _begins_another(*sorted((a, b), key=len)) else (SIMILAR, 0.6)
    if near or _begins(a, b):
        return ANOTHER_NAME, 0.0
    return (SIMILAR, 0.6) if _heard(a) == _heard(b) else (DIFFERS, 0.0)


def _part_agreement(ones: tuple[str, ...], others: tuple[str, ...]) -> tuple[Agreement, float]:
    """Of first names of several words: Mary Ann is Mary; perhaps she is Ann, or Ann's twin, and perhaps Mary Lou's."""
    if ones[0] == others[0] and (len(ones) == 1 or len(others) == 1 or not set(ones[1:]).isdisjoint(others[1:])):
        return PART, 0.8
    return BY_MIDDLE_NAME, 0.6


def _shortened(a: str, b: str) -> bool:
    """One is how the other begins and no name itself: KATH of KATHERINE, not CARL of CARLOTTA."""
    short, long = sorted((a, b), key=len)
    return len(short) > 1 and long.startswith(short) and not known_first(short)


def _begins(a: str, b: str) -> bool:
    """One is how the other begins, and a name itself: MARG and MARGARET, CARL and CARLOTTA."""
    short, long = sorted((a, b), key=len)
    return len(short) >= _BEGINNING and long.startswith(short)


@lru_cache(maxsize=1 << 14)
def _begins_another(short: str, name: str) -> bool:
    """Whether a name that people bear, and that does not sound like `name`, begins in these letters too: KATH is
    KATHERINE or KATHLEEN, CYNT is nobody but CYNTHIA."""
    if len(short) < _TELLING_BEGINNING:
        return True
    sound = _sound(name)
    return any(
        share > _BORNE and other.startswith(short) and _sound(other) != sound for other, share in first_shares().items()
    )


def _apart(a: str, b: str) -> int:
    """How many slips of the hand lie between two names, 2 for more."""
    return DamerauLevenshtein.distance(a, b, score_cutoff=1)


def close(a: str, b: str) -> bool:
    """Two spellings near enough to be asked about."""
    if min(len(a), len(b)) < 2 or max(len(a), len(b)) < 3 or is_word(a):
        return False
    return _slip(a, b) or JaroWinkler.similarity(a, b) >= 0.93


def _slip(a: str, b: str) -> bool:
    """One slip of the hand apart, or two in a long name; JOELLE and JOELLIANE are not."""
    allowed = 1 if max(len(a), len(b)) < 7 else 2
    return DamerauLevenshtein.distance(a, b, score_cutoff=allowed) <= allowed


_VOICED: Final = str.maketrans({"C": "K", "Q": "K", "Z": "S", "Y": "I", "V": "F"})
_SOUNDS: Final = str.maketrans({"C": "K", "Q": "K", "Z": "S", "Y": "I", "H": None, "W": None, "V": "F"})


def _sound(name: str) -> str:
    """First sound, consonants, and a closing vowel: alike for SARA and SARAH, not for JAYDEN and KAYDEN."""
    letters = name.replace("PH", "F").translate(_SOUNDS)
    consonants = [letter for letter in letters[1:] if letter not in "AEIOU"]
    single = [letter for place, letter in enumerate(consonants) if place == 0 or consonants[place - 1] != letter]
    return letters[:1] + "".join(single) + (letters[-1:] if letters[-1:] in "AEIOU" else "")


def _spoken(name: str) -> str:
    """As `_sound`, with the vowels and a first H: alike for SARA and SARAH, not for RAY and ROY, ANNA and HANNA."""
    letters = name[:1] + name[1:].replace("PH", "F").replace("H", "")
    letters = letters.translate(_VOICED)
    single = [letter for place, letter in enumerate(letters) if place == 0 or letters[place - 1] != letter]
    return "".join(single)


_SPELLINGS: Final = (("IE", "I"), ("EI", "I"))


@lru_cache(maxsize=1 << 14)
def _heard(name: str) -> str:
    """As `_spoken`, however the sound of an I is spelled: alike for CODY and CODIE, RYAN and RIEAN."""
    sound = _spoken(name)
    for spelling, letter in _SPELLINGS:
        sound = sound.replace(spelling, letter)
    return sound


def one_or_two(
    word: Agreement, share: float, written: str, other: str, first_weight: Weights, borne: Borne | None, young: bool
) -> tuple[Agreement, float]:
    """The word for two first names that are alike, by whether each of them is a name of its own.

    A nickname that many are given as their name may be the twin's: PETER is a name of its own beside PATRICK, LIZ is
    ELIZABETH, and SARA is a spelling of SARAH; the one written counts. Two spellings that are no known names, and a
    slip that touches the first letter, are judged by the panel, where there is one: AMIR and AMIRA are two when people
    bear both, ORIE is LORIE when nobody does; KICHAEL stays a question, since twins are given names that rhyme.
    The `young` may have a twin at home, so that for them less is a name of its own; so is what both might be called by.
    """
    if word is NICKNAME:
        bits = first_weight(written)
        if young:
            given = bits < _GIVEN_BITS_OF_YOUNG or _short_for_both(written, other)
        else:
            given = bits < _GIVEN_BITS and _spoken(written) != _spoken(other)
        return (OWN_NAME if given else word), share
    if young and word is SIMILAR and _twins_spelling(written, other, borne or known_first):
        return OWN_NAME, share
    if borne is None or (known_first(written) and known_first(other)):
        return word, share
    if borne(written) and borne(other):
        return (ANOTHER_NAME, 0.0) if word is FIRST_LETTER else (OWN_NAME, share)
    rhymes = len(written) == len(other) and written[1:] == other[1:]
    return (word, share) if rhymes else (SIMILAR, share)


@lru_cache(maxsize=1 << 14)
def _short_for_both(short: str, name: str) -> bool:
    """Whether a nickname is that of another name as well that begins like this one: GABBY of GABRIEL and GABRIELLA."""
    return len(short) < len(name) and any(
        other != name and other[:_LIKE_BEGINNING] == name[:_LIKE_BEGINNING] and other in first_shares()
        for other in nicknames(short)
    )


def _twins_spelling(spelling: str, other: str, borne: Borne) -> bool:
    """Both are names people bear (SYDNEY and SIDNEY); or the one nobody bears is made of the other by an ending
    (BRIDGETA), or might as well be a third that many bear (JADK is JADA or JADE)."""
    if borne(spelling) and borne(other):
        return True
    written, name = (other, spelling) if borne(spelling) else (spelling, other)
    if not borne(name):
        return False
    ending = written[-1] if written[:-1] == name else ""
    return ending in _VOWELS and ending != name[-1] if ending else _near_another(written, name)


@lru_cache(maxsize=1 << 14)
def _near_another(written: str, name: str) -> bool:
    """Whether a slip of the hand leads to what is written from a name that many bear, and that does not sound alike."""
    sound = _spoken(name)
    return any(_apart(written, other) <= 1 and _spoken(other) != sound for other in common_first())
