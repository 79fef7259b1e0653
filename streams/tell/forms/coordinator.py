"""Who coordinates a patient's care in; a short HL7 v2 MDM message or the text of a Direct message to the hospital out.

Coordinator, practice, phone, hours, programs and what to do. Of the stay nothing is said, and of the patient only who
it is: by the hospital's own number, name and birth date. Taken back it is a T11, or a text that says so.
"""

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP as CRLF
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.events import Identifier
from parsers.people import CaseManager, Practice
from rules.decisions import Action
from rules.telling.views import AlertView
from streams.tell.hl7_documents import Document, message
from streams.tell.hl7_words import person_fields
from streams.words.hl7 import OID, shown_as

CONTENT_TYPE: Final = "text/plain"
_MOST_PEOPLE: Final = 5


class Contact(NamedTuple):
    """Whom a hospital turns to about one patient."""

    numbers: tuple[Identifier, ...]  # of the patient's record, as the hospital gave them
    practice: Practice | None
    coordinators: Sequence[CaseManager]
    programs: tuple[str, ...] = ()
    instructions: str = ""

    def __repr__(self) -> str:
        return "<Contact>"


def mdm(
    seen: AlertView, contact: Contact | None, delivery_id: str, receiver: tuple[str, str], zone: ZoneInfo
) -> bytes | None:
    """T02, and T11 when it is taken back. `contact`: `None` where the stay is not the hospital's. `None`: nothing may
    be told.
    """
    retracted = seen.action is Action.RETRACT
    lines = () if retracted else _lines(seen, contact)
    if not (lines or retracted):
        return None
    if contact is None:
        seen = seen.model_copy(update={"person": None})
    person = person_fields(seen)
    if seen.person and contact and contact.numbers:
        person[3] = "~".join(_number(each) for each in contact.numbers)
    trigger, number = "T11" if retracted else "T02", f"{seen.alert_id}.coordinator"
    first = number if retracted else ""
    document = Document(trigger, number, first, "CONTACT^Care coordination contact^L", lines)
    return message(seen, document, person, delivery_id, receiver, zone)


def text(seen: AlertView, contact: Contact | None) -> bytes | None:
    """The MIME entity of a Direct message, with CRLF. `None`: nothing may be told."""
    lines = _lines(seen, contact)
    if seen.action is Action.RETRACT:
        lines = ("Taken back: please disregard what we told you of who coordinates this patient's care.",)
    if not lines:
        return None
    entity = EmailMessage(CRLF)
    entity.set_content("\n".join((*_about(seen, contact), f"Our reference: {seen.alert_id}", *lines)) + "\n")
    del entity["MIME-Version"]
    return entity.as_bytes()


def _about(seen: AlertView, contact: Contact | None) -> tuple[str, ...]:
    if seen.person is None or contact is None:
        return ()
    numbers = ", ".join(f"{each.value} ({each.system})" if each.system else each.value for each in contact.numbers)
    name = seen.person.name
    who = f"Patient: {name.given} {name.family}, born {seen.person.birth_date:%Y-%m-%d}"
    return (who, f"Your number: {numbers}") if numbers else (who,)


def _lines(seen: AlertView, contact: Contact | None) -> tuple[str, ...]:
    """What a person reads; empty where there is nobody to name, or the hospital may not know whom it is about."""
    if seen.person is None or contact is None:
        return ()
    practice = contact.practice
    people = [_coordinator(person) for person in contact.coordinators[:_MOST_PEOPLE]]
    facts = [("Care coordinator", person) for person in people]
    facts += [("Practice", practice.name), ("Phone", practice.phone)] if practice else []
    if not facts:
        return ()
    facts += [("Programs", ", ".join(contact.programs)), ("Please", contact.instructions)]
    return tuple(f"{name}: {value}" for name, value in facts if value)


def _coordinator(person: CaseManager) -> str:
    return ", ".join(filter(None, (person.name, person.email, person.hours)))


def _number(number: Identifier) -> str:
    """CX: the number, its authority and type (HL7 v2.5.1 2.A.14)."""
    authority = f"&{number.system}&ISO" if OID.fullmatch(number.system) else shown_as(number.system)
    return f"{shown_as(number.value)}^^^{authority}^{shown_as(number.type) or 'MR'}"
