"""`handoff doctor`: each part that is missing or wrong is named, with what to do; a healthy set-up is all right."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parsers.outcomes import RejectCode
from rules.endings import Ending, LedgerEntry
from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind, WayKind, Whose
from streams.commands.doctor import examine, run_doctor
from streams.commands.finding import Finding, State
from streams.invented.community import sample_directory, sample_panel
from streams.listen.message_ids import new_message_id
from streams.run import metrics
from streams.run.health import Health
from streams.run.scrape import serve
from streams.run.settings import load_settings
from streams.store import Store
from streams.store.keys import secret_of
from streams.store.ledger import first_id
from streams.store.quarantine import Failed
from streams.store.quarantine import State as Held
from tests.rigs.receiver import Receiver, make_ca
from tests.rigs.telling import destination


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("HANDOFF_CONFIG", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path / "data"))
    for role in ("LISTEN", "WORK", "INBOX", "TELL"):
        monkeypatch.setenv(f"HANDOFF_{role}_METRICS_PORT", "1")
    (tmp_path / "data").mkdir(mode=0o700)
    return tmp_path / "data"


def finding_of(part: str) -> Finding:
    return next(finding for finding in examine() if finding.part == part)


def certificate(path: Path, days: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip


def test_a_wrong_setting_is_the_only_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOFF_MLLP_PORT", "seven")
    assert [finding.part for finding in examine()] == ["settings"]
    assert "HANDOFF_MLLP_PORT" in finding_of("settings").what


def test_a_folder_that_others_can_read(folder: Path) -> None:
    folder.chmod(0o755)
    assert finding_of("data folder").state is State.WRONG
    assert "chmod 700" in finding_of("data folder").do


def test_a_kafka_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert finding_of("broker").state is State.WRONG
    assert "KAFKA_BOOTSTRAP_SERVERS" in finding_of("broker").what


@pytest.mark.parametrize("setting", ["policy", "routes", "confidentiality", "escalation"])
def test_rules_with_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str) -> None:
    assert finding_of(setting).what == "the shipped one"
    file = tmp_path / "own.toml"
    monkeypatch.setenv(f"HANDOFF_{setting.upper()}", str(file))
    name = f"HANDOFF_{setting.upper()}"
    assert finding_of(setting) == Finding(setting, State.WRONG, f"{name}: {file} cannot be read", f"correct {name}")
    file.write_text("nonsense = 1\n")
    assert finding_of(setting).state is State.WRONG
    assert "nonsense: " in finding_of(setting).what
    folder = {"policy": "policy", "escalation": "following"}.get(setting, "telling")
    file.write_bytes(resources.files("rules").joinpath(folder, f"{setting}.toml").read_bytes())
    assert finding_of(setting) == Finding(setting, State.OK, str(file))


def test_an_empty_panel_and_then_a_loaded_one(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True)
    assert finding_of("panel").state is State.WRONG
    assert finding_of("directory").state is State.WARNING
    town = sample_directory()
    store.directory.load(town.networks, town.practices, town.case_managers, town.absences, town.lme_mcos, replace=True)
    store.panel.load(sample_panel(20), full=True, now=datetime.now(UTC) - timedelta(days=91))
    assert (finding_of("panel").state, finding_of("panel").what) == (
        State.WARNING,
        "20 enrollees, not refreshed in 90 days",
    )
    store.panel.load(sample_panel(20), full=True, now=datetime.now(UTC))
    assert finding_of("panel").state is State.OK
    assert finding_of("directory").state is State.OK
    store.close()


@pytest.mark.parametrize(
    ("days", "state"), [(-1, State.WRONG), (10, State.WARNING), (300, State.OK)], ids=["expired", "soon", "fresh"]
)
@pytest.mark.parametrize("whose", ["TLS", "INBOX_TLS", "DIRECT"])
def test_a_certificate_s_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: int, state: State, whose: str
) -> None:
    certificate(tmp_path / "cert.pem", days)
    monkeypatch.setenv(f"HANDOFF_{whose}_CERT", str(tmp_path / "cert.pem"))
    monkeypatch.setenv(f"HANDOFF_{whose}_KEY", str(tmp_path / "cert.key"))
    assert finding_of("certificates").state is state


def test_a_key_of_another_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate(tmp_path / "cert.pem", 300)
    certificate(tmp_path / "other.pem", 300)
    monkeypatch.setenv("HANDOFF_TLS_CERT", str(tmp_path / "cert.pem"))
    monkeypatch.setenv("HANDOFF_TLS_KEY", str(tmp_path / "other.key"))
    assert [finding.state for finding in examine() if finding.part == "certificates"] == [State.OK, State.WRONG]


def test_json_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    status = run_doctor(as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (status == 0)
    assert all({"part", "state", "what", "do"} == set(check) for check in report["checks"])
    assert all(check["do"] for check in report["checks"] if check["state"] == "wrong")


def test_wrong_framing_is_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    scrape = serve("127.0.0.1", 0, lambda: Health(()))
    try:
        monkeypatch.setenv("HANDOFF_LISTEN_METRICS_PORT", str(scrape.port))
        metrics.REFUSED.labels(RejectCode.FRAME_GARBAGE).inc()
        finding = finding_of("framing")
    finally:
        scrape.close()
    assert finding.state is State.WARNING
    assert "without its start (VT)" in finding.what


def test_a_parked_feed(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True)
    assert "parked feed" not in {finding.part for finding in examine()}
    store.keeping_up.park("EPIC|NORTH", "default", "read:KeyError", datetime(2026, 11, 25, tzinfo=UTC))
    assert finding_of("parked feed").state is State.WRONG
    assert "EPIC|NORTH since 2026-11-25 00:00 UTC, after read:KeyError" in finding_of("parked feed").what
    store.close()


@pytest.mark.parametrize(("days", "states"), [(31.0, []), (29.0, [State.WARNING]), (-1.0, [State.WRONG])])
def test_the_certificate_a_sender_shows_ends(
    monkeypatch: pytest.MonkeyPatch, folder: Path, days: float, states: list[State]
) -> None:
    scrape = serve("127.0.0.1", 0, lambda: Health(()))
    try:
        monkeypatch.setenv("HANDOFF_LISTEN_METRICS_PORT", str(scrape.port))
        metrics.SENDER_CERTIFICATE.labels("mission").set((datetime.now(UTC) + timedelta(days=days)).timestamp())
        of_it = [finding for finding in examine() if finding.what.startswith("the certificate of the sender mission")]
    finally:
        scrape.close()
        metrics.SENDER_CERTIFICATE.remove("mission")
    assert [finding.state for finding in of_it] == states


def test_what_waits_in_quarantine(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True)
    assert "quarantine" not in {finding.part for finding in examine()}
    now = datetime.now(UTC)
    waiting = Failed("1" * 32, "read", "read:KeyError", "parsers/x.py:7", "a", "a", now, b"0" * 32, b"MSH")
    store.quarantine.keep([waiting], "0.1.0", b"s" * 64, now)
    store.quarantine.keep([waiting._replace(message_id="2" * 32)], "0.1.0", b"s" * 64, now, Held.REJECTED)
    finding = finding_of("quarantine")
    assert (finding.state, finding.what.split()[0]) == (State.WRONG, "1")
    store.close()


def test_a_hash_key_that_is_missing(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True)
    assert finding_of("hash key") == Finding("hash key", State.OK, "is made at the first start")
    secret_of(load_settings(), store)
    assert finding_of("hash key") == Finding("hash key", State.OK, "there")
    (folder / "hash.key").unlink()
    assert finding_of("hash key").state is State.WRONG
    store.close()


def test_a_destination_that_fails_and_one_that_is_paused_and_each_is_tried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent: not to the webhook, the EHR or the relay."""
    store = Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True)
    now = datetime.now(UTC)
    monkeypatch.setenv("HANDOFF_SMTP_URL", "smtp://127.0.0.1:1")
    monkeypatch.setenv("HANDOFF_MAIL_FROM", "handoff@handoff.example")
    mail = {"form": FormKind.NUDGE, "whose": Whose.PERSON, "address": "ortiz@handoff.example"}
    with Receiver() as receiver:
        near = {"address": receiver.url("ok/x"), "allow_private": True}
        for made in (
            *(destination(name, **near) for name in ("good", "bad", "resting")),
            destination("dead", address="http://127.0.0.1:1/x", allow_private=True),
            destination("inside", address="https://127.0.0.1/x"),
            destination("ehr", FormKind.HL7_ADT, address=f"127.0.0.1:{receiver.port}", allow_private=True),
            destination("files", FormKind.CSV, address=str(folder)),
            destination("no-files", FormKind.CSV, address=str(folder / "gone")),
            destination("sftp", FormKind.CSV, way=WayKind.SFTP, address="sftp://a@127.0.0.1:1/x", allow_private=True),
            *(destination(name, **mail) for name in ("mail", "mail-too")),
        ):
            store.destinations.put(made, now)
        store.destinations.failed("bad", Failure.TLS, now, now)
        store.destinations.pause("resting", "gone", now)
        secret_of(load_settings(), store)
        store.close()
        said = {finding.part.removeprefix("destination "): finding for finding in examine()}
        assert not receiver.got
    assert [name for name in ("good", "ehr", "files") if said[name].state is not State.OK] == []
    assert said["bad"].what == "failing: tls, 1 times in a row, 0 wait"
    assert said["resting"].what == "paused (gone), 0 wait"
    for name, why in {
        "dead": "no_connection",
        "inside": "address_refused",
        "no-files": "no_connection",
        "sftp": "no_connection",
        "mail": "no_connection",
        "mail-too": "no_connection",
    }.items():
        assert (said[name].state, said[name].what) == (State.WARNING, f"cannot be reached: {why}, 0 wait")


def test_revocation_lists_that_cannot_be_used_or_have_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_ca(tmp_path)
    ca, key = tmp_path / "ca.pem", tmp_path / "ca.key"
    lists = tmp_path / "lists.pem"
    monkeypatch.setenv("HANDOFF_TELL_CRLS", str(lists))
    assert finding_of("revocation lists").state is State.WRONG, "there is no such file"
    for days, state in ((2, State.OK), (-2, State.WRONG)):
        now = datetime.now(UTC)
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(x509.load_pem_x509_certificate(ca.read_bytes()).subject)
            .last_update(now - timedelta(days=9))
            .next_update(now + timedelta(days=days))
            .sign(serialization.load_pem_private_key(key.read_bytes(), None), hashes.SHA256())
        )
        lists.write_bytes(ca.read_bytes() + crl.public_bytes(serialization.Encoding.PEM))
        assert finding_of("revocation lists").state is state
        assert finding_of("revocation lists").what.startswith("CN=test-ca: until ")


def test_what_became_of_the_messages_of_a_day_is_said_by_the_ledger(folder: Path) -> None:
    with closing(Store.open(f"sqlite:///{folder / 'handoff.sqlite3'}", migrate=True)) as store:
        assert finding_of("ledger").what == "0 messages of the last day"
        now = datetime.now(UTC)
        for days, ending in ((2, Ending.HELD), (0, Ending.ALERTED), (0, Ending.REJECTED), (0, Ending.ALERTED)):
            at = now - timedelta(days=days)
            store.ledger.end([LedgerEntry(f"{first_id(at)}{new_message_id(at)[16:]}", ending, "", at)])
        assert finding_of("ledger") == Finding("ledger", State.OK, "3 messages of the last day: 2 alerted, 1 rejected")
