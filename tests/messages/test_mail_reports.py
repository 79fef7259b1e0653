"""Mails that came back: what a DSN and an MDN say, written by hand after RFC 3464 and RFC 8098."""

import pytest

from parsers.mail_reports import MailReport, NoReport, Told, read_mail_report

ID = "ab" * 16


def dsn(*recipients: str, returned: str = "", envelope_id: str = "") -> bytes:
    """A DSN with these groups of recipient fields, and with what came back."""
    about = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    groups = "\n".join(f"{fields}\n" for fields in recipients)
    came_back = f"--b\nContent-Type: {returned}\n" if returned else ""
    return (
        "From: Mail Delivery <MAILER-DAEMON@relay.example>\nTo: mail@handoff.example\n"
        "Subject: Undelivered\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nIt did not arrive.\n"
        f"--b\nContent-Type: message/delivery-status\n\n{about}Reporting-MTA: dns; relay.example\n\n{groups}\n"
        f"{came_back}--b--\n"
    ).encode()


def mdn(disposition: str, about: str = f"<{ID}@direct.handoff.example>") -> bytes:
    return (
        "From: nurse@direct.clinic.example\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nSeen.\n"
        "--b\nContent-Type: message/disposition-notification\n\n"
        "Reporting-UA: direct.clinic.example; Agent\n"
        "Final-Recipient: rfc822; Nurse@direct.clinic.example\n"
        f"Original-Message-ID: {about}\nDisposition: {disposition}\n\n--b--\n"
    ).encode()


FAILED = "Original-Recipient: rfc822;ortiz@example.org\nFinal-Recipient: rfc822;m.ortiz@example.org\n"
HEADERS = f"text/rfc822-headers\n\nMessage-ID: <{ID}@handoff.example>\nSubject: 2 urgent\n"
WHOLE = f"message/rfc822\n\nMessage-ID: <{ID}@handoff.example>\nSubject: 2 urgent\n\n2 urgent\n"


def said(raw: bytes) -> tuple[Told, str]:
    report = read_mail_report(raw)
    assert isinstance(report, MailReport) and report.about == {ID}
    return report.told, report.status


@pytest.mark.parametrize("returned", [HEADERS, WHOLE])
@pytest.mark.parametrize(
    ("fields", "outcome", "status"),
    [
        ("Action: failed\nStatus: 5.1.1", Told.NO_SUCH_ADDRESS, "5.1.1"),
        ("Action: FAILED (no mailbox)\nStatus: 5.1.10 (user unknown)", Told.NO_SUCH_ADDRESS, "5.1.10"),
        ("Action: failed\nStatus: 5.2.1", Told.NO_SUCH_ADDRESS, "5.2.1"),
        ("Action: failed\nStatus: 5.4.4", Told.NO_SUCH_ADDRESS, "5.4.4"),
        ("Action: failed\nStatus: 5.2.2", Told.FAILED, "5.2.2"),
        ("Action: failed\nStatus: 5.7.1", Told.FAILED, "5.7.1"),
        ("Action: failed\nStatus: 4.4.7", Told.FAILED, "4.4.7"),
        ("Action: failed\nStatus: 5.1.8", Told.FAILED, "5.1.8"),  # the sender's own domain is not believed
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550-5.1.1 <x>: no", Told.NO_SUCH_ADDRESS, "5.1.1"),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 554 5.7.1 spam", Told.FAILED, "5.7.1"),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 no such user", Told.FAILED, "5.0.0"),
        ("Action: failed\nStatus: 5.4.6\nDiagnostic-Code: smtp; 550 5.1.1 no", Told.FAILED, "5.4.6"),
        ("Action: delayed\nStatus: 4.0.0\nDiagnostic-Code: smtp; 451 4.7.1 x", Told.DELAYED, "4.7.1"),
        ("Action: failed", Told.FAILED, ""),
        ("Action: delayed\nStatus: 4.4.1", Told.DELAYED, "4.4.1"),
        ("Action: relayed\nStatus: 2.0.0", Told.ARRIVED, "2.0.0"),
    ],
)
def test_what_a_relay_tells_of_a_recipient(fields: str, outcome: Told, status: str, returned: str) -> None:
    assert said(dsn(FAILED + fields, returned=returned)) == (outcome, status)


def test_a_relay_that_sends_nothing_back_names_the_envelope() -> None:
    final = "Final-Recipient: rfc822; <m.ortiz@example.org>\nAction: failed\nStatus: 5.1.1"
    assert said(dsn(final, envelope_id=ID)) == (Told.NO_SUCH_ADDRESS, "5.1.1")


def test_what_reached_one_address_of_a_list_has_arrived() -> None:
    lists = dsn(FAILED + "Action: failed\nStatus: 5.1.1", "Action: expanded\nStatus: 2.0.0", returned=HEADERS)
    assert said(lists) == (Told.ARRIVED, "2.0.0")


@pytest.mark.parametrize(
    ("disposition", "outcome"),
    [
        ("automatic-action/MDN-sent-automatically; processed", Told.PROCESSED),
        ("automatic-action/MDN-sent-automatically;dispatched", Told.DISPATCHED),
        ("manual-action/MDN-sent-manually; displayed", Told.DISPATCHED),
        ("manual-action/MDN-sent-manually; Deleted", Told.DISPATCHED),
        ("automatic-action/MDN-sent-automatically; processed/error", Told.FAILED),
        ("automatic-action/MDN-sent-automatically; processed/warning, failure", Told.FAILED),
        ("automatic-action/MDN-sent-automatically; failed", Told.FAILED),
        ("automatic-action/MDN-sent-automatically; denied", Told.FAILED),
    ],
)
def test_what_the_recipient_s_side_tells(disposition: str, outcome: Told) -> None:
    assert said(mdn(disposition)) == (outcome, "")


def test_a_report_inside_a_signed_mail_is_read() -> None:
    signed = (
        b'MIME-Version: 1.0\nContent-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="s"\n\n'
        b"--s\n" + mdn("automatic-action/MDN-sent-automatically; processed") + b"\n--s\n"
        b"Content-Type: application/pkcs7-signature\n\nAAAA\n--s--\n"
    )
    assert said(signed) == (Told.PROCESSED, "")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", NoReport.OTHER),
        (b"\xff\xfe\0", NoReport.OTHER),
        (b"Subject: I am on vacation\nAuto-Submitted: auto-replied\n\nBack on Monday.\n", NoReport.OTHER),
        (b"Content-Type: multipart/report; report-type=delivery-status\n\nnothing\n", NoReport.OTHER),
        (dsn(FAILED + "Action: failed"), NoReport.UNREADABLE),  # of which mail?
        (dsn(FAILED + "Action: failed", returned="text/rfc822-headers\n\nMessage-ID: not one\n"), NoReport.UNREADABLE),
        (dsn(FAILED + "Action: pondered", returned=HEADERS), NoReport.UNREADABLE),
        (dsn(returned=HEADERS), NoReport.UNREADABLE),
        (mdn(""), NoReport.UNREADABLE),
        (mdn("x; processed", about=""), NoReport.UNREADABLE),
        (mdn("x; processed").replace(b"disposition-notification\n\n", b"x-other\n\n"), NoReport.UNREADABLE),
    ],
)
def test_what_is_no_report_says_why(raw: bytes, why: NoReport) -> None:
    assert read_mail_report(raw) is why


def test_a_mail_in_a_mail_in_a_mail_is_unreadable() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(2000))
    assert read_mail_report(deep) is NoReport.UNREADABLE
