"""Published examples through the public functions, each at its own tolerance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from operators.allocate.box_simplex import InfeasibleBounds, proportional_box
from operators.allocate.kelly_criterion import bet_fraction, bet_growth, growth, long_only_fractions
from operators.allocate.performance import deviation, max_drawdown, sharpe, sharpe_error, volatility
from operators.allocate.policies.inverse_volatility import inverse_volatility_weights
from operators.allocate.risk_budget import equal_risk, risk_shares
from operators.allocate.turnover import limit_turnover, turnover
from operators.allocate.volatility_scale import leverage_to_target, portfolio_volatility
from tests.vectors import cases, identity


def of_kind(name: str, *kinds: str) -> list[dict[str, Any]]:
    found = [case for case in cases(name) if case["kind"] in kinds]
    assert found
    return found


@pytest.mark.parametrize("case", cases("box_simplex"), ids=identity)
def test_proportional_box(case: dict[str, Any]) -> None:
    v, lo, hi = (np.array(case[name], np.float64) for name in ("v", "lo", "hi"))
    if "error" in case["expected"]:
        with pytest.raises(InfeasibleBounds):
            proportional_box(v, lo, hi, case["sum"])
    elif (v < 0.0).any():
        assert "proportional" not in case["expected"], "ratios of negative weights mean nothing"
        with pytest.raises(ValueError, match="not negative"):
            proportional_box(v, lo, hi, case["sum"])
    else:
        found = proportional_box(v, lo, hi, case["sum"])
        assert found == pytest.approx(case["expected"]["proportional"], abs=case["atol"])


@pytest.mark.parametrize("case", cases("erc"), ids=identity)
def test_equal_risk(case: dict[str, Any]) -> None:
    matrix = np.array(case["cov"])
    weights = equal_risk(matrix)
    expected = case["expected"]
    assert weights == pytest.approx(expected["weights"], abs=case["atol"])
    assert weights == pytest.approx(expected["published_weights"], abs=case["published_atol"])
    assert portfolio_volatility(weights, matrix) == pytest.approx(expected["sigma"], abs=case["atol"])
    assert risk_shares(matrix, weights) == pytest.approx(expected["risk_share"], abs=case["atol"])
    if "also" in case:
        equal = np.full(len(weights), 1 / len(weights))
        assert risk_shares(matrix, equal) == pytest.approx(case["also"]["equal_weight_risk_share"], abs=1e-8)
        assert portfolio_volatility(equal, matrix) == pytest.approx(case["also"]["equal_weight_sigma"])


@pytest.mark.parametrize("case", of_kind("invvol_voltarget_turnover", "inverse_vol"), ids=identity)
def test_inverse_volatility(case: dict[str, Any]) -> None:
    found = inverse_volatility_weights(np.array(case["vol"]))
    assert found == pytest.approx(case["expected"]["weights"], abs=case["atol"])


@pytest.mark.parametrize("case", of_kind("invvol_voltarget_turnover", "vol_target"), ids=identity)
def test_leverage_to_a_volatility_target(case: dict[str, Any]) -> None:
    weights, matrix = np.array(case["weights"]), np.array(case["cov"])
    found = portfolio_volatility(weights, matrix)
    assert found == pytest.approx(case["expected"]["portfolio_vol"], abs=case["atol"])
    leverage = leverage_to_target(found, case["target"], case["max_leverage"])
    assert leverage == pytest.approx(case["expected"]["leverage"], abs=case["atol"])


@pytest.mark.parametrize("case", of_kind("invvol_voltarget_turnover", "turnover_scale"), ids=identity)
def test_turnover_is_scaled_in_proportion(case: dict[str, Any]) -> None:
    before, wanted = np.array(case["w0"]), np.array(case["w_target"])
    assert turnover(before, wanted) == pytest.approx(case["expected"]["raw_turnover"], abs=case["atol"])
    found = limit_turnover(before, wanted, total=case["max_turnover"])
    assert found == pytest.approx(case["expected"]["weights"], abs=case["atol"])


class TestKelly:
    def test_bets(self) -> None:
        (case,) = of_kind("kelly", "binary")
        for bet in case["bets"]:
            found = bet_fraction(bet["p"], bet["b"])
            assert found == pytest.approx(bet["expected"], abs=case["atol"])
            assert found == pytest.approx(bet["published"], abs=case["published_atol"])

    def test_growth_of_a_bet(self) -> None:
        (case,) = of_kind("kelly", "binary_growth")
        chance, odds, expected = case["p"], case["b"], case["expected"]
        best = bet_fraction(chance, odds)
        assert best == pytest.approx(expected["f"], abs=case["atol"])
        assert bet_growth(best, chance, odds) == pytest.approx(expected["growth"], abs=case["atol"])
        assert bet_growth(expected["f_critical"], chance, odds) == pytest.approx(0.0, abs=case["atol"])
        assert bet_growth(1.0, chance, odds) == -math.inf

    def test_one_asset(self) -> None:
        (case,) = of_kind("kelly", "continuous_single")
        excess, matrix = np.array([case["mu"] - case["r"]]), np.array([[case["sigma"] ** 2]])
        full = long_only_fractions(excess, matrix)
        expected, near = case["expected"], {"abs": case["atol"]}
        assert full[0] == pytest.approx(expected["f"], **near)
        assert case["r"] + growth(full, excess, matrix) == pytest.approx(expected["growth_full"], **near)
        assert case["r"] + growth(full / 2, excess, matrix) == pytest.approx(expected["growth_half"], **near)
        assert case["r"] + growth(np.ones(1), excess, matrix) == pytest.approx(expected["growth_unlevered"], **near)

    def test_several_assets_and_a_quarter_of_them(self) -> None:
        (case,) = of_kind("kelly", "continuous_multi")
        excess, matrix = np.array(case["mu"]) - case["r"], np.array(case["cov"])
        full = long_only_fractions(excess, matrix)
        expected, near = case["expected"], {"abs": case["atol"]}
        assert full == pytest.approx(expected["full"], **near)
        assert full / 4 == pytest.approx(expected["quarter"], **near)
        assert case["r"] + growth(full, excess, matrix) == pytest.approx(expected["growth_full"], **near)
        assert case["r"] + growth(full / 4, excess, matrix) == pytest.approx(expected["growth_quarter"], **near)

    def test_long_only_within_a_budget(self) -> None:
        (case,) = of_kind("kelly", "continuous_constrained")
        excess, matrix = np.array(case["mu"]) - case["r"], np.array(case["cov"])
        found = long_only_fractions(excess, matrix, case["bounds"][1], case["sum_max"])
        assert found == pytest.approx(case["expected"]["weights"], abs=case["atol"])

    def test_a_negative_edge_gets_nothing(self) -> None:
        (case,) = of_kind("kelly", "continuous_diag")
        raw = long_only_fractions(np.array(case["mu"]), np.diag(np.array(case["vol"]) ** 2))
        assert raw == pytest.approx(case["expected"]["raw"], abs=case["atol"])
        assert raw / raw.sum() == pytest.approx(case["expected"]["normalised"], abs=case["atol"])


RETURNS = [case for case in cases("sharpe_mdd") if "returns" in case]


@pytest.mark.parametrize("case", RETURNS, ids=identity)
def test_sharpe_and_drawdown(case: dict[str, Any]) -> None:
    returns, year, near = np.array(case["returns"], np.float64), case["ann"], case["atol"]
    expected = dict(case["expected"])
    if "sharpe" in expected:
        assert sharpe(returns, year) == pytest.approx(expected.pop("sharpe"), abs=near)
    if "max_drawdown" in expected:
        # Falls are positive here.
        assert max_drawdown(returns) == pytest.approx(-expected.pop("max_drawdown"), abs=near)
    if "annual_vol" in expected:
        assert volatility(returns, year) == pytest.approx(expected.pop("annual_vol"), abs=near)
    if "std" in expected:
        assert deviation(returns) == pytest.approx(expected.pop("std"), abs=near)
        assert sharpe(returns, year) is None, "no deviation, no ratio: neither 0 nor infinite"
    window = case.get("window", 0)
    for start, value in enumerate(expected.pop("rolling_sharpe", [])):
        assert sharpe(returns[start : start + window], year) == pytest.approx(value, abs=near)
    for start, value in enumerate(expected.pop("rolling_max_drawdown", [])):
        assert max_drawdown(returns[start : start + window]) == pytest.approx(-value, abs=near)
    assert not expected, "every expectation was looked at"


def test_standard_error_of_a_sharpe_ratio() -> None:
    (case,) = (case for case in cases("sharpe_mdd") if "items" in case)
    for item in case["items"]:
        assert sharpe_error(item["sr"], item["T"]) == pytest.approx(item["expected"], abs=case["atol"])
