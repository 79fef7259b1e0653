"""One alert version as its recipient may read it in; the parts of a DirectTrust event notification, unsigned, out.

Three parts in one `multipart/mixed`: a text a person reads, the context (`metadata.txt`, Context 1.1) and our ADT
message. Signing and encryption are the way's (`streams.tell.ways.direct`).
"""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as CRLF
from zoneinfo import ZoneInfo

from rules.telling.confidentiality import Relationship
from rules.telling.views import AlertView
from streams.tell.hl7_words import summary

CONTENT_TYPE = "multipart/mixed"
_FORMAT = "dt-org:dsm:adt-en:1.0"
_PATIENT_DATA = "2.16.840.1.113883.6.1:79429-7"


def notification(seen: AlertView, message: bytes, delivery_id: str, domain: str, oid: str, zone: ZoneInfo) -> bytes:
    """The MIME entity, with CRLF. `oid`: of our patient identifiers, "" when there is none; `message`: the ADT."""
    person = seen.person
    who = f"{person.name.given} {person.name.family}" if person else f"Stay {seen.alert_id}"
    lines = [who, *([f"Born: {person.birth_date:%Y-%m-%d}"] if person else []), *summary(seen, zone)]
    context = EmailMessage(CRLF)
    context.set_content("".join(f"{line}\n" for line in _context(seen, delivery_id, domain, oid, zone)))
    context["Content-Disposition"] = 'attachment; filename="metadata.txt"'
    context["Content-ID"] = f"<{context_id(delivery_id, domain)}>"
    readable = EmailMessage(CRLF)
    readable.set_content("\n".join(lines) + "\n")
    encapsulated = EmailMessage(CRLF)
    encapsulated.set_content(
        message, "application", "x-direct-encapsulated+hl7v2", cte="base64", filename="notification.hl7"
    )
    mixed = EmailMessage(CRLF)
    mixed.make_mixed(boundary=f"=_{delivery_id}")
    for part in (readable, context, encapsulated):
        del part["MIME-Version"]
        mixed.attach(part)
    del mixed["MIME-Version"]
    return mixed.as_bytes()


def context_id(delivery_id: str, domain: str) -> str:
    """What `X-Direct-Context` and the context's `Content-ID` name."""
    return f"context.{delivery_id}@{domain}"


def _context(seen: AlertView, delivery_id: str, domain: str, oid: str, zone: ZoneInfo) -> list[str]:
    """The lines of `metadata.txt`."""
    person = seen.person
    lines = ["version: 1.1", f"id: {delivery_id}@{domain}"]
    if person and oid:
        lines.append(f"patient-id: {oid}:{_value(person.enrollee_id)}")
    treats = seen.relationship is Relationship.TREATING
    lines += ["type: general/notification", f"purpose: {'treatment' if treats else 'operations'}"]
    if person:
        known = {
            "givenName": person.name.given,
            "surname": person.name.family,
            "dateOfBirth": person.birth_date.isoformat(),
            "gender": person.sex,
        }
        lines.append("patient: " + "; ".join(f"{name}={_value(value)}" for name, value in known.items() if value))
    lines += ["encapsulation: hl7v2", f"format-code: {_FORMAT}", f"content-type-code: {_PATIENT_DATA}"]
    return [*lines, f"creation-time: {_stamp(seen.decided_at, zone)}"]


def _value(text: str) -> str:
    """A value that cannot end its line or its field."""
    return "".join(" " if letter in ";=" or not letter.isprintable() else letter for letter in text)


def _stamp(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y%m%d%H%M%S%z}"
