"""Direct messages: only the recipient opens them, OpenSSL says who signed, and the parts are those of the guide."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from cryptography import x509
from hl7apy.parser import parse_message

from rules.decisions import Action, StayStatus
from rules.policy.policy import default_policy
from rules.telling.attempts import Failure, GiveUp
from rules.telling.destinations import FormKind
from streams.tell.certificates import CERTIFICATE, why_not
from streams.tell.form import Item
from streams.tell.forms.adt import adt, trigger
from streams.tell.nobody import sample_view
from streams.tell.parcels import DirectNotification
from streams.tell.relay import Relay
from streams.tell.way import Delivered, NotDelivered, Parcel, Secrets
from streams.tell.ways.direct import Direct, Identity
from tests.rigs.telling import destination
from tests.tell.test_da_vinci import FULL, NOW, view
from tests.tell.test_ways import mailbox

__all__ = ["mailbox"]

ZONE = default_policy().tz
TO = destination(form=FormKind.DIRECT_ADT, address="nurse@direct.clinic.example", options={"oid": "2.16.840.1"})
FORM = DirectNotification("direct.handoff.example", ZONE)
DISCHARGED = view(Action.AMEND, StayStatus.FINISHED, **FULL)


def certificate(folder: Path, name: str, names: str) -> tuple[Path, Path]:
    """Certificate and key of somebody, signed by themselves."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -addext subjectAltName={names}"
    subprocess.run(["openssl", *words.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


def openssl(*words: str, given: bytes) -> bytes:
    done = subprocess.run(["openssl", *words], input=given, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def parcel(seen=DISCHARGED):
    return FORM.parcel([Item("d" * 32, NOW, seen)], TO, 0)


def test_the_recipient_alone_opens_it_and_we_signed_it(mailbox, tmp_path: Path) -> None:
    box, port, ca = mailbox
    ours, our_key = certificate(tmp_path, "us", "DNS:direct.handoff.example")
    theirs, their_key = certificate(tmp_path, "them", "email:nurse@direct.clinic.example")
    way = Direct(
        Relay(f"smtp://localhost:{port}", "mail@handoff.example", str(ca)),
        Identity("alerts@direct.handoff.example", ours, our_key),
    )
    sent = parcel()
    said = asyncio.run(way.deliver(sent, TO, Secrets({CERTIFICATE: (theirs.read_text(),)})))
    assert said == Delivered("250")
    (envelope,) = box.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("alerts@direct.handoff.example", [TO.address])
    outer = message_from_bytes(envelope.content)
    assert outer.get_content_type() == "application/pkcs7-mime"
    assert outer["Message-ID"] == f"<{'d' * 32}@direct.handoff.example>"
    assert b"WHITFIELD" not in envelope.content
    opened = openssl("cms", "-decrypt", "-recip", str(theirs), "-inkey", str(their_key), given=envelope.content)
    verified = openssl("cms", "-verify", "-CAfile", str(ours), "-purpose", "any", given=opened)
    assert verified == sent.body
    parts = message_from_bytes(verified).get_payload()
    assert [part.get_content_type() for part in parts] == [
        "text/plain",
        "text/plain",
        "application/x-direct-encapsulated+hl7v2",
    ]
    assert b"WHITFIELD" in parts[0].get_payload(decode=True)
    assert outer["X-Direct-Context"].strip() == parts[1]["Content-ID"].strip()
    assert parts[1].get_filename() == "metadata.txt"
    context = dict(line.split(": ", 1) for line in parts[1].get_payload(decode=True).decode().splitlines())
    assert context["version"] == "1.1"
    assert context["patient-id"] == "2.16.840.1:E1"
    assert context["patient"] == "givenName=ROSA; surname=WHITFIELD; dateOfBirth=1955-03-02; gender=F"
    assert context["encapsulation"] == "hl7v2"
    assert context["format-code"] == "dt-org:dsm:adt-en:1.0"
    assert b"ADT^A03^ADT_A03" in parts[2].get_payload(decode=True)


@pytest.mark.parametrize(
    ("names", "days", "why"),
    [
        ("email:nurse@direct.clinic.example", 0, ""),
        ("DNS:direct.clinic.example", 0, ""),
        ("email:other@direct.clinic.example", 0, "another address"),
        ("DNS:clinic.example", 0, "another address"),
        ("DNS:direct.clinic.example", 9, "not valid today"),
        ("DNS:direct.clinic.example -addext keyUsage=digitalSignature", 0, "for signing"),
        ("DNS:direct.clinic.example -addext keyUsage=keyEncipherment", 0, ""),
    ],
)
def test_a_message_is_encrypted_to_nobody_else(names: str, days: int, why: str, tmp_path: Path) -> None:
    path, _ = certificate(tmp_path, "them", names)
    loaded = x509.load_pem_x509_certificate(path.read_bytes())
    said = why_not(loaded, TO.address, datetime.now(UTC) + timedelta(days=days))
    assert (why in said) and bool(why) == bool(said)


def test_without_a_certificate_that_fits_nothing_leaves(tmp_path: Path, mailbox) -> None:
    box, port, ca = mailbox
    ours, our_key = certificate(tmp_path, "us", "DNS:direct.handoff.example")
    way = Direct(Relay(f"smtp://localhost:{port}", "m@x.example", str(ca)), Identity("a@x.example", ours, our_key))
    assert asyncio.run(way.deliver(parcel(), TO, Secrets({}))) == NotDelivered(Failure.MISCONFIGURED)
    strange = Secrets({CERTIFICATE: (ours.read_text(),)})
    assert asyncio.run(way.deliver(parcel(), TO, strange)) == NotDelivered(Failure.TLS)
    assert not box.mails


def test_each_version_is_a_message_that_another_s_grammar_takes() -> None:
    events = {
        "A01": view(**FULL),
        "A02": view(kind="transfer"),
        "A03": DISCHARGED,
        "A04": view(encounter_class="EMER"),
        "A08": view(Action.AMEND),
        "A11": view(Action.RETRACT, StayStatus.CANCELLED),
    }
    for event, seen in events.items():
        told_before = int(event == "A08")
        assert trigger(seen, told_before) == event
        message = adt(seen, "d" * 32, ("EHR", "CLINIC"), ZONE, told_before)
        parsed = parse_message(message.decode(), find_groups=False)
        assert parsed.validate()
        assert parsed.msh.msh_9.msh_9_2.value == event
        assert parsed.pv1.pv1_19.pv1_19_1.value == "a" * 32, "the stay's identifier is the same over all versions"


def test_who_may_not_know_whom_it_is_about_gets_nothing_but_what_is_taken_back() -> None:
    hidden = sample_view(NOW).model_copy(update={"person": None})
    assert parcel(hidden) is GiveUp.WITHHELD
    taken_back = parcel(view(Action.RETRACT, StayStatus.CANCELLED, person=None))
    assert isinstance(taken_back, Parcel) and b"WHITFIELD" not in taken_back.body
