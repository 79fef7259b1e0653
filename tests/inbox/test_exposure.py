"""Where the inbox may be reached: in clear on loopback only, else by its own TLS or by the proxy that is named."""

import asyncio
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from streams.inbox.behind_proxy import BehindProxy
from streams.inbox.process import check_exposure
from streams.inbox.serving import Certificates
from streams.run.problems import Problem
from streams.run.settings import Settings, SettingsError, load_settings
from tests.rigs.client import served
from tests.rigs.inbox import ORTIZ, InboxProcess, load_people, open_store
from tests.rigs.servers import free_port

FORM = "application/x-www-form-urlencoded"
PROXIED = {"inbox_proxy": ("10.1.0.5",), "front_page": "https://inbox.example.org"}


def certificate(folder, name):
    """(certificate, key) of one host, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "inbox.pem", folder / "inbox.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "::", "inbox.example.org"])
def test_in_clear_it_starts_on_loopback_only(host, tmp_path):
    with pytest.raises(Problem, match="HANDOFF_INBOX_TLS_CERT"):
        check_exposure(Settings(inbox_host=host), demo=False)
    check_exposure(Settings(inbox_host=host, inbox_tls_cert=tmp_path / "x"), demo=False)
    check_exposure(Settings(inbox_host=host, **PROXIED), demo=False)
    with pytest.raises(Problem, match="HANDOFF_FRONT_PAGE"):
        check_exposure(Settings(inbox_host=host, inbox_proxy=("10.1.0.5",)), demo=False)
    with pytest.raises(Problem, match="demo"):
        check_exposure(Settings(inbox_host=host, **PROXIED), demo=True)
    for loopback in ("127.0.0.1", "::1", "localhost"):
        check_exposure(Settings(inbox_host=loopback), demo=True)


def test_an_environment_makes_no_demo(tmp_path):
    settings = Settings(data_dir=tmp_path, inbox_port=0)
    store = open_store(settings)
    load_people(store)
    inbox = InboxProcess(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDOFF_DEMO", "1")
        url = inbox.start()
    try:
        with httpx.Client(base_url=url) as client:
            token = inbox.link(ORTIZ.case_manager_id, store).partition("t=")[2]
            assert client.post("/sign-in", data={"t": token}).status_code == 303
            assert client.get("/become").status_code == 404
    finally:
        inbox.stop()
        store.close()


@pytest.mark.parametrize("wrong", ['["10.1.0.5/8"]', '["proxy"]'])
def test_a_proxy_is_an_address_or_a_network(monkeypatch, wrong):
    monkeypatch.setenv("HANDOFF_INBOX_PROXY", wrong)
    with pytest.raises(SettingsError, match="HANDOFF_INBOX_PROXY"):
        load_settings()


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("10.1.0.5", ["203.0.113.7"], "203.0.113.7"),
        ("10.1.0.5", ["192.0.2.1, 203.0.113.7"], "203.0.113.7"),  # what the client wrote itself stands before
        ("10.1.0.5", ["192.0.2.1", "203.0.113.7, 10.1.0.5"], "203.0.113.7"),
        ("10.1.0.5", ["nonsense"], "10.1.0.5"),
        ("10.1.0.5", [], "10.1.0.5"),
        ("::ffff:10.1.0.5", ["203.0.113.7"], "203.0.113.7"),  # on a socket for both kinds of address
        ("10.1.0.5", ["192.0.2.1, 203.0.113.7:51830"], "203.0.113.7"),  # some proxies write the port, too
        ("10.1.0.5", ["[2001:db8::7]:443, ::ffff:10.1.0.5"], "2001:db8::7"),
        ("2001:db8::5", ["203.0.113.7"], None),
        ("127.0.0.1", ["203.0.113.7"], None),
        ("10.1.0.6", [], None),
    ],
)
def test_only_the_proxy_gets_through_and_says_who_asks(peer, forwarded, seen):
    answers = []

    async def app(scope, receive, send):
        request = Request(scope)
        answers.append((request.client.host, request.url.scheme))
        await PlainTextResponse("in")(scope, receive, send)

    async def send(message):
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    headers = [(b"host", b"inbox.example.org"), *((b"x-forwarded-for", address.encode()) for address in forwarded)]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers,
             "client": (peer, 1), "server": ("10.1.0.1", 80), "scheme": "http"}  # fmt: skip
    asyncio.run(BehindProxy(app, ["10.1.0.5/32"])(scope, None, send))
    assert answers == ([(seen, "https"), 200] if seen else [403])


def test_tls_of_its_own_with_secure_cookies_and_files_read_again(tmp_path, monkeypatch):
    cert, key = certificate(tmp_path, "first")
    settings = Settings(data_dir=tmp_path / "data", inbox_port=free_port())
    store = open_store(settings)
    load_people(store)
    monkeypatch.setenv("HANDOFF_INBOX_TLS_CERT", str(cert))
    monkeypatch.setenv("HANDOFF_INBOX_TLS_KEY", str(key))
    log = (tmp_path / "inbox.log").open("wb")
    command = [sys.executable, "-c", "from streams.run.settings import load_settings; "
               "from streams.inbox.process import run_inbox; run_inbox(load_settings())"]  # fmt: skip
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("HANDOFF_INBOX_PORT", str(settings.inbox_port))
    monkeypatch.setenv("HANDOFF_INBOX_METRICS_PORT", "0")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        trust = ssl.create_default_context(cafile=cert)
        transport = httpx.HTTPTransport(retries=40, verify=trust)
        with httpx.Client(
            base_url=f"https://localhost:{settings.inbox_port}", transport=transport, timeout=20
        ) as client:
            token = store.sign_in.make_link(ORTIZ.case_manager_id, datetime.now(UTC) + timedelta(minutes=5))
            cookie = client.post("/sign-in", data={"t": token}).headers["set-cookie"]
            assert cookie.startswith("__Host-handoff_session=")
            assert "Secure" in cookie
            assert client.get("/").status_code == 200
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        store.close()


def raw(client, head):
    """The status that a request gets as it is written."""
    with socket.create_connection((client.base_url.host, client.base_url.port), 30) as line:
        line.sendall(f"{head}\r\nHost: localhost\r\n\r\n5\r\nt=abc\r\n0\r\n\r\n".encode())
        return int(line.recv(100).split()[1])


def test_what_is_too_long_or_long_in_two_ways_is_not_read(tmp_path):
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings)
    load_people(store)
    with served(settings, store) as (client, _):
        assert client.post("/people", data={"words": "x" * 400_000}).status_code == 200
        assert raw(client, "POST /people HTTP/1.1\r\nContent-Length: 500001") == 413
        parts = (b"&" * size for size in (*[50_000] * 10, 1))
        assert client.post("/sign-in", content=parts, headers={"Content-Type": FORM}).status_code == 400
        assert raw(client, "POST /sign-in HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked") == 400
        deep = {"form": "many", "fields": "[" * 100_000}
        assert client.post("/draft", data=deep).status_code == 400
        assert "strict-transport-security" not in client.get("/").headers
    behind = settings.model_copy(update={"front_page": "https://inbox.example.org"})
    with served(behind, store, None) as (client, _):
        assert client.get("/").headers["strict-transport-security"] == "max-age=31536000"
    store.close()


def test_new_files_come_in_force_and_broken_ones_do_not(tmp_path):
    cert, key = certificate(tmp_path, "first")
    certificates = Certificates(cert, key)
    assert not certificates.look()
    assert subject_served(certificates) == "first"
    certificate(tmp_path, "second")
    assert certificates.look()
    assert subject_served(certificates) == "second"
    cert.write_text("half a file")
    assert not certificates.look()
    assert subject_served(certificates) == "second"
    with pytest.raises(Problem, match="HANDOFF_INBOX_TLS_CERT"):
        Certificates(cert, key)


def subject_served(certificates):
    """Whom the context shows to a client, by a handshake in memory."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(back, there)
    server = certificates.context.wrap_bio(there, back, server_side=True)
    for _ in range(5):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    presented = x509.load_der_x509_certificate(client.getpeercert(binary_form=True))
    return presented.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
