"""A name as written in, the name as it is compared out: folded, its suffix apart; and how common it is.

Frequencies are those of the 1990 census of the United States (all last names and first names by sex), as the
package `names` carries them; the nickname relation is that of the package `nicknames`, taken one hop and never
closed transitively (Bill is William and Will is William, but Al is not Alan because both may be Alfred's).
"""

import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

from nicknames import NickNamer

_LETTERS: Final = str.maketrans(
    {"ß": "SS", "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "ı": "I", "Ħ": "H", "Ŧ": "T"}
)
_JOINED: Final = re.compile(r"['’`´.\u0640\u200b-\u200f\u2060\ufeff]")  # with the Arabic stroke that only lengthens
_SPLIT: Final = re.compile(r"[^A-Z0-9]+")
_FIRST_OF_MARKS: Final = "\u0300"  # no letter before it is a combining mark
_SUFFIXES: Final = {
    "JR": "JR",
    "JNR": "JR",
    "JUNIOR": "JR",
    "SR": "SR",
    "SNR": "SR",
    "SENIOR": "SR",
    "II": "II",
    "2ND": "II",
    "III": "III",
    "3RD": "III",
    "IV": "IV",
    "4TH": "IV",
}
_TITLES: Final = frozenset(("MR", "MRS", "MS", "MISS", "DR", "MD", "DO", "PHD", "RN", "ESQ", "REV"))
_PARTICLES: Final = frozenset(
    "DE LA LAS LOS DEL VAN VON DER DEN TER DA DAS DO DOS DI DU LE EL AL BIN BEN IBN ABU Y E MC MAC O ST SAN".split()
)
_NOBODY: Final = frozenset(
    (
        "BABY BABYBOY BABYGIRL BB BG BOY GIRL NEWBORN NB INFANT TWIN TRIPLET MALE FEMALE UNKNOWN UNK NONE NULL NA NFN "
        "FNU LNU NLN NAME NOT GIVEN PATIENT UNIDENTIFIED TRAUMA DOE TEST ZZTEST ZZZTEST"
    ).split()
)
_BIRTH_ORDER: Final = frozenset(("A", "B", "C", "D", "1", "2", "3", "4", "ONE", "TWO", "THREE", "OF"))


_COMMON: Final = 0.001


class Name(NamedTuple):
    """One name in the form it is compared in."""

    key: str  # letters only, parts run together: "GARCIALOPEZ"; "" when absent or a placeholder
    parts: tuple[str, ...] = ()  # without particles and initials, when there is more than one
    suffix: str = ""  # JR SR II III IV, when it was written inside


ABSENT: Final = Name("")


def fold(text: str) -> str:
    """Upper-case letters with accents, ligatures and apostrophes gone; words separated by single spaces.

    Every script keeps its letters, in one width. What goes are accents and points a reader may leave out (Unicode's
    combining classes 10 to 36 and from 200: Latin, Greek and Cyrillic accents, Hebrew and Arabic vowel points); the
    vowel signs of India and the voicing marks of Japan make another letter and stay.
    """
    upper = text.upper()
    if not upper.isascii():
        upper = _unaccented(upper)
        if not upper.isascii():
            upper = "".join([_letter(sign) for sign in _JOINED.sub("", upper)])
            return " ".join(upper.split())
    if upper.isalpha():
        return upper
    return _SPLIT.sub(" ", _JOINED.sub("", upper)).strip()


def _unaccented(upper: str) -> str:
    apart = unicodedata.normalize("NFKD", upper.translate(_LETTERS))
    kept = [sign for sign in apart if sign < _FIRST_OF_MARKS or not _left_out(unicodedata.combining(sign))]
    return unicodedata.normalize("NFC", "".join(kept).upper())


def _left_out(combining: int) -> bool:
    return 10 <= combining <= 36 or combining >= 200


def _letter(sign: str) -> str:
    """The sign when it is part of a word in any script, else a blank."""
    return sign if unicodedata.category(sign)[0] in "LMN" else " "


@lru_cache(maxsize=1 << 12)
def _script(letter: str) -> str:
    """The script of a letter, as Unicode names it: LATIN, CYRILLIC, CJK, HANGUL."""
    return "LATIN" if letter.isascii() else unicodedata.name(letter, "").partition(" ")[0]


def same_script(name: str, other: str) -> bool:
    """Whether two names can be compared letter by letter at all: Wang says nothing about 王, for or against."""
    if name.isascii() and other.isascii():
        return True
    return _script(name[0]) == _script(other[0])


def is_word(name: str) -> bool:
    """Each sign is a word or a syllable, so that one sign is no initial and one that differs makes another name."""
    return not name.isascii() and _script(name[0]) in ("CJK", "HANGUL")


def read_suffix(text: str) -> str:
    """JR, SR, II, III or IV; "" for anything else."""
    return _SUFFIXES.get(fold(text).replace(" ", ""), "")


def read_last(text: str) -> Name:
    """A family name; a suffix after it is taken off, particles count only in the whole."""
    return _read(fold(text).split())


def read_first(text: str) -> Name:
    """A given name; what hospitals write for a person without one (BABYBOY, UNKNOWN) is absent."""
    words = fold(text).split()
    if words and words[0] in _NOBODY and all(word in _NOBODY or word in _BIRTH_ORDER for word in words):
        return ABSENT
    if words and words[0].startswith(("BABYBOY", "BABYGIRL")):
        return ABSENT
    return _read(words)


def _read(words: list[str]) -> Name:
    suffix = ""
    while len(words) > 1 and (words[-1] in _SUFFIXES or words[-1] in _TITLES):
        suffix = _SUFFIXES.get(words.pop(), suffix)
    while len(words) > 1 and words[0] in _TITLES and words[0] != "DO":
        words.pop(0)
    if not words or (len(words) == 1 and words[0] in _NOBODY):
        return Name("", (), suffix)
    if len(words) == 1:
        return Name(words[0], (), suffix)
    parts = tuple(word for word in words if word not in _PARTICLES and len(word) > 1)
    return Name("".join(words), parts, suffix)


@cache
def last_shares() -> dict[str, float]:
    """Share of the population that bears each last name."""
    return census_table("dist.all.last")


@cache
def first_shares() -> dict[str, float]:
    """Share of the population (half of each sex) that bears each first name."""
    shares = {name: share / 2 for name, share in census_table("dist.male.first").items()}
    for name, share in census_table("dist.female.first").items():
        shares[name] = shares.get(name, 0.0) + share / 2
    return shares


def census_table(table: str) -> dict[str, float]:
    """Share of each name of one table of the package `names`, most common first."""
    shares: dict[str, float] = {}
    for line in files("names").joinpath(table).read_text(encoding="ascii").splitlines():
        name, percent, *_ = line.split()
        shares[name] = float(percent) / 100
    return shares


@cache
def _relation() -> dict[str, frozenset[str]]:
    namer = NickNamer()
    related: dict[str, set[str]] = {}
    for canonical, nicknames in namer.nickname_lookup.items():
        for nickname in nicknames:
            related.setdefault(fold(canonical), set()).add(fold(nickname))
            related.setdefault(fold(nickname), set()).add(fold(canonical))
    return {name: frozenset(others) for name, others in related.items()}


def nicknames(name: str) -> frozenset[str]:
    """Its usual short forms, and the names it is a short form of."""
    return _relation().get(name, frozenset())


def nickname(name: str, other: str) -> bool:
    """One is a usual short form of the other (BILL, WILLIAM), or both are of one name that is the short form's only."""
    return other in nicknames(name)


@cache
def common_first() -> tuple[str, ...]:
    """First names that more than one in a thousand bear."""
    return tuple(name for name, share in first_shares().items() if share > _COMMON)


def known_first(name: str) -> bool:
    """A first name people bear, so that two of them are two names and not one misspelled."""
    return name in _relation() or name in first_shares()
