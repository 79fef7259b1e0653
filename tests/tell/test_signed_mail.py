"""A confirmation counts when the recipient's side signed it: signatures made by OpenSSL, and whatever is not one."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from parsers.cms import read_signed
from parsers.mail_reports import NoReport, read_mail_report
from streams.tell.revocation import Revocations
from streams.tell.signed_mail import Unproven, signed_mail, why_unproven
from tests.messages.test_mail_reports import mdn, said

ADDRESS = "nurse@direct.clinic.example"
NOW = datetime.now(UTC)
DOMAIN = x509.DNSName("direct.clinic.example")
REPORT = mdn("automatic-action/MDN-sent-automatically;processed")


class Side(NamedTuple):
    """A certificate and its key, in PEM files for OpenSSL."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    cert_file: Path
    key_file: Path


Make = Callable[..., Side]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    folder = tmp_path_factory.mktemp("sides")

    def made(name: str, *names: x509.GeneralName, by: Side | None = None, days: int = 2, key=None, ca: bool = False):
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = by.certificate.subject if by else subject
        signing = by.key if by else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=9))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        )
        if ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, False, False, False)  # certificates alone
            builder = builder.add_extension(usage, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(signing, hashes.SHA256())
        cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
        cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Side(certificate, key, cert_file, key_file)

    return made


@pytest.fixture(scope="module")
def recipient(make: Make) -> Side:
    return make("nurse", x509.RFC822Name(ADDRESS), key=rsa.generate_private_key(65537, 2048))


def signed(side: Side, *options: str, content: bytes = REPORT) -> bytes:
    words = ["cms", "-sign", "-signer", str(side.cert_file), "-inkey", str(side.key_file), *options]
    done = subprocess.run(["openssl", *words], input=content, capture_output=True, check=True)
    return done.stdout


def why(raw: bytes, *trusted: Side, now: datetime = NOW, crls: Path | None = None) -> Unproven | None:
    certificates = [side.certificate for side in trusted]
    return why_unproven(signed_mail(raw), ADDRESS, certificates, now, Revocations(crls))


@pytest.mark.parametrize(
    "options", [(), ("-stream",), ("-nodetach",), ("-nodetach", "-stream"), ("-keyid",), ("-nocerts",), ("-noattr",)]
)
def test_who_signed_is_the_recipient_in_each_form_of_a_signature(recipient: Side, options: tuple[str, ...]) -> None:
    mail = signed(recipient, "-md", "sha256", *options)
    assert why(mail, recipient) is None
    assert said(signed_mail(mail).content) == ("processed", ""), "and what was signed is the report"
    as_kept = mail.replace(b"\r\n", b"\n")
    assert why(as_kept, recipient) is None, "a mailbox may keep lines its own way"


def test_whoever_changes_or_signs_it_otherwise_proves_nothing(make: Make, recipient: Side) -> None:
    mail = signed(recipient, "-md", "sha256")
    stranger = make("stranger", x509.RFC822Name(ADDRESS))
    assert why(REPORT, recipient) is Unproven.UNSIGNED
    assert why(mail.replace(b";processed", b";dispatched"), recipient) is Unproven.BADLY_SIGNED
    assert why(signed(recipient, "-md", "sha1"), recipient) is Unproven.BADLY_SIGNED
    assert why(signed(stranger, "-nocerts"), recipient) is Unproven.BADLY_SIGNED, "nobody knows by whom"
    assert why(signed(stranger), recipient) is Unproven.SIGNED_BY_ANOTHER
    assert why(signed(stranger)) is Unproven.SIGNED_BY_ANOTHER
    assert why(mail, recipient, now=NOW + timedelta(days=3)) is Unproven.SIGNED_BY_ANOTHER, "no more valid"


@pytest.mark.parametrize(
    ("names", "ca", "expected"),
    [
        ((DOMAIN,), True, None),
        ((x509.RFC822Name(ADDRESS),), True, None),
        ((x509.DNSName("other.example"),), True, Unproven.SIGNED_BY_ANOTHER),
        ((), True, Unproven.SIGNED_BY_ANOTHER),
        ((DOMAIN,), False, Unproven.SIGNED_BY_ANOTHER),
    ],
)
def test_a_certificate_below_an_anchor_speaks_for_its_own_domain(
    make: Make, recipient: Side, names: tuple[x509.GeneralName, ...], ca: bool, expected: Unproven | None
) -> None:
    anchor = make("anchor", ca=ca)
    agent = make("agent", *names, by=anchor)
    assert why(signed(agent, "-md", "sha384"), recipient, anchor) is expected


@pytest.mark.parametrize("salt", ["-1", "-2", "0"])
def test_a_signature_by_pss_counts_as_any_other(recipient: Side, salt: str) -> None:
    pss = ("-keyopt", "rsa_padding_mode:pss", "-keyopt", f"rsa_pss_saltlen:{salt}", "-md", "sha256")
    mail = signed(recipient, *pss)
    assert b"pkcs7-signature" in mail
    assert why(mail, recipient) is None
    assert why(mail.replace(b";processed", b";dispatched"), recipient) is Unproven.BADLY_SIGNED


@pytest.mark.parametrize("revoked", ["agent", "between"])
def test_who_is_revoked_or_below_one_who_is_proves_nothing(make: Make, tmp_path: Path, revoked: str) -> None:
    anchor = make("anchor", ca=True)
    between = make("between", by=anchor, ca=True)
    agent = make("agent", DOMAIN, by=between)
    mail = signed(agent, "-md", "sha256", "-certfile", str(between.cert_file))
    assert why(mail, anchor) is None
    gone, by = (agent, between) if revoked == "agent" else (between, anchor)
    entry = x509.RevokedCertificateBuilder().serial_number(gone.certificate.serial_number).revocation_date(NOW).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(NOW - timedelta(days=1))
        .next_update(NOW + timedelta(days=1))
        .add_revoked_certificate(entry)
        .sign(by.key, hashes.SHA256())
    )
    kept = tmp_path / "crl.pem"
    kept.write_bytes(by.certificate.public_bytes(Encoding.PEM) + crl.public_bytes(Encoding.PEM))
    assert why(mail, anchor, crls=kept) is Unproven.SIGNED_BY_ANOTHER


def test_only_what_is_signed_is_read(recipient: Side) -> None:
    nothing = signed(recipient, "-md", "sha256", content=b"Content-Type: text/plain\r\n\r\nhello\r\n")
    boundary = nothing.partition(b'boundary="')[2].partition(b'"')[0]
    smuggled = nothing.replace(
        b"--" + boundary + b"--", b"--" + boundary + b"\r\n" + REPORT + b"\r\n--" + boundary + b"--"
    )
    for forged in (nothing, smuggled):
        assert read_mail_report(signed_mail(forged).content) is NoReport.OTHER


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/signed\r\n\r\n",
        b'Content-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n',
        b'Content-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/'
        b"pkcs7-signature\r\n\r\nno signature\r\n--b--\r\n",
        b"Content-Type: application/pkcs7-mime\r\n\r\nno signature\r\n",
    ],
)
def test_what_calls_itself_signed_and_is_not_proves_nothing(recipient: Side, raw: bytes) -> None:
    assert why(raw, recipient) is Unproven.BADLY_SIGNED
    assert "SignedMail" in repr(signed_mail(raw))


def test_a_mail_in_a_mail_in_a_mail_is_read_by_nobody() -> None:
    deep = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (number, number) for number in range(2000)
    )
    assert read_mail_report(signed_mail(deep).content) is NoReport.UNREADABLE


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    assert read_signed(data) is None


@given(st.data())
def test_no_change_to_a_signature_breaks_the_reader(recipient_der: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(recipient_der) - 1))
    changed = recipient_der[:at] + bytes([data.draw(st.integers(0, 255))]) + recipient_der[at + 1 :]
    read_signed(changed)
    assert read_signed(recipient_der[:at]) is None


@pytest.fixture(scope="module")
def recipient_der(recipient: Side) -> bytes:
    der = signed(recipient, "-outform", "DER", "-nodetach")
    made = read_signed(der)
    assert made and made.content and made.signers[0].serial == recipient.certificate.serial_number
    return der
