"""``weir config migrate``: the sketches of seeds 001 and 004 become Weir's, every key mapped or listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.migrate.migrate import migrate
from flows.migrate.migration import Migration
from schemas.configuration import ConfigurationError, parse_configuration

GRAPH = """
name: default graph
strategies:
  - id: sma_fast
    type: sma
    symbols: [aapl, MSFT, AAPL]
    params: {fast_period: 5, slow: 20, position_size: 10}
    max_position: 100
    warmup_bars: 50
  - id: reversion
    type: mean_reversion
    symbols: [MSFT]
    params: {lookback: 48}
    max_position: 40
    max_notional: "25000"
  - {id: model, type: industry_model, symbols: [AAPL]}
  - {id: adapter, type: config_adapter, symbols: [AAPL]}
capital_policy:
  type: fixed
  weights: {sma_fast: "0.5", reversion: "0.3"}
settings:
  allow_partial_start: true
  heartbeat_timeout_seconds: 45
  telemetry_interval_seconds: 5
  colour: blue
"""

CORE = """
strategies:
  trend_engine:
    engine: daily_trend_momentum
    risk_profile: balanced
    tags: [core, trend]
    parameters: {fast_ma: 25, slow_ma: 100, breakout_lookback: 55, atr_multiplier: 2.0, min_momentum: 0.001}
  reversion:
    engine: mean_reversion
    parameters: {entry_zscore: 2.0, min_volume_usd: 1000}
grid_strategies:
  grid_engine: {grid_size: 3, grid_spacing: 0.01}
multi_strategy_schedulers:
  core_multi:
    telemetry_namespace: runtime.core
    portfolio_governor: main
    allocation_rebalance_seconds: 90
    capital_policy: equal_weight
    signal_limits:
      trend_engine:
        balanced:
          limit: 3
          reason: risk_cap
          until: 2024-01-05T12:00:00+00:00
        balanced: 3
      unused_engine: {aggressive: 1}
    initial_signal_limits:
      grid_engine:
        aggressive: {limit: 2, duration_seconds: 1800}
    initial_suspensions:
      - {schedule: grid_schedule, reason: maintenance, duration_seconds: 3600}
      - {tag: trend, until: 2030-02-01T00:00:00+00:00, reason: compliance_hold}
      - {tag: experimental, reason: nobody has it}
    schedules:
      trend_schedule:
        strategy: trend_engine
        cadence_seconds: 300
        max_drift_seconds: 45
        warmup_bars: 100
        max_signals: 4
      grid_schedule:
        strategy: grid_engine
        cadence_seconds: 180
        risk_profile: aggressive
        max_signals: 2
        mood: calm
      lost_schedule: {strategy: nowhere}
"""


def migrated(text: str, folder: Path) -> Migration:
    file = folder / "source.yaml"
    file.write_text(text, encoding="utf-8")
    return migrate(file)


def leaves(document: Any, path: str = "") -> set[str]:
    """Every key path of a document down to the keys that a note may name."""
    if isinstance(document, dict):
        return {leaf for k, v in document.items() for leaf in leaves(v, f"{path}.{k}" if path else str(k))}
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return {leaf for n, v in enumerate(document) for leaf in leaves(v, f"{path}.{n}")}
    return {path}


@pytest.mark.parametrize("text", [GRAPH, CORE], ids=["graph", "core"])
def test_every_key_is_mapped_or_listed_with_a_reason(text: str, tmp_path: Path) -> None:
    found = migrated(text, tmp_path)
    named = {n.key for n in (*found.mapped, *found.unmapped)}
    implied = ("engine", "id", "type")
    missing = [
        leaf
        for leaf in sorted(leaves(yaml.safe_load(text)))
        if not any(leaf == n or leaf.startswith(f"{n}.") for n in named) and leaf.rpartition(".")[2] not in implied
    ]
    assert missing == []
    assert all(n.text for n in found.unmapped)


class TestStrategyGraph:
    def test_what_comes_out_is_a_configuration(self, tmp_path: Path) -> None:
        found = migrated(GRAPH, tmp_path)
        configuration = parse_configuration(found.document)
        (portfolio,) = configuration.portfolios
        fast, reversion = (pod.schedules[0] for pod in portfolio.pods)
        assert (fast.strategy, fast.parameters, fast.warmup_bars) == ("sma_cross@1.0.0", {"fast": 5, "slow": 20}, 50)
        assert fast.symbols == ["AAPL", "MSFT"], "upper case, each once"
        assert reversion.parameters == {"window": 48}
        assert configuration.allow_partial_start
        assert configuration.runtime.hang_seconds == 45
        assert found.document["portfolios"][0]["capital"] == {
            "name": "fixed_weight", "weights": {"sma_fast": 0.5, "reversion": 0.3},
        }  # fmt: skip

    def test_limits_become_the_least_of_all(self, tmp_path: Path) -> None:
        guards = migrated(GRAPH, tmp_path).document["portfolios"][0]["guards"]
        assert guards == {"max_position": 40.0, "max_symbol_notional": 25_000.0}

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("strategies.2", "follow them with external_signal"),
            ("strategies.3", "name the strategy that it stands for"),
            ("strategies.0.params.position_size", "no such parameter"),
            ("settings.telemetry_interval_seconds", "below the least allowed, 10 s"),
            ("settings.colour", "unknown"),
        ],
    )
    def test_what_has_no_place_says_why(self, key: str, reason: str, tmp_path: Path) -> None:
        assert reason in {n.key: n.text for n in migrated(GRAPH, tmp_path).unmapped}[key]

    def test_nothing_to_run_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="nothing to run"):
            migrated("strategies: [{id: a, type: industry_model, symbols: [A]}]", tmp_path)


class TestSchedulers:
    def test_what_comes_out_is_a_configuration(self, tmp_path: Path) -> None:
        (portfolio,) = parse_configuration(migrated(CORE, tmp_path).document).portfolios
        trend, grid = (pod.schedules[0] for pod in portfolio.pods)
        assert trend.strategy == "daily_trend_momentum@1.0.0"
        assert trend.parameters == {
            "fast": 25, "slow": 100, "breakout": 55, "atr_multiple": 2.0, "min_momentum": 0.001,
        }  # fmt: skip
        assert (trend.cadence_seconds, trend.max_drift_seconds, trend.warmup_bars, trend.max_signals) == (
            300,
            45,
            100,
            4,
        )
        assert (trend.risk_profile, trend.tags) == ("balanced", ["core", "trend"])
        assert (grid.parameters, grid.risk_profile) == ({"levels": 3, "spacing": 0.01}, "aggressive")
        assert portfolio.rebalance.interval_seconds == 90

    def test_limits_and_suspensions_begin_as_they_did(self, tmp_path: Path) -> None:
        (portfolio,) = parse_configuration(migrated(CORE, tmp_path).document).portfolios
        limits = [(n.strategy, n.risk_profile, n.limit, n.duration_seconds) for n in portfolio.initial_signal_limits]
        assert limits == [("daily_trend_momentum", "balanced", 3, None), ("grid_trading", "aggressive", 2, 1800)]
        assert [(s.scope, s.name, s.reason) for s in portfolio.initial_suspensions] == [
            ("schedule", "grid_schedule", "maintenance"), ("tag", "trend", "compliance_hold"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("balanced", "given twice"),
            ("multi_strategy_schedulers.core_multi.telemetry_namespace", "label"),
            ("multi_strategy_schedulers.core_multi.portfolio_governor", "max_gross_leverage"),
            ("multi_strategy_schedulers.core_multi.schedules.lost_schedule", "no strategy of that name"),
            ("multi_strategy_schedulers.core_multi.schedules.grid_schedule.mood", "unknown"),
            ("multi_strategy_schedulers.core_multi.signal_limits.unused_engine", "no migrated schedule"),
            ("multi_strategy_schedulers.core_multi.initial_suspensions.2", "no migrated schedule"),
        ],
    )
    def test_what_has_no_place_says_why(self, key: str, reason: str, tmp_path: Path) -> None:
        assert reason in {n.key: n.text for n in migrated(CORE, tmp_path).unmapped}[key]

    def test_a_rule_on_latency_is_left_out(self, tmp_path: Path) -> None:
        policy = "{name: metric_weighted, metrics: {avg_confidence: {weight: 1.5}, last_latency_ms: {weight: -0.02}}}"
        found = migrated(CORE.replace("capital_policy: equal_weight", f"capital_policy: {policy}"), tmp_path)
        key = "multi_strategy_schedulers.core_multi.capital_policy.metrics.last_latency_ms"
        assert "wall-clock" in {n.key: n.text for n in found.unmapped}[key]

    def test_a_policy_that_does_not_exist_here_gives_way_to_equal_weights(self, tmp_path: Path) -> None:
        found = migrated(CORE.replace("capital_policy: equal_weight", "capital_policy: alchemy"), tmp_path)
        assert found.document["portfolios"][0]["capital"] == {"name": "equal_weight"}
        key = "multi_strategy_schedulers.core_multi.capital_policy"
        assert "equal_weight stands in its place" in {n.key: n.text for n in found.unmapped}[key]


@pytest.mark.parametrize(
    ("text", "problem"), [("a: 1", "is neither"), ("[1]", "not a mapping"), ("a: [", "is not YAML")]
)
def test_what_is_no_such_document_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        migrated(text, tmp_path)
