"""The intra-pod allocator: how a pod's capital is weighed over its assets (spec 5, "Intra-pod allocator").

Every ``every`` bars of the pod the method answers with a positive value for each of its n assets; weights are those
values scaled into [low, high] by the exact proportional form, sum 1. An asset with fewer than ``min_bars`` returns or
without variance is *unknown*: it gets 1/n, and the known assets share the rest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from operators.allocate.box_simplex import clip_proportional
from operators.allocate.risk_parity_solver import risk_budget_weights
from operators.frames import Bool, Float64, Int64
from operators.pods.asset_bars import AssetBars, last_returns
from operators.pods.metrics import mean_and_deviation

EQUAL, INVERSE_VOLATILITY, RISK_PARITY, SIGNAL_WEIGHTED = range(4)
METHODS = ("equal", "inverse_volatility", "risk_parity", "signal_weighted")
#: A volatility below this is none (spec 6, ``inverse_volatility``).
_FLOOR = 1e-8
#: Part of each covariance that is dropped, so that 60 bars of 200 assets still have one answer.
_SHRINKAGE = 0.1


class AllocatorRules(NamedTuple):
    """Settings of the allocator; ``annual`` [S] is how many bars of each asset make a year."""

    method: int
    every: int
    lookback: int
    min_bars: int
    low: float
    high: float
    annual: Float64


class AssetWeights(NamedTuple):
    """State over S symbols, changed in place.

    Attributes:
        tilt: [S] weight x n: what a target at 1/n is multiplied with, 1 before the first allocation.
        joint: [L, S] ring of the returns of each bar of the pod, 0 where a symbol had none; empty but for risk parity.
        bars: [1] bars of the pod so far: cycles in which any asset closed a bar.
    """

    tilt: Float64
    joint: Float64
    bars: Int64


def new_asset_weights(symbols: int, method: int, lookback: int) -> AssetWeights:
    """Every asset at 1/n."""
    return AssetWeights(
        tilt=np.ones(symbols),
        joint=np.zeros((lookback if method == RISK_PARITY else 0, symbols)),
        bars=np.zeros(1, np.int64),
    )


@njit(cache=True)
def begin_bar(weights: AssetWeights) -> None:
    """A new bar of the pod: nothing has moved in it yet."""
    if len(weights.joint):
        weights.joint[weights.bars[0] % len(weights.joint)] = 0.0
    weights.bars[0] += 1


@njit(cache=True)
def note_returns(weights: AssetWeights, bars: AssetBars) -> None:
    """Keeps the returns of the bars that close now, side by side."""
    if not len(weights.joint):
        return
    row = (weights.bars[0] - 1) % len(weights.joint)
    for s in range(len(bars.closing)):
        if bars.closing[s] and bars.count[s] > 0:
            last = bars.returns[(bars.count[s] - 1) % len(bars.returns), s]
            weights.joint[row, s] = (1.0 + weights.joint[row, s]) * (1.0 + last) - 1.0


@njit(cache=True)
def _volatilities(rules: AllocatorRules, bars: AssetBars, assets: Int64) -> Float64:
    """[n] annualised volatility of each asset; NaN where it is unknown."""
    found = np.full(len(assets), np.nan)
    for n in range(len(assets)):
        s = assets[n]
        if bars.count[s] >= rules.min_bars:
            _, deviation = mean_and_deviation(last_returns(bars, s, rules.lookback))
            if deviation > _FLOOR:
                found[n] = deviation * math.sqrt(rules.annual[s])
    return found


@njit(cache=True)
def _covariance(rules: AllocatorRules, weights: AssetWeights, assets: Int64) -> Float64:
    """Sample covariance over the last bars of the pod, shrunk towards its diagonal."""
    rows = min(weights.bars[0], len(weights.joint))
    centred = np.empty((len(assets), rows))
    for n in range(len(assets)):
        series = weights.joint[:rows, assets[n]]
        centred[n] = series - series.mean()
    covariance = np.zeros((len(assets), len(assets)))
    for i in range(len(assets)):
        for j in range(i + 1):
            total = 0.0
            for t in range(rows):
                total += centred[i, t] * centred[j, t]
            part = total / (rows - 1)
            covariance[i, j] = covariance[j, i] = part if i == j else part * (1.0 - _SHRINKAGE)
    return covariance


@njit(cache=True)
def _known_values(rules: AllocatorRules, weights: AssetWeights, assets: Int64, volatility: Float64) -> Float64:
    """[k] values of the known assets, sum 1."""
    if rules.method == RISK_PARITY:
        covariance = _covariance(rules, weights, assets)
        if np.diag(covariance).min() > _FLOOR * _FLOOR:
            return risk_budget_weights(covariance, np.full(len(assets), 1.0 / len(assets)))
    scores = 1.0 / volatility
    return scores / scores.sum()


@njit(cache=True)
def _values(rules: AllocatorRules, weights: AssetWeights, bars: AssetBars, assets: Int64, signal: Float64) -> Float64:
    """[n] what the method answers for the pod's assets."""
    if rules.method == SIGNAL_WEIGHTED:
        wanted = np.abs(signal[assets])
        return wanted if wanted.max() > 0.0 else np.ones(len(assets))
    volatility = _volatilities(rules, bars, assets)
    known = np.flatnonzero(~np.isnan(volatility))
    values = np.full(len(assets), 1.0 / len(assets))
    if len(known):
        share = len(known) / len(assets)
        values[known] = _known_values(rules, weights, assets[known], volatility[known]) * share
    return values


@njit(cache=True)
def allocate_assets(
    rules: AllocatorRules, weights: AssetWeights, bars: AssetBars, traded: Bool, signal: Float64
) -> bool:
    """Weighs the pod's assets anew when it is time; True when it did.

    ``signal`` [S] is every asset's standing net target at 1/n: all the pod's current signals, not just those of assets
    whose bar closed now.
    """
    assets = np.flatnonzero(traded)
    if rules.method == EQUAL or not len(assets) or weights.bars[0] % rules.every != 0:
        return False
    count = len(assets)
    values = _values(rules, weights, bars, assets, signal)
    chosen = clip_proportional(values, np.full(count, rules.low), np.full(count, rules.high), 1.0)
    for n in range(count):
        weights.tilt[assets[n]] = np.round(chosen[n], 9) * count
    return True
