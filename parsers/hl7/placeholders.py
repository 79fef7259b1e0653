"""An identifier's value in; whether it stands for "no number" and so is nobody's out.

Registration systems ask for a number where there is none yet, and clerks type what the field takes. Only what cannot be
a real number is named here: words, nothing but zeros, six or more nines, and X's; `1234` and `TEMP4711` may be real.
"""

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[\W_]+")
_NINES: Final = 6
_FILLED: Final = re.compile(r"0+|9{6,}|X{2,}")
_WORDS: Final = frozenset(
    "UNKNOWN UNKN UNK UKN NOTKNOWN NONE NULL NIL NA NOTAPPLICABLE NOTAVAILABLE UNAVAILABLE NOTONFILE "
    "NOTASSIGNED UNASSIGNED NOTGIVEN NOTPROVIDED NOTSPECIFIED UNSPECIFIED NONUMBER NOMRN NOMR NOID NOSSN "
    "NOACCOUNT NOVISIT MISSING BLANK EMPTY TEMP TEMPORARY TMP TBA TBD PENDING NEW NEWPATIENT DUMMY DEFAULT "
    "TEST INVALID UNIDENTIFIED UNIDENT ANONYMOUS ANON JOHNDOE JANEDOE DOE REFUSED DECLINED".split()
)


def is_placeholder(value: str) -> bool:
    """Whether a record, account or visit number is nobody's: UNKNOWN, NONE, TEMP, N/A, 000000, 999999, or nothing."""
    if value.isdigit():
        return not value.strip("0") or (len(value) >= _NINES and not value.strip("9"))
    text = (value if value.isalnum() else _SEPARATORS.sub("", value)).upper()
    return not text or text in _WORDS or _FILLED.fullmatch(text) is not None
