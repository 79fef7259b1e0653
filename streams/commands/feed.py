"""`handoff feed`: which senders are heard, quiet and parked; their report cards; one set aside by hand, or taken back.

JSON of `list`: `[{"feed", "heard_at", "talk", "how", "parked_since", "after"}]`, times as ISO 8601 or null;
of `park` and `resume`: `{"feed", "changed"}`. A feed is named as the store knows it: its name in `handoff.toml`, else
`MSH-3|MSH-4`. Of `card`: `{"feed", "week", "messages", "first", "lines": [{"fact", "wrong", "of", "total", "share",
"target", "verdict", "trend", "ask"}], "delays": [{"of", "median", "ninetieth"}], "rejects": {code: count}}`; seconds.
"""

from datetime import UTC, datetime
from typing import Final

import typer

from rules.feeds.card import WEEKS_BEFORE, Card, Verdict, card
from rules.feeds.rhythm import Talk
from rules.feeds.talk import State
from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store.audit import Audited
from streams.store.feed_weeks import Week
from streams.store.opening import open_store
from streams.words import feed_card as card_words
from streams.words import feeds as feed_words

BY_HAND: Final = "by hand"


def run_list(settings: Settings, *, as_json: bool = False) -> int:
    """Prints every feed that was heard or is parked."""
    with open_store(settings) as store:
        heard = store.ledger.feeds()
        parked = {parked_feed.sender: parked_feed for parked_feed in store.keeping_up.parked()}
        talk = {feed_talk.feed: feed_talk.state for feed_talk in store.feed_talk.all()}
        zone = store.database.zone
    now = datetime.now(UTC)
    for feed in sorted({*heard, *parked}):
        since, at = parked[feed].since if feed in parked else None, heard.get(feed)
        after = parked[feed].code if feed in parked else ""
        state = talk.get(feed, State(Talk.LEARNING))
        how = feed_words.quiet(state, now, zone)
        if as_json:
            moments = {"heard_at": at and at.isoformat(), "parked_since": since and since.isoformat()}
            print_json({"feed": feed, **moments, "talk": state.talk.value, "how": how, "after": after})
            continue
        last = f"last heard {at:%Y-%m-%d %H:%M} UTC" if at else "never heard"
        said = f"  {state.talk.value.upper()}: {how}" if how else ""
        typer.echo(
            f"{feed}  {last}{said}" + (f"  PARKED since {since:%Y-%m-%d %H:%M} UTC, after {after}" if since else "")
        )
    if not (heard or parked or as_json):
        typer.echo("No feed was heard yet.")
    return 0


def run_card(settings: Settings, feed: str, *, as_json: bool = False) -> int:
    """Prints the newest week's report card of a feed. Raises `Problem` for one that has none."""
    with open_store(settings) as store:
        weeks, known = store.feed_weeks.newest(feed, 1 + WEEKS_BEFORE), store.feed_weeks.feeds()
    if not weeks:
        raise Problem(f"no such feed has a report card yet: {', '.join(known) or 'none has'}")
    report_card = card(weeks[0].counts, [week.counts for week in weeks[1:]])
    if as_json:
        print_json(_card_json(feed, weeks[0], report_card))
        return 0
    typer.echo(f"{feed}, week of {weeks[0].begins:%Y-%m-%d}, {report_card.messages:,} messages")
    typer.echo(card_words.first(report_card))
    for line in report_card.lines:
        if line.verdict is not Verdict.TOO_FEW:
            share = f"{card_words.share(line):>6}  (target {line.target:.1%}, {line.trend})"
            typer.echo(f"  {line.verdict:9} {share:36} {card_words.said(line)}")
    for delay in report_card.delays:
        typer.echo(f"  {card_words.delay(delay)}")
    if grammar := card_words.grammar(report_card):
        typer.echo(f"  {grammar}")
    for code, count in report_card.rejects.items():
        typer.echo(f"  rejected, {code}: {count:,}")
    return 0


def _card_json(feed: str, week: Week, report_card: Card) -> dict[str, object]:
    lines = [
        {
            **{"fact": line.fact, "wrong": line.wrong, "of": line.of, "total": line.total, "share": line.share},
            **{"target": line.target, "verdict": line.verdict, "trend": line.trend, "ask": card_words.ask(line)},
        }
        for line in report_card.lines
    ]
    delays = [delay._asdict() for delay in report_card.delays]
    said = {"feed": feed, "week": week.begins.date().isoformat(), "messages": report_card.messages}
    return {
        **said,
        "first": card_words.first(report_card),
        "lines": lines,
        "delays": delays,
        "rejects": dict(report_card.rejects),
        "grammar": dict(report_card.grammar),
    }


def run_park(settings: Settings, feed: str, *, as_json: bool = False) -> int:
    """Sets a feed aside; 1 when it was already. Raises `Problem` for one that was never heard and is not configured."""
    with open_store(settings) as store:
        known = {*store.ledger.feeds(), *(configured.name for configured in settings.feeds)}
        if feed not in known and "|" not in feed:
            raise Problem("no such feed was heard or is configured: `handoff feed list` names them, else MSH-3|MSH-4")
        now = datetime.now(UTC)
        changed = store.keeping_up.park(feed, feed, BY_HAND, now)
        if changed:
            store.audit.write(who_commands(), Audited.PARKED, now, detail=feed)
    _say(feed, changed, "is parked: its messages are set aside unread", "was parked already", as_json)
    return 0 if changed else 1


def run_resume(settings: Settings, feed: str, *, as_json: bool = False) -> int:
    """Takes a parked feed's messages again from now on; 1 when it was not parked."""
    with open_store(settings) as store:
        changed = store.keeping_up.unpark(feed)
        if changed:
            store.audit.write(who_commands(), Audited.RESUMED, datetime.now(UTC), detail=feed)
    rest = f"is heard again; what was set aside: handoff quarantine replay --sender '{feed}' --code parked"
    _say(feed, changed, rest, "is not parked: `handoff feed list` names those that are", as_json)
    return 0 if changed else 1


def _say(feed: str, changed: bool, done: str, nothing: str, as_json: bool) -> None:
    if as_json:
        print_json({"feed": feed, "changed": changed})
    else:
        typer.echo(f"{feed} {done if changed else nothing}.")
