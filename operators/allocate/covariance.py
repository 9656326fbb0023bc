"""Covariances of pods' daily returns (spec 6): sample, Ledoit–Wolf, exponentially weighted, diagonal."""

from __future__ import annotations

import math

import numpy as np

from operators.frames import Float64
from schemas.configuration.capital import Covariance

#: Least standard deviation of a day: a pod that did not move must not take everything.
LEAST_VOLATILITY = 1e-8


def covariance(returns: Float64, method: Covariance, ewma_decay: float = 0.94) -> Float64:
    """[n, n] of daily returns [T, n], T ≥ 2, oldest first; the diagonal is at least LEAST_VOLATILITY²."""
    if method == "ledoit_wolf":
        found = ledoit_wolf(returns)[0]
    elif method == "ewma":
        found = ewma_covariance(returns, ewma_decay)
    else:
        found = sample_covariance(returns)
        if method == "diagonal":
            found = np.diag(np.diag(found))
    np.fill_diagonal(found, np.maximum(np.diag(found), LEAST_VOLATILITY**2))
    return found


def sample_covariance(returns: Float64) -> Float64:
    """[n, n] with ddof 1."""
    centred = returns - returns.mean(axis=0)
    found: Float64 = centred.T @ centred / (len(returns) - 1)
    return found


def ewma_covariance(returns: Float64, decay: float) -> Float64:
    """[n, n] Σ (1−λ)λ^k r r' over Σ (1−λ)λ^k, k days ago, around a mean of 0 (RiskMetrics, 1996)."""
    weights = decay ** np.arange(len(returns) - 1, -1, -1.0)
    found: Float64 = (returns * weights[:, None]).T @ returns / math.fsum(weights)
    return found


def ledoit_wolf(returns: Float64) -> tuple[Float64, float]:
    """[n, n] shrunk towards the mean variance on the diagonal, and the intensity in [0, 1].

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004): intensity
    min(β, δ)/δ with δ = ‖S − μI‖²/n and β = (1/(nT²)) Σ‖x x' − S‖², S with 1/T.
    """
    days, count = returns.shape
    centred = returns - returns.mean(axis=0)
    sample: Float64 = centred.T @ centred / days
    mean = math.fsum(np.diag(sample)) / count
    square = math.fsum((sample**2).sum(axis=0))
    distance = (square - 2.0 * mean * math.fsum(np.diag(sample)) + count * mean**2) / count
    squared = centred**2
    spread = math.fsum((squared.T @ squared).sum(axis=0)) / days - square
    noise = min(max(0.0, spread / (count * days)), max(0.0, distance))
    intensity = noise / distance if distance > 0.0 and noise > 0.0 else 0.0
    shrunk = (1.0 - intensity) * sample
    shrunk[np.diag_indices(count)] += intensity * mean
    return shrunk, intensity
