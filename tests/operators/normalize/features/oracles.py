"""Each feature as one would write it down: for one symbol, whole history in, no state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from operators.normalize.features.feature import Feature

Array = npt.NDArray[np.float64]
Columns = dict[str, Array]
DAY_NS = 86_400_000_000_000


def sma(b: Columns, n: int) -> Array:
    """Mean of each window."""
    return windows(b["close"], n, np.mean)


def ema_of(x: Array, n: int) -> Array:
    """Exponential mean that starts as the simple mean of n values; leading NaN are skipped."""
    out = np.full(len(x), np.nan)
    start = int(np.isnan(x).sum())
    if len(x) - start < n:
        return out
    out[start + n - 1] = x[start : start + n].mean()
    for i in range(start + n, len(x)):
        out[i] = out[i - 1] + 2 / (n + 1) * (x[i] - out[i - 1])
    return out


def ema(b: Columns, n: int) -> Array:
    """Of closes."""
    return ema_of(b["close"], n)


def macd(b: Columns, fast: int, slow: int, signal: int) -> dict[str, Array]:
    """Difference of two exponential means, its mean, their difference."""
    value = ema(b, fast) - ema(b, slow)
    line = ema_of(value, signal)
    return {"value": value, "signal": line, "histogram": value - line}


def rsi(b: Columns, n: int) -> Array:
    """Wilder's."""
    change = np.diff(b["close"])
    gain, loss = np.maximum(change, 0), np.maximum(-change, 0)
    out = np.full(len(change) + 1, np.nan)
    if len(change) < n:
        return out
    g, lo = gain[:n].mean(), loss[:n].mean()
    for i in range(n, len(out)):
        if i > n:
            g, lo = (g * (n - 1) + gain[i - 1]) / n, (lo * (n - 1) + loss[i - 1]) / n
        out[i] = 50.0 if g + lo == 0 else 100 - 100 / (1 + g / lo) if lo > 0 else 100.0
    return out


def atr(b: Columns, n: int) -> Array:
    """Wilder's."""
    before = np.concatenate([[np.nan], b["close"][:-1]])
    span = np.fmax(b["high"], before) - np.fmin(b["low"], before)
    out = np.full(len(span), np.nan)
    for i in range(n - 1, len(span)):
        out[i] = span[:n].mean() if i == n - 1 else (out[i - 1] * (n - 1) + span[i]) / n
    return out


def realised_volatility(b: Columns, n: int) -> Array:
    """Sample deviation of simple returns."""
    returns = b["close"][1:] / b["close"][:-1] - 1
    return np.concatenate([[np.nan], windows(returns, n, deviation)])


def bollinger(b: Columns, n: int, width: float) -> dict[str, Array]:
    """Mean and bands."""
    middle, band = sma(b, n), width * windows(b["close"], n, deviation)
    return {"upper": middle + band, "middle": middle, "lower": middle - band}


def zscore(b: Columns, n: int) -> Array:
    """Distance from the mean in deviations; 0 where there are none."""
    band = windows(b["close"], n, deviation)
    return np.where(band == 0, 0.0, (b["close"] - sma(b, n)) / np.where(band == 0, 1.0, band))


def vwap(b: Columns) -> Array:
    """Since the UTC day began."""
    day = (b["cycles"].astype(np.int64) - 1) // DAY_NS
    typical = (b["high"] + b["low"] + b["close"]) / 3
    same = [np.flatnonzero(day[: i + 1] == day[i]) for i in range(len(day))]
    return np.array([np.average(typical[rows], weights=b["volume"][rows]) for rows in same])


def donchian(b: Columns, n: int) -> dict[str, Array]:
    """Extremes of the bars before."""
    late = {"upper": windows(b["high"], n, np.max), "lower": windows(b["low"], n, np.min)}
    return {k: np.concatenate([[np.nan], v[:-1]]) for k, v in late.items()}


def momentum(b: Columns, n: int) -> Array:
    """Return over n bars."""
    out = np.full(len(b["close"]), np.nan)
    out[n:] = b["close"][n:] / b["close"][:-n] - 1
    return out


def spread(b: Columns) -> Array:
    """Of the quote."""
    return (b["ask"] - b["bid"]) / ((b["ask"] + b["bid"]) / 2)


def imbalance(b: Columns) -> Array:
    """Of the quote's sizes."""
    return (b["bid_size"] - b["ask_size"]) / (b["bid_size"] + b["ask_size"])


def deviation(x: Array) -> float:
    """Sample standard deviation; exactly 0 for equal values."""
    return 0.0 if np.ptp(x) == 0 else float(np.std(x, ddof=1))


def windows(x: Array, n: int, statistic: Callable[[Array], float]) -> Array:
    """``statistic`` of the last n values, NaN before there are as many."""
    return np.array([statistic(x[i - n + 1 : i + 1]) if i + 1 >= n else np.nan for i in range(len(x))])


ORACLES: dict[str, Callable[..., Array | dict[str, Array]]] = {
    f.__name__: f
    for f in (
        sma,
        ema,
        macd,
        rsi,
        atr,
        realised_volatility,
        bollinger,
        zscore,
        vwap,
        donchian,
        momentum,
        spread,
        imbalance,
    )
}


def expected(feature: Feature, columns: Columns) -> Array:
    """What ``feature`` should be for one symbol's bars."""
    if feature.name not in ORACLES:
        return columns[feature.name]
    integral = [int(p) if float(p).is_integer() else p for p in feature.parameters]
    answer = ORACLES[feature.name](columns, *integral)
    return answer[feature.output] if isinstance(answer, dict) else answer
