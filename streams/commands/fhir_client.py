"""`handoff fhir-client …`: systems that may sign in to the FHIR server, whose they are and by which keys.

JSON of `list`, one object a line: `{"client_id", "whose", "owner_id", "tier", "keys", "subscriptions"}`, keys being
their ids.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import ValidationError

from rules.telling.destinations import State, Whose
from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store.fhir import FhirClient
from streams.store.opening import open_store

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


def run_add(settings: Settings, client_id: str, keys: Path, *, whose: str, tier: str, allow_private: bool) -> int:
    """Adds a client, or changes one."""
    if not _ID.fullmatch(client_id):
        raise Problem("a client's id is letters, digits, . - and _")
    kind, _, owner = whose.partition(":")
    if kind not in set(Whose) or (kind not in (Whose.CENTRAL_OFFICE, Whose.PARTNER) and not owner):
        raise Problem(f"--whose is one of {', '.join(Whose)}, with its id after a colon: practice:P0001")
    given = {"client_id": client_id, "whose": kind, "owner_id": owner, "tier": tier, "keys": _keys(keys)}
    try:
        client = FhirClient.model_validate({**given, "allow_private": allow_private})
    except ValidationError:
        raise Problem("--tier is full, general or withheld") from None
    with open_store(settings) as store:
        store.fhir.put_client(client, datetime.now(UTC))
    typer.echo(f"{client_id} may sign in at {settings.fhir_url}/token")
    if not settings.fhir_port:
        typer.echo("HANDOFF_FHIR_PORT is not set: no FHIR server runs")
    return 0


def run_list(settings: Settings, *, as_json: bool = False) -> int:
    """Every client."""
    with open_store(settings) as store:
        rows = [(client, len(store.fhir.subscriptions(client.client_id))) for client in store.fhir.clients()]
    for client, count in rows:
        names = [str(key.get("kid", "")) for key in client.keys.get("keys", ())]
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
            store.destinations.put(destination.model_copy(update={"state": State.REMOVED}), now)
        if not store.fhir.remove_client(client_id):
            raise Problem("there is no such client: `handoff fhir-client list` shows those there are")
    typer.echo(f"{client_id} may not sign in any more")
    return 0


def _keys(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
        keys = KeySet.import_key_set(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, JoseError):
        raise Problem(f"{path} is no JSON Web Key Set") from None
    named = [key for key in found["keys"] if key.get("kid")]
    if not keys.keys or len(named) != len(found["keys"]):
        raise Problem("each key needs a kid, by which an assertion names it")
    if any(_PRIVATE & key.keys() for key in found["keys"]):
        raise Problem("the file holds a private key: it is the client's alone; give the public part")
    return dict(found)
