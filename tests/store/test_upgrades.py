"""Upgrading over several versions: every table filled as it was then comes through `handoff migrate` with its rows."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, LargeBinary, MetaData, Table, select
from typer.testing import CliRunner

from streams.cli import app
from streams.store import Store, StoreOutdated
from streams.store.database import Database, make_engine
from streams.store.migrating import migrate
from streams.store.revisions import MIGRATIONS, known_revisions
from tests.rigs.store import record, store_url

__all__ = ["store_url"]

FIRST_WAVE = "0005"
TWO_BEFORE = known_revisions()[-3]
RENAMED = {"actions": "acts"}  # by migration 0030
MEANT = {  # what a later migration reads
    ("actions", "action"): "acknowledged",
    ("review_events", "document"): record(7).model_dump_json(),
}


def value_of(table: Table, column: Any) -> Any:
    """Something of the column's type; JSON where a document is expected."""
    if (table.name, column.name) in MEANT:
        return MEANT[table.name, column.name]
    if column.name == "document":
        return json.dumps({"of": table.name})
    kind = column.type.python_type
    return b"sealed" if isinstance(column.type, LargeBinary) else kind(7) if kind is not str else f"{column.name} 7"


def tables_of(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return {name: table for name, table in metadata.tables.items() if name not in {"alembic_version", "counters"}}


def fill(database: Database) -> dict[str, dict[str, Any]]:
    """One row in each table; gives them by table."""
    rows = {}
    with database.writing() as connection:
        for name, table in tables_of(connection).items():
            rows[name] = {column.name: value_of(table, column) for column in table.columns}
            connection.execute(table.insert().values(**rows[name]))
    return rows


def test_migrations_follow_one_another_each_with_a_number_of_its_own() -> None:
    files = [path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")]
    assert sorted(files) == sorted(known_revisions())


@pytest.mark.parametrize("revision", [FIRST_WAVE, "0032", TWO_BEFORE])
def test_every_row_comes_through(store_url: str, revision: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    database = Database(make_engine(store_url))
    migrate(database, revision)
    before = fill(database)
    assert len(before) > 20
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", "" if database.backend == "sqlite" else store_url.replace("+psycopg", ""))
    done = CliRunner().invoke(app, ["migrate"])
    assert (done.exit_code, done.output) == (0, "the store is up to date\n"), done.exception
    with database.reading() as connection:
        now = tables_of(connection)
        for name, row in before.items():
            table = now[RENAMED.get(name, name)]
            stored = [dict(mapping) for mapping in connection.execute(select(table)).mappings()]
            kept = {column: value for column, value in row.items() if column in table.columns and name not in RENAMED}
            assert kept in [{column: mapping[column] for column in kept} for mapping in stored], name
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    refused = CliRunner().invoke(app, ["migrate"])
    assert isinstance(refused.exception, StoreOutdated)
    assert "newer handoff (revision 9999)" in str(refused.exception)
    with pytest.raises(StoreOutdated, match="newer"):
        Store.open(store_url)
