"""``--set`` changes what its path names, and tells what else it may have meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.whatif.execution import internally_filled
from flows.whatif.patch import parse_settings, patched
from schemas.configuration import Configuration, ConfigurationError, load_configuration, parse_configuration

DEFAULT = Path(__file__).resolve().parents[3] / "deploy" / "config" / "default.yaml"


@pytest.fixture
def base() -> Configuration:
    return load_configuration(DEFAULT)


def changed(base: Configuration, *texts: str) -> Configuration:
    return patched(base, parse_settings(texts))


def problems(base: Configuration, *texts: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        changed(base, *texts)
    return refused.value.problems


def test_no_setting_changes_nothing(base: Configuration) -> None:
    assert patched(base, []).model_dump() == base.model_dump()


def test_elements_are_named_by_their_id_and_values_are_yaml(base: Configuration) -> None:
    found = changed(
        base,
        "portfolios.main.pods.trend.schedules.trend_fast.parameters.fast=5",
        "portfolios.main.guards.max_position=null",
        "portfolios.main.capital={name: equal_weight}",
    ).portfolios[0]
    assert found.pods[0].schedules[0].parameters == {"fast": 5, "slow": 20}
    assert found.guards.max_position is None
    assert found.capital.name == "equal_weight"


def test_a_star_is_every_element(base: Configuration) -> None:
    found = changed(base, "portfolios.*.pods.*.max_leverage=0.5")
    assert [p.max_leverage for p in found.portfolios[0].pods] == [0.5, 0.5, 0.5]


def test_a_new_kind_keeps_the_keys_that_it_has_and_loses_the_others(base: Configuration) -> None:
    assert base.portfolios[0].capital.model_dump()["lookback_days"] == 60
    found = changed(base, "portfolios.main.capital.name=kelly", "portfolios.main.capital.fraction=0.5")
    assert found.portfolios[0].capital.model_dump()["fraction"] == 0.5
    assert changed(base, "portfolios.main.capital.name=equal_weight").portfolios[0].capital.name == "equal_weight"


def test_a_section_that_was_not_written_can_be_set(base: Configuration) -> None:
    found = changed(base, "circuit.errors=7", "portfolios.main.pods.trend.asset_allocator.lookback_bars=30")
    assert found.circuit.errors == 7


def test_unknown_paths_are_all_told_with_near_names(base: Configuration) -> None:
    found = problems(
        base, "portfolios.main.max_gros_leverage=1", "portfolios.mian.rebalance_band=0", "quallity.window=9"
    )
    assert [p.split(";")[0] for p in found] == [
        "portfolios.main.max_gros_leverage: no such key",
        "portfolios.mian: no such element",
        "quallity: no such key",
    ]
    assert "did you mean max_gross_leverage" in found[0]
    assert "did you mean main?" in found[1]
    assert "did you mean quality?" in found[2]


def test_a_result_that_is_no_configuration_is_refused(base: Configuration) -> None:
    assert any("max_gross_leverage" in p for p in problems(base, "portfolios.main.max_gross_leverage=-1"))


def test_a_setting_without_a_value_is_refused(base: Configuration) -> None:
    assert "write path=value" in problems(base, "portfolios.main.rebalance_band")[0]


def test_internal_execution_takes_a_venues_place_and_its_fills_topic_goes() -> None:
    pod = {"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}
    execution = {"mode": "paper_venue", "account": "desk", "order_type": "limit"}
    document = {
        "topics": {"fills": {"partitions": 1}, "control": {"partitions": 1}},
        "portfolios": [{"id": "main", "pods": [pod], "execution": execution}],
        "paper_venue": {"slippage_bps": 2},
    }
    found = internally_filled(parse_configuration(document))
    assert found.topics.fills is None
    assert found.topics.control is not None
    filled = found.portfolios[0].execution
    assert (filled.mode, filled.account, filled.order_type) == ("internal_paper", "desk", "limit")
    assert filled.model_dump()["slippage_bps"] == 2
