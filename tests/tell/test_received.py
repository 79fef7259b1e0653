"""The hospital's ADT passed on as received: to who treats, byte for byte, and taken back where it went."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import hl7
import pytest
from hl7.mllp import start_hl7_server
from hl7apy.parser import parse_message

from parsers.events import FacilityKind, Group, Patient, Prior
from parsers.hl7.mllp import Decoder, frame
from parsers.people import Consent
from rules.decisions import Match
from rules.policy.policy import default_policy
from rules.telling.attempts import Failure, GiveUp
from rules.telling.confidentiality import DEFAULT, Tier
from rules.telling.destinations import FormKind, Whose
from streams.kafka.records import Whose as OfWhom
from streams.store import Store
from streams.store.delivery import DeliveryState
from streams.store.received import MOST_BYTES, seal_received
from streams.tell.deliver import Teller
from streams.tell.forms.received import passed_on, taken_back
from streams.tell.hl7_parcels import Kept, ReceivedMessage
from streams.tell.seen import Known
from streams.tell.ways.mllp import Mllp
from tests.rigs.store import decide, line, record
from tests.rigs.telling import DIRECTORY, NOW, SECRET, decide_for, destination, retracting, take_back
from tests.tell.test_deliver import rows, store

__all__ = ["store"]

ZONE = ZoneInfo("America/New_York")
RAW = (
    "MSH|^~\\&|EPIC|MISSION|HIE|NC|20261122115900||ADT^A01|C-1|P|2.3\r"
    "EVN|A01|20261122115900\r"
    "PID|1||M1^^^MISSION^MR||WHITFIELD^ROSÉ||19550302|F\r"
    "PV1|1|I|4W^12^A^MISSION||||1^ADAMS^A|||MED\r"
    "DG1|1||F11.20^opioid dependence\rZPI|local\r"
).encode("latin-1")
CHANGED = RAW.replace(b"A01", b"A08").replace(b"C-1", b"C-2").replace(b"\r", b"\r\n")


class Ehr:
    """A receiver of python-hl7's own; it answers with the codes of its script, then AA."""

    def __init__(self, store: Store, *script: str) -> None:
        self.store = store
        self.script = list(script)
        self.got: list[str] = []
        self.now = NOW
        self.serving: list[asyncio.Task] = []

    async def serve(self, reader, writer):
        self.serving.append(asyncio.current_task())
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                self.got.append(str(message))
                writer.writemessage(message.create_ack(self.script.pop(0) if self.script else "AA"))
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def deliver(self, after: timedelta = timedelta()) -> None:
        """Everything that is due after so long."""
        self.now += after
        asyncio.run(self._told())

    async def _told(self) -> None:
        async with await start_hl7_server(self.serve, "127.0.0.1", 0, encoding="latin-1") as server:
            for row in self.store.destinations.all():
                where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
                self.store.destinations.put(row.destination.model_copy(update={"address": where}), NOW)
            received = self.store.received
            kept = Kept(partial(received.of, SECRET), partial(received.told_before, SECRET))
            way = Mllp()
            teller = Teller(
                *(self.store, {FormKind.HL7_RECEIVED: ReceivedMessage(kept, ZONE)}, {"mllp": way}),
                *(lambda: Known(DIRECTORY, DEFAULT, default_policy()), SECRET, "rig"),
                executor=ThreadPoolExecutor(2),
                now=lambda: self.now,
                chance=lambda: 0.5,
            )
            settling = asyncio.create_task(teller.settler.run())
            while await teller.once():
                await teller.settled()
            settling.cancel()
            await way.close()
            await asyncio.gather(*self.serving)
            self.serving.clear()


def with_message(event_record, raw: bytes = RAW, **changes):
    return event_record.model_copy(update={"sealed": seal_received(raw, SECRET), **changes})


@pytest.fixture
def ehr(store: Store):
    store.destinations.put(TO, NOW)
    return store


TO = destination(form=FormKind.HL7_RECEIVED, address="127.0.0.1:1", allow_private=True)


def as_text(raw: bytes) -> str:
    return str(hl7.parse(raw.decode("latin-1")))


def state_of(store: Store) -> list[tuple[str, str, str]]:
    return [(row.state, row.failure, row.status) for row in rows(store)]


def test_messages_arrive_as_received_and_in_order_and_lie_sealed(ehr: Store, tmp_path: Path) -> None:
    decide_for(ehr, [TO], with_message(record(1)), with_message(record(2), CHANGED))
    receiver = Ehr(ehr)
    receiver.deliver()
    assert receiver.got == [as_text(RAW), as_text(CHANGED)]
    assert state_of(ehr) == [(DeliveryState.DELIVERED, "", "AA")] * 2
    at_rest = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("handoff.sqlite3*"))
    assert b"opioid dependence" not in at_rest


def test_what_is_told_to_wait_comes_again_word_for_word_and_what_is_refused_never(ehr: Store) -> None:
    decide_for(ehr, [TO], with_message(record(1)), with_message(record(2, "E2", visit="V2"), CHANGED))
    receiver = Ehr(ehr, "AE", "AR")
    receiver.deliver()
    receiver.deliver(timedelta(minutes=10))
    assert receiver.got == [as_text(RAW), as_text(CHANGED), as_text(RAW)]
    assert sorted(state_of(ehr)) == [
        (DeliveryState.DELIVERED, "", "AA"),
        (DeliveryState.GIVEN_UP, Failure.NEVER, "AR"),
    ]


def test_the_hospital_s_own_cancel_is_passed_on(ehr: Store) -> None:
    cancel = RAW.replace(b"A01", b"A11")
    decide_for(ehr, [TO], with_message(record(1)))
    decide_for(ehr, [TO], with_message(take_back(2), cancel), rule=retracting)
    receiver = Ehr(ehr)
    receiver.deliver()
    assert receiver.got == [as_text(RAW), as_text(cancel)]


def test_what_another_message_takes_back_is_cancelled_by_who_and_which_visit(ehr: Store) -> None:
    decide_for(ehr, [TO], with_message(record(1)))
    receiver = Ehr(ehr)
    receiver.deliver()
    decide_for(ehr, [TO], take_back(2), rule=retracting)
    receiver.deliver()
    cancel = hl7.parse(receiver.got[1])
    assert str(cancel.segment("MSH")[9]) == "ADT^A11^ADT_A09"
    assert [str(segment[0]) for segment in cancel] == ["MSH", "EVN", "PID", "PV1"], "and nothing else of it"
    assert str(cancel.segment("PID")) == str(hl7.parse(RAW.decode("latin-1")).segment("PID"))
    assert state_of(ehr)[1] == (DeliveryState.DELIVERED, "", "AA")


def test_what_never_arrived_there_is_not_taken_back_there(ehr: Store) -> None:
    decide_for(ehr, [TO], with_message(record(1)))
    receiver = Ehr(ehr, "AR")
    decide_for(ehr, [TO], take_back(2), rule=retracting)
    receiver.deliver()
    assert len(receiver.got) == 1
    assert state_of(ehr)[1] == (DeliveryState.GIVEN_UP, GiveUp.NOT_PASSED_ON, "")


TWO = record(1).event.model_copy(update={"groups": (Group(patient=Patient()),)})
OTHER = OfWhom(match=Match(grade="certain", enrollee_id="E2"))


@pytest.mark.parametrize(
    "changes",
    [
        {"event": TWO, "further": (OTHER,)},
        {"event": record(1).event.model_copy(update={"prior": Prior()})},
        {"sealed": ""},
        {"sealed": seal_received(RAW, b"another key")},
    ],
    ids=["two patients", "a merge", "none came along", "another key"],
)
def test_what_names_somebody_else_or_is_not_there_is_not_passed_on(ehr: Store, changes) -> None:
    decide_for(ehr, [TO], with_message(record(1), **changes))
    receiver = Ehr(ehr)
    receiver.deliver()
    assert receiver.got == []
    assert state_of(ehr) == [(DeliveryState.GIVEN_UP, GiveUp.NOT_PASSED_ON, "")]


def test_a_message_about_somebody_else_is_not_behind_the_version_it_changed(ehr: Store) -> None:
    decide_for(ehr, [TO], with_message(record(1)))
    other = with_message(take_back(2), match=Match(grade="certain", enrollee_id="E2"))
    decide_for(ehr, [TO], other, rule=lambda event_record, history: retracting(take_back(2), history))
    assert ehr.received.of(SECRET, rows(ehr)[0].alert_id, 2) is None


def at_a_program(event_record, history):
    made = decide(event_record, history)
    protected = {"facility_kind": FacilityKind.SUBSTANCE_USE}
    return made.model_copy(update={"alerts": tuple(alert.model_copy(update=protected) for alert in made.alerts)})


@pytest.mark.parametrize(
    ("tier", "consent", "rule"),
    [
        (Tier.GENERAL, Consent.ALL, decide),
        (Tier.FULL, Consent.NONE, at_a_program),
        (Tier.FULL, Consent.ALL, at_a_program),
    ],
    ids=["a row that narrows", "no consent", "a notice that could not go along"],
)
def test_where_anything_is_withheld_nothing_goes(ehr: Store, tier: Tier, consent: Consent, rule) -> None:
    to = TO.model_copy(update={"tier": tier})
    ehr.destinations.put(to, NOW)
    ehr.panel.load([line("E1", mrns="MISSION:M1", consent=consent)], full=False, now=NOW)
    decide_for(ehr, [to], with_message(record(1)), rule=rule)
    receiver = Ehr(ehr)
    receiver.deliver()
    assert receiver.got == []
    assert state_of(ehr) == [(DeliveryState.GIVEN_UP, GiveUp.WITHHELD, "")]


def test_only_who_treats_may_have_such_a_destination() -> None:
    for whose in set(Whose) - {Whose.PERSON, Whose.PRACTICE, Whose.NETWORK}:
        with pytest.raises(ValueError, match="only to those who treat"):
            destination(form=FormKind.HL7_RECEIVED, whose=whose)


def test_nothing_is_kept_without_such_a_destination_nor_for_ever_nor_beyond_its_size(ehr: Store) -> None:
    hook = destination("d2")
    decide_for(ehr, [hook], with_message(record(1)))
    alert_id = rows(ehr, "d2")[0].alert_id
    assert ehr.received.of(SECRET, alert_id, 1) is None
    decide_for(ehr, [TO], with_message(record(2), CHANGED))
    assert ehr.received.of(SECRET, alert_id, 2) == CHANGED
    assert ehr.received.prune(NOW + timedelta(days=34)) == 0
    assert ehr.received.prune(NOW + timedelta(days=36)) == 1
    assert ehr.received.of(SECRET, alert_id, 2) is None
    assert seal_received(b"x" * (MOST_BYTES + 1), SECRET) == ""


def test_the_receiver_s_name_is_put_in_and_all_else_is_as_it_was() -> None:
    assert passed_on(RAW, ("", "")) == RAW
    assert passed_on(RAW, ("EHR", "OAK")) == RAW.replace(b"|HIE|NC|", b"|EHR|OAK|", 1)
    assert passed_on(b"MSH|^~\\&|A", ("EHR", "OAK")) == b"MSH|^~\\&|A"


@pytest.mark.parametrize("inside", [b"\x1c\r\x0b", b"\x1c", b"\x0b", b"\x1c\r"])
def test_what_is_passed_on_is_one_frame_whatever_it_holds(inside: bytes) -> None:
    message = RAW.replace(b"|local", b"|local" + inside + b"MSH")
    cancel = taken_back(message.replace(b"|F\r", b"|F" + inside + b"\r"), ("", ""), "d", NOW, ZONE)
    for body in (passed_on(message, ("", "")), cancel):
        assert body
        assert Decoder(1 << 16).feed(frame(body)) == [body]
        assert not set(body) & {0x0B, 0x1C}
    assert len(passed_on(message, ("", "")) or b"") == len(message)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_what_no_frame_carries_is_not_passed_on(codec: str) -> None:
    assert passed_on(RAW.decode("latin-1").encode(codec), ("EHR", "OAK")) is None


def test_a_cancel_of_ours_is_one_that_another_s_grammar_takes() -> None:
    cancel = taken_back(RAW.replace(b"|2.3\r", b"|2.5.1\r"), ("EHR", ""), "d" * 32, NOW, ZONE)
    assert cancel is not None
    parsed = parse_message(cancel.decode("latin-1"), find_groups=False)
    assert parsed.msh.msh_10.value == "d" * 20
    assert taken_back(RAW.replace(b"PV1|", b"ZV1|"), ("", ""), "d" * 32, NOW, ZONE) is None
