"""``weir strategies``, ``weir schedules``, ``weir config migrate|default`` and a replay without a configuration."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from operators.strategy_evaluate.registry import SHIPPED
from schemas.configuration import parse_configuration
from tests.flows.cli.test_command_line import CONFIGURATION, last_object, weir

DOCUMENT = {
    **CONFIGURATION,
    "portfolios": [
        {
            "id": "main",
            "initial_suspensions": [{"tag": "x", "reason": "maintenance"}],
            "initial_signal_limits": [{"strategy": "sma_cross", "risk_profile": "balanced", "limit": 2}],
            "pods": [
                {
                    "id": "pod",
                    "schedules": [
                        {"id": "s", "strategy": "sma_cross", "tags": ["x"], "cadence_seconds": 300, "max_signals": 4},
                        {"id": "off", "strategy": "mean_reversion", "enabled": False},
                    ],
                }
            ],
        }
    ],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weir.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT))
    return path


class TestStrategies:
    def test_list_names_every_shipped_one(self) -> None:
        found = last_object(weir("strategies", "list", "--json"))["strategies"]
        assert {s["strategy"] for s in found} >= {f"{s.strategy_type}@{s.version}" for s in SHIPPED}
        assert all(s["summary"] for s in found)

    def test_describe_shows_rule_features_and_parameters(self) -> None:
        found = last_object(weir("strategies", "describe", "daily_trend_momentum", "--json"))
        assert found["parameters"]["breakout"]["default"] == 55
        assert "donchian(55).upper" in found["features"]
        shown = weir("strategies", "describe", "daily_trend_momentum@1.0.0").stdout
        assert "breakout: 55" in shown and "Exits when any of these holds" in shown

    def test_describe_of_what_is_not_installed_lists_what_is(self) -> None:
        result = weir("strategies", "describe", "alchemy", "--json")
        assert result.exit_code == 2
        assert "sma_cross@1.0.0" in last_object(result)["error"]


class TestSchedules:
    def test_list_shows_settings_and_what_holds_them_back(self, file: Path) -> None:
        first, second = last_object(weir("schedules", "list", "--config", file, "--json"))["schedules"]
        assert (first["schedule"], first["strategy"], first["cadence_seconds"]) == ("s", "sma_cross@1.0.0", 300)
        assert first["parameters"] == {"fast": 10, "slow": 20, "short": False}, "defaults included"
        assert [s["reason"] for s in first["initial_suspensions"]] == ["maintenance"]
        assert [n["limit"] for n in first["initial_signal_limits"]] == [2]
        assert second["enabled"] is False
        shown = weir("schedules", "list", "--config", file).stdout
        assert "main/pod/s  sma_cross@1.0.0  balanced  every 300.0  max signals 4  tags x  suspended: mainten" in shown

    def test_export_writes_the_same_as_a_file(self, file: Path, tmp_path: Path) -> None:
        out = tmp_path / "audit" / "schedules.json"
        assert weir("schedules", "export", "--config", file, "--out", out).exit_code == 0
        listed = last_object(weir("schedules", "list", "--config", file, "--json"))
        assert json.loads(out.read_text()) == listed


class TestMigrate:
    def test_writes_the_configuration_and_says_what_became_of_each_key(self, tmp_path: Path) -> None:
        source = tmp_path / "graph.yaml"
        source.write_text("strategies: [{id: a, type: sma, symbols: [A], params: {colour: red}}]")
        out = tmp_path / "weir.yaml"
        result = weir("config", "migrate", source, "--out", out, "--json")
        parse_configuration(yaml.safe_load(out.read_text()))
        assert [n["key"] for n in last_object(result)["unmapped"]] == ["strategies.0.params.colour"]
        shown = weir("config", "migrate", source)
        assert "not mapped: strategies.0.params.colour" in shown.stderr
        parse_configuration(yaml.safe_load(shown.stdout))


#: Capital policies as seed 004 writes them, with the name that they have here.
POLICIES = {
    "risk_profile": "{name: risk_profile, profiles: {balanced: 0.6, aggressive: 0.4}, within_profile: signal_strength,"
    " profile_floor: 0.1}",
    "drawdown_guard": "{name: drawdown_adaptive, warning_pct: 8.0, panic_pct: 15.0, pressure_weight: 0.6,"
    " min_weight: 0.05}",
    "smoothed": "{name: smoothed, alpha: 0.35, min_delta: 0.05, base: {name: signal_strength}}",
    "metric_weighted": "{name: metric_weighted, label: telemetry_mix, default_score: 0.1, metrics: {avg_confidence:"
    " {weight: 1.5, min: 0.0, max: 1.0}, last_latency_ms: {weight: -0.02, min: 0.0, default: 150.0}},"
    " fallback: signal_strength}",
    "blended": "{name: composite, components: [{policy: signal_strength, weight: 2.0, label: signals}, {policy: {name:"
    " drawdown_guard, warning_pct: 6.0, panic_pct: 15.0, pressure_weight: 0.5}, weight: 1.0, label: drawdown}],"
    " normalize_components: true, fallback: equal_weight}",
    "tag_quota": "{name: tag_budget, label: core_tags, tags: {trend: 2.0, mean: 1.0}, default_weight: 1.0,"
    " within_tag: equal_weight, fallback: signal_strength}",
    "fixed_weight": "{name: fixed_weight, label: core_manual, rebalance_seconds: 120, weights: {trend_schedule: 0.5,"
    " grid_engine: {aggressive: 0.2}}}",
}
SCHEDULER = """
strategies:
  trend_engine: {{engine: daily_trend_momentum, risk_profile: balanced, tags: [trend]}}
grid_strategies:
  grid_engine: {{grid_size: 3, grid_spacing: 0.01}}
multi_strategy_schedulers:
  core_multi:
    capital_policy: {policy}
    schedules:
      trend_schedule: {{strategy: trend_engine, cadence_seconds: 300, max_signals: 4}}
      grid_schedule: {{strategy: grid_engine, cadence_seconds: 180, risk_profile: aggressive, max_signals: 2}}
"""


@pytest.mark.parametrize("name", POLICIES)
def test_a_migrated_policy_stays_itself_and_the_check_accepts_it(name: str, tmp_path: Path) -> None:
    source, out = tmp_path / "core.yaml", tmp_path / "weir.yaml"
    source.write_text(SCHEDULER.format(policy=POLICIES[name]))
    migrated = weir("config", "migrate", source, "--out", out)
    assert migrated.exit_code == 0, migrated.stderr
    checked = weir("config", "check", out)
    assert checked.exit_code == 0, checked.stderr
    (portfolio,) = parse_configuration(yaml.safe_load(out.read_text())).portfolios
    assert portfolio.capital.name == name


class TestSingleStrategy:
    def test_default_is_a_configuration_of_one_schedule(self) -> None:
        shown = weir("config", "default", "--symbol", "aapl", "--symbol", "AAPL", "--param", "fast=5").stdout
        ((schedule,),) = [
            [s for p in d.pods for s in p.schedules] for d in parse_configuration(yaml.safe_load(shown)).portfolios
        ]
        assert (schedule.strategy, schedule.symbols, schedule.parameters) == ("sma_cross", ["AAPL"], {"fast": 5})

    def test_a_parameter_without_a_value_is_refused(self) -> None:
        assert weir("config", "default", "--param", "fast").exit_code == 2

    def test_a_replay_without_a_configuration_runs_it(self, tmp_path: Path) -> None:
        lines = ["date,open,high,low,close,volume"]
        for day in range(120):
            close = 100.0 + (day % 20 if day % 40 < 20 else 20 - day % 20)
            lines.append(f"{date(2024, 1, 1) + timedelta(days=day)},{close},{close},{close},{close},10")
        (tmp_path / "A.csv").write_text("\n".join(lines) + "\n")
        imported = weir("import", tmp_path / "A.csv", "--out", tmp_path / "dump")
        assert imported.exit_code == 0, imported.stderr
        arguments = ["replay", "--dump", tmp_path / "dump", "--out", tmp_path / "out", "--param", "fast=3"]
        result = weir(*arguments, "--param", "slow=6", "--no-clickhouse", "--no-report", "--json")
        assert result.exit_code == 0, result.stderr
        assert last_object(result)["orders"] > 3

    def test_its_options_do_not_mix_with_a_file(self, file: Path, tmp_path: Path) -> None:
        result = weir(
            "replay", "--dump", tmp_path, "--out", tmp_path / "o", "--config", file, "--symbol", "A", "--json"
        )
        assert result.exit_code == 2
        assert "leave --config out" in last_object(result)["error"]
