"""`handoff audit`: a person, a user or a span in, who did, saw and was told what out; whether the audit is whole."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import typer

from rules.policy.policy import local_day
from streams.commands.printing import one_line, print_json
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile
from streams.run.rule_files import POLICY
from streams.run.settings import Settings
from streams.store import Store
from streams.store.audit import COLUMNS, IN_EMERGENCY, Audited
from streams.store.opening import open_store
from streams.words.spreadsheet import csv_of

ACCOUNTED: Final = timedelta(days=6 * 366)  # 45 CFR 164.528(a)(3): six years
_SAW: Final = frozenset({Audited.READ_STAY, Audited.READ_LIST, Audited.READ_REVIEW, Audited.PRINTED})


def run_audit(
    settings: Settings, by: str, *, person: str, user: str, since: datetime | None, as_json: bool, as_csv: bool
) -> int:
    """Rows of the audit, oldest first. The look itself is one."""
    with open_store(settings) as store:
        _known(store, by)
        count, rows = store.audit.whole(enrollee_id=person, case_manager_id=user, since=since)
        asked = f"{'person ' if person else ''}{'user ' + user + ' ' if user else ''}{count} rows"
        store.audit.write(by, Audited.READ_AUDIT, datetime.now(UTC), enrollee_id=person, detail=asked)
        _print((row.said() for row in rows), COLUMNS, as_json=as_json, as_csv=as_csv)
    return 0


def run_disclosures(settings: Settings, by: str, person: str, *, as_json: bool, as_csv: bool) -> int:
    """What was disclosed about one person within six years: to whom, when, what and what for."""
    now, zone = datetime.now(UTC), RuleFile(POLICY, settings).current().tz
    with open_store(settings) as store:
        _known(store, by)
        names = {who.case_manager_id: who.name for who in store.directory.case_managers()}
        read = list(store.audit.whole(enrollee_id=person, since=now - ACCOUNTED)[1])
        left = store.disclosures.of(person)
        places = store.destinations.among({sent.destination_id for sent in left})
        store.audit.write(by, Audited.READ_AUDIT, now, enrollee_id=person, detail="accounting of disclosures")
    dated_lines: list[tuple[datetime, dict[str, str]]] = []
    for row in read:
        if row.what in _SAW:
            what = f"hospital stay, {row.detail}" if row.alert_id and not row.is_list else row.detail
            whom = names.get(row.case_manager_id, row.case_manager_id)
            purpose = "emergency" if row.detail.startswith(IN_EMERGENCY) else "treatment"
            dated_lines.append((row.at, _disclosure(row.at, zone, whom, what, purpose)))
    for sent in left:
        place = places[sent.destination_id]
        whom = f"{place.name} ({place.whose} {place.owner_id})"
        arrived = "" if sent.arrived else ", perhaps not arrived"
        what = f"notice of a hospital stay, version {sent.version}, {sent.tier or 'unknown'} tier{arrived}"
        dated_lines.append((sent.at, _disclosure(sent.at, zone, whom, what)))
    lines = [line for at, line in sorted(dated_lines, key=lambda dated_line: dated_line[0]) if at >= now - ACCOUNTED]
    _print(lines, ("date", "recipient", "what", "purpose"), as_json=as_json, as_csv=as_csv)
    return 0


def run_verify(settings: Settings, noted: str, *, as_json: bool) -> int:
    """Whether the chain holds; status 1 when it does not."""
    with open_store(settings) as store:
        verification = store.audit.verify(noted.strip().lower())
    broken = verification.broken
    if as_json:
        where = None if broken is None else {"row": broken.audit_id, "at": broken.at.isoformat(), "why": broken.why}
        counts = {"rows": verification.rows, "unchained": verification.unchained}
        print_json({"ok": broken is None, **counts, "head": verification.head, "broken": where})
    elif broken is None:
        older = f" after {verification.unchained:,} of before there was one" if verification.unchained else ""
        note = f" Note its head elsewhere: {verification.head}" if verification.head else ""
        typer.echo(f"{verification.rows:,} rows{older}, the chain holds.{note}")
    elif broken.audit_id:
        typer.echo(f"broken at row {broken.audit_id} of {broken.at:%Y-%m-%d %H:%M:%S} UTC: {broken.why}")
    else:
        typer.echo(f"broken: {broken.why}; a head that was noted is not in it any more")
    return 0 if broken is None else 1


def _known(store: Store, by: str) -> None:
    if store.directory.read().person(by) is None:
        raise Problem("--by: no such case manager in the directory")


def _disclosure(at: datetime, zone: ZoneInfo, recipient: str, what: str, purpose: str = "treatment") -> dict[str, str]:
    return {"date": local_day(at, zone).isoformat(), "recipient": recipient, "what": what, "purpose": purpose}


def _print(rows: Iterable[dict[str, str]], columns: Sequence[str], *, as_json: bool, as_csv: bool) -> None:
    """As they come: there may be many."""
    nothing = True
    if as_csv:
        sys.stdout.write(csv_of([columns]))
    for row in rows:
        nothing = False
        if as_csv:
            sys.stdout.write(csv_of([[row[name] for name in columns]]))
        elif as_json:
            print_json(row)
        else:
            typer.echo("  ".join(one_line(row[name]) for name in columns if row[name]))
    if nothing and not as_json and not as_csv:
        typer.echo("nothing")
