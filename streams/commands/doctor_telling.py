"""What `handoff doctor` says of the places outside that are told: each is tried, and nothing of anybody is sent.

A try goes as far as one gets without saying a word: the connection with its TLS, the sign-in at an SFTP server or a
mail relay, whether a folder can be written. `handoff destination test` goes further.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rules.telling.attempts import Failure
from rules.telling.destinations import Destination, WayKind
from rules.telling.destinations import State as Told
from streams.commands.finding import Finding, State
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.destinations import DestinationRow
from streams.tell.few import few_at_once
from streams.tell.process import make_ways
from streams.tell.revocation import Revocations, read_lists
from streams.tell.way import NotDelivered, Secrets, Way

AT_ONCE: Final = 50
_BY_RELAY: Final = (WayKind.SMTP, WayKind.DIRECT)  # one try is for all of them


def destinations(settings: Settings, store: Store) -> Iterator[Finding]:
    """Each destination, how it does, and what came of a try just now."""
    sums, rows = store.deliveries.sums(), store.destinations.all()
    try:
        failures = asyncio.run(_tried(settings, store, rows))
    except Problem as problem:  # a setting of ours: nothing goes anywhere
        yield Finding("destinations", State.WRONG, str(problem), "correct the setting")
        failures = {}
    for row in rows:
        name = row.destination.destination_id
        waiting = sums[name].waiting if name in sums else 0
        part, failure = f"destination {name}", failures.get(name)
        now = f"; tried just now: {failure}" if failure else ""
        if row.destination.state is Told.PAUSED:
            why = f"paused ({row.why}), {waiting} wait{now}"
            yield Finding(part, State.WARNING, why, f"`handoff destination test {name}`, then `resume`")
        elif row.failures:
            why = f"failing: {row.last_failure}, {row.failures} times in a row, {waiting} wait{now}"
            yield Finding(part, State.WARNING, why, f"`handoff destination test {name}` says what comes back")
        elif failure:
            why = f"cannot be reached: {failure}, {waiting} wait"
            yield Finding(part, State.WARNING, why, f"`handoff destination test {name}` says what comes back")
        else:
            yield Finding(part, State.OK, f"{row.destination.form} by {row.destination.way}, {waiting} wait")


def revocation_lists(settings: Settings) -> Iterator[Finding]:
    """Whether the lists can be used, and until when each is good."""
    if settings.tell_crls is None:
        return
    part, now = "revocation lists", datetime.now(UTC)
    try:
        lists = read_lists(settings.tell_crls)
    except Problem as problem:
        yield Finding(part, State.WRONG, str(problem), "correct it; a process that runs keeps the lists it has")
        return
    for each in lists:
        until = each.crl.next_update_utc
        what = f"{each.ca.subject.rfc4514_string()}: " + (f"until {until:%Y-%m-%d %H:%M} UTC" if until else "no end")
        ended = each.ended(now)
        do = "fetch the new one: nobody whose certificate is of this CA is told" if ended else ""
        yield Finding(part, State.WRONG if ended else State.OK, what, do)


async def _tried(settings: Settings, store: Store, rows: Sequence[DestinationRow]) -> Mapping[str, Failure]:
    """Why each that cannot be reached cannot. Raises `Problem`."""
    ways = make_ways(settings, Revocations(settings.tell_crls))
    places = [row.destination for row in rows if row.destination.state is not Told.OFF]
    first: dict[tuple[str, str], Destination] = {}
    for place in places:
        first.setdefault(_where(place), place)

    async def why_not(place: Destination) -> Failure | None:
        way = ways.get(place.way)
        return Failure.MISCONFIGURED if way is None else await _reached(settings, store, way, place)

    try:
        said = dict(zip(first, await few_at_once(AT_ONCE, why_not, first.values()), strict=True))
    finally:
        for way in ways.values():
            await way.close()
    failures = {place.destination_id: said[_where(place)] for place in places}
    return {name: failure for name, failure in failures.items() if failure}


def _where(place: Destination) -> tuple[str, str]:
    return place.way, "" if place.way in _BY_RELAY else place.destination_id


async def _reached(settings: Settings, store: Store, way: Way, place: Destination) -> Failure | None:
    secrets = Secrets({})
    if place.way is WayKind.SFTP:  # the others sign in with nothing, or with what they send
        if not settings.has_secret():
            return Failure.MISCONFIGURED
        try:
            kept = store.destinations.secrets_of(place.destination_id, settings.secret(), datetime.now(UTC))
        except ValueError:  # kept under another key
            return Failure.MISCONFIGURED
        secrets = Secrets(kept)
    said = await way.reach(place, secrets)
    return said.failure if isinstance(said, NotDelivered) else None
