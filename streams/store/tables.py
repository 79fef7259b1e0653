"""The tables of the store, the same on SQLite and PostgreSQL; `migrations` must always build exactly these.

Times are whole microseconds since 1970 UTC (`*_us`). Dates of the panel are ISO text, "" when open. Documents are the
JSON of the frozen values they are named after. Text is never NULL where "" says the same.

One file, because a schema is read as a whole.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from parsers.files.panel_columns import STORED

COUNTED: Final = (
    *("told", "to_call", "called_in_time", "reached"),
    *("to_visit", "visited_in_time", "unable", "taken_back"),
)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

metadata: Final = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"})


def to_us(at: datetime) -> int:
    """Whole microseconds since 1970 UTC of an aware time."""
    return (at - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC time of `to_us`."""
    return EPOCH + timedelta(microseconds=us)


def _text(name: str, default: str = "") -> Column[Any]:
    return Column(name, Text, nullable=False, server_default=default)


def _whole(name: str, default: str | None = None) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, server_default=default)


counters = Table(  # rows: position, crosswalk, panel, directory, events; a row is taken last in its transaction
    "counters", metadata, Column("name", Text, primary_key=True), _whole("value", "0")
)

ledger = Table(
    "ledger",
    metadata,
    Column("message_id", Text, primary_key=True),
    _text("ending"),
    _text("code"),
    _whole("received_us"),
    _whole("ended_us"),
    _text("place"),
    _text("feed"),
    _text("control_id"),
    _text("trigger"),
    sqlite_with_rowid=False,
)

fingerprints = Table(  # of decided events, to know what a sender sends again
    "fingerprints",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    _text("message_id"),
    _whole("received_us"),
    Index("ix_fingerprints_received_us", "received_us"),
    sqlite_with_rowid=False,
)

feeds = Table(  # when each feed last sent something, to a few seconds
    "feeds", metadata, Column("feed", Text, primary_key=True), _whole("received_us")
)

feed_tallies = Table(  # what a batch of endings adds up to, until it is folded into the tables below
    "feed_tallies",
    metadata,
    Column("tally_id", Integer().with_variant(BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    _text("feed"),
    _text("said"),  # rules.feeds.talk.Said, or what `rules.feeds.card.counted` counts
    _whole("hour_us"),
    _whole("messages"),
    _whole("last_us"),
)
feed_hours = Table(  # how much each feed said in each hour
    "feed_hours",
    metadata,
    _text("feed"),
    _whole("hour_us"),
    _text("said"),
    _whole("messages"),
    _whole("last_us"),
    PrimaryKeyConstraint("feed", "hour_us", "said"),
    Index("ix_feed_hours_hour_us", "hour_us"),
)
feed_weeks = Table(  # report cards: how often each fact was so, by week from Monday UTC
    "feed_weeks",
    metadata,
    _text("feed"),
    _whole("week_us"),
    _text("fact"),  # of `rules.feeds.card.counted`
    _whole("messages"),
    PrimaryKeyConstraint("feed", "week_us", "fact"),
)
diagnosis_marks = Table(  # when it is looked whether a discharge has its diagnosis by then
    "diagnosis_marks",
    metadata,
    _text("stay_id"),
    _whole("days"),  # after the discharge: a key of `rules.feeds.card.MARKS`
    _whole("due_us"),
    PrimaryKeyConstraint("stay_id", "days"),
    Index("ix_diagnosis_marks_due_us", "due_us"),
)
feed_talk = Table(  # how each feed is against its own rhythm; see `rules.feeds.talk.State`
    "feed_talk",
    metadata,
    Column("feed", Text, primary_key=True),
    _text("talk"),
    _text("what"),
    _whole("since_us", "0"),
    Column("usual", Float, nullable=False, server_default="0"),
    _whole("came", "0"),
    _whole("until_us", "0"),  # of a planned pause
    _whole("changed_us"),  # since it talks so
    _whole("told_us", "0"),  # the hospital was told of this silence
)

enrollees = Table(
    "enrollees",
    metadata,
    Column("enrollee_id", Text, primary_key=True),
    *(_text(name) for name in STORED if name != "enrollee_id"),
    _text("former_names"),  # these: see `streams.store.panel_rows`
    _text("former_addresses"),
    _text("former_phones"),
    _text("former_mrns"),
    _text("home_since"),  # first day practice_id is the home; "" for always; earlier days are in `homes`
    _whole("gone", "0"),  # 1: left the panel so long ago that nobody is matched to this line
    _whole("seq", "0"),  # panel counter of the load that wrote this line last
    Index("ix_enrollees_seq", "seq"),
    Index("ix_enrollees_practice_id", "practice_id", "gone"),
)

homes = Table(  # where an enrollee was at home before, by day, both days inclusive
    "homes",
    metadata,
    _text("enrollee_id"),
    _text("since"),
    _text("until"),
    _text("practice_id"),
    _text("effective_from"),
    _text("effective_to"),
    PrimaryKeyConstraint("enrollee_id", "since"),
)

panel_loads = Table(
    "panel_loads",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _whole("loaded_us"),
    _text("mode"),
    _whole("added"),
    _whole("changed"),
    _whole("moved"),
    _whole("ended"),
    _whole("size"),
)

crosswalk = Table(
    "crosswalk",
    metadata,
    _text("system"),
    _text("value"),
    _text("enrollee_id"),  # "" says: nobody
    _whole("seq"),
    PrimaryKeyConstraint("system", "value"),
    Index("ix_crosswalk_seq", "seq"),
)

networks = Table("networks", metadata, Column("network_id", Text, primary_key=True), _text("name"))
practices = Table(
    "practices",
    metadata,
    Column("practice_id", Text, primary_key=True),
    _text("name"),
    _text("network_id"),
    _text("county"),
    _text("phone"),
)
case_managers = Table(
    "case_managers",
    metadata,
    Column("case_manager_id", Text, primary_key=True),
    _text("name"),
    _text("role"),
    _text("network_id"),
    _text("lme_mco_id"),
    _text("email"),
    _text("practices"),  # ; between
    _text("hours"),
    _text("feeds"),  # ; between
    _whole("capacity", "0"),  # 0: not said
)
absences = Table(
    "absences",
    metadata,
    _text("case_manager_id"),
    _whole("starts_us"),
    _whole("ends_us"),
    _text("backup_id"),
    PrimaryKeyConstraint("case_manager_id", "starts_us"),
)
absences_said = Table(  # on the page; beside those of the directory's files
    "absences_said",
    metadata,
    _text("case_manager_id"),
    _whole("starts_us"),
    _whole("ends_us"),
    _text("backup_id"),
    _text("said_by"),
    _whole("said_us"),
    PrimaryKeyConstraint("case_manager_id", "starts_us"),
)
lme_mcos = Table(
    "lme_mcos",
    metadata,
    Column("lme_mco_id", Text, primary_key=True),
    _text("name"),
    _text("counties"),  # ; between
)

stays = Table(
    "stays",
    metadata,
    Column("stay_id", Text, primary_key=True),
    _text("enrollee_id"),
    _text("facility"),
    _text("status"),
    _whole("active_us"),  # latest of start, end and last message
    _whole("revision"),
    _text("document"),  # rules.decisions.Stay
    Index("ix_stays_enrollee_id", "enrollee_id", "active_us"),
)
stay_keys = Table(
    "stay_keys",
    metadata,
    _text("key"),  # see `streams.store.decisions.stay_key`
    _text("stay_id"),
    PrimaryKeyConstraint("key", "stay_id"),
    sqlite_with_rowid=False,
)

alerts = Table(  # the newest version of each
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    _text("stay_id"),
    _text("enrollee_id"),
    _text("kind"),
    _text("status"),
    _text("priority"),
    _text("action"),
    _whole("version"),
    _whole("position"),
    _whole("decided_us"),
    _whole("acknowledged_version", "0"),
    _text("document"),  # rules.decisions.Alert
    Index("ix_alerts_enrollee_id", "enrollee_id"),
    Index("ix_alerts_stay_id", "stay_id"),
    Index(  # what is open, counted without reading documents
        "ix_alerts_status",
        *("status", "action", "version", "acknowledged_version", "decided_us", "enrollee_id", "alert_id"),
    ),
)
alert_versions = Table(
    "alert_versions",
    metadata,
    _text("alert_id"),
    _whole("version"),
    _whole("position"),
    _whole("decided_us"),
    _text("document"),
    PrimaryKeyConstraint("alert_id", "version"),
    Index("ix_alert_versions_position", "position", unique=True),
)
alert_owners = Table(  # everyone an alert was ever for; owning says whether it still is
    "alert_owners",
    metadata,
    _text("case_manager_id"),
    _text("alert_id"),
    _text("because"),
    _whole("owning"),
    _whole("asked", "0"),  # 1: a question of escalation to this person is open
    _whole("given", "0"),  # 1: a colleague asked them, offered or gave it to them, or they took it
    PrimaryKeyConstraint("case_manager_id", "alert_id"),
    Index("ix_alert_owners_alert_id", "alert_id"),
)
outbox = Table(  # alert versions not yet on the alerts topic
    "outbox",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    _whole("decided_us"),
)
event_outbox = Table(  # events to be decided again, not yet on the events topic
    "event_outbox",
    metadata,
    Column("outbox_id", BigInteger, primary_key=True, autoincrement=False),  # counter: a number is never used again
    _text("message_id"),
    _whole("written_us"),
    _text("document"),  # streams.kafka.topics.EventRecord
)

acts = Table(  # what people did, append-only
    "acts",
    metadata,
    Column("act_id", Text, primary_key=True),  # the sender's
    _whole("position"),
    _text("alert_id"),
    _text("enrollee_id"),  # whom it was done to
    _text("kind"),
    _text("case_manager_id"),
    _whole("version"),
    _whole("happened_us"),
    _whole("recorded_us"),
    _text("document"),  # rules.following.acts.Act
    Index("ix_acts_position", "position", unique=True),
    Index("ix_acts_alert_id", "alert_id"),
    Index("ix_acts_enrollee_id", "enrollee_id"),
    Index("ix_acts_case_manager_id", "case_manager_id", "recorded_us"),
)
drafts = Table(  # what people typed on a stay and have not sent; theirs alone
    "drafts",
    metadata,
    Column("case_manager_id", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("form", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    _whole("kept_us"),
    Index("ix_drafts_kept_us", "kept_us"),
)
list_views = Table(  # lists that people keep; see `streams.store.list_views`
    "list_views",
    metadata,
    Column("view_id", Text, primary_key=True),
    _text("case_manager_id"),
    _text("name"),
    _text("document"),  # streams.inbox.narrowing.Narrowing
    _whole("kept_us"),
    Index("ix_list_views_case_manager_id", "case_manager_id", "name", unique=True),
)
week_counts = Table(  # what each stay counts as in the report of the week in which it was told
    "week_counts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    _text("week"),  # its Monday, local
    _text("practice_id"),  # the person's on the day
    _text("facility"),
    *(_whole(name, "0") for name in COUNTED),  # rules.following.counted.Counted; 1: it is so
    Index("ix_week_counts_week", "week", "practice_id", "facility"),
)
escalation_steps = Table(  # one question asked because nobody acted, or why it was not
    "escalation_steps",
    metadata,
    _text("alert_id"),
    _text("step_key"),  # rules.following.escalation.Step.key
    _whole("position"),
    _text("run"),
    _whole("number"),
    _text("clock"),
    _whole("began_us"),
    _whole("due_us"),
    _whole("at_us"),
    _text("came_to"),
    _text("case_manager_id"),
    _text("because"),
    _whole("ended_us", "0"),  # 0: the question is open
    PrimaryKeyConstraint("alert_id", "step_key"),
    Index("ix_escalation_steps_position", "position", unique=True),
)
escalation_rules = Table(  # every set of rules there was; a run is asked under those it began under
    "escalation_rules",
    metadata,
    Column("rules_hash", Text, nullable=False),
    Column("since_us", BigInteger, primary_key=True, autoincrement=False),
    _text("document"),  # rules.following.escalation.Escalation
)
escalation_looks = Table(  # when each stay is looked at next; 0: at once
    "escalation_looks",
    metadata,
    Column("alert_id", Text, primary_key=True),
    _whole("look_us"),
    Index("ix_escalation_looks_look_us", "look_us"),
)
ticks = Table(  # what one process at a time does again and again; see `streams.store.ticks`
    "ticks",
    metadata,
    Column("name", Text, primary_key=True),
    _text("holder"),
    _whole("token", "0"),
    _whole("beat", "0"),
    _whole("ran_us", "0"),
    _whole("cursor", "0"),
)
seen = Table(  # the newest version of an alert that a person has looked at
    "seen",
    metadata,
    _text("case_manager_id"),
    _text("alert_id"),
    _whole("version"),
    _whole("seen_us"),
    PrimaryKeyConstraint("case_manager_id", "alert_id"),
)
audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer().with_variant(BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    _whole("at_us"),
    _text("case_manager_id"),
    _text("what"),
    _text("alert_id"),  # or of `shown_sets`
    _text("enrollee_id"),
    _text("detail"),
    _text("origin"),  # from where: address and session
    _text("prev_hash"),  # see `streams.store.audit`
    _text("hash"),
    Index("ix_audit_case_manager_id", "case_manager_id", "at_us"),
    Index("ix_audit_alert_id", "alert_id"),
    Index("ix_audit_enrollee_id", "enrollee_id"),
    Index("ix_audit_at_us", "at_us"),
)
shown_sets = Table(  # the people of a list that somebody was shown; rows of the audit name it in `alert_id`
    "shown_sets",
    metadata,
    _text("set_id"),
    _text("enrollee_id"),
    PrimaryKeyConstraint("set_id", "enrollee_id"),
    Index("ix_shown_sets_enrollee_id", "enrollee_id"),
    sqlite_with_rowid=False,
)
glass = Table(  # patients opened in an emergency
    "glass",
    metadata,
    Column("glass_id", Text, primary_key=True),
    _text("case_manager_id"),
    _text("enrollee_id"),
    _text("network_id"),
    _text("reason"),  # rules.following.glass.GlassReason
    _text("words"),
    _whole("at_us"),
    _text("looked_by"),
    _whole("looked_us", "0"),  # 0: a manager has still to look at it
    Index("ix_glass_case_manager_id", "case_manager_id", "enrollee_id"),
    Index("ix_glass_looked_us", "looked_us"),
)
sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", Text, primary_key=True),
    _text("case_manager_id"),
    _whole("expires_us"),
    _whole("used_us", "0"),
    _text("purpose", "enter"),  # streams.store.sign_in.Purpose
)
preferences = Table(  # how each person wants the pages to be
    "preferences",
    metadata,
    Column("case_manager_id", Text, primary_key=True),
    _whole("in_24_hours", "0"),  # 1: times as 17:00, not as 5:00 PM
)
sessions = Table(  # signed-in pages of the inbox; see `streams.inbox.links`
    "sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    _text("case_manager_id"),
    _whole("made_us"),
    _whole("active_us"),  # the person's last key, click or touch, to the minute
    _whole("ended_us", "0"),
    _text("way"),  # streams.store.sessions.Way
    _text("device"),  # family of browser and system
    _text("address"),
    _text("issuer"),  # these four: of a provider's session, emptied when this one ends
    _text("subject"),
    _text("sid"),
    _text("id_token"),
    Index("ix_sessions_case_manager_id", "case_manager_id"),
)
identities = Table(  # accounts of a provider and the rows they are
    "identities",
    metadata,
    _text("issuer"),
    _text("subject"),
    _text("case_manager_id"),
    _whole("bound_us"),
    PrimaryKeyConstraint("issuer", "subject"),
    Index("ix_identities_case_manager_id", "case_manager_id", "issuer", unique=True),
)
passkeys = Table(
    "passkeys",
    metadata,
    Column("credential_id", Text, primary_key=True),
    _text("case_manager_id"),
    Column("public_key", LargeBinary, nullable=False),
    _whole("sign_count"),
    _text("name"),  # its person's own
    _whole("made_us"),
    _whole("used_us", "0"),
    Index("ix_passkeys_case_manager_id", "case_manager_id"),
)
passwords = Table(  # each with its second factor
    "passwords",
    metadata,
    Column("case_manager_id", Text, primary_key=True),
    _text("hash"),  # argon2id
    Column("sealed", LargeBinary, nullable=False),  # secret of the second factor
    _whole("step"),  # of the last code used
    _whole("made_us"),
)
recovery_codes = Table(
    "recovery_codes",
    metadata,
    _text("case_manager_id"),
    _text("code_hash"),
    _whole("used_us", "0"),
    PrimaryKeyConstraint("case_manager_id", "code_hash"),
)
notices = Table(  # what people hear by mail beside their alerts; see `streams.store.notices`
    "notices",
    metadata,
    Column("notice_id", Text, primary_key=True),
    _text("kind"),
    _text("case_manager_id"),
    _text("network_id"),
    _whole("codes_left", "0"),
    _whole("at_us"),
    _whole("tries", "0"),
    _whole("next_us"),
    _whole("ended_us", "0"),
    Index("ix_notices_ended_us", "ended_us", "next_us"),
)
guesses = Table(  # tries to sign in, by whom and where from; see `streams.store.guessing`
    "guesses",
    metadata,
    Column("key", Text, primary_key=True),
    _whole("tries", "0"),
    _whole("last_us", "0"),
    _whole("until_us", "0"),
    Index("ix_guesses_last_us", "last_us"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    _text("token_id"),
    _text("name"),
    _text("case_manager_id"),
    _text("scopes"),  # streams.store.api_tokens.Scope, space between
    _whole("made_us"),
    _whole("expires_us", "0"),
    _whole("used_us", "0"),
    _whole("revoked_us", "0"),
)

reviews = Table(  # one possible match of one patient with one enrollee
    "reviews",
    metadata,
    Column("review_id", Text, primary_key=True),  # of the first message that asked
    _text("pair"),
    _text("enrollee_id"),
    _text("verdict"),  # "" while nobody has decided
    _text("decided_by"),
    _whole("opened_us"),
    _whole("decided_us", "0"),
    _text("note"),
    Column("weight", Float, nullable=False, server_default="0"),
    Index("ix_reviews_pair", "pair", unique=True),
    Index("ix_reviews_verdict", "verdict", "opened_us"),
)
review_names = Table(  # digests of patient and enrollee under which a review is found again
    "review_names",
    metadata,
    _text("name"),
    _text("review_id"),
    PrimaryKeyConstraint("name", "review_id"),
)
review_events = Table(  # what waits for a verdict
    "review_events",
    metadata,
    _text("review_id"),
    _text("message_id"),
    _text("document"),  # streams.kafka.topics.EventRecord
    PrimaryKeyConstraint("review_id", "message_id"),
)
unmatched = Table(  # recent events about people not on the panel, encrypted
    "unmatched",
    metadata,
    Column("message_id", Text, primary_key=True),
    _whole("received_us"),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_unmatched_received_us", "received_us"),
)
unmatched_keys = Table(  # keyed hashes by which a person enrolled later finds them
    "unmatched_keys",
    metadata,
    _text("key"),
    _text("message_id"),
    PrimaryKeyConstraint("key", "message_id"),
    Index("ix_unmatched_keys_message_id", "message_id"),
    sqlite_with_rowid=False,
)
attempts = Table(  # how often a record that may be what stops a worker was taken up; see `streams.store.keeping_up`
    "attempts",
    metadata,
    Column("record", Text, primary_key=True),
    _whole("taken"),
    _whole("at_us"),
    Index("ix_attempts_at_us", "at_us"),
)
parked_feeds = Table(  # senders whose messages are set aside unread because too many of them made us fail
    "parked_feeds",
    metadata,
    Column("sender", Text, primary_key=True),
    _text("feed"),
    _text("code"),
    _whole("since_us"),
)
quarantine = Table(  # what our own code failed on, with its bytes; see `streams.store.quarantine`
    "quarantine",
    metadata,
    Column("message_id", Text, primary_key=True),
    _text("state"),  # streams.store.quarantine.State
    _text("stage"),  # read, decide
    _text("code"),  # stage and exception type
    _text("place"),  # file and line of our innermost frame
    _text("sender"),
    _text("feed"),
    _text("release"),  # of ours that failed last
    _whole("received_us"),
    _whole("first_us"),
    _whole("last_us"),
    _whole("failures", "1"),
    _text("why"),  # it was dismissed
    _text("key"),
    Column("sealed", LargeBinary, nullable=False),
    Column("corrected", LargeBinary, nullable=True),  # a copy that somebody mended, beside the original
    Index("ix_quarantine_state", "state", "message_id"),
)
hand_events = Table(  # messages made of what people entered, until they have ended
    "hand_events",
    metadata,
    Column("message_id", Text, primary_key=True),
    _text("key"),
    _whole("at_us"),
    _whole("published_us", "0"),
    Column("sealed", LargeBinary, nullable=False),
)
leases = Table(  # what only one process at a time does
    "leases", metadata, Column("name", Text, primary_key=True), _text("holder"), _whole("until_us")
)
facts = Table("facts", metadata, Column("name", Text, primary_key=True), _text("value"))

destinations = Table(  # places outside that are told
    "destinations",
    metadata,
    Column("destination_id", Text, primary_key=True),
    _text("state"),  # rules.telling.destinations.State
    _text("document"),  # rules.telling.destinations.Destination
    _text("why"),  # of the state, in words that hold no address
    _whole("changed_us"),
    _whole("rests_until_us", "0"),  # after a failure nothing is tried there before
    _whole("failures", "0"),  # one after the other
    _whole("first_failed_us", "0"),  # since the last success
    _whole("last_failed_us", "0"),
    _whole("succeeded_us", "0"),
    _text("last_failure"),  # rules.telling.attempts.Failure
    _whole("sequence", "0"),  # of its files, without holes
    _whole("events", "0"),  # of a FHIR subscription, since it started
)
destination_secrets = Table(  # encrypted; two of a name may be valid at once while one is rotated
    "destination_secrets",
    metadata,
    _text("destination_id"),
    _text("name"),
    _whole("made_us"),
    _whole("until_us", "0"),  # 0: until another says otherwise
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("destination_id", "name", "made_us"),
)
fhir_clients = Table(  # systems that may sign in to the FHIR server
    "fhir_clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    _text("document"),  # streams.store.fhir.FhirClient
    _whole("changed_us"),
)
fhir_assertions = Table(  # sign-ins that were used; none is taken twice
    "fhir_assertions",
    metadata,
    Column("name", Text, primary_key=True),
    _whole("until_us"),
)
received = Table(  # messages as received, for destinations that they are passed on to
    "received",
    metadata,
    Column("received_id", Text, primary_key=True),
    _text("alert_id"),
    _whole("version"),  # of the alert, which the message made
    _whole("kept_us"),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_received_alert_id", "alert_id", "version"),
    Index("ix_received_kept_us", "kept_us"),
)
destination_tests = Table(  # the last test of each that was asked for on a page; `handoff tell` sends it
    "destination_tests",
    metadata,
    Column("destination_id", Text, primary_key=True),
    _whole("asked_us"),
    _whole("taken_us", "0"),
    _whole("ended_us", "0"),
    _text("failure"),  # rules.telling.attempts.Failure; "": it was taken
    _text("status"),  # the receiver's code
)
deliveries = Table(  # one alert version to one destination
    "deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    _text("destination_id"),
    _text("alert_id"),
    _whole("version"),
    _whole("position"),  # of the alert version: the order in which a destination is told
    _text("state"),  # waiting, delivered, given_up, superseded
    _whole("due_us"),  # of the next try
    _whole("tries", "0"),
    _whole("claimed_until_us", "0"),
    _text("claimed_by"),
    _whole("batch", "0"),  # of the file it went into; 0: none
    _whole("maybe", "0"),  # 1: a try timed out, so it may have arrived
    _text("failure"),  # of the last try
    _text("status"),  # the receiver's code
    _text("tier"),  # how much of the alert went along
    _whole("made_us"),
    _whole("ended_us", "0"),
    _whole("number", "0"),  # of the event, of a FHIR subscription
    _text("step_key"),  # of the step of escalation it is for; "": for the version
    _text("enrollee_id"),  # whom the version is about: the stay may be another's later
    Index("ix_deliveries_enrollee_id", "enrollee_id"),
    Index("ix_deliveries_state", "state", "destination_id", "due_us"),
    Index("ix_deliveries_destination_id", "destination_id", "made_us"),
    Index("ix_deliveries_alert_id", "alert_id", "destination_id", "version"),
)
disclosures = Table(  # when a delivery left, beside the last time it arrived, which its row says
    "disclosures",
    metadata,
    _text("delivery_id"),
    _whole("at_us"),
    _text("tier"),  # how much of the alert went along; "": nobody knows
    _whole("arrived"),  # 0: it may have
    PrimaryKeyConstraint("delivery_id", "at_us"),
)
