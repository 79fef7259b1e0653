"""An identifier's value in; whether it stands for "no number" and so is nobody's out.

Registration systems ask for a number where there is none yet, and clerks type what the field takes. Only what is hardly
a real number is named here: words, nothing but zeros, six or more nines, and X's; `1234` and `TEMP4711` may be real. A
visit or an account is another each time, so there 123456 and 1111111 are nobody's as well; of record numbers the rules
say so (`rules.matching.person.is_nobodys`), for such a number may still be all that names a patient.
"""

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[\W_]+")
_FILLED: Final = re.compile(r"[A-Z]{1,2}0{6,}|X{2,}")
_TYPED: Final = re.compile(r"([1-8])\1{6,}|0?123456(?:7(?:8(?:90?)?)?)?|X|VISIT|ACCOUNT|NUMBER")
_WORDS: Final = frozenset(
    "UNKNOWN UNKN UNK UKN NOTKNOWN NONE NULL NIL NA NOTAPPLICABLE NOTAVAILABLE UNAVAILABLE NOTONFILE "
    "NOTASSIGNED UNASSIGNED NOTGIVEN NOTPROVIDED NOTSPECIFIED UNSPECIFIED NONUMBER NOMRN NOMR NOID NOSSN "
    "NOACCOUNT NOVISIT MISSING BLANK EMPTY TEMP TEMPORARY TMP TBA TBD PENDING NEW NEWPATIENT DUMMY DEFAULT "
    "TEST INVALID UNIDENTIFIED UNIDENT ANONYMOUS ANON JOHNDOE JANEDOE DOE REFUSED DECLINED NOTFOUND NONEGIVEN "
    "NOTENTERED TRAUMA".split()
)


def is_placeholder(value: str) -> bool:
    """Whether a record, account or visit number is nobody's: UNKNOWN, NONE, TEMP, N/A, 000000, 999999, or nothing."""
    text = value if value.isalnum() else _SEPARATORS.sub("", value)
    if text.isdigit():
        return not text.strip("0") or (len(text) > 5 and not text.strip("9"))
    text = text.upper()
    return not text or text in _WORDS or _FILLED.fullmatch(text) is not None


def is_no_visit(value: str) -> bool:
    """Whether a visit or account number is a placeholder, or digits typed because the field asked for some."""
    return is_placeholder(value) or _TYPED.fullmatch(value.upper()) is not None
