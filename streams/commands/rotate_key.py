"""Another hash key in place of the one there is, and all that is sealed sealed anew; what came of it in words out."""

from contextlib import closing, nullcontext

import typer

from streams.commands.printing import print_json
from streams.run.settings import Settings
from streams.store.keys import rotate
from streams.store.opening import open_store
from streams.store.quarantine import KEPT_DAYS
from streams.up.supervisor import sole_holder


def run_rotate_key(settings: Settings, *, as_json: bool) -> int:
    """Changes the key, or ends a change that was broken off; gives 0. Raises `Problem`."""
    of_file = not settings.hash_key.get_secret_value()
    with (
        open_store(settings) as store,
        closing(sole_holder(settings.data_dir)) if of_file else nullcontext(),
    ):
        count = rotate(settings, store)
    if as_json:
        print_json({"sealed_anew": count.anew, "lost": count.lost})
        return 0
    typer.echo(f"{count.anew:,} things are sealed with the new key.")
    if count.lost:
        typer.echo(f"{count.lost:,} stay as they are: none of the keys opens them.")
    where = f"below it in {settings.key_file}" if of_file else "in HANDOFF_OTHER_HASH_KEYS"
    typer.echo(f"The keys before it, {where}, are needed for {KEPT_DAYS} days. Make a backup now.")
    return 0
