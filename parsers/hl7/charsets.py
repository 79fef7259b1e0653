"""Bytes of a message and what MSH-18 says about them in; text and the codec that gave it out.

MSH-18 (HL7 table 0211) repeats: the first repetition is the default set, the others are switched to by ISO 2022
escapes. Senders leave it out, misspell it, or say one thing and send another, so the declared set is a claim to check:

1. A feed's configured codec is obeyed: bytes outside of it are UNDECODABLE. UTF-16 and UTF-32 show themselves.
2. Pure ASCII needs no claim.
3. Text that is UTF-8 beyond ASCII is read as UTF-8, whatever a single-byte claim says: other text almost never is.
4. The declared set, when the bytes fit.
5. Windows-1252, when the claim was missing, unknown or did not fit; bytes outside of it are UNDECODABLE.
"""

import codecs
import re
from functools import lru_cache
from typing import Final, NamedTuple

from parsers.events import Finding

UTF8: Final = "utf-8"
_FALLBACK: Final = "cp1252"
_ISO_2022_JP: Final = "iso2022_jp_ext"
_LONGEST_CLAIM: Final = 1000

# HL7 table 0211, and what senders write instead; keys without blanks and punctuation
CODECS: Final[dict[str, str]] = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "7BIT": "ascii",
    "UTF8": UTF8,
    "UNICODE": UTF8,
    "UNICODEUTF8": UTF8,
    "UNICODEUTF16": "utf-16",
    "UTF16": "utf-16",
    "UNICODEUTF32": "utf-32",
    "UTF32": "utf-32",
    "LATIN1": "iso8859-1",
    "ISOIR100": "iso8859-1",
    "ISOIR101": "iso8859-2",
    "ISOIR109": "iso8859-3",
    "ISOIR110": "iso8859-4",
    "ISOIR144": "iso8859-5",
    "ISOIR127": "iso8859-6",
    "ISOIR126": "iso8859-7",
    "ISOIR138": "iso8859-8",
    "ISOIR148": "iso8859-9",
    "ANSI": _FALLBACK,
    "ISOIR13": _ISO_2022_JP,
    "ISOIR14": _ISO_2022_JP,
    "ISOIR87": _ISO_2022_JP,
    "ISOIR159": _ISO_2022_JP,
    "ISO2022JP": _ISO_2022_JP,
    "JIS": _ISO_2022_JP,
    "JAS2020": _ISO_2022_JP,
    "JISX0202": _ISO_2022_JP,
    "JISX0208": _ISO_2022_JP,
    "SHIFTJIS": "cp932",
    "SJIS": "cp932",
    "WINDOWS31J": "cp932",
    "EUCJP": "euc_jp",
    "GB18030": "gb18030",
    "GB180302000": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "KSX1001": "euc_kr",
    "EUCKR": "euc_kr",
    "CNS116431992": "big5hkscs",
    "BIG5": "big5hkscs",
    "KOI8R": "koi8_r",
    "TIS620": "tis_620",
    "CP437": "cp437",
    "CP850": "cp850",
    **{f"8859{part}": f"iso8859-{part}" for part in range(1, 17) if part != 12},
    **{f"ISO8859{part}": f"iso8859-{part}" for part in range(1, 17) if part != 12},
    **{f"WINDOWS{page}": f"cp{page}" for page in range(1250, 1259)},
    **{f"CP{page}": f"cp{page}" for page in range(1250, 1259)},
}

_PUNCTUATION: Final = re.compile(r"[\s_./:\-]+")
_WIDE: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), codec)
    for pattern, codec in (
        (rb"(?:\xff\xfe\0\0)?(?:[\x0b\x1c \t\r\n]\0\0\0){0,64}[A-Z]\0\0\0", "utf-32-le"),
        (rb"(?:\0\0\xfe\xff)?(?:\0\0\0[\x0b\x1c \t\r\n]){0,64}\0\0\0[A-Z]", "utf-32-be"),
        (rb"(?:\xff\xfe)?(?:[\x0b\x1c \t\r\n]\0){0,64}[A-Z]\0[A-Z]\0", "utf-16-le"),
        (rb"(?:\xfe\xff)?(?:\0[\x0b\x1c \t\r\n]){0,64}\0[A-Z]\0[A-Z]", "utf-16-be"),
    )
)
_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_BLANK: Final = b"\x0b\x1c \t\r\n"
_WIDE_NAMES: Final = ("utf-16", "utf-32")
_SINGLE_BYTE: Final = ("iso8859", "cp125", "cp4", "cp8", "koi8", "tis")


class Decoded(NamedTuple):
    text: str
    codec: str
    finding: Finding | None = None


class Undecodable(NamedTuple):
    offset: int  # of the first byte that does not fit


def codec_of(declared: str) -> str:
    """Codec named by one repetition of MSH-18; "" when nobody knows it."""
    return CODECS.get(_PUNCTUATION.sub("", declared[:40]).upper(), "")


def is_codec(name: str) -> bool:
    """Whether `name` can be configured as a feed's charset."""
    try:
        return codecs.lookup(name)._is_text_encoding
    except LookupError:
        return False


def wide_codec(data: bytes) -> str:
    """The kind of UTF-16 or UTF-32 that the first letters show, or the mark where letters do not deny it; else ""."""
    marked = data[:2] in _MARKS
    if not marked and b"\0" not in data[:8]:
        return ""
    if wide := next((codec for pattern, codec in _WIDE if pattern.match(data)), ""):
        return wide
    return _MARKS[data[:2]] if marked and not data[2:].lstrip(_BLANK)[:3].isalnum() else ""


def decode(data: bytes, declared: str, repetition: str, configured: str = "") -> Decoded | Undecodable:
    """Text of a message whose MSH-18 is `declared` (repetitions parted by `repetition`)."""
    if wide := wide_codec(data):
        read = _strict(data, wide)
        return read._replace(text=read.text.removeprefix("\ufeff")) if isinstance(read, Decoded) else read
    if configured and not (codec := codec_of(configured) or configured).startswith(_WIDE_NAMES):
        return _strict(data, codec)
    claim, problem = _claimed(declared[:_LONGEST_CLAIM], repetition)
    if configured or claim.startswith(_WIDE_NAMES):  # and the bytes are not wide
        claim, problem = UTF8, Finding.CHARSET_LYING
    if data.isascii() and b"\x1b" not in data:
        codec = claim if claim not in ("", "ascii") and not claim.startswith("utf-") else UTF8
        return Decoded(data.decode("ascii"), codec, None if problem is Finding.CHARSET_MISSING else problem)
    utf8_first = claim in ("", "ascii", UTF8) or claim.startswith(_SINGLE_BYTE)
    candidates = (UTF8, claim, _FALLBACK) if utf8_first else (claim, UTF8, _FALLBACK)
    bad = Undecodable(0)
    for codec in candidates:
        if not codec or codec == "ascii":
            continue
        tried = _strict(data, codec)
        if isinstance(tried, Decoded):
            return tried._replace(finding=problem or (None if codec == claim else Finding.CHARSET_LYING))
        bad = tried
    return bad


@lru_cache(maxsize=256)
def _claimed(declared: str, repetition: str) -> tuple[str, Finding | None]:
    """The codec that MSH-18 asks for, "" and the reason when it names none."""
    sets = [codec_of(name) for name in declared.split(repetition or "\x00") if name.strip()]
    known = [codec for codec in sets if codec]
    claim = _ISO_2022_JP if _ISO_2022_JP in known else known[0] if known else ""
    return claim, None if claim else Finding.CHARSET_UNKNOWN if sets else Finding.CHARSET_MISSING


def _strict(data: bytes, codec: str) -> Decoded | Undecodable:
    try:
        return Decoded(data.decode(codec), codec)
    except UnicodeDecodeError as error:
        return Undecodable(error.start)
    except (UnicodeError, LookupError):
        return Undecodable(0)
