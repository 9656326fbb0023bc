"""Sharpe ratio, drawdown, Calmar ratio, win rate, rolling windows (spec 5 "Metrics")."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.pods.metrics import (
    ROLLING_DAYS,
    calmar_ratio,
    compounded,
    max_drawdown,
    mean_and_deviation,
    sharpe_ratio,
    win_rate,
)
from operators.pods.rolling import RollingMetrics

VECTORS = Path(__file__).parents[2] / "vectors"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "sharpe_mdd.json").read_text())["cases"]
RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=80)


def plain() -> list[Any]:
    return [pytest.param(c, id=c["id"]) for c in CASES if "returns" in c and "window" not in c]


@pytest.mark.parametrize("case", plain())
def test_reference_vectors(case: dict[str, Any]) -> None:
    returns, expected = np.array(case["returns"], np.float64), case["expected"]
    found = {
        "sharpe": sharpe_ratio(returns, case["ann"]),
        "max_drawdown": -max_drawdown(returns),
        "annual_vol": mean_and_deviation(returns)[1] * math.sqrt(case["ann"]),
        "std": mean_and_deviation(returns)[1],
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=case["atol"])


def test_a_flat_series_has_an_unknown_sharpe_ratio_never_an_infinite_one() -> None:
    assert math.isnan(sharpe_ratio(np.full(9, 0.01), 252))


def test_rolling_30_days_equal_the_reference_on_every_slice() -> None:
    case = next(c for c in CASES if c["id"] == "rolling_30")
    sharpe, drawdown = RollingMetrics(case["ann"]).take(np.array(case["returns"]))
    first = case["window"] - 1
    assert sharpe[first:].tolist() == pytest.approx(case["expected"]["rolling_sharpe"], abs=case["atol"])
    expected = [-d for d in case["expected"]["rolling_max_drawdown"]]
    assert drawdown[first:].tolist() == pytest.approx(expected, abs=case["atol"])


@given(returns=RETURNS, cut=st.integers(0, 80))
def test_rolling_metrics_do_not_depend_on_where_days_are_cut(returns: list[float], cut: int) -> None:
    values = np.array(returns)
    whole, parts = RollingMetrics(365), RollingMetrics(365)
    expected = whole.take(values)
    first = parts.take(values[:cut])
    resumed = RollingMetrics(365)
    resumed.restore(parts.snapshot())
    last = resumed.take(values[cut:])
    for column in (0, 1):
        assert np.array_equal(np.concatenate([first[column], last[column]]), expected[column], equal_nan=True)


@given(returns=RETURNS)
def test_rolling_drawdown_is_positive_and_its_window_begins_at_one(returns: list[float]) -> None:
    _, drawdown = RollingMetrics(365).take(np.array(returns))
    assert ((drawdown >= 0) & (drawdown < 1)).all()
    assert drawdown[-1] == max_drawdown(np.array(returns[-ROLLING_DAYS:]))


def test_calmar_is_the_mean_of_a_year_over_the_drawdown() -> None:
    returns = np.array([0.1, -0.1, 0.03])
    assert calmar_ratio(returns, 365) == pytest.approx(0.01 * 365 / 0.1)
    assert calmar_ratio(np.array([0.01, 0.02]), 365) == math.inf
    assert math.isnan(calmar_ratio(np.zeros(3), 365))


def test_win_rate_counts_days_that_won_or_lost() -> None:
    assert win_rate(np.array([0.1, 0.0, -0.1, 0.2, 0.0])) == pytest.approx(2 / 3)
    assert math.isnan(win_rate(np.zeros(4)))


def test_compounded_multiplies() -> None:
    assert compounded(np.array([0.1, 0.1])) == pytest.approx(0.21)
