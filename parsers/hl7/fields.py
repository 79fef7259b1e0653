"""Bytes of a message in; the fields that two independent readers agree on out, for the tests that hold us to them."""

from typing import Final

from parsers.hl7.er7 import NULL, Message
from parsers.outcomes import Reject, RejectCode

FIELDS: Final = (
    "MSH-3 MSH-4 MSH-9.1 MSH-9.2 MSH-10 MSH-12 EVN-2 PID-5.1 PID-5.2 PID-7 PID-8 PID-11.5 PID-18 PID-19 PV1-2 PV1-3.1 "
    "PV1-19 PV1-36 PV1-44 PV1-45 MRG-1"
).split()


def read_fields(data: bytes, charset: str = "") -> dict[str, str | list[list[str]]]:
    """What was read, by HL7 address: first repetition and component, unescaped; "" when absent, `""` when sent so.

    `PID-3` is a list of `[value, authority, type]`. Of input that is no message, what can be read: at worst all "".
    """
    message = Message.parse(data, charset)
    if isinstance(message, Reject) and message.code is RejectCode.UNDECODABLE:
        message = Message.parse(data, "latin-1")
    if isinstance(message, Reject):
        return {**dict.fromkeys(FIELDS, ""), "PID-3": []}
    fields: dict[str, str | list[list[str]]] = {address: _sent(message, address) for address in FIELDS}
    pid = message.first("PID")
    repetitions = pid.repetitions(3) or [""] if pid and len(pid.fields) > 3 else []
    fields["PID-3"] = [
        [
            NULL if repetition == NULL and number == 1 else message.values.part(repetition, number)
            for number in (1, 4, 5)
        ]
        for repetition in repetitions
    ]
    return fields


def _sent(message: Message, address: str) -> str:
    value = message.get(address)
    return NULL if not value and message.is_delete(address) else value
