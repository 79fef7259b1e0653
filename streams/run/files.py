"""Files and folders that only their owner reads, written whole or not at all."""

import json
import os
from pathlib import Path

from streams.run.problems import SettingsError


def write_atomically(path: Path, value: object) -> None:
    """The JSON of `value` in a file that its readers see whole or not at all, readable by the owner only."""
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
    partial.replace(path)


def private_folder(path: Path) -> Path:
    """The folder, made if need be, readable by its owner only."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise SettingsError(
            f"{path} cannot be a folder, a file is in its way: set HANDOFF_DATA_DIR to another"
        ) from None
    path.chmod(0o700)
    return path
