"""Migrations: in order, once, checked, and never over a newer schema."""

from __future__ import annotations

import dataclasses

import pytest
from clickhouse_connect.driver.client import Client

from flows.clickhouse.errors import SchemaRefused
from flows.clickhouse.migrate import applied_migrations, migrate
from flows.exit_codes import exit_code_of
from schemas.clickhouse.load import load_migrations, parse_migration


def test_a_new_database_gets_every_migration_once(empty: Client) -> None:
    versions = [migration.version for migration in load_migrations()]
    assert migrate(empty) == versions
    assert migrate(empty) == []
    assert sorted(applied_migrations(empty)) == versions


def test_users_find_views_and_not_tables_under_the_plain_names(client: Client) -> None:
    rows = client.query("SELECT name, engine FROM system.tables WHERE database = currentDatabase()").result_rows
    engines = {str(name): str(engine) for name, engine in rows}
    for name in (
        "decisions",
        "intents",
        "targets",
        "clips",
        "orders",
        "cancels",
        "fills",
        "transitions",
        "pod_metrics",
    ):
        assert engines[name] == "View"
    assert all(engine == "ReplacingMergeTree" for name, engine in engines.items() if name.endswith("_rows"))


def test_a_crash_between_a_statement_and_its_record_is_repaired(empty: Client) -> None:
    first = load_migrations()[0]
    applied_migrations(empty)
    for statement in first.statements[:3]:
        empty.command(statement)
    assert migrate(empty) == [migration.version for migration in load_migrations()]


def test_only_what_is_missing_is_applied(empty: Client) -> None:
    migrations = load_migrations()
    assert migrate(empty, migrations[:1]) == [1]
    assert migrate(empty, migrations) == [migration.version for migration in migrations[1:]]


def test_a_newer_database_is_refused_with_both_versions_named(client: Client) -> None:
    newest = load_migrations()[-1]
    later = parse_migration(f"{newest.version + 1:04}_of_the_future.sql", "CREATE TABLE a (x UInt8) ENGINE = Memory;")
    migrate(client, (*load_migrations(), later))
    with pytest.raises(
        SchemaRefused, match=rf"{later.version:04} \(of_the_future\).*up to {newest.version:04}.*newer Weir"
    ) as refused:
        migrate(client)
    assert exit_code_of(refused.value) == 5


def test_a_changed_migration_is_refused(client: Client) -> None:
    first, *rest = load_migrations()
    changed = dataclasses.replace(first, checksum="f" * 64)
    with pytest.raises(SchemaRefused, match=r"0001.*checksum.*new migration"):
        migrate(client, (changed, *rest))
