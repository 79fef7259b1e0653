"""Revocation lists as an operator keeps them: who is on one gets nothing, and a list is in force without a restart."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind
from streams.run.problems import Problem
from streams.tell.revocation import ENDED, REVOKED, Revocations
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets
from streams.tell.ways.http import Http
from streams.tell.ways.mllp import Mllp
from tests.rigs.receiver import Receiver, make_ca, server_context
from tests.rigs.telling import destination

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Side(NamedTuple):
    """A CA and a server's certificate of it."""

    folder: Path
    ca: x509.Certificate
    certificate: x509.Certificate

    def crl(self, *revoked: int, until: datetime = NOW + DAY, delta: bool = False) -> x509.CertificateRevocationList:
        key = load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.ca.subject)
        made = made.last_update(NOW - 9 * DAY).next_update(until)
        if delta:
            made = made.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        for serial in revoked:
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build()
            made = made.add_revoked_certificate(gone)
        return made.sign(key, hashes.SHA256())


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Side:
    folder = tmp_path_factory.mktemp("side")
    ca, cert, _ = make_ca(folder)
    read = x509.load_pem_x509_certificate
    return Side(folder, read(ca.read_bytes()), read(cert.read_bytes()))


@pytest.fixture
def kept(side: Side, tmp_path: Path) -> Path:
    """A folder with the CA, by itself."""
    folder = tmp_path / "crls"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(side.ca.public_bytes(Encoding.DER))
    return folder


def test_who_is_on_a_list_is_refused_before_anything_is_sent_and_another_list_holds_without_a_restart(
    side: Side, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(side.folder / "ca.pem"))
    serial = side.certificate.serial_number
    (kept / "list.crl").write_bytes(side.crl(serial + 1, serial).public_bytes(Encoding.DER))
    revocations = Revocations(kept)
    parcel = Parcel("a" * 32, b"MSH|^~\\&|A|B|C|D|1||ADT^A01|a|P|2.5.1\r", "text/plain")
    got: list[bytes] = []

    async def mllp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\x1c\r"))
        writer.write(b"\x0bMSH|^~\\&|C|D|A|B|1||ACK|1|P|2.5.1\rMSA|AA|a\r\x1c\r")

    async def told() -> list[Delivered | NotDelivered]:
        context = revocations.context()
        ways = Http(context=context), Mllp(revocations=revocations)
        server_side = server_context(side.folder / "cert.pem", side.folder / "key.pem")
        server = await asyncio.start_server(mllp, "127.0.0.1", 0, ssl=server_side)
        port = server.sockets[0].getsockname()[1]
        by_mllp = destination(
            form=FormKind.HL7_ADT, address=f"localhost:{port}", allow_private=True, options={"tls": "1"}
        )
        with Receiver(server_side) as receiver:
            by_http = destination(address=receiver.url("ok/x"), allow_private=True)
            try:
                said = [
                    await way.deliver(parcel, to, Secrets({})) for way, to in zip(ways, (by_http, by_mllp), strict=True)
                ]
            finally:
                for way in ways:
                    await way.close()
                server.close()
            got.extend(request.body for request in receiver.of("ok/x"))
        return said

    assert asyncio.run(told()) == [NotDelivered(Failure.TLS), NotDelivered(Failure.TLS)]
    assert not got
    assert not revocations.look(), "nothing changed"
    (kept / "list.crl").write_bytes(side.crl(serial + 1).public_bytes(Encoding.PEM))
    assert revocations.look()
    assert asyncio.run(told()) == [Delivered("202"), Delivered("AA")]
    assert len(got) == 2
    (kept / "list.crl").write_bytes(side.crl(serial)[0].revocation_date_utc.isoformat().encode())
    assert not revocations.look(), "what cannot be used leaves the old ones in force"
    assert revocations.why_not(side.certificate, NOW) == ""


def test_a_list_that_has_ended_refuses_all_of_its_ca_and_nobody_of_another(
    side: Side, kept: Path, tmp_path: Path
) -> None:
    ended = side.crl(until=NOW - DAY)
    (kept / "list.pem").write_bytes(ended.public_bytes(Encoding.PEM))
    revocations = Revocations(kept)
    assert revocations.why_not(side.certificate, NOW) == ENDED
    other = tmp_path / "other"
    other.mkdir()
    _, cert, _ = make_ca(other)  # of another CA, which is called the same
    stranger = x509.load_pem_x509_certificate(cert.read_bytes())
    assert stranger.issuer == side.certificate.issuer
    assert revocations.why_not(stranger, NOW) == "", "its CA has no list here"
    (kept / "newer.pem").write_bytes(side.crl(side.certificate.serial_number + 1).public_bytes(Encoding.PEM))
    assert revocations.look()
    assert revocations.why_not(side.certificate, NOW) == "", "the newer one holds"
    (kept / "ended.pem").write_bytes(
        side.crl(side.certificate.serial_number, until=NOW - DAY).public_bytes(Encoding.PEM)
    )
    assert revocations.look()
    assert revocations.why_not(side.certificate, NOW) == REVOKED, "who was revoked once stays so"


@pytest.mark.parametrize("wrong", ["forged", "delta", "no CA", "no file"])
def test_a_list_nobody_vouches_for_is_not_taken(side: Side, kept: Path, tmp_path: Path, wrong: str) -> None:
    made = side.crl(side.certificate.serial_number, delta=wrong == "delta").public_bytes(Encoding.DER)
    if wrong == "forged":
        made = made[:-1] + bytes([made[-1] ^ 1])
    (kept / "list.crl").write_bytes(made)
    if wrong == "no CA":
        (kept / "ca.crt").unlink()
    with pytest.raises(Problem, match="HANDOFF_TELL_CRLS"):
        Revocations(tmp_path / "nowhere" if wrong == "no file" else kept)


def test_without_lists_tls_is_what_it_is_elsewhere(side: Side) -> None:
    context = Revocations().context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert Revocations().why_not(side.certificate, NOW) == ""


def test_a_connection_that_stands_carries_nothing_once_its_receiver_is_revoked(
    side: Side, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(side.folder / "ca.pem"))
    revocations = Revocations(kept)
    got: list[bytes] = []

    async def mllp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while data := await reader.readuntil(b"\x1c\r"):
            got.append(data)
            writer.write(b"\x0bMSH|^~\\&|C|D|A|B|1||ACK|1|P|2.5.1\rMSA|AA|" + data.split(b"|")[9] + b"\r\x1c\r")

    connections: list[asyncio.StreamWriter] = []

    async def story() -> list[Delivered | NotDelivered]:
        context = server_context(side.folder / "cert.pem", side.folder / "key.pem")
        server = await asyncio.start_server(mllp, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        to = destination(form=FormKind.HL7_ADT, address=f"localhost:{port}", allow_private=True, options={"tls": "1"})
        way = Mllp(revocations=revocations)

        async def told(control_id: str) -> Delivered | NotDelivered:
            body = f"MSH|^~\\&|A|B|C|D|1||ADT^A01|{control_id}|P|2.5.1\r".encode()
            return await way.deliver(Parcel("a" * 32, body, "text/plain"), to, Secrets({}))

        try:
            said = [await told("a"), await told("b")]
            assert len(connections) == 1
            (kept / "list.crl").write_bytes(side.crl(side.certificate.serial_number).public_bytes(Encoding.DER))
            assert revocations.look()
            return [*said, await told("c")]
        finally:
            await way.close()
            server.close()

    assert asyncio.run(story()) == [Delivered("AA"), Delivered("AA"), NotDelivered(Failure.TLS)]
    assert len(got) == 2
