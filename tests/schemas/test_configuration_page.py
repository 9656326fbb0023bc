"""docs/configuration.md explains every key that the models have, and is up to date.

``WEIR_UPDATE_GOLDEN=1 pytest tests/schemas/test_configuration_page.py`` writes it anew.
"""

from __future__ import annotations

import os

import pytest

from schemas.configuration import Configuration
from schemas.configuration_meanings import MEANINGS
from schemas.configuration_page import PAGE, configuration_page, write_configuration_page
from schemas.configuration_sections import SECTIONS


@pytest.fixture(scope="session", autouse=True)
def update_page() -> None:
    """Writes the page when the switch says so."""
    if os.environ.get("WEIR_UPDATE_GOLDEN") == "1":
        write_configuration_page()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), "run with WEIR_UPDATE_GOLDEN=1"


def test_nothing_is_explained_that_does_not_exist() -> None:
    document = Configuration.model_json_schema()
    models = {**document["$defs"], "Configuration": document}
    explained = {(model, key) for model, keys in MEANINGS.items() for key in keys}
    assert explained == {(name, key) for name, model in models.items() for key in model["properties"]}
    assert {name for name, _, _ in SECTIONS} == set(models)


def test_a_key_without_a_meaning_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(MEANINGS["Time"], "max_jump_seconds")
    with pytest.raises(KeyError, match=r"Time\.max_jump_seconds"):
        configuration_page()


@pytest.mark.parametrize(
    "row",
    [
        "| `max_gross_exposure` | number > 0 | `3.0` | of equity |",
        '| `close_on` | `completeness`, `watermark` | `"completeness"` |',
        '| `partitions` | integer ≥ 1, ≤ 4096 or `from_dump` | `"from_dump"` |',
        "| `schedules` | list of section | *required* |",
    ],
)
def test_values_defaults_and_units_come_from_the_models(row: str) -> None:
    assert row in configuration_page()
