"""A mail that came back in; what it says of a mail we sent, or why it is no report, out.

Two kinds, both a `multipart/report` (RFC 6522): a delivery status notification (DSN, RFC 3464) by the relays, and a
disposition notification (MDN, RFC 8098) by the recipient's side; of Direct messages the MDNs `processed` and
`dispatched` (Implementation Guide for Delivery Notification in Direct 1.0).
"""

import re
from collections.abc import Iterable
from email import message_from_bytes, message_from_string
from email.message import Message
from enum import StrEnum
from typing import Final, NamedTuple

_ID: Final = re.compile(r"<?\s*([^\s<>@]{1,200})(?:@[^\s<>]*)?\s*>?")
_STATUS: Final = re.compile(r"(?:\d{3}[ -])?([245]\.\d{1,3}\.\d{1,3})(?!\S)")
_NO_SUCH_ADDRESS: Final = re.compile(r"5\.(1\.(?![78]$)\d+|2\.1|4\.4)")  # 5.1.7 and 5.1.8 are about the sender's


class Told(StrEnum):
    """What became of a mail, the worst first."""

    NO_SUCH_ADDRESS = "no_such_address"  # 5.1.x, 5.2.1, 5.4.4 (RFC 3463): nothing will ever arrive there
    FAILED = "failed"
    DELAYED = "delayed"  # the relay goes on trying
    ARRIVED = "arrived"  # delivered to a mailbox, or relayed to where no more will be told
    PROCESSED = "processed"  # the other side's agent has it and vouches for it
    DISPATCHED = "dispatched"  # it is where its recipient reads it


class NoReport(StrEnum):
    """Why a mail says nothing of one of ours."""

    OTHER = "other"  # an ordinary mail, or an answer of somebody's holiday
    UNREADABLE = "unreadable"  # a report without what its RFC requires


class MailReport(NamedTuple):
    """A report: of which mail, by the part of its id before the @, and what became of it."""

    about: frozenset[str]
    told: Told
    status: str = ""  # of a DSN, such as 5.1.1


def status_in(reply: str) -> str:
    """The enhanced status code that a relay's reply begins with (RFC 2034 4), such as 5.1.1; "" when it has none."""
    match = _STATUS.match(reply)
    return match[1] if match else ""


def is_no_such_address(status: str) -> bool:
    """Whether nothing will ever arrive there, by an enhanced status code (RFC 3463)."""
    return _NO_SUCH_ADDRESS.fullmatch(status) is not None


def read_mail_report(raw: bytes) -> MailReport | NoReport:
    """What a mail reports; the first report in it counts, also inside a signed one."""
    try:
        parts = list(message_from_bytes(raw).walk())
        report = next((part for part in parts if part.get_content_type() == "multipart/report"), None)
        if report is None or not report.is_multipart():
            return NoReport.OTHER
        return _read(list(report.walk()))
    except RecursionError:  # a mail in a mail in a mail …
        return NoReport.UNREADABLE


def _read(parts: list[Message]) -> MailReport | NoReport:
    about: set[str] = set()
    outcomes: list[tuple[Told, str]] = []
    for part in parts:
        blocks = _blocks(part)
        match part.get_content_type():
            case "message/delivery-status":
                about |= _ids(block.get("Original-Envelope-Id") for block in blocks)
                outcomes += filter(None, map(_delivery, blocks))
            case "message/disposition-notification":
                about |= _ids(block.get("Original-Message-ID") for block in blocks)
                outcomes += filter(None, map(_disposition, blocks))
            case "text/rfc822-headers":
                about |= _ids([message_from_string(str(part.get_payload())).get("Message-ID")])
            case "message/rfc822":
                about |= _ids(block.get("Message-ID") for block in blocks)
    if not about or not outcomes:
        return NoReport.UNREADABLE
    best = max(outcomes, key=lambda outcome: _WORST_FIRST.index(outcome[0]))  # what reached one of a list has arrived
    return MailReport(frozenset(about), *best)


def _blocks(part: Message) -> list[Message]:
    """The groups of fields in a part of type `message`."""
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _ids(values: Iterable[str | None]) -> set[str]:
    matches = (_ID.fullmatch(str(value).strip()) for value in values if value)
    return {match[1] for match in matches if match}


def _delivery(fields: Message) -> tuple[Told, str] | None:
    """Of the fields of one recipient of a DSN (RFC 3464 2.3); nothing of those of the whole message."""
    outcome = _ACTIONS.get(_word(fields.get("Action")))
    if outcome is None:
        return None
    status = status_in(_text(fields.get("Status")))
    if status.endswith(".0.0"):  # Exim says no more there: what the other side said stands in its diagnostic
        status = status_in(_text(fields.get("Diagnostic-Code")).partition(";")[2].strip()) or status
    if outcome is Told.FAILED and is_no_such_address(status):
        outcome = Told.NO_SUCH_ADDRESS
    return outcome, status


def _disposition(fields: Message) -> tuple[Told, str] | None:
    """Of the fields of an MDN (RFC 8098 3.2.6): `action-mode/sending-mode; type/modifier,modifier`."""
    said = _text(fields.get("Disposition"))
    if not said:
        return None
    kind, *modifiers = map(_word, re.split(r"[/,]", said.rpartition(";")[2]))
    return _DISPOSITIONS.get(kind, Told.FAILED) if _WRONG.isdisjoint(modifiers) else Told.FAILED, ""


def _text(value: str | None) -> str:
    return str(value or "").strip()


def _word(value: str | None) -> str:
    """The first word, in lower case; what follows is a comment."""
    return _text(value).partition("(")[0].strip().lower()


_WORST_FIRST: Final = tuple(Told)
_ACTIONS: Final = {
    "failed": Told.FAILED,
    "delayed": Told.DELAYED,
    "delivered": Told.ARRIVED,
    "relayed": Told.ARRIVED,
    "expanded": Told.ARRIVED,
}
_DISPOSITIONS: Final = {
    "processed": Told.PROCESSED,
    "dispatched": Told.DISPATCHED,
    "displayed": Told.DISPATCHED,
    "deleted": Told.DISPATCHED,  # by its recipient, who had it
}  # `denied` and `failed` of RFC 3798, and what nobody knows, say that it did not arrive
_WRONG: Final = frozenset({"error", "failure", "failed"})
