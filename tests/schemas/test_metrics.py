"""Metrics: declared once, named as Prometheus wants it, created nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from schemas.metrics import METRICS, Kind, Metric, Metrics, naming_problems
from schemas.reasons import Reason

ROOT = Path(__file__).parents[2]
CONSTRUCTORS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}


def test_names_are_unique() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_prometheus_conventions(metric: Metric) -> None:
    assert naming_problems(metric) == []
    assert metric.help.endswith(".") and metric.unit and metric.source


@pytest.mark.parametrize(
    "metric",
    [
        Metric("weir_orders", Kind.COUNTER, "", "1", "design"),
        Metric("weir_orders_total", Kind.GAUGE, "", "1", "design"),
        Metric("weirOrders_total", Kind.COUNTER, "", "1", "design"),
        Metric("weir_wait_ms", Kind.HISTOGRAM, "", "ms", "design"),
        Metric("weir_wait", Kind.HISTOGRAM, "", "s", "design"),
        Metric("weir_depth", Kind.GAUGE, "", "1", "design", ("le",)),
        Metric("weir_depth_count", Kind.GAUGE, "", "1", "design"),
    ],
    ids=lambda metric: f"{metric.name}-{metric.kind}",
)
def test_the_check_sees_every_kind_of_wrong_name(metric: Metric) -> None:
    assert naming_problems(metric)


@pytest.mark.parametrize(
    "name",
    ["strategy_events_total", "strategy_intents_total", "strategy_errors_total", "strategy_latency_ms",
     "intent_conflict_total", "allocator_reject_total", "bar_to_feats_ready_ms", "feature_missing_ratio"],
)  # fmt: skip
def test_names_of_the_source_documents_are_kept(name: str) -> None:
    assert name in {metric.name for metric in METRICS}


def test_every_declared_metric_can_be_used_and_scraped() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.counter("weir_decisions_total").labels("main").inc(3)
    metrics.gauge("weir_clickhouse_up").set(1)
    metrics.histogram("weir_cycle_latency_seconds").labels("normalize").observe(0.002)
    metrics.counter("allocator_reject_total").labels(Reason.LEVERAGE_POD_GROSS.name).inc()
    text = generate_latest(metrics.registry).decode()
    assert 'weir_decisions_total{portfolio="main"} 3.0' in text
    assert 'weir_cycle_latency_seconds_bucket{le="0.0025",stage="normalize"} 1.0' in text
    assert all(f"# HELP {metric.name} " in text for metric in METRICS)


def test_an_undeclared_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        Metrics().counter("weir_clickhouse_up")


def test_no_metric_is_created_elsewhere() -> None:
    offenders = []
    for folder in ("flows", "operators", "schemas"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path == ROOT / "schemas" / "metrics.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client"):
                    offenders += [f"{path}: {name.name}" for name in node.names if name.name in CONSTRUCTORS]
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "prometheus_client":
                    offenders += [f"{path}: {node.attr}"] if node.attr in CONSTRUCTORS else []
    assert offenders == []
