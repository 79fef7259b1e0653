"""The store in, what one reader may see out: their rows, what caused a change, what stands behind a list. Nothing here
renders; one stay whole is `detail`.

Every alert version passes `rules.telling.views.view` before it leaves this file, so no page can show more.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from parsers.people import Absence, CaseManager, Enrollee, Role
from rules.decisions import Action, Alert, Reason
from rules.feeds.rhythm import Talk
from rules.feeds.talk import State
from rules.following.acts import Act, ActKind
from rules.following.allowed import relation
from rules.following.guides.scripts import Scripts, default_scripts
from rules.following.loop import Loop
from rules.following.roles import Doing, may
from rules.following.sides import side_of
from rules.policy.policy import Policy, default_policy
from rules.stays.unheard import alert_unheard_since
from rules.telling.confidentiality import Confidentiality, Tier, default_confidentiality
from rules.telling.directory import Directory
from rules.telling.views import AlertView, former, told_versions, view
from streams.inbox.clock import zone_of_reader
from streams.inbox.pages.list_rows import ceilinged
from streams.inbox.pages.reader_stay import ReaderStay, Taken
from streams.inbox.quiet import Around
from streams.store import Store
from streams.store.among import MOST_ROWS
from streams.store.at_hospital import TheirHospital
from streams.store.inbox_rows import Elsewhere, InboxRow
from streams.words import feeds as feed_words
from streams.words import times as time_words
from streams.words.stays import facility
from streams.words.times import span

DIRECTORY_SECONDS: Final = 2.0
SILENT_MINUTES: Final = 15  # a feed whose rhythm is not known yet is said to be silent after so long
UNWATCHED: Final = timedelta(minutes=10)  # so long after the last look at the rhythms, none is known
PATIENT_DAYS: Final = 365  # who had a stay of a feed's hospital within these is a patient there
THEIR_FEEDS_SECONDS: Final = 600.0
MOST_READERS: Final = 10_000
FORGOTTEN_DAYS: Final = 30  # and one that sent nothing for so long is no longer counted
LATE_ON_PURPOSE: Final = frozenset({Reason.LATE_ENROLLMENT, Reason.RELEASED_BY_REVIEW})
SEEN_BY: Final = frozenset({ActKind.NOTED, ActKind.TAKE})


class Cause(NamedTuple):
    """The message behind an alert version."""

    message_id: str
    received_at: datetime | None
    prompt: bool  # False: decided late on purpose


class Heard(NamedTuple):
    """A hospital's feed that is silent: when it was last heard, and how quiet that is for it."""

    feed: str
    received_at: datetime
    words: str
    sentence: str  # the same for whoever has people there


class Desk:
    """Read access for pages. Methods run in a thread and raise `Unavailable`."""

    def __init__(
        self,
        store: Store,
        confidentiality: Callable[[], Confidentiality] = default_confidentiality,
        policy: Callable[[], Policy] = default_policy,
        scripts: Callable[[], Scripts] = default_scripts,
    ) -> None:
        self.store = store
        self.policy = policy  # the one in force
        self.confidentiality = confidentiality
        self.scripts = scripts
        self._lock = threading.Lock()
        self._directory = Directory()
        self._version = -1
        self._asked = float("-inf")
        self._heard: dict[str, datetime] = {}
        self._talk: dict[str, State] = {}
        self._listened = float("-inf")
        self._their_feeds: dict[tuple[str, frozenset[str]], tuple[float, Mapping[str, TheirHospital]]] = {}

    @property
    def zone(self) -> ZoneInfo:
        """The office's, by the policy in force: what a page says of a time is local to it, and as its reader writes."""
        return zone_of_reader(self.policy().tz)

    def directory(self) -> Directory:
        """The directory as of at most two seconds ago."""
        with self._lock:
            if time.monotonic() - self._asked > DIRECTORY_SECONDS:
                version = self.store.directory.version()
                if version != self._version:
                    self._directory = self.store.directory.read()
                    self._version = version
                self._asked = time.monotonic()
            return self._directory

    def read_again(self) -> None:
        """The directory was changed here: whoever asks next reads it anew."""
        with self._lock:
            self._asked = float("-inf")

    def person(self, case_manager_id: str) -> CaseManager | None:
        """A case manager of the directory, the built-in central office included."""
        return self.directory().person(case_manager_id)

    def name(self, case_manager_id: str) -> str:
        person = self.person(case_manager_id)
        return person.name if person else "somebody no longer in the directory"

    def stays(self, reader: CaseManager, now: datetime, people_of: Sequence[str] | None = None) -> list[ReaderStay]:
        """The stays of the reader's list, or those of them that are of the people of these alerts."""
        rows = self.store.inbox.rows_for(reader.case_manager_id, now, people_of=people_of)
        loops = self.loops(reader, [row.alert.alert_id for row in rows], now)
        return [
            self.stay_of(reader, row, row.unseen or (row.alert,), row.enrollee, loops[row.alert.alert_id])
            for row in rows
            if row.enrollee is not None and _is_before(reader, row, loops[row.alert.alert_id])
        ]

    def loops(self, reader: CaseManager, alert_ids: Sequence[str], now: datetime) -> dict[str, Loop]:
        """What the follow-up of each of these stays comes to on the reader's side."""
        return self.store.acts.loops(alert_ids, self.directory(), self.policy(), now, side_of(reader))

    def may_see(self, reader: CaseManager, row: InboxRow, loop: Loop, now: datetime) -> bool:
        """Whether the reader's role may open the stay, by what they are to its patient."""
        to_patient = relation(reader, row.alert, row.enrollee, loop.holding, self.directory(), now, asked=row.asked)
        return bool(may(reader.role, Doing.SEE_STAY, to_patient))

    def stay_of(
        self, reader: CaseManager, row: InboxRow, versions: Iterable[Alert], enrollee: Enrollee, loop: Loop
    ) -> ReaderStay:
        who = reader.case_manager_id
        newest = row.alert
        versions, passed_to = tuple(versions), self._passed_to(row)
        past = former(newest, enrollee, reader, self.network_id(enrollee), assigned=row.asked)
        if row.told_before and past:
            versions_told = told_versions(row.told_before, enrollee, reader, self.network_id(enrollee))
            versions = tuple(alert for alert in versions_told if alert.version > row.seen_version) or versions_told[-1:]
        holder, again = loop.holding.holder, self._again(row, enrollee, reader)
        if again is None:  # nor may a pause tell of a stay that this reader may not know of
            loop = loop._replace(follow_up=loop.follow_up.unpaused)
        return ReaderStay(
            versions=ceilinged(tuple(self.view(alert, enrollee, reader, past, row.asked) for alert in versions)),
            seen=row.seen_version,
            acknowledged=acknowledged(row.acts, who),
            closed=acknowledged(row.acts, who, frozenset({ActKind.NOTED})),
            taken=Taken(holder, self.name(holder)) if holder else None,
            not_seen_by=tuple(
                self.name(person)
                for person in newest.told
                if person != who and acknowledged(row.acts, person) < newest.version
            ),
            not_noted_by=tuple(
                owner.case_manager_id
                for owner in newest.owners
                if acknowledged(row.acts, owner.case_manager_id, frozenset(ActKind)) < newest.version
            ),
            again=again,
            unheard_since=alert_unheard_since(newest, row.heard_at, self.policy(), datetime.now(UTC)),
            passed_to=passed_to,
            policy=self.policy(),
            loop=loop,
            asked=self._asked_of(reader, loop, row.asked),
            covered=self._cover_words(self.covered(reader, newest, loop)),
            name=self.name,
        )

    def _asked_of(self, reader: CaseManager, loop: Loop, escalated: bool) -> tuple[str, ...]:
        """What is asked of the reader: a hand-over, questions by whom, and what escalation put before them."""
        who, held = reader.case_manager_id, loop.holding
        mine = (
            question.asked for question in held.questions if question.asked.for_id == who and question.answered is None
        )
        offered = ("Handed over to you",) if held.offered_to == who else ()
        unanswered = ("Nobody acted in time: you are asked",) if escalated else ()
        return (*offered, *(f"{self.name(ask.by)} asks you" for ask in mine), *unanswered)

    def covered(self, reader: CaseManager, alert: Alert, loop: Loop) -> str:
        """For whom the reader stands in, where a stay is another's who is away; ""."""
        who, holder = reader.case_manager_id, loop.holding.holder
        theirs = {holder} if holder else {owner.case_manager_id for owner in alert.owners}
        now, directory = datetime.now(UTC), self.directory()
        for name in sorted(theirs - {who}):
            person = directory.person(name)
            answering = directory.stand_in(person, now) if person and is_away(directory, name, now) else None
            if answering and answering[0].case_manager_id == who:
                return name
        return ""

    def _cover_words(self, covered: str) -> str:
        """ "J. Lee until Sun Nov 29"; "" for nobody."""
        now = datetime.now(UTC)
        ends = self.directory().back_at(covered, now)
        return f"{self.name(covered)} until {time_words.day(ends, now, self.zone)}" if ends else ""

    def _passed_to(self, row: InboxRow) -> tuple[str, ...]:
        """With whom it is now, where it is not this reader's any more."""
        if row.theirs or row.alert.action is Action.RETRACT:
            return ()
        return tuple(self.name(owner.case_manager_id) for owner in row.alert.owners) or ("nobody",)

    def _again(self, row: InboxRow, enrollee: Enrollee, reader: CaseManager) -> AlertView | None:
        """A later stay that still runs, unless the reader may not know of it."""
        policy, now = self.policy(), datetime.now(UTC)
        going_on = (
            other.alert for other in row.again if alert_unheard_since(other.alert, other.heard_at, policy, now) is None
        )
        seen = (self.view(alert, enrollee, reader) for alert in going_on)
        return next((later for later in seen if later.tier is not Tier.WITHHELD), None)

    def name_near(self, reader: CaseManager, case_manager_id: str) -> str:
        """The name of somebody of the reader's own network or plan. Who else wrote something of a person may be known
        from a stay that the reader may not know of."""
        person = self.person(case_manager_id)
        near = person and (person.network_id, person.lme_mco_id) == (reader.network_id, reader.lme_mco_id)
        return person.name if person and (near or reader.role is Role.CENTRAL_OFFICE) else "somebody elsewhere"

    def network_id(self, enrollee: Enrollee) -> str:
        practice = self.directory().practices.get(enrollee.practice_id)
        return practice.network_id if practice else ""

    def view(
        self, alert: Alert, enrollee: Enrollee, reader: CaseManager, past: bool = False, asked: bool = False
    ) -> AlertView:
        rules, network_id = self.confidentiality(), self.network_id(enrollee)
        return view(alert, enrollee, reader, rules, network_id=network_id, assigned=asked, past=past)

    def causes(self, positions: Sequence[int]) -> dict[int, Cause]:
        """The message behind each of these alert versions."""
        if not positions:
            return {}
        return {
            position: Cause(alert.message_id, received, LATE_ON_PURPOSE.isdisjoint(alert.reasons))
            for position, alert, received in self.store.changes.versions_at(positions)
        }

    def last_alert_at(self, case_manager_id: str) -> datetime | None:
        """When this person was last told something."""
        return self.store.changes.last_told_at(case_manager_id)

    def answers_for(self, reader: CaseManager, now: datetime) -> frozenset[str] | None:
        """The practices whose people this reader answers for at this minute: those they carry, those of whom they stand
        in for, a manager those of the network; `None` for the central office: everybody's.
        """
        if reader.role is Role.CENTRAL_OFFICE:
            return None
        directory = self.directory()
        practices = set(reader.practices)
        for who in directory.absences:
            absent = directory.person(who)
            stands_in = directory.stand_in(absent, now) if absent and is_away(directory, who, now) else None
            if absent and stands_in and stands_in[0].case_manager_id == reader.case_manager_id:
                practices |= {*absent.practices} | _of_network(directory, absent)
        return frozenset(practices | _of_network(directory, reader))

    def around(self, reader: CaseManager, now: datetime, listed: Sequence[str]) -> Around:
        """What stands behind a list, for what it says where it is empty."""
        practices = self.answers_for(reader, now)
        nobody_s = practices is not None and not practices
        waiting = Elsewhere(0, 0) if nobody_s else self.store.inbox.elsewhere(reader.case_manager_id, practices, now)
        watched = self.store.inbox.watched(practices)
        absences = self.directory().absences.get(reader.case_manager_id, ())
        away = next((absence for absence in absences if covers(absence, now)), None)
        stands_in = self.directory().stand_in(reader, now) if away else None
        return Around(
            people=None if nobody_s else watched.people,
            in_hospital=waiting.in_hospital,
            open_elsewhere=waiting.open,
            feeds=watched.feeds,
            received_at=watched.received_at,
            quietest_at=watched.quietest_at,
            away_until=away.ends if away else None,
            stands_in=stands_in[0].name if stands_in else "",
            listed=len(listed) if len(listed) < MOST_ROWS else self.store.inbox.rows_count(reader.case_manager_id, now),
        )

    def silent(self, reader: CaseManager, now: datetime) -> tuple[list[Heard], int]:
        """The reader's feeds that are quiet for their own rhythm, longest first, and how many are theirs.

        A feed is somebody's that has told of a patient of theirs lately. One whose rhythm is not known is silent after
        `SILENT_MINUTES`.
        """
        theirs = self.feeds_of(reader, now)
        with self._lock:
            if time.monotonic() - self._listened > DIRECTORY_SECONDS:
                looked = self.store.ticks.last_run("silence")
                known = self.store.feed_talk.all() if looked and now - looked < UNWATCHED else ()
                self._talk = {
                    feed_talk.feed: feed_talk.state for feed_talk in known if feed_talk.state.talk is not Talk.LEARNING
                }
                self._heard = self.store.ledger.feeds()
                self._listened = time.monotonic()
            heard = {
                feed: at
                for feed, at in self._heard.items()
                if now - at < timedelta(days=FORGOTTEN_DAYS) and (theirs is None or feed in theirs)
            }
            silent = [
                Heard(feed, at, words, self._sentence(feed, at, (theirs or {}).get(feed), now))
                for feed, at in heard.items()
                if (words := self._quiet(feed, at, now))
            ]
        return sorted(silent, key=lambda heard_feed: heard_feed.received_at), len(heard)

    def feeds_of(self, reader: CaseManager, now: datetime) -> Mapping[str, TheirHospital] | None:
        """The feeds with patients of the reader, as of at most ten minutes ago; `None` for all."""
        practices = self.answers_for(reader, now)
        if practices is None:
            return None
        key = (reader.case_manager_id, practices)
        asked, feeds = self._their_feeds.get(key, (float("-inf"), {}))
        if time.monotonic() - asked > THEIR_FEEDS_SECONDS:
            feeds = self.store.at_hospital.feeds_of(*key, now - timedelta(days=PATIENT_DAYS))
            if len(self._their_feeds) >= MOST_READERS:
                self._their_feeds.clear()
            self._their_feeds[key] = (time.monotonic(), feeds)
        return feeds

    def _quiet(self, feed: str, heard_at: datetime, now: datetime) -> str:
        if state := self._talk.get(feed):
            return feed_words.quiet(state, now, self.zone) if state.is_quiet else ""
        silent = now - heard_at
        return f"silent for {span(silent.total_seconds())}" if silent >= timedelta(minutes=SILENT_MINUTES) else ""

    def _sentence(self, feed: str, heard_at: datetime, hospital: TheirHospital | None, now: datetime) -> str:
        state = self._talk.get(feed, State(Talk.LEARNING, since=heard_at))
        name, people = (facility(hospital.name) or feed, hospital.people) if hospital else (feed, 0)
        return feed_words.sentence(state, name, people, now, self.zone)


def _is_before(reader: CaseManager, row: InboxRow, loop: Loop) -> bool:
    """Whether a stay is on the reader's list; what colleagues did puts it there no longer where it turned out to be
    another person's."""
    if row.owning or row.asked or not row.given or row.alert.action is Action.RETRACT:
        return True
    return reader.case_manager_id in loop.holding.on_lists_of


def covers(absence: Absence, at: datetime) -> bool:
    return absence.starts <= at < absence.ends


def is_away(directory: Directory, case_manager_id: str, at: datetime) -> bool:
    return directory.back_at(case_manager_id, at) is not None


def _of_network(directory: Directory, person: CaseManager) -> set[str]:
    """The practices of a manager's network."""
    if person.role is not Role.MANAGER or not person.network_id:
        return set()
    return {
        practice.practice_id for practice in directory.practices.values() if practice.network_id == person.network_id
    }


def acknowledged(acts: Iterable[Act], case_manager_id: str, by: frozenset[ActKind] = SEEN_BY) -> int:
    """The newest version this person noted or took; 0 for none."""
    return max((done.version for done in acts if done.by == case_manager_id and done.kind in by), default=0)
