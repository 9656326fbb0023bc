"""Lifecycle clamps and bounds on capital fractions (spec 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from operators.allocate.box_simplex import proportional_box
from operators.frames import Float64
from schemas.configuration.capital_limits import CapitalLimits, FractionBounds, LifecycleClamps

INCUBATION: Final = "INCUBATION"
PRODUCTION: Final = "PRODUCTION"
WARNING: Final = "WARNING"
PROBATION: Final = "PROBATION"
RETIRED: Final = "RETIRED"
#: A pod's lifecycle state; None while its ``lifecycle`` is off: then no clamp acts on it, whatever its first state.
State = str | None


def clamp(state: State, weight: float, clamps: LifecycleClamps, bounds: FractionBounds) -> tuple[float, float, float]:
    """(weight after the lifecycle clamp, least, most): the clamp also caps what later steps may give the pod."""
    least, most = bounds.min, bounds.max
    if state == INCUBATION:
        most = min(most, clamps.incubation_max)
        weight = min(weight, clamps.incubation_max)
    elif state == PRODUCTION:
        least, most = max(least, clamps.production_min), min(most, clamps.production_max)
        weight = min(max(weight, clamps.production_min), clamps.production_max)
    elif state == WARNING:
        weight *= clamps.warning_factor
        most = min(most, weight)
    elif state == PROBATION:
        weight = min(weight, clamps.probation_max)
        most = min(most, weight)
    elif state == RETIRED:
        weight = least = most = 0.0
    elif state is not None:
        raise ValueError(f"no lifecycle state {state!r}")
    return weight, min(least, most), most


def clamp_all(
    states: Sequence[State], pods: Sequence[str], weights: Float64, limits: CapitalLimits
) -> tuple[Float64, Float64, Float64]:
    """[P] clamped weights, of which a sum above 1 is scaled down (and none up), and each pod's least and most."""
    rows = [
        clamp(state, weight, limits.lifecycle, limits.bounds_of(pod))
        for state, pod, weight in zip(states, pods, weights.tolist(), strict=True)
    ]
    clamped, least, most = (np.array(column) for column in zip(*rows, strict=True))
    return clamped / max(1.0, math.fsum(clamped)), least, most


def bound(weights: Float64, least: Float64, most: Float64) -> Float64:
    """[P] the proportional form clip(c·v, least, most) of the same sum, as near to it as the bounds allow.

    Floors that together ask for more than everything are scaled down.
    """
    least = least / max(1.0, math.fsum(least))
    if (weights >= least).all() and (weights <= most).all():
        return weights
    total = min(max(math.fsum(weights), math.fsum(least)), math.fsum(most), 1.0)
    return proportional_box(weights, least, most, total)
