"""With the shadow on or off the live decisions are byte-identical; the shadow decides as a replay of it would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.dump.shipped import build_demo_dump
from flows.metrics import begin_anew
from flows.replay import ReplayOptions, ReplayResult, replay
from flows.shadow import flow as shadow_flow
from operators.pods.pod_step import PodStep
from schemas.configuration import ConfigurationError, config_hash, load_configuration
from schemas.metrics import Metrics

pytestmark = pytest.mark.process

DEFAULT = Path(__file__).resolve().parents[3] / "deploy" / "config" / "default.yaml"
LIVE_FILES = ("decisions.jsonl", "orders.jsonl", "dead_letters.jsonl")


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 150 trading days of the shipped data."""
    folder = tmp_path_factory.mktemp("demo") / "dump"
    build_demo_dump(folder, days=150)
    return folder


@pytest.fixture(scope="module")
def plain(dump: Path, tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    """The live configuration without a shadow."""
    return run(dump, DEFAULT, tmp_path_factory.mktemp("plain"))


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of this test's runs alone."""
    return begin_anew()


def run(dump: Path, configuration: Path, out: Path) -> ReplayResult:
    return replay(dump, configuration, out, ReplayOptions(clickhouse=False, report=False))


def written(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    document = yaml.safe_load(DEFAULT.read_text())
    change(document)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def less_leverage(document: dict[str, Any]) -> None:
    document["portfolios"][0]["max_gross_leverage"] = 0.1


def with_shadow(folder: Path, candidate: Path) -> Path:
    return written(folder, "live", lambda d: d.update(shadow={"configuration": str(candidate)}))


def assert_live_is_untouched(plain: ReplayResult, shadowed: ReplayResult) -> None:
    for name in LIVE_FILES:
        assert (Path(shadowed.out) / name).read_bytes() == (Path(plain.out) / name).read_bytes(), name
    assert shadowed.config_hash == plain.config_hash
    assert shadowed.bars == plain.bars


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None, f"{name} {labels} was not measured"
    return found


def test_a_shadow_changes_no_live_byte_and_decides_as_its_own_replay(
    dump: Path, plain: ReplayResult, tmp_path: Path
) -> None:
    candidate = written(tmp_path, "candidate", less_leverage)
    shadowed = run(dump, with_shadow(tmp_path, candidate), tmp_path / "live")
    alone = run(dump, candidate, tmp_path / "alone")
    assert_live_is_untouched(plain, shadowed)
    assert shadowed.shadow is not None
    assert shadowed.shadow.decisions_sha256 == alone.decisions_sha256 != plain.decisions_sha256
    assert (tmp_path / "live" / "shadow" / "orders.jsonl").read_bytes() == b""


def test_a_shadow_may_trade_other_symbols(dump: Path, plain: ReplayResult, tmp_path: Path) -> None:
    def fewer(document: dict[str, Any]) -> None:
        symbols = ["AAPL", "GE"]
        for pod in document["portfolios"][0]["pods"]:
            for schedule in pod["schedules"]:
                schedule["symbols"] = symbols

    candidate = written(tmp_path, "candidate", fewer)
    shadowed = run(dump, with_shadow(tmp_path, candidate), tmp_path / "live")
    assert_live_is_untouched(plain, shadowed)
    assert shadowed.shadow is not None
    assert shadowed.shadow.decisions_sha256 == run(dump, candidate, tmp_path / "alone").decisions_sha256


def test_a_shadow_of_the_live_configuration_never_diverges(
    dump: Path, plain: ReplayResult, tmp_path: Path, metrics: Metrics
) -> None:
    shadowed = run(dump, with_shadow(tmp_path, DEFAULT), tmp_path / "live")
    grown = counted(metrics)
    assert shadowed.shadow is not None
    assert shadowed.shadow.decisions_sha256 == plain.decisions_sha256
    assert grown["cycles"] == plain.decisions
    assert grown["same"] == plain.orders
    assert grown["diverged"] == grown["resized"] == grown["added"] == grown["dropped"] == 0
    assert sample(metrics, "weir_shadow_target_distance", portfolio="main") == 0
    assert sample(metrics, "weir_shadow_equity_ratio", portfolio="main") == 1
    assert sample(metrics, "weir_shadow_up") == 1


def test_divergence_is_measured(dump: Path, plain: ReplayResult, tmp_path: Path, metrics: Metrics) -> None:
    run(dump, with_shadow(tmp_path, written(tmp_path, "candidate", less_leverage)), tmp_path / "live")
    grown = counted(metrics)
    assert 0 < grown["diverged"] <= grown["cycles"]
    assert grown["resized"] > 0
    assert grown["same"] + grown["dropped"] + grown["resized"] == plain.orders
    assert sample(metrics, "weir_shadow_gross_exposure_ratio", portfolio="main") < 0.11


def counted(metrics: Metrics) -> dict[str, float]:
    def value(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(name, labels | {"portfolio": "main"}) or 0.0

    orders = {c: value("weir_shadow_orders_total", change=c) for c in ("same", "added", "dropped", "resized")}
    diverged = value("weir_shadow_diverged_cycles_total")
    return orders | {"cycles": value("weir_shadow_cycles_total"), "diverged": diverged}


def test_an_error_in_the_shadow_ends_the_shadow_alone(
    dump: Path, plain: ReplayResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    class Failing(PodStep):
        """Fails at its third item."""

        taken = 0

        def step(self, item: Any) -> Any:
            self.taken += 1
            if self.taken == 3:
                raise RuntimeError("the candidate's own fault")
            return super().step(item)

    monkeypatch.setattr(shadow_flow, "PodStep", Failing)
    shadowed = run(dump, with_shadow(tmp_path, DEFAULT), tmp_path / "live")
    assert_live_is_untouched(plain, shadowed)
    assert shadowed.shadow is not None
    assert shadowed.shadow.decisions < plain.decisions
    assert sample(metrics, "weir_shadow_up") == 0


def test_a_candidate_that_reads_anything_else_is_refused_at_the_start(dump: Path, tmp_path: Path) -> None:
    def other(document: dict[str, Any]) -> None:
        document["time"]["cycle_seconds"] = 3600
        document["topics"] = {"market": {"partitioner": "consistent"}}

    with pytest.raises(ConfigurationError) as refused:
        run(dump, with_shadow(tmp_path, written(tmp_path, "candidate", other)), tmp_path / "live")
    assert [p.split(":")[0] for p in refused.value.problems] == ["time.cycle_seconds", "topics.market.partitioner"]
    assert not (tmp_path / "live" / "parts").exists()


def test_the_shadow_setting_is_no_part_of_the_configurations_hash(tmp_path: Path) -> None:
    with_one = load_configuration(with_shadow(tmp_path, DEFAULT))
    assert config_hash(with_one) == config_hash(load_configuration(DEFAULT))
