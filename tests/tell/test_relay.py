"""What a relay says at each stage, and a line that is cut there: what comes again and what may have arrived."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind, State, WayKind, Whose
from streams.store import Store
from streams.tell.in_thread import InThread
from streams.tell.relay import Relay
from streams.tell.resting import Resting
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets
from streams.tell.ways.smtp import Smtp
from tests.rigs.receiver import make_ca, server_context
from tests.rigs.store import store, store_url
from tests.rigs.telling import NOW, destination

__all__ = ["store", "store_url"]

CUT = ""
TO = destination("m", FormKind.NUDGE, Whose.PERSON, address="ortiz@example.org")
PARCEL = Parcel("c" * 32, b"2 urgent", "text/plain", subject="Warm Handoff: 2 urgent")


class Scripted:
    """A relay that says what it is told to, by the verb it answers; "" hangs up."""

    def __init__(self, context: ssl.SSLContext, **says: str) -> None:
        self.context = context
        self.says = says

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = False
        try:
            await self._say(writer, "connect", "220 ready")
            while line := (await reader.readline()).decode():
                verb = line.split()[0].lower()
                offers = (
                    "250-x\r\n250-AUTH PLAIN\r\n250 8BITMIME"
                    if secure
                    else self.says.get("offers", "250-x\r\n250 STARTTLS")
                )
                usual = {"ehlo": offers, "starttls": "220 go", "auth": "235 in", "data": "354 go", "quit": "221 bye"}
                said = await self._say(writer, verb, usual.get(verb, "250 ok"))
                if said == "220 go":
                    await writer.start_tls(self.context)
                    secure = True
                elif said == "354 go":
                    while await reader.readline() != b".\r\n":
                        pass
                    await self._say(writer, "dot", "250 ok")
        except OSError:
            pass
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, verb: str, usual: str) -> str:
        said = self.says.get(verb, usual)
        if said == CUT:
            raise ConnectionError
        writer.write(f"{said}\r\n".encode())
        await writer.drain()
        return said


def test_each_stage_has_its_failure(tmp_path: Path) -> None:
    ca, cert, key = make_ca(tmp_path)
    trusted, context = ssl.create_default_context(cafile=str(ca)), server_context(cert, key)

    async def said(**says: str) -> Delivered | NotDelivered:
        server = await asyncio.start_server(Scripted(context, **says), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            relay = Relay(f"smtp://us:pass@localhost:{port}", "handoff@example.org", context=trusted)
            return await Smtp(relay, lambda: NOW).deliver(PARCEL, TO, Secrets({}))

    async def all_said() -> None:
        assert await said() == Delivered("250")
        assert await said(quit=CUT) == Delivered("250"), "it has it"
        for stage, reply, failure in STAGES:
            status = reply[:3] if reply and stage != "offers" else ""
            assert await said(**{stage: reply}) == NotDelivered(failure, status), (stage, reply)

    asyncio.run(all_said())


STAGES = [
    ("offers", "250 HELP", Failure.TLS),  # no STARTTLS: nothing is said in the clear
    ("starttls", "454 not now", Failure.SERVER_ERROR),
    ("connect", "554 no", Failure.SERVER_ERROR),  # of the relay, which somebody mends
    ("auth", "535 5.7.8 bad", Failure.NOT_ALLOWED),
    ("auth", "454 4.7.0 later", Failure.SERVER_ERROR),
    ("mail", "550 5.7.1 not from you", Failure.SERVER_ERROR),
    ("rcpt", "451 4.7.1 greylisted", Failure.SERVER_ERROR),
    ("rcpt", "550 5.1.1 unknown", Failure.GONE),
    ("rcpt", "550 unknown", Failure.GONE),
    ("rcpt", "550-5.1.1 unknown\r\n550 5.1.1 here", Failure.GONE),
    ("rcpt", "521 5.2.1 disabled", Failure.GONE),
    ("rcpt", "550 5.7.1 relaying denied", Failure.REFUSED),  # says nothing of the address
    ("rcpt", "550 5.2.2 full", Failure.REFUSED),
    ("dot", "554 5.7.1 spam", Failure.REFUSED),
    ("dot", "451 4.3.0 later", Failure.SERVER_ERROR),
    ("connect", CUT, Failure.NO_CONNECTION),
    ("mail", CUT, Failure.NO_CONNECTION),  # nothing of it was sent, so nothing can have arrived
    ("rcpt", CUT, Failure.NO_CONNECTION),
    ("dot", CUT, Failure.CONNECTION_LOST),
]


@pytest.mark.parametrize(("way", "state"), [(WayKind.SMTP, State.ACTIVE), (WayKind.HTTP, State.PAUSED)])
def test_a_login_that_our_relay_refuses_pauses_no_recipient(store: Store, way: WayKind, state: State) -> None:
    made = destination(way=way, form=FormKind.NUDGE if way is WayKind.SMTP else FormKind.WEBHOOK_JSON)
    store.destinations.put(made, NOW)
    resting = Resting(store, InThread(None))
    assert asyncio.run(resting.rests(made, Failure.NOT_ALLOWED, NOW + timedelta(minutes=1)))
    (row,) = store.destinations.all()
    assert (row.destination.state, row.last_failure) == (state, "not_allowed")
