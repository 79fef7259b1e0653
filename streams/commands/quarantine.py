"""`handoff quarantine`: what our code failed on or could not use, listed, looked at, mended, dismissed and replayed."""

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import typer

from streams.commands.printing import print_json
from streams.kafka.topics import Topic
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store import Store
from streams.store.audit import Audited
from streams.store.keys import secret_of
from streams.store.opening import open_store
from streams.store.quarantine import OPEN, Quarantined, State


class Which(NamedTuple):
    """What of the quarantine is meant. `topic`: all that lies there."""

    sender: str = ""
    code: str = ""
    topic: Topic | None = None
    since: datetime | None = None
    until: datetime | None = None

    def of(self, store: Store, *, everything: bool = False) -> list[Quarantined]:
        """In order of receipt. `everything`: what was dealt with, too."""
        open_state = State.REJECTED if self.topic is Topic.REJECTS else State.WAITING
        dealt_with = [state for state in State if state not in OPEN] if everything else []
        return store.quarantine.all(
            sender=self.sender, code=self.code, since=self.since, until=self.until, states=(open_state, *dealt_with)
        )


EVERYTHING: Final = Which()


def which_of(sender: str, code: str, topic: str, since: datetime | None, until: datetime | None) -> Which:
    """What somebody asks for in words. Raises `Problem`."""
    topics: dict[str, Topic | None] = {each.value: each for each in (Topic.QUARANTINE, Topic.REJECTS)} | {"": None}
    if topic not in topics:
        raise Problem(
            f"--topic {topic}: nothing is kept of it here; say {Topic.QUARANTINE.value} or {Topic.REJECTS.value}"
        )
    first, last = (moment.replace(tzinfo=UTC) if moment and not moment.tzinfo else moment for moment in (since, until))
    return Which(sender, code, topics[topic], first, last)


def run_list(settings: Settings, which: Which, *, everything: bool, as_json: bool) -> int:
    """Print what waits; nothing of any content. Gives 0."""
    with open_store(settings) as store:
        quarantined = which.of(store, everything=everything)
    for each in quarantined:
        if as_json:
            print_json(_as_json(each))
        else:
            typer.echo(_line(each))
    if not as_json:
        _sum_up(quarantined)
    return 0


def run_show(settings: Settings, message_id: str, *, content: bool, as_json: bool) -> int:
    """Print one record's circumstances, or with `content` its bytes and nothing else. Raises `Problem`."""
    with open_store(settings) as store:
        known = store.quarantine.all(message_id=message_id, states=tuple(State))
        if not known:
            raise Problem(_unknown(message_id))
        if content:
            who = who_commands()
            store.audit.write(who, Audited.READ_QUARANTINED, datetime.now(UTC), detail=message_id)
            original, corrected = store.quarantine.content(message_id, secret_of(settings, store)) or (b"", None)
            sys.stdout.buffer.write(original if corrected is None else corrected)
            return 0
    if as_json:
        print_json(_as_json(known[0]))
    else:
        typer.echo("\n".join(f"{name:>12}  {value}" for name, value in _as_json(known[0]).items()))
    return 0


def run_replay(
    settings: Settings,
    message_ids: Sequence[str],
    which: Which = EVERYTHING,
    *,
    corrected: Path | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Line up what is named by id, or all that waits of a topic, sender, code or span; gives 0. Raises `Problem`."""
    if bool(message_ids) is (which != EVERYTHING):
        raise Problem("say which: message ids, or --topic, --sender, --code, --since and --until")
    if corrected and len(message_ids) != 1:
        raise Problem("--corrected mends one message: give its id")
    with open_store(settings) as store:
        for message_id in message_ids:
            if not store.quarantine.all(message_id=message_id, states=OPEN):
                raise Problem(_unknown(message_id))
        wanted = list(message_ids) or [each.message_id for each in which.of(store)]
        released = 0
        if not dry_run:
            secret = secret_of(settings, store)
            if corrected and not store.quarantine.correct(wanted[0], corrected.read_bytes(), secret):
                raise Problem(_unknown(wanted[0]))
            released = store.quarantine.release(wanted, secret)
    if as_json:
        print_json({"waiting": len(wanted), "lined_up": released, "dry_run": dry_run})
    elif dry_run:
        typer.echo(f"{len(wanted)} would be sent on their way again.")
    else:
        typer.echo(f"{released} of {len(wanted)} are lined up; a worker publishes them within seconds.")
    return 0


def run_dismiss(settings: Settings, message_id: str, why: str) -> int:
    """Leave a record where it is, for good; gives 0. Raises `Problem`."""
    with open_store(settings) as store:
        if not store.quarantine.dismiss(message_id, why):
            raise Problem(_unknown(message_id))
    typer.echo("dismissed")
    return 0


def _unknown(message_id: str) -> str:
    return f"no message {message_id} waits in quarantine: `handoff quarantine list` names those that do"


def _as_json(each: Quarantined) -> dict[str, object]:
    times = ("received_at", "first_at", "last_at")
    return each._asdict() | {"state": str(each.state)} | {name: getattr(each, name).isoformat() for name in times}


def _line(each: Quarantined) -> str:
    state = each.state.value if each.state is not State.REPLAYED else each.ending or "on its way"
    return f"{each.message_id}  {each.received_at:%Y-%m-%d %H:%M}  {state:11}  {each.code}  {each.place}  {each.sender}"


def _sum_up(quarantined: Sequence[Quarantined]) -> None:
    for (code, place), count in Counter((each.code, each.place) for each in quarantined).most_common():
        typer.echo(f"{count} × {code} at {place or '-'}")
    if not quarantined:
        typer.echo("Nothing waits in quarantine.")
