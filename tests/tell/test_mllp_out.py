"""HL7 v2 out: messages that a grammar nobody here wrote takes, and acknowledgments understood."""

import asyncio
from zoneinfo import ZoneInfo

import hl7
import pytest
from hl7apy.parser import parse_message

from rules.decisions import Action
from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind
from streams.tell.forms.hl7v2 import mdm
from streams.tell.nobody import sample_view
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets
from streams.tell.ways import mllp
from streams.tell.ways.mllp import Mllp
from tests.rigs.telling import NOW, destination

ZONE = ZoneInfo("America/New_York")
SEEN = sample_view(NOW).model_copy(update={"complaint": "pain | in ^ chest\r\nMSH|x", "attending": "OSLER & CO~"})


@pytest.mark.parametrize(
    ("action", "trigger"), [(Action.NOTIFY, "T02"), (Action.AMEND, "T10"), (Action.RETRACT, "T11")]
)
def test_the_grammar_takes_each_message(action: Action, trigger: str) -> None:
    seen = SEEN.model_copy(update={"action": action, "version": 3})
    body = mdm(seen, "d" * 32, ("EHR", "OAK"), ZONE, 0 if trigger == "T02" else 1)
    assert body
    message = parse_message(body.decode(), find_groups=True)
    assert message.validate()
    assert message.msh.msh_9.to_er7() == f"MDM^{trigger}^{'MDM_T01' if trigger == 'T11' else 'MDM_T02'}"
    read = hl7.parse(body.decode())
    assert str(read.segment("TXA")[12]) == "test.3^WARMHANDOFF"
    assert str(read.segment("TXA")[13]) == ("" if trigger == "T02" else "test.1^WARMHANDOFF")
    lines = (
        []
        if trigger == "T11"
        else [hl7.parse(body.decode()).unescape(str(segment[5])) for segment in read.segments("OBX")]
    )
    assert lines == [] or "Complaint: pain | in ^ chest  MSH|x" in lines


class Receiver:
    """Answers each message with the next of the script: codes, "late" (another's first), "close", "silent",

    "once" (AA, and closes), "short" (AA, with 20 characters of the id).
    """

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.got: list[bytes] = []
        self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                data = await reader.readuntil(b"\x1c\r")
                self.got.append(data)
                control = data.split(b"|")[9]
                match self.script.pop(0):
                    case "close":
                        return
                    case "silent":
                        continue
                    case "once":
                        writer.write(self.ack(b"AA", control))
                        return
                    case "short":
                        writer.write(self.ack(b"AA", control[:20]))
                    case "late":
                        writer.write(self.ack(b"AA", b"another") + self.ack(b"AE", control))
                    case code:
                        writer.write(self.ack(code.encode(), control))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    def ack(code: bytes, control: bytes) -> bytes:
        return b"\x0bMSH|^~\\&|A|B|C|D|20261122||ACK|1|P|2.5.1\rMSA|" + code + b"|" + control + b"\r\x1c\r"


def send(receiver: Receiver, count: int):
    async def run():
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        to = destination(
            form=FormKind.HL7_MDM,
            address=f"127.0.0.1:{server.sockets[0].getsockname()[1]}",
            allow_private=True,
        )
        way = Mllp()
        body = mdm(SEEN, "d" * 32, ("", ""), ZONE)
        said = [await way.deliver(Parcel("d" * 32, body, ""), to, Secrets({})) for _ in range(count)]
        await way.close()
        server.close()
        return said

    return asyncio.run(run())


def test_acknowledgments_mean_taken_again_and_never_on_one_connection() -> None:
    receiver = Receiver("AA", "CA", "AE", "AR")
    assert send(receiver, 4) == [
        Delivered("AA"),
        Delivered("CA"),
        NotDelivered(Failure.SERVER_ERROR, "AE"),
        NotDelivered(Failure.NEVER, "AR"),
    ]
    assert receiver.connections == 1


def test_a_late_acknowledgment_of_another_message_does_not_count() -> None:
    assert send(Receiver("late"), 1) == [NotDelivered(Failure.SERVER_ERROR, "AE")]


def test_without_an_acknowledgment_the_same_goes_again_on_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mllp, "ACK_SECONDS", 0.5)
    receiver = Receiver("silent", "close", "AA")
    assert send(receiver, 3) == [
        NotDelivered(Failure.TIMED_OUT),
        NotDelivered(Failure.CONNECTION_LOST),
        Delivered("AA"),
    ]
    assert receiver.connections == 3
    assert len(set(receiver.got)) == 1


def test_a_receiver_that_closes_after_each_has_each_at_once() -> None:
    receiver = Receiver("once", "once", "AA", "close", "AA")
    assert send(receiver, 4) == [Delivered("AA")] * 4
    assert receiver.connections == 4, "the last had no answer on the connection that was kept"
    assert len({message.split(b"|")[9] for message in receiver.got}) == 1


def test_what_was_lost_on_a_kept_line_may_have_arrived_whatever_comes_after() -> None:
    assert send(Receiver("AA", "close", "AE"), 2) == [Delivered("AA"), NotDelivered(Failure.CONNECTION_LOST)]


def test_a_receiver_that_keeps_twenty_characters_of_an_id_is_understood() -> None:
    assert send(Receiver("short", "late"), 2) == [Delivered("AA"), NotDelivered(Failure.SERVER_ERROR, "AE")]


def test_one_s_own_network_is_refused() -> None:
    to = destination(form=FormKind.HL7_MDM, address="127.0.0.1:2575")
    said = asyncio.run(Mllp().deliver(Parcel("d" * 32, b"MSH|", ""), to, Secrets({})))
    assert said == NotDelivered(Failure.ADDRESS_REFUSED)
