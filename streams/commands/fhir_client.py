"""`handoff fhir-client …`: systems that may sign in to the FHIR server, whose they are and by which keys.

JSON of `list`, one object a line: `{"client_id", "whose", "owner_id", "tier", "keys", "subscriptions"}`, keys being
their ids, or the URL where they are published.
"""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer
from pydantic import ValidationError

from rules.telling.destinations import State, Whose
from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store import Store
from streams.store.fhir import FhirClient
from streams.store.opening import open_store
from streams.tell.revocation import Revocations
from streams.tell.serving.key_sets import MOST_BYTES, read_key_set
from streams.tell.ways.http import Http

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def run_add(settings: Settings, client_id: str, keys: str, *, whose: str, tier: str, allow_private: bool) -> int:
    """Adds a client, or changes one."""
    if not _ID.fullmatch(client_id):
        raise Problem("a client's id is letters, digits, . - and _")
    kind, _, owner = whose.partition(":")
    if kind not in set(Whose) or (kind not in (Whose.CENTRAL_OFFICE, Whose.PARTNER) and not owner):
        raise Problem(f"--whose is one of {', '.join(Whose)}, with its id after a colon: practice:P0001")
    given = {"client_id": client_id, "whose": kind, "owner_id": owner, "tier": tier}
    known = _keys(settings, keys, allow_private)
    try:
        client = FhirClient.model_validate({**given, **known, "allow_private": allow_private})
    except ValidationError:
        raise Problem("--tier is full, general or withheld") from None
    with open_store(settings) as store:
        store.fhir.put_client(client, datetime.now(UTC), by=who_commands())
        _follow(store, client)
    typer.echo(f"{client_id} may sign in at {settings.fhir_url}/token")
    if not settings.fhir_port:
        typer.echo("HANDOFF_FHIR_PORT is not set: no FHIR server runs")
    return 0


def run_list(settings: Settings, *, as_json: bool = False) -> int:
    """Every client."""
    with open_store(settings) as store:
        rows = [(client, len(store.fhir.subscriptions(client.client_id))) for client in store.fhir.clients()]
    for client, count in rows:
        names = [client.jwks_url] if client.jwks_url else [str(key["kid"]) for key in client.keys["keys"]]
        if as_json:
            shown = client.model_dump(mode="json", include={"client_id", "whose", "owner_id", "tier"})
            print_json({**shown, "keys": names, "subscriptions": count})
        else:
            owner = f":{client.owner_id}" if client.owner_id else ""
            typer.echo(f"{client.client_id:20} {client.whose}{owner}, keys {', '.join(names)}, {count} subscriptions")
    if not rows and not as_json:
        typer.echo("no FHIR client may sign in: `handoff fhir-client add --help` shows how")
    return 0


def run_remove(settings: Settings, client_id: str) -> int:
    """Removes a client with its subscriptions."""
    with open_store(settings) as store:
        now = datetime.now(UTC)
        for destination, _ in store.fhir.subscriptions(client_id):
            store.destinations.move(destination.destination_id, State.REMOVED, now)
        if not store.fhir.remove_client(client_id, now, by=who_commands()):
            raise Problem("there is no such client: `handoff fhir-client list` shows those there are")
    typer.echo(f"{client_id} may not sign in any more")
    return 0


def _follow(store: Store, client: FhirClient) -> None:
    """What a client's subscriptions are told changes with whose it is."""
    own = {name: getattr(client, name) for name in ("whose", "owner_id", "tier", "allow_private")}
    for destination, _ in store.fhir.subscriptions(client.client_id):
        row = store.destinations.find(destination.destination_id)
        if row is not None:
            store.destinations.put(row.destination.model_copy(update=own), datetime.now(UTC), row.why)


def _keys(settings: Settings, given: str, allow_private: bool) -> dict[str, object]:
    """What a client's row says of its keys: a set, or where it is published."""
    published = given.startswith(("https://", "http://"))
    try:
        raw = asyncio.run(_fetched(settings, given, allow_private)) if published else Path(given).read_bytes()
        keys = read_key_set(raw)
    except OSError:
        raise Problem(f"{given} cannot be read") from None
    except ValueError as error:
        raise Problem(f"{given}: {error}") from None
    return {"jwks_url": given} if published else {"keys": keys}


async def _fetched(settings: Settings, url: str, allow_private: bool) -> bytes:
    """Raises `Problem`."""
    way = Http(settings.tell_allow, context=Revocations(settings.tell_crls).context())
    try:
        raw = await way.fetch(url, allow_private, MOST_BYTES)
    finally:
        await way.close()
    if raw is None:
        hint = "" if allow_private else "; one in your own network needs --allow-private"
        raise Problem(f"{url} does not answer a GET with at most 64 kB by https{hint}")
    return raw
