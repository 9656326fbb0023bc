"""Every shared feature by name (spec 2)."""

from __future__ import annotations

from operators.normalize.features.atr import AverageTrueRange
from operators.normalize.features.bar_fields import Close, High, Low, Open, Volume
from operators.normalize.features.bollinger import BollingerBands
from operators.normalize.features.computation import Computation
from operators.normalize.features.donchian import DonchianChannel
from operators.normalize.features.ema import ExponentialMovingAverage
from operators.normalize.features.feature import Feature
from operators.normalize.features.macd import MovingAverageConvergence
from operators.normalize.features.momentum import Momentum
from operators.normalize.features.quote import Imbalance, Spread
from operators.normalize.features.realised_volatility import RealisedVolatility
from operators.normalize.features.rsi import RelativeStrengthIndex
from operators.normalize.features.sma import SimpleMovingAverage
from operators.normalize.features.vwap import SessionVwap
from operators.normalize.features.zscore import ZScore

FEATURES: dict[str, type[Computation]] = {
    c.name: c
    for c in (
        SimpleMovingAverage,
        ExponentialMovingAverage,
        MovingAverageConvergence,
        RelativeStrengthIndex,
        AverageTrueRange,
        RealisedVolatility,
        BollingerBands,
        ZScore,
        SessionVwap,
        DonchianChannel,
        Momentum,
        Spread,
        Imbalance,
        Open,
        High,
        Low,
        Close,
        Volume,
    )
}


def feature_problems(feature: Feature) -> list[str]:
    """What is wrong with a declared feature: unknown name, parameters or output. Empty when it can be computed."""
    family = FEATURES.get(feature.name)
    if family is None:
        return [f"{feature}: no feature is named {feature.name!r}; known: {', '.join(sorted(FEATURES))}"]
    names = family.parameter_names
    if len(feature.parameters) != len(names):
        wanted = f"({', '.join(names)})" if names else "no parameters"
        return [f"{feature}: {feature.name} takes {wanted}, {len(feature.parameters)} given"]
    problems = [f"{feature}: {p}" for p in family.problems(feature.parameters)]
    if feature.output not in family.outputs:
        problems.append(f"{feature}: {feature.name} has the outputs {', '.join(family.outputs)}")
    return problems
