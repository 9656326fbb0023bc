"""kelly: a fraction of the growth-optimal portfolio, the rest cash (spec 6).

f = Σ⁻¹μ with f ≥ 0 (Kelly 1956; Thorp 2006) on shrunk moments: Σ as configured, μ by Jorion's Bayes–Stein estimator
(1986), which pulls the means towards that of the minimum-variance portfolio. More than the whole capital is brought
back to it; then w = fraction·f, and what that leaves is *cash, not normalised away*. A young pod is weighed by risk
parity: w·a + (1−a)·risk parity with a = min(live_days / ramp_days, 1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from operators.allocate.kelly_criterion import bet_fraction, growth, long_only_fractions
from operators.allocate.policies.inputs import Context, PolicyAnswer, PolicyInputs
from operators.allocate.policies.risk_parity import known_moments, risk_parity_of
from operators.frames import Bool, Float64
from schemas.configuration.capital import Kelly
from schemas.reasons import Reason

_RIDGE = 1e-10


def kelly(policy: Kelly, inputs: PolicyInputs, _context: Context) -> PolicyAnswer:
    """Fractional Kelly among the known pods, blended with risk parity while they are young; all μ ≤ 0 or nothing known
    is risk parity."""
    known, returns, matrix = known_moments(policy, inputs)
    parity = risk_parity_of(policy, inputs, known, matrix)
    if not known.any():
        return PolicyAnswer(parity.weights, {**parity.why, "fallback": "risk_parity"})
    plain = returns.mean(axis=0)
    means, shrinkage = shrunk_means(plain, matrix, len(returns), policy.mean_shrinkage)
    names = [name for name, is_known in zip(inputs.names, known.tolist(), strict=True) if is_known]
    why: dict[str, Any] = {
        "mean": dict(zip(names, means.tolist(), strict=True)),
        "mean_shrinkage": shrinkage,
        "bet_fraction": dict(zip(names, _bets(returns), strict=True)),
        "parts": {"risk_parity": inputs.by_pod(parity.weights)},
    }
    if not (means > 0.0).any():
        why |= {"fallback": "risk_parity", "reason": Reason.CAPITAL_NO_EDGE.name}
        return PolicyAnswer(parity.weights, why)
    full = _within_budget(policy, means, matrix)
    why["growth"] = growth(full, means, matrix)
    why["parts"]["kelly"] = dict(zip(names, (policy.fraction * full).tolist(), strict=True))
    return PolicyAnswer(_blend(policy, inputs, known, policy.fraction * full, parity.weights), why)


def shrunk_means(means: Float64, matrix: Float64, days: int, intensity: float | None) -> tuple[Float64, float]:
    """Bayes–Stein means (Jorion 1986, eq. 13–17), and the intensity; a given intensity is taken as it is, also 0.

    The target is the mean μ0 of the minimum-variance portfolio; intensity (n+2) / (n+2 + T(μ−μ0)'Σ⁻¹(μ−μ0)).
    """
    # A trace of the mean variance on the diagonal makes a singular covariance solvable, and changes no other.
    regular = matrix + np.eye(len(means)) * (_RIDGE * float(np.diag(matrix).mean()))
    one, mean = np.linalg.solve(regular, np.column_stack([np.ones(len(means)), means])).T
    target = float(mean.sum() / one.sum())
    if intensity is None:
        count = len(means) + 2
        distance = float(means @ mean) - 2.0 * target * float(mean.sum()) + target**2 * float(one.sum())
        intensity = count / (count + days * max(0.0, distance))
    shrunk: Float64 = (1.0 - intensity) * means + intensity * target
    return shrunk, intensity


def _within_budget(policy: Kelly, means: Float64, matrix: Float64) -> Float64:
    """Full Kelly of at most the whole capital: scaled down in proportion, or the optimum under the budget."""
    if policy.budget == "optimal":
        return long_only_fractions(means, matrix, 1.0, 1.0)
    full = long_only_fractions(means, matrix)
    return full / max(1.0, math.fsum(full))


def _blend(policy: Kelly, inputs: PolicyInputs, known: Bool, kelly_part: Float64, parity: Float64) -> Float64:
    wanted = np.zeros(len(known))
    wanted[known] = kelly_part
    live = np.array([float(p.live_days) for p in inputs.pods])
    trust = np.minimum(live / policy.ramp_days, 1.0) if policy.ramp_days > 0.0 else np.ones(len(live))
    trust = np.where(known, trust, 0.0)
    weights: Float64 = trust * wanted + (1.0 - trust) * parity
    return weights / max(1.0, math.fsum(weights))


def _bets(returns: Float64) -> list[float | None]:
    """Kelly's binary fraction of each column's days taken as bets, for comparison: the chance of a gain at the odds of
    mean gain over mean loss. None without gains or losses."""
    gains, losses = (returns > 0.0).sum(axis=0), (returns < 0.0).sum(axis=0)
    gained, lost = np.maximum(returns, 0.0).sum(axis=0), -np.minimum(returns, 0.0).sum(axis=0)
    return [
        bet_fraction(won / (won + missed), (gain / won) / (loss / missed)) if won and missed else None
        for won, missed, gain, loss in zip(gains.tolist(), losses.tolist(), gained.tolist(), lost.tolist(), strict=True)
    ]
