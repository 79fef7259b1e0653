"""People who joined the panel in; what they missed, to be decided late, out.

Whoever loads a panel looks at what was kept by then (`release_late`); the worker looks again a little later, for what
was read with the panel before while workers took over the new one, and for all of it where the first look was cut off.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice
from typing import Final, NamedTuple

from parsers.events import Event
from rules.deciding.decide import worth_asking
from rules.deciding.late_enrollment import missed
from rules.decisions import Grade, Match
from rules.matching.excerpt import LARGE_FROM, Excerpt
from rules.matching.index import PanelIndex
from rules.matching.person import read_patient
from streams.kafka.records import EventRecord
from streams.run.settings import Settings
from streams.store import Store
from streams.store.keys import secret_of
from streams.store.panel_rows import enrollee_on, load_enrollees
from streams.store.ticks import Turn

EVERY_SECONDS: Final = 30.0
EVERYWHERE: Final = timedelta(minutes=3)  # after a load; an index of ten million people is built anew in two
LOOKED_AT_ONCE: Final = 50  # events; some ten milliseconds,
PAUSE_SECONDS: Final = 0.02  # and then a rest: messages come first
LOOKED: Final = "late_enrollment_looked:"  # and a load's number: the fact that its first look has come to its end
SETTLED: Final = "late_enrollment_settled"  # the fact that names the last load whose second has
PEOPLE_PER_EVENT: Final = 40  # where fewer people are on the panel for each event, nearly all would be looked at


class Late(NamedTuple):
    """What became of events that came before their people were enrolled."""

    released: int = 0
    possible: int = 0  # wait for a person's verdict now; until then nobody is told


def release_late(settings: Settings, store: Store, load: int) -> Late:
    """Line up for the decision, or put up for review, what people missed before they were enrolled.

    They are those whom load `load` (`PanelReport.seq`) added, or whose identity or enrollment it changed.
    """
    if not settings.unmatched_days:
        return Late()
    now = datetime.now(UTC)
    today = now.astimezone(store.database.zone).date()
    matches = list(_matched(store, store.unmatched.of_load(load, secret_of(settings, store)), today))
    late = _released(store, matches, now, settings.unmatched_days)
    store.keeping_up.note_fact(f"{LOOKED}{load}", now.isoformat())
    return late


class LateEnrollment:
    """The second look at each load. `index`: the panel as this worker has it now."""

    def __init__(self, settings: Settings, store: Store, index: Callable[[], PanelIndex]) -> None:
        self._settings = settings
        self._store = store
        self._index = index

    def run(self, _turn: Turn, now: datetime) -> None:
        """One tick. Raises `Unavailable`; what is looked at twice is told once."""
        facts = self._store.keeping_up
        settled = facts.fact(SETTLED)
        loads = self._store.panel.loads(int(settled or 0))
        if not settled:  # a new store, or one that was written before loads were looked at twice
            loads = loads[-1:]
            facts.note_fact(SETTLED, str(loads[0].seq - 1 if loads else 0))
        for load in loads:
            if timedelta() <= now - load.loaded_at < EVERYWHERE:
                return
            looked = f"{LOOKED}{load.seq}"
            if self._settings.unmatched_days:
                self._look_again(load.seq, load.loaded_at - EVERYWHERE if facts.fact(looked) else None, now)
            facts.note_fact(SETTLED, str(load.seq), replace=True)
            facts.forget_fact(looked)

    def _look_again(self, load: int, since: datetime | None, now: datetime) -> None:
        store, index = self._store, self._index()
        today = now.astimezone(store.database.zone).date()
        events = store.unmatched.of_load(load, secret_of(self._settings, store), since)
        matches: list[tuple[Event, Match]] = []
        while some := list(islice(events, LOOKED_AT_ONCE)):
            matches += _theirs(some, index, today)
            time.sleep(PAUSE_SECONDS)
        _released(store, matches, now, self._settings.unmatched_days)


def _released(store: Store, matches: Sequence[tuple[Event, Match]], now: datetime, days: float) -> Late:
    wanted = {match.enrollee_id for _, match in matches if match.enrollee_id}
    with store.database.reading() as connection:
        lines, _ = load_enrollees(connection, wanted, None)
    enrollees = {enrollee_id: enrollee_on(line, (), None) for enrollee_id, line in lines.items()}
    late = missed(matches, enrollees, now.astimezone(store.database.zone), days)
    sure = [EventRecord(event=each.event, match=each.match) for each in late if each.sure]
    store.reviews.release(sure, now)
    store.unmatched.drop([record.event.message_id for record in sure])
    asked = [EventRecord(event=each.event, match=each.match) for each in late if not each.sure]
    said = store.reviews.ask_late([record for record in asked if worth_asking(record.event)], now)
    return Late(len(sure) + said.released, said.waiting)


def _matched(store: Store, events: Iterator[Event], today: date) -> Iterator[tuple[Event, Match]]:
    """Those of `events` that are somebody's on the panel. For few of them a large panel is not indexed as a whole."""
    size = store.panel.size()
    few = list(islice(events, size // PEOPLE_PER_EVENT + 1))
    if not few:
        return
    if size < LARGE_FROM or len(few) > size // PEOPLE_PER_EVENT:
        index = PanelIndex.build(store.panel.records(), store.panel.crosswalk())
    else:
        people = (read_patient(event.patient, event.facility) for event in few)
        index = Excerpt.about(people, store.panel.records(), store.panel.crosswalk())
    yield from _theirs(chain(few, events), index, today)


def _theirs(events: Iterable[Event], index: PanelIndex | Excerpt, today: date) -> Iterator[tuple[Event, Match]]:
    """Those of `events` that are somebody's there."""
    for event in events:
        match = index.match(event.patient, event.facility, today)
        if match.grade is not Grade.CERTAINLY_NOT:
            yield event, match
