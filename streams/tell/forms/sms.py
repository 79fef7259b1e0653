"""How much waits for one person in; one text message of counts, and the body a gateway wants it in, out. No patient.

One part of 160 characters of GSM-7 (3GPP TS 23.038): plain ASCII words only, and what does not fit is left out.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from streams.words.times import moment

MOST: Final = 160
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
USUAL_BODY: Final = '{"to": "{to}", "text": "{text}"}'


def text(counts: Iterable[tuple[int, str]], first_due: datetime | None, front_page: str, zone: ZoneInfo) -> str:
    """The message: counts first; when the first step is due and the link where they fit."""
    said = "Warm Handoff: " + (", ".join(f"{count} {word}" for count, word in counts if count) or "nothing waits") + "."
    if first_due:
        said = _with(said, f" First step due {moment(first_due, first_due, zone)}.")
    return _with(said, f" {front_page}") if front_page.startswith("http") else said


def body(template: str, content_type: str, to: str, said: str) -> bytes:
    """The gateway's body: `{to}` and `{text}` of the template, escaped as its content type asks."""
    if content_type.partition(";")[0].strip().lower() == FORM:
        values = {"{to}": _quoted(to), "{text}": _quoted(said)}
    else:
        values = {"{to}": json.dumps(to)[1:-1], "{text}": json.dumps(said)[1:-1]}
    for name, value in values.items():
        template = template.replace(name, value)
    return template.encode()


def _with(said: str, more: str) -> str:
    return said + more if len(said + more) <= MOST and more.isascii() else said


def _quoted(text: str) -> str:
    """Percent-encoded but for letters, digits and -._~ (RFC 3986 2.3)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
