"""The store's SQLite file in, a copy that is whole out, while everybody goes on reading and writing it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from streams.store.database import Damaged, describe, translated


def copy_of_sqlite(path: Path, to: Path) -> None:
    """Write what the last commit left of the store at `path` into the new file `to`, readable by its owner only.

    One read transaction (`VACUUM INTO`): no writer waits for it; the file alone, copied under WAL, would miss what lies
    in its -wal. Raises `Unavailable`, and `Damaged` when either file does not hold together.
    """
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with translated(), closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as connection:
        connection.execute("VACUUM INTO ?", (str(to),))
    check_sqlite(to)


def check_sqlite(path: Path) -> None:
    """Read the whole file at `path`. Raises `Damaged` when it does not hold together."""
    with translated(), closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as connection:
        try:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        except sqlite3.DatabaseError as error:
            raise Damaged(describe(error)) from None
    if said != ["ok"]:
        raise Damaged("integrity_check")
