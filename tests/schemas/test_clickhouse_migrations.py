"""Migration files: numbered without gaps, split into statements, known by their checksum."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.clickhouse.load import load_migrations, parse_migration


def test_the_shipped_migrations_run_from_1() -> None:
    migrations = load_migrations()
    assert [m.version for m in migrations] == list(range(1, len(migrations) + 1))
    assert migrations[0].name == "decisions"


def test_every_table_replaces_rows_of_the_same_key() -> None:
    tables = [s for m in load_migrations() for s in m.statements if s.startswith("CREATE TABLE")]
    assert tables
    for statement in tables:
        assert "IF NOT EXISTS" in statement and "ReplacingMergeTree" in statement
        assert "ORDER BY (portfolio, sequence" in statement or "rejected_record_rows" in statement


def test_comments_and_semicolons_inside_a_line_do_not_split_statements() -> None:
    text = "-- a; comment\nCREATE TABLE a (x String DEFAULT ';') ENGINE = Memory;\n\nDROP TABLE a;\n"
    statements = parse_migration("0007_example.sql", text).statements
    assert statements == ("CREATE TABLE a (x String DEFAULT ';') ENGINE = Memory", "DROP TABLE a")


@pytest.mark.parametrize("name", ["7_example.sql", "0007-example.sql", "0007_Example.sql"])
def test_a_wrong_name_says_how_it_should_be(name: str) -> None:
    with pytest.raises(ValueError, match=r"0003_what_it_does\.sql"):
        parse_migration(name, "SELECT 1;")


def test_a_missing_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1;")
    (tmp_path / "0003_c.sql").write_text("SELECT 1;")
    with pytest.raises(ValueError, match=r"\[1, 3\].*without gaps"):
        load_migrations(tmp_path)
