"""Brings a database to this version's schema; the same on a server and in the embedded engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client

from flows.clickhouse.errors import SchemaRefused
from schemas.clickhouse.load import Migration, load_migrations

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY version
"""


def applied_migrations(client: Client) -> dict[int, tuple[str, str]]:
    """(name, checksum) of every applied migration by version; empty in a new database."""
    client.command(_TABLE)
    rows = client.query("SELECT version, name, checksum FROM schema_migrations FINAL ORDER BY version").result_rows
    return {int(version): (str(name), str(checksum)) for version, name, checksum in rows}


def migrate(client: Client, migrations: Sequence[Migration] | None = None) -> list[int]:
    """Applies what is missing, in order, and gives the versions applied; nothing happens when it is up to date.

    Every statement can be repeated, so a crash between a statement and its record is repaired by the next run.

    Raises:
        SchemaRefused: see there; nothing was changed then.
    """
    known = load_migrations() if migrations is None else migrations
    applied = applied_migrations(client)
    _check(applied, known)
    fresh = [migration for migration in known if migration.version not in applied]
    for migration in fresh:
        for statement in migration.statements:
            client.command(statement)
        client.insert(
            "schema_migrations",
            [[migration.version, migration.name, migration.checksum]],
            column_names=["version", "name", "checksum"],
        )
    return [migration.version for migration in fresh]


def _check(applied: dict[int, tuple[str, str]], known: Sequence[Migration]) -> None:
    by_version = {migration.version: migration for migration in known}
    newest = max(by_version, default=0)
    for version, (name, checksum) in applied.items():
        ours = by_version.get(version)
        if ours is None:
            raise SchemaRefused(
                f"clickhouse schema: the database is at migration {version:04} ({name}), this version of Weir knows up "
                f"to {newest:04}; run the newer Weir, or name another clickhouse.database"
            )
        if ours.checksum != checksum:
            raise SchemaRefused(
                f"clickhouse schema: migration {version:04} ({name}) was applied with checksum {checksum[:12]}, the "
                f"file now has {ours.checksum[:12]}; restore the file and put the change into a new migration"
            )
    missing = [version for version in range(1, max(applied, default=0)) if version not in applied]
    if missing:
        raise SchemaRefused(
            f"clickhouse schema: migrations {missing} are not recorded but later ones are; restore schema_migrations"
        )
