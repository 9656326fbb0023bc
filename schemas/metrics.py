"""The registry of every metric: nothing is measured under a name that is not declared here (spec 13).

Names that a source document gives are kept as they are, ``_ms`` included; Weir's own follow Prometheus' conventions:
``weir_`` prefix, base units, ``_total`` on counters. Wall-clock values live in metrics only, never in a decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Kind(StrEnum):
    """Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


#: Milliseconds: the limits of seed 002 (50 ms) and seed 003 (500 ms, 2 s) are bucket borders.
MILLISECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 5000.0)
#: Seconds, for the same span.
SECONDS: Final = (*(bound / 1000 for bound in MILLISECONDS), 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A declared metric. ``source`` names the document that asks for it: "seed 002", "design", ..."""

    name: str
    kind: Kind
    help: str
    unit: str
    source: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, help: str, source: str, *labels: str, unit: str = "1") -> Metric:
    return Metric(name, Kind.COUNTER, help, unit, source, labels)


def _gauge(name: str, help: str, source: str, *labels: str, unit: str = "1") -> Metric:
    return Metric(name, Kind.GAUGE, help, unit, source, labels)


def _milliseconds(name: str, help: str, source: str, *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, help, "ms", source, labels, MILLISECONDS)


def _seconds(name: str, help: str, source: str, *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, help, "s", source, labels, SECONDS)


STRATEGIES: Final = (
    _counter("strategy_events_total", "Bars that a strategy evaluated.", "seed 002", "strategy_id"),
    _counter("strategy_intents_total", "Intents that a strategy emitted.", "seed 002", "strategy_id"),
    _counter("strategy_errors_total", "Exceptions and answers that are not finite.", "seed 002", "strategy_id"),
    _milliseconds("strategy_latency_ms", "Wall time of one evaluation of a symbol batch.", "seed 002", "strategy_id"),
    _counter("intent_conflict_total", "Schedules of one pod disagreed on a symbol.", "seed 002"),
    _counter("allocator_reject_total", "Targets cut or refused, by reason code.", "seed 002", "reason"),
    _counter("schedule_signals_total", "Intents by schedule.", "seed 004", "portfolio", "schedule"),
    _gauge(
        "schedule_avg_confidence", "Mean confidence of the last cycle's intents.", "seed 004", "portfolio", "schedule"
    ),
    _gauge(
        "schedule_avg_abs_zscore",
        "Mean absolute z-score behind the latest intents.",
        "seed 004",
        "portfolio",
        "schedule",
    ),
    _gauge(
        "schedule_avg_realized_volatility",
        "Mean volatility per bar behind the latest intents.",
        "seed 004",
        "portfolio",
        "schedule",
    ),
    _gauge(
        "schedule_allocation_error_pct",
        "How far exposures were from what was wanted.",
        "seed 004",
        "portfolio",
        "schedule",
        unit="%",
    ),
    _gauge(
        "schedule_realized_vs_target_vol_pct",
        "Realised volatility over its target, less one.",
        "seed 004",
        "portfolio",
        "schedule",
        unit="%",
    ),
    _gauge(
        "schedule_secondary_delay_ms",
        "Age of the second venue's quote at the latest entry.",
        "seed 004",
        "portfolio",
        "schedule",
        unit="ms",
    ),
    _gauge(
        "schedule_spread_capture_bps",
        "Spread that the latest closed arbitrage captured.",
        "seed 004",
        "portfolio",
        "schedule",
        unit="0.01 %",
    ),
    _gauge("allocator_raw_weight", "What the capital policy wanted for its pod.", "seed 004", "portfolio", "schedule"),
    _gauge("allocator_smoothed_weight", "The same after smoothing.", "seed 004", "portfolio", "schedule"),
    _gauge("allocator_profile_weight", "Share of its risk profile.", "seed 004", "portfolio", "schedule"),
    _gauge(
        "schedule_suspended",
        "1 while the schedule or one of its tags is suspended.",
        "seed 004",
        "portfolio",
        "schedule",
    ),
    _gauge(
        "schedule_suspension_remaining_seconds",
        "Event time until its suspension ends; 0 when none does.",
        "seed 004",
        "portfolio",
        "schedule",
        unit="s",
    ),
    _gauge(
        "schedule_suspension_tag_indicator",
        "1 while a tag suspends it, and no record of its own.",
        "seed 004",
        "portfolio",
        "schedule",
    ),
    _gauge("schedule_signal_limit", "Most entries and increases in one cycle.", "seed 004", "portfolio", "schedule"),
    _gauge("schedule_circuit_open", "1 while the circuit breaker is open.", "spec 3", "portfolio", "schedule"),
    _counter(
        "schedule_overruns_total", "Evaluations that took longer than allowed.", "design", "portfolio", "schedule"
    ),
)

LATENCY: Final = (
    _milliseconds("bar_to_feats_ready_ms", "From reading a cycle's last bar to its features.", "seed 003"),
    _milliseconds("feats_to_candidate_ms", "From features to the cycle's intents.", "seed 003"),
    _milliseconds("candidate_to_confirm_ms", "From intents to approved targets.", "seed 003"),
    _milliseconds("confirm_to_alert_ms", "From approved targets to committed orders.", "seed 003"),
    _seconds("weir_cycle_latency_seconds", "Wall time that a stage takes for one frame.", "design", "stage"),
    _seconds("weir_epoch_seconds", "Wall time of one epoch.", "design"),
    _seconds("weir_snapshot_seconds", "Wall time of a step's snapshots in one epoch.", "design", "step"),
    _seconds("weir_transaction_seconds", "Wall time of a Kafka transaction's commit.", "design", "portfolio"),
)

INPUT: Final = (
    _counter("weir_records_total", "Records read.", "seed 003", "topic"),
    _counter("weir_bars_total", "Final bars used.", "seed 003"),
    _gauge("weir_kafka_consumer_lag", "Records that are not read yet.", "seed 003", "topic", "partition"),
    _gauge(
        "weir_watermark_lag_seconds",
        "Event time of the newest watermark less this partition's.",
        "design",
        "topic",
        "partition",
        unit="s",
    ),
    _gauge("weir_pending_cycles", "Cycles that wait for a barrier.", "design", "portfolio"),
    _counter("weir_dead_letters_total", "Messages that could not be used.", "spec 2", "topic", "reason"),
    _counter("weir_duplicates_total", "Messages that were there before.", "spec 2", "topic"),
    _counter("weir_late_total", "Messages of a closed cycle.", "spec 2", "topic"),
    _counter("weir_ignored_fields_total", "Unknown fields that were passed over.", "spec 1", "topic", "field"),
    _gauge("feature_missing_ratio", "Share of messages that lack a field.", "seed 003", "symbol", "field"),
    _gauge("weir_degraded_symbols", "Symbols whose data take no new risk.", "spec 2"),
)

PORTFOLIOS: Final = (
    _counter("weir_cycles_total", "Cycles decided, with or without a decision record.", "design", "portfolio"),
    _counter("weir_decisions_total", "Decisions written.", "design", "portfolio"),
    _counter("weir_orders_total", "Orders written.", "design", "portfolio", "side"),
    _counter("weir_fills_total", "Fills booked.", "spec 9", "portfolio"),
    _counter("weir_clips_total", "Cuts, refusals and suppressions by reason code.", "spec 7", "portfolio", "reason"),
    _gauge("weir_portfolio_equity", "Equity in base currency.", "spec 1", "portfolio", unit="base currency"),
    _gauge("weir_portfolio_gross_exposure_ratio", "Gross exposure / equity.", "spec 7", "portfolio"),
    _gauge("weir_portfolio_net_exposure_ratio", "Net exposure / equity.", "spec 7", "portfolio"),
    _gauge("weir_trading_state", "1 for the state that holds, 0 for the others.", "spec 7", "portfolio", "state"),
    _gauge("weir_pod_equity", "Equity of a pod's own book, which began at 1.0.", "spec 5", "portfolio", "pod"),
    _gauge("weir_pod_capital_fraction", "Share of portfolio capital.", "seed 004", "portfolio", "pod"),
    _gauge("weir_pod_rolling_sharpe_30d", "Annualised Sharpe ratio of 30 days.", "seed 000", "portfolio", "pod"),
    _gauge("weir_pod_rolling_drawdown_30d", "Largest drawdown of 30 days, positive.", "seed 000", "portfolio", "pod"),
)

SHADOW: Final = (
    _gauge("weir_shadow_up", "1 while a shadow candidate runs, 0 once it has ended by an error.", "design"),
    _counter("weir_shadow_cycles_total", "Cycles in which live or shadow decided anything.", "design", "portfolio"),
    _counter(
        "weir_shadow_diverged_cycles_total", "Of these, those with other orders or targets.", "design", "portfolio"
    ),
    _counter(
        "weir_shadow_orders_total",
        "Orders by what the shadow would do with them: same, added, dropped, resized.",
        "design",
        "portfolio",
        "change",
    ),
    _gauge(
        "weir_shadow_target_distance",
        "Sum over symbols of the absolute difference of target weights, as a fraction of equity.",
        "design",
        "portfolio",
    ),
    _gauge("weir_shadow_equity_ratio", "Equity of the shadow / equity of the live portfolio.", "design", "portfolio"),
    _gauge("weir_shadow_gross_exposure_ratio", "Gross exposure / equity of the shadow.", "design", "portfolio"),
)

OUTPUT: Final = (
    _gauge("weir_clickhouse_up", "1 while ClickHouse takes inserts.", "design"),
    _counter("weir_clickhouse_decisions_total", "Decisions inserted.", "design"),
    _counter("weir_clickhouse_rejected_total", "Records of the decisions topic that are no decisions.", "design"),
    _seconds("weir_clickhouse_insert_seconds", "Wall time of one batch's inserts.", "design"),
    _gauge("weir_build_info", "Always 1; the labels say what runs.", "design", "code_version", "config_hash"),
)

METRICS: Final = (*STRATEGIES, *LATENCY, *INPUT, *PORTFOLIOS, *SHADOW, *OUTPUT)

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_RESERVED_LABELS: Final = frozenset({"le", "quantile", "job", "instance"})
_SUFFIXES_OF_SAMPLES: Final = ("_bucket", "_count", "_sum", "_created")


def naming_problems(metric: Metric) -> list[str]:
    """Where a declaration leaves Prometheus' conventions; a seed's own name may keep its unit."""
    problems: list[str] = []
    if not _NAME.fullmatch(metric.name):
        problems.append(f"{metric.name}: use lower-case words joined by _")
    if (metric.kind is Kind.COUNTER) != metric.name.endswith("_total"):
        problems.append(f"{metric.name}: counters end in _total, and nothing else does")
    if metric.name.endswith(_SUFFIXES_OF_SAMPLES):
        problems.append(f"{metric.name}: ends like a sample of a histogram")
    if not metric.source.startswith("seed") and re.search(r"_(ms|us|ns|minutes|percent|pct|bps)(_|$)", metric.name):
        problems.append(f"{metric.name}: use base units (seconds, ratio)")
    if metric.unit == "s" and "_seconds" not in metric.name:
        problems.append(f"{metric.name}: is in seconds and does not say so")
    for label in metric.labels:
        if not _NAME.fullmatch(label) or label in _RESERVED_LABELS:
            problems.append(f"{metric.name}: label {label} is reserved or not lower case")
    return problems


class Metrics:
    """The Prometheus objects of every declared metric, in one registry.

    Args:
        registry: where to register; by default a new one, so that two flows in one process do not meet.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            self._create(metric)

    def _create(self, metric: Metric) -> None:
        if metric.kind is Kind.COUNTER:
            self._counters[metric.name] = Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        elif metric.kind is Kind.GAUGE:
            self._gauges[metric.name] = Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        else:
            self._histograms[metric.name] = Histogram(
                metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets
            )

    def counter(self, name: str) -> Counter:
        """The counter ``name``; raises KeyError when none is declared under that name."""
        return self._counters[name]

    def gauge(self, name: str) -> Gauge:
        """The gauge ``name``; raises KeyError when none is declared under that name."""
        return self._gauges[name]

    def histogram(self, name: str) -> Histogram:
        """The histogram ``name``; raises KeyError when none is declared under that name."""
        return self._histograms[name]
