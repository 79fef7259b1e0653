"""A database URL in, an open `Store` out: its parts, each over the same database and in a file of its own."""

from typing import Self
from zoneinfo import ZoneInfo

from rules.policy.office import OFFICE_ZONE
from streams.store.absences import Absences
from streams.store.acts import Acts
from streams.store.api_tokens import ApiTokens
from streams.store.at_hospital import AtHospital
from streams.store.audit import Audit
from streams.store.changes import Changes
from streams.store.confirmations import Confirmations
from streams.store.credentials import Credentials
from streams.store.database import Database, make_engine
from streams.store.decisions import Decisions
from streams.store.deliveries import Deliveries
from streams.store.destination_tests import DestinationTests
from streams.store.destinations import Destinations
from streams.store.diagnosis_marks import DiagnosisMarks
from streams.store.directory import Directories
from streams.store.disclosures import Disclosures
from streams.store.drafts import Drafts
from streams.store.escalations import Escalations
from streams.store.feed_talk import FeedTalks
from streams.store.feed_weeks import FeedWeeks
from streams.store.fhir import Fhir
from streams.store.glass import Glass
from streams.store.guessing import Guessing
from streams.store.hand_events import HandEvents
from streams.store.identities import Identities
from streams.store.inbox_rows import InboxRows
from streams.store.keeping_up import KeepingUp
from streams.store.ledger import Ledger
from streams.store.list_views import ListViews
from streams.store.notices import Notices
from streams.store.panel_load import Panel
from streams.store.people import People
from streams.store.preferences import Preferences
from streams.store.quarantine import Quarantine
from streams.store.received import Received
from streams.store.resealing import Resealing
from streams.store.reviews import Reviews
from streams.store.revisions import MigrationState, TablesAre, check, expect_current
from streams.store.seen import Seen
from streams.store.sessions import Sessions
from streams.store.sign_in import SignInLinks
from streams.store.ticks import Ticks
from streams.store.unmatched import Unmatched
from streams.store.week_counts import WeekCounts


class Store:
    """Everything a process asks of the database. Methods of its parts are safe to call from several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = Ledger(database)
        self.decisions = Decisions(database, self.ledger)
        self.changes = Changes(database)
        self.inbox = InboxRows(database)
        self.acts = Acts(database)
        self.api_tokens = ApiTokens(database)
        self.escalations = Escalations(database)
        self.seen = Seen(database)
        self.list_views = ListViews(database)
        self.preferences = Preferences(database)
        self.notices = Notices(database)
        self.drafts = Drafts(database)
        self.reviews = Reviews(database)
        self.unmatched = Unmatched(database)
        self.panel = Panel(database)
        self.people = People(database)
        self.directory = Directories(database)
        self.absences = Absences(database)
        self.sign_in = SignInLinks(database)
        self.sessions = Sessions(database)
        self.audit = Audit(database)
        self.ticks = Ticks(database)
        self.keeping_up = KeepingUp(database)
        self.destinations = Destinations(database)
        self.received = Received(database)
        self.destination_tests = DestinationTests(database)
        self.deliveries = Deliveries(database)
        self.disclosures = Disclosures(database)
        self.confirmations = Confirmations(database, self.destinations)
        self.quarantine = Quarantine(database)
        self.fhir = Fhir(database)
        self.hand_events = HandEvents(database)
        self.feed_talk = FeedTalks(database)
        self.feed_weeks = FeedWeeks(database)
        self.week_counts = WeekCounts(database)
        self.diagnosis_marks = DiagnosisMarks(database)
        self.at_hospital = AtHospital(database)
        self.identities = Identities(database)
        self.credentials = Credentials(database)
        self.guessing = Guessing(database)
        self.glass = Glass(database)
        self.resealing = Resealing(database)

    @classmethod
    def open(cls, url: str, *, migrate: bool = False, zone: ZoneInfo = OFFICE_ZONE) -> Self:
        """Connect; with `migrate`, bring older tables up to date first. `zone`: the office's, by the policy in force.

        Raises `StoreOutdated` (the text says what to run), `Unavailable`, or `ValueError` for a URL that names neither
        SQLite nor PostgreSQL.
        """
        database = Database(make_engine(url), zone)
        try:
            if migrate and check(database).tables in {TablesAre.MISSING, TablesAre.OLDER}:
                from streams.store.migrating import migrate as bring_up

                bring_up(database)
            expect_current(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def check(self) -> MigrationState:
        """Which tables the database has. Raises `Unavailable`: so it also says whether the database answers."""
        return check(self.database)

    def close(self) -> None:
        """Close every connection."""
        self.database.close()
