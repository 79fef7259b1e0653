"""People who joined the panel in; what they missed, to be decided late, out."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
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
    local = now.astimezone(store.database.zone)
    matches = list(_matched(store, store.unmatched.of_load(load, secret_of(settings, store)), local.date()))
    wanted = {match.enrollee_id for _, match in matches if match.enrollee_id}
    with store.database.reading() as connection:
        lines, _ = load_enrollees(connection, wanted, None)
    enrollees = {enrollee_id: enrollee_on(line, (), None) for enrollee_id, line in lines.items()}
    late = missed(matches, enrollees, local, settings.unmatched_days)
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
    for event in chain(few, events):
        match = index.match(event.patient, event.facility, today)
        if match.grade is not Grade.CERTAINLY_NOT:
            yield event, match
