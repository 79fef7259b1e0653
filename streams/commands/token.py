"""`handoff token …`: tokens with which other systems use the API in somebody's name.

JSON of `create`: `{"token_id", "token"}`; of `list`, one object a line: `{"token_id", "name", "for", "scopes",
"made_at", "expires_at", "used_at", "revoked_at"}`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import typer

from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.run.who import who_commands
from streams.store.api_tokens import Scope, Token
from streams.store.opening import open_store


def run_create(
    settings: Settings, name: str, person: str, scopes: Sequence[str], days: int, *, as_json: bool = False
) -> int:
    """Makes a token and prints it, this once."""
    if not scopes or set(scopes) - set(Scope):
        raise Problem(f"--scope is one of {', '.join(Scope)}, given once or more often")
    now = datetime.now(UTC)
    with open_store(settings) as store:
        if store.directory.read().person(person) is None:
            raise Problem("--for: nobody of that id is in the directory; `handoff directory` loads it")
        until = now + timedelta(days=days) if days else None
        secret, token = store.api_tokens.create(
            name, person, {Scope(word) for word in scopes}, now, until, by=who_commands()
        )
    if as_json:
        print_json({"token_id": token.token_id, "token": secret})
    else:
        typer.echo(f"{secret}  (token {token.token_id}, shown once; send it as: Authorization: Bearer …)")
    return 0


def run_list(settings: Settings, *, as_json: bool = False) -> int:
    """Every token, revoked ones too, without their secrets."""
    with open_store(settings) as store:
        tokens = store.api_tokens.all()
    for token in tokens:
        shown = _shown(token)
        if as_json:
            print_json(shown)
        else:
            typer.echo("  ".join(f"{name} {value}" for name, value in shown.items() if value))
    if not tokens and not as_json:
        typer.echo("nobody uses the API: `handoff token create --help` shows how")
    return 0


def run_revoke(settings: Settings, token_id: str) -> int:
    """Ends a token at once."""
    with open_store(settings) as store:
        if not store.api_tokens.revoke(token_id, datetime.now(UTC), by=who_commands()):
            raise Problem("no valid token of that id; `handoff token list` shows them")
    typer.echo(f"token {token_id} is over")
    return 0


def _shown(token: Token) -> dict[str, str]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "for": token.case_manager_id,
        "scopes": " ".join(sorted(token.scopes)),
        "made_at": token.made_at.isoformat(),
        "expires_at": token.expires_at.isoformat() if token.expires_at else "",
        "used_at": token.used_at.isoformat() if token.used_at else "",
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else "",
    }
