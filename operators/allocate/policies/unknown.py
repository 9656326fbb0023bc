"""Pods of which too little is known: unknown is unknown, never a number (spec 6)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from operators.allocate.performance import deviation
from operators.allocate.policies.inputs import PodView, PolicyInputs
from operators.frames import Bool, Float64
from schemas.configuration.capital import History
from schemas.reasons import Reason


def known_returns(pod: PodView, rule: History) -> Float64 | None:
    """The returns of the lookback; None with fewer than ``min_returns``, without a position in all of it, or when one
    is not finite."""
    returns = pod.returns[-rule.lookback_days :]
    if len(returns) < rule.min_returns or not np.isfinite(returns).all() or not returns.any():
        return None
    return returns


def daily_volatilities(inputs: PolicyInputs, rule: History) -> list[float | None]:
    """Each pod's deviation of daily returns (ddof 1), None where it is unknown."""
    found: list[float | None] = []
    for pod in inputs.pods:
        returns = known_returns(pod, rule)
        found.append(None if returns is None else deviation(returns))
    return found


def return_matrix(inputs: PolicyInputs, known: Bool, lookback: int, fewest: int) -> Float64:
    """[T, n] daily returns of the known pods over days that all of them lived, oldest first.

    A day on which a pod completed none (its markets were closed) is a return of 0: it did not move. Where fewer than
    ``fewest`` days are shared, the pods' last returns are set side by side by count.
    """
    pods = [pod for pod, is_known in zip(inputs.pods, known.tolist(), strict=True) if is_known]
    first_days = pods[0].days
    if all(len(pod.returns) == len(first_days) and np.array_equal(pod.days, first_days) for pod in pods):
        return np.column_stack([pod.returns[-lookback:] for pod in pods])
    if all(len(pod.days) == len(pod.returns) for pod in pods):
        first = max(int(pod.days[0]) for pod in pods)
        calendar = np.unique(np.concatenate([pod.days for pod in pods]))
        calendar = calendar[calendar >= first][-lookback:]
        if len(calendar) >= fewest:
            table = np.zeros((len(calendar), len(pods)))
            for column, pod in enumerate(pods):
                rows = np.searchsorted(calendar, pod.days)
                inside = (pod.days >= calendar[0]) & (pod.days <= calendar[-1])
                table[rows[inside], column] = pod.returns[inside]
            return table
    count = min(lookback, *(len(pod.returns) for pod in pods))
    return np.column_stack([pod.returns[-count:] for pod in pods])


def beside_unknown(scores: Float64, known: Bool, fallback: Float64) -> Float64:
    """[P] unknown pods get their fallback weight; the known ones share what it leaves, by their scores [n]."""
    weights = fallback.copy()
    if not known.any():
        return weights
    share = math.fsum(fallback[known])
    total = math.fsum(scores)
    weights[known] = scores * (share / total) if total > 0.0 else share / len(scores)
    return weights


def why_unknown(inputs: PolicyInputs, known: Bool) -> dict[str, Any]:
    """The trace's note on unknown pods; nothing where there are none."""
    unknown = [name for name, is_known in zip(inputs.names, known.tolist(), strict=True) if not is_known]
    return {"unknown": unknown, "reason": Reason.CAPITAL_VOLATILITY_UNKNOWN.name} if unknown else {}
