"""The intra-pod allocator: how a pod's capital is weighed over its assets (spec 5, "Intra-pod allocator").

Every ``every_bars`` bars of the pod the method answers with a positive value for each of its n assets; weights are
these values scaled into [min_weight, max_weight] by the exact proportional form, sum 1. An asset with fewer than
``min_bars`` returns or without variance is *unknown*: it gets 1/n, and the known assets share the rest.
"""

from __future__ import annotations

import math

import numpy as np

from operators.allocate.box_simplex import proportional_box
from operators.allocate.risk_budget import equal_risk
from operators.frames import Float64, Int64
from operators.pods.asset_bars import AssetBars, last_returns
from operators.pods.metrics import mean_and_deviation
from schemas.configuration.pod_rules import AssetAllocator

#: A volatility below this is none (spec 6, ``inverse_volatility``).
_FLOOR = 1e-8
#: Part of each covariance that is dropped, so that 60 bars of 200 assets still have one answer.
_SHRINKAGE = 0.1
#: What counts as a signal beside the largest: assets without one share what the upper bounds of the others leave.
_FAINT = 1e-9


def asset_weights(
    allocator: AssetAllocator, bars: AssetBars, assets: Int64, annual: Float64, signals: Float64
) -> Float64:
    """[n] weights of a pod's ``assets`` (places among its symbols), sum 1 within the bounds, rounded to 1e-9.

    Args:
        allocator: method and bounds; ``equal`` needs none of the rest.
        bars: the assets' returns so far.
        annual: [S] bars of each asset in a year, so that assets with bars of different length compare.
        signals: [S] every asset's standing net target at 1/n: all the pod's current signals, whoever emitted when.
    """
    count = len(assets)
    if allocator.method == "signal_weighted":
        values = _signal_values(np.abs(signals[assets]))
    else:
        values = _risk_values(allocator, bars, assets, annual)
    low, high = np.full(count, allocator.min_weight), np.full(count, allocator.max_weight)
    weights: Float64 = np.round(proportional_box(values, low, high), 9)
    return weights


def _signal_values(wanted: Float64) -> Float64:
    largest = float(wanted.max())
    return np.maximum(wanted / largest, _FAINT) if largest > 0.0 else np.ones(len(wanted))


def _risk_values(allocator: AssetAllocator, bars: AssetBars, assets: Int64, annual: Float64) -> Float64:
    """[n] values that sum to 1, unknown assets at 1/n."""
    volatility = np.full(len(assets), np.nan)
    for n, s in enumerate(assets.tolist()):
        if bars.seen[s] >= allocator.min_bars:
            _, deviation = mean_and_deviation(last_returns(bars, s, allocator.lookback_bars))
            if deviation > _FLOOR:
                volatility[n] = deviation * math.sqrt(annual[s])
    known = ~np.isnan(volatility)
    values = np.full(len(assets), 1.0 / len(assets))
    if known.any():
        share = np.count_nonzero(known) / len(assets)
        if allocator.method == "risk_parity":
            own = equal_risk(_covariance(bars, assets[known], allocator.lookback_bars, volatility[known]))
        else:
            scores = 1.0 / volatility[known]
            own = scores / math.fsum(scores)
        values[known] = own * share
    return values


def _covariance(bars: AssetBars, assets: Int64, lookback: int, volatility: Float64) -> Float64:
    """Covariance from annualised volatilities and correlations of the bars that assets have in common, shrunk towards
    none. Bars are matched by their end; a pair with fewer than two in common counts as uncorrelated."""
    rows = {s: _by_end(bars, s, lookback) for s in assets.tolist()}
    ends = np.unique(np.concatenate([end for end, _ in rows.values()]))[-lookback:]
    table = np.zeros((len(ends), len(assets)))
    for n, s in enumerate(assets.tolist()):
        end, returns = rows[s]
        inside = end >= ends[0]
        # A bar that is missing did not move.
        table[np.searchsorted(ends, end[inside]), n] = returns[inside]
    centred = table - table.mean(axis=0)
    size = np.sqrt((centred * centred).sum(axis=0))
    size[size == 0.0] = 1.0
    correlation = (centred.T @ centred) / np.outer(size, size) * (1.0 - _SHRINKAGE)
    np.fill_diagonal(correlation, 1.0)
    covariance: Float64 = correlation * np.outer(volatility, volatility)
    return covariance


def _by_end(bars: AssetBars, symbol: int, most: int) -> tuple[Int64, Float64]:
    """When the symbol's last bars closed, ascending, and their returns."""
    window = len(bars.returns)
    count = int(min(bars.seen[symbol], most, window))
    places = np.arange(bars.seen[symbol] - count, bars.seen[symbol]) % window
    return bars.ended[places, symbol], bars.returns[places, symbol]
