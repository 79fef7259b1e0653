"""The forms by name: what each makes of what is due to one destination.

The bytes themselves are made in `streams.tell.forms`; here is which form batches, how its files are named and what a
test of it looks like.
"""

import json as json_lines
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from parsers.fhir.subscriptions import Content
from rules.telling.attempts import GiveUp
from rules.telling.destinations import Destination, FormKind
from rules.telling.views import AlertView
from streams.store.delivery import made_of
from streams.tell.coordinator_parcels import ContactOf, CoordinatorDirect, CoordinatorMessage
from streams.tell.form import Form, Item
from streams.tell.forms import adt, csv, direct, fhir, hl7v2, json, mail, notifications, sms
from streams.tell.hl7_parcels import Kept, OurMessage, ReceivedMessage
from streams.tell.nobody import sample_view, test_id
from streams.tell.way import Parcel

JSON: Final = "application/json"
_TEST_TAG: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}


class WebhookJson:
    """One signed POST a version: the published `StayEvent`."""

    batches = False

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del to, number
        return Parcel(items[0].delivery_id, json.body(items[0].seen), JSON)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        return Parcel(test_id(to, now), json.body(sample_view(now), test=True), JSON)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None


class DaVinci:
    """One `$process-message` a version."""

    batches = False

    def __init__(self, sender: fhir.Sender) -> None:
        self._sender = sender

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del number
        body = fhir.bundle(items[0].seen, items[0].delivery_id, self._sender, to.address)
        return GiveUp.WITHHELD if body is None else Parcel(items[0].delivery_id, body, fhir.CONTENT_TYPE)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        """Tagged HTEST (v3-ActReason: test health data)."""
        body = fhir.bundle(sample_view(now), test_id(to, now), self._sender, to.address)
        assert body is not None
        bundle: dict[str, Any] = json_lines.loads(body)
        bundle["meta"]["tag"] = [_TEST_TAG]
        return Parcel(test_id(to, now), json_lines.dumps(bundle).encode(), fhir.CONTENT_TYPE)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None


class DirectNotification:
    """One DirectTrust event notification a version; `oid` is that of our patient identifiers, where there is one."""

    batches = False

    def __init__(self, domain: str, zone: ZoneInfo) -> None:
        self._domain = domain
        self._zone = zone

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del number
        return self._made(items[0].seen, items[0].delivery_id, to, items[0].first_told) or GiveUp.WITHHELD

    def sample(self, to: Destination, now: datetime) -> Parcel:
        made = self._made(sample_view(now), test_id(to, now), to)
        assert made is not None
        return made

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None

    def _made(self, seen: AlertView, delivery_id: str, to: Destination, first_told: int = 0) -> Parcel | None:
        message = adt.adt(seen, delivery_id, ("", ""), self._zone, first_told)
        if message is None:
            return None
        oid = to.options.get("oid", "")
        body = direct.notification(seen, message, delivery_id, self._domain, oid, self._zone)
        named = {"X-Direct-Context": f"<{direct.context_id(delivery_id, self._domain)}>"}
        return Parcel(delivery_id, body, direct.CONTENT_TYPE, headers=named)


class SubscriptionEvents:
    """One notification of all that is due to a FHIR subscription, in the order of its event numbers."""

    batches = True

    def __init__(self, base: str) -> None:
        self._base = base

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        events = [notifications.Happened(item.number, item.made_at, item.seen) for item in items]
        count = max(event.number for event in events)
        bundle = notifications.notification(
            self._subject(to, count), notifications.Kind.EVENT, events, max(event.at for event in events), str(number)
        )
        return notification_parcel(bundle, to)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        """A heartbeat, which says that nothing happened, tagged HTEST."""
        heartbeat = notifications.Kind.HEARTBEAT
        bundle = notifications.notification(self._subject(to, 0), heartbeat, (), now, f"test {now}")
        bundle["meta"]["tag"] = [_TEST_TAG]
        return notification_parcel(bundle, to)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None

    def _subject(self, to: Destination, events: int) -> notifications.Subject:
        content = Content(to.options.get("content", Content.FULL))
        return notifications.Subject(self._base, to.destination_id, "active", content, events)


def notification_parcel(bundle: Mapping[str, Any], to: Destination) -> Parcel:
    """A notification bundle as its subscription wants it."""
    body = json_lines.dumps(bundle, separators=(",", ":")).encode()
    return Parcel(str(bundle["id"]), body, to.options.get("mime", fhir.CONTENT_TYPE))


class CountingText:
    """One text message of counts for all that is due to a person, as a gateway's `body` template wants it."""

    batches = True

    def __init__(self, waiting: Callable[[str], mail.Waiting], front_page: str, zone: ZoneInfo) -> None:
        self._waiting = waiting
        self._front_page = front_page
        self._zone = zone

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del items
        return self._text(_batch_id(to, number), self._said(to.owner_id), to)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        return self._text(test_id(to, now), "Warm Handoff: a test.", to)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None

    def _said(self, case_manager_id: str) -> str:
        waiting = self._waiting(case_manager_id)
        counts = (
            (waiting.urgent, "urgent"),
            (waiting.soon, "soon"),
            (waiting.routine, "routine"),
            (waiting.taken_back, "taken back"),
            (waiting.asked, "waiting for your answer"),
        )
        return sms.text(counts, waiting.first_due, self._front_page, self._zone)

    @staticmethod
    def _text(parcel_id: str, said: str, to: Destination) -> Parcel:
        content_type = to.options.get("type", sms.JSON)
        body = sms.body(to.options.get("body", sms.USUAL_BODY), content_type, to.options.get("to", ""), said)
        return Parcel(parcel_id, body, content_type)


class File:
    """Rows of all that is due in one numbered file: `<what>_<UTC from>_<UTC to>_<sequence>.<ext>`."""

    batches = True

    def __init__(self, ext: str, content_type: str, header: bytes, row: Callable[[AlertView], bytes]) -> None:
        self._ext = ext
        self._content_type = content_type
        self._header = header
        self._row = row

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        times = [item.made_at for item in items]
        body = self._header + b"".join(self._row(item.seen) for item in items)
        return self._file(to, number, body, min(times), max(times))

    def sample(self, to: Destination, now: datetime) -> Parcel:
        return self._file(to, 0, self._header + self._row(sample_view(now)), now, now, what="test")

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        return self._file(to, number, self._header, at, at)

    def _file(
        self, to: Destination, number: int, body: bytes, since: datetime, until: datetime, what: str = ""
    ) -> Parcel:
        name = what or to.options.get("what", "stays")
        return Parcel(
            _batch_id(to, number),
            body,
            self._content_type,
            name=f"{name}_{_stamp(since)}_{_stamp(until)}_{number:06}.{self._ext}",
        )


class CountingMail:
    """One mail of counts for all that is due to a person: no patient, no hospital, no id."""

    batches = True

    def __init__(
        self,
        make: Callable[[mail.Waiting, str, ZoneInfo], mail.Mail | None],
        waiting: Callable[[str], mail.Waiting],
        front_page: str,
        zone: ZoneInfo,
        stop: Callable[[str], str],
        mail_id: Callable[[str, int], str],
    ) -> None:
        self._make = make
        self._mail_id = mail_id
        self._stop = stop
        self._waiting = waiting
        self._front_page = front_page
        self._zone = zone

    def parcel(self, items: Sequence[Item], to: Destination, number: int) -> Parcel | GiveUp:
        del items  # whatever made it due, a mail says how much waits now
        made = self._make(self._waiting(to.owner_id), self._front_page, self._zone)
        made = made or mail.Mail("Warm Handoff: nothing waits", f"Nothing waits.\n\n{self._front_page}\n")
        return self._mail(self._mail_id(to.destination_id, number), made, to)

    def sample(self, to: Destination, now: datetime) -> Parcel:
        made = mail.nudge(mail.Waiting(), self._front_page, self._zone)
        return self._mail(test_id(to, now), made._replace(subject="Warm Handoff: a test"), to)

    def empty(self, to: Destination, number: int, at: datetime) -> Parcel | None:
        del to, number, at
        return None

    def _mail(self, parcel_id: str, made: mail.Mail, to: Destination) -> Parcel:
        stop = self._stop(to.destination_id)
        one_click = {"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        headers = one_click if stop else {}  # RFC 8058
        return Parcel(parcel_id, made.text.encode(), "text/plain", subject=made.subject, headers=headers)


def forms(
    sender: fhir.Sender,
    waiting: Callable[[str], mail.Waiting],
    front_page: str,
    zone: ZoneInfo,
    mail_id: Callable[[str, int], str],
    kept: Kept,
    contact_of: ContactOf,
    stop: Callable[[str], str] = lambda _: "",
    domain: str = "localhost",
    base: str = "",
) -> Mapping[FormKind, Form]:
    """Every form there is. `waiting`: how much waits for a person; `stop`: the link that stops these mails, if any;
    `mail_id`: of the mail of that number to a destination; `kept`: messages as received; `contact_of`: whom a hospital
    turns to; `domain`: of our Direct
    address; `base`: of our FHIR server.
    """
    return {
        FormKind.WEBHOOK_JSON: WebhookJson(),
        FormKind.DA_VINCI: DaVinci(sender),
        FormKind.HL7_MDM: OurMessage(hl7v2.mdm, zone),
        FormKind.HL7_ADT: OurMessage(adt.adt, zone),
        FormKind.HL7_RECEIVED: ReceivedMessage(kept, zone),
        FormKind.CSV: File("csv", "text/csv", csv.header(), csv.row),
        FormKind.NDJSON: File("ndjson", "application/x-ndjson", b"", lambda seen: json.body(seen) + b"\n"),
        FormKind.NUDGE: CountingMail(mail.nudge, waiting, front_page, zone, stop, mail_id),
        FormKind.SUBSCRIPTION: SubscriptionEvents(base),
        FormKind.SMS: CountingText(waiting, front_page, zone),
        FormKind.DIRECT_ADT: DirectNotification(domain, zone),
        FormKind.HL7_COORDINATOR: CoordinatorMessage(contact_of, zone),
        FormKind.DIRECT_COORDINATOR: CoordinatorDirect(contact_of),
        FormKind.DIGEST: CountingMail(mail.digest, waiting, front_page, zone, stop, mail_id),
    }


def _batch_id(to: Destination, number: int) -> str:
    return made_of(to.destination_id, "batch", number)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
