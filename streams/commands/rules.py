"""`handoff rules RULE`: a kind of rule file in, copies of the shipped ones to be edited out; nothing is overwritten."""

from importlib import resources
from typing import Final

import typer

from streams.run.files import private_folder
from streams.run.problems import Problem
from streams.run.rule_files import RULE_FILES
from streams.run.settings import Settings

COPIED: Final = {kind.rule.value: kind.original for kind in RULE_FILES if kind.original}


def run_rules(settings: Settings, rule: str) -> int:
    """Writes into the data folder what is shipped and says how it becomes one's own; gives 0. Raises `Problem`."""
    if rule not in COPIED:
        raise Problem(f"there is no rule file {rule}: expected {', '.join(sorted(COPIED))}")
    shipped = resources.files("rules").joinpath(COPIED[rule])
    target = private_folder(settings.data_dir).resolve() / shipped.name
    if target.exists():
        raise Problem(f"{target} is there already: edit it, or move it away first")
    if shipped.is_file():
        target.write_bytes(shipped.read_bytes())
    else:
        private_folder(target)
        for item in shipped.iterdir():
            if item.name.endswith(".toml"):
                (target / item.name).write_bytes(item.read_bytes())
    typer.echo(f"wrote {target}\nIt becomes yours by this line at the top of handoff.toml, at the next start:\n")
    typer.echo(
        f"{rule} = '{target}'\n\nFrom then on a change is taken within seconds, and `handoff doctor` names its faults."
    )
    return 0
