"""Reports of schedules in the log, and the per-schedule metrics behind them (seeds 001, 004)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flows.measurements import FlowMeasurements
from flows.schedule_log import schedule_reports
from operators.frames import Intents
from schemas.metrics import Metrics
from tests.operators.desk import Desk, configuration, plan_of, pod

SCHEDULES = (
    {"id": "reverting", "strategy": "mean_reversion", "tags": ["calm"], "max_signals": 3},
    {"id": "targeting", "strategy": "volatility_target", "parameters": {"bars_per_year": 100}},
)


@pytest.fixture
def plan() -> Any:
    return plan_of(configuration(pod("alpha", *SCHEDULES), symbols=("AAA", "BBB")))


def intents(plan: Any, schedule: str, values: list[float], features: list[list[float]]) -> Intents:
    index = next(s.index for s in plan.schedules if s.id == schedule)
    n = len(values)
    table = np.full((n, plan.feature_width), np.nan)
    for row, given in enumerate(features):
        table[row, : len(given)] = given
    return Intents(
        np.zeros(n, np.int64), np.full(n, index, np.int32), np.arange(n, dtype=np.int32), np.array(values),
        np.full(n, np.nan), np.ones(n), np.full(n, 100.0), table,
    )  # fmt: skip


def shown(metrics: Metrics, schedule: str) -> dict[str, Any]:
    (found,) = [r for r in schedule_reports(metrics) if r["schedule"] == schedule]
    return found


def test_zscore_and_volatility_are_those_behind_the_latest_intents(plan: Any) -> None:
    metrics = Metrics()
    measure = FlowMeasurements(plan, metrics)
    measure._intents(intents(plan, "reverting", [1.0, -1.0], [[-2.0, 0.01, 1.0], [3.0, 0.03, np.nan]]))
    found = shown(metrics, "reverting")
    assert found["schedule_avg_abs_zscore"] == 2.5
    assert found["schedule_avg_realized_volatility"] == pytest.approx(0.02)
    assert found["schedule_signals_total"] == 2.0


def test_allocation_error_is_measured_against_what_stood_before(plan: Any) -> None:
    metrics = Metrics()
    measure = FlowMeasurements(plan, metrics)
    measure._intents(intents(plan, "targeting", [0.5], [[0.02]]))
    measure._intents(intents(plan, "targeting", [0.75], [[0.01]]))
    found = shown(metrics, "targeting")
    assert found["schedule_allocation_error_pct"] == pytest.approx(25.0)
    assert found["schedule_realized_vs_target_vol_pct"] == pytest.approx(0.0)


def test_suspensions_and_limits_are_shown(plan: Any) -> None:
    metrics, desk = Metrics(), Desk(plan)
    measure = FlowMeasurements(plan, metrics)
    desk.command("suspend", "tag", "calm", body={"duration_seconds": 7200})
    desk.cycle({"AAA": 100.0})
    measure._schedules.states(0, desk.pods[0].schedule_states(), desk.rows[-1].cycle)
    found = shown(metrics, "reverting")
    assert found["schedule_suspended"] == found["schedule_suspension_tag_indicator"] == 1.0
    assert found["schedule_suspension_remaining_seconds"] == 7200.0
    assert found["schedule_signal_limit"] == 3.0
    assert shown(metrics, "targeting")["schedule_signal_limit"] == float("inf")


def test_the_allocators_weights_are_those_of_the_latest_rebalance(plan: Any) -> None:
    metrics = Metrics()
    measure = FlowMeasurements(plan, metrics)
    old = b'{"capital":{"raw":{"alpha":0.1},"why":null}}'
    new = b'{"capital":{"raw":{"alpha":0.4},"why":{"raw":{"alpha":0.6},"profiles":{"balanced":0.7}}},"cash":1}'
    measure._schedules.capital("main", [old, new, b'{"cash":1}'])
    found = shown(metrics, "reverting")
    assert [found[f"allocator_{n}_weight"] for n in ("raw", "smoothed", "profile")] == [0.6, 0.4, 0.7]
