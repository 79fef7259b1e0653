"""Mails that came back: an address that is none is paused and the manager told, a Direct message is confirmed."""

import asyncio
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import pytest

from rules.telling.attempts import Failure
from rules.telling.destinations import FormKind, State, Whose
from streams.run import metrics
from streams.store import Store
from streams.store.delivery import DeliveryState
from streams.tell.certificates import CERTIFICATE
from streams.tell.in_thread import InThread
from streams.tell.mailboxes import Imap, Maildir, box_of
from streams.tell.relay import Relay
from streams.tell.reports import Reports
from streams.tell.resting import Resting
from streams.tell.revocation import Revocations
from streams.tell.ways.direct import Direct, Identity
from streams.tell.ways.smtp import Smtp
from tests.messages.test_mail_reports import dsn, mdn
from tests.rigs.imap import ImapServer
from tests.rigs.receiver import make_ca, server_context
from tests.rigs.store import record
from tests.rigs.telling import DIRECTORY, NOW, SECRET, decide_for, destination
from tests.tell.test_deliver import Rig, rows, store
from tests.tell.test_direct import certificate, openssl
from tests.tell.test_ways import mailbox

__all__ = ["mailbox", "store"]


class Came:
    """A maildir that mails come back to, and what reads it."""

    def __init__(self, store: Store, folder: Path, way) -> None:
        self.folder = folder
        for name in ("new", "cur", "tmp"):
            (folder / name).mkdir(parents=True)
        self.box = Maildir(folder)
        in_thread = InThread(None)
        resting = Resting(store, in_thread)
        opened = way.opened if isinstance(way, Direct) else bytes
        self.reports = Reports(store, [], resting, SECRET, in_thread, lambda: datetime.now(UTC), opened, Revocations())

    def back(self, raw: bytes) -> dict[str, float]:
        """Reads one mail that came back; gives what was counted."""
        before = self.counted()
        (self.folder / "new" / f"{len(list(self.folder.rglob('*')))}.host").write_bytes(raw)
        asyncio.run(self.reports.look(self.box))
        return {
            kind: value - before.get(kind, 0) for kind, value in self.counted().items() if value != before.get(kind)
        }

    @staticmethod
    def counted() -> dict[str, float]:
        samples = next(iter(metrics.MAIL_REPORTS.collect())).samples
        return {sample.labels["told"]: sample.value for sample in samples if sample.name.endswith("_total")}


def returned(mail: bytes, status: str, action: str = "failed") -> bytes:
    """The DSN that a relay makes of a mail it had taken: with its headers (RFC 3462)."""
    head = mail.decode().partition("\r\n\r\n")[0].replace("\r\n", "\n")
    fields = f"Final-Recipient: rfc822; someone@example.org\nAction: {action}\nStatus: {status}"
    return dsn(fields, returned=f"text/rfc822-headers\n\n{head}\n")


def nudged(store: Store, mailbox) -> Smtp:
    """Nudges `ortiz` by a real relay."""
    _, port, ca = mailbox
    mail = destination("ortiz", FormKind.NUDGE, Whose.PERSON, owner_id="ortiz", address="ortiz@example.org")
    store.destinations.put(mail, NOW)
    decide_for(store, [mail], record(1))
    way = Smtp(Relay(f"smtp://localhost:{port}", "mail@handoff.example", str(ca)))
    Rig(store, way).turn()
    return way


def state_of(store: Store, name: str) -> tuple[State, str]:
    row = store.destinations.find(name)
    assert row is not None
    return row.destination.state, row.why


def test_an_address_that_is_none_is_paused_and_somebody_is_to_be_told(store: Store, mailbox, tmp_path: Path) -> None:
    came = Came(store, tmp_path / "back", nudged(store, mailbox))
    mails = mailbox[0].mails
    (row,) = rows(store, "ortiz")
    assert (row.state, row.status) == (DeliveryState.DELIVERED, "250")
    report = returned(mails[0].content, "5.1.1")
    assert came.back(report) == {"no_such_address": 1}
    (row,) = rows(store, "ortiz")
    assert (row.state, row.failure, row.status, row.maybe) == (DeliveryState.GIVEN_UP, "bounced", "5.1.1", True)
    assert state_of(store, "ortiz") == (State.PAUSED, "bounced")
    assert not list((tmp_path / "back" / "new").iterdir()), "what was read is marked so"
    assert came.back(report) == {"no_such_address": 1}
    assert [notice.about for notice in store.notices.due(datetime.now(UTC))] == ["ortiz"], "twice is once"
    assert all(sums.balanced for sums in store.deliveries.sums().values())


@pytest.mark.parametrize(
    ("status", "action", "counted", "state"),
    [
        ("4.4.1", "delayed", {"delayed": 1}, DeliveryState.DELIVERED),
        ("4.4.7", "failed", {"failed": 1}, DeliveryState.GIVEN_UP),
        ("5.2.2", "failed", {"failed": 1}, DeliveryState.GIVEN_UP),
        ("2.0.0", "delivered", {"arrived": 1}, DeliveryState.DELIVERED),
    ],
)
def test_what_is_wrong_for_a_while_pauses_nobody(
    store: Store, mailbox, tmp_path: Path, status: str, action: str, counted: dict[str, float], state: DeliveryState
) -> None:
    came = Came(store, tmp_path / "back", nudged(store, mailbox))
    assert came.back(returned(mailbox[0].mails[0].content, status, action)) == counted
    assert [row.state for row in rows(store, "ortiz")] == [state]
    assert state_of(store, "ortiz") == (State.ACTIVE, "")


def test_who_never_had_the_mail_pauses_nobody(store: Store, mailbox, tmp_path: Path) -> None:
    came = Came(store, tmp_path / "back", nudged(store, mailbox))
    forged = b"Message-ID: <" + b"0" * 32 + b"@handoff.example>\r\nSubject: x\r\n\r\n"
    assert came.back(returned(forged, "5.1.1")) == {"unknown": 1}
    assert came.back(b"Subject: I am on vacation\n\nBack on Monday.\n") == {"other": 1}
    assert came.back(returned(b"Subject: x\r\n\r\n", "5.1.1")) == {"unreadable": 1}
    assert state_of(store, "ortiz") == (State.ACTIVE, "")


class Directed(NamedTuple):
    """A Direct message that the relay took, what reads its mailbox, and both sides' certificates."""

    came: Came
    message_id: str
    ours: Path
    theirs: tuple[Path, Path]  # certificate and key

    def mdn(self, disposition: str) -> bytes:
        return mdn(f"automatic-action/MDN-sent-automatically;{disposition}", self.message_id)

    def signed(self, disposition: str, by: tuple[Path, Path] | None = None) -> bytes:
        cert, key = by or self.theirs
        words = ("cms", "-sign", "-md", "sha256", "-signer", str(cert), "-inkey", str(key))
        return encrypted(openssl(*words, given=self.mdn(disposition)), self.ours)


@pytest.fixture
def directed(store: Store, mailbox, tmp_path: Path) -> Directed:
    _, port, ca = mailbox
    ours, our_key = certificate(tmp_path, "us", "DNS:direct.handoff.example")
    theirs = certificate(tmp_path, "them", "email:nurse@direct.clinic.example")
    to = destination(form=FormKind.DIRECT_ADT, address="nurse@direct.clinic.example")
    store.destinations.put(to, NOW)
    store.destinations.put_secret("d1", CERTIFICATE, theirs[0].read_text(), SECRET, NOW, timedelta())
    decide_for(store, [to], record(1))
    identity = Identity("alerts@direct.handoff.example", ours, our_key)
    way = Direct(Relay(f"smtp://localhost:{port}", "mail@handoff.example", str(ca)), identity)
    Rig(store, way).turn()
    sent = message_from_bytes(mailbox[0].mails[0].content)
    return Directed(Came(store, tmp_path / "back", way), str(sent["Message-ID"]), ours, theirs)


def encrypted(raw: bytes, to: Path) -> bytes:
    return openssl("cms", "-encrypt", "-aes256", str(to), given=raw)


def test_the_other_side_s_agent_confirms_and_then_that_it_is_there(store: Store, directed: Directed) -> None:
    came = directed.came
    assert store.confirmations.unconfirmed(NOW + timedelta(minutes=59)) == {}
    assert store.confirmations.unconfirmed(NOW + timedelta(minutes=61)) == {"d1": 1}
    assert came.back(directed.signed("processed")) == {"processed": 1}
    assert [row.status for row in rows(store)] == ["processed"]
    assert store.confirmations.unconfirmed(NOW + timedelta(minutes=61)) == {}
    assert came.back(directed.signed("dispatched")) == {"dispatched": 1}
    came.back(directed.signed("processed"))
    came.back(directed.signed("failed"))
    assert [(row.state, row.status) for row in rows(store)] == [(DeliveryState.DELIVERED, "dispatched")]


def test_a_confirmation_that_the_recipient_did_not_sign_confirms_nothing(
    store: Store, directed: Directed, tmp_path: Path
) -> None:
    came = directed.came
    other = certificate(tmp_path, "other", "email:nurse@direct.clinic.example")
    assert came.back(encrypted(directed.mdn("processed"), directed.ours)) == {"unsigned": 1}
    assert came.back(directed.mdn("dispatched")) == {"unsigned": 1}
    assert came.back(directed.signed("dispatched", other)) == {"signed_by_another": 1}
    assert [row.status for row in rows(store)] == ["250"]
    assert store.confirmations.unconfirmed(NOW + timedelta(minutes=61)) == {"d1": 1}
    assert not list((tmp_path / "back" / "new").iterdir())


def test_a_certificate_kept_under_another_key_proves_nothing(store: Store, directed: Directed) -> None:
    directed.came.reports._secret = b"another"
    assert directed.came.back(directed.signed("processed")) == {"signed_by_another": 1}


def test_a_direct_message_that_failed_is_given_up_and_may_have_arrived(store: Store, directed: Directed) -> None:
    assert directed.came.back(encrypted(directed.mdn("failed"), directed.ours)) == {"failed": 1}, "whoever says so"
    (row,) = rows(store)
    assert (row.state, row.failure, row.maybe) == (DeliveryState.GIVEN_UP, Failure.BOUNCED, True)
    kept = store.destinations.find("d1")
    assert kept and (kept.destination.state, kept.last_failure) == (State.ACTIVE, "bounced")


def test_what_is_encrypted_to_somebody_else_is_no_report(directed: Directed, tmp_path: Path) -> None:
    other, _ = certificate(tmp_path, "other", "DNS:other.example")
    assert directed.came.back(encrypted(directed.mdn("processed"), other)) == {"other": 1}


def test_a_mail_in_a_mail_in_a_mail_ends_nobody(directed: Directed) -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000))
    assert directed.came.back(deep) == {"unreadable": 1}


def test_a_report_that_overtakes_the_relay_s_answer_is_read_at_the_next_look(
    store: Store, mailbox, tmp_path: Path
) -> None:
    came = Came(store, tmp_path / "back", nudged(store, mailbox))
    to, day = store.destinations.find("ortiz").destination, timedelta(days=1)
    store.deliveries.replay(to, NOW - day, NOW + day, list(DeliveryState), NOW, DIRECTORY)
    waiting = rows(store, "ortiz")[0].delivery_id
    about = b"Message-ID: <" + waiting.encode() + b"@handoff.example>\r\n\r\n"
    assert came.back(returned(about, "5.1.1")) == {"early": 1}
    assert len(list((tmp_path / "back" / "new").iterdir())) == 1


def test_a_mail_server_is_read_by_tls_and_nothing_is_deleted(tmp_path: Path) -> None:
    ca, cert, key = make_ca(tmp_path)
    with ImapServer(server_context(cert, key)) as server:
        server.mails = {7: b"Subject: one\r\n\r\n", 9: b"Subject: two\r\n\r\n" + b"x" * 300_000}
        box = Imap(f"imaps://reports:p%40ss@localhost:{server.port}/INBOX", str(ca))
        lengths = []
        for mail in box.unread():
            lengths.append(len(mail.raw))
            mail.mark_read()
        assert lengths == [len(server.mails[7]), 256 * 1024]
        assert server.seen == {7, 9}
        assert not list(box.unread())
        server.refuses = b"LOGIN"
        with pytest.raises(OSError, match="the mail server refused: error"):
            list(box.unread())
        server.refuses = b"UID SEARCH"
        with pytest.raises(OSError, match="NO"):
            list(box.unread())
        with pytest.raises(OSError, match="certificate"):
            list(Imap(f"imaps://reports:p@localhost:{server.port}").unread())
        server.shutdown()


def test_a_mailbox_s_address_names_a_server_by_tls_or_a_folder(tmp_path: Path) -> None:
    assert isinstance(box_of(f"maildir://{tmp_path}"), Maildir)
    assert repr(box_of("imaps://me:secret@mail.example/INBOX")) == "<Imap mail.example:993>"
    for wrong in ("imap://me:secret@mail.example", "imaps://mail.example", "maildir://host/path", "pop3://x"):
        with pytest.raises(ValueError, match="expected imaps://") as raised:
            box_of(wrong)
        assert "secret" not in str(raised.value)
