"""Every metric of every process in one commented table, and the scrape address that serves them.

Labels come from enums only (the enum is named beside each); units are in the names. The own registry holds nothing
that we did not put there, and the address answers from its own thread, so also while the process is recovering.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from parsers.hl7.acks import AckCode
from parsers.outcomes import RejectCode
from rules.endings import Ending


class Way(StrEnum):
    """How a message came in."""

    MLLP = "mllp"
    HTTP = "http"
    BATCH = "batch"
    FOLDER = "folder"
    BY_HAND = "by_hand"


class Stage(StrEnum):
    """Where a message spends its time; quarantine headers begin with the same words."""

    ACK = "ack"  # frame complete to ACK written (listener)
    READ = "read"  # frame received to event forwarded or ended (worker)
    DECIDE = "decide"  # event on its topic to decision committed (worker)
    TOLD = "told"  # decision committed to alert acknowledged by the broker (worker)
    SHOWN = "shown"  # frame received to alert on a page's event stream (inbox)


class Delay(StrEnum):
    """Whose delay it is that a patient is reached late, from one thing to the next; of what is told."""

    EVENT_TO_RECORDED = "event_to_recorded"  # the ward's: until the hospital's system had it (EVN-2, MSH-7)
    RECORDED_TO_RECEIVED = "recorded_to_received"  # its interface's
    RECEIVED_TO_DECIDED = "received_to_decided"  # ours, as is the next
    DECIDED_TO_SHOWN = "decided_to_shown"  # on an open page
    SHOWN_TO_SEEN = "shown_to_seen"  # people's from here: a version until somebody looked at it, each who does
    SEEN_TO_TAKEN = "seen_to_taken"  # until the first who takes the stay did, since that person looked at it
    TAKEN_TO_REACHED = "taken_to_reached"  # until two people talked; since it was seen, where nobody had to take it


class Newer(StrEnum):
    """What becomes of a record that a newer version of this program wrote."""

    READ_OVER = "read_over"  # a field we do not know
    SET_ASIDE = "set_aside"  # for a worker that knows it


class CertificateFile(StrEnum):
    """Certificates of our own, by their settings."""

    TLS_CERT = "tls_cert"
    TLS_CLIENT_CA = "tls_client_ca"
    INBOX_TLS_CERT = "inbox_tls_cert"


class Part(StrEnum):
    """What a process may have to wait for."""

    BROKER = "broker"
    STORE = "store"
    DISK = "disk"


REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # CPU seconds, resident memory and open files of this process
_SECONDS: Final = (
    *(0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
_DAYS: Final = (
    *(0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0),
    *(days * 86_400.0 for days in (1, 2, 3, 7, 14, 30)),
)


def _counter(name: str, text: str, *labels: str, of: Iterable[str] = ()) -> Counter:
    """`of`: values of its one label that are there at 0 from the start. Prometheus sees no increase in a first value,
    and no silence in a series that is not there."""
    counter = Counter(name, text, labels, registry=REGISTRY)
    for value in of:
        counter.labels(value)
    return counter


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _seconds(
    name: str, text: str, *labels: str, buckets: tuple[float, ...] = _SECONDS, of: Iterable[str] = ()
) -> Histogram:
    histogram = Histogram(name, text, labels, registry=REGISTRY, buckets=buckets)
    for value in of:
        histogram.labels(value)
    return histogram


# The way in. received = messages we answered for with AA or CA; refused never got that far.
RECEIVED: Final = _counter("toc_received", "Messages durably accepted", "way", of=Way)
REFUSED: Final = _counter("toc_refused", "Messages and frames refused at the door", "code")  # RejectCode
ACKS: Final = _counter("toc_acks", "Acknowledgements sent", "code", of=AckCode)
CONNECTIONS: Final = _gauge("toc_connections", "Open connections of senders", "way")  # Way
CONNECTIONS_REFUSED: Final = _counter("toc_connections_refused", "Connections over a limit", "way")  # Way
CONNECTIONS_CLOSED: Final = _counter("toc_connections_closed", "How MLLP connections ended", "outcome")  # Closed
TLS_FAILURES: Final = _counter("toc_tls_failures", "Handshakes that failed, by cause", "reason")  # TlsFailure
TOKEN_GUESSES: Final = _counter("toc_token_guesses", "Wrong bearer tokens at POST /hl7")
BUFFERED: Final = _gauge("toc_buffered_bytes", "Bytes of unfinished and unanswered frames")
SENDERS: Final = _counter("toc_sender_messages", "Messages by the sender of their connection", "sender", "said")
SENDER_CERTIFICATE: Final = _gauge(
    "toc_sender_certificate_not_after_timestamp_seconds", "When the certificate a sender last showed ends", "sender"
)
CERTIFICATE: Final = _gauge(
    "toc_certificate_not_after_timestamp_seconds", "When the first of a file's certificates ends", "file"
)  # CertificateFile
DROP_FILES: Final = _counter(
    "toc_drop_files", "Files of watched folders, by how they ended", "feed", "said"
)  # FileSaid
DROP_UP: Final = _gauge("toc_drop_folder_up", "1 while the watched folder of a feed can be used", "feed")
# The journal, which is the durable place beside the embedded broker.
JOURNAL_BACKLOG: Final = _gauge("toc_journal_backlog_messages", "Journaled messages the broker does not hold yet")
JOURNAL_BYTES: Final = _gauge("toc_journal_bytes", "Bytes of journal segments on disk")
DISK_FREE: Final = _gauge("toc_disk_free_bytes", "Bytes free on the disk of the listener's data folder")
DISK: Final = _gauge("toc_disk_bytes", "Bytes of that disk in all; 0 where no listener tells")
PLAYED_BACK: Final = _counter("toc_played_back", "Messages published again from the journal")
BROKER_GENERATION: Final = _gauge("toc_broker_generation", "Which embedded broker this is, counted from 1")
FEED_QUIET: Final = _gauge(
    "toc_feed_quiet",
    "How quiet a feed is for its own rhythm: 0 it talks or is learned, 1 late or thin, 2 silent",
    "feed",
)
# The worker. Endings are counted when they are newly in the ledger, so a redelivery does not count twice.
ENDINGS: Final = _counter("toc_endings", "Messages by how they ended", "ending", of=Ending)
LEDGER: Final = _gauge(
    "toc_ledger_messages", "Messages of the last ten minutes by how they ended, as the ledger has them", "ending"
)  # Ending; every worker tells the same
REJECTED: Final = _counter("toc_rejected", "Rejects by code", "code", of=RejectCode)
REASONS: Final = _counter("toc_reasons", "Decisions by their first reason", "reason")  # Reason
QUARANTINED: Final = _counter("toc_quarantined", "Records our code could not process, by stage", "stage")  # Stage
QUARANTINE_WAITING: Final = _gauge("toc_quarantine_waiting", "Records in quarantine that nobody has dealt with")
REPLAYED: Final = _counter("toc_replayed", "Records sent on their way again from quarantine")
TOO_LARGE: Final = _counter("toc_records_too_large", "Records that the broker does not take for their size")
PARKED_FEEDS: Final = _gauge("toc_parked_feeds", "Senders whose messages are set aside because we failed on too many")
PARKED: Final = _counter("toc_parked", "Messages of parked senders, set aside unread")
NEWER: Final = _counter(
    "toc_newer", "Records of a newer version of this program, by what became of them", "outcome"
)  # Newer
BACKED_UP: Final = _gauge("toc_backup_timestamp_seconds", "When `handoff backup` last ended; 0 for never")
REDELIVERED: Final = _counter("toc_redelivered", "Records that had their ending already", "stage")  # Stage
END_TO_END: Final = _seconds("toc_end_to_end_seconds", "From frame received to ending committed")
STAGE: Final = _seconds("toc_stage_seconds", "Time in one stage", "stage")  # Stage
DELAY: Final = _seconds(
    "toc_delay_seconds", "Time from one thing to the next, by whose it is", "part", buckets=_DAYS, of=Delay
)
BATCH: Final = Histogram(
    *("toc_batch_records", "Records in one batch of the worker", ("stage",)),  # Stage
    registry=REGISTRY,
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
LAG: Final = _gauge("toc_lag_records", "Records on the broker that the worker has not committed", "topic")  # Topic
COORDINATOR_ERRORS: Final = _counter("toc_coordinator_errors", "Errors of the consumer group, cleared by the watchdog")
UNAVAILABLE: Final = _counter("toc_unavailable", "Attempts in vain because something was away", "part", of=Part)
# What was told.
OUTBOX_AGE: Final = _gauge("toc_outbox_age_seconds", "Age of the oldest alert version not on its topic yet")
OUTBOX_SIZE: Final = _gauge("toc_outbox_alerts", "Alert versions not on their topic yet")
SIGN_INS: Final = _counter("toc_sign_ins", "Tries to sign in at the inbox, by how they ended", "way", "said")  # Way
INBOX_STREAMS: Final = _gauge("toc_inbox_streams", "Pages that listen for changes")

# Ways out. One delivery is one alert version to one destination.
DELIVERIES: Final = _counter("toc_deliveries", "Tries to deliver, by how they ended", "way", "form", "said")
DELIVERY_FAILURES: Final = _counter("toc_delivery_failures", "Failed tries, by why", "way", "failure")  # Failure
DELIVERY: Final = _seconds("toc_delivery_seconds", "From decision committed to delivered", "way")  # WayKind
DELIVERIES_DUE: Final = _gauge(
    "toc_deliveries_due", "Deliveries that ever were due, by where they stand", "state"
)  # DeliveryState
DELIVERIES_WAITING: Final = _gauge("toc_deliveries_waiting", "Deliveries that are due and not ended")
DELIVERIES_AGE: Final = _gauge("toc_deliveries_age_seconds", "Age of the oldest delivery that could be tried now")
MAIL_REPORTS: Final = _counter("toc_mail_reports", "Mails that came back, by what they tell", "told")
MAILBOX_UP: Final = _gauge("toc_mailbox_up", "1 while a mailbox that mails come back to can be read", "mailbox")
DIRECT_UNCONFIRMED: Final = _gauge(
    "toc_direct_unconfirmed", "Direct messages of the last week nobody confirmed in an hour"
)
DESTINATIONS_PAUSED: Final = _counter("toc_destinations_paused", "Destinations paused after failing")

# What nobody did in time. A run is a name from the escalation file in force, so there are as many as it has.
ESCALATION_STEPS: Final = _counter("toc_escalation_steps", "Steps of escalation, by what came of it", "run", "came_to")
ESCALATION_FAILED: Final = _counter("toc_escalation_failed", "Looks at a stay that our code could not do")
ESCALATION_UNLOOKED: Final = _gauge("toc_escalation_unlooked", "Stays whose look is overdue: a step may be unasked")
ESCALATION_UNHEARD: Final = _gauge("toc_escalation_unheard", "Changes that escalation has not read yet")
TICK_RAN: Final = _gauge("toc_tick_timestamp_seconds", "When a repeated task was last done", "tick")  # TickName

# What we decide by.
PANEL_SIZE: Final = _gauge("toc_panel_enrollees", "Enrollees on the panel in memory")
PANEL_AGE: Final = _gauge("toc_panel_age_seconds", "Time since the panel was last loaded")
RULE_FILE_BAD: Final = _gauge(
    "toc_rule_file_bad", "1 while a changed rule file has faults and the one before holds", "file"
)  # Rule


def seconds_since(moment: datetime) -> float:
    """Seconds from an aware moment to now, never negative."""
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
