"""Each HL7 v2 message that we send or pass on is taken by HAPI, which parses and validates it."""

import asyncio
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from parsers.people import Practice
from rules.decisions import Action, StayStatus
from rules.telling.destinations import FormKind
from streams.tell.forms import coordinator
from streams.tell.forms.adt import adt
from streams.tell.forms.hl7v2 import mdm
from streams.tell.forms.received import passed_on, taken_back
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets
from streams.tell.ways.mllp import Mllp
from tests.conftest import missing
from tests.rigs.hapi import Hapi, hapi, missing_hapi
from tests.rigs.telling import DIRECTORY, NOW, destination
from tests.tell.test_da_vinci import FULL, view

pytestmark = pytest.mark.servers
ZONE = ZoneInfo("America/New_York")
TO = ("EHR", "OAK")
NUMBER = "d" * 32


@pytest.fixture(scope="module")
def receiver() -> Iterator[Hapi]:
    if why := missing_hapi():
        missing(why)
    with hapi() as listening:
        yield listening


def sent(receiver: Hapi, *messages: bytes) -> list[Delivered | NotDelivered]:
    to = destination(form=FormKind.HL7_RECEIVED, address=f"127.0.0.1:{receiver.port}", allow_private=True)

    async def send() -> list[Delivered | NotDelivered]:
        way = Mllp()
        said = [await way.deliver(Parcel(NUMBER, body, ""), to, Secrets({})) for body in messages]
        await way.close()
        return said

    return asyncio.run(send())


def received(version: str, trigger: str = "A01", end: str = "\r") -> bytes:
    """A hospital's own, of that version, with segments and fields that we make nothing of."""
    phone = "(828)555-0101" if version < "2.6" else "^PRN^PH^^^828^5550101"
    lines = (
        f"MSH|^~\\&|EPIC|MISSION|HIE|NC|20261122115900||ADT^{trigger}|C-{version}|P|{version}",
        f"EVN|{trigger}|20261122115900|||ADAMS",
        f"PID|1||M1^^^MISSION^MR~9^^^STATE^PI||WHITFIELD^ROSA^M||19550302|F|||12 OAK ST^^ASHEVILLE^NC^28801||{phone}",
        "NK1|1|WHITFIELD^PAUL|SPO",
        "PV1|1|I|4W^12^A^MISSION||||1234567893^ADAMS^ANN|||MED|||||||||V1|||||||||||||||||||||||||20261122113000",
        "AL1|1|DA|PEN^Penicillin",
        "DG1|1||I50.9^Heart failure^I10",
        "ZPI|local|data",
    )
    return (end.join(lines) + end).encode()


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6"])
@pytest.mark.parametrize("trigger", ["A01", "A03", "A08"])
def test_as_received_is_taken_whatever_its_version(receiver: Hapi, version: str, trigger: str) -> None:
    message = received(version, trigger)
    assert sent(receiver, passed_on(message, TO)) == [Delivered("AA")]
    assert receiver.took()[1:] == [trigger, f"C-{version}", "M1", "WHITFIELD"], "under the hospital's own MSH-10"


@pytest.mark.parametrize("version", ["2.3", "2.5.1"])
def test_what_takes_it_back_is_taken_as_well(receiver: Hapi, version: str) -> None:
    for message in (received(version), received(version, end="\r\n")):
        cancel = taken_back(message, TO, NUMBER, NOW, ZONE)
        assert cancel
        assert sent(receiver, cancel) == [Delivered("AA")]
        assert receiver.took()[1:] == ["A11", NUMBER[:20], "M1", "WHITFIELD"], "the patient as it was passed on"


def test_each_message_of_our_own_is_taken(receiver: Hapi) -> None:
    contact = coordinator.Contact((), Practice(practice_id="P1", name="Oak", network_id="N1"), DIRECTORY.carriers("P1"))
    versions = [
        view(**FULL),
        view(kind="transfer"),
        view(Action.AMEND, StayStatus.FINISHED, **FULL),
        view(encounter_class="EMER"),
        view(Action.AMEND),
        view(Action.RETRACT, StayStatus.CANCELLED),
    ]
    made = [
        form(seen, NUMBER, TO, ZONE, int(seen.action is not Action.NOTIFY)) for seen in versions for form in (adt, mdm)
    ]
    made += [coordinator.mdm(seen, contact, NUMBER, TO, ZONE) for seen in versions]
    messages = [message for message in made if message]
    assert len(messages) == 18
    assert sent(receiver, *messages) == [Delivered("AA")] * 18
    assert {tuple(receiver.took()[:2]) for _ in messages} == {
        ("ADT_A01", "A01"),
        ("ADT_A02", "A02"),
        ("ADT_A03", "A03"),
        ("ADT_A01", "A04"),
        ("ADT_A01", "A08"),
        ("ADT_A09", "A11"),
        ("MDM_T02", "T02"),
        ("MDM_T02", "T10"),
        ("MDM_T01", "T11"),
    }


def test_it_does_not_take_everything(receiver: Hapi) -> None:
    (said,) = sent(receiver, received("2.5.1").replace(b"|19550302|", b"|in spring|"))
    assert isinstance(said, NotDelivered), "a receiver that validates"
