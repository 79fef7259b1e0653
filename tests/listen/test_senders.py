"""Senders: a connection is who it shows to be, and speaks for its own facilities only; the rest is refused and told
nothing.
"""

import asyncio
import contextlib
import hashlib
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import ValidationError
from structlog.testing import capture_logs

from parsers.feeds import Feed, Feeds
from parsers.hl7.er7 import peek
from parsers.hl7.spoken_for import spoken_for
from parsers.outcomes import RejectCode
from parsers.senders import Sender, Senders
from streams.listen.connections import Limits
from streams.listen.http import HttpIn
from streams.listen.intake import Door
from streams.listen.mllp import MllpServer
from streams.listen.process import _gatekeeper
from streams.listen.senders import Caller, Gatekeeper, caller_of
from streams.listen.tls import tls_context
from streams.run.problems import Problem
from streams.run.settings import load_settings
from tests.listen.test_http import HL7
from tests.listen.test_mllp import (
    SECRET,
    Memory,
    Peer,
    certificates,  # noqa: F401
    client_context,
    counted,
    frame,
    run,
    tls_settings,
)

TOKEN = "kM3-random-token"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()


def adt(facility="MISSION", *, placed="", trigger="A01", left="", control_id="c1"):
    pv1 = f"PV1|1|I|4W^401^1^{placed}||{'|'.join(['', left and f'3E^1^1^{left}'])}"
    return (
        f"MSH|^~\\&|EPIC|{facility}|TOC|TOC|20261126120000||ADT^{trigger}|{control_id}|P|2.5.1\r"
        f"EVN|{trigger}|20261126120000\rPID|1||77^^^{facility}^MR||Whitfield^Rosa||19550304|F\r{pv1}\r"
    ).encode()


def said(data, *feeds):
    """By place; MSH-4 with both of its names, which come first."""
    return dict(reversed(spoken(data, *feeds)))


def spoken(data, *feeds):
    def feed_for(_application, facility):
        return next((feed for feed in feeds if facility in feed.sending or feed.name == "default"), Feed())

    return [(each.place, set(each.names)) for each in spoken_for(data, peek(data), feed_for)]


def test_a_message_speaks_for_its_sender_and_for_where_it_will_be_placed():
    assert said(adt("Mission")) == {"MSH-4": {"mission"}}
    assert said(adt("MISSION", placed="PARDEE")) == {"MSH-4": {"mission"}, "PV1-3.4": {"pardee"}}
    assert said(adt("MISSION^2.16.840^ISO"))["MSH-4"] == {"mission", "2.16.840"}
    fixed = Feed(name="mission", sending=("MISSION",), facility="Mission Hospital")
    assert said(adt("MISSION", placed="PARDEE"), fixed) == {"MSH-4": {"mission"}}  # the operator's word places it
    named = Feed(name="default", facility_from=("PV1-3.4", "MSH-4"))
    assert spoken(adt(""), named) == [("MSH-4", {"default"})]  # names none: it would be placed by a guess
    moved = said(adt("MISSION", placed="MISSION", trigger="A02", left="PARDEE"))
    assert moved["PV1-6.4"] == {"pardee"}  # a transfer ends what was there
    assert "PV1-6.4" not in said(adt("MISSION", left="PARDEE"))
    assert said(adt("")) == {"MSH-3": {"epic"}}
    assert said(b"MSH|^~\\&|EPIC|MISSION|||20261126||ADT^A01|1|P|2.5.1||||||UNICODE UTF-8\rPID|\xff\xff\r") == {
        "MSH-4": {"mission"}
    }


def test_another_s_name_beside_an_own_id_and_an_own_name_beside_another_s_id_speak_for_the_other():
    ours = Sender(name="a", facilities=("MISSION", "2.16.1"), networks=("10.0.0.1",))
    theirs = Feed(name="pardee", sending=("2.16.9", "PARDEE"), facility="Pardee Hospital")
    known = Feeds(feeds=(theirs,))
    gate = Gatekeeper(lambda: Senders(senders=(ours,)), known.feed_for)
    plain = Gatekeeper(lambda: Senders(senders=(ours,)), Feeds().feed_for)
    for header, refused, refused_plain in (
        ("MISSION^2.16.1^ISO", False, False),
        ("MISSION", False, False),
        ("2.16.1", False, False),
        ("PARDEE^2.16.1^ISO", True, True),  # placed by its name
        ("PARDEE^MISSION^ISO", True, True),
        ("MISSION^2.16.9^ISO", True, False),  # read as the feed of that id
        ("OTHER^2.16.1^ISO", True, True),
    ):
        for keeper_, expected in ((gate, refused), (plain, refused_plain)):
            data = adt(header)
            refusal = keeper_.refusal(data, peek(data), Caller("10.0.0.1"))
            assert (refusal is not None) is expected, header
            assert refusal is None or (refusal.code, refusal.place) == (RejectCode.OTHER_FACILITY, "MSH-4")


def test_a_number_that_somebody_else_issued_is_not_ours_to_give_away():
    ours = Sender(name="a", facilities=("MISSION",), networks=("10.0.0.1",))
    theirs = Sender(name="b", facilities=("PARDEE", "2.16.9"), networks=("10.0.0.2",))
    exchange = Sender(name="x", facilities=("*",), networks=("10.0.0.3",))
    gate = keeper(ours, theirs, exchange)
    for trigger, gone, refused in (
        ("A40", "MRG|888^^^MISSION^MR", ""),
        ("A40", "MRG|888^^^HEALTH SYSTEM^MR", ""),
        ("A40", "MRG|888", ""),
        ("A40", "MRG|888^^^pardee^MR", "MRG-1.4"),
        ("A43", "MRG|887^^^MISSION^MR~888^^^&2.16.9&ISO^MR", "MRG-1.4"),
        ("A44", "MRG|888^^^MISSION^MR||9^^^PARDEE", "MRG-3.4"),
        ("A45", "MRG|888^^^MISSION^MR||||9^^^PARDEE", "MRG-5.4"),
    ):
        data = adt("MISSION", trigger=trigger) + gone.encode() + b"\r"
        refusal = gate.refusal(data, peek(data), Caller("10.0.0.1"))
        assert (refusal.place if refusal else "") == refused, gone
        assert gate.refusal(data, peek(data), Caller("10.0.0.3")) is None


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"networks": ("10.0.0.1",)}, "facilities"),
        ({"facilities": ("A",)}, "fingerprints"),
        ({"facilities": ("A",), "issuer": "CN=ca"}, "go together"),
        ({"facilities": ("A",), "fingerprints": ("abc",)}, "64"),
        ({"facilities": ("A",), "token_hashes": (TOKEN,)}, "64"),
        ({"facilities": ("A",), "networks": ("10.0.0.1/8",)}, "networks"),
    ],
)
def test_a_sender_must_show_something_and_be_bound_to_something(values, why):
    with pytest.raises(ValidationError, match=why):
        Sender(**({"name": "a", "facilities": ()} | values))


def test_two_senders_have_two_names():
    sender = Sender(name="a", facilities=("*",), networks=("10.0.0.1",))
    with pytest.raises(ValidationError, match="name of its own"):
        Senders(senders=(sender, sender))


def keeper(*senders):
    return Gatekeeper(lambda: Senders(senders=senders), lambda *_: Feed())


def test_of_each_kind_of_proof_one_must_be_shown():
    pinned = Sender(name="pinned", facilities=("A",), fingerprints=("AB:" * 31 + "AB", "cd" * 32))
    signed = Sender(name="signed", facilities=("A",), issuer="CN=ca", names=("feed.example.org",))
    both = Sender(name="both", facilities=("A",), networks=("10.0.0.0/24",), token_hashes=(DIGEST,))
    near = Sender(name="near", facilities=("A",), networks=("10.0.0.7", "2001:db8::/64"))
    gate = keeper(pinned, signed, both, near)

    def name(caller):
        sender = gate.sender(caller)
        return sender.name if sender else ""

    assert name(Caller("192.0.2.1", "ab" * 32)) == name(Caller("192.0.2.1", "cd" * 32)) == "pinned"
    assert name(Caller("192.0.2.1", "ef" * 32, "CN=ca", frozenset({"feed.example.org"}))) == "signed"
    assert name(Caller("192.0.2.1", "ef" * 32, "CN=other", frozenset({"feed.example.org"}))) == ""
    assert name(Caller("192.0.2.1", "ef" * 32, "CN=ca", frozenset({"x"}))) == ""
    assert name(Caller("10.0.0.9", token_hash=DIGEST)) == "both"
    assert name(Caller("10.0.0.9", token_hash="0" * 64)) == name(Caller("10.0.0.9")) == ""
    assert name(Caller("192.0.2.1", token_hash=DIGEST)) == ""
    assert name(Caller("10.0.0.7")) == name(Caller("::ffff:10.0.0.7")) == name(Caller("2001:db8::1")) == "near"
    assert name(Caller("nonsense")) == ""
    assert gate.is_token(TOKEN)
    assert not gate.is_token("other")


def test_what_is_shown_of_another_s_makes_it_none_but_that_one():
    hub = Sender(name="hub", facilities=("*",), networks=("10.0.0.0/24",))
    ours = Sender(name="ours", facilities=("A",), fingerprints=("ab" * 32,))
    theirs = Sender(name="theirs", facilities=("B",), token_hashes=(DIGEST,))
    twice = Sender(name="twice", facilities=("C",), fingerprints=("cd" * 32,), token_hashes=(DIGEST,))
    gate = keeper(hub, theirs, ours, twice)
    for fingerprint_, token_hash, name in (
        ("", "", "hub"),
        ("ef" * 32, "0" * 64, "hub"),  # nobody's: they say nothing
        ("ab" * 32, "", "ours"),  # not the first whose network it is in
        ("", DIGEST, "theirs"),
        ("ab" * 32, DIGEST, ""),  # whose is it?
        ("cd" * 32, DIGEST, "twice"),
    ):
        sender = gate.sender(Caller("10.0.0.9", fingerprint_, token_hash=token_hash))
        assert (sender.name if sender else "") == name, (fingerprint_[:2], token_hash)


def test_a_file_is_known_by_its_folder_and_a_connection_by_the_rest():
    both = Sender(name="both", facilities=("A",), fingerprints=("ab" * 32,), folders=("/srv/both",))
    files = Sender(name="files", facilities=("A",), folders=("/srv/files",))
    near = Sender(name="near", facilities=("A",), networks=("10.0.0.7",))
    gate = keeper(both, files, near)
    callers = (
        Caller("192.0.2.1", "ab" * 32),
        Caller("", folder="/srv/both"),
        Caller("", folder="/srv/files"),
        Caller("192.0.2.1"),
        Caller("10.0.0.7", folder="/srv/near"),
    )
    senders = [gate.sender(caller) for caller in callers]
    assert [sender.name if sender else "" for sender in senders] == ["both", "both", "files", "", ""]


@contextlib.asynccontextmanager
async def listening(tmp_path, *senders, **overrides):
    settings = load_settings(data_dir=tmp_path, mllp_port=0, http_port=0, senders=senders, **overrides)
    durable, limits = Memory(), Limits(settings)
    door = Door(durable, SECRET, gatekeeper=_gatekeeper(settings))
    tls = tls_context(settings)
    server, http_in = MllpServer(settings, door, tls, limits), HttpIn(settings, door, tls, limits)
    await server.start()
    await http_in.start()
    try:
        yield server, http_in, durable
    finally:
        await server.stop()
        await http_in.stop()


def fingerprint(folder, name):
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes()).fingerprint(hashes.SHA256())


def test_hospital_a_s_certificate_says_nothing_as_hospital_b(tmp_path, certificates):  # noqa: F811
    ours = Sender(name="a", facilities=("MISSION",), fingerprints=(fingerprint(certificates, "client").hex(),))

    async def story():
        async with listening(tmp_path, ours, **tls_settings(certificates)) as (server, http_in, durable):
            context = client_context(certificates, "client")
            peer = Peer(*await asyncio.open_connection("127.0.0.1", server.port, ssl=context))
            with capture_logs() as logs, counted("toc_sender_messages_total", 3, sender="a", said="other_facility"):
                for control_id, theirs in (
                    ("b1", adt("PARDEE", control_id="b1")),
                    ("b2", adt("MISSION", placed="PARDEE", control_id="b2")),
                    ("b3", adt("MISSION", placed="MISSION", trigger="A02", left="PARDEE", control_id="b3")),
                ):
                    ack = await peer.ack(frame(theirs))
                    assert (ack.code, ack.control_id) == ("AR", control_id)
            assert durable.frames == []
            with counted("toc_sender_messages_total", sender="a", said="stored"):
                assert (await peer.ack(frame(adt("mission", placed="Mission")))).code == "AA"
            assert len(durable.frames) == 1
            warned = [logged for logged in logs if logged["event"] == "sender_refused"]
            assert [(logged["sender"], logged["code"]) for logged in warned] == [
                ("a", "other_facility")
            ]  # once, not each time
            assert "PARDEE" not in str(logs)
            await peer.close()
            transport = httpx.AsyncHTTPTransport(verify=context)
            async with httpx.AsyncClient(transport=transport) as client:
                url = f"https://127.0.0.1:{http_in.port}/hl7"
                assert (await client.post(url, content=adt("PARDEE"), headers=HL7)).status_code == 400
                assert (await client.post(url, content=adt("MISSION"), headers=HL7)).status_code == 200

    run(story())


def test_a_connection_that_is_none_of_the_senders_gets_ar_for_whatever_it_says(tmp_path):
    far = Sender(name="far", facilities=("*",), networks=("10.9.9.9",))

    async def story():
        async with listening(tmp_path, far) as (server, _, durable):
            peer = Peer(*await asyncio.open_connection("127.0.0.1", server.port))
            with counted("toc_refused_total", 2, code="sender_unknown"):
                known = await peer.ack(frame(adt("MISSION")))
                other = await peer.ack(frame(adt("NOBODY")))
            assert known.code == other.code == "AR"
            assert durable.frames == []
            await peer.close()

    run(story())


def test_a_token_is_its_sender_s_and_no_other_gets_in(tmp_path):
    ours = Sender(name="a", facilities=("MISSION",), token_hashes=(DIGEST,))

    async def story():
        async with listening(tmp_path, ours) as (_, http_in, durable), httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{http_in.port}/hl7"
            shown = HL7 | {"Authorization": f"Bearer {TOKEN}"}
            assert (await client.post(url, content=adt("MISSION"), headers=HL7)).status_code == 401
            wrong = HL7 | {"Authorization": "Bearer wrong"}
            assert (await client.post(url, content=adt("MISSION"), headers=wrong)).status_code == 401
            assert (await client.post(url, content=adt("PARDEE"), headers=shown)).status_code == 400
            assert (await client.post(url, content=adt("MISSION"), headers=shown)).status_code == 200
            assert len(durable.frames) == 1

    run(story())


def test_a_certificate_needs_no_token_because_another_sender_has_one(tmp_path, certificates):  # noqa: F811
    ours = Sender(name="a", facilities=("MISSION",), fingerprints=(fingerprint(certificates, "client").hex(),))
    other = Sender(name="b", facilities=("PARDEE",), token_hashes=(DIGEST,))

    async def story():
        async with listening(tmp_path, ours, other, **tls_settings(certificates)) as (_, http_in, durable):
            url = f"https://127.0.0.1:{http_in.port}/hl7"
            for name, headers, status in (
                ("client", HL7, 200),
                ("client", HL7 | {"Host": "a-web-page.example"}, 403),
                ("client", HL7 | {"Authorization": "Bearer wrong"}, 401),
                ("renewed", HL7, 401),
            ):
                transport = httpx.AsyncHTTPTransport(verify=client_context(certificates, name))
                async with httpx.AsyncClient(transport=transport) as client:
                    answer = await client.post(url, content=adt("MISSION"), headers=headers)
                assert answer.status_code == status, (name, headers)
            assert len(durable.frames) == 1

    run(story())


@pytest.mark.parametrize("token_hashes", [(), (DIGEST,)])
def test_a_sender_on_another_machine_calls_us_by_any_name(tmp_path, token_hashes):
    near = Sender(name="near", facilities=("A",), networks=("10.0.0.9",))
    other = Sender(name="b", facilities=("B",), token_hashes=token_hashes, networks=("10.0.0.8",))
    settings = load_settings(data_dir=tmp_path, senders=(near, other))
    http_in = HttpIn(settings, Door(Memory(), SECRET, gatekeeper=_gatekeeper(settings)))
    heard = [http_in._hears_by_any_name(peer, shows) for peer in ("10.0.0.9", "127.0.0.1") for shows in (False, True)]
    assert heard == [True, True, False, bool(token_hashes)]


def test_certificates_are_asked_for_where_a_sender_is_known_by_one(tmp_path):
    pinned = Sender(name="a", facilities=("*",), fingerprints=("ab" * 32,))
    with pytest.raises(Problem, match="HANDOFF_TLS_CLIENT_CA"):
        _gatekeeper(load_settings(data_dir=tmp_path, senders=(pinned,)))


def test_the_same_answer_whatever_we_know(tmp_path):
    gate = keeper(Sender(name="a", facilities=("MISSION",), networks=("10.0.0.1",)))
    caller = caller_of("10.0.0.1")
    for data in (adt("PARDEE"), adt("PARDEE", trigger="A40"), adt("NO SUCH HOSPITAL")):
        refusal = gate.refusal(data, peek(data), caller)
        assert (refusal.code, refusal.place) == (RejectCode.OTHER_FACILITY, "MSH-4")
    assert isinstance(caller_of("10.0.0.1", ssl.SSLContext), Caller)  # no certificate, no name
