"""Contracts are frozen: their JSON Schemas stand in tests/golden/schemas, and a change shows as a difference.

``WEIR_UPDATE_GOLDEN=1 pytest tests/schemas/test_export.py`` writes them anew; look at the difference before committing.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from schemas import messages
from schemas.export import MESSAGES, export_schemas, reason_table, schema_text, schemas
from schemas.reasons import Reason
from tests.decision_records import ChainBuilder

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "schemas"
REASONS = ROOT / "docs" / "reason_codes.md"
UPDATE = os.environ.get("WEIR_UPDATE_GOLDEN") == "1"


@pytest.fixture(scope="session", autouse=True)
def update_golden_files() -> None:
    """Writes the golden files when the switch says so."""
    if UPDATE:
        export_schemas(GOLDEN)
        REASONS.write_text(reason_table(), encoding="utf-8")


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_contract_is_what_it_was(name: str) -> None:
    golden = GOLDEN / f"{name}.schema.json"
    assert golden.is_file(), f"{golden} is missing; run with WEIR_UPDATE_GOLDEN=1"
    assert schema_text(schemas()[name]) == golden.read_text(encoding="utf-8"), "run with WEIR_UPDATE_GOLDEN=1 if meant"


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.glob("*")} == {f"{name}.schema.json" for name in schemas()}


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_export_is_a_valid_schema(name: str) -> None:
    Draft202012Validator.check_schema(schemas()[name])


def test_every_message_is_exported() -> None:
    bases = {messages.Open, messages.Strict, messages.Position, messages.Target}
    declared = {
        kind
        for _, kind in inspect.getmembers(messages, inspect.isclass)
        if issubclass(kind, msgspec.Struct) and kind.__module__ == messages.__name__ and kind not in bases
    }
    assert declared <= set(MESSAGES.values())


def test_real_lines_match_their_schemas() -> None:
    chain = ChainBuilder().build(4)
    documents = schemas()
    for line in chain.lines:
        Draft202012Validator(documents["decision_record"]).validate(msgspec.json.decode(line))
    for order in chain.orders:
        Draft202012Validator(documents["order"]).validate(msgspec.json.decode(order))


def test_exporting_takes_away_what_no_longer_exists(tmp_path: Path) -> None:
    (tmp_path / "gone.schema.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("kept")
    written = export_schemas(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written} | {"notes.txt"}


def test_every_reason_stands_in_the_generated_page() -> None:
    table = reason_table()
    assert all(f"| `{reason.name}` | {reason.explanation} |" in table for reason in Reason)
    assert REASONS.read_text(encoding="utf-8") == table, "run with WEIR_UPDATE_GOLDEN=1"
