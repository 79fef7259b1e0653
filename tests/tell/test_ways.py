"""Bytes to a place: what a receiver does is a value, every wait ends, nothing goes where it must not."""

import asyncio
import base64
import errno
import json
import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as SmtpServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from rules.telling.attempts import UNKNOWN, Failure
from rules.telling.destinations import Destination, FormKind, Whose
from streams.tell import addresses
from streams.tell.connecting import opened, reached
from streams.tell.relay import Relay, reach
from streams.tell.signing import new_key, new_secret, public_key, signature
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets
from streams.tell.ways import http
from streams.tell.ways.folder import Folder
from streams.tell.ways.http import Http, retry_after
from streams.tell.ways.smtp import Smtp
from tests.rigs.receiver import Receiver, make_ca, server_context
from tests.rigs.telling import destination

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PARCEL = Parcel("a" * 32, b'{"type":"stay.started"}', "application/json")
NONE = Secrets({})


def post(url: str, secrets: Secrets = NONE, *, private: bool = True, parcel: Parcel = PARCEL, **changes: object):
    async def once():
        way = Http()
        try:
            return await way.deliver(parcel, destination(address=url, allow_private=private, **changes), secrets)
        finally:
            await way.close()

    return asyncio.run(once())


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


@pytest.mark.parametrize(
    ("manner", "failure"),
    [
        ("500", Failure.SERVER_ERROR),
        ("400", Failure.REFUSED),
        ("401", Failure.NOT_ALLOWED),
        ("410", Failure.GONE),
        ("503", Failure.SERVER_ERROR),
        ("429", Failure.SLOW_DOWN),
        ("502", Failure.CONNECTION_LOST),
        ("504", Failure.TIMED_OUT),
        ("redirect", Failure.REDIRECTED),
        ("reset", Failure.CONNECTION_LOST),
    ],
)
def test_what_an_answer_means(receiver: Receiver, manner: str, failure: Failure) -> None:
    said = post(receiver.url(f"{manner}/x"))
    assert isinstance(said, NotDelivered)
    assert said.failure is failure
    assert said.retry_after == (timedelta(seconds=7) if manner == "429" else None)
    assert receiver.connections == 1, "a redirect is never followed"


@pytest.mark.parametrize("manner", ["hang", "drip"])
def test_every_wait_ends_and_nobody_knows_whether_it_arrived(
    receiver: Receiver, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ALL_SECONDS", 1.0)
    began = time.monotonic()
    said = post(receiver.url(f"{manner}/x"))
    assert isinstance(said, NotDelivered)
    assert said.failure is Failure.TIMED_OUT
    assert time.monotonic() - began < 5


def test_a_receiver_that_took_it_may_say_so_slowly(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.3)
    assert post(receiver.url("dripping_ok/x")) == Delivered("200")


def test_of_the_addresses_of_a_name_one_that_takes_a_connection_is_enough(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by MLLP: a name often has an address of IPv6 beside the one that somebody listens at."""

    async def resolved(host: str, port: int, **_: object) -> tuple[str, ...]:
        return "127.0.0.9", "127.0.0.1"

    monkeypatch.setattr(addresses, "resolve", resolved)
    assert post(receiver.url("ok/x")) == Delivered("202")
    assert asyncio.run(_reached_any("127.0.0.9", "127.0.0.1", port=receiver.port)) == Delivered()
    assert asyncio.run(_reached_any("127.0.0.9", port=receiver.port)) == NotDelivered(Failure.NO_CONNECTION)


async def _reached_any(*where: str, port: int) -> Delivered | NotDelivered:
    return await reached(opened(where, port))


def test_an_endless_answer_is_not_read(receiver: Receiver) -> None:
    assert post(receiver.url("huge/x")) == Delivered("200")


def test_nobody_there_and_no_such_name() -> None:
    assert post("http://127.0.0.1:9/x") == NotDelivered(Failure.NO_CONNECTION)
    assert post("https://no-such-host.invalid/x", private=False) == NotDelivered(Failure.NO_CONNECTION)


def test_one_s_own_network_is_refused_without_a_connection(receiver: Receiver) -> None:
    for url in (receiver.url("ok/x"), f"https://127.0.0.1:{receiver.port}/ok/x", f"https://localhost:{receiver.port}/"):
        assert post(url, private=False) == NotDelivered(Failure.ADDRESS_REFUSED)
    assert receiver.connections == 0


def test_a_certificate_is_verified_under_the_host_s_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca, cert, key = make_ca(tmp_path)
    with Receiver(server_context(cert, key)) as receiver:
        assert post(receiver.url("ok/x")) == NotDelivered(Failure.TLS)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        assert post(receiver.url("ok/x")) == Delivered("202")
        assert post(receiver.url("ok/x").replace("127.0.0.1", "localhost")) == Delivered("202")
        assert receiver.of("ok/x")[-1].headers["host"] == f"localhost:{receiver.port}"
    other = tmp_path / "other"
    other.mkdir()
    ca, cert, key = make_ca(other, "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with Receiver(server_context(cert, key)) as receiver:
        said = post(receiver.url("ok/x").replace("127.0.0.1", "localhost"))
        assert said == NotDelivered(Failure.TLS), "the right CA, another's name"


def test_the_published_library_verifies_what_is_sent_also_while_a_secret_is_rotated(receiver: Receiver) -> None:
    old, new = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8
    assert post(receiver.url("ok/x"), Secrets({"signing": (new, old), "bearer": ("t0ken",)})) == Delivered("202")
    (got,) = receiver.of("ok/x")
    for secret in (old, new):
        assert Webhook(secret).verify(got.body, got.headers) == json.loads(PARCEL.body)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "ZXZl" * 8).verify(got.body, got.headers)
    assert got.headers["webhook-id"] == PARCEL.delivery_id
    assert got.headers["authorization"] == "Bearer t0ken"


def test_a_gateway_that_wants_a_get_has_the_text_in_the_query() -> None:
    asked: list[bytes] = []

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def told() -> Delivered | NotDelivered:
        server = await asyncio.start_server(gateway, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send?user=oak"
        to = destination(form=FormKind.SMS, address=url, allow_private=True, options={"method": "GET"})
        way = Http()
        try:
            return await way.deliver(Parcel("d" * 32, b"to=%2B1828&text=2%20urgent.", "text/plain"), to, NONE)
        finally:
            await way.close()
            server.close()

    assert asyncio.run(told()) == Delivered("200")
    assert asked[0].splitlines()[0] == b"GET /send?user=oak&to=%2B1828&text=2%20urgent. HTTP/1.1"


def test_the_signature_is_that_of_the_published_vector() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    made = signature("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",))
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    key = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    made = signature("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', (f"whsk_{key}",))
    assert made == "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def test_who_verifies_with_the_public_key_and_who_with_the_secret_find_their_own_signature(receiver: Receiver) -> None:
    secret, key = new_secret(), new_key()
    assert post(receiver.url("ok/x"), Secrets({"signing": (secret,), "signing_key": (key,)})) == Delivered("202")
    (got,) = receiver.of("ok/x")
    assert Webhook(secret).verify(got.body, got.headers) == json.loads(PARCEL.body)
    symmetric, asymmetric = got.headers["webhook-signature"].split(" ")
    assert symmetric.startswith("v1,")
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(key).removeprefix("whpk_")))
    public.verify(base64.b64decode(asymmetric.removeprefix("v1a,")), signed)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Sun, 22 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta()),
        ("soon", None),
        ("", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("9" * 5000, timedelta(days=30)),
    ],
)
def test_retry_after(value: str, wait: timedelta | None) -> None:
    assert retry_after(value, NOW) == wait


# folder


def to_folder(folder: Path, parcel: Parcel):
    to = destination(form=FormKind.CSV, address=str(folder))
    return asyncio.run(Folder().deliver(parcel, to, NONE))


def test_a_file_is_whole_with_its_sum_beside_it_and_the_same_again_is_no_second_one(tmp_path: Path) -> None:
    parcel = Parcel("b" * 32, b"a,b\r\n", "text/csv", name="stays_1.csv")
    assert to_folder(tmp_path, parcel) == Delivered("written")
    assert to_folder(tmp_path, parcel) == Delivered("already")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stays_1.csv", "stays_1.csv.sha256"]
    assert (tmp_path / "stays_1.csv.sha256").read_text().split()[1] == "stays_1.csv"


def test_a_file_that_is_there_though_its_folder_cannot_be_written_down_may_have_been_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.fsync

    def fails_for_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, "of the disk")
        whole(handle)

    monkeypatch.setattr(os, "fsync", fails_for_folders)
    said = to_folder(tmp_path, PARCEL._replace(name="stays_1.csv"))
    assert (tmp_path / "stays_1.csv").read_bytes() == PARCEL.body
    assert isinstance(said, NotDelivered) and said.failure in UNKNOWN, "so its retraction follows"


def test_a_folder_that_is_away_and_a_name_that_leads_out(tmp_path: Path) -> None:
    assert to_folder(tmp_path / "gone", PARCEL._replace(name="x")) == NotDelivered(Failure.NO_CONNECTION)
    assert to_folder(tmp_path, PARCEL._replace(name="../x")) == NotDelivered(Failure.MISCONFIGURED)


# mail


class Mailbox:
    def __init__(self) -> None:
        self.mails: list = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return "550 5.1.1 no such user"
        if address.startswith("later"):
            return "451 4.3.0 later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(envelope)
        return "250 OK"


class DsnMailbox(Mailbox):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]]


class StartTls(Controller):
    def __init__(self, handler, context) -> None:
        self._tls = context
        super().__init__(handler, hostname="127.0.0.1", port=0)

    def factory(self):
        kind = KnowsDsn if isinstance(self.handler, DsnMailbox) else SmtpServer
        return kind(self.handler, tls_context=self._tls, require_starttls=True)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox(request, tmp_path: Path):
    ca, cert, key = make_ca(tmp_path)
    box = getattr(request, "param", Mailbox)()
    server = StartTls(box, server_context(cert, key))
    server.start()
    yield box, server.port, ca
    server.stop()


class KnowsDsn(SmtpServer):
    """With DSN (RFC 3461), as most relays."""

    async def smtp_MAIL(self, arg):
        words = arg.split()
        self.event_handler.asked += [word for word in words if word.startswith(("RET=", "ENVID="))]
        await super().smtp_MAIL(" ".join(word for word in words if not word.startswith(("RET=", "ENVID="))))


def mail(port: int, ca: str, address: str = "ortiz@example.org"):
    to: Destination = destination(form=FormKind.NUDGE, whose=Whose.PERSON, address=address)
    parcel = Parcel("c" * 32, b"2 urgent\n", "text/plain", subject="Warm Handoff: 2 urgent")
    way = Smtp(Relay(f"smtp://localhost:{port}", "handoff@example.org", ca), lambda: NOW)
    return asyncio.run(way.deliver(parcel, to, NONE))


def test_a_mail_goes_by_tls_and_says_that_it_is_automatic(mailbox) -> None:
    box, port, ca = mailbox
    assert mail(port, str(ca)) == Delivered("250")
    (envelope,) = box.mails
    text = envelope.content.decode()
    assert "Auto-Submitted: auto-generated" in text
    assert f"Message-ID: <{'c' * 32}@example.org>" in text
    assert envelope.rcpt_tos == ["ortiz@example.org"]


@pytest.mark.parametrize("mailbox", [DsnMailbox], indirect=True)
def test_a_relay_that_knows_how_is_asked_to_send_back_the_head_of_what_does_not_arrive(mailbox) -> None:
    box, port, ca = mailbox
    assert mail(port, str(ca)) == Delivered("250")
    assert box.asked == ["RET=HDRS", f"ENVID={'c' * 32}"]


def test_what_a_relay_says_and_a_relay_nobody_vouches_for(mailbox) -> None:
    box, port, ca = mailbox
    assert mail(port, str(ca), "later@example.org") == NotDelivered(Failure.SERVER_ERROR, "451")
    assert mail(port, str(ca), "gone@example.org") == NotDelivered(Failure.GONE, "550")
    assert mail(port, "") == NotDelivered(Failure.TLS)
    assert asyncio.run(reach(Relay(f"smtp://localhost:{port}", "handoff@example.org"))) == NotDelivered(Failure.TLS)
    assert asyncio.run(reach(Relay(f"smtp://localhost:{port}", "handoff@example.org", str(ca)))) == Delivered()
    assert not box.mails
