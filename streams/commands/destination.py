"""`handoff destination …`: places outside that are told: made, listed, tried, paused, told again.

JSON of `list`, one object a line: `{"destination_id", "name", "whose", "owner_id", "form", "way", "address", "state",
"why", "failures", "last_failure", "succeeded_at", "due", "waiting", "delivered", "given_up", "superseded"}`; of `add`
and `secret`: `{"destination_id", "secret", "public_key"}`; of `test`: `{"destination_id", "delivered", "failure",
"status"}`; of `replay`: `{"destination_id", "again"}`; of `told`, one object a line: `{"at", "destination_id",
"alert_id", "version", "tier", "arrived"}`, where arrived is delivered or maybe.
"""

import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import ValidationError

from parsers.hours import EXPECTED, read_hours
from rules.telling.destinations import Destination, FormKind, State, WayKind, Whose
from streams.commands.destination_address import certificate_of, check_address, header, is_known, option, way_of
from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile
from streams.run.rule_files import POLICY
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store import Store
from streams.store.audit import Audited
from streams.store.delivery import DeliveryState, Sums
from streams.store.destinations import BY_A_PERSON, DestinationRow
from streams.store.keys import secret_of
from streams.store.opening import open_store
from streams.tell.certificates import CERTIFICATE
from streams.tell.process import make_forms, make_ways
from streams.tell.revocation import Revocations
from streams.tell.signing import SIGNING, SIGNING_KEY, new_key, new_secret, public_key
from streams.tell.way import BEARER, Delivered, NotDelivered, Secrets
from streams.tell.ways.sftp import SSH_KEY, new_ssh_key

FORMS: Final = tuple(form for form in FormKind if form is not FormKind.SUBSCRIPTION)  # whose client asks for it
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def run_add(
    settings: Settings,
    destination_id: str,
    address: str,
    *,
    form: str,
    whose: str,
    name: str,
    tier: str,
    hours: str,
    wants: Mapping[str, Sequence[str] | None],
    every_minutes: int,
    empty_files: bool,
    headers: Sequence[str],
    options: Sequence[str],
    bearer: bool,
    certificate: Path | None,
    allow_private: bool,
    as_json: bool = False,
) -> int:
    """Adds one destination and prints its signing secret where it signs."""
    if not _ID.fullmatch(destination_id):
        raise Problem("a destination's id is lower-case letters, digits, - and _, for example oak-street")
    if form not in FORMS:
        raise Problem(f"--form is one of {', '.join(FORMS)}")
    kind, _, owner = whose.partition(":")
    if kind not in set(Whose):
        raise Problem(f"--whose is one of {', '.join(Whose)}, with its id after a colon: practice:P0001")
    if read_hours(hours) is None:
        raise Problem(f"--hours: expected {EXPECTED}")
    try:
        made = Destination.model_validate(
            {
                "destination_id": destination_id,
                "name": name or destination_id,
                "whose": kind,
                "owner_id": owner,
                "form": form,
                "way": way_of(FormKind(form), address),
                "address": address,
                "wants": {key: values for key, values in wants.items() if values},
                "tier": tier,
                "hours": hours,
                "every_minutes": every_minutes,
                "empty_files": empty_files,
                "allow_private": allow_private,
                "headers": [header(text) for text in headers],
                "options": dict(option(text) for text in options),
            }
        )
    except ValidationError as error:
        raise Problem("\n".join(_explain(fault) for fault in error.errors(include_input=False))) from None
    check_address(settings, made)
    recipient = certificate_of(settings, certificate, made)
    token = _token() if bearer else ""
    with open_store(settings) as store:
        if store.destinations.was_ever(destination_id):
            raise Problem("there is or was one of that id, and what it was told stays under it: choose another id")
        now = datetime.now(UTC)
        shown: Mapping[str, str] = {}
        kept = {BEARER: token, CERTIFICATE: recipient}
        if made.form is FormKind.WEBHOOK_JSON:
            shown = _sign_with(settings, store, destination_id, now)
        elif made.way is WayKind.SFTP:
            kept[SSH_KEY], public = new_ssh_key()
            shown = {"public_key": public}
        keys = secret_of(settings, store)
        for secret, value in kept.items():
            if value:
                store.destinations.put_secret(destination_id, secret, value, keys, now, timedelta())
        _audit(store, f"add {destination_id}, {whose}, {form} by {made.way}", now)
        store.destinations.put(made, now)
        unknown = not is_known(made, store.directory.read())
    if as_json:
        print_json({"destination_id": destination_id, "secret": "", "public_key": "", **shown})
        return 0
    if unknown:
        typer.echo(f"the directory has no {made.whose} {made.owner_id}: nothing is due there before it has")
    typer.echo(f"{destination_id} is told from now on; try it: handoff destination test {destination_id}")
    _show(shown)
    return 0


def run_list(settings: Settings, *, as_json: bool = False) -> int:
    """Every destination with its sums."""
    with open_store(settings) as store:
        rows, sums = store.destinations.all(), store.deliveries.sums()
    for row in rows:
        shown = _shown(row, sums.get(row.destination.destination_id, Sums()))
        if as_json:
            print_json(shown)
        else:
            typer.echo(_line(shown))
    if not rows and not as_json:
        typer.echo("nobody outside is told: `handoff destination add --help` shows how")
    return 0


def run_test(settings: Settings, destination_id: str, *, as_json: bool = False) -> int:
    """Sends the sample; 0 when it was taken."""
    with open_store(settings) as store:
        row = _row(store, destination_id)
        _audit(store, f"test {destination_id}", datetime.now(UTC))
        said = asyncio.run(_try(settings, store, row.destination))
    delivered = isinstance(said, Delivered)
    failure = said.failure if isinstance(said, NotDelivered) else ""
    if as_json:
        answer = {"delivered": delivered, "failure": failure, "status": said.status}
        print_json({"destination_id": destination_id, **answer})
    else:
        status = f" ({said.status})" if said.status else ""
        typer.echo(f"{destination_id} took the test{status}" if delivered else f"not taken: {failure}{status}")
    return 0 if delivered else 1


def run_state(settings: Settings, destination_id: str, state: str) -> int:
    """Pauses, resumes or removes one."""
    with open_store(settings) as store:
        row, now = _row(store, destination_id), datetime.now(UTC)
        if state == State.ACTIVE and row.is_its_client_s_to_start:
            raise Problem("a FHIR subscription that stands still is its client's to start")
        if state == State.PAUSED and row.destination.state is State.OFF:
            raise Problem("its client ended it: there is nothing to pause")
        _audit(store, f"{state} {destination_id}", now)
        if state != State.ACTIVE:
            store.destinations.move(destination_id, State(state), now, BY_A_PERSON if state == State.PAUSED else "")
        elif store.destinations.resume(row, now) is not State.ACTIVE:
            state = "its client's again: it is told once that has answered a handshake, if it still wants it"
    typer.echo(f"{destination_id} is {state}")
    return 0


def run_replay(
    settings: Settings,
    destination_id: str,
    since: datetime,
    until: datetime | None,
    *,
    delivered: bool,
    as_json: bool = False,
) -> int:
    """Makes a span wait again."""
    states = [DeliveryState.GIVEN_UP, *([DeliveryState.DELIVERED] if delivered else [])]
    with open_store(settings) as store:
        destination, directory = _row(store, destination_id).destination, store.directory.read()
        now = datetime.now(UTC)
        end = until.astimezone(UTC) if until else now
        _audit(store, f"replay {destination_id}", now)
        again = store.deliveries.replay(destination, since.astimezone(UTC), end, states, now, directory)
    if as_json:
        print_json({"destination_id": destination_id, "again": again})
    else:
        typer.echo(f"{again:,} deliveries wait again, under the ids they had")
    return 0


def run_secret(
    settings: Settings, destination_id: str, overlap_hours: float, *, bearer: bool, as_json: bool = False
) -> int:
    """A new secret, printed once when we made it."""
    token = _token() if bearer else ""
    shown: Mapping[str, str] = {}
    with open_store(settings) as store:
        row = _row(store, destination_id)
        if row.destination.way is not WayKind.HTTP:
            raise Problem(f"what goes by {row.destination.way} has no secret")
        now = datetime.now(UTC)
        _audit(store, f"secret {destination_id}", now)
        if bearer:
            store.destinations.put_secret(destination_id, BEARER, token, secret_of(settings, store), now, timedelta())
        else:
            shown = _sign_with(settings, store, destination_id, now, timedelta(hours=overlap_hours))
    if as_json:
        print_json({"destination_id": destination_id, "secret": "", "public_key": "", **shown})
    elif shown:
        _show(shown)
    else:
        typer.echo("the token is kept and never shown")
    return 0


def _sign_with(
    settings: Settings, store: Store, destination_id: str, now: datetime, overlap: timedelta = timedelta()
) -> Mapping[str, str]:
    """Makes a secret and a key pair that sign from now on; gives what the receiver needs, shown once."""
    secret, key = new_secret(), new_key()
    for name, value in ((SIGNING, secret), (SIGNING_KEY, key)):
        store.destinations.put_secret(destination_id, name, value, secret_of(settings, store), now, overlap)
    return {"secret": secret, "public_key": public_key(key)}


def _show(shown: Mapping[str, str]) -> None:
    if "secret" in shown:
        typer.echo(f"secret      {shown['secret']}  (shown once; the receiver verifies webhook-signature with it)")
        typer.echo(f"public key  {shown['public_key']}  (or with this one: v1a, ed25519)")
    elif shown:
        typer.echo(f"public key  {shown['public_key']}  (for authorized_keys of the server)")


def run_told(settings: Settings, enrollee_id: str, by: str, *, as_json: bool = False) -> int:
    """Each time that something left about one person, newest first."""
    with open_store(settings) as store:
        if store.directory.read().person(by) is None:
            raise Problem("--by: no such case manager in the directory")
        rows = store.disclosures.of(enrollee_id)
        now = datetime.now(UTC)
        store.audit.write(by, Audited.READ_STAY, now, enrollee_id=enrollee_id, detail=f"{len(rows)} disclosures")
    for row in rows:
        at, arrived = row.at.isoformat(timespec="seconds"), "delivered" if row.arrived else "maybe"
        if as_json:
            shown = {"at": at, "destination_id": row.destination_id, "alert_id": row.alert_id}
            print_json({**shown, "version": row.version, "tier": row.tier, "arrived": arrived})
        else:
            typer.echo(f"{at}  {row.destination_id:20} version {row.version}, {row.tier or 'unknown'} tier, {arrived}")
    if not rows and not as_json:
        typer.echo("nothing about them has left")
    return 0


async def _try(settings: Settings, store: Store, destination: Destination) -> Delivered | NotDelivered:
    ways = make_ways(settings, Revocations(settings.tell_crls))
    try:
        way = ways.get(destination.way)
        form = make_forms(settings, store, RuleFile(POLICY, settings).current, store.directory.read).get(
            destination.form
        )
        if way is None or form is None:
            raise Problem(
                "HANDOFF_SMTP_URL is not set: no mail can go"
                if destination.way is WayKind.SMTP
                else "HANDOFF_DIRECT_FROM or HANDOFF_SMTP_URL is not set: no Direct message can go"
                if destination.way is WayKind.DIRECT
                else f"this program cannot send {destination.form} by {destination.way}"
            )
        now = datetime.now(UTC)
        try:
            opened = Secrets(store.destinations.secrets_of(destination.destination_id, secret_of(settings, store), now))
        except ValueError as error:
            raise Problem(str(error)) from None
        return await way.deliver(form.sample(destination, now), destination, opened)
    finally:
        for opened_way in ways.values():
            await opened_way.close()


def _audit(store: Store, deed: str, now: datetime) -> None:
    store.audit.write(who_commands(), Audited.DESTINATION, now, detail=deed)


def _row(store: Store, destination_id: str) -> DestinationRow:
    row = store.destinations.find(destination_id)
    if row is None:
        raise Problem("there is no such destination: `handoff destination list` shows those there are")
    return row


def _token() -> str:
    token = sys.stdin.readline().strip()
    if not token or not token.isascii() or not token.isprintable():
        raise Problem('--bearer reads the token from standard input: printf %s "$TOKEN" | handoff destination …')
    return token


def _explain(fault: Any) -> str:
    place = " ".join(str(part) for part in fault["loc"] if not isinstance(part, int))
    return f"{place + ': ' if place else ''}{fault['msg'].removeprefix('Value error, ')}"


def _shown(row: DestinationRow, sums: Sums) -> dict[str, Any]:
    destination = row.destination
    return {
        "destination_id": destination.destination_id,
        "name": destination.name,
        "whose": destination.whose,
        "owner_id": destination.owner_id,
        "form": destination.form,
        "way": destination.way,
        "address": destination.address.partition("?")[0],
        "state": destination.state,
        "why": row.why,
        "failures": row.failures,
        "last_failure": row.last_failure,
        "succeeded_at": row.succeeded_at.isoformat() if row.succeeded_at else None,
        **sums._asdict(),
    }


def _line(shown: Mapping[str, Any]) -> str:
    state = shown["state"] + (f" ({shown['why']})" if shown["why"] else "")
    trouble = f", failing: {shown['last_failure']} × {shown['failures']}" if shown["failures"] else ""
    return (
        f"{shown['destination_id']:20} {state}{trouble}: {shown['form']} to {shown['address']}, "
        f"{shown['due']:,} due = {shown['delivered']:,} delivered + {shown['waiting']:,} waiting"
        f" + {shown['given_up']:,} given up + {shown['superseded']:,} superseded"
    )
